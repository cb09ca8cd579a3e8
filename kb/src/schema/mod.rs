//! The vocabulary: what a task, a search space, an architecture and a trial are, and when one is acceptable.
//!
//! Each type reads and writes the JSON of the JSON Lines format. Deserialising checks shape and types;
//! what depends on other records (does this trial fit its space?) is checked by [`SearchSpace::normalise`]
//! and [`Trial::normalise`], which a store calls before it keeps anything.

mod architecture;
mod error;
mod extension;
mod param;
mod space;
mod task;
mod trial;
mod trial_id;
mod value;

use std::sync::Arc;

pub use architecture::Architecture;
pub use error::SchemaError;
pub use extension::Extension;
pub use param::{Condition, Param, Range};
pub use space::SearchSpace;
pub use task::{Domain, Goal, Task};
pub use trial::{Split, Status, Trial};
pub use trial_id::{IdentifiedTrial, TrialId};
pub use value::Value;

/// A shared string. A history repeats few names a million times, so they are reference counted.
pub type Name = Arc<str>;

/// A JSON value, for fields that Heirloom keeps without understanding them.
pub type Json = serde_json::Value;

/// Longest identifier accepted, in bytes.
const MAX_ID_BYTES: usize = 200;

/// Refuses empty, overlong or control-character identifiers: they become keys, file names and URLs.
fn check_id(what: &'static str, id: &str) -> Result<(), SchemaError> {
    let bad = id.is_empty() || id.len() > MAX_ID_BYTES || id.trim() != id || id.chars().any(char::is_control);
    if bad { Err(SchemaError::BadId { what, id: id.to_owned() }) } else { Ok(()) }
}

/// Refuses a number that is not finite or below 0: nothing can be spent less than not at all.
fn check_not_negative(field: impl Fn() -> String, value: f64) -> Result<(), SchemaError> {
    check_finite(&field, value)?;
    if value >= 0.0 { Ok(()) } else { Err(SchemaError::Negative { field: field(), value }) }
}

/// Refuses a number without a name.
fn check_named(what: &'static str, name: &Name) -> Result<(), SchemaError> {
    if name.trim().is_empty() { Err(SchemaError::BadId { what, id: name.to_string() }) } else { Ok(()) }
}

/// Refuses a number that is not finite; JSON cannot say it, and a rank over it means nothing.
fn check_finite(field: impl FnOnce() -> String, value: f64) -> Result<(), SchemaError> {
    if value.is_finite() { Ok(()) } else { Err(SchemaError::NotFinite { field: field(), value }) }
}
