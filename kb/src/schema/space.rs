//! A search space: the ordered parameters an architecture assigns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Architecture, Extension, Json, Name, Param, SchemaError, Value, check_id};

/// An ordered list of parameters, named and versioned (`nas-bench-graph/1`). Data, not a type: the base stores
/// it and JSON carries it.
///
/// Reading one from JSON checks it: names are unique, ranges hold values, conditions look back only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawSpace")]
pub struct SearchSpace {
    id: Name,
    params: Vec<Param>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extends: Vec<Extension>,
    #[serde(flatten)]
    extra: BTreeMap<String, Json>,
}

/// A space as JSON has it, before it is checked.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RawSpace {
    id: Name,
    params: Vec<Param>,
    #[serde(default)]
    extends: Vec<Extension>,
    #[serde(flatten)]
    extra: BTreeMap<String, Json>,
}

impl TryFrom<RawSpace> for SearchSpace {
    type Error = SchemaError;

    fn try_from(raw: RawSpace) -> Result<Self, SchemaError> {
        let mut space = SearchSpace::new(raw.id, raw.params)?;
        for extension in &raw.extends {
            extension.check(&space.id, &space.params)?;
        }
        space.extends = raw.extends;
        space.extra = raw.extra;
        space.extra.remove("type");
        Ok(space)
    }
}

impl SearchSpace {
    /// A space of these parameters.
    ///
    /// # Errors
    /// [`SchemaError::BadSpace`] or [`SchemaError::BadId`] when the definition does not hold together.
    pub fn new(id: impl Into<Name>, params: Vec<Param>) -> Result<Self, SchemaError> {
        let id = id.into();
        check_id("space", &id)?;
        if params.is_empty() {
            return Err(SchemaError::BadSpace { space: id, reason: "there are no parameters".into() });
        }
        for (at, param) in params.iter().enumerate() {
            param.check(&id, &params[..at])?;
        }
        Ok(SearchSpace { id, params, extends: Vec::new(), extra: BTreeMap::new() })
    }

    /// The space's name and version.
    #[must_use]
    pub fn id(&self) -> &Name {
        &self.id
    }

    /// The parameters in order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Other spaces whose trials tell of this one.
    #[must_use]
    pub fn extends(&self) -> &[Extension] {
        &self.extends
    }

    /// The number of assignments, conditions disregarded; `None` when a parameter is real or the count
    /// exceeds `u64`.
    #[must_use]
    pub fn cardinality(&self) -> Option<u64> {
        self.params.iter().try_fold(1_u64, |n, param| n.checked_mul(param.range.cardinality()?))
    }

    /// Whether a parameter is a real number, so that architectures can lie as near to each other as one likes.
    #[must_use]
    pub fn has_reals(&self) -> bool {
        self.params.iter().any(|param| matches!(param.range, super::Range::Real { .. }))
    }

    /// Whether a parameter is active under the values of `architecture`. Parents must have been decided:
    /// a parent without a value is inactive.
    #[must_use]
    pub fn is_active(&self, param: &Param, architecture: &Architecture) -> bool {
        param.active_if.iter().all(|condition| {
            let value = architecture.get(&condition.param);
            value.is_some_and(|value| condition.any_of.iter().any(|one| one.same(value)))
        })
    }

    /// The architecture as this space writes it: every active parameter set and allowed, inactive ones dropped,
    /// numbers in the form the range has them.
    ///
    /// # Errors
    /// [`SchemaError::UnknownParam`], [`SchemaError::MissingParam`] or [`SchemaError::BadValue`].
    pub fn normalise(&self, architecture: &Architecture) -> Result<Architecture, SchemaError> {
        let unknown =
            architecture.0.keys().find(|name| !self.params.iter().any(|param| param.name == **name));
        if let Some(name) = unknown {
            return Err(SchemaError::UnknownParam { space: self.id.clone(), param: Name::clone(name) });
        }
        let mut normal = Architecture::default();
        for param in &self.params {
            if self.is_active(param, &normal) {
                let value = self.normalise_value(param, architecture)?;
                normal.set(&param.name, value);
            }
        }
        Ok(normal)
    }

    fn normalise_value(&self, param: &Param, architecture: &Architecture) -> Result<Value, SchemaError> {
        let Some(value) = architecture.get(&param.name) else {
            return Err(SchemaError::MissingParam { space: self.id.clone(), param: param.name.clone() });
        };
        param.range.normalise(value).ok_or_else(|| SchemaError::BadValue {
            param: param.name.clone(),
            value: value.clone(),
            allowed: param.range.describe(),
        })
    }
}
