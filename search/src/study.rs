//! `Study`: one search on one task.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use heirloom_kb::{
    Architecture, Document, DocumentKind, Json, KnowledgeStore, Name, Split, Status, Task, Trial, TrialQuery,
};
use serde::{Deserialize, Serialize};

use crate::fidelity::{Decision, SchedulerSetup, StudyScheduler};
use crate::goals::{GoalTarget, Goals};
use crate::looks::first_looks;
use crate::objectives::{Constraints, Objectives};
use crate::own_trials::OwnTrials;
use crate::prior_scores::{Opinion, PriorScores};
use crate::space_history::SpaceHistory;
use crate::strategies::{Proposal, Strategy, StrategyKind};
use crate::train::{Budget, Trainer};
use crate::under_way::UnderWay;
use crate::{Recommender, SearchError};
use heirloom_predictor::{Acquisition, DEVICE_FIELD};

/// The field of a trial that names the study it was told to.
const STUDY_FIELD: &str = "study";

/// How a study is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudySetup {
    /// The task to search for; the base knows it.
    pub task: Name,
    /// The space to search in.
    pub space: Name,
    /// The architectures that alone may be proposed; absent, the space's own pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Architecture>>,
    /// What is known of each of the candidates before any is trained; absent, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorScores>,
    /// Who decides what is tried next.
    #[serde(default)]
    pub strategy: StrategyKind,
    /// What makes a candidate worth the next trial; absent, the strategy's own choice. Only the strategy `surrogate` takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquisition: Option<Acquisition>,
    /// The seed of all chance in the study.
    #[serde(default)]
    pub seed: u64,
    /// What of the past counts.
    #[serde(default)]
    pub history: HistoryChoice,
    /// Which rule stops trials early; absent, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerSetup>,
    /// Bounds on costs that proposals must keep to.
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
    /// Costs to be low while the score is high: the study seeks the Pareto front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pareto: Vec<Name>,
    /// A cost that improvement is counted per unit of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Name>,
    /// The device that costs are meant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Name>,
}

impl StudySetup {
    /// What counts beside the score.
    #[must_use]
    pub fn objectives(&self) -> Objectives {
        Objectives {
            constraints: self.constraints.clone(),
            pareto: self.pareto.clone(),
            per: self.per.clone(),
            device: self.device.clone(),
        }
    }
}

/// What of the past counts in a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryChoice {
    /// Past tasks to leave out. The study's own task among them leaves out what the base has of it from before.
    #[serde(default)]
    pub exclude_tasks: Vec<Name>,
}

/// One search on one task: ask, try, tell. Its set-up and its trials are kept in the base, so it can be resumed.
pub struct Study {
    id: String,
    setup: StudySetup,
    task: Task,
    history: Arc<SpaceHistory>,
    store: Arc<dyn KnowledgeStore>,
    strategy: Box<dyn Strategy>,
    scheduler: Option<StudyScheduler>,
    opinion: Option<Opinion>,
    trials: Vec<Trial>,
    under_way: UnderWay,
    /// What was under way when the study was broken off, to be asked for first.
    waiting: VecDeque<Architecture>,
    notes: Vec<String>,
    /// Whether the strategy was started with what the base has of the task.
    knew_own_trials: bool,
    /// Whether trials go into the base.
    kept: bool,
}

impl Study {
    /// Sets up a study and keeps its set-up in the base.
    ///
    /// # Errors
    /// [`SearchError::UnknownTask`], [`SearchError::UnknownSpace`], [`SearchError::BadCandidate`],
    /// [`SearchError::BadObjective`], [`SearchError::BadAcquisition`], [`SearchError::BadPrior`].
    pub fn create(recommender: &Recommender, setup: StudySetup) -> Result<Self, SearchError> {
        let store = recommender.store();
        let taken: HashSet<String> = store.document_names(DocumentKind::Study)?.into_iter().collect();
        let id = (taken.len() + 1..).map(|n| format!("study-{n}")).find(|id| !taken.contains(id));
        let id = id.expect("numbers do not end");
        let study = Study::start(recommender, id.clone(), setup)?;
        let bytes = serde_json::to_vec(&study.setup).expect("a set-up holds only strings, numbers and lists");
        store.put_document(&Document { kind: DocumentKind::Study, name: id, bytes })?;
        Ok(study)
    }

