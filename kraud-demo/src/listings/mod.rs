//! What the lists print: each as rows of plain data, from which tables, templates, JSON and YAML are made.
//!
//! | list | columns | after |
//! |---|---|---|
//! | `overlay ls`, `vpc ls`, `ns ls` | those of `kra`, two blanks apart | `kra overlay ls`, `kra vpc ls`, `kra ns ls` |
//! | `network ls`, `network inspect` | those of docker | `docker network ls`, `docker network inspect` |
//! | `ipam ls` | every prefix and address with its owner | |

mod filter;
mod format;
mod ipam;
mod namespace;
mod network;
mod overlay;
mod vpc;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::Deployment;
use crate::natural;

pub use filter::Filters;
pub use format::{Format, render};
pub use ipam::{IpamRow, export_hosts, export_nft};
pub use namespace::NamespaceRow;
pub use network::{Member, NetworkInspect, NetworkRow, NetworkView, PoolConfig};
pub use overlay::OverlayRow;
pub use vpc::{OverlayRef, PublicNetwork, VpcPod, VpcRow, VpcView};

/// A deployment that is listed.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// When it was first applied; `None` if it never was.
    pub created: Option<Timestamp>,
}

impl<'a> From<&'a Deployment> for Listed<'a> {
    fn from(deployment: &'a Deployment) -> Self {
        Self {
            deployment,
            created: None,
        }
    }
}

/// A row of a list.
pub trait Row: Serialize {
    /// The header of the default table with the field below it.
    const COLUMNS: &'static [(&'static str, &'static str)];
    /// All fields, which a template may name.
    const FIELDS: &'static [&'static str];
    /// What the list can be filtered by.
    const FILTERS: &'static [&'static str];
    /// Whether the default table is in docker's shape; else it is in that of `kra`.
    const LIKE_DOCKER: bool = false;

    /// What `--quiet` prints.
    fn short_id(&self) -> &str;

    /// What the rows are sorted by.
    fn sort_key(&self) -> String;

    /// The values behind one of [`FILTERS`](Self::FILTERS).
    fn filter_values(&self, key: &str) -> Vec<String>;
}

/// The rows that pass the filters, in docker's order.
#[must_use]
pub fn select<R: Row>(mut rows: Vec<R>, filters: &Filters) -> Vec<R> {
    rows.retain(|row| filters.pass(row));
    rows.sort_by(|one, other| natural::compare(&one.sort_key(), &other.sort_key()));
    rows
}

