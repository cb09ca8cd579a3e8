//! `Recipe`: how a network is trained, whatever it looks like.

use heirloom_datasets::Dataset;
use heirloom_kb::{Architecture, Domain};
use serde::{Deserialize, Serialize};

use super::TrainError;

/// How a network is trained. Where an architecture has a parameter `lr` or `weight_decay`, that one counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// What turns gradients into steps.
    pub optimizer: OptimizerKind,
    /// How the learning rate moves from the first step to the last.
    pub schedule: Schedule,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay, as a share of the learning rate.
    pub weight_decay: f64,
    /// Share of all steps in which the learning rate rises; of [`Schedule::OneCycle`] it is .3, whatever stands here.
    pub warm_up: f64,
    /// Examples a step.
    pub batch_size: usize,
    /// Share of the target given to all classes alike, in `[0, 1)` (arXiv:1512.00567, section 7).
    pub label_smoothing: f64,
    /// Largest norm of all gradients together; 0 lets them be.
    pub max_gradient: f64,
    /// Epochs without a better validation score after which training ends; the weights are then those of the best epoch.
    pub patience: Option<u32>,
    /// How examples are varied while training.
    pub augmentations: Vec<Augmentation>,
    /// In which numbers the network computes; its weights are kept in single precision.
    pub precision: Precision,
    /// Whether images and their filters lie in memory with channels last on a GPU, as they always do on the CPU.
    pub channels_last: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            optimizer: OptimizerKind::AdamW,
            schedule: Schedule::Cosine,
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            warm_up: 0.05,
            batch_size: 64,
            label_smoothing: 0.0,
            max_gradient: 1.0,
            patience: None,
            augmentations: Vec::new(),
            precision: Precision::Float32,
            channels_last: false,
        }
    }
}

/// What turns gradients into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay, betas .9 and .999 (arXiv:1711.05101, algorithm 2).
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// Stochastic gradient descent with Nesterov momentum .9; weight decay is part of the gradient.
    Sgd,
}

/// How the learning rate moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// A linear rise, then half a cosine down to nothing (arXiv:1608.03983, without restarts).
    #[default]
    Cosine,
    /// From a 25th up by half a cosine in 30 % of the steps, then down to a 250,000th (arXiv:1708.07120).
    OneCycle,
    /// A linear rise, then the same to the end.
    Constant,
}

/// One way to vary examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Images moved by up to an eighth of their side, zeros coming in.
    Crop,
    /// Images mirrored left to right, every other one.
    Flip,
    /// A square of half the side blacked out (arXiv:1708.04552).
    Cutout,
    /// Pairs of examples and their classes mixed, the share from Beta(.2, .2) (arXiv:1710.09412).
    Mixup,
    /// Sounds and series moved along time by up to a tenth, zeros coming in.
    TimeShift,
    /// A band of frequencies and a stretch of time of a log-mel picture blacked out (arXiv:1904.08779).
    SpecAugment,
}

/// In which numbers a network computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    #[default]
    Float32,
    /// Convolutions and fully connected layers in bfloat16; norms' statistics and the loss in single precision.
    Bfloat16,
}

impl Augmentation {
    /// All of them.
    pub const ALL: [Augmentation; 6] = [
        Augmentation::Crop,
        Augmentation::Flip,
        Augmentation::Cutout,
        Augmentation::Mixup,
        Augmentation::TimeShift,
        Augmentation::SpecAugment,
    ];

    /// The name in files and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Augmentation::Crop => "crop",
            Augmentation::Flip => "flip",
            Augmentation::Cutout => "cutout",
            Augmentation::Mixup => "mixup",
            Augmentation::TimeShift => "time-shift",
            Augmentation::SpecAugment => "spec-augment",
        }
    }

    /// Why it cannot vary such examples; nothing if it can.
    fn obstacle(self, domain: Domain, shape: &[usize]) -> Option<&'static str> {
        let is_image = domain == Domain::Image && shape.len() == 3;
        let in_time = matches!(domain, Domain::Audio | Domain::Timeseries) && shape.len() >= 2;
        match self {
            Augmentation::Crop | Augmentation::Flip | Augmentation::Cutout if !is_image => Some("images"),
            Augmentation::TimeShift if !in_time => Some("sounds and time series"),
            Augmentation::SpecAugment if domain != Domain::Audio || shape.len() != 3 => {
                Some("log-mel pictures of sounds")
            }
            _ => None,
        }
    }
}

impl Recipe {
    /// The recipe for an architecture: its own learning rate and weight decay count.
    #[must_use]
    pub fn of(&self, architecture: &Architecture) -> Recipe {
        Recipe {
            learning_rate: architecture.number("lr").unwrap_or(self.learning_rate),
            weight_decay: architecture.number("weight_decay").unwrap_or(self.weight_decay),
            ..self.clone()
        }
    }

