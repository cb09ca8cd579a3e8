//! What shared weights say of one architecture.

use heirloom_kb::Architecture;
use tch::{Kind, Reduction, TchError, Tensor, no_grad};

use super::data::batches;
use super::module::{Module, NORM_MOMENTUM};
use super::supernet::{Supernet, torch};
use crate::net::NetGraph;
use crate::train::{SharedScore, TrainError};

/// Examples of the training part over which the norms of a candidate take their means and variances anew, and that are
/// scored at a time.
const CALIBRATION: i64 = 512;

impl Supernet {
    /// Accuracy and loss of an architecture with inherited weights.
    pub(super) fn inherit(&self, architecture: &Architecture) -> Result<SharedScore, TrainError> {
        let (net, module) = self.module(architecture)?;
        let measured = no_grad(|| {
            self.calibrate(&net, &module)?;
            let (mut right, mut loss) = (0.0, 0.0);
            let part = &self.parts.score;
            for (start, length) in batches(part.len(), CALIBRATION) {
                let batch = part.range(start, length)?;
                let (scores, y) = (module.forward(&batch.x, false)?, batch.y);
                let hits = scores.f_argmax(-1, false)?.f_eq_tensor(&y)?;
                right += hits.f_sum(Kind::Double)?.f_double_value(&[])?;
                let sum = scores.f_cross_entropy_loss::<Tensor>(&y, None, Reduction::Sum, -100, 0.0)?;
                loss += sum.f_double_value(&[])?;
            }
            let n = part.len() as f64;
            Ok((right / n, loss / n))
        });
        let (accuracy, loss) = measured.map_err(|error: TchError| torch(&error))?;
        let architecture = architecture.clone();
        Ok(SharedScore { architecture, score: accuracy, accuracy: Some(accuracy), loss: Some(loss) })
    }

    /// Gives the norms of a network the statistics that its own activations have over training examples: those that training
    /// left are mixed from many networks. One batch is enough, and from zero its share is known.
    fn calibrate(&self, net: &NetGraph, module: &Module) -> Result<(), TchError> {
        let variables = self.store.variables();
        let running = |of: &str| {
            let names = net.nodes().iter().map(move |node| format!("{}.{of}", node.name));
            names.filter_map(|name| variables.get(&name).map(Tensor::shallow_clone)).collect::<Vec<_>>()
        };
        let mut statistics = running("running_mean");
        statistics.extend(running("running_var"));
        for statistic in &mut statistics {
            let _ = statistic.f_zero_()?;
        }
        let some = self.parts.fit.range(0, CALIBRATION.min(self.parts.fit.len()))?;
        let _ = module.forward(&some.x, true)?;
        for statistic in &mut statistics {
            let _ = statistic.f_div_scalar_(NORM_MOMENTUM)?;
        }
        Ok(())
    }
}
