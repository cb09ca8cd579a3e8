//! The first picks, chosen together before the first trial.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, Normal};

use super::features::Features;
use super::kernel::Kernel;
use super::{Seen, TransferModel, Views};

/// Candidates among which a portfolio is chosen: those of the highest expected height above the median.
const SHORTLIST: usize = 1_200;
/// Tasks that the new one might be, drawn from the prior; each past task is another such, so often.
const DRAWN: usize = 96;
const PAST: usize = 6;
/// The share at which a first pick's depth below the median counts.
const DEPTH: f64 = 0.15;
/// A pick that is expected to beat those before it by more than this on a past task, in heights, is a hedge for its like.
const HEDGED: f64 = 0.3;
/// Places that first picks without a past are spread over.
const PLACES: usize = 512;

/// Scenarios over a shortlist: what each candidate would score on each task that the new one might be.
#[derive(Clone, Debug)]
pub struct Portfolio {
    /// Positions in the pool, highest expected height first.
    shortlist: Vec<usize>,
    /// Heights, `(shortlist, scenarios)`.
    heights: Array2<f64>,
    /// The best height in each scenario of what was tried before, `(scenarios,)`.
    reached: Vec<f64>,
    /// For each past task the first of its own scenarios, if it has some.
    past: Vec<Option<usize>>,
}

impl TransferModel {
    /// The scenarios that first picks among `open` candidates are chosen over, beside what has been `tried`: each past task, and
    /// draws of how the new one may mix them. What is particular to a task is left out: the best of many candidates in few draws
    /// of it would be chosen by luck. A first pick below the median costs a trial, nearly however far below it is: were its depth counted
    /// in full, the first pick after a past that contradicts itself would be one that is mediocre everywhere.
    #[must_use]
    pub fn portfolio(&self, seen: &Seen, tried: &Views, open: &[usize], seed: u64) -> Portfolio {
        let tried = seen.lens.see(tried);
        if self.weights.is_empty() {
            return self.spread_beside(&tried, seen, open, seed);
        }
        let features = &seen.features;
        let kernel = Kernel { own: 0.0, linear: 0.0, grain: 0.0, ..self.trusting(seen) };
        let variances = kernel.variances(features);
        let median = Some(self.shape.height(0.0));
        let height = |at: usize| {
            let (mean, std) = (self.slope() * features.mean[at], variances[at].sqrt());
            let gain = |floor| self.shape.expected_gain(mean, std, floor);
            (1.0 - DEPTH) * gain(median) + DEPTH * gain(None)
        };
        let heights: Vec<f64> = open.iter().map(|at| height(*at)).collect();
        let mut order: Vec<usize> = (0..open.len()).collect();
        order.sort_by(|a, b| heights[*b].total_cmp(&heights[*a]).then(a.cmp(b)));
        order.truncate(SHORTLIST);
        let shortlist: Vec<usize> = order.into_iter().map(|at| open[at]).collect();
        let features = features.select(&shortlist).joined(&tried);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let tasks = self.weights.len();
        let mut columns: Vec<Array1<f64>> = Vec::new();
        for _ in 0..DRAWN {
            // Not the wrong way round: the picks beside the best one would be what the past thinks worst.
            let slope = (self.slope() + kernel.mean.sqrt() * normal(&mut rng)).max(0.0);
            let by_task = Array1::from_shape_fn(tasks, |_| kernel.tasks.sqrt() * normal(&mut rng));
            columns.push(&features.mean * slope + features.deviations.dot(&by_task));
        }
        let said = features.said(ArrayView1::from(&self.weights));
        let mut past = Vec::with_capacity(tasks);
        for (own, weight) in said.columns().into_iter().zip(&self.weights) {
            let copies = (PAST as f64 * weight * tasks as f64).round() as usize;
            past.push((copies > 0).then_some(columns.len()));
            columns.extend(std::iter::repeat_n(own.to_owned(), copies));
        }
        let mut heights = Array2::zeros((features.len(), columns.len()));
        for (mut to, column) in heights.columns_mut().into_iter().zip(&columns) {
            to.iter_mut().zip(column).for_each(|(to, z)| *to = self.shape.height(*z));
        }
        let (open, tried) = heights.view().split_at(Axis(0), shortlist.len());
        Portfolio { shortlist, reached: most_of_columns(tried), heights: open.to_owned(), past }
    }

    /// Picks in which the past has no say, beside what has been `tried`: where the pool is told least of. For a task whose first
    /// trials speak against its history.
    #[must_use]
    pub fn spread(&self, seen: &Seen, tried: &Views, open: &[usize], seed: u64) -> Portfolio {
        self.spread_beside(&seen.lens.see(tried), seen, open, seed)
    }

