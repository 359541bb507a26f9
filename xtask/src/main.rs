//! The project's own chores. `cargo xtask` lists them.

#![forbid(unsafe_code)]

fn main() {}
