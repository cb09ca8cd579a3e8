//! `Curve`: the scores of one trial as it was trained.

use heirloom_kb::Name;

/// A learning curve: scores by fidelity, higher is better.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    points: Vec<(f64, f64)>,
}

/// The curves of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCurves {
    /// The task's id.
    pub task: Name,
    /// One curve a trial.
    pub curves: Vec<Curve>,
}

impl Curve {
    /// The curve through (step, score) pairs, put in order of the steps. Of several scores of a step the last one
    /// counts; pairs that are no finite numbers are left out.
    #[must_use]
    pub fn new(mut points: Vec<(f64, f64)>) -> Self {
        points.retain(|(step, score)| step.is_finite() && score.is_finite());
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The later of two equal steps stands behind; `dedup` keeps the first it meets.
        points.reverse();
        points.dedup_by(|a, b| a.0 == b.0);
        points.reverse();
        Curve { points }
    }

    /// The points by step.
    #[must_use]
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The last step and its score.
    #[must_use]
    pub fn last(&self) -> Option<(f64, f64)> {
        self.points.last().copied()
    }

    /// Whether it goes as far as this step.
    #[must_use]
    pub fn reaches(&self, step: f64) -> bool {
        self.last().is_some_and(|(last, _)| last >= step)
    }

    /// The points up to a step.
    #[must_use]
    pub fn until(&self, step: f64) -> &[(f64, f64)] {
        &self.points[..self.points.partition_point(|point| point.0 <= step)]
    }

    /// The score at a step: that of the last point up to it. Absent before the first point and beyond the last.
    #[must_use]
    pub fn at(&self, step: f64) -> Option<f64> {
        let known = self.until(step).last().map(|point| point.1);
        known.filter(|_| self.reaches(step))
    }

    /// The best score up to a step.
    #[must_use]
    pub fn best(&self, step: f64) -> Option<f64> {
        self.until(step).iter().map(|point| point.1).reduce(f64::max)
    }

    /// The curve with its steps multiplied, so that one of another length ends at the same step.
    #[must_use]
    pub(super) fn stretched(&self, factor: f64) -> Curve {
        Curve { points: self.points.iter().map(|(step, score)| (step * factor, *score)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_read_in_order_whatever_order_it_came_in() {
        let curve = Curve::new(vec![(4.0, 0.4), (1.0, 0.1), (2.0, 0.9), (2.0, 0.2), (3.0, f64::NAN)]);
        assert_eq!(curve.points(), [(1.0, 0.1), (2.0, 0.2), (4.0, 0.4)]);
        assert_eq!(curve.at(3.5), Some(0.2));
        assert_eq!((curve.at(0.5), curve.at(4.5)), (None, None));
        assert_eq!((curve.best(4.0), curve.best(0.0)), (Some(0.4), None));
        assert_eq!(curve.stretched(2.0).last(), Some((8.0, 0.4)));
    }
}
