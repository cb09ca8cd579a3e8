//! Data sets as arrays, their meta-features, and importers of other people's histories.
#![forbid(unsafe_code)]

mod data_summary;
mod dataset;
mod error;
pub mod importers;
pub mod loaders;
mod meta_features;
pub mod pickle;
mod preparation;
mod row_traces;
mod splits;
mod standardiser;
mod subset;

pub use data_summary::DataSummary;
pub use dataset::{Dataset, value_mark};
pub use error::{DatasetError, ImportError};
pub use meta_features::meta_features;
pub use preparation::{Feature, FeatureValue, LogMelSettings, Preparation, Written};
pub use row_traces::{RowTrace, RowTraces};
pub use splits::Splits;
pub use standardiser::Standardiser;
