//! What a refusal means: the attribute that it points at, and what usually helps.

use std::fmt::Display;

use crate::command::CommandContext;
use crate::connection::Refusal;
use crate::error::{Error, KernelError};
use crate::message::consts::*;
use crate::namespaces::Step;
use crate::op::Op;
use crate::spec::LinkKind;
use crate::wire::{HEADER_LEN, align};

/// The error of a refused request, without the equivalent command, which the caller adds.
pub(crate) fn error(refusal: &Refusal, request: &[u8], op: &dyn Display) -> Error {
    let kind = request
        .get(4..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |b| u16::from_ne_bytes(*b));
    let attribute = match (refusal.offset, refusal.missing) {
        (Some(offset), _) => attribute_at(kind, request, offset as usize),
        (None, Some(missing)) => Some(format!(
            "{} (missing)",
            name(kind, &[u16::try_from(missing).unwrap_or(0)])
        )),
        (None, None) => None,
    };
    KernelError {
        errno: refusal.errno,
        op: op.to_string(),
        message: refusal.message.clone().filter(|text| !text.is_empty()),
        attribute,
        command: None,
        hint: None,
    }
    .into()
}

/// Adds to a refusal what the operation knows: its equivalent command and a hint.
pub(crate) fn complete(error: Error, op: &Op, context: &CommandContext<'_>) -> Error {
    let Error::Kernel(mut kernel) = error else {
        return error;
    };
    if kernel.command.is_none() {
        let commands = op.commands(context);
        kernel.command = (!commands.is_empty()).then(|| commands.join(" && "));
    }
    if kernel.hint.is_none() {
        kernel.hint = hint(op, kernel.errno, kernel.message.as_deref().unwrap_or(""));
    }
    Error::Kernel(kernel)
}

/// Puts the step's namespace into the operation and the command of a refusal.
pub(crate) fn place(error: Error, step: &Step) -> Error {
    let Error::Kernel(mut kernel) = error else {
        return error;
    };
    kernel.op = step.to_string();
    kernel.command = Some(step.commands().join(" && "));
    Error::Kernel(kernel)
}

/// What to do about a link kind or family that the kernel lacks.
pub(crate) fn module_hint(kind: &str) -> String {
    let (module, option) = match kind {
        "bridge" => ("bridge", "CONFIG_BRIDGE"),
        "dummy" => ("dummy", "CONFIG_DUMMY"),
        "ip6tnl" => ("ip6_tunnel", "CONFIG_IPV6_TUNNEL"),
        "ipvlan" => ("ipvlan", "CONFIG_IPVLAN"),
        "veth" => ("veth", "CONFIG_VETH"),
        "vlan" => ("8021q", "CONFIG_VLAN_8021Q"),
        "wireguard" => ("wireguard", "CONFIG_WIREGUARD"),
        other => return format!("this kernel has no link kind {other:?}; load its module"),
    };
    format!("this kernel lacks {kind}: `modprobe {module}`, or a kernel with {option}")
}

