//! The `ip`, `wg` and `sysctl` lines that ask for the same; secrets appear as file paths only.

mod link;
mod network;
mod wireguard;

use std::fmt::{self, Display, Write};

use crate::op::Op;
use crate::spec::PublicKey;

/// Where a printed command is to run and where its keys are.
///
/// ```
/// use kraud_netlink::{CommandContext, KeyFile, Op, PrivateKey, Wireguard};
///
/// let op = Op::SetWireguard(Wireguard::new("wg0").private_key(PrivateKey::new([7; 32])));
/// let paths = |key: &KeyFile<'_>| format!("/etc/keys/{}.key", key.dev);
/// assert_eq!(
///     op.commands(&CommandContext::in_netns("vpc").key_files(&paths)),
///     ["ip netns exec vpc wg set wg0 private-key /etc/keys/wg0.key"],
/// );
/// ```
#[derive(Clone, Copy, Default)]
pub struct CommandContext<'a> {
    netns: Option<&'a str>,
    key_files: Option<&'a dyn Fn(&KeyFile<'_>) -> String>,
}

/// The file that a command reads a key from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFile<'a> {
    /// The namespace of the device.
    pub netns: Option<&'a str>,
    /// The device.
    pub dev: &'a str,
    /// The peer that the preshared key is for, `None` for the device's private key.
    pub peer: Option<PublicKey>,
}

impl fmt::Debug for CommandContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandContext")
            .field("netns", &self.netns)
            .finish_non_exhaustive()
    }
}

impl<'a> CommandContext<'a> {
    /// Here, with keys in `DEV.key` and `DEV.psk-N` of the present folder.
    #[must_use]
    pub fn here() -> Self {
        Self::default()
    }

    /// In the namespace of that name.
    #[must_use]
    pub fn in_netns(netns: &'a str) -> Self {
        Self {
            netns: Some(netns),
            key_files: None,
        }
    }

    /// With keys in the files that the function names.
    #[must_use]
    pub fn key_files(mut self, paths: &'a dyn Fn(&KeyFile<'_>) -> String) -> Self {
        self.key_files = Some(paths);
        self
    }

    /// The same in another namespace.
    pub(crate) fn moved(&self, netns: &'a str) -> Self {
        Self {
            netns: Some(netns),
            ..*self
        }
    }

    pub(crate) fn key_file(&self, dev: &str, peer: Option<PublicKey>) -> String {
        let file = KeyFile {
            netns: self.netns,
            dev,
            peer,
        };
        match (self.key_files, peer) {
            (Some(paths), _) => paths(&file),
            (None, None) => format!("{dev}.key"),
            (None, Some(peer)) => {
                let start: String = peer
                    .0
                    .iter()
                    .take(4)
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                format!("{dev}-{start}.psk")
            }
        }
    }

    /// An `ip` line, with `family` being `-4`, `-6` or nothing.
    pub(crate) fn ip(&self, family: Option<&str>) -> Line {
        let mut line = Line(String::from("ip"));
        if let Some(netns) = self.netns {
            line.opt("-n", netns);
        }
        if let Some(family) = family {
            line.word(family);
        }
        line
    }

    /// Any other program's line.
    pub(crate) fn program(&self, program: &str) -> Line {
        let mut line = Line(String::new());
        if let Some(netns) = self.netns {
            line.word("ip").word("netns").opt("exec", netns);
        }
        line.word(program);
        line
    }
}

/// A shell line under construction: every word is quoted as far as it needs to be.
#[derive(Debug)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn word(&mut self, word: impl Display) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        let word = word.to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            self.0.push_str(&word);
        } else {
            let _ = write!(self.0, "'{}'", word.replace('\'', r"'\''"));
        }
        self
    }

    pub(crate) fn opt(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.word(key).word(value)
    }

    pub(crate) fn maybe(&mut self, key: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.opt(key, value);
        }
        self
    }

    pub(crate) fn when(&mut self, on: bool, word: &str) -> &mut Self {
        if on {
            self.word(word);
        }
        self
    }

    pub(crate) fn switch(&mut self, key: &str, value: Option<bool>) -> &mut Self {
        self.maybe(key, value.map(|on| if on { "on" } else { "off" }))
    }

    pub(crate) fn bit(&mut self, key: &str, value: Option<bool>) -> &mut Self {
        self.maybe(key, value.map(u8::from))
    }

    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

