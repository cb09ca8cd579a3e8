//! `CostModel`: one cost of any architecture at any place.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use heirloom_kb::Name;
use ndarray::{ArcArray2, Array1, Array2, Axis};

use super::cost_fill::CostFill;
use super::cost_place::CostPlace;
use super::cost_table::{CostTable, Measured};
use crate::{Part, PredictError};

/// Architectures over which the level of a place is taken.
const LEVEL_ROWS: usize = 256;

/// One cost of any architecture of a space, learned from what it was at past places: tasks, and devices on them.
///
/// What a place has measured is taken as measured; a process or a forest of the place's own fills the rest (`CostFill`). A new place is a
/// map of the past ones, affine on the logarithmic scale, learned from few measurements.
#[derive(Clone, Debug)]
pub struct CostModel {
    cost: Name,
    pub(super) table: Arc<CostTable>,
    pub(super) scale: Scale,
    pub(super) by_device: bool,
    pub(super) places: Vec<Place>,
}

/// Where costs are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct CostTarget<'a> {
    /// The task's id.
    pub task: &'a str,
    /// The device; absent, that of the task's own trials.
    pub device: Option<&'a str>,
    /// Past tasks to leave out. The task itself among them leaves out what it has measured on any device.
    pub exclude_tasks: &'a [Name],
}

/// Architectures as the past places see them.
#[derive(Clone, Debug)]
pub struct CostViews {
    /// Their rows in the table, `None` for those never measured anywhere, `(n,)`.
    pub(super) rows: Vec<Option<usize>>,
    /// Encoded, `(n, d)`.
    pub(super) x: ArcArray2<f64>,
    /// What each place makes of them, around its level, `(n, S)`.
    pub(super) by_place: Array2<f64>,
}

impl CostViews {
    /// The views at these positions.
    #[must_use]
    pub fn select(&self, at: &[usize]) -> CostViews {
        CostViews {
            rows: at.iter().map(|at| self.rows[*at]).collect(),
            x: self.x.select(Axis(0), at).into_shared(),
            by_place: self.by_place.select(Axis(0), at),
        }
    }

    /// The number of architectures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A cost's scale: its logarithm, or multiples of a unit where some cost is not positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Log,
    Linear { unit: f64 },
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        if values.iter().all(|cost| *cost > 0.0) {
            return Scale::Log;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / values.len() as f64;
        Scale::Linear { unit: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }

    /// On the scale; `None` for a cost that has no place on it.
    pub(super) fn of_cost(self, cost: f64) -> Option<f64> {
        match self {
            Scale::Log => (cost > 0.0).then(|| cost.ln()),
            Scale::Linear { unit } => Some(cost / unit),
        }
    }
}

/// A task, or a device on it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) task: Name,
    /// Absent also where the cost is known not to depend on the device.
    pub(super) device: Option<Name>,
    pub(super) measured: Measured,
    /// Fitted when the first architecture is asked for that was not measured here.
    fill: Arc<OnceLock<CostFill>>,
    pub(super) level: f64,
}

impl CostModel {
    /// The model of one cost. Fits of places that have measured nothing since are taken over from `earlier`.
    ///
    /// # Errors
    /// [`PredictError::NoData`] for a cost that the table does not have.
    pub fn new(
        table: &Arc<CostTable>,
        cost: &Name,
        earlier: Option<&CostModel>,
    ) -> Result<Self, PredictError> {
        let sources = table.sources().iter().filter_map(|source| {
            let measured = source.costs.get(cost)?.clone();
            Some((source.task.clone(), source.device.clone(), measured))
        });
        let sources: Vec<_> = sources.collect();
        let values: Vec<f64> = sources.iter().flat_map(|(.., measured)| &measured.values).copied().collect();
        if values.is_empty() {
            return Err(PredictError::NoData { model: "a cost model" });
        }
        let by_device = depends_on_device(&sources);
        let sources = if by_device { sources } else { merged_by_task(sources) };
        let places = sources.into_iter().map(|(task, device, measured)| Place::new(task, device, measured));
        let mut model = CostModel {
            cost: cost.clone(),
            table: Arc::clone(table),
            scale: Scale::of(&values),
            by_device,
            places: places.collect(),
        };
        if let Some(earlier) = earlier.filter(|earlier| earlier.scale == model.scale) {
            model.places.iter_mut().for_each(|place| place.take_over(&earlier.places));
        }
        model.set_levels()?;
        Ok(model)
    }

    /// The costs that it is learned from.
    #[must_use]
    pub fn table(&self) -> &CostTable {
        &self.table
    }

    /// The cost's name.
    #[must_use]
    pub fn cost(&self) -> &Name {
        &self.cost
    }

