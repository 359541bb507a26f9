//! Parents of ipvlan networks by docker's rules, with ownership that is recorded instead of guessed from names.

use crate::error::{Error, Result};
use crate::read::LinkInfo;
use crate::spec::{Link, LinkKind, check_link_name};

/// The parent of an ipvlan network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Parent {
    /// A link that is there: it is used and never deleted, whatever its name.
    Existing(String),
    /// A link that has to be made, and that is deleted with the network: a VLAN sub-interface or a dummy.
    Made(Box<Link>),
}

impl Parent {
    /// The parent's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Existing(name) => name,
            Self::Made(link) => &link.name,
        }
    }
}

/// Works out the parent of an ipvlan network as docker's driver does.
///
/// - Without a name the network is internal: its parent is a dummy, `di-` and the first twelve characters of `network`.
/// - A link that is there is used as it is.
/// - A missing `LINK.ID` is made as the VLAN `ID` of `LINK`, which must be there. `LINK` may itself have a dot, as in
///   `eth0.10.20`; docker's driver cannot do that.
/// - What is made gets the note `owner`, by which [`owned_parents`] finds it again.
///
/// # Errors
///
/// [`Error::Invalid`] for `lo`, a name that is too long, or a VLAN id that is not 1 to 4094; [`Error::NotFound`] if neither
/// the link nor what it would be made on is there.
///
/// ```
/// use kraud_netlink::{Parent, ipvlan_parent};
///
/// let parent = ipvlan_parent(None, "1f2e3d4c5b6a7988", "kraud", &[])?;
/// assert_eq!(parent.name(), "di-1f2e3d4c5b6a");
/// assert!(matches!(parent, Parent::Made(_)));
/// # Ok::<(), kraud_netlink::Error>(())
/// ```
pub fn ipvlan_parent(
    parent: Option<&str>,
    network: &str,
    owner: &str,
    links: &[LinkInfo],
) -> Result<Parent> {
    let there = |name: &str| links.iter().any(|info| info.link.name == name);
    let Some(name) = parent.filter(|name| !name.is_empty()) else {
        let start: String = network.chars().take(12).collect();
        let name = format!("di-{start}");
        check_link_name("parent", &name)?;
        if there(&name) {
            return Ok(Parent::Existing(name));
        }
        return Ok(Parent::Made(Box::new(Link::dummy(name).alias(owner).up())));
    };
    check_link_name("parent", name)?;
    if name == "lo" {
        return Err(Error::invalid(
            "parent",
            name,
            "the kernel takes no loopback device as an ipvlan parent",
        ));
    }
    if there(name) {
        return Ok(Parent::Existing(name.to_owned()));
    }
    let missing = |hint: String| Error::NotFound {
        what: "parent link",
        name: name.to_owned(),
        hint: Some(hint),
    };
    let Some((master, id)) = name.rsplit_once('.') else {
        return Err(missing(
            "only a missing `LINK.VLAN`, such as eth0.20, is made on the fly".to_owned(),
        ));
    };
    let id: u16 = id
        .parse()
        .map_err(|_| Error::invalid("parent", name, "what follows the last dot is no VLAN id"))?;
    if !(1..=4094).contains(&id) {
        return Err(Error::invalid(
            "parent",
            name,
            "a VLAN id is between 1 and 4094",
        ));
    }
    if !there(master) {
        return Err(missing(format!(
            "{master:?}, on which it would be made, is not there either"
        )));
    }
    Ok(Parent::Made(Box::new(
        Link::vlan(name, master, id).alias(owner).up(),
    )))
}

