//! `Met`: what local search has met, as the past tasks see it.

use std::collections::HashMap;

use heirloom_kb::Architecture;
use heirloom_predictor::{Encoder, Views};

use crate::SearchError;

/// More are not kept: joining views copies them, and hundreds of picks without a trial told would hold hundreds of megabytes.
const MOST: usize = 20_000;

/// Architectures that local search has met since the last trial was told, and how the past tasks see them. Asking every past task's model takes
/// nearly all of a search's time, and the searches for picks that are chosen one after another meet mostly the same.
#[derive(Default)]
pub(super) struct Met {
    /// By canonical key, the row in `views`.
    at: HashMap<Vec<u64>, usize>,
    views: Option<Views>,
}

impl Met {
    /// How many architectures were met.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// Views of architectures, in order; `look` is asked for those that were not met before.
    pub(super) fn views(
        &mut self,
        architectures: &[Architecture],
        encoder: &Encoder,
        look: impl FnOnce(&[Architecture]) -> Result<Views, SearchError>,
    ) -> Result<Views, SearchError> {
        if self.at.len() > MOST {
            *self = Met::default();
        }
        let keys: Vec<Vec<u64>> = architectures.iter().map(|one| encoder.key(one)).collect();
        let mut new = Vec::new();
        for (key, architecture) in keys.iter().zip(architectures) {
            let next = self.at.len();
            if *self.at.entry(key.clone()).or_insert(next) == next {
                new.push(architecture.clone());
            }
        }
        if self.views.is_none() || !new.is_empty() {
            let seen = look(&new)?;
            self.views = Some(match self.views.take() {
                Some(views) => views.joined(&seen),
                None => seen,
            });
        }
        let rows: Vec<usize> = keys.iter().map(|key| self.at[key]).collect();
        Ok(self.views.as_ref().expect("they were just looked at").select(&rows))
    }
}
