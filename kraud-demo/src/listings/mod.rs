//! What `overlay ls`, `network ls` and `ns ls` print.

use serde::Serialize;

use crate::model::{Deployment, Overlay};
use crate::table::Table;

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

/// A row of `network ls`, with the field names of `docker network ls --format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkRow {
    /// The short id.
    #[serde(rename = "ID")]
    pub id: String,
    /// `<namespace>/<overlay>`.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// `global` for what spans hosts, else `local`.
    pub scope: String,
}

/// A row of `ns ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamespaceRow {
    /// The compose project.
    pub name: String,
    /// When it was first applied, `-` if it never was.
    pub created: String,
}

/// The three lists of one deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listings {
    /// `overlay ls`.
    pub overlays: Vec<OverlayRow>,
    /// `network ls`.
    pub networks: Vec<NetworkRow>,
    /// `ns ls`.
    pub namespaces: Vec<NamespaceRow>,
}

impl Listings {
    /// What the deployment adds to each list.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let mut overlays: Vec<&Overlay> = deployment.overlays.iter().collect();
        overlays.sort_by_key(|overlay| overlay.full_name());
        Self {
            overlays: overlays
                .iter()
                .map(|overlay| overlay_row(overlay))
                .collect(),
            networks: overlays
                .iter()
                .map(|overlay| network_row(overlay))
                .collect(),
            namespaces: vec![NamespaceRow {
                name: deployment.namespace.clone(),
                created: "-".to_owned(),
            }],
        }
    }

    /// The table of `overlay ls`.
    #[must_use]
    pub fn overlay_table(&self) -> String {
        let mut table = Table::new(["aid", "namespace", "name", "driver", "net4", "net6"]);
        for row in self.overlays.iter().cloned() {
            table.row([
                row.aid,
                row.namespace,
                row.name,
                row.driver,
                row.net4,
                row.net6,
            ]);
        }
        table.kra()
    }

    /// The table of `network ls`.
    #[must_use]
    pub fn network_table(&self) -> String {
        let mut table = Table::new(["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
        for row in self.networks.iter().cloned() {
            table.row([row.id, row.name, row.driver, row.scope]);
        }
        table.docker()
    }

    /// The table of `ns ls`.
    #[must_use]
    pub fn namespace_table(&self) -> String {
        let mut table = Table::new(["NAME", "CREATED"]);
        for row in self.namespaces.iter().cloned() {
            table.row([row.name, row.created]);
        }
        table.kra()
    }
}

fn overlay_row(overlay: &Overlay) -> OverlayRow {
    OverlayRow {
        id: overlay.id.to_string(),
        aid: overlay.aid(),
        name: overlay.name.clone(),
        namespace: overlay.namespace.clone(),
        driver: overlay.driver.clone(),
        net4: overlay.net4.map(|net| net.to_string()).unwrap_or_default(),
        net6: overlay.net6.map(|net| net.to_string()).unwrap_or_default(),
    }
}

fn network_row(overlay: &Overlay) -> NetworkRow {
    let scope = if overlay.driver == "ipip" {
        "global"
    } else {
        "local"
    };
    NetworkRow {
        id: overlay.aid(),
        name: overlay.full_name(),
        driver: overlay.driver.clone(),
        scope: scope.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(aid: &str, namespace: &str, name: &str, net4: &str, net6: &str) -> OverlayRow {
        let owned = str::to_owned;
        OverlayRow {
            id: String::new(),
            aid: owned(aid),
            name: owned(name),
            namespace: owned(namespace),
            driver: owned("ipip"),
            net4: owned(net4),
            net6: owned(net6),
        }
    }

    /// The lines of `text` but for the second row, which the post left out of its sample.
    fn as_in_the_post(text: &str) -> String {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        [lines[0], lines[1]].concat()
    }

    #[test]
    fn a13_network_ls_prints_the_row_of_the_post() {
        let row = |id: &str, name: &str| NetworkRow {
            id: id.into(),
            name: name.into(),
            driver: "ipip".into(),
            scope: "global".into(),
        };
        // The widths of the post's columns tell that longer rows were cut from it.
        let networks = vec![
            row("v1223123123", "nextcloud/default"),
            row("v12231231234", "a-longer-project/default"[1..].into()),
        ];
        let listings = Listings {
            networks,
            ..Listings::default()
        };
        assert_eq!(
            as_in_the_post(&listings.network_table()),
            "NETWORK ID     NAME                      DRIVER    SCOPE\n\
             v1223123123    nextcloud/default         ipip      global\n"
        );
    }

    #[test]
    fn a14_ns_ls_prints_the_row_of_the_post() {
        let row = |name: &str, created: &str| NamespaceRow {
            name: name.into(),
            created: created.into(),
        };
        let namespaces = vec![
            row("nextcloud", "2023-09-11 12:16:30"),
            row("fifteen-letters", "2023-09-11 12:16:31"),
        ];
        let listings = Listings {
            namespaces,
            ..Listings::default()
        };
        assert_eq!(
            as_in_the_post(&listings.namespace_table()),
            "NAME             CREATED              \n\
             nextcloud        2023-09-11 12:16:30\n"
        );
    }

    #[test]
    fn a15_overlay_ls_prints_the_row_of_the_post() {
        let overlays = vec![
            overlay(
                "v1223123123",
                "nextcloud",
                "default",
                "10.198.62.0/23",
                "fd42:1a8:0:2a09::/64",
            ),
            overlay(
                "v12231231234",
                "fifteen-letters",
                "v",
                "10.198.162.0/23",
                "fd42:1a8:10:2a09::/64",
            ),
        ];
        let listings = Listings {
            overlays,
            ..Listings::default()
        };
        assert_eq!(
            as_in_the_post(&listings.overlay_table()),
            "aid           namespace        name     driver  net4             net6                   \n\
             v1223123123   nextcloud        default  ipip    10.198.62.0/23   fd42:1a8:0:2a09::/64\n"
        );
    }

    #[test]
    fn a15_the_json_has_the_field_names_of_the_api() {
        let row = overlay(
            "v1223123123",
            "nextcloud",
            "default",
            "10.198.62.0/23",
            "fd42:1a8:0:2a09::/64",
        );
        let json = serde_json::to_value(row).unwrap();
        let fields: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        for field in ["ID", "AID", "Name", "Namespace", "Driver", "Net4", "Net6"] {
            assert!(
                fields.contains(&field),
                "{field} is missing from {fields:?}"
            );
        }
        assert_eq!(fields.len(), 7);
    }

    #[test]
    fn a20_an_absent_family_is_a_dash_and_shifts_nothing() {
        let overlays = vec![overlay(
            "v1223123123",
            "nextcloud",
            "default",
            "",
            "fd42:1a8:0:2a09::/64",
        )];
        let listings = Listings {
            overlays,
            ..Listings::default()
        };
        let table = listings.overlay_table();
        assert_eq!(
            table.lines().nth(1),
            Some("v1223123123  nextcloud  default  ipip    -     fd42:1a8:0:2a09::/64")
        );
        assert_eq!(table.lines().nth(1).unwrap().split_whitespace().count(), 6);
    }

    #[test]
    fn with_nothing_to_list_the_headers_stay() {
        let listings = Listings::default();
        assert_eq!(
            listings.network_table(),
            "NETWORK ID   NAME      DRIVER    SCOPE\n"
        );
        assert_eq!(listings.namespace_table(), "NAME  CREATED  \n");
    }
}
