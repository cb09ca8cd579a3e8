//! `CostPlace`: what is known of a cost at one place.

use std::collections::{BTreeSet, HashMap};

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::cost_map::{CostMap, CostPrior, Difference, STRETCH, difference};
use super::cost_model::{CostModel, CostTarget, CostViews, Place, Scale, evenly};
use super::cost_prediction::CostPrediction;
use crate::{ForestParams, GaussianProcess, PredictError, RegressionForest};

/// Own measurements that a map is learned from, at most.
const OWN_ROWS: usize = 1_024;
/// Measurements of a past place on which the map from the other past places is tried, and such places.
const TRIED_ROWS: usize = 64;
const TRIED_PLACES: usize = 12;
/// How much more the same task, or the same device, counts than another.
const KIN: f64 = 4.0;
/// Measurements after which a place counts half of what it can.
const HALF_TRUST: f64 = 10.0;
/// Variance of the level of a place before places have shown how they differ: a factor of e, on the logarithmic scale.
const LEVEL_VARIANCE: f64 = 1.0;
/// Variance of a place's stretch that one place is taken to have shown beforehand.
const USUAL_STRETCH: f64 = 0.01;
/// Own measurements from which on a forest may explain what the map does not.
const FOREST_ROWS: usize = 16;
/// The share of the unexplained variance that such a forest must take away to be used.
const FOREST_GAIN: f64 = 0.2;

/// What is known of a cost at one place: what to expect from the past places, and its own measurements so far.
#[derive(Clone, Debug)]
pub struct CostPlace {
    scale: Scale,
    /// Columns of the views.
    past: Vec<usize>,
    /// Absent while there is neither a past place nor a measurement.
    prior: Option<CostPrior>,
    /// Costs by row that are known: measured here, or the same wherever they were measured.
    known: HashMap<usize, f64>,
    /// Encodings, past places' views and costs on the scale of the own measurements.
    own_x: Array2<f64>,
    own_views: Array2<f64>,
    own: Vec<f64>,
}

impl CostPlace {
    pub(super) fn new(model: &CostModel, target: &CostTarget<'_>) -> Result<Self, PredictError> {
        let own_counts = !target.exclude_tasks.iter().any(|task| **task == *target.task);
        let own = own_place(model, target);
        let excluded = |place: &Place| target.exclude_tasks.contains(&place.task);
        let columns = (0..model.places.len()).filter(|at| Some(*at) != own);
        let past: Vec<usize> = columns.filter(|at| !excluded(&model.places[*at])).collect();
        let own = own.filter(|_| own_counts).map(|at| &model.places[at]);
        let mut known = same_everywhere(model, past.iter().map(|at| &model.places[*at]).chain(own));
        known.extend(own.iter().flat_map(|place| place.measured.iter()));
        let mut place = CostPlace {
            scale: model.scale,
            prior: prior(model, target, &past)?,
            own_x: Array2::zeros((0, model.table.encodings().ncols())),
            own_views: Array2::zeros((0, past.len())),
            own: Vec::new(),
            past,
            known,
        };
        if let Some(own) = own {
            let at = evenly(own.measured.rows.len(), OWN_ROWS);
            let rows: Vec<usize> = at.iter().map(|at| own.measured.rows[*at]).collect();
            let costs: Vec<f64> = at.iter().map(|at| own.measured.values[*at]).collect();
            place.learn(&model.views_of_rows(&rows)?, &costs)?;
        }
        Ok(place)
    }

    /// Takes in measurements of this place's own. A cost that has no place on the scale (not positive, where all others are) is
    /// left out.
    ///
    /// # Shapes
    /// `views` of `n` architectures, `costs` `(n,)` in the cost's own unit.
    ///
    /// # Errors
    /// [`PredictError::Lengths`].
    pub fn learn(&mut self, views: &CostViews, costs: &[f64]) -> Result<(), PredictError> {
        if views.len() != costs.len() {
            let (left, right) = (views.len(), costs.len());
            return Err(PredictError::Lengths { what: "architectures and costs", left, right });
        }
        let scaled: Vec<Option<f64>> = costs.iter().map(|cost| self.scale.of_cost(*cost)).collect();
        let keep: Vec<usize> = (0..costs.len()).filter(|at| scaled[*at].is_some()).collect();
        let kept = views.select(&keep);
        self.own_x = stacked(&self.own_x, kept.x.view());
        self.own_views = stacked(&self.own_views, kept.by_place.select(Axis(1), &self.past).view());
        self.own.extend(scaled.into_iter().flatten());
        self.known.extend(keep.iter().filter_map(|at| Some((views.rows[*at]?, costs[*at]))));
        Ok(())
    }

    /// How many own measurements it rests on.
    #[must_use]
    pub fn measurements(&self) -> usize {
        self.own.len()
    }

