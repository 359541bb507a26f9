//! What the benchmarks share.

pub mod compose;
#[cfg(feature = "rivals")]
pub mod compose_rivals;
pub mod instructions;
