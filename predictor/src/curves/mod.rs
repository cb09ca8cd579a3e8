//! Learning curves: how a trial is going to end, from how past ones went on.

mod curve;
mod curve_model;
mod features;
mod neighbours;
mod power_law;

pub use curve::{Curve, TaskCurves};
pub use curve_model::{CurveModel, Forecast, ForecastBasis};