/// The parents among `links` that were made for `owner` and may be deleted: VLANs and dummies with its note.
///
/// A link that somebody else made is never among them, whatever its name, nor is anything that is neither on top of
/// another link nor a dummy.
pub fn owned_parents<'a>(links: &'a [LinkInfo], owner: &str) -> impl Iterator<Item = &'a LinkInfo> {
    links.iter().filter(move |info| {
        let made = match info.link.kind {
            LinkKind::Dummy => true,
            LinkKind::Vlan(_) => info.parent_index.is_some_and(|index| index > 0),
            _ => false,
        };
        made && info.link.alias.as_deref() == Some(owner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::consts::{IFLA_IFALIAS, IFLA_IFNAME, IFLA_LINK, IFLA_LINKINFO};
    use crate::wire::Writer;

    /// A link as a kernel would list it.
    fn listed(index: u32, name: &str, kind: &str, parent: Option<u32>, alias: &str) -> LinkInfo {
        let mut bytes = Vec::new();
        let mut w = Writer::new(&mut bytes);
        w.raw(&crate::message::link_header(index));
        w.str(IFLA_IFNAME, name);
        if let Some(parent) = parent {
            w.u32(IFLA_LINK, parent);
        }
        w.str(IFLA_IFALIAS, alias);
        if !kind.is_empty() {
            let nest = w.nest(IFLA_LINKINFO);
            w.str(1, kind);
            w.close(nest);
        }
        LinkInfo::parse(&bytes).unwrap()
    }

    fn links() -> Vec<LinkInfo> {
        vec![
            listed(1, "lo", "", None, ""),
            listed(2, "eth0", "", None, ""),
            listed(3, "eth0.40", "vlan", Some(2), ""),
            listed(4, "eth0.20", "vlan", Some(2), "kraud"),
            listed(5, "foo", "vlan", Some(2), "kraud"),
            listed(6, "di-1f2e3d4c5b6a", "dummy", None, "kraud"),
            listed(7, "di-000000000000", "dummy", None, ""),
            listed(8, "br0", "bridge", None, "kraud"),
        ]
    }

    #[test]
    fn c6_without_a_parent_there_is_a_dummy() {
        let Parent::Made(link) =
            ipvlan_parent(None, "abcdef0123456789", "kraud", &links()).unwrap()
        else {
            panic!("it is there already")
        };
        assert_eq!(
            (link.name.as_str(), link.kind, link.up),
            ("di-abcdef012345", LinkKind::Dummy, true)
        );
    }

    #[test]
    fn c8_a_missing_sub_interface_is_made_on_the_fly() {
        let made = |name: &str| ipvlan_parent(Some(name), "", "kraud", &links());
        assert_eq!(
            made("eth0.30").unwrap(),
            Parent::Made(Box::new(
                Link::vlan("eth0.30", "eth0", 30).alias("kraud").up()
            ))
        );
        assert_eq!(
            made("eth0.40.7").unwrap(),
            Parent::Made(Box::new(
                Link::vlan("eth0.40.7", "eth0.40", 7).alias("kraud").up()
            )),
            "on a sub-interface as well",
        );
        for name in [
            "eth0.0",
            "eth0.4095",
            "eth0.x",
            "eth0.",
            "lo",
            "eth9.20",
            "eth9",
            "a-very-long-link-name",
        ] {
            assert!(made(name).is_err(), "{name}");
        }
    }

    #[test]
    fn c9_links_that_were_there_are_used_and_never_deleted_whatever_their_name() {
        let parent = ipvlan_parent(Some("eth0.40"), "", "kraud", &links()).unwrap();
        assert_eq!(parent, Parent::Existing("eth0.40".to_owned()));
        let links = links();
        let owned: Vec<&str> = owned_parents(&links, "kraud")
            .map(|info| info.link.name.as_str())
            .collect();
        assert_eq!(owned, ["eth0.20", "foo", "di-1f2e3d4c5b6a"]);
    }

    #[test]
    fn c10_only_what_is_on_top_of_another_link_goes_and_hardware_never() {
        let mut links = links();
        links.push(listed(9, "eth1", "", None, "kraud"));
        assert!(
            owned_parents(&links, "kraud")
                .all(|info| !["eth0", "eth1", "br0"].contains(&info.link.name.as_str()))
        );
    }
}
