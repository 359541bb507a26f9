//! The userspace plane: TUN devices, kraud-tunnel and boringtun, one thread per host.
//!
//! ```text
//! pod  overlay (TUN) -> kraud-tunnel puts IPv6 around it \
//! pod  eth0 (TUN) ----------------------------------------> boringtun -> UDP on the underlay -> the peer's way back
//! ```
//!
//! From the TUN device to the socket a packet is copied once, by boringtun, whose cipher has no call that works in place:
//! headers are put around it where it was read, and a superpacket is split where it lies. On the way back it is copied
//! twice, by boringtun and into the superpacket that the device is given. Nothing is allocated for a packet.

mod delivery;
mod host;
mod inbox;
mod outbox;
mod peers;
mod pod;
mod tun;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use host::Host;
use inbox::Inbox;
use peers::Peers;
use pod::Pod;

pub use peers::PeerSpec;
pub use pod::PodSpec;

pub(super) use peers::open_socket;
pub(super) use tun::Tun;

/// Everything that one host's thread needs.
pub(super) struct HostPorts {
    pub(super) name: String,
    pub(super) private_key: [u8; 32],
    pub(super) socket: UdpSocket,
    pub(super) peers: Vec<PeerSpec>,
    pub(super) pods: Vec<PodPorts>,
}

/// A pod and its open devices.
pub(super) struct PodPorts {
    pub(super) spec: PodSpec,
    pub(super) vpc: Tun,
    pub(super) overlay: Option<Tun>,
}

/// The running plane; it stops when it is dropped.
#[derive(Debug)]
pub(super) struct Userspace {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Userspace {
    /// Starts one thread per host.
    ///
    /// # Errors
    ///
    /// The system's refusal to start a thread; those that run already are stopped.
    pub(super) fn start(hosts: Vec<HostPorts>) -> io::Result<Self> {
        let mut plane = Self {
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        for ports in hosts {
            let stop = Arc::clone(&plane.stop);
            let pods = ports
                .pods
                .into_iter()
                .map(|pod| Pod {
                    policy: pod.spec.into(),
                    vpc: pod.vpc,
                    overlay: pod.overlay,
                })
                .collect();
            let host = Host {
                inbox: Inbox::new(&ports.socket),
                socket: ports.socket,
                peers: Peers::new(ports.private_key, ports.peers),
                pods,
            };
            let thread = std::thread::Builder::new().name(ports.name);
            plane.threads.push(thread.spawn(move || host.run(&stop))?);
        }
        Ok(plane)
    }
}

impl Drop for Userspace {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on stderr already; the namespaces go down either way.
            if let Ok(Err(error)) = thread.join() {
                crate::talk::error(format_args!(
                    "warning: the userspace plane of a host did not run: {error}"
                ));
            }
        }
    }
}
