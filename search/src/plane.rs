//! `Plane`: candidates as points with several objectives.

use std::collections::BTreeMap;

use heirloom_kb::Name;
use heirloom_predictor::{CostPrediction, NonDominatedBoxes, Prediction, pareto_front};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use crate::SearchError;

/// Candidates that are chosen beside each other.
const SPREAD: usize = 32;

/// A trial that keeps to the constraints.
pub(crate) struct Kept {
    pub(crate) z: f64,
    pub(crate) costs: BTreeMap<Name, f64>,
}

/// Candidates as points: the score, and the costs with their sign turned, all on the scale of their models.
pub(crate) struct Plane<'a> {
    costs: Vec<(&'a Name, &'a CostPrediction)>,
    mean: Array2<f64>,
    std: Array2<f64>,
    pub(crate) reference: Vec<f64>,
}

impl<'a> Plane<'a> {
    /// A cost of which nothing is known yet is no axis.
    pub(crate) fn new(
        pareto: &'a [Name],
        prediction: &Prediction,
        costs: &'a BTreeMap<Name, CostPrediction>,
    ) -> Self {
        let costs: Vec<(&Name, &CostPrediction)> =
            pareto.iter().filter_map(|name| Some((name, costs.get(name)?))).collect();
        let shape = (prediction.mean.len(), costs.len() + 1);
        let (mut mean, mut std) = (Array2::zeros(shape), Array2::zeros(shape));
        mean.column_mut(0).assign(&prediction.mean);
        std.column_mut(0).assign(&prediction.std);
        for (at, (_, cost)) in costs.iter().enumerate() {
            mean.column_mut(at + 1).assign(&-&cost.mean);
            std.column_mut(at + 1).assign(&cost.std);
        }
        let worst = |column: ArrayView1<'_, f64>| column.iter().copied().fold(f64::INFINITY, f64::min);
        let reference = mean.columns().into_iter().map(worst).collect();
        Plane { costs, mean, std, reference }
    }

    /// Trials as points.
    pub(crate) fn front(&self, kept: &[Kept]) -> Array2<f64> {
        let mut points = Array2::zeros((kept.len(), self.costs.len() + 1));
        for (mut point, kept) in points.rows_mut().into_iter().zip(kept) {
            point[0] = kept.z;
            for (at, (name, prediction)) in self.costs.iter().enumerate() {
                let cost = kept.costs.get(*name).copied().unwrap_or(f64::INFINITY);
                point[at + 1] = -if prediction.log { cost.max(f64::MIN_POSITIVE).ln() } else { cost };
            }
        }
        points
    }

    pub(crate) fn improvement(&self, boxes: &NonDominatedBoxes, at: usize) -> f64 {
        boxes.expected_improvement(self.mean.row(at), self.std.row(at))
    }

    /// One after another what adds most to the front, each counted as what is expected of it. What a candidate adds only
    /// shrinks as the front grows, so most need not be looked at again (Minoux, "Accelerated greedy algorithms", 1978). Beyond the first
    /// [`SPREAD`] they follow by what they added last, for with four objectives the boxes beside a front grow with its square and more.
    pub(crate) fn greedy(
        &self,
        able: &[usize],
        mut front: Array2<f64>,
        gains: &[f64],
        weight: impl Fn(usize) -> f64,
        k: usize,
    ) -> Result<Vec<usize>, SearchError> {
        let mut left: Vec<(f64, usize)> = able.iter().map(|at| (gains[*at], *at)).collect();
        let better = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        left.sort_by(better);
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < k.min(able.len()).min(SPREAD) {
            if !chosen.is_empty() {
                let boxes = NonDominatedBoxes::new(front.view(), &self.reference)?;
                refresh(&mut left, |at| weight(at) * self.improvement(&boxes, at));
            }
            let (_, at) = left.remove(0);
            chosen.push(at);
            front = joined(&front, self.mean.row(at).insert_axis(Axis(0)));
        }
        chosen.extend(left.iter().map(|(_, at)| *at).take(k - chosen.len()));
        Ok(chosen)
    }

    /// The candidates that no other beats in all that is expected, best score first.
    pub(crate) fn expected_front(&self, among: &[usize]) -> Vec<usize> {
        let points = self.mean.select(Axis(0), among);
        pareto_front(points.view()).into_iter().map(|at| among[at]).collect()
    }
}

fn joined<'a>(points: &'a Array2<f64>, point: ArrayView2<'a, f64>) -> Array2<f64> {
    ndarray::concatenate(Axis(0), &[points.view(), point]).expect("points of one plane")
}

/// Brings the best to the front of a list of upper bounds in descending order, looking only at those that may be it.
fn refresh(left: &mut [(f64, usize)], gain: impl Fn(usize) -> f64) {
    let better = |a: (f64, usize), b: (f64, usize)| a.0 > b.0 || (a.0 >= b.0 && a.1 < b.1);
    let mut looked_at = 0;
    let mut best: Option<(f64, usize)> = None;
    for bound in left.iter_mut() {
        if best.is_some_and(|best| best.0 > bound.0) {
            break;
        }
        bound.0 = gain(bound.1);
        looked_at += 1;
        if best.is_none_or(|best| better(*bound, best)) {
            best = Some(*bound);
        }
    }
    // Those looked at have shrunk: the list is put in order again.
    if looked_at > 0 {
        left.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lazy_greedy_order_is_the_greedy_order() {
        let mean = Array2::from_shape_fn((40, 2), |(i, j)| {
            let turn = i as f64 * 0.7 + 1.3 * j as f64;
            turn.sin() + 0.01 * i as f64
        });
        let plane = Plane {
            costs: Vec::new(),
            std: Array2::from_elem((40, 2), 0.1),
            reference: vec![-1.5, -1.5],
            mean: mean.clone(),
        };
        let nothing = Array2::zeros((0, 2));
        let gains = |front: &Array2<f64>| -> Vec<f64> {
            let boxes = NonDominatedBoxes::new(front.view(), &plane.reference).unwrap();
            (0..40).map(|at| plane.improvement(&boxes, at)).collect()
        };
        let able: Vec<usize> = (0..40).collect();
        let lazy = plane.greedy(&able, nothing.clone(), &gains(&nothing), |_| 1.0, 12).unwrap();
        let (mut front, mut eager) = (nothing, Vec::new());
        for _ in 0..12 {
            let gains = gains(&front);
            let left = (0..40).filter(|at| !eager.contains(at));
            let best = left.max_by(|a, b| gains[*a].total_cmp(&gains[*b]).then(b.cmp(a))).unwrap();
            eager.push(best);
            front = joined(&front, mean.row(best).insert_axis(Axis(0)));
        }
        assert_eq!(lazy, eager);
    }
}
