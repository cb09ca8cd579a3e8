//! `Fit`: one network, trained from start to end.

use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::nn::{self, Optimizer, OptimizerConfig, VarStore};
use tch::{Device, Kind, Reduction, TchError, Tensor, no_grad};

use super::data::{Part, Parts};
use super::module::Module;
use super::{EpochReport, Outcome, chunks, first_line};
use crate::fidelity::Decision;
use crate::net::NetGraph;

/// Share of all steps in which the learning rate rises from nothing.
const WARM_UP: f64 = 0.05;
/// Largest norm of all gradients together.
const MAX_GRADIENT: f64 = 1.0;
/// Multiply-adds of a step from which on several threads are worth their barriers. Below, one thread is as fast, and does
/// not depend on all threads having a core to themselves.
const PARALLEL_FLOPS: u64 = 50_000_000;
/// Examples in the batch whose time gives the latency, and how often it is timed.
const TIMED_BATCH: i64 = 64;
const TIMED_RUNS: usize = 9;

/// How one network is trained.
pub(super) struct Settings {
    pub(super) epochs: u32,
    pub(super) batch_size: usize,
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
    pub(super) seed: u64,
}

/// One thread for a small network, all cores for a large one.
fn use_threads(net: &NetGraph, batch_size: usize) {
    // The network was checked; one whose cost is unknown would be the trial's own failure.
    let flops = net.cost().map_or(0, |cost| cost.flops) * batch_size as u64;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as i32);
    tch::set_num_threads(if flops < PARALLEL_FLOPS { 1 } else { cores });
}

/// A network under training.
pub(super) struct Fit<'a> {
    module: Module,
    optimizer: Optimizer,
    settings: &'a Settings,
    device: Device,
    // Owns the weights that the module and the optimizer share.
    _weights: VarStore,
}

impl<'a> Fit<'a> {
    /// Fresh weights, drawn with the seed.
    pub(super) fn new(net: &NetGraph, device: Device, settings: &'a Settings) -> Result<Self, TchError> {
        let shapes = net.shapes().map_err(|error| TchError::Torch(error.to_string()))?;
        // Seeds of libtorch are signed; all 64 bits are used.
        use_threads(net, settings.batch_size);
        tch::manual_seed(settings.seed.cast_signed());
        let weights = VarStore::new(device);
        let module = Module::new(&weights.root(), net, &shapes)?;
        let optimizer =
            nn::AdamW::default().wd(settings.weight_decay).build(&weights, settings.learning_rate)?;
        Ok(Fit { module, optimizer, settings, device, _weights: weights })
    }

    /// Trains for all epochs and scores. With `scored` it scores after each epoch too, and `watch` may stop it there.
    pub(super) fn run(
        mut self,
        parts: &Parts,
        scored: bool,
        on_epoch: &mut dyn FnMut(EpochReport),
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Outcome, String> {
        let mut curve = Vec::new();
        let mut stopped = None;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.settings.seed);
        for epoch in 1..=self.settings.epochs {
            let loss = self.epoch(&parts.fit, epoch, &mut rng)?;
            let accuracy = if scored { Some(self.accuracy(&parts.score)?) } else { None };
            curve.extend(accuracy.map(|accuracy| (f64::from(epoch), accuracy)));
            on_epoch(EpochReport { epoch, loss, validation_accuracy: accuracy });
            let decision = accuracy.map(|accuracy| watch(epoch, accuracy)).filter(Decision::is_stop);
            if let Some(stop) = decision.filter(|_| epoch < self.settings.epochs) {
                stopped = Some((epoch, stop.why().to_owned()));
                break;
            }
        }
        let accuracy = match curve.last() {
            Some((_, last)) => *last,
            None => self.accuracy(&parts.score)?,
        };
        let latency_s = self.latency(&parts.score)?;
        Ok(Outcome { accuracy, curve, latency_s, stopped })
    }

    /// One pass over the shuffled examples; the mean loss.
    fn epoch(&mut self, part: &Part, epoch: u32, rng: &mut Xoshiro256PlusPlus) -> Result<f64, String> {
        let mut order: Vec<i64> = (0..part.len()).collect();
        order.shuffle(rng);
        let torch = |error: TchError| first_line(&error);
        let order =
            Tensor::f_from_slice(&order).and_then(|order| order.f_to_device(self.device)).map_err(torch)?;
        let steps = chunks(part, self.settings.batch_size).count();
        let mut total = 0.0;
        for (step, (start, length)) in chunks(part, self.settings.batch_size).enumerate() {
            self.schedule(
                (f64::from(epoch - 1) + step as f64 / steps as f64) / f64::from(self.settings.epochs),
            );
            let rows = order.f_narrow(0, start, length).map_err(torch)?;
            let loss = self.step(part, &rows).map_err(torch)?;
            if !loss.is_finite() {
                return Err(format!("the loss is {loss} in epoch {epoch}, step {}", step + 1));
            }
            total += loss * length as f64;
        }
        Ok(total / part.len() as f64)
    }

    /// Linear warm-up, then half a cosine down to nothing. `progress` is from 0 to 1.
    fn schedule(&mut self, progress: f64) {
        let factor = if progress < WARM_UP {
            (progress + 1e-3) / (WARM_UP + 1e-3)
        } else {
            let rest = (progress - WARM_UP) / (1.0 - WARM_UP);
            0.5 * (1.0 + (std::f64::consts::PI * rest).cos())
        };
        self.optimizer.set_lr(self.settings.learning_rate * factor);
    }

    fn step(&mut self, part: &Part, rows: &Tensor) -> Result<f64, TchError> {
        let x = part.x.f_index_select(0, rows)?;
        let y = part.y.f_index_select(0, rows)?;
        let scores = self.module.forward(&x, true)?;
        let loss = scores.f_cross_entropy_loss::<Tensor>(&y, None, Reduction::Mean, -100, 0.0)?;
        self.optimizer.backward_step_clip_norm(&loss, MAX_GRADIENT);
        loss.f_double_value(&[])
    }

    /// The share of examples whose class has the highest score. Of scores that are not numbers none is the highest, and
    /// the first class would be taken.
    fn accuracy(&self, part: &Part) -> Result<f64, String> {
        let (right, finite) = no_grad(|| {
            let (mut right, mut finite) = (0.0, true);
            for (start, length) in chunks(part, 512) {
                let scores = self.module.forward(&part.x.f_narrow(0, start, length)?, false)?;
                let hits = scores.f_argmax(-1, false)?.f_eq_tensor(&part.y.f_narrow(0, start, length)?)?;
                right += hits.f_sum(Kind::Float)?.f_double_value(&[])?;
                finite &= scores.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0;
            }
            Ok((right, finite))
        })
        .map_err(|error: TchError| first_line(&error))?;
        if finite { Ok(right / part.len() as f64) } else { Err("the scores are not finite numbers".into()) }
    }

    /// Seconds an example takes on its way through, in a batch: the median of several runs.
    fn latency(&self, part: &Part) -> Result<f64, String> {
        let length = TIMED_BATCH.min(part.len());
        let mut times = Vec::with_capacity(TIMED_RUNS);
        for _ in 0..TIMED_RUNS {
            let start = Instant::now();
            no_grad(|| {
                let scores = self.module.forward(&part.x.f_narrow(0, 0, length)?, false)?;
                // Reading a value waits for the device.
                scores.f_sum(Kind::Float)?.f_double_value(&[])
            })
            .map_err(|error: TchError| first_line(&error))?;
            times.push(start.elapsed().as_secs_f64() / length as f64);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[TIMED_RUNS / 2])
    }
}
