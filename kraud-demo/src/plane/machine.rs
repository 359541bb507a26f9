//! A plan made real on this machine.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};

use super::userspace::{self, HostPorts, PeerSpec, PodPorts, PodSpec, Tun, Userspace};
use crate::error::Error;
use crate::keys::Keys;
use crate::lab::Interrupt;
use crate::model::{Deployment, Host, Membership, Pod};
use crate::plan::{
    Action, OVERLAY_DEVICE, POD_DEVICE, Plan, Plane, WIREGUARD, loopback_up, mesh, vpc_namespace,
};
use ipnet::IpNet;
use kraud_netlink::{self as netlink, Namespaces, Op, PeerInfo};

/// The namespaces of a plan and all that is in them. They have no name, so they end with this value, or with the
/// process if that is killed.
#[derive(Debug)]
pub struct Machine {
    // The plane's threads stop before the namespaces below them go.
    _userspace: Userspace,
    namespaces: Namespaces,
}

impl Machine {
    /// Makes everything that the plan asks for. On an error nothing of it is left.
    ///
    /// # Errors
    ///
    /// The first change that the kernel refused, or [`Error::Interrupted`].
    pub fn up(
        plan: &Plan,
        deployment: &Deployment,
        keys: &Keys,
        plane: Plane,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let namespaces = Namespaces::anonymous().map_err(Error::netlink("this namespace"))?;
        let mut building = Building {
            namespaces,
            devices: BTreeMap::new(),
        };
        for name in &plan.namespaces {
            building.apply(name, &netlink::Step::here(Op::AddNetns(name.clone())))?;
            building.apply(name, &netlink::Step::in_netns(name, loopback_up()))?;
        }
        for step in &plan.steps {
            interrupt.check()?;
            let inside = |op: Op| netlink::Step::in_netns(&step.namespace, op);
            match &step.action {
                Action::Netlink(op) => building.apply(&step.namespace, &inside((**op).clone()))?,
                Action::Mesh(mesh) => {
                    building.apply(
                        &step.namespace,
                        &inside(Op::SetWireguard(keys.wireguard(mesh)?)),
                    )?;
                }
                Action::Tun { device } => building.open_tun(&step.namespace, device)?,
            }
        }
        let userspace = building.start_userspace(deployment, keys, plane)?;
        Ok(Self {
            _userspace: userspace,
            namespaces: building.namespaces,
        })
    }

    /// Runs a closure in one of the namespaces.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`] if it cannot be entered.
    pub fn run_in<R: Send>(
        &self,
        namespace: &str,
        inside: impl FnOnce() -> R + Send,
    ) -> Result<R, Error> {
        run_in(&self.namespaces, namespace, inside)
    }

    /// For each namespace of the plan a path that `nsenter --net=` takes while this process runs.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`] for a namespace that is not there.
    pub fn paths(&self, plan: &Plan) -> Result<Vec<(String, String)>, Error> {
        let path = |name: &String| {
            let namespace = self.namespaces.netns(name).map_err(Error::netlink(name))?;
            Ok((
                name.clone(),
                format!(
                    "/proc/{}/fd/{}",
                    std::process::id(),
                    namespace.as_fd().as_raw_fd()
                ),
            ))
        };
        plan.namespaces.iter().map(path).collect()
    }

    /// What the kernel knows of a host's peers.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`].
    pub fn wireguard_peers(
        &self,
        deployment: &Deployment,
        host: &Host,
    ) -> Result<Vec<PeerInfo>, Error> {
        if deployment.hosts.len() < 2 {
            return Ok(Vec::new());
        }
        let context = || Error::netlink(format!("wireguard of {}", host.name));
        let namespace = self
            .namespaces
            .netns(&vpc_namespace(&deployment.scope, &host.name))
            .map_err(context())?;
        let mut handle = namespace.handle().map_err(context())?;
        Ok(handle.wireguard(WIREGUARD).map_err(context())?.peers)
    }
}

/// A machine that is being made.
struct Building {
    namespaces: Namespaces,
    devices: BTreeMap<(String, String), Tun>,
}

impl Building {
    fn apply(&mut self, context: &str, step: &netlink::Step) -> Result<(), Error> {
        self.namespaces.apply(step).map_err(Error::netlink(context))
    }

    fn open_tun(&mut self, namespace: &str, device: &str) -> Result<(), Error> {
        let opened = run_in(&self.namespaces, namespace, || Tun::open(device))?;
        let opened = opened.map_err(Error::io(format!("{namespace}: TUN device {device}")))?;
        self.devices
            .insert((namespace.to_owned(), device.to_owned()), opened);
        Ok(())
    }

    fn start_userspace(
        &mut self,
        deployment: &Deployment,
        keys: &Keys,
        plane: Plane,
    ) -> Result<Userspace, Error> {
        let mut hosts = Vec::with_capacity(deployment.hosts.len());
        let hosts_of = deployment.hosts.iter().enumerate();
        for (index, host) in hosts_of.filter(|(index, _)| !plane.is_kernel(*index)) {
            let socket = run_in(&self.namespaces, &host.name, || {
                userspace::open_socket(host.port)
            })?;
            let socket =
                socket.map_err(Error::io(format!("{}: UDP port {}", host.name, host.port)))?;
            let peers = mesh(deployment, host)?.peers.into_iter().map(|peer| {
                let public_key = keys.public(&peer.host)?.0;
                Ok(PeerSpec {
                    public_key,
                    endpoint: peer.endpoint,
                    allowed: peer.allowed,
                })
            });
            hosts.push(HostPorts {
                name: host.name.clone(),
                private_key: *keys.private(&host.name)?.expose(),
                socket,
                peers: peers.collect::<Result<_, Error>>()?,
                pods: deployment
                    .pods_on(index)
                    .filter_map(|pod| self.ports(deployment, pod))
                    .collect(),
            });
        }
        Userspace::start(hosts).map_err(Error::io("cannot start the userspace plane"))
    }

    fn ports(&mut self, deployment: &Deployment, pod: &Pod) -> Option<PodPorts> {
        let mut device = |name: &str| self.devices.remove(&(pod.name.clone(), name.to_owned()));
        let sources = pod
            .memberships
            .iter()
            .flat_map(Membership::destinations)
            .collect::<Vec<IpNet>>();
        let routes = deployment
            .neighbours(pod)
            .filter_map(|(peer, _, theirs)| Some((peer.address?, theirs)));
        let routes =
            routes.flat_map(|(peer, theirs)| theirs.destinations().map(move |net| (net, peer)));
        let spec = PodSpec {
            address: pod.address?,
            sources,
            routes: routes.collect(),
        };
        Some(PodPorts {
            spec,
            vpc: device(POD_DEVICE)?,
            overlay: device(OVERLAY_DEVICE),
        })
    }
}

fn run_in<R: Send>(
    namespaces: &Namespaces,
    name: &str,
    inside: impl FnOnce() -> R + Send,
) -> Result<R, Error> {
    let namespace = namespaces.netns(name).map_err(Error::netlink(name))?;
    namespace.run(inside).map_err(Error::netlink(name))
}
