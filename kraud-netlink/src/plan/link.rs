//! From a link that is there to the wanted one: read-modify-write.

use super::compare::keep_other;
use crate::error::Result;
use crate::handle::Handle;
use crate::op::Op;
use crate::read::LinkInfo;
use crate::spec::{Bridge, Ip6Tnl, Link, LinkChange, LinkKind, Vlan};
use crate::wire::RawAttr;

impl Handle {
    /// Changes a link: `change` gets it as it is, and what it leaves alone stays as it was.
    ///
    /// Only what differs is sent, but the options of a tunnel are sent as a whole, those that this crate does not know
    /// included: the kernel zeroes what is missing. Says whether there was anything to do.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`](crate::Error::Conflict) for what cannot be changed in place, such as a VLAN's id; and as
    /// [`Handle::link`] and [`Handle::apply`].
    ///
    /// ```no_run
    /// use kraud_netlink::{Handle, LinkKind};
    ///
    /// Handle::current()?.modify_link("tnl0", |link| {
    ///     link.mtu = Some(1400);
    ///     if let LinkKind::Ip6Tnl(tunnel) = &mut link.kind {
    ///         tunnel.hop_limit = 32;
    ///     }
    /// })?;
    /// # Ok::<(), kraud_netlink::Error>(())
    /// ```
    pub fn modify_link(&mut self, name: &str, change: impl FnOnce(&mut Link)) -> Result<bool> {
        let found = self.link(name)?;
        let mut wanted = found.link.clone();
        change(&mut wanted);
        wanted.name = name.to_owned();
        let mut difference = link_change(&found, &wanted)
            .map_err(|why| super::inverse::conflict(format!("link {name:?}"), why))?;
        let is = &found.link;
        // Here "not wanted" is meant so.
        if is.up && !wanted.up {
            difference.up = Some(false);
        }
        if is.noarp && !wanted.noarp {
            difference.arp = Some(true);
        }
        if is.master.is_some() && wanted.master.is_none() {
            difference.master = Some(String::new());
        }
        if is.alias.is_some() && wanted.alias.is_none() {
            difference.alias = Some(String::new());
        }
        if difference == LinkChange::new(name) {
            return Ok(false);
        }
        self.apply(&Op::SetLink(difference))?;
        Ok(true)
    }
}

/// The change that makes the wanted link of the one that is there, or why it would have to be made again.
///
/// What the wanted link does not say stays.
pub(super) fn link_change(found: &LinkInfo, wanted: &Link) -> Result<LinkChange, String> {
    let is = &found.link;
    if is.kind.name() != wanted.kind.name() {
        return Err(format!("it is of kind {:?}", is.kind.name()));
    }
    let parent_differs = wanted.parent.is_some() && wanted.parent != is.parent;
    let mut change = LinkChange::new(&wanted.name);
    match (&is.kind, &wanted.kind) {
        (LinkKind::Vlan(is), LinkKind::Vlan(want)) => {
            let another = |protocol| is.protocol != Some(protocol);
            if is.id != want.id || want.protocol.is_some_and(another) {
                return Err("a VLAN's id and protocol cannot be changed".to_owned());
            }
            if !vlan_serves(is, want) {
                change.kind = Some(wanted.kind.clone());
            }
        }
        (LinkKind::Ip6Tnl(tunnel), LinkKind::Ip6Tnl(want)) => {
            if tunnel.external != want.external {
                return Err("a tunnel cannot become external, or cease to be".to_owned());
            }
            let whole = tunnel_over(tunnel, want);
            let same = whole == *tunnel || (want.external && want.mode == tunnel.mode);
            if !same || parent_differs {
                change.kind = Some(LinkKind::Ip6Tnl(whole));
                change.parent = wanted.parent.clone().or_else(|| is.parent.clone());
            }
        }
        (LinkKind::Bridge(is), LinkKind::Bridge(want)) => {
            let difference = bridge_difference(is, want);
            if difference != Bridge::default() {
                change.kind = Some(LinkKind::Bridge(difference));
            }
        }
        (LinkKind::Ipvlan(is), LinkKind::Ipvlan(want)) if is != want => {
            change.kind = Some(wanted.kind.clone());
        }
        _ => {}
    }
    // Where the parent is in another namespace its name is not known.
    if parent_differs && is.parent.is_some() && !matches!(wanted.kind, LinkKind::Ip6Tnl(_)) {
        return Err("its parent cannot be changed".to_owned());
    }
    let differs =
        |wanted: Option<u32>, is: Option<u32>| wanted.filter(|&wanted| is != Some(wanted));
    let renamed = |wanted: &Option<String>, is: &Option<String>| {
        wanted.clone().filter(|wanted| is.as_ref() != Some(wanted))
    };
    change.mtu = differs(wanted.mtu, is.mtu);
    change.txqueuelen = differs(wanted.txqueuelen, is.txqueuelen);
    change.group = differs(wanted.group, is.group.or(Some(0)));
    change.address = wanted.address.filter(|&wanted| is.address != Some(wanted));
    change.alias = renamed(&wanted.alias, &is.alias);
    change.master = renamed(&wanted.master, &is.master);
    change.addr_gen_mode = wanted
        .addr_gen_mode
        .filter(|&wanted| is.addr_gen_mode != Some(wanted));
    change.up = (wanted.up && !is.up).then_some(true);
    change.arp = (wanted.noarp && !is.noarp).then_some(false);
    Ok(change)
}

