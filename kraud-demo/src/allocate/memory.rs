//! What was given out before, so that it is given out again: whatever the order of the file, and however often it is run.
//!
//! An address that nobody has any more rests for a while. Whoever asks for it by name gets it at once (row C26); others
//! get another one, so that what still arrives for the old owner does not reach a new one.

use std::collections::BTreeMap;

use ipnet::IpNet;
use kraud_ipam::{AllocError, AllocRequest, Grant, Subnet};
use serde::{Deserialize, Serialize};

/// How long an address rests, in seconds.
pub(super) const REST: u64 = 3600;

/// The addresses of one VPC, as the store keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Prefixes by what they are for.
    prefixes: BTreeMap<String, IpNet>,
    /// Addresses by the subnet's use: who holds which, and which rest.
    subnets: BTreeMap<String, Subnet>,
    /// The hosts that carry the pods, by namespace and pod.
    places: BTreeMap<String, BTreeMap<String, String>>,
    /// Seconds since 1970; resting addresses wake by it.
    #[serde(skip)]
    pub(super) now: u64,
}

impl Memory {
    /// The same, at that time in seconds since 1970.
    #[must_use]
    pub fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// Whether nothing was given out, or rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let hosts_only = self.prefixes.keys().all(|name| name.starts_with("host "));
        hosts_only && self.subnets.is_empty() && self.places.is_empty()
    }

    /// Forgets a namespace; its addresses begin to rest.
    pub fn forget(&mut self, namespace: &str) {
        let pods = self.places.remove(namespace).unwrap_or_default();
        self.prefixes.retain(|name, _| !is_of(name, namespace));
        for (name, subnet) in &mut self.subnets {
            let all = is_of(name, namespace);
            let holders = subnet.holdings().map(|holding| holding.owner.to_string());
            let holders: Vec<String> = holders.collect();
            for owner in holders {
                if all || pods.contains_key(&owner) {
                    // What is not held is not to be released.
                    let _ = subnet.release_owner(&owner, self.now);
                }
            }
        }
        self.wake();
    }

    /// The prefixes, by what they are for.
    pub(super) fn prefixes(&self) -> &BTreeMap<String, IpNet> {
        &self.prefixes
    }

    /// The prefixes of other namespaces, which nothing of this one is to be carved from.
    pub(super) fn prefixes_of_others(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&str, IpNet)> {
        let all = self
            .prefixes
            .iter()
            .map(|(name, net)| (name.as_str(), *net));
        all.filter(move |(name, _)| !name.starts_with("host ") && !is_of(name, namespace))
    }

    /// Remembers what hosts and a namespace have now.
    pub(super) fn keep_prefixes(&mut self, namespace: &str, now: BTreeMap<String, IpNet>) {
        self.prefixes.retain(|name, _| !is_of(name, namespace));
        self.prefixes.extend(now);
    }

    /// The allocator of a subnet, with what its owners had before and what rests. `fresh` is how the file wants it;
    /// `mine` are the owners that will ask again.
    pub(super) fn open(&self, name: String, fresh: Subnet, mine: impl Fn(&str) -> bool) -> Kept {
        let old = self.subnets.get(&name);
        let before = old.into_iter().flat_map(Subnet::holdings);
        let before: BTreeMap<String, IpNet> = before
            .filter(|holding| mine(&holding.owner))
            .map(|holding| (holding.owner.to_string(), holding.prefix))
            .collect();
        let same = |old: &&Subnet| {
            old.prefix() == fresh.prefix()
                && old.reservations() == fresh.reservations()
                && old.range() == fresh.range()
        };
        let mut subnet = match old.filter(same) {
            Some(old) => old.clone(),
            None => {
                let mut subnet = fresh;
                for holding in old.into_iter().flat_map(Subnet::holdings) {
                    if !mine(&holding.owner) {
                        let request = AllocRequest::exact(holding.address);
                        // One that does not fit any more was not ours to keep.
                        let _ = subnet.allocate(holding.owner.as_str(), request);
                    }
                }
                subnet
            }
        };
        subnet.expire(self.now);
        for owner in before.keys() {
            let _ = subnet.release_owner(owner, self.now);
        }
        Kept {
            name,
            subnet,
            before,
            now: self.now,
        }
    }

    /// Remembers what was given out.
    pub(super) fn close(&mut self, kept: Kept) {
        self.subnets.insert(kept.name, kept.subnet);
    }

    /// The hosts of a namespace's pods: the one that carries a pod stays, and new pods go where the fewest are.
    ///
    /// `chosen` are those that the user places.
    pub(super) fn place<'a>(
        &mut self,
        namespace: &str,
        pods: impl Iterator<Item = &'a str> + Clone,
        hosts: &[&str],
        chosen: impl Fn(&str) -> Option<usize>,
    ) -> BTreeMap<&'a str, usize> {
        let before = self.places.remove(namespace).unwrap_or_default();
        let of_name = |name: &String| hosts.iter().position(|host| host == name);
        let stays = |pod: &str| chosen(pod).or_else(|| before.get(pod).and_then(of_name));
        let mut load = vec![0_usize; hosts.len()];
        let mut places = BTreeMap::new();
        for pod in pods.clone() {
            if let Some(host) = stays(pod) {
                places.insert(pod, host);
                load[host] += 1;
            }
        }
        for pod in pods {
            if places.contains_key(pod) {
                continue;
            }
            let fewest = load.iter().enumerate().min_by_key(|(_, load)| **load);
            let Some((host, _)) = fewest else { continue };
            places.insert(pod, host);
            load[host] += 1;
        }
        let named = places.iter();
        let named = named.map(|(pod, host)| ((*pod).to_owned(), hosts[*host].to_owned()));
        self.places.insert(namespace.to_owned(), named.collect());
        places
    }

    /// Whether the pod was one of that namespace in an earlier run.
    pub(super) fn had_pod(&self, namespace: &str, pod: &str) -> bool {
        let pods = self.places.get(namespace);
        pods.is_some_and(|pods| pods.contains_key(pod))
    }

    /// Drops subnets that nobody has an address of, and none rests in.
    pub(super) fn wake(&mut self) {
        self.subnets.retain(|_, subnet| {
            subnet.expire(self.now);
            let usage = subnet.usage();
            !usage.held.is_zero() || !usage.resting.is_zero()
        });
    }
}

