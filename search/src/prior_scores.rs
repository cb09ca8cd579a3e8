//! `PriorScores`: what is known of a study's candidates before any is trained.

use std::collections::{BTreeMap, HashMap};

use heirloom_kb::{Architecture, Json, KnowledgeStore, Name, Split, Status, StoreError, Trial, TrialQuery};
use heirloom_predictor::{Encoder, gaussian_ranks};
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::rank_correlation::correlation;
use crate::{SearchError, spaces};

/// The field of a trial that says what was known of its architecture before it was trained: numbers by name, such as
/// zero-cost proxies and what a supernet's shared weights scored.
pub const PROXIES_FIELD: &str = "proxies";

/// What is taken as usual of prior scores before past tasks have shown theirs, with the weight of so many tasks.
const USUAL_CORRELATION: f64 = 0.3;
const USUAL_WEIGHT: f64 = 1.5;
/// Trials of a past task that say how far prior scores foretell.
const ENOUGH: usize = 10;

/// A number for each candidate of a study that says something of its score, more is better: a supernet's ranking, a
/// zero-cost proxy, or whatever the user has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct PriorScores {
    /// Where they come from, such as `darts` or `naswot`. Past tasks whose trials have proxies of this name say how far they
    /// are to be trusted.
    pub by: Name,
    /// One for each of the study's candidates, in order; absent where there is none.
    pub scores: Vec<Option<f64>>,
}

impl PriorScores {
    /// As strategies see them. `candidates` are the study's, in canonical form.
    ///
    /// # Errors
    /// [`SearchError::BadPrior`] unless there is one a candidate, all finite, and not all are alike.
    pub(crate) fn of_candidates(
        &self,
        candidates: &[Architecture],
        encoder: &Encoder,
    ) -> Result<Opinion, SearchError> {
        let bad = |reason: String| SearchError::BadPrior { by: self.by.clone(), reason };
        let (left, right) = (self.scores.len(), candidates.len());
        if left != right {
            return Err(bad(format!(
                "there are {left} scores for {right} candidates of the study; give both, in the same order"
            )));
        }
        if let Some(at) = self.scores.iter().position(|score| score.is_some_and(|score| !score.is_finite())) {
            return Err(bad(format!("the score of candidate {at} is not finite")));
        }
        let mut known = self.scores.iter().flatten();
        let first = known.next();
        if known.all(|score| Some(score) == first) {
            return Err(bad("the scores are all alike, or there are none".into()));
        }
        let ranks = gaussian_ranks(&self.scores);
        let all =
            candidates.iter().map(|candidate| encoder.key(candidate)).zip(self.scores.iter().zip(ranks));
        let known = all.filter_map(|(key, (score, rank))| score.map(|score| (key, (score, rank)))).collect();
        Ok(Opinion { by: self.by.clone(), foretells: USUAL_CORRELATION, judged_on: 0, known })
    }
}

/// Prior scores as strategies see them.
#[derive(Clone, Debug)]
pub struct Opinion {
    by: Name,
    /// How far they are expected to correlate with scores, from 0 to 1.
    foretells: f64,
    /// Tasks whose trials say so.
    judged_on: usize,
    /// By canonical key, the number and its Gaussian rank among the candidates.
    known: HashMap<Vec<u64>, (f64, f64)>,
}

impl Opinion {
    /// The same, trusted as far as such scores foretold those of past tasks, where their trials have them.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) fn judged(
        mut self,
        store: &dyn KnowledgeStore,
        space: &Name,
        exclude_tasks: &[Name],
    ) -> Result<Self, StoreError> {
        let mut by_task: BTreeMap<Name, Vec<(f64, f64)>> = BTreeMap::new();
        let goals: BTreeMap<Name, _> =
            store.tasks()?.into_iter().map(|task| (task.id.clone(), (task.metric, task.goal))).collect();
        for trial in store.trials(&TrialQuery::space(space.clone(), Split::Validation))?.trials {
            let Some((metric, goal)) = goals.get(&trial.task) else { continue };
            let counts = trial.status == Status::Complete
                && trial.metric == *metric
                && !exclude_tasks.contains(&trial.task);
            let (true, Some(proxy), Some(score)) = (counts, proxy(&trial, &self.by), trial.score) else {
                continue;
            };
            by_task.entry(trial.task).or_default().push((proxy, goal.higher_is_better(score)));
        }
        let found: Vec<f64> =
            by_task.values().filter(|pairs| pairs.len() >= ENOUGH).map(|pairs| agreement(pairs)).collect();
        let total: f64 = found.iter().sum();
        let n = found.len() as f64;
        self.judged_on = found.len();
        self.foretells = ((total + USUAL_WEIGHT * USUAL_CORRELATION) / (n + USUAL_WEIGHT)).max(0.0);
        Ok(self)
    }

    /// Where they come from.
    pub(crate) fn by(&self) -> &Name {
        &self.by
    }

    /// How far they are trusted, in words.
    pub(crate) fn words(&self) -> String {
        let Opinion { by, foretells, judged_on, .. } = self;
        let head =
            format!("scores by {by} are expected to correlate by {foretells:.2} with what trials find");
        match judged_on {
            0 => format!("{head}: a rule of thumb, for no task here has {ENOUGH} trials with both"),
            1 => format!("{head}, from how they did on one task and a rule of thumb"),
            n => format!("{head}, from how they did on {n} tasks and a rule of thumb"),
        }
    }

    /// How far they are expected to correlate with scores, from 0 to 1.
    pub(crate) fn foretells(&self) -> f64 {
        self.foretells
    }

    /// The number of a canonical architecture.
    pub(crate) fn score(&self, key: &[u64]) -> Option<f64> {
        self.known.get(key).map(|(score, _)| *score)
    }

    /// What one expects of canonical architectures by these numbers alone, on the normalised scale; the middle where there
    /// is none.
    pub(crate) fn expects(&self, architectures: &[Architecture], encoder: &Encoder) -> Array1<f64> {
        let one = |architecture: &Architecture| {
            self.known.get(&encoder.key(architecture)).map_or(0.0, |(_, rank)| *rank)
        };
        architectures.iter().map(|architecture| self.foretells * one(architecture)).collect()
    }

    /// Writes the number of a trial's architecture into the trial.
    pub(crate) fn note(&self, trial: &mut Trial, encoder: &Encoder) {
        let key = encoder.key(&spaces::canonical(&trial.space, &trial.architecture));
        let Some(score) = self.score(&key) else { return };
        let known =
            trial.extra.entry(PROXIES_FIELD.into()).or_insert_with(|| Json::Object(serde_json::Map::new()));
        if let Json::Object(known) = known {
            known.entry(self.by.to_string()).or_insert_with(|| score.into());
        }
    }
}

/// A number that was known of a trial's architecture before it was trained.
fn proxy(trial: &Trial, by: &str) -> Option<f64> {
    trial.extra.get(PROXIES_FIELD)?.get(by)?.as_f64()
}

/// The correlation of Gaussian ranks.
fn agreement(pairs: &[(f64, f64)]) -> f64 {
    let ranks = |of: &dyn Fn(&(f64, f64)) -> f64| {
        gaussian_ranks(&pairs.iter().map(|pair| Some(of(pair))).collect::<Vec<_>>())
    };
    correlation(&ranks(&|pair| pair.0), &ranks(&|pair| pair.1)).unwrap_or(0.0)
}

#[cfg(test)]
#[path = "prior_scores_tests.rs"]
mod tests;