    /// A study of which nothing is written to the base, neither set-up nor trials: for benchmarks replayed out of it.
    ///
    /// # Errors
    /// As [`Study::create`].
    pub fn rehearse(recommender: &Recommender, setup: StudySetup) -> Result<Self, SearchError> {
        let mut study = Study::start(recommender, "rehearsal".into(), setup)?;
        study.kept = false;
        Ok(study)
    }

    /// Takes up a study where its last trial left it. What was proposed and never told may be proposed again.
    ///
    /// # Errors
    /// [`SearchError::UnknownStudy`], [`SearchError::DamagedStudy`].
    pub fn resume(recommender: &Recommender, id: &str) -> Result<Self, SearchError> {
        let document = recommender.store().document(DocumentKind::Study, id)?;
        let document = document.ok_or_else(|| SearchError::UnknownStudy { study: id.into() })?;
        let setup: StudySetup = serde_json::from_slice(&document.bytes)
            .map_err(|source| SearchError::DamagedStudy { study: id.into(), source })?;
        let mut study = Study::start(recommender, id.into(), setup)?;
        let query =
            TrialQuery { space: Some(study.setup.space.clone()), ..TrialQuery::task(study.task.id.clone()) };
        let trials = study.store.trials(&query)?.trials;
        for trial in trials.into_iter().filter(|trial| is_of(trial, id)) {
            let lesson = study.lesson(&trial);
            // Whoever knew the task's own trials knew the complete and failed ones among these.
            if !study.knew_own_trials || trial.status == Status::Pruned {
                study.tell_strategy(&trial, lesson)?;
            }
            study.trials.push(trial);
        }
        study.take_up()?;
        Ok(study)
    }

    /// Goes on with what was under way and has no trial.
    fn take_up(&mut self) -> Result<(), SearchError> {
        for architecture in self.under_way.architectures().to_vec() {
            if self.trials.iter().any(|trial| self.is_trial_of(trial, &architecture)) {
                self.under_way.end(|other| *other == architecture)?;
            } else {
                self.strategy.take_up(&architecture)?;
                self.waiting.push_back(architecture);
            }
        }
        Ok(())
    }

    /// A study before its first trial, with what the base knows of the task from elsewhere.
    fn start(recommender: &Recommender, id: String, setup: StudySetup) -> Result<Self, SearchError> {
        let history = recommender.history(&setup.space)?;
        let task = history.task(&setup.task)?.clone();
        let pool = history.pool_of(setup.candidates.as_deref())?;
        if pool.architectures.is_empty() {
            return Err(SearchError::NothingToPropose { reason: "the list of candidates is empty".into() });
        }
        let exclude = &setup.history.exclude_tasks;
        let past = history.past(&task.id, exclude);
        let mut notes = Vec::new();
        let own = OwnTrials::of_task(&history, &task.id, exclude, &pool, &mut notes);
        let knew_own_trials = !own.is_empty();
        let opinion = opinion(&**recommender.store(), &setup, &history)?;
        let looks = match opinion {
            Some(_) => None,
            None => first_looks(recommender, &history, &task, &setup)?,
        };
        let mut strategy = setup.strategy.start(&history, &task, past, Arc::clone(&pool), own, setup.seed)?;
        if let Some(opinion) = &opinion {
            strategy.heed(opinion.clone())?;
            notes.push(format!(
                "scores by {} are expected to correlate by {:.2} with what trials find",
                opinion.by(),
                opinion.foretells()
            ));
        }
        if let Some((first, note)) = looks {
            strategy.start_with(&first);
            notes.push(note);
        }
        if let Some(acquisition) = setup.acquisition {
            strategy.acquire(acquisition)?;
        }
        if !setup.objectives().is_score_alone() {
            let target = GoalTarget {
                task: task.id.clone(),
                device: setup.device.clone(),
                exclude_tasks: exclude.clone(),
            };
            let goals = Goals::new(recommender.costs(&setup.space)?, &setup.objectives(), target, &pool)?;
            notes.extend(goals.notes());
            strategy.aim(goals)?;
        }
        let store = Arc::clone(recommender.store());
        let under_way = UnderWay::of(&store, &id)?;
        let scheduler = |setup: &SchedulerSetup| {
            let mut scheduler = StudyScheduler::start(setup, &*store, &history, &task, exclude)?;
            if !exclude.contains(&task.id) {
                scheduler.know(&*store, &task, |trial| is_of(trial, &id))?;
            }
            Ok::<_, SearchError>(scheduler)
        };
        let scheduler = setup.scheduler.as_ref().map(scheduler).transpose()?;
        Ok(Study {
            id,
            setup,
            task,
            history,
            store,
            strategy,
            scheduler,
            opinion,
            trials: Vec::new(),
            under_way,
            waiting: VecDeque::new(),
            notes,
            knew_own_trials,
            kept: true,
        })
    }

