//! Trials whose weights are kept beside the base, and which of them is meant.

use heirloom_kb::{KnowledgeStore, Name, Split, Status, Trial, TrialId, TrialQuery};
use heirloom_search::SearchError;
use heirloom_search::train::WeightStore;

use super::output::InputFault;

/// Which trained network is meant.
#[derive(Debug, clap::Args)]
pub(super) struct KeptArgs {
    /// The trial whose network is meant.
    #[arg(long, value_name = "ID", required_unless_present = "task", conflicts_with = "task")]
    pub(super) trial: Option<TrialId>,
    /// The task whose best network is meant, by validation score.
    #[arg(long)]
    pub(super) task: Option<Name>,
}

/// A trial, the store that has its weights, and what is to be known of the choice.
#[cfg(feature = "torch")]
pub(super) struct Kept {
    pub(super) trial: Trial,
    pub(super) weights: WeightStore,
    pub(super) note: Option<String>,
}

#[cfg(feature = "torch")]
impl KeptArgs {
    /// The trial that is meant.
    pub(super) fn choose(&self, base: &super::base::BaseArgs) -> anyhow::Result<Kept> {
        let store = base.open_to_read()?;
        let weights = base.weights()?;
        let (trial, note) = match (self.trial, &self.task) {
            (Some(id), _) => (by_id(&*store, weights.as_ref(), id)?, None),
            (None, Some(task)) => best_of(&*store, weights.as_ref(), task)?,
            (None, None) => return Err(InputFault("--trial or --task is needed".into()).into()),
        };
        let weights = weights.ok_or_else(|| InputFault("a base in memory keeps no weights".into()))?;
        Ok(Kept { trial, weights, note })
    }
}

/// The trial of an id.
pub(super) fn by_id(
    store: &dyn KnowledgeStore,
    weights: Option<&WeightStore>,
    id: TrialId,
) -> anyhow::Result<Trial> {
    let trial = store.trial(id)?.ok_or_else(|| InputFault(format!("the base has no trial {id}")))?;
    hash(&trial, weights)?;
    Ok(trial)
}

/// The hash of a trial's weights.
pub(super) fn hash<'a>(trial: &'a Trial, weights: Option<&WeightStore>) -> anyhow::Result<&'a str> {
    let hash = weights.and_then(|weights| weights.of_trial(trial));
    let why = || {
        let gone = weights.and_then(|weights| weights.gone(trial));
        let gone = gone.map(|file| format!(": {} is not there", file.display())).unwrap_or_default();
        InputFault(format!("of trial {} no weights are kept{gone}", trial.id())).into()
    };
    hash.ok_or_else(why)
}

/// The complete trial of a task with the best validation score among those with weights, and what is to be known of the choice.
pub(super) fn best_of(
    store: &dyn KnowledgeStore,
    weights: Option<&WeightStore>,
    task: &Name,
) -> anyhow::Result<(Trial, Option<String>)> {
    let known = store.tasks()?.into_iter().find(|known| known.id == *task);
    let score = |trial: &Trial| {
        let score = trial.score.unwrap_or(f64::NEG_INFINITY);
        known.as_ref().map_or(score, |task| task.goal.higher_is_better(score))
    };
    let trials = complete(store, task, Split::Validation)?;
    let by_score = |a: &&Trial, b: &&Trial| score(a).total_cmp(&score(b));
    // Of equals the first, as in a study: `max_by` takes the last.
    let best_of_all = trials.iter().rev().max_by(by_score);
    let with_weights = trials.iter().rev().filter(|trial| has_weights(trial, weights)).max_by(by_score);
    let Some(kept) = with_weights.cloned() else {
        if known.is_none() {
            let known = store.tasks()?.into_iter().map(|task| task.id).collect();
            return Err(SearchError::UnknownTask { task: task.clone(), known }.into());
        }
        return Err(InputFault(none_kept(store, weights, task, &trials)?).into());
    };
    let better = best_of_all.filter(|better| score(better) > score(&kept)).map(|better| {
        let [better_score, own_score] = [better, &kept].map(|trial| trial.score.unwrap_or(f64::NAN));
        format!(
            "trial {}, which scored {better_score:.4}, kept no weights; this is the best of those that did, {own_score:.4}",
            better.id()
        )
    });
    Ok((kept, better))
}

/// Why there is no best one, and whether a trial on the test part, which is never chosen by its score, has weights.
fn none_kept(
    store: &dyn KnowledgeStore,
    weights: Option<&WeightStore>,
    task: &Name,
    trials: &[Trial],
) -> anyhow::Result<String> {
    let gone = trials.iter().filter_map(|trial| weights?.gone(trial));
    if let (n @ 1.., Some(file)) = (gone.clone().count(), gone.clone().next()) {
        let file = file.display();
        return Ok(format!(
            "the weights of {n} validation trials of {task:?} are gone: {file} is not there; put the folder of weights back beside the base"
        ));
    }
    let mut tested =
        complete(store, task, Split::Test)?.into_iter().filter(|trial| has_weights(trial, weights));
    let instead = tested.next_back().map(|trial| {
        format!(
            "; trial {}, which was scored on the test part, has some, and can be named by its id",
            trial.id()
        )
    });
    Ok(format!("of no validation trial of {task:?} weights are kept{}", instead.unwrap_or_default()))
}

fn complete(store: &dyn KnowledgeStore, task: &Name, split: Split) -> anyhow::Result<Vec<Trial>> {
    let query = TrialQuery { split: Some(split), ..TrialQuery::task(task.clone()) };
    let trials = store.trials(&query)?.trials.into_iter();
    Ok(trials.filter(|trial| trial.status == Status::Complete).collect())
}

fn has_weights(trial: &Trial, weights: Option<&WeightStore>) -> bool {
    weights.is_some_and(|weights| weights.of_trial(trial).is_some())
}
