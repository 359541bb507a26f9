//! kraud-ipam
#![no_std]
#![forbid(unsafe_code)]
