//! `overlay ls` and `overlay show`.

use serde::Serialize;

use super::{Listed, Row};
use crate::model::Overlay;

/// A row of `overlay ls`, with the field names of kraud's public API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OverlayRow {
    /// The UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The short id.
    #[serde(rename = "AID")]
    pub aid: String,
    /// The network's key in the compose file.
    pub name: String,
    /// The compose project.
    pub namespace: String,
    /// The driver.
    pub driver: String,
    /// The IPv4 subnet, empty if there is none.
    pub net4: String,
    /// The IPv6 subnet, empty if there is none.
    pub net6: String,
}

impl OverlayRow {
    /// The overlays of all deployments.
    #[must_use]
    pub fn of(listed: &[Listed<'_>]) -> Vec<Self> {
        let overlays = listed.iter().flat_map(|listed| &listed.deployment.overlays);
        overlays.map(Self::from).collect()
    }

    /// Whether a user means this one: by short id, UUID, `<namespace>/<name>` or name alone.
    #[must_use]
    pub fn is_meant_by(&self, query: &str) -> bool {
        let full_name = format!("{}/{}", self.namespace, self.name);
        [&self.aid, &self.id, &self.name, &full_name].contains(&&query.to_owned())
    }
}

impl From<&Overlay> for OverlayRow {
    fn from(overlay: &Overlay) -> Self {
        Self {
            id: overlay.id.to_string(),
            aid: overlay.aid(),
            name: overlay.name.clone(),
            namespace: overlay.namespace.clone(),
            driver: overlay.driver.clone(),
            net4: overlay.net4.map(|net| net.to_string()).unwrap_or_default(),
            net6: overlay.net6.map(|net| net.to_string()).unwrap_or_default(),
        }
    }
}

impl Row for OverlayRow {
    const COLUMNS: &'static [(&'static str, &'static str)] = &[
        ("aid", "AID"),
        ("namespace", "Namespace"),
        ("name", "Name"),
        ("driver", "Driver"),
        ("net4", "Net4"),
        ("net6", "Net6"),
    ];
    const FIELDS: &'static [&'static str] =
        &["ID", "AID", "Name", "Namespace", "Driver", "Net4", "Net6"];
    const FILTERS: &'static [&'static str] = &["id", "name", "namespace", "driver"];

    fn short_id(&self) -> &str {
        &self.aid
    }

    fn sort_key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn filter_values(&self, key: &str) -> Vec<String> {
        match key {
            "id" => vec![self.aid.clone(), self.id.clone()],
            "name" => vec![self.name.clone(), self.sort_key()],
            "namespace" => vec![self.namespace.clone()],
            "driver" => vec![self.driver.clone()],
            _ => Vec::new(),
        }
    }
}