fn hint(op: &Op, errno: i32, message: &str) -> Option<String> {
    use nix::libc::{
        EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EBUSY, EEXIST, EHOSTUNREACH, EINVAL,
        ENETDOWN, ENETUNREACH, ENODEV, EOPNOTSUPP, EPERM, ESRCH,
    };
    let text = match (errno, op) {
        (EPERM, _) => {
            "needs CAP_NET_ADMIN in the user namespace that owns this network namespace: run as root, or in a user \
             namespace with a network namespace of its own"
        }
        (EOPNOTSUPP, Op::AddLink(link)) if message.contains("Unknown device type") => {
            return Some(module_hint(link.kind.name()));
        }
        (
            EOPNOTSUPP | EINVAL,
            Op::AddRoute(route) | Op::ReplaceRoute(route) | Op::AppendRoute(route),
        ) if route.encap.is_some() && (errno == EOPNOTSUPP || message.contains("encap")) => {
            "this kernel lacks the light-weight tunnel: CONFIG_LWTUNNEL, and for ip6 CONFIG_IPV6_TUNNEL or CONFIG_IPV6"
        }
        (
            EACCES | EOPNOTSUPP | EAFNOSUPPORT,
            Op::AddAddress(address) | Op::ReplaceAddress(address),
        ) if address.net.addr().is_ipv6() => {
            "IPv6 is switched off on this link: set net.ipv6.conf.<link>.disable_ipv6 to 0"
        }
        (EBUSY, Op::AddLink(link)) if matches!(link.kind, LinkKind::Ipvlan(_)) => {
            "the parent is in use by macvlan, a bridge or a bond: ipvlan needs a parent that is used for nothing else"
        }
        (EBUSY, Op::SetLink(_)) => {
            "the link is in use: set it down first, or take it out of its bridge"
        }
        (EBUSY, Op::RenameLink { .. }) => {
            "a link that is up cannot be renamed on this kernel: set it down first"
        }
        (EADDRINUSE, Op::AddAddress(_) | Op::ReplaceAddress(_)) => {
            "another ipvlan slave of the same parent has the address; after its namespace was deleted the kernel frees it \
             within about half a second"
        }
        (EADDRINUSE, Op::SetWireguard(_) | Op::SetLink(_)) => "another socket has the UDP port",
        (EEXIST, Op::AddLink(link)) if matches!(&link.kind, LinkKind::Ip6Tnl(tunnel) if tunnel.external) => {
            "the name is taken, or the namespace has an external ip6tnl already: there is at most one"
        }
        (EEXIST, Op::AddLink(link)) if matches!(link.kind, LinkKind::Ip6Tnl(_)) => {
            "the name is taken, or another tunnel has the same local and remote address"
        }
        (EEXIST, Op::AddLink(_) | Op::RenameLink { .. } | Op::MoveLink { .. }) => {
            "a link of that name exists"
        }
        (EEXIST, Op::AddRoute(_)) => {
            "a route to that prefix with the same metric exists: give it a metric of its own, or replace it"
        }
        (EEXIST, Op::AddAddress(_)) => "the link has the address already",
        (EEXIST, Op::AddRule(_)) => "the same rule exists",
        (EINVAL, Op::AddLink(link))
            if matches!(link.kind, LinkKind::Ipvlan(_))
                && (message.is_empty() || message.contains("lo or non-ether")) =>
        {
            return Some(format!(
                "{:?} cannot be an ipvlan parent: it must be an Ethernet link, such as one end of a veth pair",
                link.parent.as_deref().unwrap_or("")
            ));
        }
        (
            ENETUNREACH | EHOSTUNREACH,
            Op::AddRoute(_) | Op::ReplaceRoute(_) | Op::AppendRoute(_),
        ) => {
            "the gateway is on no link: add an address or a route that reaches it, or say `onlink`"
        }
        (ENETDOWN, Op::AddLink(_)) => "its parent is down: set that up first",
        (ENETDOWN, Op::AddRoute(_) | Op::ReplaceRoute(_) | Op::AppendRoute(_)) => {
            "the link is down: set it up first"
        }
        (EINVAL, Op::AddRoute(route) | Op::ReplaceRoute(route))
            if route.src.is_some() && message.contains("ource") =>
        {
            "the source address must be on a link of this namespace before the route is made"
        }
        (EADDRNOTAVAIL, Op::DeleteAddress(_)) => "the link does not have the address",
        (ESRCH, Op::DeleteRoute(_)) => "there is no such route",
        (ENODEV, _) => "the link is gone",
        _ => return None,
    };
    Some(text.to_owned())
}

/// The length of the fixed header behind the netlink header.
fn family_header(kind: u16) -> usize {
    match kind {
        RTM_NEWLINK..=RTM_GETLINK => 16,
        RTM_NEWADDR..=RTM_GETADDR => 8,
        RTM_NEWROUTE..=RTM_GETROUTE | RTM_NEWNEIGH..=RTM_GETNEIGH | RTM_NEWRULE..=RTM_GETRULE => 12,
        _ => 4,
    }
}

/// The path of the attribute at `offset` of the request, such as `IFLA_LINKINFO.IFLA_INFO_KIND`.
fn attribute_at(kind: u16, request: &[u8], offset: usize) -> Option<String> {
    let mut at = HEADER_LEN.checked_add(family_header(kind))?;
    let mut end = request.len();
    let mut path = Vec::new();
    while at < end {
        let len = usize::from(u16::from_ne_bytes(*request.get(at..)?.first_chunk()?));
        let attr = u16::from_ne_bytes(*request.get(at.checked_add(2)?..)?.first_chunk()?) & 0x3fff;
        let next = at.checked_add(align(len.max(4)))?;
        if offset < next {
            path.push(attr);
            if offset < at.checked_add(4)? {
                return Some(name(kind, &path));
            }
            at = at.checked_add(4)?;
            end = next.min(end);
        } else {
            at = next;
        }
    }
    (!path.is_empty()).then(|| name(kind, &path))
}