/// Whether a name such as `overlay shop/back v4` is of that namespace.
fn is_of(name: &str, namespace: &str) -> bool {
    let mut words = name.split_once(' ').into_iter();
    words.any(|(kind, rest)| {
        kind != "host"
            && rest
                .strip_prefix(namespace)
                .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// A subnet's allocator that gives owners what they had before.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    name: String,
    subnet: Subnet,
    before: BTreeMap<String, IpNet>,
    now: u64,
}

impl Kept {
    /// The subnet.
    pub(super) fn prefix(&self) -> IpNet {
        self.subnet.prefix()
    }

    /// Whether the owner had an address here.
    pub(super) fn had(&self, owner: &str) -> bool {
        self.before.contains_key(owner)
    }

    /// What the user chose.
    pub(super) fn fixed(
        &mut self,
        owner: &str,
        request: AllocRequest,
    ) -> Result<Grant, AllocError> {
        self.subnet.allocate(owner, request.at(self.now))
    }

    /// What the owner had before if that is free, else as `request` says.
    pub(super) fn any(&mut self, owner: &str, request: AllocRequest) -> Result<Grant, AllocError> {
        if let Some(before) = self.before.get(owner)
            && before.prefix_len() == before.max_prefix_len()
        {
            let again = AllocRequest::exact(before.addr());
            if let Ok(grant) = self.subnet.allocate(owner, again.at(self.now)) {
                return Ok(grant);
            }
        }
        self.subnet.allocate(owner, request.at(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet() -> Subnet {
        let builder = Subnet::builder("10.0.0.0/28".parse().unwrap());
        builder.quarantine(REST).build().unwrap()
    }

    fn lowest(memory: &mut Memory, owners: &[&str]) -> Vec<String> {
        let mut kept = memory.open("network shop/net".to_owned(), subnet(), |_| true);
        let grants = owners.iter().map(|owner| {
            let grant = kept.any(owner, AllocRequest::lowest()).unwrap();
            grant.address().to_string()
        });
        let grants = grants.collect();
        memory.close(kept);
        grants
    }

    #[test]
    fn owners_get_what_they_had_whatever_the_order() {
        let mut memory = Memory::default().at(100);
        assert_eq!(lowest(&mut memory, &["a", "b"]), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(
            lowest(&mut memory, &["b", "c", "a"]),
            ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
        );
    }

    #[test]
    fn c26_a_released_address_rests_but_whoever_names_it_gets_it_at_once() {
        let mut memory = Memory::default().at(100);
        lowest(&mut memory, &["a", "b"]);
        lowest(&mut memory, &["b"]);
        let exact = |memory: &Memory| {
            let mut kept = memory.open("network shop/net".to_owned(), subnet(), |_| true);
            let request = AllocRequest::exact("10.0.0.1".parse().unwrap());
            kept.fixed("d", request).unwrap().address().to_string()
        };
        assert_eq!(exact(&memory), "10.0.0.1");
        assert_eq!(lowest(&mut memory, &["b", "c"]), ["10.0.0.2", "10.0.0.3"]);
        let mut later = memory.clone().at(100 + REST);
        assert_eq!(
            lowest(&mut later, &["b", "c", "d"]),
            ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
        );
    }

    #[test]
    fn a_forgotten_namespace_rests_as_well_and_is_dropped_in_the_end() {
        let mut memory = Memory::default().at(100);
        lowest(&mut memory, &["a"]);
        memory.forget("shop");
        assert_eq!(lowest(&mut memory, &["b"]), ["10.0.0.2"]);
        memory.forget("shop");
        let mut memory = memory.at(100 + REST);
        memory.forget("shop");
        assert_eq!(memory, Memory::default().at(100 + REST));
    }

    #[test]
    fn pods_stay_where_they_are_and_new_ones_go_where_the_fewest_are() {
        let mut memory = Memory::default();
        let mut place = |pods: &[&'static str]| -> Vec<usize> {
            let placed = memory.place("shop", pods.iter().copied(), &["ha", "hb"], |_| None);
            placed.into_values().collect()
        };
        assert_eq!(place(&["b", "c", "d"]), [0, 1, 0]);
        assert_eq!(place(&["a", "b", "c", "d"]), [1, 0, 1, 0]);
    }

    #[test]
    fn a_name_is_of_its_namespace_alone() {
        assert!(is_of("overlay shop/back v4", "shop"));
        assert!(!is_of("overlay shop/back v4", "sho"));
        assert!(!is_of("overlay shop-b/back v4", "shop"));
        assert!(!is_of("host shop/x", "shop"));
    }

    #[test]
    fn it_is_written_and_read_back() {
        let mut memory = Memory::default().at(7);
        lowest(&mut memory, &["a", "b"]);
        let net = "10.9.0.0/16".parse().unwrap();
        memory.keep_prefixes("shop", [("overlay shop/back v4".to_owned(), net)].into());
        memory.place("shop", ["a"].into_iter(), &["ha"], |_| None);
        let text = serde_json::to_value(&memory).unwrap();
        assert_eq!(Memory::deserialize(&text).unwrap().at(7), memory);
    }
}
