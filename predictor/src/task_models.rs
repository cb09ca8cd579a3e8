//! `TaskModels`: one model a past task.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::{PredictError, TaskModel, TaskScores, TrainingTable};

/// One model a past task, over one space. Tasks stay apart, so that leaving one out costs nothing and a new task
/// can be compared with each.
#[derive(Clone, Debug, Default)]
pub struct TaskModels {
    models: Vec<Arc<TaskModel>>,
}

impl TaskModels {
    /// Fits one model a task of the table, in parallel. A task's model among `known` is taken over as it is:
    /// the caller vouches that the task has no trials that it has not seen.
    ///
    /// # Errors
    /// Of the members of a [`TaskModel`].
    pub fn fit(table: &TrainingTable, known: &[Arc<TaskModel>]) -> Result<Self, PredictError> {
        let fit = |scores: &TaskScores| match known.iter().find(|model| model.task == scores.task) {
            Some(model) => Ok(Arc::clone(model)),
            None => TaskModel::fit(scores, table.x().view(), table.encoder()).map(Arc::new),
        };
        let models = table.tasks().par_iter().map(fit).collect::<Result<_, _>>()?;
        Ok(TaskModels { models })
    }

    /// The models, by task id.
    #[must_use]
    pub fn models(&self) -> &[Arc<TaskModel>] {
        &self.models
    }

    /// What each model expects of each architecture.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n, T)` for `T` tasks.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub fn evaluate(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, PredictError> {
        let mut views = Array2::zeros((x.nrows(), self.models.len()));
        for (model, mut column) in self.models.iter().zip(views.columns_mut()) {
            column.assign(&model.mean(x)?);
        }
        Ok(views)
    }
}
