//! The read-only part of docker's API that `docker network ls` and `docker network inspect` ask for.
//!
//! ```text
//! bytes ─▶ http::parse ─▶ Request ─▶ answer (pure) ─▶ Response ─▶ bytes
//!            bounded      method,    the networks     status,
//!                         path       as data          JSON
//! ```
//!
//! Whoever connects may send anything: a head has at most [`http::MAX_HEAD`] bytes and has to arrive within
//! [`session::PATIENCE`], a body is read and ignored up to [`http::MAX_BODY`], and [`server::MAX_CONNECTIONS`] are
//! served at a time.

pub mod http;
pub mod server;
pub mod session;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::listings::{Filters, NetworkRow, NetworkView};
use http::{Request, Response};

/// The version of the API that we speak: what dockerd 24 speaks, which every client since 2017 understands.
pub const API_VERSION: &str = "1.43";

/// Answers one request. `networks` is asked for only where the request is about networks.
pub fn answer(
    request: &Request,
    networks: impl FnOnce() -> Result<Vec<NetworkView>, String>,
) -> Response {
    let path = unversioned(&request.path);
    let resource = path
        .strip_prefix("/networks")
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let known = resource.is_some() || matches!(path, "/_ping" | "/version");
    if known && !matches!(request.method.as_str(), "GET" | "HEAD") {
        let refused = "this API is read-only: networks come from compose files, by `apply`";
        return Response::error(405, refused).with_header("Allow", "GET, HEAD");
    }
    match (path, resource) {
        ("/_ping", _) => Response::text(200, "OK"),
        ("/version", _) => Response::json(200, &version()),
        (_, Some(rest)) => match networks() {
            Err(message) => Response::error(500, &message),
            Ok(networks) => match rest.trim_matches('/') {
                "" => list(&networks, &request.query),
                id => inspect(&networks, &decoded(id)),
            },
        },
        _ => Response::error(404, "page not found"),
    }
}

/// The path without the version that clients put in front: `/v1.43/networks`.
fn unversioned(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v") else {
        return path;
    };
    match rest.split_once('/') {
        Some((version, _)) if is_version(version) => &rest[version.len()..],
        _ => path,
    }
}

fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn version() -> Value {
    json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": API_VERSION,
        "MinAPIVersion": "1.24",
        "Os": "linux",
        "Arch": std::env::consts::ARCH,
        "Components": [{"Name": env!("CARGO_PKG_NAME"), "Version": env!("CARGO_PKG_VERSION")}],
    })
}

/// `GET /networks`: every network that the filters let through; like dockerd without its members.
fn list(networks: &[NetworkView], query: &str) -> Response {
    match filters(query) {
        Err(message) => Response::error(400, &message),
        Ok(filters) => {
            let wanted = networks
                .iter()
                .filter(|network| filters.pass(&network.row()));
            let listed: Vec<_> = wanted.map(NetworkView::summary).collect();
            Response::json(200, &json!(listed))
        }
    }
}

/// `GET /networks/{id}`.
fn inspect(networks: &[NetworkView], query: &str) -> Response {
    match NetworkView::find(networks, query) {
        Ok(network) => Response::json(200, &json!(network.inspect())),
        Err(0) => Response::error(404, &format!("network {query} not found")),
        Err(matches) => Response::error(
            400,
            &format!("network {query} is ambiguous ({matches} matches found on ID prefix)"),
        ),
    }
}

/// Both notations of docker's `filters`: `{"name": {"x": true}}`, and the older `{"name": ["x"]}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum FilterValues {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
}

fn filters(query: &str) -> Result<Filters, String> {
    let mut filters = Filters::default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let Some((_, text)) = parameters.find(|(name, _)| name == "filters") else {
        return Ok(filters);
    };
    if text.is_empty() {
        return Ok(filters);
    }
    let wanted: BTreeMap<String, FilterValues> =
        serde_json::from_str(&text).map_err(|error| format!("invalid filters: {error}"))?;
    for (key, values) in wanted {
        let values: Vec<String> = match values {
            FilterValues::Set(set) => set.into_keys().collect(),
            FilterValues::List(list) => list,
        };
        for value in values {
            let added = filters.add::<NetworkRow>(&key, &value);
            added.map_err(|error| error.to_string())?;
        }
    }
    Ok(filters)
}

/// A path segment as it is meant; docker's client escapes some characters of a name, but not the slash.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
