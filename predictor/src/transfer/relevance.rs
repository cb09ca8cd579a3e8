//! `Relevance`: how much each parameter counts, by the past and by a new task's own trials.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{ArrayView1, ArrayView2, Axis, Slice};

use super::PastTasks;
use crate::{ArdParams, ArdProcess, Encoder, Part, PredictError};

/// As many past tasks that find all parameters equal are taken to have been there before the first.
const EQUAL: f64 = 2.0;

/// So many own trials tell as much of what matters to a task as a past task does.
const AS_TELLING: f64 = 3.0;
/// The least and the most that a parameter counts beside the mean of all.
const LEAST: f64 = 0.05;
const MOST: f64 = 4.0;

/// How much each parameter matters: the mean of what tasks found, each counting as often as it is sure.
#[derive(Clone, Debug)]
pub(super) struct Relevance {
    parts: Vec<Part>,
    /// Columns of the parameters, and of the encoding with descriptors.
    widths: (usize, usize),
    /// Sums over tasks, by part, of relevances whose mean is one.
    sums: Vec<f64>,
    /// So many tasks.
    tasks: f64,
}

impl Relevance {
    /// What past tasks' processes found.
    pub(super) fn of_past(encoder: &Encoder, past: &PastTasks<'_>) -> Self {
        let parts = Part::of(&encoder.features()[..encoder.own_width()]);
        let widths = (encoder.own_width(), encoder.width());
        let mut relevance = Relevance { sums: vec![EQUAL; parts.len()], tasks: EQUAL, parts, widths };
        let models = past.columns.iter().map(|at| &past.models.models()[*at]);
        models.filter_map(|model| model.process()).for_each(|process| relevance.add(process, 1.0));
        relevance
    }

    /// With what a process over the new task's own trials finds: architectures as they are encoded, and what each scored beyond what
    /// was expected of it.
    pub(super) fn with_own(
        &self,
        x: ArrayView2<'_, f64>,
        surprise: ArrayView1<'_, f64>,
    ) -> Result<Self, PredictError> {
        let x = x.slice_axis(Axis(1), Slice::from(..self.widths.0)).to_owned();
        let examples = DatasetBase::new(x, surprise.to_owned());
        let process = ArdParams::default().parts(self.parts.clone()).check()?.fit(&examples)?;
        let mut relevance = self.clone();
        relevance.add(&process, surprise.len() as f64 / AS_TELLING);
        Ok(relevance)
    }

    fn add(&mut self, process: &ArdProcess, count: f64) {
        let weights: Vec<f64> = process.kernel().lengths.iter().map(|length| length.powi(-2)).collect();
        let mean: f64 = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        self.sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += count * weight / mean);
        self.tasks += count;
    }

    /// Scales of the encoding's columns, `(d,)`: parameters count by how much they matter, all together as
    /// much as one; descriptors, where there are some, as they are, and the parameters half.
    pub(super) fn scales(&self) -> Vec<f64> {
        let (own, width) = self.widths;
        let halved = if width > own { 0.5 } else { 1.0 };
        let share =
            |sum: &f64| halved * (sum / self.tasks).clamp(LEAST, MOST) / self.parts.len().max(1) as f64;
        let mut scales = vec![1.0; width];
        for (part, sum) in self.parts.iter().zip(&self.sums) {
            let columns = match part {
                Part::Number(column) => *column..column + 1,
                Part::Choice(columns) => columns.clone(),
            };
            scales[columns].fill(share(sum).sqrt());
        }
        scales
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;

    #[test]
    fn own_trials_tell_what_matters() {
        let parts: Vec<Part> = (0..4).map(Part::Number).collect();
        let nothing = Relevance { sums: vec![EQUAL; 4], tasks: EQUAL, parts, widths: (4, 4) };
        assert!(nothing.scales().iter().all(|scale| (scale - 0.5).abs() < 1e-12), "all the same");
        let x = Array2::from_shape_fn((24, 4), |(row, column)| {
            (row as f64 * [0.618, 0.414, 0.732, 0.236][column]).fract()
        });
        let surprise: Array1<f64> = x.column(2).mapv(|value| -8.0 * (value - 0.3).powi(2));
        let scales = nothing.with_own(x.view(), surprise.view()).unwrap().scales();
        for other in [0, 1, 3] {
            assert!(scales[2] > 2.0 * scales[other], "{scales:?}");
        }
    }
}