    /// Without a past, nothing is known but that likes score alike: the scenarios are places of the pool, and what a
    /// candidate tells of each is how alike they are. The first pick is the most central, the next are where the pool is
    /// told least of. The largest expected height would be that of the largest variance, a corner of the space.
    fn spread_beside(&self, tried: &Features, seen: &Seen, open: &[usize], seed: u64) -> Portfolio {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        // Of the whole pool, so that they are the same whatever has been tried.
        let pool = seen.features.len();
        let mut some = |most: usize| {
            let mut chosen = sample(&mut rng, pool, pool.min(most)).into_vec();
            chosen.sort_unstable();
            chosen
        };
        let (mut shortlist, places) = (some(SHORTLIST), some(PLACES));
        let mut is_open = vec![false; pool];
        open.iter().for_each(|at| is_open[*at] = true);
        shortlist.retain(|at| is_open[*at]);
        if shortlist.is_empty() {
            shortlist.extend(open.iter().take(SHORTLIST));
        }
        let kernel = Kernel { own: 1.0, linear: 0.0, grain: 0.0, ..self.alone(seen) };
        let places = seen.features.select(&places);
        let likeness = kernel.between(&seen.features.select(&shortlist), &places);
        let told = kernel.between(tried, &places);
        let reached = most_of_columns(told.view());
        let total = likeness.sum_axis(Axis(1));
        let mut order: Vec<usize> = (0..shortlist.len()).collect();
        order.sort_by(|a, b| total[*b].total_cmp(&total[*a]).then(a.cmp(b)));
        let heights = likeness.select(Axis(0), &order);
        Portfolio {
            shortlist: order.into_iter().map(|at| shortlist[at]).collect(),
            heights,
            reached,
            past: Vec::new(),
        }
    }
}

impl Portfolio {
    /// Up to `k` positions beside those `chosen`, each the one that raises the expected best of all most; the first of all is
    /// the one of the highest expected height above the median.
    ///
    /// *Source*: greedy submodular maximisation, Nemhauser, Wolsey, Fisher 1978; portfolios of configurations as in Feurer et
    /// al., "Auto-sklearn 2.0" (arXiv:2007.04074), section 4.
    #[must_use]
    pub fn picks(&self, chosen: &[usize], k: usize) -> Vec<usize> {
        let mut best = self.reached_with(chosen);
        let mut open: Vec<bool> = self.shortlist.iter().map(|position| !chosen.contains(position)).collect();
        let mut picks = Vec::new();
        while picks.len() < k {
            let first = best.first().is_none_or(|best| *best == f64::NEG_INFINITY);
            let gain = |row: usize| -> f64 {
                self.heights.row(row).iter().zip(&best).map(|(height, best)| height.max(*best)).sum()
            };
            let candidates = (0..open.len()).filter(|row| open[*row]);
            // The shortlist is in order of expected height; the first is told by quadrature, which beats the draws.
            let next = if first {
                candidates.min()
            } else {
                candidates
                    .map(|row| (row, gain(row)))
                    .reduce(|most, next| if next.1 > most.1 { next } else { most })
                    .map(|(row, _)| row)
            };
            let Some(row) = next else { break };
            open[row] = false;
            self.take(row, &mut best);
            picks.push(self.shortlist[row]);
        }
        picks
    }

    /// The past tasks on which a position is expected to beat what was tried and those `chosen` by most, if they are a minority: by how
    /// much, in heights, the most first. It is what such a pick is a hedge for.
    #[must_use]
    pub fn hedged(&self, position: usize, chosen: &[usize]) -> Vec<(usize, f64)> {
        let Some(row) = self.shortlist.iter().position(|other| *other == position) else { return Vec::new() };
        let best = self.reached_with(chosen);
        let gain = |(task, first): (usize, &Option<usize>)| {
            first.map(|at| (task, self.heights[[row, at]] - best[at])).filter(|(_, gain)| *gain > HEDGED)
        };
        let mut gains: Vec<(usize, f64)> = self.past.iter().enumerate().filter_map(gain).collect();
        gains.sort_by(|a, b| b.1.total_cmp(&a.1));
        if 2 * gains.len() > self.past.len() { Vec::new() } else { gains }
    }

    /// The best height in each scenario of what was tried and is chosen.
    fn reached_with(&self, chosen: &[usize]) -> Vec<f64> {
        let mut best = self.reached.clone();
        let rows = (0..self.shortlist.len()).filter(|row| chosen.contains(&self.shortlist[*row]));
        rows.for_each(|row| self.take(row, &mut best));
        best
    }

    fn take(&self, row: usize, best: &mut [f64]) {
        best.iter_mut().zip(self.heights.row(row)).for_each(|(best, height)| *best = best.max(*height));
    }
}

/// The largest value of each column; of none, less than any.
fn most_of_columns(values: ArrayView2<'_, f64>) -> Vec<f64> {
    let most = |column: ArrayView1<'_, f64>| column.fold(f64::NEG_INFINITY, |most, one| most.max(*one));
    values.columns().into_iter().map(most).collect()
}

fn normal(rng: &mut impl Rng) -> f64 {
    Normal::standard().inverse_cdf(rng.gen_range(1e-12..1.0))
}
