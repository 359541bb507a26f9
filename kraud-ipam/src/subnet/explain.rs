//! Why an address can or cannot be had.

use core::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::{Holding, Reservation, Rest, Subnet};
use crate::family::number;

impl Subnet {
    /// Why an address can or cannot be given out now, for people to read and programs to match.
    ///
    /// ```
    /// use kraud_ipam::{AllocRequest, Subnet};
    ///
    /// let mut net = Subnet::builder("10.0.0.0/29".parse()?).default_gateway().build()?;
    /// let grant = net.allocate("db", AllocRequest::lowest())?;
    /// assert_eq!(grant.why().to_string(), "it is the lowest free one");
    /// let explain = |address: &str| net.explain(address.parse().unwrap()).to_string();
    /// assert_eq!(explain("10.0.0.1"), "reserved: the gateway");
    /// assert_eq!(explain("10.0.0.2"), "held by db since revision 1");
    /// assert_eq!(explain("10.0.0.3"), "free");
    /// assert_eq!(explain("10.0.0.9"), "outside 10.0.0.0/29");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, address: IpAddr) -> Explanation {
        if !self.prefix.contains(&address) {
            return Explanation::Outside {
                subnet: self.prefix,
            };
        }
        let at = number(address);
        if let Some(guest) = self.inside.get(at) {
            return Explanation::Held(guest.clone());
        }
        if let Some(reservation) = self.reservation_at(at) {
            return Explanation::Reserved(reservation.clone());
        }
        if let Some(holding) = self.covering(at) {
            return Explanation::Held(holding.clone());
        }
        if let Some(rest) = self.resting_at(at) {
            return Explanation::Resting(rest.clone());
        }
        let (low, high) = self.region();
        Explanation::Free {
            automatic: low <= at && at <= high,
            since: self.idle.get(&at).copied(),
        }
    }
}

/// The state of an address; see [`Subnet::explain`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// Nobody has it.
    Free {
        /// Whether automatic requests may get it: it is in their range.
        automatic: bool,
        /// The revision that released it, if that is remembered.
        since: Option<u64>,
    },
    /// Somebody has it, or the prefix around it.
    Held(Holding),
    /// It is not in the subnet.
    Outside {
        /// The subnet.
        subnet: IpNet,
    },
    /// It is reserved.
    Reserved(Reservation),
    /// It was released and rests.
    Resting(Rest),
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free {
                automatic: false, ..
            } => f.write_str("free, but outside the range of automatic requests"),
            Self::Free {
                since: Some(since), ..
            } => write!(f, "free since revision {since}"),
            Self::Free { .. } => f.write_str("free"),
            Self::Held(holding) => {
                write!(
                    f,
                    "held by {} since revision {}",
                    holding.owner, holding.revision
                )?;
                if holding.is_prefix() {
                    write!(f, ", as part of {}", holding.prefix)?;
                }
                match holding.expires {
                    Some(end) => write!(f, ", until {end}"),
                    None => Ok(()),
                }
            }
            Self::Outside { subnet } => write!(f, "outside {subnet}"),
            Self::Reserved(reservation) if reservation.name.is_empty() => {
                write!(f, "reserved: {}", reservation.role)
            }
            Self::Reserved(reservation) => {
                write!(f, "reserved: {} ({})", reservation.role, reservation.name)
            }
            Self::Resting(rest) => write!(f, "rests until {} after {}", rest.until, rest.owner),
        }
    }
}
