//! `Belief`: what a task's past and its own trials let expect of a pool.

use heirloom_kb::Architecture;
use heirloom_predictor::{Prediction, gaussian_ranks};

use super::{Pick, SurrogateStrategy};
use crate::SearchError;
use crate::goals::Goals;
use crate::rank_correlation::{correlation, mean_ranks};

/// What a task's past and its own trials let expect of a pool.
pub(crate) struct Belief {
    /// Normalised scores of the pool.
    pub(crate) expected: Prediction,
    /// The task's own trials that count and have a score, with their normalised scores.
    pub(crate) scored: Vec<(Architecture, f64)>,
    /// Normalised scores that are expected of what is pending.
    pending: Vec<f64>,
    /// The probability that the past says something; nothing where there is no past or no trial.
    pub(crate) trust: Option<f64>,
    /// The probability that it says the opposite of what holds.
    pub(crate) reversed: f64,
}

/// Of fewer trials an order says nothing.
const SEVERAL: usize = 8;

impl SurrogateStrategy {
    /// What is believed with the trials told so far; what is pending counts as having scored what is expected of it.
    ///
    /// # Errors
    /// Of the model.
    pub(crate) fn belief(&self) -> Result<Belief, SearchError> {
        if self.own.is_empty() {
            let expected = self.model.prior(&self.seen);
            let pending = self.pending_counting().filter_map(|(_, position)| *position);
            let pending = pending.map(|position| expected.mean[position]).collect();
            return Ok(Belief { expected, scored: Vec::new(), pending, trust: None, reversed: 0.0 });
        }
        let posterior = self.posterior()?;
        let mut z = posterior.scores();
        let pending = z.split_off(self.telling.len());
        Ok(Belief {
            expected: posterior.expect(&self.seen),
            scored: self.own.scored(&self.telling, &z),
            pending,
            trust: (!self.past.is_empty()).then(|| posterior.trust()),
            reversed: posterior.reversed(),
        })
    }

    /// Spearman's correlation between the scores of the own trials, failed ones last, and what the past alone expects of them; `None` of
    /// few trials.
    pub(crate) fn past_correlation(&self) -> Option<f64> {
        if self.past.is_empty() || self.telling.len() < SEVERAL {
            return None;
        }
        let ranks = gaussian_ranks(&self.own.scores_of(&self.telling));
        let expected = self.model.prior(&self.seen.also(&self.own_views)).mean.to_vec();
        correlation(&mean_ranks(&expected), &mean_ranks(&ranks))
    }

    /// What promises most where more than the score counts.
    pub(super) fn aimed(&self, goals: &Goals) -> Result<Pick, SearchError> {
        let Belief { expected, scored: mut tried, pending, .. } = self.belief()?;
        tried.extend(self.pending_counting().map(|(pending, _)| pending.clone()).zip(pending));
        let open = self.open();
        let (at, why) = goals.choose(open, &expected.select(open), &tried)?;
        Ok(self.pick(open[at], &expected.select(&[open[at]]), why))
    }
}
