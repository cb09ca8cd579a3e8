//! `Objectives`: what counts beside the score.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use heirloom_kb::Name;
use serde::{Deserialize, Serialize};

use crate::SearchError;

/// Most costs on a Pareto front, beside the score.
const MAX_PARETO: usize = 3;

/// The least and the most that a cost may be, both included. `{"max":0.01}` in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct Bound {
    /// The least, in the cost's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most, in the cost's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Bound {
    /// Whether a cost that is known is within.
    #[must_use]
    pub fn admits(&self, cost: f64) -> bool {
        self.min.is_none_or(|min| cost >= min) && self.max.is_none_or(|max| cost <= max)
    }
}

impl fmt::Display for Bound {
    /// `at most 0.01`, `at least 1 and at most 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "at least {min} and at most {max}"),
            (Some(min), None) => write!(f, "at least {min}"),
            (None, Some(max)) => write!(f, "at most {max}"),
            (None, None) => write!(f, "anything"),
        }
    }
}

/// Bounds on costs by name: `{"latency_s":{"max":0.01},"params":{"max":2e6}}` in JSON.
pub type Constraints = BTreeMap<Name, Bound>;

/// What counts beside the score. The names are those that past trials have in `costs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct Objectives {
    /// What is sought must keep to these.
    #[serde(default)]
    pub constraints: Constraints,
    /// Costs to be low while the score is high: what is sought is the front.
    #[serde(default)]
    pub pareto: Vec<Name>,
    /// A cost that improvement is counted per unit of, such as `train_s`.
    #[serde(default)]
    pub per: Option<Name>,
    /// The device that costs are meant on, as trials name it in their field `device`; absent, that of the task's own trials.
    #[serde(default)]
    pub device: Option<Name>,
}

impl Objectives {
    /// Whether the score alone counts.
    #[must_use]
    pub fn is_score_alone(&self) -> bool {
        self.constraints.is_empty() && self.pareto.is_empty() && self.per.is_none()
    }

    /// The costs that it names, in order, each once.
    #[must_use]
    pub fn costs(&self) -> BTreeSet<&Name> {
        self.constraints.keys().chain(&self.pareto).chain(&self.per).collect()
    }

    /// Whether costs measured keep to the constraints; what was not measured is not held against them.
    #[must_use]
    pub fn admit(&self, costs: &BTreeMap<Name, f64>) -> bool {
        self.constraints
            .iter()
            .all(|(cost, bound)| costs.get(cost).is_none_or(|measured| bound.admits(*measured)))
    }

    /// Refuses what cannot be asked for. `known` are the costs that trials of the space have.
    ///
    /// # Errors
    /// [`SearchError::UnknownCost`], [`SearchError::BadObjective`].
    pub fn check(&self, known: &[Name]) -> Result<(), SearchError> {
        if let Some(unknown) = self.costs().into_iter().find(|cost| !known.contains(cost)) {
            return Err(SearchError::UnknownCost { cost: unknown.clone(), known: known.to_vec() });
        }
        for (cost, bound) in &self.constraints {
            check_bound(bound).map_err(|reason| bad(format!("the constraint on {cost:?} {reason}")))?;
        }
        let distinct: BTreeSet<&Name> = self.pareto.iter().collect();
        if distinct.len() < self.pareto.len() {
            return Err(bad("a cost stands twice among the Pareto objectives".into()));
        }
        if self.pareto.len() > MAX_PARETO {
            let n = self.pareto.len();
            return Err(bad(format!(
                "{n} costs as Pareto objectives are too many, {MAX_PARETO} may be given"
            )));
        }
        Ok(())
    }
}

fn check_bound(bound: &Bound) -> Result<(), String> {
    if bound.min.is_none() && bound.max.is_none() {
        return Err("has neither min nor max".into());
    }
    if let Some(limit) = bound.min.iter().chain(&bound.max).find(|limit| !limit.is_finite()) {
        return Err(format!("is {limit}, it must be finite"));
    }
    if let (Some(min), Some(max)) = (bound.min, bound.max)
        && min > max
    {
        return Err(format!("has a min of {min} above its max of {max}"));
    }
    Ok(())
}

pub(crate) fn bad(reason: String) -> SearchError {
    SearchError::BadObjective { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objectives(json: &str) -> Objectives {
        serde_json::from_str(json).unwrap()
    }

    fn refusal(json: &str) -> String {
        objectives(json).check(&["latency_s".into(), "params".into()]).unwrap_err().to_string()
    }

    #[test]
    fn costs_are_named_once_and_bounds_hold_at_their_ends() {
        let asked = objectives(
            r#"{"constraints":{"params":{"max":2e6},"latency_s":{"min":0.1,"max":0.2}},"pareto":["params"]}"#,
        );
        assert_eq!(
            asked.costs().into_iter().map(|cost| &**cost).collect::<Vec<_>>(),
            ["latency_s", "params"]
        );
        assert!(asked.check(&["latency_s".into(), "params".into()]).is_ok());
        let costs = |params: f64| [("params".into(), params)].into_iter().collect();
        assert!(asked.admit(&costs(2e6)) && !asked.admit(&costs(2e6 + 1.0)));
        assert!(!asked.is_score_alone() && Objectives::default().is_score_alone());
        assert_eq!(asked.constraints["latency_s"].to_string(), "at least 0.1 and at most 0.2");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(
            refusal(r#"{"per":"watts"}"#),
            r#"no trial has the cost "watts"; known are "latency_s", "params""#
        );
        assert_eq!(
            refusal(r#"{"constraints":{"params":{}}}"#),
            r#"objectives: the constraint on "params" has neither min nor max"#
        );
        assert_eq!(
            refusal(r#"{"constraints":{"params":{"min":3,"max":2}}}"#),
            r#"objectives: the constraint on "params" has a min of 3 above its max of 2"#
        );
        assert_eq!(
            refusal(r#"{"pareto":["params","params"]}"#),
            "objectives: a cost stands twice among the Pareto objectives"
        );
        assert!(serde_json::from_str::<Objectives>(r#"{"constraints":{"params":{"most":2}}}"#).is_err());
    }
}
