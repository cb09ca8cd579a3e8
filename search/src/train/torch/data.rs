//! Examples on the device.

use heirloom_datasets::{Dataset, Standardiser};
use ndarray::Axis;
use tch::{Device, TchError, Tensor};

/// What a trial fits on and what it is scored on, standardised by the former.
pub(super) struct Parts {
    pub(super) fit: Part,
    pub(super) score: Part,
}

/// Examples `[n, shape...]` and their classes `[n]`, whole on the device.
pub(super) struct Part {
    pub(super) x: Tensor,
    pub(super) y: Tensor,
}

impl Parts {
    pub(super) fn new(
        dataset: &Dataset,
        fit: &[usize],
        score: &[usize],
        device: Device,
    ) -> Result<Self, TchError> {
        let rows = dataset.x().select(Axis(0), fit);
        let standardiser = Standardiser::fit(rows.view(), dataset.shape());
        let part = |rows: &[usize]| Part::new(dataset, &standardiser, rows, device);
        Ok(Parts { fit: part(fit)?, score: part(score)? })
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
        Ok(Part {
            x: Tensor::f_from_slice(&values)?.f_reshape(size)?.f_to_device(device)?,
            y: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
        })
    }

    pub(super) fn len(&self) -> i64 {
        self.y.size().first().copied().unwrap_or(0)
    }
}