fn name(kind: u16, path: &[u16]) -> String {
    let mut words = Vec::with_capacity(path.len());
    for (depth, &attr) in path.iter().enumerate() {
        let parent = depth.checked_sub(1).and_then(|at| path.get(at)).copied();
        let word = match (kind, depth, parent) {
            (RTM_NEWLINK..=RTM_GETLINK, 0, _) => link_attr(attr),
            (RTM_NEWLINK..=RTM_GETLINK, 1, Some(IFLA_LINKINFO)) => match attr {
                1 => Some("IFLA_INFO_KIND"),
                2 => Some("IFLA_INFO_DATA"),
                4 => Some("IFLA_INFO_SLAVE_KIND"),
                5 => Some("IFLA_INFO_SLAVE_DATA"),
                _ => None,
            },
            (RTM_NEWADDR..=RTM_GETADDR, 0, _) => address_attr(attr),
            (RTM_NEWROUTE..=RTM_GETROUTE, 0, _) => route_attr(attr),
            (RTM_NEWROUTE..=RTM_GETROUTE, 1, Some(RTA_ENCAP)) => match attr {
                1 => Some("LWTUNNEL_IP_ID"),
                2 => Some("LWTUNNEL_IP_DST"),
                3 => Some("LWTUNNEL_IP_SRC"),
                4 => Some("LWTUNNEL_IP_TTL"),
                5 => Some("LWTUNNEL_IP_TOS"),
                6 => Some("LWTUNNEL_IP_FLAGS"),
                _ => None,
            },
            (RTM_NEWNEIGH..=RTM_GETNEIGH, 0, _) => match attr {
                NDA_DST => Some("NDA_DST"),
                NDA_LLADDR => Some("NDA_LLADDR"),
                _ => None,
            },
            (RTM_NEWRULE..=RTM_GETRULE, 0, _) => rule_attr(attr),
            _ => None,
        };
        words.push(word.map_or_else(|| attr.to_string(), str::to_owned));
    }
    words.join(".")
}

fn link_attr(attr: u16) -> Option<&'static str> {
    Some(match attr {
        IFLA_ADDRESS => "IFLA_ADDRESS",
        IFLA_IFNAME => "IFLA_IFNAME",
        IFLA_MTU => "IFLA_MTU",
        IFLA_LINK => "IFLA_LINK",
        IFLA_MASTER => "IFLA_MASTER",
        IFLA_TXQLEN => "IFLA_TXQLEN",
        IFLA_LINKINFO => "IFLA_LINKINFO",
        19 => "IFLA_NET_NS_PID",
        IFLA_IFALIAS => "IFLA_IFALIAS",
        IFLA_AF_SPEC => "IFLA_AF_SPEC",
        IFLA_GROUP => "IFLA_GROUP",
        IFLA_NET_NS_FD => "IFLA_NET_NS_FD",
        IFLA_NUM_TX_QUEUES => "IFLA_NUM_TX_QUEUES",
        IFLA_NUM_RX_QUEUES => "IFLA_NUM_RX_QUEUES",
        IFLA_LINK_NETNSID => "IFLA_LINK_NETNSID",
        46 => "IFLA_TARGET_NETNSID",
        _ => return None,
    })
}

fn address_attr(attr: u16) -> Option<&'static str> {
    Some(match attr {
        IFA_ADDRESS => "IFA_ADDRESS",
        IFA_LOCAL => "IFA_LOCAL",
        IFA_LABEL => "IFA_LABEL",
        IFA_BROADCAST => "IFA_BROADCAST",
        IFA_CACHEINFO => "IFA_CACHEINFO",
        IFA_FLAGS => "IFA_FLAGS",
        IFA_RT_PRIORITY => "IFA_RT_PRIORITY",
        IFA_PROTO => "IFA_PROTO",
        _ => return None,
    })
}

fn route_attr(attr: u16) -> Option<&'static str> {
    Some(match attr {
        RTA_DST => "RTA_DST",
        RTA_OIF => "RTA_OIF",
        RTA_GATEWAY => "RTA_GATEWAY",
        RTA_PRIORITY => "RTA_PRIORITY",
        RTA_PREFSRC => "RTA_PREFSRC",
        RTA_METRICS => "RTA_METRICS",
        RTA_MULTIPATH => "RTA_MULTIPATH",
        RTA_TABLE => "RTA_TABLE",
        RTA_VIA => "RTA_VIA",
        RTA_PREF => "RTA_PREF",
        RTA_ENCAP_TYPE => "RTA_ENCAP_TYPE",
        RTA_ENCAP => "RTA_ENCAP",
        RTA_EXPIRES => "RTA_EXPIRES",
        RTA_NH_ID => "RTA_NH_ID",
        _ => return None,
    })
}

fn rule_attr(attr: u16) -> Option<&'static str> {
    Some(match attr {
        FRA_DST => "FRA_DST",
        FRA_SRC => "FRA_SRC",
        FRA_IIFNAME => "FRA_IIFNAME",
        FRA_PRIORITY => "FRA_PRIORITY",
        FRA_FWMARK => "FRA_FWMARK",
        FRA_TABLE => "FRA_TABLE",
        FRA_FWMASK => "FRA_FWMASK",
        FRA_OIFNAME => "FRA_OIFNAME",
        FRA_L3MDEV => "FRA_L3MDEV",
        FRA_UID_RANGE => "FRA_UID_RANGE",
        FRA_PROTOCOL => "FRA_PROTOCOL",
        _ => return None,
    })
}
