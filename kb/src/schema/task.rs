//! A task: a data set with a goal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Json, Name, SchemaError, check_finite, check_id, check_named};

/// What the data of a task are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// Pictures.
    Image,
    /// Sound.
    Audio,
    /// Rows and columns.
    Tabular,
    /// Written language.
    Text,
    /// Nodes and edges.
    Graph,
    /// Series in time other than sound.
    Timeseries,
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Domain::Image => "image",
            Domain::Audio => "audio",
            Domain::Tabular => "tabular",
            Domain::Text => "text",
            Domain::Graph => "graph",
            Domain::Timeseries => "timeseries",
        })
    }
}

/// Which way the metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Goal {
    /// The score with the sign turned so that higher is better.
    #[must_use]
    pub fn higher_is_better(self, score: f64) -> f64 {
        match self {
            Goal::Maximize => score,
            Goal::Minimize => -score,
        }
    }
}

/// A data set with a goal: what is scored, and which way is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Task {
    /// Unique in a base.
    pub id: Name,
    /// What the data are.
    pub domain: Domain,
    /// The metric that trials of this task are ranked by.
    pub metric: Name,
    /// Which way that metric is better.
    pub goal: Goal,
    /// Numbers that describe the data set, such as `n_samples` and `n_classes`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta_features: BTreeMap<Name, f64>,
    /// Where the task comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
    /// Fields that Heirloom keeps without understanding them.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Json>,
}

impl Task {
    /// A task with neither meta-features nor source.
    #[must_use]
    pub fn new(id: impl Into<Name>, domain: Domain, metric: impl Into<Name>, goal: Goal) -> Self {
        Task {
            id: id.into(),
            domain,
            metric: metric.into(),
            goal,
            meta_features: BTreeMap::new(),
            source: None,
            extra: BTreeMap::new(),
        }
    }

    /// The task as a base keeps it.
    ///
    /// # Errors
    /// [`SchemaError::BadId`] or [`SchemaError::NotFinite`].
    pub fn normalise(&self) -> Result<Task, SchemaError> {
        check_id("task", &self.id)?;
        check_id("metric", &self.metric)?;
        for (name, value) in &self.meta_features {
            check_named("meta-feature", name)?;
            check_finite(|| format!("meta_features.{name}"), *value)?;
        }
        let mut normal = self.clone();
        normal.extra.remove("type");
        Ok(normal)
    }

    /// What the base keeps when `newer` is put under the same id: what was there, and what `newer` adds.
    ///
    /// # Errors
    /// [`SchemaError::TaskRedefined`] when a field that both have differs.
    pub fn merged_with(&self, newer: &Task) -> Result<Task, SchemaError> {
        let clash = |field: String, old: String, new: String| SchemaError::TaskRedefined {
            task: self.id.clone(),
            field,
            old,
            new,
        };
        if self.domain != newer.domain {
            return Err(clash("domain".into(), format!("{:?}", self.domain), format!("{:?}", newer.domain)));
        }
        if self.metric != newer.metric {
            return Err(clash("metric".into(), self.metric.to_string(), newer.metric.to_string()));
        }
        if self.goal != newer.goal {
            return Err(clash("goal".into(), format!("{:?}", self.goal), format!("{:?}", newer.goal)));
        }
        let mut merged = self.clone();
        for (name, value) in &newer.meta_features {
            let kept = *merged.meta_features.entry(name.clone()).or_insert(*value);
            if kept != *value {
                return Err(clash(format!("meta_features.{name}"), kept.to_string(), value.to_string()));
            }
        }
        for (name, value) in &newer.extra {
            let kept = merged.extra.entry(name.clone()).or_insert_with(|| value.clone());
            if kept != value {
                return Err(clash(name.clone(), kept.to_string(), value.to_string()));
            }
        }
        if merged.source.is_none() {
            merged.source.clone_from(&newer.source);
        }
        Ok(merged)
    }
}
