//! Network drivers and their typed options.

use std::fmt;
use std::str::FromStr;

use crate::span::Spanned;

/// The driver of a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Driver {
    /// A bridge on one host.
    Bridge,
    /// The host's own network.
    Host,
    /// kraud's overlay: IPv4 in IPv6 over the VPC. Also written `ip6ip`.
    Ipip,
    /// ipvlan slaves of a parent link.
    Ipvlan,
    /// macvlan slaves of a parent link.
    Macvlan,
    /// No network.
    None,
    /// Docker's swarm overlay. kraud builds it as [`Driver::Ipip`].
    Overlay,
    /// A driver that kraud does not know; kept as it is written.
    Other(String),
}

impl Driver {
    /// The name as a compose file spells it; aliases give their main name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Ipip => "ipip",
            Self::Ipvlan => "ipvlan",
            Self::Macvlan => "macvlan",
            Self::None => "none",
            Self::Overlay => "overlay",
            Self::Other(name) => name,
        }
    }

    /// Whether kraud builds it as its own overlay: `ipip`, and docker's `overlay`.
    #[must_use]
    pub fn is_kraud_overlay(&self) -> bool {
        matches!(self, Self::Ipip | Self::Overlay)
    }

    /// Whether the driver puts its slaves on a parent link: ipvlan and macvlan.
    #[must_use]
    pub fn has_parent(&self) -> bool {
        matches!(self, Self::Ipvlan | Self::Macvlan)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for Driver {
    fn from(name: &str) -> Self {
        match name {
            "bridge" => Self::Bridge,
            "host" => Self::Host,
            "ip6ip" | "ipip" => Self::Ipip,
            "ipvlan" => Self::Ipvlan,
            "macvlan" => Self::Macvlan,
            "none" | "null" => Self::None,
            "overlay" => Self::Overlay,
            other => Self::Other(other.to_owned()),
        }
    }
}

macro_rules! keyword {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All values as a file spells them.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The value as a file spells it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("{} is one of {}", $what, Self::NAMES.join(", "))),
                }
            }
        }
    };
}

keyword! {
    /// The mode of an ipvlan network (`driver_opts: ipvlan_mode`).
    IpvlanMode, "ipvlan_mode" {
        /// Switched between the slaves of a parent; the default.
        #[default]
        L2 = "l2",
        /// Routed, without broadcast and multicast.
        L3 = "l3",
        /// Routed, and passing the host's netfilter.
        L3s = "l3s",
    }
}

keyword! {
    /// How the slaves of one ipvlan parent see each other (`driver_opts: ipvlan_flag`).
    IpvlanFlag, "ipvlan_flag" {
        /// They reach each other; the default.
        #[default]
        Bridge = "bridge",
        /// They do not reach each other.
        Private = "private",
        /// All of their traffic leaves by the parent.
        Vepa = "vepa",
    }
}

keyword! {
    /// The mode of a macvlan network (`driver_opts: macvlan_mode`).
    MacvlanMode, "macvlan_mode" {
        /// The slaves reach each other; the default.
        #[default]
        Bridge = "bridge",
        /// The one slave takes over the parent.
        Passthru = "passthru",
        /// The slaves do not reach each other.
        Private = "private",
        /// All traffic leaves by the parent.
        Vepa = "vepa",
    }
}

/// The options of a network with [`Driver::Ipvlan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpvlanOptions {
    /// The mode.
    pub mode: IpvlanMode,
    /// The flag.
    pub flag: IpvlanFlag,
    /// The parent link, `name` or `name.vlan`. Without one, or with `internal: true`, the network
    /// is isolated on a dummy link.
    pub parent: Option<Spanned<String>>,
}

/// The options of a network with [`Driver::Macvlan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MacvlanOptions {
    /// The mode.
    pub mode: MacvlanMode,
    /// The parent link.
    pub parent: Option<Spanned<String>>,
}

/// The options of a network with [`Driver::Ipip`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpipOptions {
    /// The MTU of the overlay device (`com.docker.network.driver.mtu` or `mtu`); without one it
    /// follows from the underlay.
    pub mtu: Option<Spanned<u32>>,
    /// The hop limit of the outer packets (`hop_limit`).
    pub hop_limit: Option<Spanned<u8>>,
}
