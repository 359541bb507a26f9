//! What `ipv4_address` and `ipv6_address` may hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What one replica of a service gets from an [`Ipv4Assignment`] or [`Ipv6Assignment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaAddress<A, N> {
    /// The address of the replica itself.
    pub address: A,
    /// The prefix that is routed to it; `None` for a plain address.
    pub routed: Option<N>,
}

macro_rules! assignment {
    ($(#[$doc:meta])* $name:ident, $addr:ident, $net:ident, $bits:literal, $int:ident, $has_edges:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            /// One address. All replicas ask for the same, as docker has it.
            Address($addr),
            /// A prefix of its own, host bits zero; kraud's dialect only.
            Prefix($net),
        }

        impl $name {
            /// What replica `index` (from 0) of `replicas` gets.
            ///
            /// One replica owns a prefix as a whole: its address is the first usable one and the
            /// prefix is routed to it. With more, replica `i` owns the `i`-th usable address.
            /// `None` when the index is not below `replicas` or the prefix has too few addresses.
            #[must_use]
            pub fn for_replica(
                self,
                index: u32,
                replicas: u32,
            ) -> Option<ReplicaAddress<$addr, $net>> {
                if index >= replicas {
                    return None;
                }
                match self {
                    Self::Address(address) => Some(ReplicaAddress {
                        address,
                        routed: None,
                    }),
                    Self::Prefix(net) => Some(ReplicaAddress {
                        address: Self::usable(net, index)?,
                        routed: (replicas == 1).then_some(net),
                    }),
                }
            }

            /// The `index`-th usable address: all of a prefix of one or two addresses, else
            /// without the first one and, in IPv4, the broadcast address.
            fn usable(net: $net, index: u32) -> Option<$addr> {
                let tiny = $bits - u32::from(net.prefix_len()) <= 1;
                let skip = $int::from(!tiny);
                let last = net.broadcast().to_bits() - $int::from($has_edges && !tiny);
                let first = net.network().to_bits().checked_add(skip)?;
                let at = first.checked_add($int::from(index))?;
                (at <= last).then_some($addr::from_bits(at))
            }

            /// The address, or the first one of the prefix.
            #[must_use]
            pub fn first(self) -> IpAddr {
                match self {
                    Self::Address(address) => address.into(),
                    Self::Prefix(net) => net.network().into(),
                }
            }

            /// The address, when it is one.
            #[must_use]
            pub fn address(self) -> Option<$addr> {
                match self {
                    Self::Address(address) => Some(address),
                    Self::Prefix(_) => None,
                }
            }

            /// The whole as a prefix; an address is one of full length.
            #[must_use]
            pub fn net(self) -> $net {
                match self {
                    Self::Address(address) => $net::from(address),
                    Self::Prefix(net) => net,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Address(address) => address.fmt(f),
                    Self::Prefix(net) => net.fmt(f),
                }
            }
        }
    };
}

assignment! {
    /// An `ipv4_address`: an address or, in kraud's dialect, a prefix.
    ///
    /// ```
    /// use kraud_compose::Ipv4Assignment;
    ///
    /// let prefix = Ipv4Assignment::Prefix("192.168.2.0/24".parse().unwrap());
    /// let alone = prefix.for_replica(0, 1).unwrap();
    /// assert_eq!(alone.address.to_string(), "192.168.2.1");
    /// assert_eq!(alone.routed.unwrap().to_string(), "192.168.2.0/24");
    /// let third = prefix.for_replica(2, 3).unwrap();
    /// assert_eq!(third.address.to_string(), "192.168.2.3");
    /// assert_eq!(third.routed, None);
    /// ```
    Ipv4Assignment, Ipv4Addr, Ipv4Net, 32, u32, true
}

assignment! {
    /// An `ipv6_address`: an address or, in kraud's dialect, a prefix.
    Ipv6Assignment, Ipv6Addr, Ipv6Net, 128, u128, false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_runs_out_at_its_last_usable_address() {
        let v4 = Ipv4Assignment::Prefix("10.0.0.0/30".parse().unwrap());
        let address = |i, n| v4.for_replica(i, n).map(|r| r.address.to_string());
        assert_eq!(address(1, 4).as_deref(), Some("10.0.0.2"));
        assert_eq!(address(2, 4), None);
        assert_eq!(address(4, 4), None);
        let one = Ipv4Assignment::Prefix("10.0.0.7/32".parse().unwrap());
        assert_eq!(
            one.for_replica(0, 2).unwrap().address.to_string(),
            "10.0.0.7"
        );
        assert_eq!(one.for_replica(1, 2), None);
        let v6 = Ipv6Assignment::Prefix("::/0".parse().unwrap());
        assert_eq!(
            v6.for_replica(u32::MAX - 1, u32::MAX)
                .unwrap()
                .address
                .to_string(),
            "::ffff:ffff"
        );
        let top = Ipv4Assignment::Prefix("0.0.0.0/0".parse().unwrap());
        assert_eq!(top.for_replica(u32::MAX - 1, u32::MAX), None);
        assert_eq!(
            top.for_replica(u32::MAX - 2, u32::MAX)
                .unwrap()
                .address
                .to_string(),
            "255.255.255.254"
        );
    }
}
