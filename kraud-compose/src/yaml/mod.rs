//! YAML as an arena of spanned nodes.
//!
//! The events of granit-parser become a [`Tree`]: numbers instead of pointers, byte ranges instead
//! of copied strings, aliases shared instead of expanded. Nothing outside of this module knows
//! which parser is underneath.

mod hint;
mod parse;
mod tree;

pub(crate) use parse::{Limits, parse};
pub(crate) use tree::{Entry, NodeId, Tag, Tree};
