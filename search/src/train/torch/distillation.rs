//! `Distillation`: learning from a teacher's scores beside the classes.

use std::path::Path;

use heirloom_datasets::{Dataset, Splits, Standardiser};
use heirloom_kb::Json;
use tch::{CModule, Device, Kind, TchError, Tensor, no_grad};

use super::data::Batch;
use super::fit::Network;
use super::fitted_rows::FittedRows;
use super::kept_network::{KeptNetwork, NetCard, Scaling, feature_node, feature_width};
use super::objective::{CrossEntropy, Objective, scores};
use super::{first_line, python_file, turn};
use crate::net::NetGraph;
use crate::train::weight_store::{content_hash, file_error};
use crate::train::{Teacher, TeacherSource, TrainError, WEIGHTS_FIELD, WeightStore};

/// What the names of weights start with that serve the comparison of features alone; they are not kept.
pub(super) const HINT: &str = "hint";

/// The entry of its record with the share of what it was fitted on that the task keeps back.
const KNOWS: &str = "knows";

/// A teacher ready to teach.
pub(super) struct LoadedTeacher {
    teacher: Teacher,
    net: TeacherNet,
    record: Json,
}

enum TeacherNet {
    Kept(Box<KeptNetwork>),
    Script(CModule),
}

impl LoadedTeacher {
    /// Loads a teacher for a data set.
    ///
    /// # Errors
    /// [`TrainError::BadRecipe`] for settings out of their range, [`TrainError::File`], [`TrainError::BadWeights`] and
    /// [`TrainError::BadTeacher`] for one that has other classes or takes other examples.
    pub(super) fn new(
        teacher: &Teacher,
        dataset: &Dataset,
        splits: &Splits,
        store: Option<&WeightStore>,
        device: Device,
    ) -> Result<Self, TrainError> {
        teacher.check()?;
        let bad = |reason: String| TrainError::BadTeacher { teacher: teacher.name(), reason };
        let _turn = turn();
        let (net, hash, fitted) = match &teacher.source {
            TeacherSource::Kept { store, trial } => {
                let hash = trial.extra.get(WEIGHTS_FIELD).and_then(Json::as_str);
                let hash = hash.ok_or_else(|| bad("of its trial no weights are kept".into()))?;
                let kept = KeptNetwork::parse(&store.get(hash)?, &store.file(hash), device)?;
                fits(&kept.card, dataset).map_err(bad)?;
                let fitted = FittedRows::of_trial(trial, Some(store));
                (TeacherNet::Kept(Box::new(kept)), hash.to_owned(), fitted)
            }
            TeacherSource::Script(file) => {
                if teacher.hint > 0.0 {
                    return Err(bad("a TorchScript file shows no features to give hints with".into()));
                }
                let bytes = std::fs::read(file).map_err(|source| file_error("read", file, source))?;
                let module = script(&bytes, file, device)?;
                if let Some(card) = python_file::card(&bytes) {
                    fits(&card, dataset).map_err(bad)?;
                }
                answers(&module, dataset, device).map_err(bad)?;
                let copy_of = python_file::kept_hash(&bytes).zip(store);
                let fitted = copy_of.map(|(hash, store)| FittedRows::of_copy(&hash, store));
                (TeacherNet::Script(module), content_hash(&bytes), fitted.unwrap_or_default())
            }
        };
        let mut record = serde_json::json!({
            "name": teacher.name(), "hash": hash, "temperature": teacher.temperature, "alpha": teacher.alpha,
            "hint": teacher.hint,
        });
        if let Some(share) = knows(teacher, &fitted, dataset, splits) {
            record[KNOWS] = share.into();
        }
        Ok(LoadedTeacher { teacher: teacher.clone(), net, record })
    }

    /// What a trial says of it.
    pub(super) fn record(&self) -> Json {
        self.record.clone()
    }
}

