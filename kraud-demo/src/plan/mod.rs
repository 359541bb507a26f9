//! From a [`Deployment`] to the ordered changes that make it real. Pure: nothing here touches the machine.

mod bridge;
mod exits;
mod firewall;
mod guard;
mod host;
mod ipvlan;
mod mtu;
mod networks;
mod pod;
mod script;
mod show;
mod step;
mod underlay;

use kraud_netlink::{LinkChange, Op};

use crate::error::Error;
use crate::identity::Scope;
use crate::model::Deployment;
use crate::site::Site;

pub use exits::{PlannedNetwork, PlannedSubnet, UpstreamRoute, upstream_routes};
pub use guard::GUARD_TABLE;
pub use host::mesh;
pub use mtu::{ETHERNET, Mtu};
pub use show::{PlanData, StepData};
pub use step::{Action, Mesh, MeshPeer, Step};
pub use underlay::{ROUTER, addresses as underlay_addresses, endpoint_towards, routers};

/// The route protocol number of everything that kraud installs: unassigned in iproute2's `rt_protos`, so that the
/// routes of others are never touched.
pub const PROTOCOL: u8 = 75;

/// The WireGuard device of a VPC's namespace.
pub const WIREGUARD: &str = "wg0";
/// A pod's device in the VPC.
pub const POD_DEVICE: &str = "eth0";
/// A pod's device for all of its overlays: the kernel allows one external ip6tnl per namespace.
pub const OVERLAY_DEVICE: &str = "overlay";

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// wireguard, ipvlan and ip6tnl links.
    Kernel,
    /// TUN devices, kraud-tunnel and boringtun.
    Userspace,
    /// The first, third… host in the kernel, the others in userspace: to show that the two understand each other.
    Mixed,
}

impl Plane {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
            Self::Mixed => "mixed",
        }
    }

    /// Whether the host of this index has the kernel's links.
    #[must_use]
    pub fn is_kernel(self, host: usize) -> bool {
        match self {
            Self::Kernel => true,
            Self::Userspace => false,
            Self::Mixed => host.is_multiple_of(2),
        }
    }
}

/// Ordered changes; those of one namespace never depend on a later one.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The network namespaces that it needs, in the order in which they are made; see [`loopback_up`].
    pub namespaces: Vec<String>,
    /// The changes.
    pub steps: Vec<Step>,
    /// What the packets may measure.
    pub mtu: Mtu,
    /// The bridge and ipvlan networks, host by host.
    pub networks: Vec<PlannedNetwork>,
    /// The routes that the network outside needs.
    pub upstream: Vec<UpstreamRoute>,
}

impl Plan {
    /// Plans one host's share of a deployment, on a machine that has its underlay already.
    ///
    /// The steps in the namespace of the host's name are for the machine's own one, and `site` is what that has without
    /// this project. Time is that of the pods on this host times all pods.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn of_host(deployment: &Deployment, host: usize, site: &Site) -> Result<Self, Error> {
        let mtu = Mtu::predict(&deployment.hosts)?;
        let (mut namespaces, mut steps) = (Vec::new(), Vec::new());
        if let Some(host) = deployment.hosts.get(host).filter(|_| deployment.has_vpc()) {
            namespaces.push(vpc_namespace(&deployment.scope, &host.name));
            host::plan(deployment, host, mtu, &mut steps)?;
        }
        for pod in deployment.pods_on(host) {
            namespaces.push(pod.name.clone());
            pod::plan(deployment, pod, true, mtu, &mut steps);
        }
        let networks = networks::plan(deployment, host, site, &mut steps)?;
        Ok(Self {
            namespaces,
            steps,
            mtu,
            networks,
            upstream: upstream_routes(deployment, host, site),
        })
    }

    /// Plans a deployment on hosts that are network namespaces of one machine, joined by a router of its own.
    ///
    /// Time is quadratic in the pods, as the routes of an overlay that all of them join are.
    ///
    /// # Errors
    ///
    /// [`Error::Unplannable`] where two hosts have no underlay family in common, [`Error::Netlink`] for a parent link that
    /// a host of the lab does not have.
    pub fn new(deployment: &Deployment, plane: Plane) -> Result<Self, Error> {
        let mtu = Mtu::predict(&deployment.hosts)?;
        let hosts = || deployment.hosts.iter().enumerate();
        // Without a pod in it there is no VPC.
        let has_vpc = deployment.has_vpc();
        let in_kernel = || hosts().filter(|(index, _)| has_vpc && plane.is_kernel(*index));
        let segments = underlay::segments(deployment);

        let mut namespaces = vec![ROUTER.to_owned()];
        namespaces.extend(hosts().map(|(_, host)| host.name.clone()));
        namespaces
            .extend(in_kernel().map(|(_, host)| vpc_namespace(&deployment.scope, &host.name)));
        namespaces.extend(deployment.pods.iter().map(|pod| pod.name.clone()));

        let mut steps = Vec::new();
        underlay::plan(&deployment.hosts, &segments, &mut steps);
        for (_, host) in in_kernel() {
            host::plan(deployment, host, mtu, &mut steps)?;
        }
        for pod in &deployment.pods {
            pod::plan(deployment, pod, plane.is_kernel(pod.host), mtu, &mut steps);
        }
        let (mut networks, mut upstream) = (Vec::new(), Vec::new());
        for (index, host) in hosts() {
            let site = underlay::site(host, &segments);
            networks.extend(networks::plan(deployment, index, &site, &mut steps)?);
            upstream.extend(upstream_routes(deployment, index, &site));
        }
        Ok(Self {
            namespaces,
            steps,
            mtu,
            networks,
            upstream,
        })
    }
}

impl Plan {
    /// What a network, by its full name, came to be on a host.
    #[must_use]
    pub fn network(&self, name: &str, host: &str) -> Option<&PlannedNetwork> {
        let mut networks = self.networks.iter();
        networks.find(|network| network.name == name && network.host == host)
    }
}

/// What is done first in every namespace: the kernel makes the loopback link, but leaves it down.
#[must_use]
pub fn loopback_up() -> Op {
    Op::SetLink(LinkChange::new("lo").up())
}

/// The namespace of a VPC on one host.
#[must_use]
pub fn vpc_namespace(scope: &Scope, host: &str) -> String {
    if *scope == Scope::default() {
        format!("{host}-vpc")
    } else {
        format!("{host}-vpc-{}.{}", scope.tenant, scope.vpc)
    }
}
