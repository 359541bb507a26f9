//! What needs more than one value to be judged: addresses against subnets, services against each
//! other.

mod address;
mod endpoint;
mod names;
mod network;
mod overlap;
mod parent;
mod pool;
mod port;
mod service;

use ipnet::IpNet;
pub(crate) use pool::weak_ula;

use crate::diagnostic::Sink;
use crate::model::{Project, Service};
use crate::options::Options;

/// All checks of a project.
pub(crate) fn check(project: &Project, options: &Options, sink: &mut Sink) {
    address::check(project, sink);
    endpoint::check(project, sink);
    network::check(project, sink);
    pool::check(project, sink);
    overlap::check(project, options, sink);
    parent::check(project, options, sink);
    port::check(project, sink);
    names::check(project, sink);
    service::check(project, sink);
}

/// Whether two services can be up at the same time: not when both have profiles and share none,
/// and not when they are the same one.
pub(crate) fn coactive(a: &Service, b: &Service) -> bool {
    if std::ptr::eq(a, b) {
        return false;
    }
    let shared = || {
        let mut names = a.profiles.iter();
        names.any(|p| b.profiles.iter().any(|q| q.value == p.value))
    };
    a.profiles.is_empty() || b.profiles.is_empty() || shared()
}

/// Whether two prefixes share an address.
pub(crate) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}