/// The share of what a teacher was fitted on, as far as that is known, that a data set keeps back for validation and test. It may teach all the same, for what
/// it says is of the training part alone; but a little of what it remembers goes over.
fn knows(teacher: &Teacher, fitted: &FittedRows, dataset: &Dataset, splits: &Splits) -> Option<f64> {
    let share = fitted.known_by(dataset, splits)?;
    tracing::warn!(
        teacher = teacher.name(),
        "{:.0} % of what this teacher was fitted on are examples that {} keeps back for validation and test, so that scores may be too high",
        100.0 * share,
        dataset.name()
    );
    Some(share)
}

/// Why a network of this card cannot teach on a data set.
fn fits(card: &NetCard, dataset: &Dataset) -> Result<(), String> {
    if card.shape != dataset.shape() {
        return Err(format!(
            "it takes examples of shape {:?}, the data are {:?}",
            card.shape,
            dataset.shape()
        ));
    }
    let (theirs, ours) = (&card.classes[..], dataset.classes());
    if theirs.len() != ours.len() {
        return Err(format!("it knows {} classes, the data have {}", theirs.len(), ours.len()));
    }
    match theirs.iter().zip(ours).find(|(theirs, ours)| theirs != ours) {
        Some((theirs, ours)) => {
            Err(format!("it knows other classes: {theirs:?} where the data have {ours:?}"))
        }
        None => Ok(()),
    }
}

fn script(mut bytes: &[u8], file: &Path, device: Device) -> Result<CModule, TrainError> {
    let module = CModule::load_data_on_device(&mut bytes, device).and_then(|mut module| {
        module.f_set_eval()?;
        Ok(module)
    });
    module.map_err(|error| TrainError::BadWeights {
        file: file.display().to_string(),
        reason: format!("no TorchScript: {}", first_line(&error)),
    })
}

/// Whether a module takes the data's examples and scores as many classes.
fn answers(module: &CModule, dataset: &Dataset, device: Device) -> Result<(), String> {
    let size: Vec<i64> = std::iter::once(2).chain(dataset.shape().iter().map(|side| *side as i64)).collect();
    let got = no_grad(|| {
        let values: Vec<f32> = dataset.x().rows().into_iter().cycle().take(2).flatten().copied().collect();
        let x = Tensor::f_from_slice(&values)?.f_reshape(size.as_slice())?.f_to_device(device)?;
        let scores = module.forward_ts(&[x])?;
        Ok((scores.size(), scores.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1))
    });
    let (got, is_finite) = got.map_err(|error: TchError| {
        format!("it does not take examples of shape {:?}: {}", dataset.shape(), first_line(&error))
    })?;
    let want = [2, dataset.n_classes() as i64];
    if got == want && !is_finite {
        return Err("its scores for the first two examples are not finite".into());
    }
    if got == want { Ok(()) } else { Err(format!("for two examples it gives {got:?}, not scores {want:?}")) }
}

/// Cross-entropy, and what a teacher says.
pub(super) struct Distillation<'a> {
    pub(super) classes: CrossEntropy,
    loaded: &'a LoadedTeacher,
    /// How the student sees the examples; the teacher is shown them as they are in the data set.
    scaling: Scaling,
    hint: Option<Hint>,
}

/// A linear map from a student's features to a teacher's.
struct Hint {
    node: usize,
    weight: Tensor,
    bias: Tensor,
}

