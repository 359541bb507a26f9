//! What is to go: what is ours and not wanted any more, and what was wanted once.

use std::collections::{HashMap, HashSet};

use super::diff::{Owner, Snapshot, Want, Wanted, handle};
use super::inverse::route_key;
use crate::error::Result;
use crate::namespaces::{Namespaces, Step};
use crate::op::Op;
use crate::spec::{Address, Link, LinkKind, Route};

impl Wanted {
    /// Removes what is ours and not wanted.
    pub(super) fn purge(&self, owner: &Owner, netns: Option<&str>, there: &Snapshot) -> Vec<Op> {
        let wants = || {
            self.wants
                .iter()
                .filter(move |(at, _)| at.as_deref() == netns)
                .map(|(_, want)| want)
        };
        let born_here = || {
            self.wants.iter().filter_map(move |(at, want)| match want {
                Want::Link(link) if link.netns.as_deref().or(at.as_deref()) == netns => Some(link),
                _ => None,
            })
        };
        let mut ops = Vec::new();
        let routes: HashSet<_> = wants()
            .filter_map(|want| {
                if let Want::Route(route) = want {
                    Some(route_key(route))
                } else {
                    None
                }
            })
            .collect();
        let mut stale: Vec<&Route> = there
            .routes
            .values()
            .filter(|route| route.protocol == owner.protocol && !routes.contains(&route_key(route)))
            .collect();
        stale.sort_by_key(|route| route_key(route));
        ops.extend(stale.into_iter().cloned().map(Op::DeleteRoute));
        for rule in &there.rules {
            let wanted = wants().any(|want| matches!(want, Want::Rule(wanted) if wanted == rule));
            if rule.protocol == Some(owner.protocol) && !wanted {
                ops.push(Op::DeleteRule(rule.clone()));
            }
        }
        for info in &there.addresses {
            let found = &info.address;
            let same =
                |a: &Address| a.dev == found.dev && a.net == found.net && a.peer == found.peer;
            let wanted = wants().any(|want| matches!(want, Want::Address(wanted) if same(wanted)));
            if found.protocol == Some(owner.protocol) && !wanted {
                ops.push(Op::DeleteAddress(found.clone()));
            }
        }
        for info in &there.links {
            let ours = info.link.alias.as_deref() == Some(&owner.alias)
                && !matches!(info.link.kind, LinkKind::Physical);
            let peer_of_wanted = |link: &Link| matches!(&link.kind, LinkKind::Veth(peer) if peer.name.as_ref() == Some(&info.link.name));
            let wanted =
                born_here().any(|link| link.name == info.link.name || peer_of_wanted(link));
            if ours && !wanted {
                ops.push(Op::DeleteLink(info.link.name.clone()));
            }
        }
        ops
    }

    /// The steps that remove what is to be gone, last things first.
    pub(super) fn removals(
        &self,
        system: &mut Namespaces,
        snapshots: &HashMap<Option<String>, Snapshot>,
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for (netns, want) in self.unwanted.iter().rev() {
            let Some(there) = snapshots.get(netns) else {
                continue;
            };
            let op = match want {
                Want::Netns(name) => system
                    .netns(name)
                    .is_ok()
                    .then(|| Op::DeleteNetns(name.clone())),
                _ if there.netns.is_none() => None,
                Want::Address(gone) => there
                    .addresses
                    .iter()
                    .map(|info| &info.address)
                    .find(|is| is.dev == gone.dev && is.net == gone.net && is.peer == gone.peer)
                    .filter(|is| gone.protocol.is_none() || is.protocol == gone.protocol)
                    .map(|is| Op::DeleteAddress(is.clone())),
                Want::Link(gone) => there
                    .links
                    .iter()
                    .map(|info| &info.link)
                    .find(|is| is.name == gone.name && is.kind.name() == gone.kind.name())
                    .filter(|is| is.alias == gone.alias && !matches!(is.kind, LinkKind::Physical))
                    .map(|is| Op::DeleteLink(is.name.clone())),
                Want::Nft(gone) => handle(system, netns.as_deref())?
                    .nft_exists(gone)?
                    .then(|| Op::DeleteNft(gone.clone())),
                Want::Route(gone) => there
                    .routes
                    .get(&route_key(gone))
                    .filter(|is| is.protocol == gone.protocol)
                    .map(|is| Op::DeleteRoute(is.clone())),
                Want::Rule(gone) => there
                    .rules
                    .contains(gone)
                    .then(|| Op::DeleteRule(gone.clone())),
                Want::Sysctl(before) => {
                    let is = there
                        .netns
                        .as_ref()
                        .map(|netns| netns.read_sysctl(&before.key));
                    let differs = is.is_some_and(|is| is.is_ok_and(|is| is != before.value));
                    differs.then(|| Op::WriteSysctl(before.clone()))
                }
                Want::Wireguard(_) => None,
            };
            steps.extend(op.map(|op| Step {
                netns: netns.clone(),
                op,
            }));
        }
        Ok(steps)
    }
}
