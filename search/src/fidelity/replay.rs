//! What early stopping saves: studies replayed over measured learning curves.

use std::sync::Arc;

use heirloom_kb::{KnowledgeStore, Name, Split, Status, Task, Trial, TrialQuery};
use serde::Serialize;

use super::{SchedulerKind, SchedulerSetup};
use crate::benchmark::{BenchmarkProgress, half_width};
use crate::space_history::find_space;
use crate::train::{Budget, TableTrainer};
use crate::{Constraints, HistoryChoice, Recommender, SearchError, StrategyKind, Study, StudySetup};

/// Budgets at which regret is reported, in whole trainings.
pub const BUDGETS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// What to measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchedulerBenchmark {
    /// The space whose curves are replayed.
    pub space: Name,
    /// Who proposes the trials.
    pub strategy: StrategyKind,
    /// The rules, side by side; nothing is stopped where there is none.
    pub schedulers: Vec<Option<SchedulerKind>>,
    /// How often everything is repeated, with other chance in the proposals.
    pub seeds: u64,
    /// Trials of the comparison at equal numbers of trials.
    pub trials: usize,
    /// Epochs that every trial gets.
    pub min_epochs: u32,
    /// The reduction factor, for the rules that have one.
    pub eta: Option<u32>,
    /// The tasks that are new in turn; empty, all that have curves.
    pub tasks: Vec<Name>,
}

/// What a benchmark of early stopping found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchedulerReport {
    /// What was measured.
    pub setup: SchedulerBenchmark,
    /// Tasks that were new in turn.
    pub tasks: Vec<Name>,
    /// One entry a rule, in the order of the setup.
    pub schedulers: Vec<SchedulerReplays>,
}

/// One rule over all seeds and tasks. Intervals are half the width of the 95 % interval by Student's t.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchedulerReplays {
    /// The rule; absent where nothing was stopped.
    pub scheduler: Option<SchedulerKind>,
    /// Epochs spent on the setup's number of trials, as a share of what whole trainings take.
    pub epochs_share: f64,
    /// Its interval.
    pub epochs_half_width: f64,
    /// Regret after that number of trials: `(best - best found) / (best - median)` of the final scores in the table.
    pub regret: f64,
    /// Its interval.
    pub regret_half_width: f64,
    /// Regret less that of the first rule of the setup in the same replay.
    pub regret_added: f64,
    /// Its interval.
    pub regret_added_half_width: f64,
    /// The share of these trials that was stopped.
    pub stopped: f64,
    /// The share of replays in which the best of the proposed trials was stopped.
    pub best_lost: f64,
    /// Mean regret after epochs worth each of [`BUDGETS`] whole trainings, as far as the setup's number of trials,
    /// however many trials that makes. A study that has tried every architecture before stays where it is.
    pub by_budget: Vec<f64>,
    /// Epochs after which the mean regret is as low as the first rule's on the setup's number of trials, as a share of what
    /// these take when trained whole, to the nearest whole training above; absent when it is never as low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equal_regret_share: Option<f64>,
}

/// One study.
#[derive(Clone, Default)]
struct Replay {
    epochs: f64,
    regret: f64,
    stopped: f64,
    best_lost: bool,
    /// Regret after epochs worth 1, 2, 3, … whole trainings.
    by_budget: Vec<f64>,
}

/// Replays every task with curves as if it were new, under each rule: the history is that of the other tasks, and the
/// strategy proposes architectures that the task has measured. Under a rule, a study goes on until it has spent what the
/// setup's number of whole trainings takes, or the architectures run out.
///
/// # Errors
/// [`SearchError::NothingToPropose`] when no task has curves in the space, [`SearchError::UnknownTask`],
/// [`SearchError::BadScheduler`], and of the study.
pub fn replay_schedulers(
    store: &Arc<dyn KnowledgeStore>,
    setup: &SchedulerBenchmark,
    progress: &mut dyn FnMut(BenchmarkProgress),
) -> Result<SchedulerReport, SearchError> {
    let tables = tables(&**store, setup)?;
    let recommender = Recommender::new(Arc::clone(store));
    let mut replays = vec![Vec::new(); setup.schedulers.len()];
    let of = replays.len() * tables.len() * setup.seeds as usize;
    let mut done = 0;
    for table in &tables {
        for seed in 0..setup.seeds {
            for (scheduler, replays) in setup.schedulers.iter().zip(&mut replays) {
                replays.push(table.replay(&recommender, setup, *scheduler, seed)?);
                done += 1;
                progress(BenchmarkProgress { done, of });
            }
        }
    }
    let summary = |(scheduler, of_rule): (&Option<SchedulerKind>, &Vec<Replay>)| {
        summarise(*scheduler, of_rule, &replays[0])
    };
    Ok(SchedulerReport {
        setup: setup.clone(),
        tasks: tables.iter().map(|table| table.task.id.clone()).collect(),
        schedulers: setup.schedulers.iter().zip(&replays).map(summary).collect(),
    })
}

