//! `vpc ls` and `vpc show`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Listed, Row};
use crate::identity::{Scope, aid};
use crate::table::Table;

/// A row of `vpc ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VpcRow {
    /// The UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The short id.
    #[serde(rename = "AID")]
    pub aid: String,
    /// Its name, unique within the tenant.
    #[serde(rename = "Name")]
    pub name: String,
    /// The owner.
    #[serde(rename = "Tenant")]
    pub tenant: String,
    /// The unique local /48 that all of its addresses are in.
    #[serde(rename = "Net6")]
    pub net6: String,
}

/// What `vpc show` prints, with the field names of kraud's public API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VpcView {
    /// The row of `vpc ls`.
    #[serde(flatten)]
    pub vpc: VpcRow,
    /// The hosts that it spans, each with its pods' prefix.
    #[serde(rename = "PublicNetworks")]
    pub public_networks: Vec<PublicNetwork>,
    /// Everything that has an address in it.
    #[serde(rename = "Pods")]
    pub pods: Vec<VpcPod>,
    /// Services with an address of their own: kraud gives addresses to pods alone, so there is none.
    #[serde(rename = "Services")]
    pub services: Vec<VpcPod>,
}

/// A prefix of the VPC that is reached through one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicNetwork {
    /// The host.
    #[serde(rename = "ID")]
    pub id: String,
    /// The addresses of the host on the underlay.
    pub segment: String,
    /// The prefix.
    pub net: String,
}

/// A pod of a VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VpcPod {
    /// The UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Its namespace.
    #[serde(rename = "Namespace")]
    pub namespace: String,
    /// Its address.
    #[serde(rename = "VpcIP")]
    pub vpc_ip: String,
    /// The overlays that it joins.
    #[serde(rename = "Overlays")]
    pub overlays: Vec<OverlayRef>,
}

/// An overlay, by its short id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OverlayRef {
    /// The short id.
    #[serde(rename = "AID")]
    pub aid: String,
}

impl VpcRow {
    /// The VPCs of all deployments, each once.
    #[must_use]
    pub fn of(listed: &[Listed<'_>]) -> Vec<Self> {
        let mut vpcs = BTreeMap::new();
        for Listed { deployment, .. } in listed {
            let Scope { tenant, vpc } = &deployment.scope;
            vpcs.entry((tenant, vpc)).or_insert_with(|| {
                let id = deployment.scope.id(&[]);
                Self {
                    id: id.to_string(),
                    aid: aid(id),
                    name: vpc.clone(),
                    tenant: tenant.clone(),
                    net6: deployment.vpc.to_string(),
                }
            });
        }
        vpcs.into_values().collect()
    }

    /// Whether a user means this one: by short id, UUID or name.
    #[must_use]
    pub fn is_meant_by(&self, query: &str) -> bool {
        [&self.aid, &self.id, &self.name].contains(&&query.to_owned())
    }
}

impl Row for VpcRow {
    const COLUMNS: &'static [(&'static str, &'static str)] = &[("aid", "AID"), ("name", "Name")];
    const FIELDS: &'static [&'static str] = &["ID", "AID", "Name", "Tenant", "Net6"];
    const FILTERS: &'static [&'static str] = &["id", "name", "tenant"];

    fn short_id(&self) -> &str {
        &self.aid
    }

    fn sort_key(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }

    fn filter_values(&self, key: &str) -> Vec<String> {
        match key {
            "id" => vec![self.aid.clone(), self.id.clone()],
            "name" => vec![self.name.clone()],
            "tenant" => vec![self.tenant.clone()],
            _ => Vec::new(),
        }
    }
}

impl VpcView {
    /// Everything in the VPC that a row of `vpc ls` names.
    #[must_use]
    pub fn of(vpc: VpcRow, listed: &[Listed<'_>]) -> Self {
        let inside = listed
            .iter()
            .map(|listed| listed.deployment)
            .filter(|deployment| deployment.scope.id(&[]).to_string() == vpc.id);
        let mut networks = BTreeMap::new();
        let mut pods = Vec::new();
        for deployment in inside {
            for host in &deployment.hosts {
                let underlay: Vec<String> = host.underlay.iter().map(ToString::to_string).collect();
                let network = PublicNetwork {
                    id: host.name.clone(),
                    segment: underlay.join(","),
                    net: host.prefix.to_string(),
                };
                networks.insert(host.name.clone(), network);
            }
            for pod in &deployment.pods {
                let Some(address) = pod.address else { continue };
                let overlays = pod.memberships.iter().map(|membership| OverlayRef {
                    aid: deployment.overlays[membership.overlay].aid(),
                });
                let id = deployment.scope.pod_id(&deployment.namespace, &pod.name);
                pods.push(VpcPod {
                    id: id.to_string(),
                    name: pod.name.clone(),
                    namespace: deployment.namespace.clone(),
                    vpc_ip: address.to_string(),
                    overlays: overlays.collect(),
                });
            }
        }
        Self {
            vpc,
            public_networks: networks.into_values().collect(),
            pods,
            services: Vec::new(),
        }
    }

    /// The three tables of `kra vpc show`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut networks = Table::new(["id", "segment", "net"]);
        for network in self.public_networks.iter().cloned() {
            networks.row([network.id, network.segment, network.net]);
        }
        let members = |pods: &[VpcPod]| {
            let mut table = Table::new(["id", "vpc", "overlay", "name"]);
            for pod in pods {
                let overlays: Vec<&str> =
                    pod.overlays.iter().map(|overlay| &*overlay.aid).collect();
                let name = format!("{}.{}", pod.name, pod.namespace);
                table.row([pod.id.clone(), pod.vpc_ip.clone(), overlays.join(","), name]);
            }
            table.kra()
        };
        format!(
            "public networks:\n{}\npods:\n{}\nservices:\n{}",
            networks.kra(),
            members(&self.pods),
            members(&self.services)
        )
    }
}
