//! Why a record is refused.

use super::{Name, Value};

/// A record that contradicts itself, its search space or its task. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// An identifier that cannot serve as a key.
    #[error("{what} id {id:?} is not usable: 1 to 200 bytes, no control characters, no outer spaces")]
    BadId {
        /// `task`, `space`, `parameter`, `metric`, `cost`, `fidelity` or `meta-feature`.
        what: &'static str,
        /// The identifier as given.
        id: String,
    },
    /// What is to be the id of a trial and is none.
    #[error(
        "trial id {id:?} is none: 32 hexadecimal digits were expected, as `heirloom train` and studies say them"
    )]
    BadTrialId {
        /// The identifier as given.
        id: String,
    },
    /// A number that is infinite or not a number.
    #[error("{field} is {value}, not a finite number")]
    NotFinite {
        /// The field's path.
        field: String,
        /// The value as given.
        value: f64,
    },
    /// A search space whose definition does not hold together.
    #[error("space {space:?}: {reason}")]
    BadSpace {
        /// The space's id.
        space: Name,
        /// What is wrong, with the operand.
        reason: String,
    },
    /// A parameter with a field that is none of its own. It would be lost, and with it perhaps a condition.
    #[error("parameter {param:?}: unknown field {field:?}{}", meant(*nearest))]
    UnknownField {
        /// The parameter's name.
        param: Name,
        /// The field as given.
        field: String,
        /// The field that it may have been meant to be.
        nearest: Option<&'static str>,
    },
    /// A number that must not be negative.
    #[error("{field} is {value}, it must not be negative")]
    Negative {
        /// The field's path.
        field: String,
        /// The value as given.
        value: f64,
    },
    /// A learning curve whose steps do not rise.
    #[error("curve[{at}] is at step {step}, which does not come after {before}; steps must rise")]
    CurveOrder {
        /// The position of the point.
        at: usize,
        /// Its step.
        step: f64,
        /// The step before it.
        before: f64,
    },
    /// A space that is known under this id with other content.
    #[error("space {space:?} is already defined with other content; give the new one another id")]
    SpaceRedefined {
        /// The space's id.
        space: Name,
    },
    /// A task that is known under this id and differs where it must not.
    #[error(
        "task {task:?} is already defined with {field} {old}, not {new}: give the new one another id, or read its data as they were read then"
    )]
    TaskRedefined {
        /// The task's id.
        task: Name,
        /// The field that differs.
        field: String,
        /// What the base has.
        old: String,
        /// What was given.
        new: String,
    },
    /// A trial on a task that is not defined.
    #[error("task {task:?} is not defined; define it before its trials")]
    UnknownTask {
        /// The task's id.
        task: Name,
    },
    /// A trial in a space that is not defined.
    #[error("space {space:?} is not defined; define it before its trials")]
    UnknownSpace {
        /// The space's id.
        space: Name,
    },
    /// An architecture that names a parameter the space lacks.
    #[error("{param:?} is not a parameter of space {space:?}")]
    UnknownParam {
        /// The space's id.
        space: Name,
        /// The parameter as given.
        param: Name,
    },
    /// An architecture that leaves an active parameter open.
    #[error("parameter {param:?} of space {space:?} has no value")]
    MissingParam {
        /// The space's id.
        space: Name,
        /// The parameter left open.
        param: Name,
    },
    /// A value that its parameter does not allow.
    #[error("{value} is not {allowed} of {param:?}")]
    BadValue {
        /// The parameter.
        param: Name,
        /// The value as given.
        value: Value,
        /// What the parameter allows: `an option`, `a level`, `an integer in 1..=8`, `a real in 0..=1`.
        allowed: String,
    },
    /// A complete trial without a score.
    #[error("score is missing; only a trial whose status is \"failed\" or \"pruned\" may lack one")]
    MissingScore,
}

/// `; did you mean "active_if"?`, or which fields there are.
fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(field) => format!("; did you mean {field:?}?"),
        None => "; it has name, range and active_if".into(),
    }
}
