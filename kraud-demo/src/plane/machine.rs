//! A plan made real on this machine.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;
use kraud_netlink::{Handle, Netns, Op, Peer, Wireguard, WireguardPeer};
use tun_rs::SyncDevice;

use super::userspace::{self, HostPorts, PeerSpec, PodPorts, PodSpec, Userspace};
use crate::error::Error;
use crate::keys::{KeyPair, Keys};
use crate::lab::Interrupt;
use crate::model::{Deployment, Host, Pod};
use crate::plan::{Action, Mesh, OVERLAY_DEVICE, POD_DEVICE, Plan, Plane, WIREGUARD, mesh, vpc_namespace};

/// The namespaces of a plan and all that is in them. They have no name, so they end with this value, or with the
/// process if that is killed.
#[derive(Debug)]
pub struct Machine {
    // The plane's threads stop before the namespaces below them go.
    _userspace: Option<Userspace>,
    namespaces: BTreeMap<String, Netns>,
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
        let mut building = Building { namespaces: BTreeMap::new(), handles: BTreeMap::new(), devices: BTreeMap::new() };
        for name in &plan.namespaces {
            let namespace = Netns::new().map_err(Error::netlink(format!("namespace {name}")))?;
            building.namespaces.insert(name.clone(), namespace);
        }
        for step in &plan.steps {
            interrupt.check()?;
            match &step.action {
                Action::Netlink(op) => building.apply(&step.namespace, op)?,
                Action::Mesh(mesh) => building.apply(&step.namespace, &Op::SetWireguard(wireguard(mesh, keys)?))?,
                Action::Tun { device } => building.open_tun(&step.namespace, device)?,
            }
        }
        let userspace = match plane {
            Plane::Kernel => None,
            Plane::Userspace => Some(building.start_userspace(deployment, keys)?),
        };
        Ok(Self { _userspace: userspace, namespaces: building.namespaces })
    }

    /// Runs a closure in one of the namespaces.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`] if it cannot be entered.
    pub fn run_in<R: Send>(&self, namespace: &str, inside: impl FnOnce() -> R + Send) -> Result<R, Error> {
        find(&self.namespaces, namespace)?.run(inside).map_err(Error::netlink(format!("namespace {namespace}")))
    }

    /// For each namespace a path that `nsenter --net=` takes while this process runs.
    #[must_use]
    pub fn paths(&self) -> Vec<(String, String)> {
        let path = |namespace: &Netns| format!("/proc/{}/fd/{}", std::process::id(), namespace.as_fd().as_raw_fd());
        self.namespaces.iter().map(|(name, namespace)| (name.clone(), path(namespace))).collect()
    }

    /// What the kernel knows of a host's peers.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`].
    pub fn wireguard_peers(&self, host: &Host) -> Result<Vec<WireguardPeer>, Error> {
        let name = vpc_namespace(host);
        let context = || format!("wireguard of {}", host.name);
        let mut handle = find(&self.namespaces, &name)?.handle().map_err(Error::netlink(context()))?;
        Ok(handle.wireguard(WIREGUARD).map_err(Error::netlink(context()))?.peers)
    }
}

/// A machine that is being made.
struct Building {
    namespaces: BTreeMap<String, Netns>,
    handles: BTreeMap<String, Handle>,
    devices: BTreeMap<(String, String), SyncDevice>,
}

impl Building {
    fn apply(&mut self, namespace: &str, op: &Op) -> Result<(), Error> {
        if !self.handles.contains_key(namespace) {
            let handle = find(&self.namespaces, namespace)?.handle();
            let mut handle = handle.map_err(Error::netlink(format!("namespace {namespace}")))?;
            for (name, other) in &self.namespaces {
                handle.know_netns(name.clone(), other.clone());
            }
            self.handles.insert(namespace.to_owned(), handle);
        }
        match self.handles.get_mut(namespace) {
            Some(handle) => handle.apply(op).map_err(Error::netlink(namespace)),
            None => Err(unknown(namespace)),
        }
    }

    fn open_tun(&mut self, namespace: &str, device: &str) -> Result<(), Error> {
        let context = format!("{namespace}: TUN device {device}");
        let inside = find(&self.namespaces, namespace)?;
        let opened = inside.run(|| userspace::open_tun(device)).map_err(Error::netlink(context.clone()))?;
        let opened = opened.map_err(Error::io(context))?;
        self.devices.insert((namespace.to_owned(), device.to_owned()), opened);
        Ok(())
    }

    fn start_userspace(&mut self, deployment: &Deployment, keys: &Keys) -> Result<Userspace, Error> {
        let mut hosts = Vec::with_capacity(deployment.hosts.len());
        for (index, host) in deployment.hosts.iter().enumerate() {
            let context = format!("{}: UDP port {}", host.name, host.port);
            let socket = find(&self.namespaces, &host.name)?.run(|| userspace::open_socket(host.port));
            let socket = socket.map_err(Error::netlink(context.clone()))?.map_err(Error::io(context))?;
            let peers = mesh(deployment, host)?.peers.into_iter().map(|peer| {
                let public_key = pair(keys, &peer.host)?.public.0;
                Ok(PeerSpec { public_key, endpoint: peer.endpoint, allowed: peer.allowed })
            });
            hosts.push(HostPorts {
                name: host.name.clone(),
                private_key: *pair(keys, &host.name)?.private.expose(),
                socket,
                peers: peers.collect::<Result<_, Error>>()?,
                pods: deployment.pods_on(index).filter_map(|pod| self.ports(deployment, pod)).collect(),
            });
        }
        Userspace::start(hosts).map_err(Error::io("cannot start the userspace plane"))
    }

    fn ports(&mut self, deployment: &Deployment, pod: &Pod) -> Option<PodPorts> {
        let mut device = |name: &str| self.devices.remove(&(pod.name.clone(), name.to_owned()));
        let sources = pod.memberships.iter().flat_map(|membership| membership.destinations()).collect::<Vec<IpNet>>();
        let routes = deployment.neighbours(pod).filter_map(|(peer, _, theirs)| Some((peer.address?, theirs)));
        let routes = routes.flat_map(|(peer, theirs)| theirs.destinations().map(move |net| (net, peer)));
        let spec = PodSpec { address: pod.address?, sources, routes: routes.collect() };
        Some(PodPorts { spec, vpc: device(POD_DEVICE)?, overlay: device(OVERLAY_DEVICE) })
    }
}

/// A device's configuration with the keys that the plan only names.
fn wireguard(mesh: &Mesh, keys: &Keys) -> Result<Wireguard, Error> {
    let own = pair(keys, &mesh.host)?.private.clone();
    let device = Wireguard::new(&mesh.device).private_key(own).listen_port(mesh.port);
    mesh.peers.iter().try_fold(device, |device, peer| {
        let public = pair(keys, &peer.host)?.public;
        Ok(device.peer(Peer::new(public).endpoint(peer.endpoint).allowed_ip(IpNet::V6(peer.allowed))))
    })
}

fn pair<'a>(keys: &'a Keys, host: &str) -> Result<&'a KeyPair, Error> {
    keys.get(host).ok_or_else(|| Error::Unplannable(format!("host `{host}` has no key")))
}

fn find<'a>(namespaces: &'a BTreeMap<String, Netns>, name: &str) -> Result<&'a Netns, Error> {
    namespaces.get(name).ok_or_else(|| unknown(name))
}

fn unknown(namespace: &str) -> Error {
    Error::Unplannable(format!("the plan has no namespace `{namespace}`"))
}