/// The trials of one task that have curves, all equally long.
struct Table {
    task: Task,
    trials: Vec<Trial>,
    full: u32,
    /// Final scores, higher is better, ascending.
    scores: Vec<f64>,
}

fn tables(store: &dyn KnowledgeStore, setup: &SchedulerBenchmark) -> Result<Vec<Table>, SearchError> {
    find_space(store, &setup.space)?;
    let all = store.trials(&TrialQuery::space(setup.space.clone(), Split::Validation))?.trials;
    let mut tables: Vec<Table> =
        store.tasks()?.into_iter().filter_map(|task| Table::of(task, &all)).collect();
    let known: Vec<Name> = tables.iter().map(|table| table.task.id.clone()).collect();
    if let Some(unknown) = setup.tasks.iter().find(|task| !known.contains(task)) {
        return Err(SearchError::UnknownTask { task: unknown.clone(), known });
    }
    if tables.is_empty() {
        let reason = format!("no task has trials with learning curves in {}", setup.space);
        return Err(SearchError::NothingToPropose { reason });
    }
    tables.retain(|table| setup.tasks.is_empty() || setup.tasks.contains(&table.task.id));
    Ok(tables)
}

impl Table {
    fn of(task: Task, all: &[Trial]) -> Option<Table> {
        let counts = |trial: &&Trial| {
            let kept = trial.task == task.id && trial.metric == task.metric;
            kept && trial.status == Status::Complete && trial.score.is_some() && trial.curve.len() > 1
        };
        let end = |trial: &Trial| trial.curve.last().map_or(0, |(step, _)| *step as u32);
        let full = all.iter().filter(counts).map(end).max().filter(|full| *full > 1)?;
        let trials: Vec<Trial> =
            all.iter().filter(counts).filter(|trial| end(trial) == full).cloned().collect();
        let higher = |score: f64| task.goal.higher_is_better(score);
        let mut scores: Vec<f64> = trials.iter().filter_map(|trial| trial.score).map(higher).collect();
        scores.sort_by(f64::total_cmp);
        Some(Table { task, trials, full, scores })
    }

    fn regret(&self, best: Option<f64>) -> f64 {
        let n = self.scores.len();
        let (top, median) = (self.scores[n - 1], self.scores[n / 2]);
        if top > median { (top - best.unwrap_or(self.scores[0])) / (top - median) } else { 0.0 }
    }