/// The wanted options with those that this crate has no field for taken from the tunnel that is there.
fn tunnel_over(found: &Ip6Tnl, wanted: &Ip6Tnl) -> Ip6Tnl {
    let mut wanted = wanted.clone();
    keep_other(&mut wanted.other, &found.other);
    wanted.flags.other |= found.flags.other;
    wanted
}

fn vlan_serves(is: &Vlan, want: &Vlan) -> bool {
    let switches = is
        .switches()
        .iter()
        .zip(want.switches())
        .all(|((_, _, is), (_, _, want))| want.is_none() || *is == want);
    let maps = |is: &[(u32, u32)], want: &[(u32, u32)]| want.iter().all(|pair| is.contains(pair));
    switches
        && maps(&is.ingress_qos, &want.ingress_qos)
        && maps(&is.egress_qos, &want.egress_qos)
        && other_serves(&is.other, &want.other)
}

/// The options in which a bridge should differ from what it is; some kernels refuse others even at their present value.
fn bridge_difference(is: &Bridge, want: &Bridge) -> Bridge {
    fn differs<T: PartialEq>(is: Option<T>, want: Option<T>) -> Option<T> {
        want.filter(|want| is.as_ref() != Some(want))
    }
    Bridge {
        mcast_snooping: differs(is.mcast_snooping, want.mcast_snooping),
        stp: differs(is.stp, want.stp),
        vlan_filtering: differs(is.vlan_filtering, want.vlan_filtering),
        ageing_time: differs(is.ageing_time, want.ageing_time),
        priority: differs(is.priority, want.priority),
        forward_delay: differs(is.forward_delay, want.forward_delay),
        hello_time: differs(is.hello_time, want.hello_time),
        max_age: differs(is.max_age, want.max_age),
        other: raw_where(want, |attr| !is.other.contains(attr)),
    }
}

/// The present options of a bridge that a change will overwrite.
pub(super) fn bridge_before(is: &Bridge, change: &Bridge) -> Bridge {
    let said = |attr: &RawAttr| change.other.iter().any(|other| other.kind == attr.kind);
    Bridge {
        mcast_snooping: change.mcast_snooping.and(is.mcast_snooping),
        stp: change.stp.and(is.stp),
        vlan_filtering: change.vlan_filtering.and(is.vlan_filtering),
        ageing_time: change.ageing_time.and(is.ageing_time),
        priority: change.priority.and(is.priority),
        forward_delay: change.forward_delay.and(is.forward_delay),
        hello_time: change.hello_time.and(is.hello_time),
        max_age: change.max_age.and(is.max_age),
        other: raw_where(is, said),
    }
}

fn raw_where(bridge: &Bridge, chosen: impl Fn(&RawAttr) -> bool) -> Vec<RawAttr> {
    let other = bridge.other.iter();
    other.filter(|attr| chosen(attr)).cloned().collect()
}

fn other_serves(is: &[RawAttr], want: &[RawAttr]) -> bool {
    want.iter().all(|attr| is.contains(attr))
}
