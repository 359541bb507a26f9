//! kraud-tunnel
#![no_std]
#![forbid(unsafe_code)]
