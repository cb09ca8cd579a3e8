//! What the base knows of a task's architectures.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, KnowledgeStore, Name, Split, Status, Trial, TrialQuery};
use heirloom_search::train::Budget;

/// The complete validation trials of a task in a space.
fn complete(store: &dyn KnowledgeStore, task: &Name, space: &Name) -> anyhow::Result<Vec<Trial>> {
    let query = TrialQuery {
        space: Some(space.clone()),
        split: Some(Split::Validation),
        ..TrialQuery::task(task.clone())
    };
    let mut trials = store.trials(&query)?.trials;
    trials.retain(|trial| trial.status == Status::Complete && trial.score.is_some());
    Ok(trials)
}

fn epochs(trial: &Trial) -> f64 {
    trial.fidelity.get("epochs").copied().unwrap_or(0.0)
}

/// The share of the training data that a trial was fitted on.
fn data_fraction(trial: &Trial) -> f64 {
    trial.fidelity.get("data_fraction").copied().unwrap_or(1.0)
}

/// Those that were trained for longest, on all data: scores of different fidelities do not compare.
pub(super) fn longest(store: &dyn KnowledgeStore, task: &Name, space: &Name) -> anyhow::Result<Vec<Trial>> {
    let mut trials = complete(store, task, space)?;
    trials.retain(|trial| data_fraction(trial) >= 1.0);
    let most = trials.iter().map(epochs).fold(0.0, f64::max);
    trials.retain(|trial| epochs(trial) >= most);
    Ok(trials)
}

/// Those of a budget.
pub(super) fn of_budget(
    store: &dyn KnowledgeStore,
    task: &Name,
    space: &Name,
    budget: &Budget,
) -> anyhow::Result<Vec<Trial>> {
    let mut trials = complete(store, task, space)?;
    trials.retain(|trial| {
        let seed = trial.seed == Some(budget.seed);
        seed && epochs(trial) == f64::from(budget.epochs) && data_fraction(trial) == budget.data_fraction
    });
    Ok(trials)
}

/// The mean score of each architecture, in the order of their names.
pub(super) fn means(trials: &[Trial]) -> Vec<(Architecture, f64)> {
    let mut scores: BTreeMap<String, (Architecture, Vec<f64>)> = BTreeMap::new();
    for trial in trials {
        let named = scores.entry(trial.architecture.to_string());
        let (_, scores) = named.or_insert_with(|| (trial.architecture.clone(), Vec::new()));
        scores.extend(trial.score);
    }
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    scores.into_values().map(|(architecture, scores)| (architecture, mean(&scores))).collect()
}