/// The lists of what `lab` brought up.
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
        let all = Filters::default();
        let listed = [Listed::from(deployment)];
        Self {
            overlays: select(OverlayRow::of(&listed), &all),
            networks: select(NetworkRow::of(&listed), &all),
            namespaces: select(NamespaceRow::of(&listed), &all),
        }
    }

    /// The table of each list, with the command that prints it.
    #[must_use]
    pub fn tables(&self) -> [(&'static str, String); 3] {
        [
            ("overlay ls", format::table(&self.overlays)),
            ("network ls", format::table(&self.networks)),
            ("ns ls", format::table(&self.namespaces)),
        ]
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

    fn network(id: &str, name: &str) -> NetworkRow {
        let owned = str::to_owned;
        NetworkRow {
            created_at: owned("2023-09-11 12:16:30 +0000 UTC"),
            driver: owned("ipip"),
            id: owned(id),
            ipv4: owned("true"),
            ipv6: owned("true"),
            internal: owned("false"),
            labels: owned("tier=db,com.docker.compose.project=nextcloud"),
            name: owned(name),
            scope: owned("global"),
            dangling: false,
        }
    }

    /// The lines of `text` but for the second row, which the post left out of its sample.
    fn as_in_the_post(text: &str) -> String {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        [lines[0], lines[1]].concat()
    }

    #[test]
    fn a13_network_ls_prints_the_row_of_the_post() {
        // The widths of the post's columns tell that longer rows were cut from it.
        let rows = [
            network("v1223123123", "nextcloud/default"),
            network("v12231231234", "-longer-project/default"),
        ];
        assert_eq!(
            as_in_the_post(&format::table(&rows)),
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
        let rows = [
            row("nextcloud", "2023-09-11 12:16:30"),
            row("fifteen-letters", "2023-09-11 12:16:31"),
        ];
        assert_eq!(
            as_in_the_post(&format::table(&rows)),
            "NAME             CREATED              \n\
             nextcloud        2023-09-11 12:16:30\n"
        );
    }

    #[test]
    fn a15_overlay_ls_prints_the_row_of_the_post() {
        let net6 = "fd42:1a8:0:2a09::/64";
        let rows = [
            overlay(
                "v1223123123",
                "nextcloud",
                "default",
                "10.198.62.0/23",
                net6,
            ),
            overlay(
                "v12231231234",
                "fifteen-letters",
                "v",
                "10.198.162.0/23",
                "fd42:1a8:10:2a09::/64",
            ),
        ];
        assert_eq!(
            as_in_the_post(&format::table(&rows)),
            "aid           namespace        name     driver  net4             net6                   \n\
             v1223123123   nextcloud        default  ipip    10.198.62.0/23   fd42:1a8:0:2a09::/64\n"
        );
    }

    #[test]
    fn a20_an_absent_family_is_a_dash_and_shifts_nothing() {
        let lines = |net4: &str, net6: &str| {
            let text = format::table(&[overlay("v1", "shop", "v", net4, net6)]);
            let row = text.lines().nth(1).unwrap().to_owned();
            // Read back: as many cells as the header has, the absent one where it belongs.
            let cells: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
            (row, cells)
        };
        let (row, cells) = lines("", "fd42:1a8:0:2a09::/64");
        assert_eq!(
            row,
            "v1   shop       v     ipip    -     fd42:1a8:0:2a09::/64"
        );
        assert_eq!(
            cells,
            ["v1", "shop", "v", "ipip", "-", "fd42:1a8:0:2a09::/64"]
        );
        let (row, cells) = lines("10.198.62.0/23", "");
        assert_eq!(row, "v1   shop       v     ipip    10.198.62.0/23  -");
        assert_eq!(cells, ["v1", "shop", "v", "ipip", "10.198.62.0/23", "-"]);
    }

    #[test]
    fn with_nothing_to_list_the_headers_stay() {
        assert_eq!(
            format::table::<NetworkRow>(&[]),
            "NETWORK ID   NAME      DRIVER    SCOPE\n"
        );
        assert_eq!(format::table::<NamespaceRow>(&[]), "NAME  CREATED  \n");
        let format: Format = "table {{.ID}}\\t{{.CreatedAt}}\\t{{.IPv6}}\\t{{.Label \"tier\"}}"
            .parse()
            .unwrap();
        assert_eq!(
            render::<NetworkRow>(&[], &format, false).unwrap(),
            "NETWORK ID   CREATED AT   IPV6      tier\n"
        );
    }

    /// What docker 28.2.2 printed for the same network.
    #[test]
    fn a13_the_formats_are_those_of_docker() {
        let rows = [network("v1223123123", "a/b")];
        let text = |format: &str, quiet: bool| {
            let format: Format = format.parse().unwrap();
            render(&rows, &format, quiet).unwrap()
        };
        assert_eq!(text("table", true), "v1223123123\n");
        assert_eq!(
            text("json", false),
            "{\"CreatedAt\":\"2023-09-11 12:16:30 +0000 UTC\",\"Driver\":\"ipip\",\"ID\":\"v1223123123\",\
             \"IPv4\":\"true\",\"IPv6\":\"true\",\"Internal\":\"false\",\
             \"Labels\":\"tier=db,com.docker.compose.project=nextcloud\",\"Name\":\"a/b\",\"Scope\":\"global\"}\n"
        );
        assert_eq!(text("{{json .}}", false), text("json", false));
        assert_eq!(
            text("{{.Label \"tier\"}} {{.CreatedAt}} {{upper .Name}}", false),
            "db 2023-09-11 12:16:30 +0000 UTC A/B\n"
        );
        assert_eq!(
            text(
                "table {{.CreatedAt}}\\t{{.Label \"tier\"}}\\t{{.Internal}}\\t{{.IPv6}}",
                false
            ),
            "CREATED AT                      tier      INTERNAL   IPV6\n\
             2023-09-11 12:16:30 +0000 UTC   db        false      true\n"
        );
        assert_eq!(
            text("table {{.ID}}\t{{.Name}}", true),
            "NETWORK ID    NAME\nv1223123123   a/b\n"
        );
        let wrong: Format = "{{.Foo}}".parse().unwrap();
        assert!(
            render(&rows, &wrong, false)
                .unwrap_err()
                .to_string()
                .contains("Foo")
        );
    }

    #[test]
    fn a13_the_filters_are_those_of_docker() {
        let rows = || {
            vec![
                network("v10", "shop/web-10"),
                network("v9", "shop/web-9"),
                network("v1", "wiki/default"),
            ]
        };
        let names = |filters: &[&str]| -> Vec<String> {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            let filters = Filters::parse::<NetworkRow>(&filters).unwrap();
            let selected = select(rows(), &filters);
            selected.into_iter().map(|row| row.name).collect()
        };
        let all = ["shop/web-9", "shop/web-10", "wiki/default"];
        assert_eq!(names(&[]), all, "digits count as numbers");
        assert_eq!(names(&["name=web"]), all[..2], "a part of the name");
        assert_eq!(names(&["name=^wiki"]), all[2..], "a regular expression");
        assert_eq!(
            names(&["name=web-9", "name=wiki"]),
            ["shop/web-9", "wiki/default"]
        );
        assert_eq!(names(&["name=web", "id=v10"]), ["shop/web-10"], "both keys");
        assert_eq!(names(&["driver=ipip", "driver=bridge"]), all);
        assert_eq!(names(&["driver=ipi"]).len(), 0, "a driver is a whole word");
        assert_eq!(names(&["label=tier"]), all);
        assert_eq!(
            names(&[
                "label=tier=db",
                "label=com.docker.compose.project=nextcloud"
            ]),
            all
        );
        assert_eq!(
            names(&["label=tier", "label=other"]).len(),
            0,
            "every label"
        );
        assert_eq!(names(&["type=builtin"]).len(), 0);
        assert_eq!(
            names(&["scope=global", "type=custom", "dangling=false"]),
            all
        );
        assert_eq!(
            names(&["name=("]).len(),
            0,
            "not an expression: taken as it is"
        );
        for wrong in ["colour=red", "name"] {
            assert!(
                Filters::parse::<NetworkRow>(&[wrong.to_owned()]).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn every_field_of_a_row_has_a_header() {
        fn fields<R: Row>(row: &R) {
            let data = serde_json::to_value(row).unwrap();
            let mut fields: Vec<&str> = R::FIELDS.to_vec();
            fields.sort_unstable();
            let named: Vec<&String> = data.as_object().unwrap().keys().collect();
            assert_eq!(named, fields);
            assert!(
                R::COLUMNS
                    .iter()
                    .all(|(_, field)| R::FIELDS.contains(field))
            );
        }
        fields(&network("v1", "a/b"));
        // The field names of kraud's API (row A15).
        fields(&overlay("v1", "a", "b", "", ""));
    }
}
