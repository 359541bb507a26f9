//! The cluster file: which hosts there are, where and by which keys they are reached, and which VPCs span them.
//!
//! ```toml
//! [hosts.ha]
//! endpoints = ["2001:db8:1::2", "198.18.1.2"]
//! public-key = "…"            # of the VPC `default`; `kraud-demo key show --host ha` prints it
//! keepalive = 25              # seconds; for a host behind a NAT
//!
//! [hosts.ha.public-keys]
//! "acme/production" = "…"     # of another VPC: every VPC has a device, key and port of its own
//!
//! [vpcs."acme/production"]
//! prefix = "fd42:1a8::/48"    # else computed from the names
//! pools = ["10.198.0.0/16"]   # where IPv4 subnets come from that nobody chose
//! listen-port = 51821         # else 51820
//!
//! [placement]
//! "shop/db" = "ha"            # NAMESPACE/SERVICE, or NAMESPACE/SERVICE-REPLICA
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kraud_ipam::ula;
use kraud_netlink::PublicKey;
use serde::Deserialize;

use crate::allocate::{HostSpec, VpcSpec};
use crate::error::Error;
use crate::identity::Scope;

/// The file that is taken where none is named.
const DEFAULT_FILE: &str = "kraud.toml";
/// The UDP port of a VPC that has none of its own.
pub const WIREGUARD_PORT: u16 = 51820;

/// The hosts and VPCs of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    hosts: BTreeMap<String, HostEntry>,
    vpcs: BTreeMap<String, VpcEntry>,
    placement: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    hosts: BTreeMap<String, HostEntry>,
    #[serde(default)]
    vpcs: BTreeMap<String, VpcEntry>,
    #[serde(default)]
    placement: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HostEntry {
    #[serde(default)]
    endpoints: Vec<IpAddr>,
    public_key: Option<Key>,
    #[serde(default)]
    public_keys: BTreeMap<String, Key>,
    keepalive: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct VpcEntry {
    prefix: Option<Ipv6Net>,
    #[serde(default)]
    pools: Vec<Ipv4Net>,
    listen_port: Option<u16>,
}

/// A public key as `wg` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Key(PublicKey);

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let key = text.trim().parse();
        key.map(Self)
            .map_err(|_| "a public key is 44 characters of base64, as `wg pubkey` prints it".into())
    }
}

impl Cluster {
    /// The cluster of that file, of `kraud.toml` in the current folder, or none at all.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Cluster`].
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let path = match file {
            Some(path) => path.to_owned(),
            None if Path::new(DEFAULT_FILE).is_file() => PathBuf::from(DEFAULT_FILE),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        Self::parse(&text).map_err(|why| Error::Cluster { path, why })
    }

