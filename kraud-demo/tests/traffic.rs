//! Traffic through the userspace plane on this machine's own kernel.
//!
//! As in `lab.rs`, these run on request: `cargo test -p kraud-demo --test traffic -- --ignored`, as `cargo xtask ci` does.

mod common;
mod ends;

use ends::Ends;
use kraud_demo::cli::PlaneChoice;

#[test]
#[ignore = "needs root and /dev/net/tun"]
fn a07_fragments_pass_both_ways() {
    Ends::up(PlaneChoice::Userspace).fragments_arrive();
}

#[test]
#[ignore = "needs root and /dev/net/tun"]
fn a07_icmp_errors_pass_both_ways() {
    let ends = Ends::up(PlaneChoice::Userspace);
    ends.closed_ports_are_reported();
    ends.a_smaller_mtu_behind_a_pod_is_reported();
    ends.a_spent_ttl_behind_a_pod_is_reported();
}