    /// What architectures are expected to cost here; `None` while nothing is known, neither of this place nor of a past one.
    ///
    /// # Errors
    /// Of the regression.
    pub fn predict(&self, views: &CostViews) -> Result<Option<CostPrediction>, PredictError> {
        let Some(prior) = self.prior.clone().or_else(|| self.own_prior()) else { return Ok(None) };
        let y = Array1::from(self.own.clone());
        let map = CostMap::new(prior, self.own_views.view(), y.view())?;
        let (mut mean, mut variance) = map.predict(views.by_place.select(Axis(1), &self.past).view());
        if let Some(forest) = self.residual_forest(&map)? {
            mean += &forest.mean(views.x.view())?;
            variance += (forest.out_of_bag_variance() - map.noise()).min(0.0);
            variance.mapv_inplace(|variance| variance.max(forest.out_of_bag_variance()));
        }
        let std = variance.mapv(f64::sqrt);
        let mut prediction = match self.scale {
            Scale::Log => CostPrediction::new(mean, std, true),
            Scale::Linear { unit } => CostPrediction::new(mean * unit, std * unit, false),
        };
        for (at, row) in views.rows.iter().enumerate() {
            if let Some(cost) = row.and_then(|row| self.known.get(&row)) {
                prediction.know(at, *cost);
            }
        }
        Ok(Some(prediction))
    }

    /// The prior of a place with measurements and no other place to learn from.
    fn own_prior(&self) -> Option<CostPrior> {
        let n = self.own.len() as f64;
        let level = (n > 0.0).then(|| self.own.iter().sum::<f64>() / n)?;
        let spread = self.own.iter().map(|cost| (cost - level).powi(2)).sum::<f64>() / n;
        // One measurement has no spread: a factor of e, on the logarithmic scale.
        let noise = if n > 1.0 && spread > 0.0 { spread } else { LEVEL_VARIANCE };
        Some(CostPrior { weights: Array1::zeros(0), level, level_variance: noise, stretch: STRETCH, noise })
    }

    /// A forest of what the map does not explain, if it explains some of it.
    fn residual_forest(&self, map: &CostMap) -> Result<Option<RegressionForest>, PredictError> {
        if self.own.len() < FOREST_ROWS {
            return Ok(None);
        }
        let errors = Array1::from(self.own.clone()) - map.predict(self.own_views.view()).0;
        let params = ForestParams::default().trees(32).features(0.7).check()?;
        let forest = params.fit(&DatasetBase::new(self.own_x.clone(), errors))?;
        Ok((forest.out_of_bag_variance() < (1.0 - FOREST_GAIN) * map.noise()).then_some(forest))
    }
}

fn stacked<'a>(first: &'a Array2<f64>, second: ArrayView2<'a, f64>) -> Array2<f64> {
    concatenate(Axis(0), &[first.view(), second]).expect("both have the same columns")
}

/// The place asked for, among those that have measurements: of the task, on the device where the cost depends on it. Without a
/// device it is that of the trials that name none, else the one with the most measurements.
fn own_place(model: &CostModel, target: &CostTarget<'_>) -> Option<usize> {
    let of_task = || (0..model.places.len()).filter(|at| *model.places[*at].task == *target.task);
    let device = target.device.filter(|_| model.by_device);
    let same = of_task().find(|at| model.places[*at].device.as_deref() == device);
    if same.is_some() || device.is_some() {
        return same;
    }
    of_task().max_by_key(|at| (model.places[*at].measured.rows.len(), std::cmp::Reverse(*at)))
}

/// Costs by row, if every architecture measured at several places costs the same at all of them, and at least two were.
fn same_everywhere<'a>(model: &CostModel, places: impl Iterator<Item = &'a Place>) -> HashMap<usize, f64> {
    let mut costs: Vec<Option<f64>> = vec![None; model.table.len()];
    let mut agreed = 0;
    for (row, cost) in places.flat_map(|place| place.measured.iter()) {
        match costs[row].replace(cost) {
            Some(other) if other != cost => return HashMap::new(),
            Some(_) => agreed += 1,
            None => {}
        }
    }
    if agreed < 2 {
        return HashMap::new();
    }
    costs.iter().enumerate().filter_map(|(row, cost)| Some((row, (*cost)?))).collect()
}

/// What the past places say about another; `None` where there is none.
fn prior(
    model: &CostModel,
    target: &CostTarget<'_>,
    past: &[usize],
) -> Result<Option<CostPrior>, PredictError> {
    if past.is_empty() {
        return Ok(None);
    }
    let places: Vec<&Place> = past.iter().map(|at| &model.places[*at]).collect();
    let weights = weights(&places, Some(target.task), target.device);
    let differences = differences(model, past)?;
    let (level, mut level_variance) = level(&places, target)?;
    let (noise, mut stretch) = (noise(&differences), stretch(&differences));
    if is_first_other_device(&places, target) {
        level_variance = level_variance.max(LEVEL_VARIANCE);
        stretch = STRETCH;
    }
    Ok(Some(CostPrior { weights, level, level_variance, stretch, noise }))
}

