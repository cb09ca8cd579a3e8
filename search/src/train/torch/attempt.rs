//! Training one network to its end, or to the reason why it has none.

use std::collections::BTreeSet;

use heirloom_kb::{Split, Trial};

use super::checkpoint::Checkpoint;
use super::distillation::{Distillation, HINT};
use super::failure::{first_line, guarded};
use super::fit::{Course, Fit, Network, Watchers};
use super::fitted_rows::FittedRows;
use super::inherit::Heir;
use super::objective::{CrossEntropy, Objective};
use super::record::keep_weights;
use super::{NetCard, TEACHER_FIELD, TorchTrainer, device};
use crate::fidelity::Decision;
use crate::net::NetGraph;
use crate::train::weight_store::content_hash;
use crate::train::{Budget, INHERITED_FIELD, INIT_FIELD, Recipe, Taken};

/// What a trial that did not break gives.
pub(super) struct Outcome {
    pub(super) accuracy: f64,
    /// Validation accuracy after each epoch.
    pub(super) curve: Vec<(f64, f64)>,
    pub(super) latency_s: f64,
    pub(super) train_s: f64,
    /// The epoch whose weights these are, when that is not the last one by rule.
    pub(super) best_epoch: Option<u32>,
    /// The epoch after which it was stopped, and why.
    pub(super) stopped: Option<(u32, String)>,
}

impl TorchTrainer {
    /// Trains and scores; whatever breaks becomes a reason.
    pub(super) fn run(
        &mut self,
        net: &NetGraph,
        trial: &mut Trial,
        budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Outcome, String> {
        let (_, parts) = self.parts.as_ref().expect("the parts were prepared");
        let recipe = self.options.recipe.of(&trial.architecture);
        let checkpoint = self.checkpoint(trial, &recipe);
        let recipe = device::laid_out(recipe, self.device);
        let (outside, teacher) = (self.outside.as_ref(), self.teacher.as_ref());
        let card = NetCard::new((&trial.space, &trial.architecture), &self.dataset, &parts.standardiser);
        let watchers = Watchers { on_epoch: &mut self.on_epoch, watch };
        let scored = budget.split == Split::Validation;
        let (device, cores) = (self.device, self.options.cores);
        let attempt = || {
            let torch = |error| first_line(&error);
            let network = Network::new(net, device, &recipe, budget.seed, cores).map_err(torch)?;
            outside.map_or(Ok(()), |outside| outside.fill(&network)).map_err(torch)?;
            let heir = Heir {
                network: &network,
                net,
                architecture: &trial.architecture,
                task: &trial.task,
                n_classes: self.dataset.n_classes(),
                part: &parts.fit,
            };
            let inherits = !(self.options.sources.is_empty() && self.left_out.is_empty());
            let store = self.options.weights.as_ref().filter(|_| inherits);
            let heritage = store.map(|store| heir.inherit(&self.options.sources, store)).transpose()?;
            let frozen = heritage.as_ref().map_or_else(BTreeSet::new, |heritage| heritage.frozen.clone());
            let course = Course {
                recipe: &recipe,
                epochs: budget.epochs,
                seed: budget.seed,
                frozen: &frozen,
                checkpoint: checkpoint.as_ref(),
            };
            let classes = CrossEntropy { label_smoothing: recipe.label_smoothing };
            let objective: Box<dyn Objective> = match teacher {
                Some(teacher) => {
                    let student = (&network, net);
                    Box::new(
                        Distillation::new(teacher, classes, student, &parts.standardiser).map_err(torch)?,
                    )
                }
                None => Box::new(classes),
            };
            let fit = Fit::new(&network, &*objective, course).map_err(torch)?;
            let outcome = fit.run(parts, scored, watchers)?;
            let mut tensors = network.tensors();
            tensors.retain(|name, _| !name.starts_with(HINT));
            let bytes = card.to_bytes(&tensors).map_err(torch)?;
            Ok((outcome, bytes, heritage.map(|heritage| heritage.record)))
        };
        let attempt = guarded(attempt, |reason| reason);
        if let Some(checkpoint) = checkpoint {
            // It has ended, well or not; one that failed would fail again.
            checkpoint.remove();
        }
        let (outcome, bytes, inherited) = attempt?;
        let mut fitted = parts.fitted.clone();
        let took = Taken::of_trial(trial).is_some_and(|taken| taken.taken > 0);
        if let Some(outside) = self.outside.as_ref().filter(|_| took) {
            fitted = fitted.and(&outside.fitted);
        }
        if let Some(mut inherited) = inherited {
            inherited.left_out.clone_from(&self.left_out);
            for source in self.options.sources.iter().filter(|source| inherited.is_of(source)) {
                fitted = fitted.and(&FittedRows::of_trial(source, self.options.weights.as_ref()));
            }
            let value = serde_json::to_value(&inherited).expect("a record holds names and numbers");
            trial.extra.insert(INHERITED_FIELD.into(), value);
        }
        if let Some(store) = &self.options.weights {
            keep_weights(store, trial, &bytes, &fitted);
        }
        Ok(outcome)
    }

    /// Where a trial is kept while under way.
    pub(super) fn checkpoint(&self, trial: &Trial, recipe: &Recipe) -> Option<Checkpoint> {
        let store = self.options.weights.as_ref()?;
        Some(Checkpoint::new(&store.under_way(), &self.key(trial, recipe)))
    }

    /// What a trial is the same by, before it has a result.
    fn key(&self, trial: &Trial, recipe: &Recipe) -> String {
        let Trial { task, space, architecture, split, fidelity, seed, extra, .. } = trial;
        let sources: Vec<String> =
            self.options.sources.iter().map(|source| source.id().to_string()).collect();
        let start = (extra.get(TEACHER_FIELD), extra.get(INIT_FIELD), sources);
        let data = (&self.fingerprint, self.device());
        let what = (task, space, architecture, split, fidelity, seed, recipe, data, start);
        let bytes = serde_json::to_vec(&what).expect("names and numbers can be written");
        content_hash(&bytes)
    }
}
