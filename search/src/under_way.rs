//! `UnderWay`: what a study has proposed and not been told of.

use std::sync::Arc;

use heirloom_kb::{Architecture, Document, DocumentKind, KnowledgeStore};

use crate::SearchError;

/// The architectures that a study has had taken on for training and that have no trial yet, in the order of asking. The base
/// holds the list beside the study's set-up, so that a study that was killed goes on with them, and so with their checkpoints,
/// and a server that is started again knows what its clients are training.
pub(crate) struct UnderWay {
    store: Arc<dyn KnowledgeStore>,
    name: String,
    architectures: Vec<Architecture>,
}

impl UnderWay {
    /// What the base has of a study.
    ///
    /// # Errors
    /// Of the store, and [`SearchError::DamagedStudy`] for a list that cannot be read.
    pub(crate) fn of(store: &Arc<dyn KnowledgeStore>, study: &str) -> Result<Self, SearchError> {
        let name = format!("{study} under way");
        let architectures = match store.document(DocumentKind::Study, &name)? {
            Some(document) => serde_json::from_slice(&document.bytes)
                .map_err(|source| SearchError::DamagedStudy { study: study.into(), source })?,
            None => Vec::new(),
        };
        Ok(UnderWay { store: Arc::clone(store), name, architectures })
    }

    /// The architectures.
    pub(crate) fn architectures(&self) -> &[Architecture] {
        &self.architectures
    }

    /// Notes more of them, but those that are under way already.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) fn begin<'a>(
        &mut self,
        begun: impl IntoIterator<Item = &'a Architecture>,
    ) -> Result<(), SearchError> {
        let before = self.architectures.len();
        for architecture in begun {
            if !self.architectures.contains(architecture) {
                self.architectures.push(architecture.clone());
            }
        }
        if self.architectures.len() == before { Ok(()) } else { self.write() }
    }

    /// Notes that those have their trials which `ended` says it of.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) fn end(&mut self, ended: impl Fn(&Architecture) -> bool) -> Result<(), SearchError> {
        let before = self.architectures.len();
        self.architectures.retain(|other| !ended(other));
        if self.architectures.len() == before { Ok(()) } else { self.write() }
    }

    fn write(&self) -> Result<(), SearchError> {
        let bytes =
            serde_json::to_vec(&self.architectures).expect("architectures hold only strings and numbers");
        let (kind, name) = (DocumentKind::Study, self.name.clone());
        Ok(self.store.put_document(&Document { kind, name, bytes })?)
    }
}
