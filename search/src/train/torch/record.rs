//! What a trial records of itself beside its score.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name, SearchSpace, Task, Trial};
use heirloom_predictor::DEVICE_FIELD;
use tch::Device;

use super::device;
use super::fitted_rows::{DATA_FIELD, FittedRows};
use crate::net::NetCost;
use crate::train::error::with_causes;
use crate::train::{Budget, Recipe, WEIGHTS_FIELD, WeightStore};

/// The release of libtorch that this is built for.
const VERSIONS: &str = "tch 0.24.0, libtorch 2.11.0";

/// A trial that is still to be run, of an architecture on a task whose data have this fingerprint.
pub(super) fn blank(
    (task, space, architecture): (&Task, &SearchSpace, &Architecture),
    fingerprint: &str,
    budget: &Budget,
    device: Device,
    recipe: &Recipe,
) -> Trial {
    let (id, metric) = (task.id.clone(), task.metric.clone());
    let mut trial = Trial::new(id, space.id().clone(), architecture.clone(), budget.split, metric, 0.0);
    trial.fidelity.insert("epochs".into(), budget.epochs.into());
    if budget.data_fraction < 1.0 {
        trial.fidelity.insert("data_fraction".into(), budget.data_fraction);
    }
    trial.seed = Some(budget.seed);
    let version = env!("CARGO_PKG_VERSION");
    trial.source = Some(format!("heirloom {version}, {VERSIONS}, {}", device::name(device)).into());
    trial.extra.insert(DATA_FIELD.into(), fingerprint.into());
    trial.extra.insert(DEVICE_FIELD.into(), device::label(device).into());
    if *recipe != Recipe::default() {
        // An architecture's own learning rate is what was used.
        let recipe = serde_json::to_value(recipe.of(architecture)).expect("a recipe holds names and numbers");
        trial.extra.insert("recipe".into(), recipe);
    }
    trial
}

/// Puts a trial's weights, fitted on these rows, beside the base. Without room for them the trial counts all the same.
pub(super) fn keep_weights(store: &WeightStore, trial: &mut Trial, bytes: &[u8], fitted: &FittedRows) {
    match store.put(bytes) {
        Ok(hash) => {
            // Weights of which it is not known what they have seen could not be inherited honestly.
            match fitted.note(trial, &hash, store) {
                Ok(()) => drop(trial.extra.insert(WEIGHTS_FIELD.into(), hash.into())),
                Err(error) => tracing::warn!(error = with_causes(&error), "the weights are not kept"),
            }
        }
        Err(error) => tracing::warn!(error = with_causes(&error), "the weights are not kept"),
    }
}

/// What a network costs, by name.
pub(super) fn costs(cost: &NetCost) -> BTreeMap<Name, f64> {
    let costs = [("params", cost.params as f64), ("flops", cost.flops as f64)];
    costs.into_iter().map(|(name, cost)| (name.into(), cost)).collect()
}
