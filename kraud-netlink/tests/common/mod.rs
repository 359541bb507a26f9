//! What the tests share.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::net::IpAddr;

use ipnet::IpNet;
use kraud_netlink::{Handle, Link, Netns, Op, Veth};

/// A namespace of the test's own, or a note why there is none.
pub fn namespace() -> Option<Netns> {
    match Netns::new() {
        Ok(netns) => Some(netns),
        Err(error) => {
            skip(&error);
            None
        }
    }
}

/// Says why a test did nothing.
pub fn skip(why: &dyn std::fmt::Display) {
    println!("skipped: {why}");
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
