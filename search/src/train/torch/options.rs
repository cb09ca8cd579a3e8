//! `TorchOptions`.

use std::path::PathBuf;

use heirloom_kb::Trial;

use super::DeviceChoice;
use crate::train::{Recipe, Teacher, WeightStore};

/// How to train, whatever the architecture.
#[derive(Clone, Debug, Default)]
pub struct TorchOptions {
    /// Where to train.
    pub device: DeviceChoice,
    /// How to train.
    pub recipe: Recipe,
    /// Where trained weights, and trials under way, are kept; absent, they are not.
    pub weights: Option<WeightStore>,
    /// Where it is looked up what weights of a file were fitted on; absent, where trained ones are kept.
    pub known_weights: Option<WeightStore>,
    /// Trials whose weights a new one may start from, see [`crate::train::sources`]; none: from nothing.
    pub sources: Vec<Trial>,
    /// The seed of the split into training, validation and test part; part of the task, not of a trial.
    pub split_seed: u64,
    /// A file whose tensors networks start from where name and shape fit, of the space `resnet/1` also by the names of
    /// torchvision and timm: safetensors, TorchScript or a state dictionary of PyTorch. A trial says in its field `init_from`
    /// what was taken.
    pub init_from: Option<PathBuf>,
    /// A network that all others learn from; a trial names it in its field `teacher`.
    pub teacher: Option<Teacher>,
    /// How many cores a large network may use; absent, all of them. A small one takes one.
    pub cores: Option<usize>,
}

impl TorchOptions {
    /// The store that may know weights which come from a file.
    pub(super) fn known_weights(&self) -> Option<&WeightStore> {
        self.known_weights.as_ref().or(self.weights.as_ref())
    }
}
