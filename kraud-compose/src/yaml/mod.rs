//! YAML as an arena of spanned nodes.
//!
//! What a reader finds becomes a [`Tree`]: numbers instead of pointers, byte ranges instead of copied
//! strings, aliases shared instead of expanded. There are two readers: granit-parser, which knows all
//! of YAML, and in front of it a quick one for what compose files are written in. Nothing outside
//! of this module knows which of them was at work.

mod agree;
mod build;
mod hint;
mod parse;
mod quick;
mod tree;

#[cfg(fuzzing)]
pub(crate) use agree::disagreement;
pub(crate) use build::Limits;
pub(crate) use parse::parse;
pub(crate) use tree::{Entry, NodeId, Tag, Tree};
