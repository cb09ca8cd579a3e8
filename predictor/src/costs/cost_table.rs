//! `CostTable`: what past trials cost, ready for a model.

use std::collections::{BTreeMap, HashMap};

use heirloom_kb::{Architecture, Json, Name, SearchSpace, Status, Trial};
use ndarray::{Array2, ArrayView1};

use crate::rows::{Architectures, ByRow, FirstMet, Growth, Renumbered, Rows};
use crate::{Encoder, PredictError};

/// The field of a trial that names the device its costs were measured on, such as `"device":"raspberry-pi-4"`.
pub const DEVICE_FIELD: &str = "device";

/// What was measured of one cost at one place, one entry an architecture, in the order that they were first measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Rows of the table, `(n,)`, no row twice.
    pub rows: Vec<usize>,
    /// The costs at the highest fidelity, the mean over seeds.
    pub values: Vec<f64>,
    by_row: ByRow,
}

impl Measured {
    /// Costs in rows, none of which is twice.
    pub(super) fn new(rows: Vec<usize>, values: Vec<f64>) -> Self {
        Measured { by_row: ByRow::of(&rows), rows, values }
    }

    /// The cost of what stands in a row, if it was measured here.
    #[must_use]
    pub fn of_row(&self, row: usize) -> Option<f64> {
        self.by_row.at(&self.rows, row).map(|at| self.values[at])
    }

    /// Rows and costs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, f64)> {
        self.rows.iter().copied().zip(self.values.iter().copied())
    }

    fn renumber(&mut self, renumbered: &Renumbered) {
        renumbered.renumber(&mut self.rows);
        self.by_row = ByRow::of(&self.rows);
    }
}

/// A place where costs were measured: a task, on a device if its trials name one.
#[derive(Clone, Debug, PartialEq)]
pub struct CostSource {
    /// The task's id.
    pub task: Name,
    /// What the trials' extra field `device` says.
    pub device: Option<Name>,
    /// By the cost's name.
    pub costs: BTreeMap<Name, Measured>,
}

/// The costs of the trials of one space, by task and device. Only complete trials count: one that broke or was stopped has
/// not cost what the architecture costs.
#[derive(Clone, Debug)]
pub struct CostTable {
    rows: Rows,
    sources: Vec<CostSource>,
}

impl CostTable {
    /// The table of the trials of one space. `canonical` maps isomorphic architectures to one.
    ///
    /// # Errors
    /// [`PredictError::OtherSpace`] or [`PredictError::Architecture`] for a trial of another space.
    pub fn new(
        space: &SearchSpace,
        trials: &[Trial],
        canonical: impl Fn(&Architecture) -> Architecture,
    ) -> Result<Self, PredictError> {
        let empty = CostTable::empty(space);
        let mut growth = empty.grow();
        let mut by_task: BTreeMap<&Name, Vec<&Trial>> = BTreeMap::new();
        trials.iter().for_each(|trial| by_task.entry(&trial.task).or_default().push(trial));
        for (task, trials) in by_task {
            growth.take(task, trials, &canonical)?;
        }
        Ok(growth.finish())
    }

    /// A table without trials.
    #[must_use]
    pub fn empty(space: &SearchSpace) -> Self {
        CostTable { rows: Rows::empty(Encoder::new(space)), sources: Vec::new() }
    }

    /// This table, to be added to.
    #[must_use]
    pub fn grow(&self) -> CostGrowth<'_> {
        CostGrowth { rows: self.rows.grow(), sources: self.sources.clone() }
    }

    /// How architectures become rows.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        self.rows.encoder()
    }

    /// The number of architectures with a cost.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no trial has a cost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The architectures with a cost, `(n,)`.
    #[must_use]
    pub fn architectures(&self) -> Architectures<'_> {
        Architectures::of(&self.rows)
    }

    /// The encoding of a row, `(d,)`.
    #[must_use]
    pub fn x(&self, row: usize) -> ArrayView1<'_, f64> {
        self.rows.x().row(row)
    }

    /// The encoded architectures, `(n, d)`.
    #[must_use]
    pub fn encodings(&self) -> &Array2<f64> {
        self.rows.x()
    }

    /// The row of a canonical architecture, if any trial of it has a cost.
    #[must_use]
    pub fn row(&self, architecture: &Architecture) -> Option<usize> {
        self.rows.row(architecture)
    }

    /// Where costs were measured, by task and device.
    #[must_use]
    pub fn sources(&self) -> &[CostSource] {
        &self.sources
    }

    /// The names of all costs, in order.
    #[must_use]
    pub fn costs(&self) -> Vec<Name> {
        let names: std::collections::BTreeSet<&Name> =
            self.sources.iter().flat_map(|source| source.costs.keys()).collect();
        names.into_iter().cloned().collect()
    }
}

/// A table in the making: what an earlier one had, and what trials of some tasks cost by now. It comes to the same as one made of
/// all trials.
pub struct CostGrowth<'a> {
    rows: Growth<'a>,
    sources: Vec<CostSource>,
}

