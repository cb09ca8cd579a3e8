//! `EarlyStopping`: hears how trials get on and says which go on.

use std::collections::BTreeMap;

use heirloom_kb::{Goal, Status, Trial};
use heirloom_predictor::{Curve, CurveModel, Forecast};

use super::{Asha, Decision, Extrapolation, Hyperband, SchedulerKind, SchedulerSetup};
use crate::SearchError;
use crate::fidelity::rungs::{Rungs, crossed};

/// Trials that the one-epoch rule lets go on.
const KEPT_BY_ONE_EPOCH: usize = 3;

/// The rules.
enum Rule {
    Asha(Asha),
    Hyperband(Hyperband),
    Extrapolation,
    /// *Source*: Egele, Mohr, Viering, Balaprakash, "The Unreasonable Effectiveness Of Early Discarding After One Epoch In
    /// Neural Network Hyperparameter Optimization", 2024 (arXiv:2404.04111), here as a rule that decides at once.
    OneEpoch(Rungs),
}

/// What is known of a trial.
#[derive(Default)]
struct Progress {
    /// Reports so far, scores as they were given.
    reports: BTreeMap<u32, f64>,
    /// The decision on the last report.
    decision: Option<Decision>,
    ended: bool,
}

/// Hears the score of each epoch of a study's trials and says which trials go on.
///
/// A report at the last epoch never stops. A report that is repeated is answered as before; one that contradicts an earlier
/// one, or comes out of order, is refused and changes nothing. A trial once stopped stays stopped.
pub struct EarlyStopping {
    setup: SchedulerSetup,
    goal: Goal,
    rule: Rule,
    /// Forecasts; decides under the extrapolation rule, and tells what stopped trials would have reached under all.
    forecaster: Extrapolation,
    trials: BTreeMap<u64, Progress>,
    /// Curves of the trials, higher is better.
    curves: BTreeMap<u64, Curve>,
    /// The best score of a complete trial, higher is better.
    best: Option<f64>,
}

