//! `Teacher`: a network that others learn from.

use std::path::PathBuf;

use heirloom_kb::Trial;
use serde::{Deserialize, Serialize};

use super::{TrainError, WeightStore};

/// A network that others learn from, and how much.
///
/// The loss is `(1 - alpha) CE + alpha T^2 KL(teacher at T || student at T) + hint MSE(W student's features, teacher's
/// features)`: Hinton, Vinyals and Dean 2015, arXiv:1503.02531, section 2; features are what flows into the last layer and
/// `W` is learned along (Romero et al. 2015, arXiv:1412.6550, equation 3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Teacher {
    /// Who it is.
    pub source: TeacherSource,
    /// The temperature that softens the scores of both, above 0.
    pub temperature: f64,
    /// The teacher's share of the loss, from 0 to 1.
    pub alpha: f64,
    /// The weight of the features' distance; 0 leaves it out. A TorchScript teacher shows no features.
    pub hint: f64,
}

/// Who teaches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TeacherSource {
    /// A network kept beside the base.
    Kept {
        /// Where.
        store: WeightStore,
        /// Its trial, which names its weights.
        trial: Box<Trial>,
    },
    /// A TorchScript file that takes examples as they are in the data set, `[n, shape...]`, and gives scores
    /// `[n, n_classes]`, classes in the data set's order.
    Script(PathBuf),
}

impl Teacher {
    /// The usual settings: temperature 4, half of the loss, no hints.
    #[must_use]
    pub fn new(source: TeacherSource) -> Self {
        Teacher { source, temperature: 4.0, alpha: 0.5, hint: 0.0 }
    }

    /// The trial or file.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.source {
            TeacherSource::Kept { trial, .. } => trial.id().to_string(),
            TeacherSource::Script(file) => file.display().to_string(),
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`TrainError::BadRecipe`] for the first that is out of its range.
    pub fn check(&self) -> Result<(), TrainError> {
        let bad = |field: &'static str, reason: String| Err(TrainError::BadRecipe { field, reason });
        let Teacher { temperature, alpha, hint, .. } = *self;
        if !(temperature > 0.0 && temperature.is_finite()) {
            return bad("temperature", format!("{temperature} is not above 0"));
        }
        if !(0.0..=1.0).contains(&alpha) {
            return bad("alpha", format!("{alpha} is not from 0 to 1"));
        }
        if !(hint >= 0.0 && hint.is_finite()) {
            return bad("hint", format!("{hint} is not 0 or above"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let teacher = Teacher::new(TeacherSource::Script("t.pt".into()));
        assert!(teacher.check().is_ok());
        for (field, wrong) in [
            ("temperature", Teacher { temperature: 0.0, ..teacher.clone() }),
            ("alpha", Teacher { alpha: 1.1, ..teacher.clone() }),
            ("hint", Teacher { hint: f64::NAN, ..teacher.clone() }),
        ] {
            assert!(wrong.check().unwrap_err().to_string().starts_with(&format!("recipe: {field}: ")));
        }
    }
}
