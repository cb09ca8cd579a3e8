//! One assignment of values in one search space.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, Value};

/// One assignment of values to the parameters of one search space, `{"link":"0001","depth":3}` in JSON.
///
/// Whether the values fit is for [`SearchSpace::normalise`](super::SearchSpace::normalise) to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Architecture(pub BTreeMap<Name, Value>);

impl Architecture {
    /// The value of a parameter, if it is set.
    #[must_use]
    pub fn get(&self, param: &str) -> Option<&Value> {
        self.0.get(param)
    }

    /// The option chosen for a parameter, if it is set and is a choice.
    #[must_use]
    pub fn text(&self, param: &str) -> Option<&str> {
        self.get(param).and_then(Value::as_text)
    }

    /// The number set for a parameter, if it is set and is one.
    #[must_use]
    pub fn number(&self, param: &str) -> Option<f64> {
        self.get(param).and_then(Value::as_f64)
    }

    /// Sets one parameter, replacing what it was.
    pub fn set(&mut self, param: &Name, value: Value) {
        self.0.insert(Name::clone(param), value);
    }
}

impl<N: Into<Name>, V: Into<Value>> FromIterator<(N, V)> for Architecture {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        Architecture(values.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Display for Architecture {
    /// One line for people: `depth=3 link=0001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            match value {
                Value::Text(text) => write!(f, "{gap}{name}={text}")?,
                number => write!(f, "{gap}{name}={number}")?,
            }
        }
        Ok(())
    }
}
