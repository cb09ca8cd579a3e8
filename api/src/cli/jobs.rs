//! How many trials a study trains at once, and who trains them.

use std::process::Command;

use anyhow::Context;
use heirloom_datasets::DataSummary;
use heirloom_kb::{KnowledgeStore, Name, SearchSpace, Task};
use heirloom_search::train::{Budget, EpochReport, Trainer, WorkerPool};
use heirloom_search::{Proposal, SearchError, Study};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use super::base::BaseArgs;
use super::progress::epoch_words;
use super::train_worker::{self, WorkerSetup};
use super::trainer::{TrainerArgs, summary};

/// How many trials are trained at once.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct JobArgs {
    /// Train so many architectures side by side, each in a process of its own; the cores are shared out. Up to twice as
    /// many are proposed before their results are known, so a study depends on this number, though not on which process is
    /// quicker.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "table")]
    jobs: u32,
}

/// Who tries proposals out.
pub(super) enum TrialRunner {
    /// This process, one after the other.
    Here(Box<dyn Trainer>),
    /// Processes of their own, side by side, on a task.
    SideBySide(Box<WorkerPool>, Box<Task>),
}

/// What is to be known of data that were read.
pub(super) struct ReadData {
    pub(super) summary: DataSummary,
    pub(super) notes: Vec<String>,
}

impl JobArgs {
    /// Who trains on a task's data, showing its epochs on a bar, for at most `left` trials; and what is to be known of the
    /// data.
    pub(super) fn runner(
        &self,
        base: &BaseArgs,
        store: &dyn KnowledgeStore,
        (task, space): (&Name, &SearchSpace),
        args: &TrainerArgs,
        (bar, left): (&ProgressBar, usize),
    ) -> anyhow::Result<(TrialRunner, ReadData)> {
        let dataset = args.dataset(task)?;
        args.check_networks(space, &dataset)?;
        let read = ReadData { summary: summary(&dataset), notes: dataset.notes().to_vec() };
        let mut parts = args.parts(base, store, task, &dataset)?;
        if self.jobs == 1 {
            return Ok((TrialRunner::Here(args.trainer(dataset, parts, bar)?), read));
        }
        let jobs = self.jobs as usize;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shares = Shares::of(jobs, left, cores);
        parts.cores = Some(shares.cores);
        let setup = WorkerSetup { task: task.clone(), args: args.clone(), parts };
        // A path that is no Unicode cannot be handed over.
        let setup =
            serde_json::to_value(setup).context("the settings cannot be given to worker processes")?;
        let workers = shares.workers;
        let pool = WorkerPool::start(workers, worker_command()?, setup, shown_on(bar, workers))?;
        Ok((TrialRunner::SideBySide(Box::new(pool), Box::new(dataset.task())), read))
    }
}

/// How many workers there are, and how many cores each may use.
#[derive(Debug, PartialEq)]
struct Shares {
    workers: usize,
    cores: usize,
}

impl Shares {
    /// For so many workers as were asked for, trials that are left and cores of the machine.
    ///
    /// More workers than trials would have nothing to do. The cores are shared out among as many as were asked for all the same,
    /// for how many threads a trial has is part of its result.
    fn of(jobs: usize, left: usize, cores: usize) -> Self {
        Shares { workers: jobs.min(left).max(1), cores: (cores / jobs.max(1)).max(1) }
    }
}

/// This program as a worker, as talkative as it is itself.
fn worker_command() -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("cannot find this program, to start workers of it")?;
    let mut command = Command::new(program);
    command.arg(train_worker::VERB);
    if LevelFilter::current() >= LevelFilter::INFO {
        command.arg("--verbose");
    }
    Ok(command)
}

/// Counts the epochs of all workers on one bar, which says how each worker's last one went.
fn shown_on(bar: &ProgressBar, workers: usize) -> Box<dyn FnMut(usize, EpochReport) + Send> {
    let bar = bar.clone();
    let mut words = vec!["-".to_owned(); workers];
    Box::new(move |worker, report| {
        words[worker] = epoch_words(&report);
        bar.inc(1);
        bar.set_message(words.join(" | "));
    })
}

impl TrialRunner {
    /// The task whose data it has.
    pub(super) fn task(&self) -> &Task {
        match self {
            TrialRunner::Here(trainer) => trainer.task(),
            TrialRunner::SideBySide(_, task) => task,
        }
    }

    /// Asks a study for up to `n` architectures, tries them out and tells their trials; gives what was proposed.
    pub(super) fn run(
        &mut self,
        study: &mut Study,
        n: usize,
        budget: &Budget,
    ) -> Result<Vec<Proposal>, SearchError> {
        let trainer = match self {
            TrialRunner::Here(trainer) => trainer,
            TrialRunner::SideBySide(pool, _) => return study.try_side_by_side(pool, n, budget),
        };
        let mut proposals = Vec::new();
        while proposals.len() < n {
            for proposal in study.ask(1)? {
                let trial = study.try_out(trainer.as_mut(), &proposal.architecture, budget)?;
                study.tell(vec![trial])?;
                proposals.push(proposal);
            }
        }
        Ok(proposals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_worker_is_idle_and_each_has_a_core() {
        let shares = |jobs, left, cores| {
            let Shares { workers, cores } = Shares::of(jobs, left, cores);
            (workers, cores)
        };
        assert_eq!(shares(4, 100, 16), (4, 4));
        // Fewer trials than were asked for at once: as many workers, each with the cores that it would have had.
        assert_eq!(shares(4, 3, 16), (3, 4));
        assert_eq!(shares(4, 1, 16), (1, 4));
        assert_eq!(shares(3, 3, 16), (3, 5));
        // More than there are cores: they share them, as was asked for.
        assert_eq!(shares(8, 100, 2), (8, 1));
        assert_eq!(shares(8, 5, 2), (5, 1));
        // A study with nothing left to train still knows its task from one.
        assert_eq!(shares(4, 0, 16), (1, 4));
    }
}
