//! A plan for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::{Mtu, Plan, Plane, PlannedNetwork, UpstreamRoute};

/// A plan as data.
#[derive(Clone, Debug, Serialize)]
pub struct PlanData {
    /// The version of this form.
    pub schema: &'static str,
    /// `kernel` or `userspace`.
    pub plane: &'static str,
    /// The predicted MTUs.
    pub mtu: Mtu,
    /// The bridge and ipvlan networks, host by host.
    pub networks: Vec<PlannedNetwork>,
    /// The routes that the network outside needs.
    pub upstream_routes: Vec<UpstreamRoute>,
    /// The network namespaces, in the order in which they are made.
    pub namespaces: Vec<String>,
    /// The changes, in order.
    pub steps: Vec<StepData>,
}

/// A change as data.
#[derive(Clone, Debug, Serialize)]
pub struct StepData {
    /// Where.
    pub namespace: String,
    /// What, in words.
    pub does: String,
    /// The commands that do the same.
    pub commands: Vec<String>,
}

impl Plan {
    /// The plan as data.
    #[must_use]
    pub fn data(&self, plane: Plane) -> PlanData {
        let step = |step: &super::Step| StepData {
            namespace: step.namespace.clone(),
            does: step.description(),
            commands: step.commands(),
        };
        PlanData {
            schema: crate::SCHEMA,
            plane: plane.name(),
            mtu: self.mtu,
            networks: self.networks.clone(),
            upstream_routes: self.upstream.clone(),
            namespaces: self.namespaces.clone(),
            steps: self.steps.iter().map(step).collect(),
        }
    }

    /// What would be done, by namespace.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let Mtu {
            underlay,
            vpc,
            overlay,
        } = self.mtu;
        let _ = writeln!(
            text,
            "mtu: underlay {underlay}, vpc {vpc}, overlay {overlay}"
        );
        self.write_networks(&mut text);
        let mut current = "";
        for step in &self.steps {
            if step.namespace != current {
                current = &step.namespace;
                let _ = writeln!(text, "\n{current}");
            }
            let _ = writeln!(text, "  + {}", step.description());
        }
        let _ = writeln!(
            text,
            "\n{} changes in {} namespaces",
            self.steps.len(),
            self.namespaces.len()
        );
        text
    }

    /// The networks: what they stand on, and how outside sees them.
    fn write_networks(&self, text: &mut String) {
        for network in &self.networks {
            let PlannedNetwork {
                name,
                driver,
                host,
                link,
                mtu,
                subnets,
            } = network;
            let _ = writeln!(
                text,
                "network {name} on {host}: {driver}, {link}, mtu {mtu}"
            );
            for subnet in subnets {
                let gateway = subnet
                    .gateway
                    .map(|gateway| format!(", gateway {gateway}"))
                    .unwrap_or_default();
                let _ = writeln!(text, "  {}{gateway}, {}", subnet.subnet, subnet.egress);
            }
        }
        for route in &self.upstream {
            let _ = writeln!(text, "{route}");
        }
    }
}
