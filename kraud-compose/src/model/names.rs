//! The names under which services find each other.

use std::borrow::Cow;
use std::collections::HashSet;

use super::project::Project;
use super::service::{Endpoint, Service};

/// Where a [`HostName`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HostNameKind {
    /// The key of the service: all of its replicas answer.
    Service,
    /// `container_name`, else docker's `<project>-<service>-<replica>`.
    Container,
    /// `hostname`: all replicas answer.
    Hostname,
    /// One of `aliases` of the endpoint: all replicas answer.
    Alias,
}

/// A name that is answered in a network, and by whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HostName<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// Where it comes from.
    pub kind: HostNameKind,
    /// The service that answers.
    pub service: &'a Service,
    /// Its place in the network.
    pub endpoint: &'a Endpoint,
    /// The replica that answers, from 0; `None` where all of them do.
    pub replica: Option<u32>,
}

/// What a name means to one service alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrivateName<'a> {
    /// A service of the project, by `links`.
    Service(&'a str),
    /// A container outside of the project, by `external_links`.
    Container(&'a str),
    /// An address, or docker's `host-gateway`, by `extra_hosts`.
    Address(&'a str),
}

impl Project {
    /// The names that are answered in a network, in file order: of each service its key, its
    /// containers, its host name and its aliases, each name of an endpoint once.
    ///
    /// A name of several services appears once for each: queries get one or the other (KC0406).
    /// Services of inactive profiles are left out. O(endpoints of the project + names).
    ///
    /// ```
    /// use kraud_compose::{Options, Project, Sources};
    ///
    /// let file = "
    /// services:
    ///   db: {image: x, scale: 2, networks: {back: {aliases: [sql]}}}
    /// networks: {back: }
    /// ";
    /// let options = Options::new().project_name("shop");
    /// let (project, _) = Project::load(Sources::from_text("compose.yaml", file), &options);
    /// let project = project.unwrap();
    /// let names: Vec<_> = project.host_names(0).iter().map(|n| n.name.to_string()).collect();
    /// assert_eq!(names, ["db", "shop-db-1", "shop-db-2", "sql"]);
    /// ```
    #[must_use]
    pub fn host_names<'a>(&'a self, network_index: usize) -> Vec<HostName<'a>> {
        let mut out = Vec::new();
        let members = self.members(network_index).filter(|(s, _)| s.active);
        for (service, endpoint) in members {
            let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
            let mut add = |name: Cow<'a, str>, kind, replica| {
                if seen.insert(name.clone()) {
                    out.push(HostName {
                        name,
                        kind,
                        service,
                        endpoint,
                        replica,
                    });
                }
            };
            add(service.key.as_str().into(), HostNameKind::Service, None);
            match &service.container_name {
                Some(name) => add(name.as_str().into(), HostNameKind::Container, None),
                None => {
                    for i in 0..service.replicas.value {
                        let number = u64::from(i) + 1;
                        let name = format!("{}-{}-{number}", self.name, service.key);
                        add(name.into(), HostNameKind::Container, Some(i));
                    }
                }
            }
            if let Some(name) = &service.hostname {
                add(name.as_str().into(), HostNameKind::Hostname, None);
            }
            for alias in &endpoint.aliases {
                add(alias.as_str().into(), HostNameKind::Alias, None);
            }
        }
        out
    }
}

impl Service {
    /// The names that mean something to this service alone, in file order: `links`,
    /// `external_links`, then `extra_hosts`. A link without an alias is a name of the network
    /// anyway and left out.
    pub fn private_names(&self) -> impl Iterator<Item = (&str, PrivateName<'_>)> + '_ {
        let links = self.links.iter().filter_map(|link| {
            let alias = link.alias.as_deref()?;
            Some((alias, PrivateName::Service(link.target.as_str())))
        });
        let external = self.external_links.iter().map(|link| {
            let name = link.alias.as_deref().unwrap_or(&link.target);
            (name, PrivateName::Container(link.target.as_str()))
        });
        let hosts = self.extra_hosts.iter();
        let hosts = hosts.map(|h| (h.name.as_str(), PrivateName::Address(h.address.as_str())));
        links.chain(external).chain(hosts)
    }
}
