//! Who has to be up before whom.

use std::collections::HashMap;

use super::project::Project;
use super::service::Service;

impl Project {
    /// The services in the order in which to start them: each after all that it waits for (see
    /// [`Service::depends_on`]), else as in the file. Stopping goes the
    /// other way round.
    ///
    /// All services are there: what is not defined does not hold anybody up, and a circle (an error
    /// of its own, [KC0306](crate::Code::page)) is cut at the dependency that closes it.
    /// O(services + dependencies).
    ///
    /// ```
    /// use kraud_compose::{Options, Project, Sources};
    ///
    /// let file = "
    /// services:
    ///   web: {image: nginx, depends_on: [app]}
    ///   app: {image: app, links: [db]}
    ///   db: {image: postgres}
    /// ";
    /// let (project, _) = Project::load(Sources::from_text("compose.yaml", file), &Options::new());
    /// let project = project.unwrap();
    /// let order: Vec<&str> = project.start_order().iter().map(|s| s.key.as_str()).collect();
    /// assert_eq!(order, ["db", "app", "web"]);
    /// ```
    #[must_use]
    pub fn start_order(&self) -> Vec<&Service> {
        let services = self.services.iter().enumerate();
        let index: HashMap<&str, usize> = services.map(|(i, s)| (s.key.as_str(), i)).collect();
        let mut seen = vec![false; self.services.len()];
        let mut order = Vec::with_capacity(self.services.len());
        // Depth first, without recursion: a service is done when all that it waits for is.
        let mut open: Vec<(&Service, usize)> = Vec::new();
        let mut enter = |at: usize, open: &mut Vec<_>| {
            let new = seen
                .get_mut(at)
                .is_some_and(|seen| !std::mem::replace(seen, true));
            open.extend(self.services.get(at).filter(|_| new).map(|s| (s, 0)));
        };
        for start in 0..self.services.len() {
            enter(start, &mut open);
            while let Some((service, next)) = open.last_mut() {
                if let Some(dependency) = service.depends_on.get(*next) {
                    *next += 1;
                    if let Some(&at) = index.get(dependency.service.as_str()) {
                        enter(at, &mut open);
                    }
                } else {
                    order.push(*service);
                    open.pop();
                }
            }
        }
        order
    }
}
