//! Several objectives at once: Pareto fronts, hypervolumes and their expected improvement. More is better in each objective;
//! costs enter with their sign turned.

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use crate::PredictError;

/// Most objectives: boxes grow with the power of one less.
const MAX_OBJECTIVES: usize = 4;

/// Whether one point is at least as good as another in every objective and better in one.
fn dominates(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> bool {
    a.iter().zip(&b).all(|(a, b)| a >= b) && a.iter().zip(&b).any(|(a, b)| a > b)
}

/// The rank of each point: 0 for the points that no other dominates, 1 for those that only points of rank 0 dominate, and so
/// on. Equal points have equal ranks.
///
/// *Source*: Zhang, Tian, Cheng, Jin, "An efficient approach to nondominated sorting for evolutionary multiobjective
/// optimization", 2015 (ENS, sequential search).
///
/// # Shapes
/// `points` is `(n, m)`, the answer `(n,)`.
#[must_use]
pub fn non_dominated_sort(points: ArrayView2<'_, f64>) -> Vec<usize> {
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    let mut ranks = vec![0; points.nrows()];
    for at in best_first(points) {
        let dominated = |front: &Vec<usize>| {
            // Who came last is nearest and most often the one that dominates.
            front.iter().rev().any(|other| dominates(points.row(*other), points.row(at)))
        };
        let rank = fronts.iter().position(|front| !dominated(front)).unwrap_or(fronts.len());
        if rank == fronts.len() {
            fronts.push(Vec::new());
        }
        fronts[rank].push(at);
        ranks[at] = rank;
    }
    ranks
}

/// The points that no other dominates, best in the first objective first.
///
/// # Shapes
/// `points` is `(n, m)`.
#[must_use]
pub fn pareto_front(points: ArrayView2<'_, f64>) -> Vec<usize> {
    let mut front: Vec<usize> = Vec::new();
    for at in best_first(points) {
        if !front.iter().rev().any(|other| dominates(points.row(*other), points.row(at))) {
            front.push(at);
        }
    }
    front
}

/// Positions in lexicographic order, best first: no point is dominated by one after it.
fn best_first(points: ArrayView2<'_, f64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.nrows()).collect();
    let compare = |a: &usize, b: &usize| {
        let objectives = points.row(*b).into_iter().zip(points.row(*a));
        objectives.map(|(b, a)| b.total_cmp(a)).find(|order| order.is_ne()).unwrap_or(a.cmp(b))
    };
    order.sort_by(compare);
    order
}

/// The volume that points dominate above a reference point, exact, by slicing objective after objective.
///
/// *Source*: Zitzler & Thiele, "Multiobjective evolutionary algorithms: a comparative case study", 1999; slicing as in While,
/// Hingston, Barone, Huband, "A faster algorithm for calculating hypervolume", 2006.
///
/// # Shapes
/// `points` is `(n, m)` with `m` up to 4, `reference` `(m,)`.
///
/// # Errors
/// [`PredictError::Lengths`] or [`PredictError::BadParameter`] for objectives that are none, too many or not as many as the
/// reference has.
pub fn hypervolume(points: ArrayView2<'_, f64>, reference: &[f64]) -> Result<f64, PredictError> {
    check(points.ncols(), reference.len())?;
    let points: Vec<Vec<f64>> = points.rows().into_iter().map(|row| row.to_vec()).collect();
    Ok(dominated(points.iter().map(Vec::as_slice).collect(), reference))
}

fn dominated(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    let last = reference.len() - 1;
    points.retain(|point| point[..=last].iter().zip(reference).all(|(point, reference)| point > reference));
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    if last == 0 {
        return points.first().map_or(0.0, |best| best[0] - reference[0]);
    }
    let mut volume = 0.0;
    for at in 0..points.len() {
        let below = points.get(at + 1).map_or(reference[last], |next| next[last]);
        let height = points[at][last] - below;
        if height > 0.0 {
            volume += height * dominated(points[..=at].to_vec(), &reference[..last]);
        }
    }
    volume
}

fn check(objectives: usize, reference: usize) -> Result<(), PredictError> {
    if objectives != reference {
        let (left, right) = (objectives, reference);
        return Err(PredictError::Lengths {
            what: "objectives and coordinates of the reference",
            left,
            right,
        });
    }
    if !(1..=MAX_OBJECTIVES).contains(&objectives) {
        let value = objectives.to_string();
        return Err(PredictError::BadParameter { parameter: "objectives", value, allowed: "from 1 to 4" });
    }
    Ok(())
}

/// The region above a reference point that a front does not dominate, cut into boxes that do not overlap. From it follows the
/// expected hypervolume improvement of any point, exactly, as long as its objectives are independent and normal.
///
/// The improvement by a point `y` is the volume of the region below it, so its expectation is the integral over the region of
/// `P(y >= z)`, a product over objectives in every box.
///
/// *Source*: Emmerich, Deutz, Klinkenberg, "Hypervolume-based expected improvement: Monotonicity properties and exact
/// computation", 2011; by boxes as in Yang, Emmerich, Deutz, Bäck (arXiv:1904.05156).
#[derive(Clone, Debug)]
pub struct NonDominatedBoxes {
    /// By objective: the coordinates at which boxes begin and end, ascending, from the reference to infinity.
    edges: Vec<Vec<f64>>,
    /// By box: first and last edge of every objective.
    boxes: Vec<Vec<(usize, usize)>>,
}

impl NonDominatedBoxes {
    /// Cuts up the region. Points that do not beat the reference in every objective change nothing.
    ///
    /// # Shapes
    /// `front` is `(n, m)` with `m` up to 4, `reference` `(m,)`; `front` may hold dominated points.
    ///
    /// # Errors
    /// As [`hypervolume`].
    pub fn new(front: ArrayView2<'_, f64>, reference: &[f64]) -> Result<Self, PredictError> {
        check(front.ncols(), reference.len())?;
        let points: Vec<Vec<f64>> = front.rows().into_iter().map(|row| row.to_vec()).collect();
        let above = points.iter().filter(|point| point.iter().zip(reference).all(|(y, r)| y > r));
        let above: Vec<&[f64]> = above.map(Vec::as_slice).collect();
        let edges: Vec<Vec<f64>> = (0..reference.len()).map(|at| edges(&above, at, reference[at])).collect();
        let mut boxes = Vec::new();
        let mut sides = vec![(0, 0); reference.len()];
        cut(above, reference.len() - 1, &edges, &mut sides, &mut boxes);
        Ok(NonDominatedBoxes { edges, boxes })
    }

    /// The expected hypervolume improvement of a point whose objectives are independent and normal; of a point that is known
    /// (`std` 0) the improvement itself.
    ///
    /// # Shapes
    /// `mean` and `std` are `(m,)`.
    #[must_use]
    pub fn expected_improvement(&self, mean: ArrayView1<'_, f64>, std: ArrayView1<'_, f64>) -> f64 {
        let gains: Vec<Vec<f64>> = self
            .edges
            .iter()
            .zip(mean.iter().zip(std))
            .map(|(edges, (mean, std))| edges.iter().map(|edge| gain(*mean, *std, *edge)).collect())
            .collect();
        let volume = |cell: &Vec<(usize, usize)>| {
            let sides = cell.iter().zip(&gains).map(|((from, to), gains)| gains[*from] - gains[*to]);
            sides.product::<f64>()
        };
        self.boxes.iter().map(volume).sum::<f64>().max(0.0)
    }
}

/// `E[max(y - edge, 0)]` of a normal `y`.
fn gain(mean: f64, std: f64, edge: f64) -> f64 {
    let gap = mean - edge;
    if edge == f64::INFINITY {
        0.0
    } else if std > 0.0 {
        let normal = Normal::standard();
        (gap * normal.cdf(gap / std) + std * normal.pdf(gap / std)).max(0.0)
    } else {
        gap.max(0.0)
    }
}

fn edges(points: &[&[f64]], at: usize, reference: f64) -> Vec<f64> {
    let mut edges: Vec<f64> =
        points.iter().map(|point| point[at]).chain([reference, f64::INFINITY]).collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// Cuts the region that `points` do not dominate in the objectives up to `last` into boxes; the sides in the later objectives
/// stand in `sides` already.
fn cut(
    mut points: Vec<&[f64]>,
    last: usize,
    edges: &[Vec<f64>],
    sides: &mut Vec<(usize, usize)>,
    boxes: &mut Vec<Vec<(usize, usize)>>,
) {
    let top = edges[last].len() - 1;
    let edge = |value: f64| edges[last].partition_point(|edge| *edge < value);
    if last == 0 {
        let best = points.iter().map(|point| edge(point[0])).max().unwrap_or(0);
        sides[0] = (best, top);
        boxes.push(sides.clone());
        return;
    }
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut upper = top;
    for at in 0..=points.len() {
        let lower = points.get(at).map_or(0, |point| edge(point[last]));
        if lower < upper {
            sides[last] = (lower, upper);
            // Points at or above the upper edge stand over the whole slab.
            cut(points[..at].to_vec(), last - 1, edges, sides, boxes);
            upper = lower;
        }
    }
}

/// The expected hypervolume improvement of points over a front, exact for independent normal objectives.
///
/// # Shapes
/// `mean` and `std` are `(n, m)`, `front` `(k, m)`, `reference` `(m,)` with `m` up to 4; the answer is `(n,)`.
///
/// # Errors
/// [`PredictError::Lengths`] or [`PredictError::BadParameter`], as for [`hypervolume`].
pub fn expected_hypervolume_improvement(
    mean: ArrayView2<'_, f64>,
    std: ArrayView2<'_, f64>,
    front: ArrayView2<'_, f64>,
    reference: &[f64],
) -> Result<Vec<f64>, PredictError> {
    check(mean.ncols(), reference.len())?;
    if mean.dim() != std.dim() {
        let (left, right) = (mean.len(), std.len());
        return Err(PredictError::Lengths { what: "means and deviations", left, right });
    }
    let boxes = NonDominatedBoxes::new(front, reference)?;
    let rows = mean.axis_iter(Axis(0)).into_par_iter().zip(std.axis_iter(Axis(0)));
    Ok(rows.map(|(mean, std)| boxes.expected_improvement(mean, std)).collect())
}

#[cfg(test)]
#[path = "pareto_tests.rs"]
mod tests;