    /// The study's id, unique in the base.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &StudySetup {
        &self.setup
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Its trials so far, in the order they were told.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// What is being trained side by side, or was when the study was broken off, in the order of asking.
    #[must_use]
    pub fn under_way(&self) -> &[Architecture] {
        self.under_way.architectures()
    }

    /// The history it started from.
    #[must_use]
    pub fn history(&self) -> &SpaceHistory {
        &self.history
    }

    /// What the reader should know about the start, in plain words.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Proposes up to `n` architectures to try, first what was under way side by side when the study was broken off.
    ///
    /// # Errors
    /// As [`Strategy::ask`].
    pub fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let again = |architecture| Proposal {
            architecture,
            mean: None,
            std: None,
            why: "was under way when the study was broken off".into(),
        };
        let mut proposals: Vec<Proposal> =
            self.waiting.drain(..n.min(self.waiting.len())).map(again).collect();
        if proposals.is_empty() || proposals.len() < n {
            match self.strategy.ask(n - proposals.len()) {
                Ok(more) => proposals.extend(more),
                Err(SearchError::NothingToPropose { .. }) if !proposals.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(proposals)
    }

    /// Takes in the validation score of a trial under way after `step` epochs, and says whether it goes on. Nothing is
    /// written; the trial is to be told when it has ended, as `pruned` if it was stopped.
    ///
    /// # Errors
    /// [`SearchError::BadReport`] for a study without a scheduler, an architecture of another space, and what
    /// [`EarlyStopping::report`](crate::fidelity::EarlyStopping::report) refuses.
    pub fn report(
        &mut self,
        architecture: &Architecture,
        step: u32,
        score: f64,
    ) -> Result<Decision, SearchError> {
        let reason = "the study was set up without a scheduler";
        let scheduler = self.scheduler.as_mut();
        let scheduler = scheduler.ok_or_else(|| SearchError::BadReport { step, reason: reason.into() })?;
        scheduler.report(architecture, step, score)
    }

    /// Has an architecture trained, under the study's scheduler if it has one. The trial is still to be told.
    ///
    /// # Errors
    /// Of the trainer, and as [`Study::report`].
    pub fn try_out(
        &mut self,
        trainer: &mut dyn Trainer,
        architecture: &Architecture,
        budget: &Budget,
    ) -> Result<Trial, SearchError> {
        let history = Arc::clone(&self.history);
        if self.scheduler.is_none() {
            return Ok(trainer.train(history.space(), architecture, budget)?);
        }
        let mut fault = None;
        let mut watch = |step, score| self.judge(architecture, step, score, &mut fault);
        let trial = trainer.train_watched(history.space(), architecture, budget, &mut watch)?;
        fault.map_or(Ok(trial), Err)
    }

    /// As [`Study::report`]; an error stops the trial and is left in `fault`.
    pub(crate) fn judge(
        &mut self,
        architecture: &Architecture,
        step: u32,
        score: f64,
        fault: &mut Option<SearchError>,
    ) -> Decision {
        self.report(architecture, step, score).unwrap_or_else(|error| {
            let stop = Decision::Stop { why: error.to_string() };
            *fault = Some(error);
            stop
        })
    }

    /// Takes in finished trials: into the base and into the strategy, all or none. A trial told twice counts once.
    /// Validation scores in the task's metric teach the strategy, of a pruned trial what it would have reached, though
    /// never more than the best complete one did; trials of other splits are only kept.
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
        let known: HashSet<_> = self.trials.iter().map(Trial::id).collect();
        let mut taken = 0;
        for trial in trials {
            if !known.contains(&trial.id()) {
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
        self.commit(std::slice::from_ref(&trial))?;
        self.end(&trial)
    }

    /// Notes that a proposal is being trained.
    pub(crate) fn begin(&mut self, proposal: &Proposal) -> Result<(), SearchError> {
        let is_noted = self.under_way.architectures().contains(&proposal.architecture);
        if self.kept && !is_noted { self.under_way.begin(&proposal.architecture) } else { Ok(()) }
    }

    /// Notes that a trial is no longer under way.
    pub(crate) fn end(&mut self, trial: &Trial) -> Result<(), SearchError> {
        let space = self.history.space();
        let found = space.normalise(&trial.architecture).ok();
        self.under_way.end(|other| space.normalise(other).ok() == found)
    }

    fn is_trial_of(&self, trial: &Trial, architecture: &Architecture) -> bool {
        let space = self.history.space();
        space.normalise(&trial.architecture).ok() == space.normalise(architecture).ok()
    }

    fn commit(&self, trials: &[Trial]) -> Result<(), SearchError> {
        if self.kept {
            let (spaces, trials) = (vec![self.history.space().clone()], trials.to_vec());
            self.store.commit(&heirloom_kb::Batch { spaces, trials, ..Default::default() })?;
        }
        Ok(())
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
    fn teaches(&self, trial: &Trial) -> bool {
        trial.split == Split::Validation && trial.metric == self.task.metric
    }

    /// What a trial teaches, higher is better; nothing is what a failed one teaches. The scheduler hears of it too.
    fn lesson(&mut self, trial: &Trial) -> Option<f64> {
        if !self.teaches(trial) {
            return None;
        }
        let number = self.scheduler.as_mut().map(|scheduler| scheduler.end(trial));
        let goal = self.task.goal;
        let higher = |score: f64| goal.higher_is_better(score);
        match trial.status {
            Status::Complete => trial.score.map(higher),
            Status::Failed => None,
            Status::Pruned => {
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

    fn tell_strategy(&mut self, trial: &Trial, lesson: Option<f64>) -> Result<(), SearchError> {
        if !self.teaches(trial) {
            return Ok(());
        }
        let device = trial.extra.get(DEVICE_FIELD).and_then(Json::as_str);
        let elsewhere =
            device.is_some() && self.setup.device.is_some() && device != self.setup.device.as_deref();
        if trial.status == Status::Complete && !elsewhere {
            self.strategy.tell_costs(&trial.architecture, &trial.costs)?;
        }
        self.strategy.tell(&trial.architecture, lesson)
    }
}

/// What is known of a study's candidates before any is trained, and how far it is to be trusted.
fn opinion(
    store: &dyn KnowledgeStore,
    setup: &StudySetup,
    history: &SpaceHistory,
) -> Result<Option<Opinion>, SearchError> {
    let Some(prior) = &setup.prior else {
        if setup.strategy.needs_prior() {
            let reason = "the strategy \"ranked\" needs some to go by".into();
            return Err(SearchError::BadPrior { by: "none".into(), reason });
        }
        return Ok(None);
    };
    let candidates = history.canonical(setup.candidates.as_deref().unwrap_or_default())?;
    let opinion = prior.of_candidates(&candidates, history.table().encoder())?;
    let mut exclude = setup.history.exclude_tasks.clone();
    exclude.push(setup.task.clone());
    Ok(Some(opinion.judged(store, &setup.space, &exclude)?))
}

/// Whether a trial was told to this study.
fn is_of(trial: &Trial, study: &str) -> bool {
    trial.extra.get(STUDY_FIELD).and_then(Json::as_str) == Some(study)
}