impl Op {
    /// The shell lines that do the same, in order.
    ///
    /// Words are quoted for a POSIX shell. Private and preshared keys appear as the paths that `context` names.
    #[must_use]
    pub fn commands(&self, context: &CommandContext<'_>) -> Vec<String> {
        let one = |line: String| vec![line];
        match self {
            Self::AddAddress(address) => one(address.command("add", context)),
            Self::AddAltName { link, alt_name } => {
                one(alt_name_command("add", link, alt_name, context))
            }
            Self::DeleteAltName { link, alt_name } => {
                one(alt_name_command("del", link, alt_name, context))
            }
            Self::AddNextHop(object) => one(object.command("add", context)),
            Self::ReplaceNextHop(object) => one(object.command("replace", context)),
            Self::DeleteNextHop(id) => one(context
                .ip(None)
                .word("nexthop")
                .word("del")
                .opt("id", id)
                .take()),
            Self::AddLink(link) => link.commands(context),
            Self::AddNetns(name) => one(CommandContext::here()
                .ip(None)
                .word("netns")
                .opt("add", name)
                .take()),
            Self::AddNeighbour(neighbour) => one(neighbour.command("add", context)),
            Self::AddRoute(route) => one(route.command("add", context)),
            Self::AddRule(rule) => one(rule.command("add", context)),
            Self::AppendRoute(route) => one(route.command("append", context)),
            Self::DeleteAddress(address) => one(address.command("del", context)),
            Self::DeleteLink(name) => one(context.ip(None).word("link").opt("del", name).take()),
            Self::DeleteLinkGroup(group) => one(context
                .ip(None)
                .word("link")
                .word("del")
                .opt("group", group)
                .take()),
            Self::DeleteNetns(name) => one(CommandContext::here()
                .ip(None)
                .word("netns")
                .opt("del", name)
                .take()),
            Self::DeleteNeighbour(neighbour) => one(neighbour.command("del", context)),
            Self::DeleteRoute(route) => one(route.command("del", context)),
            Self::DeleteRule(rule) => one(rule.command("del", context)),
            Self::MoveLink {
                name,
                netns,
                rename,
                up,
            } => {
                let mut line = context.ip(None);
                line.word("link")
                    .word("set")
                    .opt("dev", name)
                    .opt("netns", netns)
                    .maybe("name", rename.as_ref())
                    .when(*up, "up");
                one(line.take())
            }
            Self::RenameLink { name, to } => one(context
                .ip(None)
                .word("link")
                .word("set")
                .opt("dev", name)
                .opt("name", to)
                .take()),
            Self::ReplaceAddress(address) => one(address.command("replace", context)),
            Self::ReplaceNeighbour(neighbour) => one(neighbour.command("replace", context)),
            Self::ReplaceRoute(route) => one(route.command("replace", context)),
            Self::SetLink(change) => change.commands(context),
            Self::DeleteNft(table) => {
                let script = format!("delete table {} {}", table.family, table.name);
                one(context.program("nft").word(script).take())
            }
            Self::SetNft(table) => one(context.program("nft").word(table.add_script(true)).take()),
            Self::SetNetnsId { netns, id } => {
                let mut line = context.ip(None);
                line.word("netns").opt("set", netns);
                match id {
                    None => line.word("auto"),
                    Some(id) => line.word(id),
                };
                one(line.take())
            }
            Self::SetWireguard(wireguard) => wireguard.commands(context),
            Self::WriteSysctl(sysctl) => {
                let assignment = format!("{}={}", sysctl.key, sysctl.value);
                one(context.program("sysctl").opt("-w", assignment).take())
            }
        }
    }
}

fn alt_name_command(
    verb: &str,
    link: &str,
    alt_name: &str,
    context: &CommandContext<'_>,
) -> String {
    let mut line = context.ip(None);
    line.word("link").word("property").word(verb);
    line.opt("dev", link).opt("altname", alt_name).take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_safe_in_a_shell() {
        let mut line = Line(String::new());
        line.word("plain-1.0")
            .word("two words")
            .word("it's; rm -rf $HOME")
            .word("");
        assert_eq!(
            line.take(),
            r"plain-1.0 'two words' 'it'\''s; rm -rf $HOME' ''"
        );
    }
}
