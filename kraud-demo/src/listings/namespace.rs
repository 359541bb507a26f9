//! `ns ls`.

use serde::Serialize;

use super::{Listed, Row};

/// A row of `ns ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamespaceRow {
    /// The compose project.
    pub name: String,
    /// When it was first applied, in UTC, `-` if it never was.
    pub created: String,
}

impl NamespaceRow {
    /// The namespaces of all deployments.
    #[must_use]
    pub fn of(listed: &[Listed<'_>]) -> Vec<Self> {
        let row = |listed: &Listed<'_>| Self {
            name: listed.deployment.namespace.clone(),
            created: listed.created.map_or_else(
                || "-".to_owned(),
                |created| created.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            ),
        };
        listed.iter().map(row).collect()
    }
}

impl Row for NamespaceRow {
    const COLUMNS: &'static [(&'static str, &'static str)] =
        &[("NAME", "Name"), ("CREATED", "Created")];
    const FIELDS: &'static [&'static str] = &["Name", "Created"];
    const FILTERS: &'static [&'static str] = &["name"];

    fn short_id(&self) -> &str {
        &self.name
    }

    fn sort_key(&self) -> String {
        self.name.clone()
    }

    fn filter_values(&self, _key: &str) -> Vec<String> {
        vec![self.name.clone()]
    }
}
