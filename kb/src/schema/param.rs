//! One parameter of a search space: its name, its range and when it counts.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Name, SchemaError, Value, check_finite, check_id};
use crate::nearest;

/// One parameter of a search space. In JSON it has these fields and no others: a condition that is misspelt would make it
/// active always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawParam")]
pub struct Param {
    /// Unique within the space.
    pub name: Name,
    /// The values it may take.
    pub range: Range,
    /// All must hold for the parameter to be active; an inactive one has no value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_if: Vec<Condition>,
}

/// A parameter as JSON has it.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RawParam {
    name: Name,
    range: Range,
    #[serde(default)]
    active_if: Vec<Condition>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

/// The fields of a parameter.
const FIELDS: [&str; 3] = ["name", "range", "active_if"];

impl TryFrom<RawParam> for Param {
    type Error = SchemaError;

    fn try_from(raw: RawParam) -> Result<Self, SchemaError> {
        let RawParam { name, range, active_if, unknown } = raw;
        match unknown.into_keys().next() {
            Some(field) => {
                let nearest = nearest(&field, FIELDS, 1).first().copied();
                Err(SchemaError::UnknownField { param: name, field, nearest })
            }
            None => Ok(Param { name, range, active_if }),
        }
    }
}

/// A condition on an earlier parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct Condition {
    /// The earlier parameter.
    pub param: Name,
    /// The condition holds when that parameter is active and has one of these values.
    pub any_of: Vec<Value>,
}

/// The values a parameter may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields, expecting = "an object")]
pub enum Range {
    /// One of several named options without an order.
    Choice {
        /// The options' names.
        options: Vec<Name>,
        /// Numbers that describe the options, each list as long as `options`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        descriptors: BTreeMap<Name, Vec<f64>>,
    },
    /// One of several numbers, in ascending order.
    Levels {
        /// The numbers, strictly ascending.
        values: Vec<Value>,
    },
    /// A whole number between two bounds, both included.
    Int {
        /// Lower bound.
        lo: i64,
        /// Upper bound.
        hi: i64,
        /// Whether steps are felt as factors; then `lo` is at least 1.
        #[serde(default, skip_serializing_if = "is_false")]
        log: bool,
    },
    /// A real number between two bounds, both included.
    Real {
        /// Lower bound.
        lo: f64,
        /// Upper bound.
        hi: f64,
        /// Whether steps are felt as factors; then `lo` is above 0.
        #[serde(default, skip_serializing_if = "is_false")]
        log: bool,
    },
}

/// By so much of their size numbers may differ through rounding, in single precision too.
const ROUNDING: f64 = 1e-6;

