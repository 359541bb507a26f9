//! What the tests share.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub mod plan;

use std::net::IpAddr;

use ipnet::IpNet;
use kraud_netlink::{Handle, Link, Netns, Op, Veth};

/// A namespace of the test's own.
pub fn namespace() -> Option<Netns> {
    match Netns::new() {
        Ok(netns) => Some(netns),
        Err(error) => {
            skip(&error);
            None
        }
    }
}

/// Ends a test that was asked for where it cannot run: nothing is passed that was not shown. Tests that not every
/// machine can run are `#[ignore]`d, so that they are counted as such.
pub fn skip(why: &dyn std::fmt::Display) {
    panic!("this machine cannot run the test: {why}");
}

/// A veth pair that is up.
pub fn add_pair(kernel: &mut Handle, name: &str, peer: &str) {
    kernel
        .apply(&Op::AddLink(Link::veth(name, Veth::peer(peer).up()).up()))
        .unwrap();
}

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The calling thread, for [`signal_thread`].
pub fn gettid() -> nix::sys::pthread::Pthread {
    nix::sys::pthread::pthread_self()
}

/// Lets SIGUSR1 interrupt system calls without doing anything else.
pub fn ignore_signals_with_a_handler() {
    signal_hook::flag::register(nix::libc::SIGUSR1, std::sync::Arc::default()).unwrap();
}

/// Sends SIGUSR1 to a thread.
pub fn signal_thread(thread: nix::sys::pthread::Pthread) {
    let _ = nix::sys::pthread::pthread_kill(thread, nix::sys::signal::Signal::SIGUSR1);
}

/// Tries to put a datagram into every netlink socket of this namespace; says how often that was refused.
pub fn netlink_send_to_all_ports(datagram: &[u8]) -> usize {
    use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
    let ports = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default();
    let socket = Socket::new(NETLINK_ROUTE).unwrap();
    let own = ports.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (family, port) = (words.next()?, words.next()?);
        (family == "0").then(|| port.parse::<u32>().ok()).flatten()
    });
    own.filter(|&port| port != 0)
        .filter(|&port| {
            socket
                .send_to(datagram, &SocketAddr::new(port, 0), 0)
                .is_err()
        })
        .count()
}
