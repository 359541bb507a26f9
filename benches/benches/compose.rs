//! Benchmarks of kraud-compose.

fn main() {}
