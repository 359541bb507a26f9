//! Benchmarks of kraud-ipam.

fn main() {}
