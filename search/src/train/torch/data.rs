//! Examples on the device.

use heirloom_datasets::{Dataset, Splits, Standardiser};
use heirloom_kb::Split;
use ndarray::Axis;
use tch::{Device, TchError, Tensor};

use super::first_line;
use super::fitted_rows::FittedRows;
use crate::train::{Budget, TrainError};

/// What a trial fits on and what it is scored on, standardised by the former.
pub(super) struct Parts {
    pub(super) fit: Part,
    pub(super) score: Part,
    pub(super) standardiser: Standardiser,
    /// What is fitted on.
    pub(super) fitted: FittedRows,
}

/// Examples `[n, shape...]` and their classes `[n]`: whole on the device where they fit, else on the CPU, from where each
/// batch is brought.
pub(super) struct Part {
    pub(super) x: Tensor,
    pub(super) y: Tensor,
    device: Device,
}

/// Some examples on the device.
pub(super) struct Batch {
    pub(super) x: Tensor,
    /// Their classes, `[n]`.
    pub(super) y: Tensor,
    /// The classes that are mixed in and the share of the first ones.
    pub(super) mixed: Option<(Tensor, f64)>,
}

impl Parts {
    /// The examples that a budget asks for: fitted on `least` or more, scored on its split.
    ///
    /// # Errors
    /// [`TrainError::BadShare`], [`TrainError::BadSplit`], [`TrainError::NoExamples`], [`TrainError::Torch`].
    pub(super) fn of_budget(
        dataset: &Dataset,
        splits: &Splits,
        budget: &Budget,
        least: usize,
        device: Device,
    ) -> Result<Self, TrainError> {
        let (split, share) = (budget.split, budget.data_fraction);
        if !(share > 0.0 && share <= 1.0) {
            return Err(TrainError::BadShare { share });
        }
        let Splits { train, validation, test } = splits;
        let train = splits.share_of(train, dataset, share);
        let (fit, score) = match split {
            Split::Validation => (train, validation),
            Split::Test => ([&train[..], validation].concat(), test),
            Split::Train => return Err(TrainError::BadSplit { split }),
        };
        if fit.len() < least || score.is_empty() {
            return Err(TrainError::NoExamples { task: dataset.name().into(), split });
        }
        let parts = Parts::new(dataset, &fit, score, device);
        parts.map_err(|error| TrainError::Torch { reason: first_line(&error) })
    }

    pub(super) fn new(
        dataset: &Dataset,
        fit: &[usize],
        score: &[usize],
        device: Device,
    ) -> Result<Self, TchError> {
        let rows = dataset.x().select(Axis(0), fit);
        let fit_rows = fit;
        let standardiser = Standardiser::fit(rows.view(), dataset.shape());
        let part = |rows: &[usize]| Part::new(dataset, &standardiser, rows, device);
        let (fit, score) = (part(fit)?, part(score)?);
        Ok(Parts { fit, score, standardiser, fitted: FittedRows::of(dataset, fit_rows) })
    }
}

impl Part {
    fn new(
        dataset: &Dataset,
        standardiser: &Standardiser,
        rows: &[usize],
        device: Device,
    ) -> Result<Self, TchError> {
        let x = standardiser.apply(dataset.x().select(Axis(0), rows).view());
        let values: Vec<f32> = x.iter().copied().collect();
        let labels: Vec<i64> = rows.iter().map(|row| dataset.y()[*row] as i64).collect();
        let sides = std::iter::once(rows.len()).chain(dataset.shape().iter().copied());
        let size: Vec<i64> = sides.map(|side| side as i64).collect();
        let x = Tensor::f_from_slice(&values)?.f_reshape(size)?;
        let y = Tensor::f_from_slice(&labels)?;
        match (x.f_to_device(device), y.f_to_device(device)) {
            (Ok(x), Ok(y)) => Ok(Part { x, y, device }),
            // What does not fit on a device stays beside it; the CPU has no beside.
            (Err(error), _) | (_, Err(error)) if device == Device::Cpu => Err(error),
            _ => {
                tracing::info!(
                    task = dataset.name(),
                    "the data do not fit on the device; batches are brought"
                );
                Ok(Part { x, y, device })
            }
        }
    }

    pub(super) fn len(&self) -> i64 {
        self.y.size().first().copied().unwrap_or(0)
    }

    /// The examples of these rows, `[batch]`.
    pub(super) fn rows(&self, rows: &Tensor) -> Result<Batch, TchError> {
        let rows = rows.f_to_device(self.y.device())?;
        self.batch(&self.x.f_index_select(0, &rows)?, &self.y.f_index_select(0, &rows)?)
    }

    /// The examples from `start` on.
    pub(super) fn range(&self, start: i64, length: i64) -> Result<Batch, TchError> {
        self.batch(&self.x.f_narrow(0, start, length)?, &self.y.f_narrow(0, start, length)?)
    }

    fn batch(&self, x: &Tensor, y: &Tensor) -> Result<Batch, TchError> {
        Ok(Batch { x: x.f_to_device(self.device)?, y: y.f_to_device(self.device)?, mixed: None })
    }
}

/// The batches of a part, as (start, length).
pub(super) fn chunks(part: &Part, batch_size: usize) -> impl Iterator<Item = (i64, i64)> {
    batches(part.len(), batch_size.max(1) as i64)
}

/// Batches of `size` examples. One left over alone joins the batch before it: batch normalisation has no variance over one
/// example, and would keep the NaN in its running variance.
pub(super) fn batches(n: i64, size: i64) -> impl Iterator<Item = (i64, i64)> {
    let alone = n > size && n % size == 1;
    let end = n - i64::from(alone);
    let length = move |start: i64| {
        if alone && start + size == end { size + 1 } else { size.min(n - start) }
    };
    (0..end).step_by(size as usize).map(move |start| (start, length(start)))
}
