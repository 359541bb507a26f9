//! What needs more than one value to be judged: addresses against subnets, services against each
//! other.

mod address;

use crate::diagnostic::Sink;
use crate::model::Project;
use crate::options::Options;

/// All checks of a project.
pub(crate) fn check(project: &Project, options: &Options, sink: &mut Sink) {
    let _ = options;
    address::check(project, sink);
}

/// Whether two services can be up at the same time: unless both have profiles and share none, or
/// are the same service.
pub(crate) fn coactive(a: &crate::model::Service, b: &crate::model::Service) -> bool {
    if std::ptr::eq(a, b) {
        return false;
    }
    let shared = || {
        let mut names = a.profiles.iter();
        names.any(|p| b.profiles.iter().any(|q| q.value == p.value))
    };
    a.profiles.is_empty() || b.profiles.is_empty() || shared()
}
