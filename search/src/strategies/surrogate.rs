//! Expected improvement under the transfer model.

use std::collections::BTreeMap;
use std::sync::Arc;

use heirloom_kb::{Architecture, Name};
use heirloom_predictor::{Prediction, TransferModel, Views, expected_improvement};
use ndarray::{Axis, concatenate};

use super::candidates::Candidates;
use super::{Proposal, Strategy, exhausted};
use crate::SearchError;
use crate::goals::Goals;
use crate::own_trials::OwnTrials;
use crate::space_history::SpaceHistory;
use crate::spaces;

/// Proposes what promises the largest expected improvement under the transfer model. While nothing has been tried,
/// that is what the past tasks rate highest. What is proposed and not yet told counts as having scored what was
/// expected of it (the "kriging believer"), so that a batch spreads.
///
/// *Source*: Ginsbourger, Le Riche, Carraro, "Kriging is well-suited to parallelize optimization", 2010, section 3.2.
pub struct SurrogateStrategy {
    history: Arc<SpaceHistory>,
    past: Vec<usize>,
    model: TransferModel,
    candidates: Candidates,
    /// The pool as the past tasks see it.
    views: Views,
    own: OwnTrials,
    /// Own trials as the past tasks see them.
    own_views: Views,
    /// Proposed and not yet told: canonical form and expected score.
    pending: Vec<(Architecture, f64)>,
    /// What counts beside the score.
    goals: Option<Goals>,
}

impl SurrogateStrategy {
    /// A strategy over candidates, for a task whose past tasks are the columns `past`, and which has tried `own`.
    pub(super) fn new(
        history: Arc<SpaceHistory>,
        past: Vec<usize>,
        candidates: Candidates,
        own: OwnTrials,
    ) -> Result<Self, SearchError> {
        Ok(SurrogateStrategy {
            model: history.transfer(&past),
            views: candidates.pool().views.tasks(&past),
            own_views: history.views(own.architectures())?.tasks(&past),
            candidates,
            own,
            pending: Vec::new(),
            goals: None,
            history,
            past,
        })
    }

    /// The next proposal, which becomes pending.
    fn propose(&mut self) -> Result<Proposal, SearchError> {
        let open = self.views.select(self.candidates.open());
        let (seen, mut z) = self.own.condition(&self.model, &self.own_views)?;
        z.extend(self.pending.iter().map(|(_, expected)| expected));
        let pending: Vec<Architecture> = self.pending.iter().map(|(pending, _)| pending.clone()).collect();
        let seen = joined(&seen, &self.history.views(&pending)?.tasks(&self.past));
        let prediction = self.model.posterior(&seen, &z, &open)?;
        let best = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (at, why) = match &self.goals {
            None => choose(&prediction, best),
            Some(goals) => {
                let mut tried = self.own.scored(&self.model, &self.own_views)?;
                tried.extend(self.pending.iter().cloned());
                goals.choose(self.candidates.open(), &prediction, &tried)?
            }
        };
        let position = self.candidates.open()[at];
        self.candidates.spend(position);
        let architecture = self.candidates.pool().architectures[position].clone();
        let (mean, std) = (prediction.mean[at], prediction.std[at]);
        self.pending.push((architecture, mean));
        let architecture = self.candidates.pool().shown[position].clone();
        Ok(Proposal { architecture, mean: Some(mean), std: Some(std), why })
    }
}

/// The most promising row, the first among equals, and what it promises. `best` is minus infinity while nothing
/// is tried.
fn choose(prediction: &Prediction, best: f64) -> (usize, String) {
    let (gains, what) = if best.is_finite() {
        (expected_improvement(prediction, best), "expected improvement")
    } else {
        (prediction.mean.to_vec(), "expected score")
    };
    let first = (0, f64::NEG_INFINITY);
    let (at, gain) =
        gains.into_iter().enumerate().fold(first, |most, next| if next.1 > most.1 { next } else { most });
    (at, format!("highest {what} of the candidates: {gain:.3} deviations"))
}

/// The rows of both, in order.
fn joined(first: &Views, second: &Views) -> Views {
    let x = concatenate(Axis(0), &[first.x.view(), second.x.view()]);
    let by_task = concatenate(Axis(0), &[first.by_task.view(), second.by_task.view()]);
    Views {
        x: x.expect("both have the encoder's columns").into_shared(),
        by_task: by_task.expect("both have a column a past task"),
    }
}

impl Strategy for SurrogateStrategy {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let n = n.min(self.candidates.open().len());
        if n == 0 {
            let pool = self.candidates.pool().architectures.len();
            return Err(exhausted(self.history.space().id(), pool));
        }
        (0..n).map(|_| self.propose()).collect()
    }

    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError> {
        let canonical = self.candidates.spend_architecture(architecture);
        self.pending.retain(|(pending, _)| *pending != canonical);
        let view = self.history.views(std::slice::from_ref(&canonical))?.tasks(&self.past);
        self.own_views = joined(&self.own_views, &view);
        self.own.push(canonical, score);
        Ok(())
    }

    fn aim(&mut self, goals: Goals) -> Result<(), SearchError> {
        self.goals = Some(goals);
        Ok(())
    }

    fn tell_costs(
        &mut self,
        architecture: &Architecture,
        costs: &BTreeMap<Name, f64>,
    ) -> Result<(), SearchError> {
        let Some(goals) = &mut self.goals else { return Ok(()) };
        goals.learn(&spaces::canonical(self.history.space().id(), architecture), costs)
    }
}
