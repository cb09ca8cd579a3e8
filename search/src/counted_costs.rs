//! `CountedCosts`: what networks of a built-in space cost, counted and not foretold.

use std::collections::{BTreeMap, BTreeSet};

use heirloom_kb::{Architecture, Domain, Name, Task};
use heirloom_predictor::CostPrediction;
use ndarray::Array1;
use rayon::prelude::*;

use crate::cost_book::CostBook;
use crate::net::NetCost;
use crate::objectives::Objectives;
use crate::space_history::SpaceHistory;
use crate::spaces::{NetInput, SpaceFamily, family};

/// One number of what a network costs.
type Number = fn(&NetCost) -> u64;

/// The costs that follow from a network and the shape of its examples, as the trainer writes them into trials.
const COUNTED: [(&str, Number); 2] = [("params", |cost| cost.params), ("flops", |cost| cost.flops)];
/// Measured architectures of a past task that are held against the count.
const COMPARED: usize = 16;
/// How far what was measured may be off from what is counted, as a share: it may have been written with six digits.
const ROUNDED: f64 = 1e-5;
/// Sides of an image, and length of a series, that are taken where a task does not say.
const USUAL_SIDE: usize = 32;
const USUAL_LENGTH: usize = 1_024;
const USUAL_CHANNELS: usize = 3;
const USUAL_CLASSES: usize = 10;

/// Costs of networks on one task's data that are counted exactly.
#[derive(Clone, Debug)]
pub(crate) struct CountedCosts {
    family: &'static SpaceFamily,
    input: NetInput,
    costs: BTreeSet<Name>,
    /// What the task does not say of its examples and was taken for granted.
    assumed: Vec<String>,
}

impl CountedCosts {
    /// Those of the costs that trials of the space have, or that are asked for, which can be counted for a task. Nothing in a
    /// space that is not built in; a cost that past trials measured otherwise is left to them, and so is one where they know it
    /// and the task does not say what shape its examples have.
    pub(crate) fn of(
        history: &SpaceHistory,
        book: &CostBook,
        task: &Task,
        objectives: &Objectives,
    ) -> Option<Self> {
        let family = countable(history.space().id())?;
        let (input, assumed) = input_of(family, task);
        let known = book.table().costs();
        let asked = objectives.costs();
        let wanted = |name: &Name| {
            if known.contains(name) {
                assumed.is_empty() && agrees(family, history, book, name)
            } else {
                asked.contains(name)
            }
        };
        let costs: BTreeSet<Name> =
            COUNTED.iter().map(|(name, _)| Name::from(*name)).filter(wanted).collect();
        (!costs.is_empty()).then_some(CountedCosts { family, input, costs, assumed })
    }

    /// The names of the costs that are counted.
    pub(crate) fn names(&self) -> &BTreeSet<Name> {
        &self.costs
    }

    /// What architectures cost, by name; a cost of which one cannot be counted is left out.
    pub(crate) fn count(&self, architectures: &[Architecture]) -> BTreeMap<Name, Vec<f64>> {
        let costs: Option<Vec<NetCost>> = architectures
            .par_iter()
            .map(|architecture| cost(self.family, &self.input, architecture))
            .collect();
        let Some(costs) = costs else { return BTreeMap::new() };
        let of = |(name, number): &(&str, Number)| {
            (Name::from(*name), costs.iter().map(|cost| number(cost) as f64).collect())
        };
        COUNTED.iter().filter(|(name, _)| self.costs.contains(*name)).map(of).collect()
    }

    /// Words for what was taken for granted.
    pub(crate) fn note(&self) -> Option<String> {
        let names: Vec<&str> = self.costs.iter().map(|name| &**name).collect();
        (!self.assumed.is_empty()).then(|| {
            format!(
                "{} are counted for {}, for the task does not say otherwise",
                names.join(" and "),
                self.assumed.join(" and ")
            )
        })
    }
}

/// Costs that are known to the last digit, as predictions.
pub(crate) fn known(costs: Vec<f64>) -> CostPrediction {
    let median = Array1::from(costs);
    CostPrediction { mean: median.mapv(f64::ln), std: Array1::zeros(median.len()), median, log: true }
}

/// The built-in space of an id, unless its networks are over graphs: those are not trained here, and their benchmark counts by
/// rules of its own.
fn countable(space: &str) -> Option<&'static SpaceFamily> {
    family(space).filter(|family| !family.domains.contains(&Domain::Graph))
}

fn cost(family: &SpaceFamily, input: &NetInput, architecture: &Architecture) -> Option<NetCost> {
    (family.net)(architecture, input).and_then(|net| net.cost()).ok()
}

/// What a task says of its examples, by its meta-features, and what had to be taken for granted.
fn input_of(family: &SpaceFamily, task: &Task) -> (NetInput, Vec<String>) {
    let number = |name: &str| {
        let found = task.meta_features.get(name).copied();
        found
            .filter(|number| *number >= 1.0 && number.fract() == 0.0 && *number < 1e9)
            .map(|number| number as usize)
    };
    let mut assumed = Vec::new();
    let is_for = |domain: Domain| family.domains.contains(&domain);
    let shape = match (number("channels"), number("height"), number("width"), number("length")) {
        (Some(channels), Some(height), Some(width), _) => vec![channels, height, width],
        (Some(channels), _, _, Some(length)) => vec![channels, length],
        _ if is_for(Domain::Tabular) => number("n_features").map_or_else(
            || {
                assumed.push("16 features".to_owned());
                vec![16]
            },
            |features| vec![features],
        ),
        (channels, height, width, _) if is_for(Domain::Image) => {
            let side = |side: Option<usize>| side.unwrap_or(USUAL_SIDE);
            let shape = vec![channels.unwrap_or(USUAL_CHANNELS), side(height), side(width)];
            assumed.push(format!("images of {} channels and {}x{} pixels", shape[0], shape[1], shape[2]));
            shape
        }
        (channels, .., length) => {
            let shape = vec![channels.unwrap_or(1), length.unwrap_or(USUAL_LENGTH)];
            assumed.push(format!("series of {} channels and {} values", shape[0], shape[1]));
            shape
        }
    };
    let n_classes = number("n_classes").unwrap_or_else(|| {
        assumed.push(format!("{USUAL_CLASSES} classes"));
        USUAL_CLASSES
    });
    (NetInput { shape, n_classes }, assumed)
}

/// Whether past trials measured what is counted: at least one task of them that says what shape its examples have, and all
/// such tasks.
fn agrees(family: &SpaceFamily, history: &SpaceHistory, book: &CostBook, name: &Name) -> bool {
    let Some((_, number)) = COUNTED.iter().find(|(counted, _)| **counted == **name) else { return false };
    let mut compared = 0;
    for source in book.table().sources() {
        let (Some(measured), Ok(task)) = (source.costs.get(name), history.task(&source.task)) else {
            continue;
        };
        let (input, assumed) = input_of(family, task);
        if !assumed.is_empty() {
            continue;
        }
        let rows = measured.rows.iter().zip(&measured.values).take(COMPARED);
        for (architecture, measured) in rows.map(|(row, cost)| (book.table().architectures().at(*row), cost))
        {
            let Some(cost) = cost(family, &input, &architecture) else { return false };
            let counted = number(&cost) as f64;
            if (counted - measured).abs() > ROUNDED * counted {
                return false;
            }
            compared += 1;
        }
    }
    compared > 0
}

#[cfg(test)]
#[path = "counted_costs_tests.rs"]
mod tests;
