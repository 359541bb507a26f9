//! One host in the kernel and one in userspace: what each makes of the other's fragments and errors.

mod common;
mod ends;

use ends::Ends;
use kraud_demo::cli::PlaneChoice;

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a07_fragments_pass_between_the_kernel_and_userspace_both_ways() {
    Ends::up(PlaneChoice::Mixed).fragments_arrive();
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a07_icmp_errors_pass_between_the_kernel_and_userspace_both_ways() {
    let ends = Ends::up(PlaneChoice::Mixed);
    ends.closed_ports_are_reported();
    ends.a_smaller_mtu_behind_a_pod_is_reported();
    ends.a_spent_ttl_behind_a_pod_is_reported();
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a07_the_kernel_plane_does_the_same() {
    let ends = Ends::up(PlaneChoice::Kernel);
    ends.fragments_arrive();
    ends.closed_ports_are_reported();
    ends.a_smaller_mtu_behind_a_pod_is_reported();
    ends.a_spent_ttl_behind_a_pod_is_reported();
}
