//! `StudyScheduler`: early stopping within a study.

use std::collections::HashMap;
use std::sync::Arc;

use heirloom_kb::{Architecture, KnowledgeStore, Name, Split, Task, Trial, TrialQuery};
use heirloom_predictor::CurveModel;

use super::{Decision, EarlyStopping, SchedulerKind, SchedulerSetup, past_curves};
use crate::space_history::SpaceHistory;
use crate::{SearchError, spaces};

/// The fidelity that reports are counted in.
const EPOCHS: &str = "epochs";

/// Early stopping within a study: knows which architecture is which trial.
pub(crate) struct StudyScheduler {
    stopping: EarlyStopping,
    history: Arc<SpaceHistory>,
    /// Trials under way, by canonical key.
    running: HashMap<Vec<u64>, u64>,
    numbered: u64,
    /// What is to be known of the rule here.
    note: Option<String>,
}

impl StudyScheduler {
    /// The scheduler of a study on `task`, with the curves of the base but those of the tasks in `exclude` and of the task
    /// itself.
    pub(crate) fn start(
        setup: &SchedulerSetup,
        store: &dyn KnowledgeStore,
        history: &Arc<SpaceHistory>,
        task: &Task,
        exclude: &[Name],
    ) -> Result<Self, SearchError> {
        setup.check()?;
        let mut exclude = exclude.to_vec();
        exclude.push(task.id.clone());
        let past = past_curves(store, history.space().id(), &task.metric, EPOCHS, &exclude)?;
        let is_blind = setup.kind == SchedulerKind::Extrapolation && past.is_empty();
        let note = is_blind.then(|| {
            "no past task has learning curves in this space, so that extrapolation goes by a trial's own curve and stops little; asha needs no past".into()
        });
        let model = CurveModel::new(&past, f64::from(setup.max_epochs));
        Ok(StudyScheduler {
            stopping: EarlyStopping::new(setup.clone(), task.goal, model)?,
            history: Arc::clone(history),
            running: HashMap::new(),
            numbered: 0,
            note,
        })
    }

    /// What is to be known of the rule before the first trial.
    pub(crate) fn note(&self) -> Option<&String> {
        self.note.as_ref()
    }

    /// Takes in what the base has of the task from elsewhere than the study: what is to be beaten, and how curves of this
    /// task go on.
    pub(crate) fn know(
        &mut self,
        store: &dyn KnowledgeStore,
        task: &Task,
        of_study: impl Fn(&Trial) -> bool,
    ) -> Result<(), SearchError> {
        let space = Some(self.history.space().id().clone());
        let query = TrialQuery { space, split: Some(Split::Validation), ..TrialQuery::task(task.id.clone()) };
        let trials = store.trials(&query)?.trials;
        let earlier = trials.iter().filter(|trial| trial.metric == task.metric && !of_study(trial));
        for trial in earlier {
            self.end(trial);
        }
        Ok(())
    }

    /// Takes in a report.
    pub(crate) fn report(
        &mut self,
        architecture: &Architecture,
        step: u32,
        score: f64,
    ) -> Result<Decision, SearchError> {
        let normal = self.history.space().normalise(architecture);
        let normal = normal.map_err(|source| SearchError::BadReport { step, reason: source.to_string() })?;
        let key = self.key(&normal);
        let known = self.running.get(&key).copied();
        let number = known.unwrap_or(self.numbered);
        let decision = self.stopping.report(number, step, score)?;
        if known.is_none() {
            self.running.insert(key, number);
            self.numbered += 1;
        }
        Ok(decision)
    }

    /// Takes in a trial that has ended; its number.
    pub(crate) fn end(&mut self, trial: &Trial) -> u64 {
        let number = self.running.remove(&self.key(&trial.architecture)).unwrap_or_else(|| {
            self.numbered += 1;
            self.numbered - 1
        });
        self.stopping.end(number, trial);
        number
    }

    /// Where a trial would have ended had it not been stopped, in the task's own unit.
    pub(crate) fn forecast(&mut self, number: u64) -> Option<f64> {
        self.stopping.forecast(number).map(|forecast| forecast.mean)
    }

    fn key(&self, architecture: &Architecture) -> Vec<u64> {
        let encoder = self.history.table().encoder();
        encoder.key(&spaces::canonical(self.history.space().id(), architecture))
    }
}