impl CostGrowth<'_> {
    /// Takes in all trials that a task has by now, in place of those that the table had of it. `canonical` maps isomorphic
    /// architectures to one, as it did before.
    ///
    /// # Errors
    /// [`PredictError::OtherSpace`] or [`PredictError::Architecture`] for a trial of another space.
    pub fn take<'t>(
        &mut self,
        task: &Name,
        trials: impl IntoIterator<Item = &'t Trial>,
        canonical: impl Fn(&Architecture) -> Architecture,
    ) -> Result<(), PredictError> {
        let counts = |trial: &Trial| trial.task == *task && counts(trial);
        let (counting, rows) = self.rows.take_trials(trials, counts, canonical)?;
        let mut gathered: BTreeMap<Option<Name>, BTreeMap<&Name, Gathered>> = BTreeMap::new();
        for (row, trial) in rows.into_iter().zip(counting) {
            let source = gathered.entry(device(trial)).or_default();
            for (name, cost) in &trial.costs {
                source.entry(name).or_default().add(row, effort(trial), *cost);
            }
        }
        self.sources.retain(|source| source.task != *task);
        self.sources.extend(gathered.into_iter().map(|(device, costs)| {
            let costs = costs.into_iter().map(|(name, gathered)| (name.clone(), gathered.measured()));
            CostSource { task: task.clone(), device, costs: costs.collect() }
        }));
        Ok(())
    }

    /// The table. Its rows are in the order in which the sources, by task and device, first measured them.
    #[must_use]
    pub fn finish(mut self) -> CostTable {
        // Each task's sources are in order already.
        self.sources.sort_by(|a, b| a.task.cmp(&b.task));
        let mut met = FirstMet::default();
        for measured in self.sources.iter().flat_map(|source| source.costs.values()) {
            met.meet(&measured.rows);
        }
        let renumbered = self.rows.finish(&met.order);
        for measured in self.sources.iter_mut().flat_map(|source| source.costs.values_mut()) {
            measured.renumber(&renumbered);
        }
        CostTable { rows: renumbered.rows, sources: self.sources }
    }
}

fn counts(trial: &Trial) -> bool {
    trial.status == Status::Complete && !trial.costs.is_empty()
}

fn device(trial: &Trial) -> Option<Name> {
    trial.extra.get(DEVICE_FIELD).and_then(Json::as_str).map(Name::from)
}

/// Fidelities have the same names within a history, so their product orders them.
fn effort(trial: &Trial) -> f64 {
    trial.fidelity.values().product()
}

/// Costs as they come: by row, the highest effort so far, the sum and number of costs at it.
#[derive(Default)]
struct Gathered {
    places: HashMap<usize, usize>,
    rows: Vec<usize>,
    sums: Vec<(f64, f64, f64)>,
}

impl Gathered {
    fn add(&mut self, row: usize, effort: f64, cost: f64) {
        let place = *self.places.entry(row).or_insert(self.rows.len());
        if place == self.rows.len() {
            self.rows.push(row);
            self.sums.push((effort, 0.0, 0.0));
        }
        let kept = &mut self.sums[place];
        if effort > kept.0 {
            *kept = (effort, cost, 1.0);
        } else if effort >= kept.0 {
            *kept = (effort, kept.1 + cost, kept.2 + 1.0);
        }
    }

    fn measured(self) -> Measured {
        // The mean of equal costs is that cost, also where their sum is rounded.
        let mean = |(_, sum, n): &(f64, f64, f64)| if *n > 1.0 { sum / n } else { *sum };
        let values = self.sums.iter().map(mean).collect();
        Measured::new(self.rows, values)
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Split;

    use super::*;

    fn space() -> SearchSpace {
        serde_json::from_str(r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":9}}]}"#)
            .unwrap()
    }

    fn trial(task: &str, a: i64, cost: f64) -> Trial {
        let architecture = [("a", a)].into_iter().collect();
        let mut trial = Trial::new(task, "s/1", architecture, Split::Validation, "loss", 0.5);
        trial.costs.insert("latency_s".into(), cost);
        trial
    }

    #[test]
    fn tasks_and_devices_stay_apart_and_seeds_are_averaged() {
        let mut on_device = trial("t", 1, 9.0);
        on_device.extra.insert("device".into(), "pi".into());
        let trials = [trial("t", 1, 1.0), trial("t", 1, 3.0), on_device, trial("u", 2, 5.0)];
        let table = CostTable::new(&space(), &trials, Clone::clone).unwrap();
        let places: Vec<(&str, Option<&str>)> =
            table.sources().iter().map(|source| (&*source.task, source.device.as_deref())).collect();
        assert_eq!(places, [("t", None), ("t", Some("pi")), ("u", None)]);
        let latency = |at: usize| &table.sources()[at].costs["latency_s"];
        assert_eq!(latency(0), &Measured::new(vec![0], vec![2.0]));
        assert_eq!(latency(1), &Measured::new(vec![0], vec![9.0]));
        assert_eq!(table.row(&trials[3].architecture), Some(1));
        assert_eq!(table.costs(), ["latency_s".into()]);
    }

    #[test]
    fn the_highest_fidelity_counts_and_trials_that_broke_do_not() {
        let at = |epochs: f64, cost: f64| {
            let mut trial = trial("t", 1, cost);
            trial.fidelity.insert("epochs".into(), epochs);
            trial
        };
        let mut failed = at(100.0, 7.0);
        failed.status = Status::Failed;
        let trials = [at(10.0, 4.0), at(1.0, 0.5), failed];
        let table = CostTable::new(&space(), &trials, Clone::clone).unwrap();
        assert_eq!(table.sources()[0].costs["latency_s"].values, [4.0]);
    }

    #[test]
    fn isomorphs_share_a_row() {
        let fold = |a: &Architecture| [("a", a.number("a").unwrap() as i64 % 5)].into_iter().collect();
        let table = CostTable::new(&space(), &[trial("t", 3, 1.0), trial("t", 8, 2.0)], fold).unwrap();
        assert_eq!(table.len(), 1);
        assert_eq!(table.sources()[0].costs["latency_s"].values, [1.5]);
    }
}
