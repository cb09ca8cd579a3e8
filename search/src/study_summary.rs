//! `StudySummary`: a study in a list.

use heirloom_kb::{KnowledgeStore, Name};
use serde::Serialize;

use crate::SearchError;
use crate::study_setup::StudySetup;

/// A study in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StudySummary {
    /// The study's id.
    pub id: String,
    /// What it searches for.
    pub task: Name,
    /// Where it searches.
    pub space: Name,
    /// Trials that it was told.
    pub trials: usize,
}

impl StudySummary {
    /// The studies of a base, by their numbers.
    ///
    /// # Errors
    /// [`SearchError::DamagedStudy`], and of the store.
    pub fn all(store: &dyn KnowledgeStore) -> Result<Vec<Self>, SearchError> {
        let summary = |id: String| {
            let setup = StudySetup::kept(store, &id)?;
            let trials = setup.trials(store, &id)?.len();
            Ok(StudySummary { id, task: setup.task, space: setup.space, trials })
        };
        let all: Result<Vec<Self>, SearchError> = StudySetup::ids(store)?.into_iter().map(summary).collect();
        let mut all = all?;
        all.sort_by_key(|study| (study.id.len(), study.id.clone()));
        Ok(all)
    }
}