    /// The cluster that a file describes.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the line where that is known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let File {
            hosts,
            vpcs,
            placement,
        } = toml::from_str(text).map_err(|error| error.to_string())?;
        for (name, host) in &hosts {
            check_name("host", name)?;
            for v6 in [false, true] {
                let mut of_family = host.endpoints.iter().filter(|end| end.is_ipv6() == v6);
                if let (Some(first), Some(second)) = (of_family.next(), of_family.next()) {
                    return Err(format!(
                        "host `{name}` has two endpoints of one family, {first} and {second}: peers would not know which to take"
                    ));
                }
            }
            for vpc in host.public_keys.keys() {
                scope_of(vpc)?;
            }
        }
        let cluster = Self {
            hosts,
            vpcs,
            placement,
        };
        cluster.check_vpcs()?;
        for (what, host) in &cluster.placement {
            if !cluster.hosts.contains_key(host) {
                return Err(format!("placement of `{what}`: there is no host `{host}`"));
            }
        }
        Ok(cluster)
    }

    /// Refuses VPCs that share addresses (row A1) or a port.
    fn check_vpcs(&self) -> Result<(), String> {
        let mut seen: Vec<(&String, Ipv6Net, u16)> = Vec::new();
        for (name, vpc) in &self.vpcs {
            let scope = scope_of(name)?;
            let prefix = vpc.prefix.unwrap_or_else(|| ula::prefix48(&scope.seed()));
            if prefix.prefix_len() != 48 || prefix.trunc() != prefix {
                return Err(format!(
                    "VPC `{name}`: its prefix is a /48 without host bits, not {prefix}"
                ));
            }
            let port = vpc.listen_port.unwrap_or(WIREGUARD_PORT);
            for (other, theirs, taken) in &seen {
                if prefix == *theirs {
                    return Err(format!(
                        "VPCs `{other}` and `{name}` share {prefix}: packets of one would be taken for the other's; give each a prefix of its own"
                    ));
                }
                if port == *taken {
                    return Err(format!(
                        "VPCs `{other}` and `{name}` share UDP port {port}: set `listen-port` of one of them"
                    ));
                }
            }
            for pool in &vpc.pools {
                if pool.trunc() != *pool || pool.prefix_len() > 23 {
                    return Err(format!(
                        "VPC `{name}`: pool {pool} cannot hold a /23; a pool is a /23 or shorter, without host bits"
                    ));
                }
            }
            seen.push((name, prefix, port));
        }
        Ok(())
    }

    /// Whether it names hosts at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The host that this machine is: the one that was named, or the only one. Without a cluster file that is `local`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a host that is not in the file, or none where there are several.
    pub fn this_host(&self, named: Option<&str>) -> Result<String, Error> {
        let all = || {
            self.hosts
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (named, self.hosts.len()) {
            (Some(name), 0) => check_name("host", name)
                .map(|()| name.to_owned())
                .map_err(Error::Usage),
            (Some(name), _) if self.hosts.contains_key(name) => Ok(name.to_owned()),
            (Some(name), _) => Err(Error::Usage(format!(
                "--host {name}: the cluster file has {}",
                all()
            ))),
            (None, 0) => Ok("local".to_owned()),
            (None, 1) => Ok(all()),
            (None, _) => Err(Error::Usage(format!(
                "say which host this is: --host, one of {}",
                all()
            ))),
        }
    }

    /// The hosts of a VPC, by name; `this` alone without a cluster file.
    #[must_use]
    pub fn hosts(&self, scope: &Scope, this: &str) -> Vec<HostSpec> {
        let port = self.vpc_entry(scope).and_then(|vpc| vpc.listen_port);
        let spec = |name: &str, host: &HostEntry| HostSpec {
            name: name.to_owned(),
            underlay: host.endpoints.clone(),
            port: port.unwrap_or(WIREGUARD_PORT),
            keepalive: host.keepalive,
        };
        if self.hosts.is_empty() {
            return vec![spec(this, &HostEntry::default())];
        }
        let hosts = self.hosts.iter();
        hosts.map(|(name, host)| spec(name, host)).collect()
    }

    /// A VPC's addresses, and which pods the file places.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for one that the file should name and does not: several hosts have to agree on its port.
    pub fn vpc(&self, scope: &Scope) -> Result<VpcSpec, Error> {
        let entry = self.vpc_entry(scope);
        if entry.is_none() && self.hosts.len() > 1 && *scope != Scope::default() {
            return Err(Error::Usage(format!(
                "VPC `{}/{}` is not in the cluster file: add [vpcs.\"{0}/{1}\"] with a `listen-port`",
                scope.tenant, scope.vpc
            )));
        }
        let entry = entry.cloned().unwrap_or_default();
        let mut spec = VpcSpec::new(scope.clone());
        spec.prefix = entry.prefix.unwrap_or(spec.prefix);
        if !entry.pools.is_empty() {
            spec.pools4 = entry.pools.into_iter().map(IpNet::V4).collect();
        }
        spec.placement = self.placement.clone();
        Ok(spec)
    }

    /// The public keys that the file has for a VPC.
    pub fn public_keys<'a>(
        &'a self,
        scope: &'a Scope,
    ) -> impl Iterator<Item = (&'a str, PublicKey)> + 'a {
        self.hosts.iter().filter_map(move |(name, host)| {
            let of_vpc = host.public_keys.iter();
            let mut of_vpc = of_vpc.filter(|(vpc, _)| scope_of(vpc).is_ok_and(|vpc| vpc == *scope));
            let own = of_vpc.next().map(|(_, key)| key);
            let default = host.public_key.as_ref();
            let key = own.or(default.filter(|_| *scope == Scope::default()))?;
            Some((name.as_str(), key.0))
        })
    }

    fn vpc_entry(&self, scope: &Scope) -> Option<&VpcEntry> {
        let mut all = self.vpcs.iter();
        let is_it = |name: &str| scope_of(name).is_ok_and(|other| other == *scope);
        all.find(|(name, _)| is_it(name)).map(|(_, vpc)| vpc)
    }
}

