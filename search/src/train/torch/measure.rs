//! What a network achieves and how long it takes.

use std::time::Instant;

use tch::{Kind, TchError, Tensor, no_grad};

use super::data::{Part, batches};
use super::first_line;
use super::module::Module;

/// Examples at a time when nothing is learned.
const BATCH: i64 = 512;
/// Examples in the batch whose time gives the latency, and how often it is timed.
const TIMED_BATCH: i64 = 64;
const TIMED_RUNS: usize = 9;

/// The share of examples whose class has the highest score. Of scores that are not numbers none is the highest, and the first
/// class would be taken.
pub(super) fn accuracy(module: &Module, part: &Part) -> Result<f64, String> {
    let (right, finite) = no_grad(|| {
        let mut right = Tensor::f_zeros([0], (Kind::Float, part.y.device()))?;
        let mut finite = right.shallow_clone();
        for (start, length) in batches(part.len(), BATCH) {
            let batch = part.range(start, length)?;
            let scores = module.forward(&batch.x, false)?;
            let hits = scores.f_argmax(-1, false)?.f_eq_tensor(&batch.y)?.f_sum(Kind::Float)?.f_view([1])?;
            let whole = scores.f_isfinite()?.f_all()?.f_to_kind(Kind::Float)?.f_view([1])?;
            right = Tensor::f_cat(&[right.f_to_device(hits.device())?, hits], 0)?;
            finite = Tensor::f_cat(&[finite.f_to_device(whole.device())?, whole], 0)?;
        }
        // One look at the device for all batches.
        Ok((right.f_sum(Kind::Double)?.f_double_value(&[])?, finite.f_min()?.f_double_value(&[])? > 0.0))
    })
    .map_err(|error: TchError| first_line(&error))?;
    if finite { Ok(right / part.len() as f64) } else { Err("the scores are not finite numbers".into()) }
}

/// Seconds an example takes on its way through, in a batch: the median of several runs.
pub(super) fn latency(module: &Module, part: &Part) -> Result<f64, String> {
    let length = TIMED_BATCH.min(part.len());
    let batch = part.range(0, length).map_err(|error| first_line(&error))?;
    let mut times = Vec::with_capacity(TIMED_RUNS);
    for _ in 0..TIMED_RUNS {
        let start = Instant::now();
        no_grad(|| {
            // Reading a value waits for the device.
            module.forward(&batch.x, false)?.f_sum(Kind::Float)?.f_double_value(&[])
        })
        .map_err(|error: TchError| first_line(&error))?;
        times.push(start.elapsed().as_secs_f64() / length as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TIMED_RUNS / 2])
}
