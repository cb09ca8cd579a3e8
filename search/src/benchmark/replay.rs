//! One method on one task.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use heirloom_kb::{Architecture, Status, Task, Trial};
use heirloom_predictor::{Acquisition, gaussian_ranks};

use super::{CHECKPOINTS, SharedPool, canonical_key};
use crate::own_trials::OwnTrials;
use crate::space_history::SpaceHistory;
use crate::{Proposal, SearchError, StrategyKind};

/// Standard deviations to either side of an interval of 68 %, and of one of 95 %.
const HALF_WIDTHS: [f64; 2] = [1.0, 1.96];

/// Who proposes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) kind: StrategyKind,
    pub(super) acquisition: Option<Acquisition>,
}

/// The answer book of a task: what every architecture that it has measured scores.
pub(super) struct Answers {
    task: Task,
    architectures: Vec<Architecture>,
    /// By canonical key: validation score, higher is better.
    validation: HashMap<Vec<u64>, f64>,
    /// By canonical key: test score as it was measured.
    test: HashMap<Vec<u64>, f64>,
    /// Validation scores, ascending.
    sorted: Vec<f64>,
    /// The same on the normalised scale.
    normalised: Vec<f64>,
}

/// A method after so many trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Checkpoint {
    pub(super) regret: f64,
    pub(super) percentile: f64,
    /// The shares of the proposals so far whose intervals of 68 % and of 95 % held what they scored; absent for who expects nothing.
    pub(super) covered: Option<[f64; 2]>,
    pub(super) test_score: Option<f64>,
    /// Seconds that the last proposal took.
    pub(super) ask_s: f64,
}

impl Answers {
    pub(super) fn new(task: &Task, validation: &[Trial], test: &[Trial], history: &SpaceHistory) -> Self {
        let of_task = |trial: &&Trial| {
            trial.task == task.id && trial.metric == task.metric && trial.status == Status::Complete
        };
        let mut book = Answers {
            task: task.clone(),
            architectures: Vec::new(),
            validation: HashMap::new(),
            test: HashMap::new(),
            sorted: Vec::new(),
            normalised: Vec::new(),
        };
        for trial in validation.iter().filter(of_task) {
            let Some(score) = trial.score else { continue };
            let key = canonical_key(history, &trial.architecture);
            if book.validation.insert(key, task.goal.higher_is_better(score)).is_none() {
                book.architectures.push(trial.architecture.clone());
            }
        }
        for trial in test.iter().filter(of_task) {
            let key = canonical_key(history, &trial.architecture);
            book.test.extend(trial.score.map(|score| (key, score)));
        }
        book.sorted = book.validation.values().copied().collect();
        book.sorted.sort_by(f64::total_cmp);
        book.normalised = gaussian_ranks(&book.sorted.iter().copied().map(Some).collect::<Vec<_>>());
        book
    }

    /// What may be proposed.
    pub(super) fn architectures(&self) -> &[Architecture] {
        &self.architectures
    }

    /// `(best - score) / (best - median)` over all architectures; 0 where all score alike.
    fn regret(&self, score: f64) -> f64 {
        let n = self.sorted.len();
        let (best, median) = (self.sorted[n - 1], self.sorted[n / 2]);
        if best > median { (best - score) / (best - median) } else { 0.0 }
    }

    /// The share of architectures that a score is at least as good as.
    fn percentile(&self, score: f64) -> f64 {
        self.sorted.partition_point(|other| *other <= score) as f64 / self.sorted.len() as f64
    }

    /// Which of a proposal's intervals hold what it scored, on the normalised scale.
    fn holds(&self, proposal: &Proposal, score: f64) -> Option<[bool; 2]> {
        let z = self.normalised[self.sorted.partition_point(|other| *other < score)];
        let (off, std) = ((z - proposal.mean?).abs(), proposal.std?);
        Some(HALF_WIDTHS.map(|width| off <= width * std))
    }
}

/// The state of a method at each checkpoint that `trials` reaches.
pub(super) fn replay(
    method: Method,
    history: &Arc<SpaceHistory>,
    past: Vec<usize>,
    pool: &SharedPool,
    answers: &Answers,
    trials: usize,
    seed: u64,
) -> Result<Vec<Checkpoint>, SearchError> {
    let mut strategy =
        method.kind.start(history, &answers.task, past, Arc::clone(pool), OwnTrials::default(), seed)?;
    if let Some(acquisition) = method.acquisition {
        strategy.acquire(acquisition)?;
    }
    let mut best: Option<(f64, Vec<u64>)> = None;
    let mut curve = Vec::new();
    let mut held = Some([0_usize; 2]);
    for trial in 1..=trials.min(pool.architectures.len()) {
        let start = Instant::now();
        let proposal = strategy.ask(1)?.remove(0);
        let ask_s = start.elapsed().as_secs_f64();
        let key = canonical_key(history, &proposal.architecture);
        let score = answers.validation[&key];
        held = held.and_then(|[one, two]| {
            let [in_one, in_two] = answers.holds(&proposal, score)?;
            Some([one + usize::from(in_one), two + usize::from(in_two)])
        });
        strategy.tell(&proposal.architecture, Some(score))?;
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, key));
        }
        if let (true, Some((score, key))) = (CHECKPOINTS.contains(&trial), &best) {
            curve.push(Checkpoint {
                regret: answers.regret(*score),
                percentile: answers.percentile(*score),
                covered: held.map(|held| held.map(|held| held as f64 / trial as f64)),
                test_score: answers.test.get(key).copied(),
                ask_s,
            });
        }
    }
    Ok(curve)
}