/// Whether a number is another but for rounding, of which the `size` is known.
fn is_near(number: f64, other: f64, size: f64) -> bool {
    (number - other).abs() <= ROUNDING * size
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Range {
    /// How many values there are; `None` for a range of reals.
    #[must_use]
    pub fn cardinality(&self) -> Option<u64> {
        match self {
            Range::Choice { options, .. } => Some(options.len() as u64),
            Range::Levels { values } => Some(values.len() as u64),
            Range::Int { lo, hi, .. } => Some(hi.abs_diff(*lo).saturating_add(1)),
            Range::Real { .. } => None,
        }
    }

    /// The `index`-th value in order; `None` past the end and for a range of reals.
    #[must_use]
    pub fn value_at(&self, index: u64) -> Option<Value> {
        let at = usize::try_from(index).ok()?;
        match self {
            Range::Choice { options, .. } => options.get(at).cloned().map(Value::Text),
            Range::Levels { values } => values.get(at).cloned(),
            Range::Int { .. } if index >= self.cardinality()? => None,
            Range::Int { lo, .. } => lo.checked_add_unsigned(index).map(Value::Int),
            Range::Real { .. } => None,
        }
    }

    /// The position of a value in order; `None` if it is not allowed, and for a range of reals.
    #[must_use]
    pub fn index_of(&self, value: &Value) -> Option<u64> {
        match self {
            Range::Choice { options, .. } => {
                let text = value.as_text()?;
                options.iter().position(|o| &**o == text).map(|at| at as u64)
            }
            Range::Levels { values } => values.iter().position(|v| v.same(value)).map(|at| at as u64),
            Range::Int { lo, hi, .. } => {
                value.as_int().filter(|int| (lo..=hi).contains(&int)).map(|int| int.abs_diff(*lo))
            }
            Range::Real { .. } => None,
        }
    }

    /// The value as this range writes it (a level as it is listed, a real as a real), if it is allowed. A number that misses a bound or a
    /// level by rounding is taken for it: `exp(ln(lo))` is seldom `lo`, nor is what was stored in single precision.
    #[must_use]
    pub fn normalise(&self, value: &Value) -> Option<Value> {
        match self {
            Range::Real { lo, hi, .. } => {
                let real = value.as_f64()?;
                let within = real.clamp(*lo, *hi);
                let size = if within == 0.0 { hi - lo } else { within.abs() };
                is_near(real, within, size).then_some(Value::Real(within))
            }
            discrete => match discrete.index_of(value) {
                Some(at) => discrete.value_at(at),
                None => discrete.level_near(value),
            },
        }
    }

    /// The level that a number with a fraction is but for rounding; whole numbers are not rounded.
    fn level_near(&self, value: &Value) -> Option<Value> {
        let (Range::Levels { values }, Value::Real(number)) = (self, value) else { return None };
        let near = |level: &&Value| level.as_f64().is_some_and(|level| is_near(*number, level, level.abs()));
        values.iter().find(near).cloned()
    }

    /// What a value must be, for an error: `an option`, `an integer in 1..=8`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Range::Choice { .. } => "an option".into(),
            Range::Levels { .. } => "a level".into(),
            Range::Int { lo, hi, .. } => format!("an integer in {lo}..={hi}"),
            Range::Real { lo, hi, .. } => format!("a real in {lo}..={hi}"),
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Range::Choice { options, descriptors } => check_choice(options, descriptors),
            Range::Levels { values } => check_levels(values),
            Range::Int { lo, hi, log } => check_bounds(
                lo <= hi,
                !log || *lo >= 1,
                &format!("{lo}..={hi}"),
                "log needs lo of at least 1",
            ),
            Range::Real { lo, hi, log } => {
                if !(lo.is_finite() && hi.is_finite()) {
                    return Err(format!("bounds {lo}..={hi} are not finite"));
                }
                if !(hi - lo).is_finite() {
                    return Err(format!("bounds {lo}..={hi} are too far apart"));
                }
                if *log && *lo > 0.0 && !(hi / lo).is_finite() {
                    return Err(format!("bounds {lo}..={hi} are too far apart for log"));
                }
                check_bounds(lo <= hi, !log || *lo > 0.0, &format!("{lo}..={hi}"), "log needs lo above 0")
            }
        }
    }
}

fn check_bounds(ordered: bool, log_fits: bool, shown: &str, log_reason: &str) -> Result<(), String> {
    if !ordered {
        return Err(format!("bounds {shown} hold no value"));
    }
    if log_fits { Ok(()) } else { Err(format!("bounds {shown}: {log_reason}")) }
}

