//! `Study`: one search on one task.

mod starting;
mod taking_up;
mod telling;
mod withdrawing;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use heirloom_kb::{Architecture, Document, DocumentKind, KnowledgeStore, Task, Trial};

use crate::fidelity::{Decision, StudyScheduler};
use crate::goals::GoalTarget;
use crate::prior_scores::Opinion;
use crate::space_history::SpaceHistory;
use crate::strategies::{Proposal, Strategy};
use crate::study_setup::StudySetup;
use crate::train::{Budget, Trainer};
use crate::under_way::UnderWay;
use crate::{Recommender, SearchError, spaces};

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
        let taken: HashSet<String> = StudySetup::ids(&**store)?.into_iter().collect();
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
}
