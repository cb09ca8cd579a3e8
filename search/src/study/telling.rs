//! Telling a study of finished trials: into the base, and what they teach into the strategy.

use std::collections::HashSet;

use heirloom_kb::{Architecture, Json, Split, Status, Trial};
use heirloom_predictor::{DEVICE_FIELD, are_comparable};

use super::Study;
use crate::SearchError;
use crate::before_study::STUDY_FIELD;
use crate::strategies::Proposal;

impl Study {
    /// Takes in finished trials: into the base and into the strategy, all or none. A trial told twice counts once.
    /// Validation scores in the task's metric teach the strategy, of a pruned trial and of one that measured far less than those
    /// before it what it would have reached, though never more than the best complete one did; trials of other splits are only kept.
    ///
    /// # Errors
    /// [`SearchError::BadTrial`] for one of another task, space or validation metric; [`SearchError::Store`] for one
    /// that does not fit its space.
    pub fn tell(&mut self, trials: Vec<Trial>) -> Result<usize, SearchError> {
        let trials = trials.into_iter().enumerate().map(|(index, trial)| self.check(index, trial));
        let trials: Vec<Trial> = trials.collect::<Result<_, _>>()?;
        self.commit(&trials)?;
        self.learn(trials)
    }

    /// Tells a finished trial that [`Study::keep`] has put into the base.
    ///
    /// # Errors
    /// As [`Study::tell`].
    pub(crate) fn tell_kept(&mut self, trial: Trial) -> Result<(), SearchError> {
        let trial = self.check(0, trial)?;
        self.learn(vec![trial]).map(drop)
    }

    /// Checked trials, into the strategy.
    fn learn(&mut self, trials: Vec<Trial>) -> Result<usize, SearchError> {
        let mut known: HashSet<_> = self.trials.iter().map(Trial::id).collect();
        let mut taken = 0;
        for trial in trials {
            if known.insert(trial.id()) {
                let lesson = self.lesson(&trial);
                self.tell_strategy(&trial, lesson)?;
                self.trials.push(trial);
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Puts a finished trial into the base that is told later. If the study is broken off before, it knows the trial when it is
    /// resumed.
    ///
    /// # Errors
    /// As [`Study::tell`].
    pub(crate) fn keep(&mut self, trial: Trial) -> Result<(), SearchError> {
        let trial = self.check(0, trial)?;
        self.commit(&[trial])
    }

    /// Puts checked trials into the base; they are no longer under way.
    fn commit(&mut self, trials: &[Trial]) -> Result<(), SearchError> {
        if self.kept {
            let (spaces, kept) = (vec![self.history.space().clone()], trials.to_vec());
            self.store.commit(&heirloom_kb::Batch { spaces, trials: kept, ..Default::default() })?;
        }
        self.end(trials)
    }

    /// Notes that a proposal is being trained.
    pub(crate) fn begin(&mut self, proposal: &Proposal) -> Result<(), SearchError> {
        if self.kept { self.under_way.begin([&proposal.architecture]) } else { Ok(()) }
    }

    /// Notes that trials are no longer under way; one that teaches nothing leaves its proposal open.
    pub(super) fn end(&mut self, trials: &[Trial]) -> Result<(), SearchError> {
        let teaching = trials.iter().filter(|trial| self.teaches(trial));
        let ended: HashSet<_> = teaching.filter_map(|trial| self.key(&trial.architecture)).collect();
        let under_way = self.under_way.architectures();
        let over: Vec<Architecture> = under_way
            .iter()
            .filter(|other| self.key(other).is_some_and(|key| ended.contains(&key)))
            .cloned()
            .collect();
        self.under_way.end(|other| over.contains(other))
    }

    fn check(&self, index: usize, mut trial: Trial) -> Result<Trial, SearchError> {
        let bad = |reason: String| SearchError::BadTrial { index, reason };
        let (task, space) = (&self.task.id, &self.setup.space);
        if trial.task != *task {
            return Err(bad(format!("its task is {:?}, the study's is {task:?}", trial.task)));
        }
        if trial.space != *space {
            return Err(bad(format!("its space is {:?}, the study's is {space:?}", trial.space)));
        }
        if trial.split == Split::Validation && trial.metric != self.task.metric {
            let (given, wanted) = (&trial.metric, &self.task.metric);
            return Err(bad(format!("its metric is {given:?}, the task's is {wanted:?}")));
        }
        trial.extra.insert(STUDY_FIELD.into(), self.id.clone().into());
        if let Some(opinion) = &self.opinion {
            opinion.note(&mut trial, self.history.table().encoder());
        }
        trial.normalise(self.history.space()).map_err(|source| bad(source.to_string()))
    }

    /// Whether a trial teaches: validation, in the task's metric.
    pub(super) fn teaches(&self, trial: &Trial) -> bool {
        trial.split == Split::Validation && trial.metric == self.task.metric
    }

    /// What a trial teaches, higher is better; nothing is what a failed one teaches. The scheduler hears of it too.
    pub(super) fn lesson(&mut self, trial: &Trial) -> Option<f64> {
        if !self.teaches(trial) {
            return None;
        }
        let number = self.scheduler.as_mut().map(|scheduler| scheduler.end(trial));
        let goal = self.task.goal;
        let higher = |score: f64| goal.higher_is_better(score);
        match trial.status {
            Status::Complete if self.is_full(trial) => trial.score.map(higher),
            Status::Failed => None,
            Status::Complete | Status::Pruned => {
                let seen = trial.curve.last().map(|(_, score)| *score).or(trial.score);
                let complete = self.trials.iter().filter(|other| self.teaches(other));
                let complete = complete.filter(|other| other.status == Status::Complete);
                let best = complete.filter_map(|other| other.score).map(higher).reduce(f64::max);
                let forecast = self.scheduler.as_mut().zip(number);
                let forecast = forecast.and_then(|(scheduler, number)| scheduler.forecast(number));
                forecast.or(seen).map(|end| higher(end).min(best.unwrap_or(f64::INFINITY)))
            }
        }
    }

    /// Whether a complete trial measured enough to be compared with those before it.
    fn is_full(&self, trial: &Trial) -> bool {
        let before = self.trials.iter().filter(|other| self.teaches(other));
        let all: Vec<&Trial> = before.chain([trial]).collect();
        are_comparable(&all).pop().unwrap_or(true)
    }

    /// Whether a trial names another device than the one that costs are meant on.
    pub(super) fn is_elsewhere(&self, trial: &Trial) -> bool {
        let device = trial.extra.get(DEVICE_FIELD).and_then(Json::as_str);
        device.is_some() && self.setup.device.is_some() && device != self.setup.device.as_deref()
    }

    pub(super) fn tell_strategy(&mut self, trial: &Trial, lesson: Option<f64>) -> Result<(), SearchError> {
        if !self.teaches(trial) {
            return Ok(());
        }
        if trial.status == Status::Complete && !self.is_elsewhere(trial) {
            self.strategy.tell_costs(&trial.architecture, &trial.costs)?;
        }
        self.strategy.tell(&trial.architecture, lesson)
    }
}
