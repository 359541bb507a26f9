//! The packet filter of a namespace's networks on one host: one table of our own, replaced as a whole.
//!
//! A host with other filters keeps them: what they drop stays dropped.

use kraud_netlink::{NftChain, NftFamily, NftHook, NftMatch, NftRule, NftTable};

use crate::model::{Egress, Network};

/// A network and the host's link that its packets leave it by: the bridge, or the parent.
pub(super) struct Exit<'a> {
    pub(super) network: &'a Network,
    pub(super) link: &'a str,
    pub(super) is_bridge: bool,
}

/// The table, unless there is nothing to be said in it.
///
/// Packets of a masqueraded subnet get an address of the link that they leave the host by; what stays on their own
/// bridge does not (row B8). Bridges do not reach each other, and internal ones nothing at all: a rule for each ordered
/// pair, so that nothing but our own links is named.
pub(super) fn table(name: &str, exits: &[Exit<'_>]) -> Option<NftTable> {
    let mut masquerade = NftChain::nat_postrouting("postrouting");
    for exit in exits {
        let subnets = exit.network.subnets.iter();
        for subnet in subnets.filter(|subnet| subnet.egress == Egress::Masqueraded) {
            let rule = NftRule::masquerade().from(subnet.net);
            let rule = match exit.is_bridge {
                true => rule.not_out(exit.link),
                false => rule.out(exit.link),
            };
            masquerade = masquerade.rule(rule.counter());
        }
    }
    let mut isolate = NftChain::filter("forward", NftHook::Forward);
    let bridges = || exits.iter().filter(|exit| exit.is_bridge);
    for from in bridges() {
        if !from.network.leaves() {
            let not_in = NftMatch::InLink {
                name: from.link.to_owned(),
                not: true,
            };
            isolate = isolate
                .rule(NftRule::drop().r#in(from.link).not_out(from.link).counter())
                .rule(NftRule::drop().when(not_in).out(from.link).counter());
            continue;
        }
        for to in bridges().filter(|to| to.link != from.link && to.network.leaves()) {
            isolate = isolate.rule(NftRule::drop().r#in(from.link).out(to.link).counter());
        }
    }
    let chains: Vec<NftChain> = [masquerade, isolate]
        .into_iter()
        .filter(|chain| !chain.rules.is_empty())
        .collect();
    let table = NftTable {
        chains,
        ..NftTable::new(NftFamily::Inet, name)
    };
    (!table.chains.is_empty()).then_some(table)
}
