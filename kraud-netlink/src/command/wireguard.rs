use super::{CommandContext, Line};
use crate::spec::{Peer, PeerAction, Wireguard};

impl Wireguard {
    /// The `wg set` line.
    ///
    /// What `wg set` cannot say is kept apart: [`Self::replace_peers`](Self::replace_peers) becomes a comment, since
    /// only `wg setconf` with a file removes the peers that are not listed.
    #[must_use]
    pub fn commands(&self, context: &CommandContext<'_>) -> Vec<String> {
        let mut line = context.program("wg");
        line.opt("set", &self.dev);
        line.maybe("listen-port", self.listen_port);
        if let Some(key) = &self.private_key {
            if key.is_zero() {
                line.opt("private-key", "/dev/null");
            } else {
                line.opt("private-key", context.key_file(&self.dev, None));
            }
        }
        line.maybe("fwmark", self.fwmark);
        for peer in &self.peers {
            self.peer_words(&mut line, peer, context);
        }
        let mut lines = Vec::new();
        if self.replace_peers {
            lines.push(format!(
                "# every other peer of {} is removed",
                Line(String::new()).word(&self.dev).take()
            ));
        }
        lines.push(line.take());
        lines
    }

    fn peer_words(&self, line: &mut Line, peer: &Peer, context: &CommandContext<'_>) {
        line.opt("peer", peer.public_key);
        if peer.action == PeerAction::Remove {
            line.word("remove");
            return;
        }
        line.maybe("endpoint", peer.endpoint);
        if let Some(key) = &peer.preshared_key {
            if key.is_zero() {
                line.opt("preshared-key", "/dev/null");
            } else {
                line.opt(
                    "preshared-key",
                    context.key_file(&self.dev, Some(peer.public_key)),
                );
            }
        }
        match peer.keepalive {
            None => {}
            Some(0) => {
                line.opt("persistent-keepalive", "off");
            }
            Some(seconds) => {
                line.opt("persistent-keepalive", seconds);
            }
        }
        let sign = if peer.replace_allowed_ips { "" } else { "+" };
        let added = peer.allowed_ips.iter().map(|net| format!("{sign}{net}"));
        let removed = peer.removed_ips.iter().map(|net| format!("-{net}"));
        let list: Vec<String> = added.chain(removed).collect();
        if peer.replace_allowed_ips || !list.is_empty() {
            line.opt("allowed-ips", list.join(","));
        }
    }
}