    fn replay(
        &self,
        recommender: &Recommender,
        setup: &SchedulerBenchmark,
        scheduler: Option<SchedulerKind>,
        seed: u64,
    ) -> Result<Replay, SearchError> {
        let study = StudySetup {
            task: self.task.id.clone(),
            space: setup.space.clone(),
            candidates: Some(self.trials.iter().map(|trial| trial.architecture.clone()).collect()),
            prior: None,
            strategy: setup.strategy,
            acquisition: None,
            seed,
            history: HistoryChoice { exclude_tasks: vec![self.task.id.clone()] },
            scheduler: scheduler.map(|kind| SchedulerSetup {
                kind,
                max_epochs: self.full,
                min_epochs: setup.min_epochs,
                eta: setup.eta.filter(|_| kind != SchedulerKind::OneEpoch),
            }),
            constraints: Constraints::new(),
            pareto: Vec::new(),
            per: None,
            device: None,
        };
        let mut study = Study::rehearse(recommender, study)?;
        let space = study.history().space().clone();
        let mut trainer = TableTrainer::new(self.task.clone(), &space, self.trials.clone());
        let mut finals = TableTrainer::new(self.task.clone(), &space, self.trials.clone());
        let budget = Budget::new(self.full, seed, Split::Validation);
        let mut run = Run::default();
        let whole = f64::from(self.full);
        while run.tried < setup.trials || run.spent < setup.trials as f64 * whole {
            let Ok(mut proposals) = study.ask(1) else { break };
            let architecture = proposals.remove(0).architecture;
            let trial = study.try_out(&mut trainer, &architecture, &budget)?;
            let end = crate::train::Trainer::train(&mut finals, &space, &architecture, &budget)?;
            run.take(&self.task, &trial, &end, whole);
            study.tell(vec![trial])?;
            if run.tried == setup.trials {
                run.summary = Some(run.so_far(self));
            }
            for budget in run.by_budget.len() + 1..=setup.trials {
                let next = budget as f64 * whole;
                if run.spent < next {
                    break;
                }
                // What ends beyond the budget is not found within it.
                run.by_budget.push(self.regret(if run.spent > next { run.before } else { run.best }));
            }
        }
        let mut replay = run.summary.clone().unwrap_or_else(|| run.so_far(self));
        replay.by_budget = run.by_budget.clone();
        replay.by_budget.resize(setup.trials, self.regret(run.best));
        Ok(replay)
    }
}

/// A study on its way.
#[derive(Default)]
struct Run {
    tried: usize,
    spent: f64,
    stopped: usize,
    /// Best complete score, higher is better, and what it was before the last trial.
    best: Option<f64>,
    before: Option<f64>,
    /// Best final score of the proposed, whether they were stopped or not.
    proposed: Option<f64>,
    by_budget: Vec<f64>,
    summary: Option<Replay>,
}

impl Run {
    fn take(&mut self, task: &Task, trial: &Trial, end: &Trial, whole: f64) {
        let higher = |trial: &Trial| trial.score.map(|score| task.goal.higher_is_better(score));
        self.tried += 1;
        self.spent += trial.fidelity.get("epochs").copied().unwrap_or(whole).min(whole);
        self.before = self.best;
        match trial.status {
            Status::Pruned => self.stopped += 1,
            _ => self.best = most(self.best, higher(trial)),
        }
        self.proposed = most(self.proposed, higher(end));
    }

    fn so_far(&self, table: &Table) -> Replay {
        let tried = self.tried.max(1) as f64;
        Replay {
            epochs: self.spent / (tried * f64::from(table.full)),
            regret: table.regret(self.best),
            stopped: self.stopped as f64 / tried,
            best_lost: self.best < self.proposed,
            by_budget: Vec::new(),
        }
    }
}

fn most(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

fn summarise(scheduler: Option<SchedulerKind>, replays: &[Replay], first: &[Replay]) -> SchedulerReplays {
    let n = replays.len().max(1) as f64;
    let over = |of: &dyn Fn(&Replay) -> f64| -> (f64, f64) {
        let values: Vec<f64> = replays.iter().map(of).collect();
        (values.iter().sum::<f64>() / n, half_width(&values))
    };
    let added: Vec<f64> =
        replays.iter().zip(first).map(|(replay, first)| replay.regret - first.regret).collect();
    let (epochs_share, epochs_half_width) = over(&|replay| replay.epochs);
    let (regret, regret_half_width) = over(&|replay| replay.regret);
    let budgets = first.first().map_or(0, |replay| replay.by_budget.len());
    let means: Vec<f64> = (0..budgets).map(|at| over(&|replay| replay.by_budget[at]).0).collect();
    let wanted = first.iter().map(|replay| replay.regret).sum::<f64>() / n;
    // Sums in another order differ in their last digits.
    let equal = means.iter().position(|regret| *regret <= wanted + 1e-9);
    let reported = BUDGETS.iter().map_while(|budget| means.get(*budget as usize - 1).copied());
    SchedulerReplays {
        scheduler,
        epochs_share,
        epochs_half_width,
        regret,
        regret_half_width,
        regret_added: added.iter().sum::<f64>() / n,
        regret_added_half_width: half_width(&added),
        stopped: over(&|replay| replay.stopped).0,
        best_lost: over(&|replay| f64::from(u8::from(replay.best_lost))).0,
        by_budget: reported.collect(),
        equal_regret_share: equal.map(|at| (at + 1) as f64 / budgets as f64),
    }
}
