//! Surrogates that learn across tasks which architectures do well.
//!
//! [`TrainingTable`] turns a history into numbers, [`TaskModels`] fits one [`TaskModel`] a past task, and
//! [`TransferModel`] joins their opinions with a new task's own trials. Scores are normalised to Gaussian ranks
//! ([`gaussian_ranks`]): 0 is a task's median architecture, +1 beats 84 % of them.
//!
//! ```
//! use heirloom_kb::{Domain, Goal, Split, Task, Trial};
//! use heirloom_predictor::{Agreement, PastTasks, TaskModels, TrainingTable, TransferModel, Views};
//!
//! let space = serde_json::from_str(
//!     r#"{"id":"toy/1","params":[{"name":"depth","range":{"kind":"int","lo":1,"hi":8}}]}"#)?;
//! let task = Task::new("past", Domain::Tabular, "accuracy", Goal::Maximize);
//! let trials: Vec<Trial> = (1..=8_i64)
//!     .map(|depth| {
//!         let architecture = [("depth", depth)].into_iter().collect();
//!         Trial::new("past", "toy/1", architecture, Split::Validation, "accuracy", 0.1 * depth as f64)
//!     })
//!     .collect();
//! let table = TrainingTable::new(&space, &[task.clone()], &trials, Clone::clone, None)?;
//! let models = TaskModels::fit(&table, &[])?;
//! let agreement = Agreement::new(&table, &models)?;
//! let views = Views::of_table(&table, &models)?;
//! let past = PastTasks { table: &table, models: &models, agreement: &agreement, tasks: &[task], columns: &[0] };
//! let model = TransferModel::new(past, &Task::new("new", Domain::Tabular, "accuracy", Goal::Maximize));
//! let expected = model.prior(&model.see(&views));
//! assert!(expected.mean[7] > expected.mean[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod acquisition;
mod ard;
mod bins;
mod block_process;
mod boosting;
mod chance_failures;
mod conformal;
#[cfg(test)]
mod conformance;
mod costs;
mod curves;
mod effort;
mod elastic_net;
mod encoder;
mod error;
mod examples;
mod fidelity_levels;
mod folds;
mod forest;
mod gaussian_process;
#[cfg(test)]
mod growth_tests;
mod lbfgs;
mod neighbours;
mod outlying;
mod pareto;
mod ranks;
mod rows;
#[cfg(test)]
mod scikit_learn;
mod support_vectors;
mod surrogate;
mod surrogate_kind;
mod table;
mod task_model;
mod task_models;
mod task_scores;
mod task_similarity;
mod transfer;
mod transferability;

pub use acquisition::expected_improvement;
pub use ard::{ArdKernel, ArdParams, ArdProcess, ArdValidParams, Part};
pub use block_process::{BlockParams, BlockProcess, BlockValidParams};
pub use boosting::{BoostedTrees, BoostingParams, BoostingValidParams};
pub use conformal::Conformal;
pub use costs::{
    CostGrowth, CostModel, CostPlace, CostPrediction, CostSource, CostTable, CostTarget, CostViews,
    DEVICE_FIELD, Measured,
};
pub use curves::{Curve, CurveModel, Forecast, ForecastBasis, TaskCurves};
pub use effort::are_comparable;
pub use elastic_net::{ElasticNet, ElasticNetParams, ElasticNetValidParams};
pub use encoder::{Descriptors, Encoder, Feature};
pub use error::PredictError;
pub use forest::{ForestParams, ForestValidParams, RegressionForest};
pub use gaussian_process::GaussianProcess;
pub use neighbours::{Neighbours, NeighboursParams, NeighboursValidParams};
pub use outlying::Outlying;
pub use pareto::{
    NonDominatedBoxes, expected_hypervolume_improvement, hypervolume, non_dominated_sort, pareto_front,
};
pub use ranks::{gaussian_ranks, percentile};
pub use rows::Architectures;
pub use support_vectors::{SupportVectors, SupportVectorsParams, SupportVectorsValidParams};
pub use surrogate::{Prediction, Surrogate};
pub use surrogate_kind::SurrogateKind;
pub use table::{TableGrowth, TaskScores, TrainingTable};
pub use task_model::TaskModel;
pub use task_models::TaskModels;
pub use task_similarity::TaskSimilarity;
pub use transfer::{
    Acquisition, Agreement, PastTasks, Portfolio, Posterior, Seen, TransferModel, USUAL_BETA, Views,
    task_shares,
};
pub use transferability::{h_score, log_me};
