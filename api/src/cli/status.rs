//! `heirloom status`

use std::collections::BTreeMap;

use heirloom_kb::{Name, Split, Stats};
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{Output, bold, table};

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {}

/// What the base holds.
#[derive(Serialize)]
struct Status {
    base: String,
    trials: u64,
    tasks: usize,
    spaces: usize,
    /// Trials by task and space.
    groups: Vec<GroupRow>,
}

#[derive(Serialize)]
struct GroupRow {
    task: Name,
    space: Name,
    #[serde(flatten)]
    by_split: BTreeMap<Split, u64>,
}

pub(super) fn run(base: &BaseArgs, _args: &StatusArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open_existing()?;
    let stats = store.stats()?;
    let status = Status {
        base: base.url()?,
        trials: stats.trials(),
        tasks: store.tasks()?.len(),
        spaces: store.spaces()?.len(),
        groups: groups(&stats),
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
        "{}: {} trials, {} tasks, {} spaces",
        bold(&status.base),
        status.trials,
        status.tasks,
        status.spaces
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
    format!("{head}\n{rows}")
}
