//! `Objective`: what a network is trained to lower.

use tch::{Kind, Reduction, TchError, Tensor};

use super::data::Batch;

/// What a network is trained to lower.
pub(super) trait Objective {
    /// The mean loss over a batch, in nats.
    ///
    /// # Shapes
    /// `values` is what flows out of every node of the network, the last of them the scores `[n, n_classes]`.
    fn loss(&self, values: &[Tensor], batch: &Batch) -> Result<Tensor, TchError>;
}

/// Cross-entropy with the classes, smoothed, and mixed where examples are.
pub(super) struct CrossEntropy {
    pub(super) label_smoothing: f64,
}

impl Objective for CrossEntropy {
    fn loss(&self, values: &[Tensor], batch: &Batch) -> Result<Tensor, TchError> {
        let scores = scores(values)?;
        let with = |classes: &Tensor| {
            scores.f_cross_entropy_loss::<Tensor>(classes, None, Reduction::Mean, -100, self.label_smoothing)
        };
        match &batch.mixed {
            None => with(&batch.y),
            Some((other, share)) => {
                with(&batch.y)?.f_mul_scalar(*share)?.f_add(&with(other)?.f_mul_scalar(1.0 - share)?)
            }
        }
    }
}

/// A network's scores, in single precision.
pub(super) fn scores(values: &[Tensor]) -> Result<Tensor, TchError> {
    values.last().expect("a network has its input node").f_to_kind(Kind::Float)
}
