//! `heirloom status`

use std::collections::BTreeMap;

use heirloom_kb::{Name, Split, Stats};
use heirloom_search::StudySummary;
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{Output, bold, counted, table};
use super::resumption::joint_ids;
use super::task_trials::{self, TaskTrials};

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// List the trials of this task with their ids, the best of each space first.
    #[arg(long)]
    task: Option<Name>,
    /// So many of each space and split.
    #[arg(long, default_value_t = 20, requires = "task")]
    top: usize,
}

/// What the base holds.
#[derive(Serialize)]
struct Status {
    base: String,
    trials: u64,
    tasks: usize,
    spaces: usize,
    /// Trials by task and space.
    groups: Vec<GroupRow>,
    studies: Vec<StudySummary>,
    /// The ids of joint searches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    joint_searches: Vec<String>,
}

#[derive(Serialize)]
struct GroupRow {
    task: Name,
    space: Name,
    #[serde(flatten)]
    by_split: BTreeMap<Split, u64>,
}

pub(super) fn run(base: &BaseArgs, args: &StatusArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open_to_read()?;
    if let Some(task) = &args.task {
        let weights = base.weights()?;
        let answer = TaskTrials::of(&*store, weights.as_ref(), task, args.top)?;
        out.answer(&answer, task_trials::describe)?;
        return Ok(());
    }
    let stats = store.stats()?;
    let status = Status {
        base: base.url()?,
        trials: stats.trials(),
        tasks: store.tasks()?.len(),
        spaces: store.spaces()?.len(),
        groups: groups(&stats),
        studies: StudySummary::all(&*store)?,
        joint_searches: joint_ids(&*store)?,
    };
    out.answer(&status, describe)?;
    Ok(())
}

fn groups(stats: &Stats) -> Vec<GroupRow> {
    let mut rows: BTreeMap<(Name, Name), BTreeMap<Split, u64>> = BTreeMap::new();
    for group in &stats.groups {
        let key = (group.task.clone(), group.space.clone());
        rows.entry(key).or_default().insert(group.split, group.trials);
    }
    rows.into_iter().map(|((task, space), by_split)| GroupRow { task, space, by_split }).collect()
}

fn describe(status: &Status) -> String {
    let head = format!(
        "{}: {}, {}, {}",
        bold(&status.base),
        counted(status.trials as usize, "trial"),
        counted(status.tasks, "task"),
        counted(status.spaces, "space")
    );
    if status.groups.is_empty() {
        return format!("{head}\nimport a history: heirloom import FILE");
    }
    let mut rows = table(&["task", "space", "train", "validation", "test"]);
    for group in &status.groups {
        let count = |split| group.by_split.get(&split).copied().unwrap_or(0).to_string();
        let counts = [Split::Train, Split::Validation, Split::Test].map(count);
        rows.add_row([group.task.to_string(), group.space.to_string()].into_iter().chain(counts));
    }
    let mut lines = vec![head, rows.to_string()];
    if !status.studies.is_empty() {
        let mut rows = table(&["study", "task", "space", "trials"]);
        for study in &status.studies {
            let StudySummary { id, task, space, trials } = study;
            rows.add_row([id.clone(), task.to_string(), space.to_string(), trials.to_string()]);
        }
        lines.extend([String::new(), rows.to_string()]);
    }
    if !status.joint_searches.is_empty() {
        lines.extend([String::new(), format!("joint searches: {}", status.joint_searches.join(", "))]);
    }
    lines.join("\n")
}