    /// Whether it makes sense, and for such data.
    ///
    /// # Errors
    /// [`TrainError::BadRecipe`] for the first field out of its range or augmentation that is not for such data.
    pub fn check(&self, dataset: &Dataset) -> Result<(), TrainError> {
        let bad = |field: &'static str, reason: String| Err(TrainError::BadRecipe { field, reason });
        if self.batch_size == 0 {
            return bad("batch_size", "it is 0".into());
        }
        for (field, value) in [("label_smoothing", self.label_smoothing), ("warm_up", self.warm_up)] {
            if !(0.0..1.0).contains(&value) {
                return bad(field, format!("{value} is not from 0 to below 1"));
            }
        }
        if !(self.max_gradient >= 0.0 && self.max_gradient.is_finite()) {
            return bad("max_gradient", format!("{} is not a norm", self.max_gradient));
        }
        if self.patience == Some(0) {
            return bad("patience", "after 0 epochs there is nothing to compare".into());
        }
        let (domain, shape) = (dataset.domain(), dataset.shape());
        for (at, augmentation) in self.augmentations.iter().enumerate() {
            if self.augmentations[..at].contains(augmentation) {
                return bad("augmentations", format!("{} stands twice", augmentation.as_str()));
            }
            if let Some(wanted) = augmentation.obstacle(domain, shape) {
                let name = augmentation.as_str();
                let reason = format!("{name} is for {wanted}; the data are {domain} of shape {shape:?}");
                return bad("augmentations", reason);
            }
        }
        Ok(())
    }

    /// The learning rate when `progress` (0 to 1) of all steps are done.
    #[must_use]
    pub fn learning_rate_at(&self, progress: f64) -> f64 {
        let half_cosine = |from: f64, to: f64, share: f64| {
            to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
        };
        let top = self.learning_rate;
        let warm_up = if self.schedule == Schedule::OneCycle { 0.3 } else { self.warm_up };
        let rest = (progress - warm_up) / (1.0 - warm_up);
        match self.schedule {
            Schedule::OneCycle if progress < warm_up => half_cosine(top / 25.0, top, progress / warm_up),
            Schedule::OneCycle => half_cosine(top, top / 250_000.0, rest),
            _ if progress < warm_up => top * (progress + 1e-3) / (warm_up + 1e-3),
            Schedule::Cosine => half_cosine(top, 0.0, rest),
            Schedule::Constant => top,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn data(domain: Domain, shape: &[usize]) -> Dataset {
        let x = Array2::zeros((4, shape.iter().product()));
        Dataset::new("d", domain, shape, x, vec![0, 1, 0, 1], vec!["a".into(), "b".into()], "").unwrap()
    }

    /// `torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=1, total_steps=101)` after 0, 15, 30, 65 and 100 steps gives
    /// .04, .5358 (its peak lies at step 29.3), 1, ..., 4e-6: the same curve over `progress`.
    #[test]
    fn schedules_start_peak_and_end_where_they_should() {
        let at = |schedule, progress| {
            Recipe { schedule, learning_rate: 1.0, ..Recipe::default() }.learning_rate_at(progress)
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(at(Schedule::OneCycle, 0.0), 0.04);
        close(at(Schedule::OneCycle, 0.15), 0.52);
        close(at(Schedule::OneCycle, 0.3), 1.0);
        close(at(Schedule::OneCycle, 0.65), (1.0 + 4e-6) / 2.0);
        close(at(Schedule::OneCycle, 1.0), 4e-6);
        close(at(Schedule::Cosine, 0.05), 1.0);
        close(at(Schedule::Cosine, 0.525), 0.5);
        close(at(Schedule::Cosine, 1.0), 0.0);
        close(at(Schedule::Constant, 1.0), 1.0);
        assert!(at(Schedule::Constant, 0.0) < 0.05);
    }

    #[test]
    fn an_architecture_s_own_parameters_count() {
        let architecture: Architecture = serde_json::from_str(r#"{"lr":0.02}"#).unwrap();
        let recipe = Recipe { weight_decay: 0.5, ..Recipe::default() }.of(&architecture);
        assert_eq!((recipe.learning_rate, recipe.weight_decay), (0.02, 0.5));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_field() {
        let image = data(Domain::Image, &[1, 2, 2]);
        let why = |recipe: Recipe, data: &Dataset| recipe.check(data).unwrap_err().to_string();
        let base = Recipe::default;
        assert!(base().check(&image).is_ok());
        assert_eq!(
            why(Recipe { label_smoothing: 1.0, ..base() }, &image),
            "recipe: label_smoothing: 1 is not from 0 to below 1"
        );
        assert!(why(Recipe { batch_size: 0, ..base() }, &image).contains("batch_size"));
        assert!(why(Recipe { patience: Some(0), ..base() }, &image).contains("patience"));
        assert!(why(Recipe { max_gradient: f64::NAN, ..base() }, &image).contains("max_gradient"));
        let flip = Recipe { augmentations: vec![Augmentation::Flip], ..base() };
        assert!(flip.check(&image).is_ok());
        assert_eq!(
            why(flip, &data(Domain::Tabular, &[3])),
            "recipe: augmentations: flip is for images; the data are tabular of shape [3]"
        );
        let spec = Recipe { augmentations: vec![Augmentation::SpecAugment], ..base() };
        assert!(why(spec, &data(Domain::Audio, &[1, 9])).contains("log-mel"));
    }

    #[test]
    fn names_are_those_of_the_files() {
        for augmentation in Augmentation::ALL {
            assert_eq!(serde_json::to_value(augmentation).unwrap(), augmentation.as_str());
        }
        let recipe: Recipe =
            serde_json::from_str(r#"{"optimizer":"sgd","schedule":"one-cycle","precision":"bfloat16"}"#)
                .unwrap();
        assert_eq!(recipe.optimizer, OptimizerKind::Sgd);
        assert!(serde_json::from_str::<Recipe>(r#"{"optimiser":"sgd"}"#).is_err());
    }
}
