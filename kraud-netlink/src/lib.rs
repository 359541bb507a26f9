//! kraud-netlink