/// Whether a device is asked for of which the past places, all on one other, say nothing.
fn is_first_other_device(places: &[&Place], target: &CostTarget<'_>) -> bool {
    let devices: BTreeSet<&str> = places.iter().filter_map(|place| place.device.as_deref()).collect();
    devices.len() == 1 && target.device.is_some_and(|device| !devices.contains(device))
}

/// Shares of places in the mean, summing to 1: more for those with more measurements, and for kin.
fn weights(places: &[&Place], task: Option<&str>, device: Option<&str>) -> Array1<f64> {
    let weight = |place: &&Place| {
        let n = place.measured.rows.len() as f64;
        let same_task = task == Some(&*place.task);
        let same_device = device.is_some() && place.device.as_deref() == device;
        let kin = f64::from(u8::from(same_task)) + f64::from(u8::from(same_device));
        n / (n + HALF_TRUST) * KIN.powf(kin)
    };
    let weights: Array1<f64> = places.iter().map(weight).collect();
    let sum = weights.sum();
    weights / sum
}

/// The level to expect of a place and its variance: that of the places seen, closer where they share its task or its device.
fn level(places: &[&Place], target: &CostTarget<'_>) -> Result<(f64, f64), PredictError> {
    let levels: Array1<f64> = places.iter().map(|place| place.level).collect();
    let n = levels.len() as f64;
    let mean = levels.sum() / n;
    if places.len() == 1 {
        return Ok((mean, LEVEL_VARIANCE));
    }
    let variance = (levels.mapv(|level| (level - mean).powi(2)).sum() / (n - 1.0)).max(1e-6);
    // Task and device have half of the variance each; a twentieth is the place's own.
    let covariance = |task: bool, device: bool| {
        variance * (0.475 * f64::from(u8::from(task)) + 0.475 * f64::from(u8::from(device)))
    };
    let kin = |a: &Place, b: &Place| covariance(a.task == b.task, a.device.is_some() && a.device == b.device);
    let k = Array2::from_shape_fn((places.len(), places.len()), |(i, j)| {
        if i == j { variance } else { kin(places[i], places[j]) }
    });
    let cross = Array2::from_shape_fn((1, places.len()), |(_, j)| {
        let place = places[j];
        covariance(
            *place.task == *target.task,
            target.device.is_some() && place.device.as_deref() == target.device,
        )
    });
    let process = GaussianProcess::new(k.view(), (&levels - mean).view())?;
    let prior = Array1::from_elem(1, variance * (1.0 + 1.0 / n));
    let (expected, doubt) = process.predict(cross.view(), prior.view());
    Ok((mean + expected[0], doubt[0]))
}

/// How each past place in turn differs from the others.
fn differences(model: &CostModel, past: &[usize]) -> Result<Vec<Difference>, PredictError> {
    let mut found = Vec::new();
    for at in evenly(past.len(), TRIED_PLACES) {
        let place = &model.places[past[at]];
        let others: Vec<usize> = past.iter().copied().filter(|other| *other != past[at]).collect();
        let tried = evenly(place.measured.rows.len(), TRIED_ROWS);
        if tried.len() < 2 {
            continue;
        }
        let rows: Vec<usize> = tried.iter().map(|at| place.measured.rows[*at]).collect();
        let y: Array1<f64> =
            tried.iter().filter_map(|at| model.scale.of_cost(place.measured.values[*at])).collect();
        let views = model.views_of_rows(&rows)?.by_place.select(Axis(1), &others);
        let places: Vec<&Place> = others.iter().map(|at| &model.places[*at]).collect();
        let weights = if places.is_empty() { Array1::zeros(0) } else { weights(&places, None, None) };
        let mut difference = difference(views.view(), y.view(), &weights)?;
        if places.is_empty() {
            // One past place says nothing of how others differ: a tenth of its spread.
            difference.noise *= 0.1;
        }
        found.push(difference);
    }
    Ok(found)
}

/// What is left unexplained of a place's costs: the median over places.
fn noise(differences: &[Difference]) -> f64 {
    let mut noise: Vec<f64> = differences.iter().map(|difference| difference.noise).collect();
    noise.sort_by(f64::total_cmp);
    noise.get(noise.len() / 2).copied().unwrap_or(LEVEL_VARIANCE)
}

/// The variance of a place's stretch: where places have all the same, a new one is expected to have it, too.
fn stretch(differences: &[Difference]) -> f64 {
    let seen: Vec<f64> = differences.iter().filter_map(|difference| difference.stretch).collect();
    if seen.is_empty() {
        return STRETCH;
    }
    let squares: f64 = seen.iter().map(|stretch| stretch * stretch).sum();
    (USUAL_STRETCH + squares) / (1.0 + seen.len() as f64)
}
