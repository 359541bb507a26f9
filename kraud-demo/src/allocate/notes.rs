//! What is read otherwise than docker would, or not carried at all: said, never done in silence.

use kraud_compose::{Driver, NetworkMode, Project};

pub(super) fn of(project: &Project) -> Vec<String> {
    let mut notes = Vec::new();
    for network in &project.networks {
        if network.driver == Driver::Overlay {
            let key = &network.key.value;
            notes.push(format!(
                "network `{key}`: driver `overlay` is taken as `ipip`"
            ));
        }
    }
    for service in project.services.iter().filter(|service| service.active) {
        let key = &service.key.value;
        match service.network_mode.as_ref().map(|mode| &mode.value) {
            None | Some(NetworkMode::None) => {}
            Some(mode) => notes.push(format!(
                "service `{key}` has `network_mode: {mode}`: it has no network namespace of its own and gets no address"
            )),
        }
        if !service.ports.is_empty() {
            notes.push(format!("service `{key}`: published ports are not applied"));
        }
    }
    notes
}
