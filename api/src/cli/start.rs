//! What networks start and learn from, on the command line.

use std::path::PathBuf;

use heirloom_kb::{KnowledgeStore, Name, TrialId};
use heirloom_search::train::{Teacher, TeacherSource, WeightStore};
use serde::{Deserialize, Serialize};

use super::kept;
use super::output::InputFault;

/// What networks start and learn from.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Knowledge")]
pub(super) struct StartArgs {
    /// Start from the tensors of this file that fit by name and shape; in the space resnet/1 also by the names of torchvision
    /// and timm. It is a safetensors file, TorchScript (torch.jit.save) or a state dictionary (torch.save).
    #[arg(long, value_name = "FILE")]
    pub(super) init_from: Option<PathBuf>,
    /// Learn from this network too: a trial's id, `best` for the task's best trial with weights, or a TorchScript file (.pt).
    #[arg(long, value_name = "TRIAL|best|FILE.pt")]
    teacher: Option<String>,
    /// How soft the teacher's scores are made.
    #[arg(long, default_value_t = 4.0, requires = "teacher")]
    temperature: f64,
    /// The teacher's share of the loss, from 0 to 1.
    #[arg(long, default_value_t = 0.5, requires = "teacher")]
    alpha: f64,
    /// The weight of the distance to the teacher's features; 0 leaves it out.
    #[arg(long, default_value_t = 0.0, requires = "teacher")]
    hint: f64,
}

impl StartArgs {
    /// Whether there is something to start or to learn from.
    pub(super) fn is_given(&self) -> bool {
        self.init_from.is_some() || self.teacher.is_some()
    }

    /// The teacher that is meant, for a task.
    pub(super) fn teacher(
        &self,
        store: &dyn KnowledgeStore,
        weights: Option<WeightStore>,
        task: &Name,
    ) -> anyhow::Result<Option<Teacher>> {
        let Some(name) = &self.teacher else { return Ok(None) };
        let &StartArgs { temperature, alpha, hint, .. } = self;
        let file = PathBuf::from(name);
        let source = if file.extension().is_some_and(|ending| ending == "pt" || ending == "pth") {
            TeacherSource::Script(file)
        } else {
            let kept = if name == "best" {
                kept::best_of(store, weights.as_ref(), task)?.0
            } else {
                let id: TrialId = name.parse().map_err(|_| {
                    InputFault(format!("teacher {name:?} is neither a trial's id, nor best, nor a .pt file"))
                })?;
                kept::by_id(store, weights.as_ref(), id)?
            };
            let store = weights.ok_or_else(|| InputFault("a base in memory keeps no weights".into()))?;
            TeacherSource::Kept { store, trial: Box::new(kept) }
        };
        Ok(Some(Teacher { source, temperature, alpha, hint }))
    }
}
