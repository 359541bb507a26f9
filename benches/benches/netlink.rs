//! Benchmarks of kraud-netlink.

fn main() {}
