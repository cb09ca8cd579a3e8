//! The trials that tell of a space: its own, and those of spaces that it has to do with.

use heirloom_kb::{KnowledgeStore, Name, SearchSpace, Split, StoreError, Trial, TrialId, TrialQuery};

use crate::spaces;

/// A task's validation trials that tell of a space: its own, and, as trials of it, those of its [`spaces::relatives`].
///
/// # Errors
/// Of the store.
pub(crate) fn space_trials(
    store: &dyn KnowledgeStore,
    space: &SearchSpace,
    task: &Name,
) -> Result<Vec<Trial>, StoreError> {
    read(store, space, task, |_, _| {})
}

/// The id of a translated trial, and the one that the base has of it.
pub(crate) type Origin = (TrialId, TrialId);

/// The same, and of trials of other spaces the ids that they have here and there.
///
/// # Errors
/// Of the store.
pub(crate) fn space_trials_and_origins(
    store: &dyn KnowledgeStore,
    space: &SearchSpace,
    task: &Name,
) -> Result<(Vec<Trial>, Vec<Origin>), StoreError> {
    let mut origins = Vec::new();
    let trials = read(store, space, task, |there, here| origins.push((here.id(), there.id())))?;
    Ok((trials, origins))
}

/// Reads the trials; `translated` hears of each of another space what it is there and what it is here.
fn read(
    store: &dyn KnowledgeStore,
    space: &SearchSpace,
    task: &Name,
    mut translated: impl FnMut(&Trial, &Trial),
) -> Result<Vec<Trial>, StoreError> {
    let of = |space: Name| {
        let query = TrialQuery { task: Some(task.clone()), ..TrialQuery::space(space, Split::Validation) };
        Ok::<_, StoreError>(store.trials(&query)?.trials)
    };
    let mut trials = of(space.id().clone())?;
    for relative in spaces::relatives(space) {
        for there in of(relative.clone())? {
            let architecture = spaces::translated(space, &relative, &there.architecture);
            let Some(architecture) = architecture else { continue };
            let here = Trial { space: space.id().clone(), architecture, ..there.clone() };
            translated(&there, &here);
            trials.push(here);
        }
    }
    Ok(trials)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use heirloom_kb::{Batch, Domain, Goal, MemoryStore, Task};

    use super::*;
    use crate::{Objectives, RecommendationRequest, Recommender};

    /// Tables of two past tasks on which wide networks do better, told in the plain space.
    fn base() -> (MemoryStore, Vec<Trial>) {
        let plain = (spaces::family("mlp/1").unwrap().space)();
        let tasks = ["a", "b", "new"].map(|id| Task::new(id, Domain::Tabular, "accuracy", Goal::Maximize));
        let trials: Vec<Trial> = ["a", "b"]
            .iter()
            .flat_map(|task| {
                spaces::pool(&plain, 40, 0).into_iter().map(move |architecture| (task, architecture))
            })
            .map(|(task, architecture)| {
                let score = architecture.number("width1").unwrap().ln();
                Trial::new(*task, plain.id().clone(), architecture, Split::Validation, "accuracy", score)
            })
            .collect();
        let store = MemoryStore::default();
        let batch = Batch { spaces: vec![plain], tasks: tasks.to_vec(), trials: trials.clone() };
        store.commit(&batch).unwrap();
        (store, trials)
    }

    #[test]
    fn the_trials_of_an_extended_space_tell_of_the_wider() {
        let (store, told) = base();
        let heir = (spaces::family("mlp-inherit/1").unwrap().space)();
        let of_task = |space, task: &str| space_trials(&store, space, &task.into()).unwrap();
        let trials = [of_task(&heir, "a"), of_task(&heir, "b")].concat();
        assert_eq!(trials.len(), told.len());
        for trial in &trials {
            assert_eq!(trial.normalise(&heir).unwrap().architecture, trial.architecture);
        }
        let unrelated = (spaces::family("conv1d-inherit/1").unwrap().space)();
        assert!(of_task(&unrelated, "a").is_empty() && of_task(&heir, "new").is_empty());
    }

    #[test]
    fn a_recommendation_in_the_wider_space_starts_from_them_and_hears_of_new_ones() {
        let (store, _) = base();
        let store = Arc::new(store);
        let recommender = Recommender::new(store.clone());
        let request = RecommendationRequest {
            task: "new".into(),
            space: "mlp-inherit/1".into(),
            k: 3,
            candidates: None,
            exclude: vec![],
            exclude_tasks: vec![],
            seed: 0,
            objectives: Objectives::default(),
        };
        let first = recommender.recommend(&request).unwrap();
        let widths: Vec<f64> =
            first.ranked.iter().map(|one| one.architecture.number("width1").unwrap()).collect();
        assert!(widths.iter().all(|width| *width >= 256.0), "{widths:?}");
        // A trial in the plain space, of the task itself.
        let plain = (spaces::family("mlp/1").unwrap().space)();
        let tried = spaces::pool(&plain, 1, 7).remove(0);
        let trial = Trial::new("new", plain.id().clone(), tried, Split::Validation, "accuracy", 0.1);
        store.append(&[trial]).unwrap();
        assert_eq!(
            recommender.history(&"mlp-inherit/1".into()).unwrap().scores("new").unwrap().rows.len(),
            1
        );
    }
}
