//! `OwnTrials`: what a new task has tried itself.

use std::collections::HashSet;

use heirloom_kb::{Architecture, Name};
use heirloom_predictor::{PredictError, TransferModel, Views};

use crate::space_history::{Pool, SpaceHistory};

/// Own trials that the Gaussian process is conditioned on; its cost grows with their cube.
const CONDITIONED: usize = 256;

/// What a task has tried itself: canonical architectures and their scores, higher is better.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnTrials {
    architectures: Vec<Architecture>,
    scores: Vec<Option<f64>>,
}

impl OwnTrials {
    /// The trials that the base has of a task, unless the task is excluded or they leave nothing to try; the latter
    /// makes a note.
    pub(crate) fn of_task(
        history: &SpaceHistory,
        task: &Name,
        exclude_tasks: &[Name],
        pool: &Pool,
        notes: &mut Vec<String>,
    ) -> Self {
        if exclude_tasks.contains(task) {
            return OwnTrials::default();
        }
        let Some(scores) = history.scores(task) else { return OwnTrials::default() };
        let table = history.table();
        let tried: HashSet<usize> = scores.rows.iter().copied().collect();
        let all = pool
            .architectures
            .iter()
            .all(|candidate| table.row(candidate).is_some_and(|row| tried.contains(&row)));
        if all {
            let n = pool.architectures.len();
            notes.push(format!(
                "all {n} candidates have been tried on {task} already; the answer is what a new task would get, \
                 from the other tasks alone"
            ));
            return OwnTrials::default();
        }
        OwnTrials {
            architectures: scores.rows.iter().map(|row| table.architectures()[*row].clone()).collect(),
            scores: scores.scores.clone(),
        }
    }

    pub(crate) fn push(&mut self, architecture: Architecture, score: Option<f64>) {
        self.architectures.push(architecture);
        self.scores.push(score);
    }

    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub(crate) fn architectures(&self) -> &[Architecture] {
        &self.architectures
    }

    /// What a posterior is conditioned on: the most telling of the trials, and their normalised scores. `views` are
    /// of all the trials.
    pub(crate) fn condition(
        &self,
        model: &TransferModel,
        views: &Views,
    ) -> Result<(Views, Vec<f64>), PredictError> {
        let z = model.normalise(views, &self.scores)?;
        let keep = self.most_telling();
        Ok((views.select(&keep), keep.iter().map(|at| z[*at]).collect()))
    }

    /// The trials with a score, each with its normalised score. `views` are of all the trials.
    pub(crate) fn scored(
        &self,
        model: &TransferModel,
        views: &Views,
    ) -> Result<Vec<(Architecture, f64)>, PredictError> {
        let z = model.normalise(views, &self.scores)?;
        let all = self.architectures.iter().zip(&self.scores).zip(z);
        Ok(all.filter(|((_, score), _)| score.is_some()).map(|((tried, _), z)| (tried.clone(), z)).collect())
    }

    /// Positions of the trials to condition on: all, or the best half of the allowance and an even spread of
    /// the others by score.
    fn most_telling(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        if order.len() <= CONDITIONED {
            return order;
        }
        let key = |at: &usize| self.scores[*at].unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
        let (best, rest) = order.split_at(CONDITIONED / 2);
        let step = rest.len() as f64 / (CONDITIONED / 2) as f64;
        let spread = (0..CONDITIONED / 2).map(|i| rest[(i as f64 * step) as usize]);
        best.iter().copied().chain(spread).collect()
    }
}
