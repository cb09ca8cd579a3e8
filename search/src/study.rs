//! `Study`: one search on one task.

mod taking_up;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use heirloom_kb::{Architecture, Document, DocumentKind, Json, KnowledgeStore, Split, Status, Task, Trial};

use crate::before_study::{STUDY_FIELD, is_of_study};
use crate::fidelity::{Decision, SchedulerSetup, StudyScheduler};
use crate::goals::{GoalTarget, Goals};
use crate::looks::first_looks;
use crate::odd_cases::{notes_on_tasks, unmet_device};
use crate::own_trials::OwnTrials;
use crate::prior_scores::Opinion;
use crate::space_history::SpaceHistory;
use crate::strategies::{Proposal, Strategy};
use crate::study_setup::StudySetup;
use crate::train::{Budget, Trainer};
use crate::under_way::UnderWay;
use crate::{Recommender, SearchError, spaces};
use heirloom_predictor::DEVICE_FIELD;

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
    /// For whom costs are counted; absent where the score alone counts.
    target: Option<GoalTarget>,
    trials: Vec<Trial>,
    under_way: UnderWay,
    /// What was under way when the study was broken off, to be asked for first.
    waiting: VecDeque<Architecture>,
    notes: Vec<String>,
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
        // Beside set-ups there are lists and options, whose names go on after the study's id.
        let taken: HashSet<String> = store.document_names(DocumentKind::Study)?.into_iter().collect();
        let studies = taken.iter().filter(|name| !name.contains(' ')).count();
        let id = (studies + 1..).map(|n| format!("study-{n}")).find(|id| !taken.contains(id));
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
        let mut notes: Vec<String> = notes_on_tasks(&history, exclude);
        let own = OwnTrials::of_task(&history, &task.id, exclude, &pool, &mut notes);
        let opinion = setup.opinion(&**recommender.store(), &history)?;
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
        let objectives = setup.objectives();
        let mut target = None;
        if !objectives.is_score_alone() {
            let book = recommender.costs(&setup.space)?;
            let of_task = target.insert(GoalTarget::of(&history, &book, &task, &objectives, exclude));
            let goals = Goals::new(book, &objectives, of_task.clone(), &pool)?;
            notes.extend(goals.notes());
            strategy.aim(goals)?;
        } else if setup.device.is_some() {
            notes.extend(unmet_device(&objectives, &*recommender.costs(&setup.space)?));
        }
        let store = Arc::clone(recommender.store());
        let under_way = UnderWay::of(&store, &id)?;
        let scheduler = |setup: &SchedulerSetup| {
            let mut scheduler = StudyScheduler::start(setup, &*store, &history, &task, exclude)?;
            if !exclude.contains(&task.id) {
                scheduler.know(&*store, &task, |trial| is_of_study(trial, &id))?;
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
            target,
            trials: Vec::new(),
            under_way,
            waiting: VecDeque::new(),
            notes,
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

    /// What is being tried out and has no trial yet, or was when the study was broken off, in the order of asking: what is trained
    /// side by side, and what [`Study::propose`] has given.
    #[must_use]
    pub fn under_way(&self) -> &[Architecture] {
        self.under_way.architectures()
    }

    /// Whether it only looks up what is known already, see [`Study::rehearse`].
    #[must_use]
    pub fn is_rehearsal(&self) -> bool {
        !self.kept
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
        if self.waiting.is_empty() {
            return self.strategy.ask(n);
        }
        let again = |architecture| Proposal {
            architecture,
            mean: None,
            std: None,
            why: "was under way when the study was broken off".into(),
        };
        let mut proposals: Vec<Proposal> =
            self.waiting.drain(..n.min(self.waiting.len())).map(again).collect();
        if proposals.len() < n {
            match self.strategy.ask(n - proposals.len()) {
                Ok(more) => proposals.extend(more),
                Err(SearchError::NothingToPropose { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(proposals)
    }

    /// As [`Study::ask`], for those who try out elsewhere: the base knows the proposals as under way, so that whoever takes the
    /// study up later does not propose them to others.
    ///
    /// # Errors
    /// As [`Study::ask`], and of the store.
    pub fn propose(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let proposals = self.ask(n)?;
        if self.kept {
            self.under_way.begin(proposals.iter().map(|proposal| &proposal.architecture))?;
        }
        Ok(proposals)
    }

    /// Whether a trial keeps to the study's constraints, by the costs that it measured and those that are counted; a cost that is
    /// not known is not held against it.
    #[must_use]
    pub fn admits(&self, trial: &Trial) -> bool {
        let Some(target) = self.target.as_ref().filter(|_| !self.setup.constraints.is_empty()) else {
            return true;
        };
        let mut costs = target.counted_costs(&trial.architecture);
        if !self.is_elsewhere(trial) {
            costs.extend(trial.costs.iter().map(|(name, cost)| (name.clone(), *cost)));
        }
        self.setup.objectives().admit(&costs)
    }

    /// Whether an architecture is under way or has been told: an isomorph counts as itself.
    #[must_use]
    pub fn knows(&self, architecture: &Architecture) -> bool {
        let Some(key) = self.key(architecture) else { return false };
        let told = self.trials.iter().map(|trial| &trial.architecture);
        self.under_way().iter().chain(told).any(|known| self.key(known).as_ref() == Some(&key))
    }

    /// The key of an architecture's canonical form; nothing for one that does not fit the space.
    fn key(&self, architecture: &Architecture) -> Option<Vec<u64>> {
        let space = self.history.space();
        let normal = space.normalise(architecture).ok()?;
        Some(self.history.table().encoder().key(&spaces::canonical(space.id(), &normal)))
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

    /// Notes that trials are no longer under way.
    fn end(&mut self, trials: &[Trial]) -> Result<(), SearchError> {
        let ended: HashSet<_> = trials.iter().filter_map(|trial| self.key(&trial.architecture)).collect();
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

    /// Whether a trial names another device than the one that costs are meant on.
    fn is_elsewhere(&self, trial: &Trial) -> bool {
        let device = trial.extra.get(DEVICE_FIELD).and_then(Json::as_str);
        device.is_some() && self.setup.device.is_some() && device != self.setup.device.as_deref()
    }

    fn tell_strategy(&mut self, trial: &Trial, lesson: Option<f64>) -> Result<(), SearchError> {
        if !self.teaches(trial) {
            return Ok(());
        }
        if trial.status == Status::Complete && !self.is_elsewhere(trial) {
            self.strategy.tell_costs(&trial.architecture, &trial.costs)?;
        }
        self.strategy.tell(&trial.architecture, lesson)
    }
}
