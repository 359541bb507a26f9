//! Benchmarks of kraud-tunnel.

fn main() {}
