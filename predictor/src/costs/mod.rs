//! What architectures cost: learned over tasks and devices.

mod cost_fill;
mod cost_map;
mod cost_model;
mod cost_place;
mod cost_prediction;
mod cost_table;

pub use cost_model::{CostModel, CostTarget, CostViews};
pub use cost_place::CostPlace;
pub use cost_prediction::CostPrediction;
pub use cost_table::{CostGrowth, CostSource, CostTable, DEVICE_FIELD, Measured};

#[cfg(test)]
mod tests;
