//! `Study`: one search on one task.

use std::collections::HashSet;
use std::sync::Arc;

use heirloom_kb::{
    Architecture, Document, DocumentKind, Json, KnowledgeStore, Name, Split, Status, Task, Trial, TrialQuery,
};
use serde::{Deserialize, Serialize};

use crate::goals::{GoalTarget, Goals};
use crate::objectives::{Constraints, Objectives};
use crate::own_trials::OwnTrials;
use crate::space_history::SpaceHistory;
use crate::strategies::{Proposal, Strategy, StrategyKind};
use crate::{Recommender, SearchError};
use heirloom_predictor::DEVICE_FIELD;

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
    /// Who decides what is tried next.
    #[serde(default)]
    pub strategy: StrategyKind,
    /// The seed of all chance in the study.
    #[serde(default)]
    pub seed: u64,
    /// What of the past counts.
    #[serde(default)]
    pub history: HistoryChoice,
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
    trials: Vec<Trial>,
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
    /// [`SearchError::UnknownTask`], [`SearchError::UnknownSpace`], [`SearchError::BadCandidate`].
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
        for trial in
            trials.into_iter().filter(|trial| trial.extra.get(STUDY_FIELD).and_then(Json::as_str) == Some(id))
        {
            if !study.knew_own_trials {
                study.tell_strategy(&trial)?;
            }
            study.trials.push(trial);
        }
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
        let mut notes = Vec::new();
        let own = OwnTrials::of_task(&history, &task.id, exclude, &pool, &mut notes);
        let knew_own_trials = !own.is_empty();
        let mut strategy = setup.strategy.start(&history, past, Arc::clone(&pool), own, setup.seed)?;
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
        Ok(Study {
            id,
            setup,
            task,
            history,
            store,
            strategy,
            trials: Vec::new(),
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

    /// Proposes up to `n` architectures to try.
    ///
    /// # Errors
    /// As [`Strategy::ask`].
    pub fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        self.strategy.ask(n)
    }

    /// Takes in finished trials: into the base and into the strategy, all or none. A trial told twice counts once.
    /// Validation scores in the task's metric teach the strategy; trials of other splits are only kept.
    ///
    /// # Errors
    /// [`SearchError::BadTrial`] for one of another task, space or validation metric; [`SearchError::Store`] for one
    /// that does not fit its space.
    pub fn tell(&mut self, trials: Vec<Trial>) -> Result<usize, SearchError> {
        let trials = trials.into_iter().enumerate().map(|(index, trial)| self.check(index, trial));
        let trials: Vec<Trial> = trials.collect::<Result<_, _>>()?;
        let known: HashSet<_> = self.trials.iter().map(Trial::id).collect();
        let batch = heirloom_kb::Batch {
            spaces: vec![self.history.space().clone()],
            trials: trials.clone(),
            ..Default::default()
        };
        if self.kept {
            self.store.commit(&batch)?;
        }
        let mut taken = 0;
        for trial in trials {
            if !known.contains(&trial.id()) {
                self.tell_strategy(&trial)?;
                self.trials.push(trial);
                taken += 1;
            }
        }
        Ok(taken)
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
        trial.normalise(self.history.space()).map_err(|source| bad(source.to_string()))
    }

    fn tell_strategy(&mut self, trial: &Trial) -> Result<(), SearchError> {
        let wanted = trial.split == Split::Validation
            && trial.metric == self.task.metric
            && trial.status != Status::Pruned;
        if !wanted {
            return Ok(());
        }
        let score = trial.score.filter(|_| trial.status == Status::Complete);
        let device = trial.extra.get(DEVICE_FIELD).and_then(Json::as_str);
        let elsewhere =
            device.is_some() && self.setup.device.is_some() && device != self.setup.device.as_deref();
        if score.is_some() && !elsewhere {
            self.strategy.tell_costs(&trial.architecture, &trial.costs)?;
        }
        self.strategy.tell(&trial.architecture, score.map(|score| self.task.goal.higher_is_better(score)))
    }
}
