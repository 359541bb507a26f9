//! Which wishes are for the same object, however it is to be.

use kraud_netlink::{LinkKind, Want};

use crate::model::NOTE;

/// Whether both are for one object of a namespace.
pub(super) fn same_object(one: &Want, other: &Want) -> bool {
    match (one, other) {
        (Want::Address(one), Want::Address(other)) => {
            (&one.dev, one.net, one.peer) == (&other.dev, other.net, other.peer)
        }
        (Want::Link(one), Want::Link(other)) => one.name == other.name,
        (Want::Netns(one), Want::Netns(other)) => one == other,
        (Want::Nft(one), Want::Nft(other)) => {
            (one.family, &one.name) == (other.family, &other.name)
        }
        (Want::Route(one), Want::Route(other)) => {
            (one.dst.trunc(), one.table, one.tos, one.metric)
                == (other.dst.trunc(), other.table, other.tos, other.metric)
        }
        (Want::Rule(one), Want::Rule(other)) => one == other,
        (Want::Sysctl(one), Want::Sysctl(other)) => one.key == other.key,
        (Want::Wireguard(one), Want::Wireguard(other)) => one.dev == other.dev,
        _ => false,
    }
}

/// Whether a link is one of somebody else's: it has no note of ours, or cannot be made.
pub(super) fn is_foreign(link: &kraud_netlink::Link) -> bool {
    let noted = link
        .alias
        .as_ref()
        .is_some_and(|note| note.starts_with(NOTE));
    !noted || matches!(link.kind, LinkKind::Physical)
}

#[cfg(test)]
mod tests {
    use kraud_netlink::{Link, Route, Sysctl};

    use super::*;

    #[test]
    fn an_object_is_the_same_whatever_it_is_to_be() {
        let route = |metric| {
            Want::Route(
                Route::new("10.1.0.0/16".parse().unwrap())
                    .dev("a")
                    .metric(metric),
            )
        };
        assert!(same_object(
            &Want::Link(Link::dummy("d").mtu(1400)),
            &Want::Link(Link::dummy("d"))
        ));
        assert!(same_object(
            &Want::Sysctl(Sysctl::forwarding4(true)),
            &Want::Sysctl(Sysctl::forwarding4(false))
        ));
        assert!(same_object(&route(1), &route(1)) && !same_object(&route(1), &route(2)));
        assert!(!same_object(
            &Want::Netns("d".into()),
            &Want::Link(Link::dummy("d"))
        ));
    }

    #[test]
    fn only_a_note_of_ours_makes_a_link_ours() {
        assert!(is_foreign(&Link::dummy("d")));
        assert!(is_foreign(&Link::dummy("d").alias("uplink")));
        assert!(!is_foreign(
            &Link::dummy("d").alias("kraud:default/default/x")
        ));
        assert!(is_foreign(
            &Link::new("eth0", LinkKind::Physical).alias("kraud:x")
        ));
    }
}