impl EarlyStopping {
    /// The rule of a set-up, for scores of which `goal` says what is better. `model` is fitted on past curves that end at
    /// the set-up's `max_epochs`.
    ///
    /// # Errors
    /// [`SearchError::BadScheduler`].
    pub fn new(setup: SchedulerSetup, goal: Goal, model: CurveModel) -> Result<Self, SearchError> {
        setup.check()?;
        let (min, max, eta) = (setup.min_epochs, setup.max_epochs, setup.eta());
        let rule = match setup.kind {
            SchedulerKind::Asha => Rule::Asha(Asha::new(min, max, eta)),
            SchedulerKind::Hyperband => Rule::Hyperband(Hyperband::new(min, max, eta)),
            SchedulerKind::Extrapolation => Rule::Extrapolation,
            SchedulerKind::OneEpoch => Rule::OneEpoch(Rungs::new(vec![min])),
        };
        let forecaster = Extrapolation::new(min, max, eta, model);
        let (trials, curves) = (BTreeMap::new(), BTreeMap::new());
        Ok(EarlyStopping { setup, goal, rule, forecaster, trials, curves, best: None })
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &SchedulerSetup {
        &self.setup
    }

    /// Takes in the score of a trial after `step` epochs and decides. Trials are numbered by the caller.
    ///
    /// # Errors
    /// [`SearchError::BadReport`] for a step outside 1 to `max_epochs`, a score that is no number, a report out of order
    /// or against an earlier one, and a trial that has ended.
    pub fn report(&mut self, trial: u64, step: u32, score: f64) -> Result<Decision, SearchError> {
        let max = self.setup.max_epochs;
        let bad = |reason: String| Err(SearchError::BadReport { step, reason });
        if !(1..=max).contains(&step) {
            return bad(format!("steps go from 1 to {max}"));
        }
        if !score.is_finite() {
            return bad(format!("the score is {score}, it must be a finite number"));
        }
        let progress = self.trials.entry(trial).or_default();
        if progress.ended {
            return bad("the trial has been told already".into());
        }
        let last = progress.reports.last_key_value().map(|(last, _)| *last);
        match (progress.reports.get(&step), &progress.decision) {
            (Some(known), _) if *known != score => {
                return bad(format!("it was reported before as {known}, now as {score}"));
            }
            (Some(_), Some(decision)) if last == Some(step) => return Ok(decision.clone()),
            (Some(_), _) => return Ok(Decision::go_on("reported before")),
            (None, Some(stopped)) if stopped.is_stop() => return Ok(stopped.clone()),
            (None, _) => {}
        }
        if let Some(last) = last.filter(|last| *last > step) {
            return bad(format!("step {last} was reported before; steps must come in order"));
        }
        Ok(self.decide(trial, step, score, true))
    }

    /// Enters a score that fits and decides. What is past (not `live`) only needs to be entered, which is all that rungs do.
    fn decide(&mut self, trial: u64, step: u32, score: f64, live: bool) -> Decision {
        let progress = self.trials.entry(trial).or_default();
        let before = progress.reports.last_key_value().map_or(0, |(last, _)| *last);
        progress.reports.insert(step, score);
        let better = |(step, score): (&u32, &f64)| (f64::from(*step), self.goal.higher_is_better(*score));
        let curve = Curve::new(progress.reports.iter().map(better).collect());
        let high = self.goal.higher_is_better(score);
        let decision = match &mut self.rule {
            Rule::Asha(rule) => rule.report(trial, before, step, high),
            Rule::Hyperband(rule) => rule.report(trial, before, step, high),
            Rule::OneEpoch(rungs) => one_epoch(rungs, trial, before, step, high),
            Rule::Extrapolation if !live => Decision::go_on("past"),
            Rule::Extrapolation => {
                let own = others(&self.curves, trial);
                self.forecaster.report(before, &curve, &own, self.best)
            }
        };
        let last = step == self.setup.max_epochs && decision.is_stop();
        let decision = if last { Decision::go_on("the last epoch") } else { decision };
        progress.decision = Some(decision.clone());
        self.curves.insert(trial, curve);
        decision
    }

    /// Takes in a trial that has ended, whether its epochs were reported or not: its curve counts as if they had been,
    /// and the score of a complete one is to be beaten.
    pub fn end(&mut self, number: u64, trial: &Trial) {
        let progress = self.trials.entry(number).or_default();
        progress.ended = true;
        let reported = progress.reports.last_key_value().map_or(0, |(last, _)| *last);
        for (step, score) in &trial.curve {
            if let Some(step) =
                whole(*step).filter(|step| (reported + 1..=self.setup.max_epochs).contains(step))
            {
                self.decide(number, step, *score, false);
            }
        }
        if let (Status::Complete, Some(score)) = (trial.status, trial.score) {
            let score = self.goal.higher_is_better(score);
            self.best = Some(self.best.map_or(score, |best| best.max(score)));
        }
    }

    /// Where a trial of the study would have ended had it gone on, in the task's own unit; absent without a curve.
    pub fn forecast(&mut self, number: u64) -> Option<Forecast> {
        let curve = self.curves.get(&number)?;
        let own = others(&self.curves, number);
        let forecast = self.forecaster.forecast(curve, &own)?;
        Some(Forecast { mean: self.goal.higher_is_better(forecast.mean), ..forecast })
    }
}

/// An epoch, if this is one.
pub(crate) fn whole(step: f64) -> Option<u32> {
    (step >= 1.0 && step.fract() == 0.0 && step <= f64::from(u32::MAX)).then_some(step as u32)
}

fn others(curves: &BTreeMap<u64, Curve>, trial: u64) -> Vec<&Curve> {
    curves.iter().filter(|(other, _)| **other != trial).map(|(_, curve)| curve).collect()
}

fn one_epoch(rungs: &mut Rungs, trial: u64, before: u32, step: u32, score: f64) -> Decision {
    let Some(rung) = crossed(&rungs.levels, before, step) else {
        return Decision::go_on("past the only look");
    };
    let standing = rungs.enter(rung, trial, score);
    let why = format!(
        "{} of {} trials were better at {} epochs; the best {KEPT_BY_ONE_EPOCH} go on",
        standing.better, standing.of, rungs.levels[rung]
    );
    Decision::when(standing.better >= KEPT_BY_ONE_EPOCH, why)
}

#[cfg(test)]
mod tests;
