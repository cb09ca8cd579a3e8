//! `Checkpoint`: a trial under way, kept so that it can go on where it was.

use std::path::PathBuf;

use tch::nn::VarStore;
use tch::{Device, TchError, Tensor};

use super::optimizer::{Memory, Optimizer};
use super::weights::{self, Tensors};
use crate::train::TrainError;
use crate::train::error::with_causes;
use crate::train::weight_store::write_whole;

/// Names of what is beside the weights.
const FIRST: &str = "optimizer.first";
const SECOND: &str = "optimizer.second";
const STEPS: &str = "optimizer.steps";
const LOSSES: &str = "progress.losses";
const SCORES: &str = "progress.scores";
const SECONDS: &str = "progress.seconds";
/// What the names of weights start with: those of now, and those of the best epoch.
const NOW: &str = "now.";
const BEST: &str = "best.";

/// Where a trial under way is kept after each epoch. The file is whole at all times and goes when the trial has ended.
pub(super) struct Checkpoint {
    file: PathBuf,
}

/// How far a trial under way has come. Its weights and what the optimizer remembers are kept beside it.
pub(super) struct Progress {
    /// Mean training loss of each epoch so far.
    pub(super) losses: Vec<f64>,
    /// Validation accuracy after each epoch, of several tasks one after the other; empty when it is not looked at.
    pub(super) scores: Vec<f64>,
    /// Seconds spent on it.
    pub(super) seconds: f64,
    /// The weights of the best epoch; empty unless they are asked for.
    pub(super) best: Tensors,
}

/// What is in a file.
struct Kept {
    progress: Progress,
    memory: Memory,
    weights: Tensors,
}

impl Checkpoint {
    /// The file in a folder that a trial of this key has.
    pub(super) fn new(folder: &std::path::Path, key: &str) -> Self {
        Checkpoint { file: folder.join(format!("{key}.safetensors")) }
    }

    /// Puts a trial where it was, weights and optimizer, and tells how far that is; nothing if it was not begun, or if what is
    /// kept of it is of no use, which is reported.
    pub(super) fn resume(
        &self,
        store: &VarStore,
        optimizer: &mut Optimizer,
    ) -> Result<Option<Progress>, TchError> {
        let Some(Kept { progress, memory, weights }) = self.read(store.device()) else { return Ok(None) };
        if memory.first.size() != optimizer.memory.first.size() {
            tracing::warn!("the checkpoint is of another network; the trial starts anew");
            return Ok(None);
        }
        weights::load(store, &weights)?;
        optimizer.memory = memory;
        tracing::info!(epochs = progress.losses.len(), "the trial goes on where it was");
        Ok(Some(progress))
    }

    fn read(&self, device: Device) -> Option<Kept> {
        if !self.file.exists() {
            return None;
        }
        let kept = weights::read(&self.file).and_then(|tensors| self.parse(tensors, device));
        kept.inspect_err(|error| {
            tracing::warn!(%error, "the checkpoint is of no use; the trial starts anew");
        })
        .ok()
    }

    fn parse(&self, mut tensors: Tensors, device: Device) -> Result<Kept, TrainError> {
        let bad = |reason: String| TrainError::BadWeights { file: self.file.display().to_string(), reason };
        let mut take = |name: &str| {
            let tensor = tensors.remove(name).ok_or_else(|| bad(format!("it has no tensor {name}")))?;
            tensor.f_to_device(device).map_err(|error| bad(error.to_string()))
        };
        let memory = Memory {
            first: take(FIRST)?,
            second: take(SECOND)?,
            steps: take(STEPS)?.f_int64_value(&[0]).map_err(|error| bad(error.to_string()))?,
        };
        let mut numbers = |name: &str| {
            take(name).and_then(|tensor| Vec::<f64>::try_from(tensor).map_err(|error| bad(error.to_string())))
        };
        let (losses, scores, seconds) = (numbers(LOSSES)?, numbers(SCORES)?, numbers(SECONDS)?);
        let of = |prefix: &str| -> Tensors {
            let own = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
            own.map(|(name, tensor)| (name.to_owned(), tensor.to_device(device))).collect()
        };
        let seconds = seconds.first().copied().unwrap_or(0.0);
        let progress = Progress { losses, scores, seconds, best: of(BEST) };
        Ok(Kept { progress, memory, weights: of(NOW) })
    }

    /// Keeps where the trial is. A disk that is full costs the checkpoint, not the trial: the last good one stays.
    pub(super) fn save(
        &self,
        progress: &Progress,
        store: &VarStore,
        optimizer: &Optimizer,
    ) -> Result<(), TchError> {
        let Memory { first, second, steps } = &optimizer.memory;
        let mut tensors: Tensors = [
            (FIRST.to_owned(), first.shallow_clone()),
            (SECOND.to_owned(), second.shallow_clone()),
            (STEPS.to_owned(), Tensor::f_from_slice(&[*steps])?),
            (LOSSES.to_owned(), Tensor::f_from_slice(&progress.losses)?),
            (SCORES.to_owned(), Tensor::f_from_slice(&progress.scores)?),
            (SECONDS.to_owned(), Tensor::f_from_slice(&[progress.seconds])?),
        ]
        .into();
        for (prefix, weights) in [(NOW, &weights::of(store)), (BEST, &progress.best)] {
            tensors.extend(weights.iter().map(|(name, t)| (format!("{prefix}{name}"), t.shallow_clone())));
        }
        if let Err(error) = write_whole(&self.file, &weights::to_bytes(&tensors)?) {
            tracing::warn!(error = with_causes(&error), "no checkpoint; the trial goes on");
        }
        Ok(())
    }

    /// The trial has ended.
    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::debug!(%error, file = %self.file.display(), "no checkpoint to remove");
        }
    }
}
