//! `TaskModels`: what each past task makes of an architecture.

use std::sync::Arc;

use heirloom_kb::Name;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::table::TaskScores;
use crate::{ForestParams, PredictError, RegressionForest, TrainingTable};

/// Rows that the trees of a forest are drawn from together: few trials get many trees, which average more, many trials get
/// few, which is where the time goes.
const DRAWN_ROWS: usize = 65_536;
const TREES: std::ops::RangeInclusive<usize> = 16..=64;

/// Trials after which a task's model counts half of what it can.
const HALF_TRUST_TRIALS: f64 = 10.0;

/// A surrogate of one task alone.
#[derive(Clone, Debug)]
pub struct TaskModel {
    /// The task's id.
    pub task: Name,
    /// The architectures it was fitted on.
    pub trials: usize,
    /// Normalised score from features.
    pub forest: RegressionForest,
}

impl TaskModel {
    fn fit(scores: &TaskScores, x: ArrayView2<'_, f64>) -> Result<Self, PredictError> {
        let records = x.select(Axis(0), &scores.rows);
        let trees = (DRAWN_ROWS / records.nrows().max(1)).clamp(*TREES.start(), *TREES.end());
        let forest = ForestParams::default()
            .trees(trees)
            .fit(&DatasetBase::new(records, Array1::from(scores.z.clone())))?;
        Ok(TaskModel { task: scores.task.clone(), trials: scores.rows.len(), forest })
    }

    /// How much the model is worth beside others, from 0 to 1: more with more trials.
    #[must_use]
    pub fn reliability(&self) -> f64 {
        let n = self.trials as f64;
        n / (n + HALF_TRUST_TRIALS)
    }
}

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
    /// Of the forest.
    pub fn fit(table: &TrainingTable, known: &[Arc<TaskModel>]) -> Result<Self, PredictError> {
        let fit = |scores: &TaskScores| match known.iter().find(|model| model.task == scores.task) {
            Some(model) => Ok(Arc::clone(model)),
            None => TaskModel::fit(scores, table.x().view()).map(Arc::new),
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
            column.assign(&model.forest.mean(x)?);
        }
        Ok(views)
    }
}