    /// Whether it is modelled by its logarithm, as costs are that are always positive.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.scale == Scale::Log
    }

    /// The devices that its measurements name, in order, each once; none where the cost is known not to depend on them.
    #[must_use]
    pub fn devices(&self) -> Vec<Name> {
        let devices: std::collections::BTreeSet<&Name> =
            self.places.iter().filter_map(|place| place.device.as_ref()).collect();
        devices.into_iter().cloned().collect()
    }

    /// Architectures as the places see them. `rows` are theirs in the table, `x` their encodings.
    ///
    /// # Shapes
    /// `rows` is `(n,)`, `x` `(n, d)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub fn views(&self, rows: Vec<Option<usize>>, x: ArcArray2<f64>) -> Result<CostViews, PredictError> {
        if rows.len() != x.nrows() {
            let (left, right) = (rows.len(), x.nrows());
            return Err(PredictError::Lengths { what: "rows and encodings", left, right });
        }
        let mut by_place = Array2::zeros((rows.len(), self.places.len()));
        for (place, mut column) in self.places.iter().zip(by_place.columns_mut()) {
            column.assign(&(place.costs(&rows, &x, &self.table, self.scale)? - place.level));
        }
        Ok(CostViews { rows, x, by_place })
    }

    /// Views of rows of the table.
    pub(super) fn views_of_rows(&self, rows: &[usize]) -> Result<CostViews, PredictError> {
        let x = self.table.encodings().select(Axis(0), rows).into_shared();
        self.views(rows.iter().copied().map(Some).collect(), x)
    }

    /// What is known of a place from the others and from its own measurements.
    ///
    /// # Errors
    /// Of the regression.
    pub fn at(&self, target: &CostTarget<'_>) -> Result<CostPlace, PredictError> {
        CostPlace::new(self, target)
    }

    fn set_levels(&mut self) -> Result<(), PredictError> {
        let rows = evenly(self.table.len(), LEVEL_ROWS);
        let x = self.table.encodings().select(Axis(0), &rows).into_shared();
        let rows: Vec<Option<usize>> = rows.into_iter().map(Some).collect();
        for place in &mut self.places {
            let costs = place.costs(&rows, &x, &self.table, self.scale)?;
            place.level = costs.sum() / costs.len() as f64;
        }
        Ok(())
    }
}

impl Place {
    fn new(task: Name, device: Option<Name>, measured: Measured) -> Self {
        Place { task, device, measured, fill: Arc::default(), level: 0.0 }
    }

    fn take_over(&mut self, earlier: &[Place]) {
        let same = |other: &&Place| {
            other.task == self.task
                && other.device == self.device
                && other.fingerprint() == self.fingerprint()
        };
        if let Some(same) = earlier.iter().find(same) {
            self.fill = Arc::clone(&same.fill);
        }
    }

    /// Rows move when a table is made anew, values do not; trials never change, they only become more.
    fn fingerprint(&self) -> (usize, u64) {
        let values = &self.measured.values;
        (values.len(), values.iter().fold(0, |sum, cost| sum.wrapping_add(cost.to_bits())))
    }

    /// Costs on the model's scale, measured where they are.
    fn costs(
        &self,
        rows: &[Option<usize>],
        x: &ArcArray2<f64>,
        table: &CostTable,
        scale: Scale,
    ) -> Result<Array1<f64>, PredictError> {
        let measured: Vec<Option<f64>> =
            rows.iter().map(|row| scale.of_cost(self.measured.of_row((*row)?)?)).collect();
        let missing: Vec<usize> = (0..rows.len()).filter(|at| measured[*at].is_none()).collect();
        let mut costs: Array1<f64> = measured.into_iter().map(Option::unwrap_or_default).collect();
        if !missing.is_empty() {
            let filled = self.fill(table, scale)?.mean(x.select(Axis(0), &missing).view())?;
            for (at, cost) in missing.into_iter().zip(filled) {
                costs[at] = cost;
            }
        }
        Ok(costs)
    }

    fn fill(&self, table: &CostTable, scale: Scale) -> Result<&CostFill, PredictError> {
        if let Some(fill) = self.fill.get() {
            return Ok(fill);
        }
        let y = self.measured.values.iter().filter_map(|cost| scale.of_cost(*cost)).collect();
        let x = table.encodings().select(Axis(0), &self.measured.rows);
        let fill = CostFill::fit(x, y, &Part::of(table.encoder().features()))?;
        Ok(self.fill.get_or_init(|| fill))
    }
}

/// A task, a device and what was measured there.
type Source = (Name, Option<Name>, Measured);

/// Whether a cost depends on the device, like latency and unlike the number of parameters. Without a device named it does not;
/// where devices are, it does unless architectures measured on several on one task always cost the same.
fn depends_on_device(sources: &[Source]) -> bool {
    if sources.iter().all(|(_, device, _)| device.is_none()) {
        return false;
    }
    let mut seen: HashMap<(&Name, usize), f64> = HashMap::new();
    let mut agreed = 0;
    for (task, _, measured) in sources {
        for (row, cost) in measured.rows.iter().zip(&measured.values) {
            match seen.insert((task, *row), *cost) {
                Some(other) if other != *cost => return true,
                Some(_) => agreed += 1,
                None => {}
            }
        }
    }
    agreed < 2
}

/// One source a task; costs on its devices are the same, where both have them.
fn merged_by_task(sources: Vec<Source>) -> Vec<Source> {
    let mut merged: Vec<Source> = Vec::new();
    for (task, _, measured) in sources {
        match merged.last_mut().filter(|(known, ..)| *known == task) {
            None => merged.push((task, None, measured)),
            Some((.., known)) => {
                let more = measured.iter().filter(|(row, _)| known.of_row(*row).is_none());
                let (rows, values) = known.iter().chain(more).unzip();
                *known = Measured::new(rows, values);
            }
        }
    }
    merged
}

/// Up to `most` of `0..n`, evenly spread.
pub(super) fn evenly(n: usize, most: usize) -> Vec<usize> {
    if n <= most {
        return (0..n).collect();
    }
    (0..most).map(|i| i * n / most).collect()
}