impl<'a> Distillation<'a> {
    /// For a student of this network. Where hints are given, the weights of their map join the student's.
    pub(super) fn new(
        loaded: &'a LoadedTeacher,
        classes: CrossEntropy,
        (student, net): (&Network, &NetGraph),
        standardiser: &Standardiser,
    ) -> Result<Self, TchError> {
        let device = student.store.device();
        let rank = net.input().len() + 1;
        let scaling = Scaling::new(standardiser.mean(), standardiser.scale(), rank, device)?;
        let hint = match &loaded.net {
            TeacherNet::Kept(kept) if loaded.teacher.hint > 0.0 => {
                let wrong = |error: TrainError| TchError::Torch(error.to_string());
                let from = feature_width(net).map_err(wrong)? as i64;
                let to = kept.feature_width().map_err(wrong)? as i64;
                let path = student.store.root() / HINT;
                let bound = 1.0 / (from.max(1) as f64).sqrt();
                let uniform = tch::nn::init::Init::Uniform { lo: -bound, up: bound };
                let weight = path.f_var("weight", &[to, from], uniform)?;
                let bias = path.f_zeros("bias", &[to])?;
                Some(Hint { node: feature_node(net), weight, bias })
            }
            _ => None,
        };
        Ok(Distillation { classes, loaded, scaling, hint })
    }
}

impl Objective for Distillation<'_> {
    fn loss(&self, values: &[Tensor], batch: &Batch) -> Result<Tensor, TchError> {
        let &Teacher { temperature, alpha, hint: weight, .. } = &self.loaded.teacher;
        let raw = self.scaling.undo(&batch.x)?;
        let (taught, features) = match &self.loaded.net {
            TeacherNet::Kept(kept) => {
                let mut values = kept.values(&raw)?;
                let taught = values.pop().expect("a network has its input node");
                (taught, values.into_iter().nth(kept.feature_node))
            }
            TeacherNet::Script(module) => (no_grad(|| module.forward_ts(&[raw]))?, None),
        };
        let soft = soft_loss(&scores(values)?, &taught.f_to_kind(Kind::Float)?, temperature)?;
        let hard = self.classes.loss(values, batch)?;
        let loss = hard.f_mul_scalar(1.0 - alpha)?.f_add(&soft.f_mul_scalar(alpha)?)?;
        let (Some(hint), Some(features)) = (&self.hint, features) else { return Ok(loss) };
        let own = values[hint.node].f_to_kind(Kind::Float)?.f_flatten(1, -1)?;
        let mapped = own.f_linear(&hint.weight, Some(&hint.bias))?;
        let distance = mapped.f_mse_loss(&features.f_flatten(1, -1)?, tch::Reduction::Mean)?;
        loss.f_add(&distance.f_mul_scalar(weight)?)
    }
}

/// `T^2 KL(teacher || student)`, both softened by the temperature `T`; the mean over examples, in nats.
fn soft_loss(student: &Tensor, teacher: &Tensor, temperature: f64) -> Result<Tensor, TchError> {
    let soften = |scores: &Tensor| scores.f_div_scalar(temperature)?.f_log_softmax(-1, Kind::Float);
    let (student, teacher) = (soften(student)?, soften(teacher)?);
    let each = teacher.f_exp()?.f_mul(&teacher.f_sub(&student)?)?;
    let sum = each.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float)?;
    sum.f_mean(Kind::Float)?.f_mul_scalar(temperature * temperature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `T*T * F.kl_div(F.log_softmax(s/T, 1), F.softmax(t/T, 1), reduction="batchmean")` of torch 2.11.
    #[test]
    fn the_soft_loss_is_that_of_torch() {
        let student = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 0.0, 3.0, -1.0]).reshape([2, 3]);
        let teacher = Tensor::from_slice(&[2.0_f32, 0.0, -1.0, 1.0, 1.0, 4.0]).reshape([2, 3]);
        for (temperature, want) in [(1.0, SOFT_AT_1), (4.0, SOFT_AT_4)] {
            let got = soft_loss(&student, &teacher, temperature).unwrap().double_value(&[]);
            assert!((got - want).abs() < 1e-5, "at {temperature}: {got} is not {want}");
            assert!(soft_loss(&teacher, &teacher, temperature).unwrap().double_value(&[]).abs() < 1e-6);
        }
    }

    const SOFT_AT_1: f64 = 1.9084094;
    const SOFT_AT_4: f64 = 2.6590738;
}
