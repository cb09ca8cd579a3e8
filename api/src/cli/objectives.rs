//! What counts beside the score, on the command line.

use heirloom_kb::Name;
use heirloom_search::{Constraints, Objectives};
use serde::{Deserialize, Serialize};

/// Constraints and further objectives.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Costs")]
pub(super) struct ObjectiveArgs {
    /// The most that a cost may be, such as latency_s=0.01; may be given several times.
    #[arg(long, value_name = "COST=LIMIT", value_parser = limit)]
    max: Vec<(Name, f64)>,
    /// The least that a cost may be; may be given several times.
    #[arg(long, value_name = "COST=LIMIT", value_parser = limit)]
    min: Vec<(Name, f64)>,
    /// A cost to be low while the score is high; may be given up to three times.
    #[arg(long, value_name = "COST")]
    pareto: Vec<Name>,
    /// Count improvement per unit of this cost, such as train_s.
    #[arg(long, value_name = "COST")]
    per: Option<Name>,
    /// The device that costs are meant on, as trials name it in their field "device".
    #[arg(long, value_name = "NAME")]
    on_device: Option<Name>,
}

/// `params=2e6`
fn limit(text: &str) -> Result<(Name, f64), String> {
    let (cost, limit) = text.split_once('=').ok_or("it must be COST=LIMIT, such as params=2e6")?;
    if cost.is_empty() {
        return Err("the cost before the = is missing".into());
    }
    match limit.parse::<f64>() {
        Ok(limit) if limit.is_finite() => Ok((cost.into(), limit)),
        _ => Err(format!("{limit:?} is not a finite number")),
    }
}

impl ObjectiveArgs {
    /// What was asked for. Of several limits on one cost the closest counts.
    pub(super) fn objectives(&self) -> Objectives {
        let mut constraints = Constraints::new();
        for (cost, max) in &self.max {
            let bound = constraints.entry(cost.clone()).or_default();
            bound.max = Some(bound.max.map_or(*max, |other| other.min(*max)));
        }
        for (cost, min) in &self.min {
            let bound = constraints.entry(cost.clone()).or_default();
            bound.min = Some(bound.min.map_or(*min, |other| other.max(*min)));
        }
        Objectives {
            constraints,
            pareto: self.pareto.clone(),
            per: self.per.clone(),
            device: self.on_device.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ObjectiveArgs,
    }

    fn parse(words: &[&str]) -> Result<Objectives, String> {
        let line = Line::try_parse_from(std::iter::once("x").chain(words.iter().copied()));
        line.map(|line| line.args.objectives()).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_become_bounds() {
        let words = ["--max", "params=2e6", "--max", "params=1e6", "--min", "params=10", "--per", "train_s"];
        let got = serde_json::to_value(parse(&words).unwrap()).unwrap();
        assert_eq!(got["constraints"], serde_json::json!({"params": {"min": 10.0, "max": 1e6}}));
        assert_eq!(got["per"], "train_s");
        assert!(parse(&[]).unwrap().is_score_alone());
    }

    #[test]
    fn limits_that_are_none_are_refused() {
        for (word, what) in [("params", "COST=LIMIT"), ("=3", "missing"), ("params=x", "not a finite number")]
        {
            let error = parse(&["--max", word]).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }
}