fn check_choice(options: &[Name], descriptors: &BTreeMap<Name, Vec<f64>>) -> Result<(), String> {
    if options.is_empty() {
        return Err("a choice needs at least one option".into());
    }
    let mut seen = std::collections::BTreeSet::new();
    if let Some(twice) = options.iter().find(|option| !seen.insert(Name::clone(option))) {
        return Err(format!("option {twice:?} stands twice"));
    }
    for (name, numbers) in descriptors {
        if numbers.len() != options.len() {
            let (have, want) = (numbers.len(), options.len());
            return Err(format!("descriptor {name:?} has {have} numbers for {want} options"));
        }
        for number in numbers {
            check_finite(|| format!("descriptor {name:?}"), *number).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

fn check_levels(values: &[Value]) -> Result<(), String> {
    let numbers: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
    match numbers {
        None => Err("levels must be numbers".into()),
        Some(numbers) if numbers.is_empty() => Err("levels must hold at least one number".into()),
        Some(numbers) if numbers.windows(2).any(|pair| pair[0] >= pair[1]) => {
            Err("levels must be strictly ascending".into())
        }
        Some(_) => Ok(()),
    }
}

impl Param {
    /// Checks the parameter on its own and its conditions against the `earlier` ones.
    pub(super) fn check(&self, space: &Name, earlier: &[Param]) -> Result<(), SchemaError> {
        let bad = |reason: String| SchemaError::BadSpace { space: Name::clone(space), reason };
        let name = &self.name;
        check_id("parameter", name)?;
        if earlier.iter().any(|param| param.name == *name) {
            return Err(bad(format!("parameter {name:?} stands twice")));
        }
        self.range.check().map_err(|reason| bad(format!("parameter {name:?}: {reason}")))?;
        for condition in &self.active_if {
            let Some(parent) = earlier.iter().find(|param| param.name == condition.param) else {
                let parent = &condition.param;
                return Err(bad(format!(
                    "parameter {name:?} depends on {parent:?}, which does not come before it"
                )));
            };
            if condition.any_of.is_empty() {
                return Err(bad(format!("parameter {name:?}: any_of is empty, so it is never active")));
            }
            for value in &condition.any_of {
                if parent.range.normalise(value).is_none() {
                    let (allowed, parent) = (parent.range.describe(), &parent.name);
                    return Err(bad(format!("parameter {name:?}: {value} is not {allowed} of {parent:?}")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::SearchSpace;
    use crate::schema::{Range, Value};

    #[test]
    fn numbers_that_miss_a_bound_or_a_level_by_rounding_are_it() {
        let real = Range::Real { lo: 1e-5, hi: 0.1, log: true };
        let near = [(9.999_999_999_999_997e-6, 1e-5), (f64::from(0.1_f32), 0.1), (0.02, 0.02)];
        for (given, taken) in near {
            assert_eq!(real.normalise(&Value::Real(given)), Some(Value::Real(taken)));
        }
        let from_zero = Range::Real { lo: 0.0, hi: 0.6, log: false };
        assert_eq!(from_zero.normalise(&Value::Real(-1e-17)), Some(Value::Real(0.0)));
        let levels = Range::Levels { values: vec![Value::Real(0.0), Value::Real(0.3), Value::Int(16)] };
        assert_eq!(levels.normalise(&Value::Real(0.1 + 0.2)), Some(Value::Real(0.3)));
        assert_eq!(levels.normalise(&Value::Real(f64::from(0.3_f32))), Some(Value::Real(0.3)));
        assert_eq!(levels.normalise(&Value::Real(16.0)), Some(Value::Int(16)));
        for (range, far) in
            [(&real, 0.100_01), (&real, 9.99e-6), (&from_zero, -1e-3), (&levels, 0.31), (&levels, 1e-9)]
        {
            assert_eq!(range.normalise(&Value::Real(far)), None, "{far}");
        }
        assert_eq!(real.normalise(&Value::Real(f64::NAN)), None);
        let whole = Range::Levels { values: vec![Value::Int(10_000_000)] };
        assert_eq!(whole.normalise(&Value::Int(10_000_001)), None, "another whole number");
    }

    #[test]
    fn bounds_are_finite_and_not_too_far_apart() {
        let space = |range: &str| {
            let text = format!(r#"{{"id":"s/1","params":[{{"name":"a","range":{range}}}]}}"#);
            serde_json::from_str::<SearchSpace>(&text).map_err(|error| error.to_string())
        };
        assert!(space(r#"{"kind":"real","lo":-8e307,"hi":8e307}"#).is_ok());
        for (range, words) in [
            (r#"{"kind":"real","lo":-1e308,"hi":1e308}"#, "too far apart"),
            (r#"{"kind":"real","lo":1e-300,"hi":1e300,"log":true}"#, "too far apart for log"),
            (r#"{"kind":"real","lo":2.0,"hi":1.0}"#, "hold no value"),
            (r#"{"kind":"real","lo":0.0,"hi":1.0,"log":true}"#, "log needs lo above 0"),
            (r#"{"kind":"int","lo":0,"hi":9,"log":true}"#, "log needs lo of at least 1"),
        ] {
            let error = space(range).unwrap_err();
            assert!(error.contains(words) && error.contains(r#""a""#), "{range}: {error}");
        }
    }
}