/// `VPC` or `TENANT/VPC`.
fn scope_of(name: &str) -> Result<Scope, String> {
    let (tenant, vpc) = name.split_once('/').unwrap_or(("default", name));
    check_name("tenant", tenant)?;
    check_name("VPC", vpc)?;
    Ok(Scope {
        tenant: tenant.to_owned(),
        vpc: vpc.to_owned(),
    })
}

/// Names are parts of namespaces' names, files' names and keys of the state.
///
/// # Errors
///
/// What a name has to be like.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || name.len() > 63 || !name.chars().all(fits) {
        return Err(format!(
            "{what} `{name}`: a name is 1 to 63 letters, digits, `-` or `_`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=";

    fn acme() -> Scope {
        Scope {
            tenant: "acme".into(),
            vpc: "production".into(),
        }
    }

    #[test]
    fn everything_has_a_default() {
        let cluster = Cluster::parse("").unwrap();
        assert_eq!(cluster, Cluster::default());
        assert_eq!(cluster.this_host(None).unwrap(), "local");
        let hosts = cluster.hosts(&Scope::default(), "local");
        assert_eq!((hosts.len(), hosts[0].port), (1, WIREGUARD_PORT));
        assert_eq!(
            cluster.vpc(&acme()).unwrap().prefix,
            ula::prefix48(&acme().seed())
        );
    }

    #[test]
    fn a_vpc_has_keys_ports_and_prefixes_of_its_own() {
        let text = format!(
            "[hosts.hb]\nendpoints = [\"198.18.2.2\"]\n[hosts.ha]\npublic-key = \"{KEY}\"\nkeepalive = 9\n\
             [hosts.ha.public-keys]\n\"acme/production\" = \"{}\"\n\
             [vpcs.\"acme/production\"]\nprefix = \"fd42:1a8::/48\"\nlisten-port = 51821\npools = [\"10.1.0.0/16\"]\n",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        );
        let cluster = Cluster::parse(&text).unwrap();
        let hosts = cluster.hosts(&acme(), "ha");
        assert_eq!(
            (hosts[0].name.as_str(), hosts[0].port, hosts[0].keepalive),
            ("ha", 51821, Some(9))
        );
        let vpc = cluster.vpc(&acme()).unwrap();
        assert_eq!(
            (vpc.prefix.to_string(), vpc.pools4.len()),
            ("fd42:1a8::/48".into(), 1)
        );
        let default = Scope::default();
        let keys = |scope| {
            cluster
                .public_keys(scope)
                .map(|(_, key)| key.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&default), [KEY]);
        assert_eq!(
            keys(&acme()),
            ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
        );
        assert!(matches!(cluster.this_host(None), Err(Error::Usage(_))));
    }

    #[test]
    fn a01_two_vpcs_never_share_a_prefix_or_a_port() {
        let two = |one: &str, other: &str| {
            Cluster::parse(&format!("[vpcs.a]\n{one}\n[vpcs.b]\n{other}\n"))
        };
        let prefix = "prefix = \"fd42::/48\"";
        let error = two(prefix, &format!("{prefix}\nlisten-port = 1")).unwrap_err();
        assert!(error.contains("`a` and `b` share fd42::/48"), "{error}");
        assert!(two("", "").unwrap_err().contains("share UDP port 51820"));
        two("", "listen-port = 51821").unwrap();
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, part) in [
            ("[hosts.ha]\nendpoint = []", "unknown field `endpoint`"),
            ("[hosts.ha]\nendpoints = [\"198.18.0.1:5\"]", "line 2"),
            (
                "[hosts.ha]\nendpoints = [\"198.18.0.1\", \"198.18.0.2\"]",
                "two endpoints of one family",
            ),
            ("[hosts.ha]\npublic-key = \"x\"", "44 characters"),
            ("[hosts.\"h/a\"]", "letters, digits"),
            ("[vpcs.a]\nprefix = \"fd42::/64\"", "a /48"),
            ("[vpcs.a]\npools = [\"10.0.0.0/24\"]", "cannot hold a /23"),
            ("[placement]\n\"a/b\" = \"hc\"", "no host `hc`"),
        ] {
            let error = Cluster::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
