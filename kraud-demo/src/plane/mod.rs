//! What makes a plan real: namespaces, kraud-netlink, and the userspace plane where the kernel lacks the links.

mod choose;
mod machine;
mod userspace;

pub use choose::choose;
pub use machine::Machine;
