//! A trial: one measurement of an architecture on a task.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Architecture, Json, Name, SchemaError, SearchSpace, TrialId, check_finite, check_id, check_named,
    check_not_negative,
};

/// Which part of the data a score was measured on. There is no default: a validation score is never
/// mistaken for a test score, and no surrogate sees `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What the network was fitted on.
    Train,
    /// What choices are made on.
    Validation,
    /// What is looked at once, at the end.
    Test,
}

impl Split {
    /// The name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was measured.
    #[default]
    Complete,
    /// It broke: out of memory, a loss that is not a number, a crash.
    Failed,
    /// It was stopped early because it did badly.
    Pruned,
}

impl Status {
    fn is_complete(&self) -> bool {
        *self == Status::Complete
    }
}

/// One measurement of an architecture on a task. Never changed once finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Trial {
    /// The task's id.
    pub task: Name,
    /// The search space's id.
    pub space: Name,
    /// The assignment that was measured.
    pub architecture: Architecture,
    /// The part of the data that was scored.
    pub split: Split,
    /// The metric of `score` and of the curve.
    pub metric: Name,
    /// The measured score; absent only for failed and pruned trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// How the trial ended.
    #[serde(default, skip_serializing_if = "Status::is_complete")]
    pub status: Status,
    /// What was spent of the full effort, such as `epochs` and `data_fraction`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fidelity: BTreeMap<Name, f64>,
    /// The random seed of the training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What it cost, with units in the names: `params`, `latency_s`, `train_s`. The field `device`, which is kept in
    /// `extra`, says where it was measured, such as `"device":"raspberry-pi-4"`: costs of one device are learned apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub costs: BTreeMap<Name, f64>,
    /// The learning curve: (fidelity, score) pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, f64)>,
    /// Where the measurement comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
    /// Fields that Heirloom keeps without understanding them.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Json>,
}

impl Trial {
    /// A complete trial with a score and nothing else.
    #[must_use]
    pub fn new(
        task: impl Into<Name>,
        space: impl Into<Name>,
        architecture: Architecture,
        split: Split,
        metric: impl Into<Name>,
        score: f64,
    ) -> Self {
        Trial {
            task: task.into(),
            space: space.into(),
            architecture,
            split,
            metric: metric.into(),
            score: Some(score),
            status: Status::Complete,
            fidelity: BTreeMap::new(),
            seed: None,
            costs: BTreeMap::new(),
            curve: Vec::new(),
            source: None,
            extra: BTreeMap::new(),
        }
    }

    /// The identity of this trial; meaningful for a normalised one.
    #[must_use]
    pub fn id(&self) -> TrialId {
        TrialId::of(self)
    }

    /// The trial as a base keeps it, with the architecture as `space` writes it.
    ///
    /// # Errors
    /// [`SchemaError`] when the architecture does not fit, a number is not finite, what was spent or what it cost is negative,
    /// the curve's steps do not rise, or a complete trial has no score.
    pub fn normalise(&self, space: &SearchSpace) -> Result<Trial, SchemaError> {
        check_id("metric", &self.metric)?;
        self.check_numbers()?;
        if self.status.is_complete() && self.score.is_none() {
            return Err(SchemaError::MissingScore);
        }
        let mut extra = self.extra.clone();
        extra.remove("type");
        extra.values_mut().for_each(sort_keys);
        let named = extra.remove("id");
        let mut trial = Trial { architecture: space.normalise(&self.architecture)?, extra, ..self.clone() };
        // An answer says a trial's id beside it. One that comes back with it is the same trial; any other `id` is a field as any.
        if let Some(id) = named.filter(|id| *id != trial.id().to_string()) {
            trial.extra.insert("id".into(), id);
        }
        Ok(trial)
    }

    fn check_numbers(&self) -> Result<(), SchemaError> {
        if let Some(score) = self.score {
            check_finite(|| "score".into(), score)?;
        }
        for (name, value) in &self.fidelity {
            check_named("fidelity", name)?;
            check_not_negative(|| format!("fidelity.{name}"), *value)?;
        }
        for (name, value) in &self.costs {
            check_named("cost", name)?;
            check_not_negative(|| format!("costs.{name}"), *value)?;
        }
        for (at, (step, score)) in self.curve.iter().enumerate() {
            check_not_negative(|| format!("the step of curve[{at}]"), *step)?;
            check_finite(|| format!("curve[{at}]"), *score)?;
        }
        let disorder = self.curve.windows(2).position(|pair| pair[0].0 >= pair[1].0);
        disorder.map_or(Ok(()), |at| {
            let (step, before) = (self.curve[at + 1].0, self.curve[at].0);
            Err(SchemaError::CurveOrder { at: at + 1, step, before })
        })
    }
}

/// Puts the keys of nested objects in order, so that equal content has equal bytes whatever the order of keys
/// in the file and whichever map `serde_json` was built with.
fn sort_keys(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(sort_keys),
        Json::Object(object) => {
            let mut entries: Vec<(String, Json)> = std::mem::take(object).into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, mut inner) in entries {
                sort_keys(&mut inner);
                object.insert(key, inner);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
