//! kraud-compose
#![forbid(unsafe_code)]
