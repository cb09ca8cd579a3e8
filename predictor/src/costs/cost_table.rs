//! `CostTable`: what past trials cost, ready for a model.

use std::collections::{BTreeMap, HashMap};

use heirloom_kb::{Architecture, Json, Name, SearchSpace, Status, Trial};
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

use crate::{Encoder, PredictError};

/// The field of a trial that names the device its costs were measured on, such as `"device":"raspberry-pi-4"`.
pub const DEVICE_FIELD: &str = "device";

/// What was measured of one cost at one place, one entry an architecture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Rows of the table, `(n,)`, ascending.
    pub rows: Vec<usize>,
    /// The costs at the highest fidelity, the mean over seeds.
    pub values: Vec<f64>,
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
    encoder: Encoder,
    x: Array2<f64>,
    rows: HashMap<Vec<u64>, usize>,
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
        canonical: impl Fn(&Architecture) -> Architecture + Sync,
    ) -> Result<Self, PredictError> {
        if let Some(other) = trials.iter().find(|trial| trial.space != *space.id()) {
            let (expected, found) = (space.id().clone(), other.space.clone());
            return Err(PredictError::OtherSpace { expected, found });
        }
        let encoder = Encoder::new(space);
        let trials: Vec<&Trial> = trials.iter().filter(|trial| counts(trial)).collect();
        let keys: Vec<Vec<u64>> = trials.par_iter().map(|trial| encoder.key(&trial.architecture)).collect();
        let mut rows: HashMap<Vec<u64>, usize> = HashMap::new();
        let mut architectures = Vec::new();
        let mut gathered: BTreeMap<(Name, Option<Name>), BTreeMap<Name, Gathered>> = BTreeMap::new();
        for (key, trial) in keys.into_iter().zip(&trials) {
            let row = match rows.get(&key) {
                Some(row) => *row,
                None => {
                    let architecture = canonical(&trial.architecture);
                    let row = *rows.entry(encoder.key(&architecture)).or_insert(architectures.len());
                    if row == architectures.len() {
                        architectures.push(architecture);
                    }
                    rows.insert(key, row);
                    row
                }
            };
            let source = gathered.entry((trial.task.clone(), device(trial))).or_default();
            for (name, cost) in &trial.costs {
                source.entry(name.clone()).or_default().add(row, effort(trial), *cost);
            }
        }
        let sources = gathered.into_iter().map(|((task, device), costs)| {
            let costs = costs.into_iter().map(|(name, gathered)| (name, gathered.measured())).collect();
            CostSource { task, device, costs }
        });
        let sources = sources.collect();
        let x = encoder.encode(&architectures)?;
        Ok(CostTable { encoder, x, rows, sources })
    }

    /// How architectures become rows.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The number of architectures with a cost.
    #[must_use]
    pub fn len(&self) -> usize {
        self.x.nrows()
    }

    /// Whether no trial has a cost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.x.nrows() == 0
    }

    /// The encoding of a row, `(d,)`.
    #[must_use]
    pub fn x(&self, row: usize) -> ArrayView1<'_, f64> {
        self.x.row(row)
    }

    /// The encoded architectures, `(n, d)`.
    #[must_use]
    pub fn encodings(&self) -> &Array2<f64> {
        &self.x
    }

    /// The row of a canonical architecture, if any trial of it has a cost.
    #[must_use]
    pub fn row(&self, architecture: &Architecture) -> Option<usize> {
        self.rows.get(&self.encoder.key(architecture)).copied()
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
struct Gathered(BTreeMap<usize, (f64, f64, f64)>);

impl Gathered {
    fn add(&mut self, row: usize, effort: f64, cost: f64) {
        let kept = self.0.entry(row).or_insert((effort, 0.0, 0.0));
        if effort > kept.0 {
            *kept = (effort, cost, 1.0);
        } else if effort >= kept.0 {
            *kept = (effort, kept.1 + cost, kept.2 + 1.0);
        }
    }

    fn measured(self) -> Measured {
        let rows = self.0.keys().copied().collect();
        // The mean of equal costs is that cost, also where their sum is rounded.
        let mean = |(_, sum, n): &(f64, f64, f64)| if *n > 1.0 { sum / n } else { *sum };
        Measured { rows, values: self.0.values().map(mean).collect() }
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
        assert_eq!(latency(0), &Measured { rows: vec![0], values: vec![2.0] });
        assert_eq!(latency(1), &Measured { rows: vec![0], values: vec![9.0] });
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
