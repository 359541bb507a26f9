//! The project: what a load gives.

use std::sync::Arc;

use super::network::Network;
use super::service::Service;
use crate::options::Dialect;
use crate::span::{SourceMap, Span, Spanned};
use crate::yaml::Tree;

/// The networks of a compose project and who is in them.
///
/// Made by [`Project::load`]. With the feature `serde` it serialises to the JSON that `docker
/// compose config --format json` prints, as far as the attributes are about networks: texts as they
/// are written, port ranges expanded, names and links filled in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Project {
    /// The project name: the namespace of kraud.
    pub name: String,
    /// Where the file names the project, when it does.
    pub name_span: Option<Span>,
    /// `version`, which no tool uses any more.
    pub version: Option<Spanned<String>>,
    /// The dialect that the project was read in.
    pub dialect: Dialect,
    /// The networks in file order; an implicit `default` comes last.
    pub networks: Vec<Network>,
    /// The services in file order, those of inactive profiles included.
    pub services: Vec<Service>,
    pub(crate) sources: Arc<SourceMap>,
    pub(crate) tree: Tree,
    #[expect(dead_code, reason = "the way to what the model does not own")]
    pub(crate) root: Option<crate::yaml::NodeId>,
    pub(crate) anchors: Vec<Anchored>,
    pub(crate) variables: Vec<crate::diagnostic::Replaced>,
}

/// An anchor's name and the extent of what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchored {
    pub(crate) name: Span,
    pub(crate) extent: Span,
}

/// How a value came to be where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// The variables that were replaced in it.
    pub variables: Vec<String>,
    /// The `&name` of the innermost anchor that it is part of; aliases may put it elsewhere too.
    pub anchor: Option<Span>,
    /// The `include` or `extends` entries that led to its file, innermost first.
    pub included_at: Vec<Span>,
}

impl Project {
    /// The files that the spans refer to.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// The network with this key. O(networks).
    #[must_use]
    pub fn network(&self, key: &str) -> Option<&Network> {
        self.networks.iter().find(|n| n.key.value == key)
    }

    /// The service with this key. O(services).
    #[must_use]
    pub fn service(&self, key: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.key.value == key)
    }

    /// The members of a network, in file order. O(endpoints of the project).
    pub fn members(
        &self,
        network_index: usize,
    ) -> impl Iterator<Item = (&Service, &super::service::Endpoint)> + '_ {
        self.services.iter().flat_map(move |service| {
            let inside = service.endpoints.iter();
            inside
                .filter(move |e| e.network_index == network_index)
                .map(move |e| (service, e))
        })
    }

    /// Which variables, anchor and includes a value came through. O(log variables + anchors).
    #[must_use]
    pub fn provenance(&self, span: Span) -> Provenance {
        let variables = self.variables.binary_search_by_key(&span, |(s, _)| *s);
        let mut included_at = Vec::new();
        let mut file = self.sources.file(span.file);
        while let Some(at) = file.and_then(crate::span::SourceFile::included_at) {
            included_at.push(at);
            file = self.sources.file(at.file);
        }
        Provenance {
            variables: variables
                .ok()
                .and_then(|i| self.variables.get(i))
                .map_or_else(Vec::new, |(_, list)| {
                    list.iter().map(|(name, _)| name.clone()).collect()
                }),
            anchor: self
                .anchors
                .iter()
                .filter(|a| a.extent.contains(span))
                .min_by_key(|a| a.extent.end - a.extent.start)
                .map(|a| a.name),
            included_at,
        }
    }
}
