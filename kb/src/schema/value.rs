//! One value of one parameter.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use super::Name;

/// A value of a parameter: an option's name, a whole number or a real number.
///
/// In JSON these are a string, a number without a fraction and a number with one.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An option of a choice.
    Text(Name),
    /// A whole number.
    Int(i64),
    /// A real number.
    Real(f64),
}

impl Value {
    /// The option's name, when this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Int(_) | Value::Real(_) => None,
        }
    }

    /// The number, when this is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Text(_) => None,
            // Whole numbers of architectures are far below 2^53.
            Value::Int(int) => Some(*int as f64),
            Value::Real(real) => Some(*real),
        }
    }

    /// The whole number, when this is one, also when it was written as `3.0`.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            Value::Real(real) if real.fract() == 0.0 && real.abs() < 9e15 => Some(*real as i64),
            Value::Text(_) | Value::Real(_) => None,
        }
    }

    /// Whether both name the same thing: `16` and `16.0` do.
    #[must_use]
    pub fn same(&self, other: &Value) -> bool {
        match (self.as_f64(), other.as_f64()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self == other,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Int(int) => write!(f, "{int}"),
            Value::Real(real) => write!(f, "{real}"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Value::Int(int)
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Value::Real(real)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Int(int) => serializer.serialize_i64(*int),
            Value::Real(real) => serializer.serialize_f64(*real),
        }
    }
}

/// Written by hand: the derived untagged form buffers each value, which halves the import rate.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Int(int))
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Value, E> {
        i64::try_from(int).map(Value::Int).map_err(|_| E::custom(format!("{int} is too large a number")))
    }

    fn visit_f64<E: de::Error>(self, real: f64) -> Result<Value, E> {
        Ok(Value::Real(real))
    }
}
