//! Published ports; a range stays one value.

use std::fmt;
use std::net::IpAddr;

/// The transport of a [`Port`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// SCTP.
    Sctp,
    /// TCP, the default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sctp => "sctp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "sctp" => Some(Self::Sctp),
            "" | "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Consecutive ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
}

impl PortRange {
    /// A single port.
    #[must_use]
    pub fn single(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// How many ports there are.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Whether the ranges share a port.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if digits {
                text.parse::<u16>().ok()
            } else {
                None
            }
        };
        match text.split_once('-') {
            None => number(text).map(Self::single),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self { first, last })
            }
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first.fmt(f)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// One entry of `ports`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Port {
    /// The port inside.
    pub target: PortRange,
    /// The port outside; `None` lets the engine choose. A range for a single target means any one
    /// of it.
    pub published: Option<PortRange>,
    /// The address outside.
    pub host_ip: Option<IpAddr>,
    /// The transport.
    pub protocol: Protocol,
    /// `ingress` or `host`; swarm's word.
    pub mode: String,
    /// `name` of the long form.
    pub name: Option<String>,
    /// `app_protocol` of the long form.
    pub app_protocol: Option<String>,
}

/// The text is not a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePortError {
    /// The container's port is not a port or range.
    #[error("invalid containerPort: {0}")]
    Container(String),
    /// There is nothing.
    #[error("no port specified: {0}<empty>")]
    Empty(String),
    /// The host's port is not a port or range.
    #[error("invalid hostPort: {0}")]
    Host(String),
    /// The address is none.
    #[error("invalid IP address: {0}")]
    HostIp(String),
    /// The transport is not tcp, udp or sctp.
    #[error("invalid proto: {0}")]
    Protocol(String),
    /// The ranges differ in length.
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges {
        /// The container's range.
        container: String,
        /// The host's range.
        host: String,
    },
}

impl std::str::FromStr for Port {
    type Err = ParsePortError;

    /// Reads `[[host ip:][published]:]target[/protocol]`, ports or ranges.
    ///
    /// ```
    /// use kraud_compose::Port;
    ///
    /// let port: Port = "[::1]:8000-8009:80-89/udp".parse().unwrap();
    /// assert_eq!(port.published.unwrap().count(), 10);
    /// assert_eq!(port.to_string(), "[::1]:8000-8009:80-89/udp");
    /// assert!("80:80:80".parse::<Port>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        let (address, protocol) = text.split_once('/').unwrap_or((text, ""));
        let (head, target) = address
            .rsplit_once(':')
            .map_or((None, address), |(h, t)| (Some(h), t));
        let (host_ip, published) = match head {
            None => ("", ""),
            Some(head) => match head.rsplit_once(':') {
                None => ("", head),
                Some((ip, published)) => (ip, published),
            },
        };
        if target.is_empty() {
            return Err(ParsePortError::Empty(text.to_owned()));
        }
        let bare = host_ip
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'))
            .unwrap_or(host_ip);
        let host_ip = if bare.is_empty() {
            None
        } else {
            let ip = bare.parse::<IpAddr>();
            Some(ip.map_err(|_| ParsePortError::HostIp(bare.to_owned()))?)
        };
        let container =
            PortRange::parse(target).ok_or_else(|| ParsePortError::Container(target.to_owned()))?;
        let outside = if published.is_empty() {
            None
        } else {
            let range = PortRange::parse(published);
            Some(range.ok_or_else(|| ParsePortError::Host(published.to_owned()))?)
        };
        if let Some(outside) = outside {
            // Many host ports for one container port: the engine takes a free one.
            if outside.count() != container.count() && container.count() != 1 {
                return Err(ParsePortError::Ranges {
                    container: target.to_owned(),
                    host: published.to_owned(),
                });
            }
        }
        let protocol = Protocol::parse(protocol)
            .ok_or_else(|| ParsePortError::Protocol(protocol.to_owned()))?;
        Ok(Self {
            target: container,
            published: outside,
            host_ip,
            protocol,
            mode: "ingress".to_owned(),
            name: None,
            app_protocol: None,
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            None => {}
        }
        match (self.published, self.host_ip) {
            (Some(range), _) => write!(f, "{range}:")?,
            (None, Some(_)) => f.write_str(":")?,
            (None, None) => {}
        }
        self.target.fmt(f)?;
        if self.protocol != Protocol::Tcp {
            write!(f, "/{}", self.protocol)?;
        }
        Ok(())
    }
}
