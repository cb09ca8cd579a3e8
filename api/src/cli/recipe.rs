//! How networks are trained, as options.

use clap::builder::PossibleValuesParser;
use heirloom_search::train::TrainError;
use heirloom_search::train::{Augmentation, Recipe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::output::InputFault;

/// How networks are trained. An architecture's own learning rate and weight decay count.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Training")]
pub(super) struct RecipeArgs {
    /// What turns gradients into steps.
    #[arg(long, default_value = "adamw", value_parser = ["adamw", "sgd"])]
    optimizer: String,
    /// How the learning rate moves.
    #[arg(long, default_value = "cosine", value_parser = ["cosine", "one-cycle", "constant"])]
    schedule: String,
    /// Examples a step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch_size: usize,
    /// Share of the target given to all classes alike.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    label_smoothing: f64,
    /// Largest norm of all gradients together; 0 lets them be.
    #[arg(long, default_value_t = 1.0, value_name = "NORM")]
    clip: f64,
    /// End training after so many epochs without a better validation score, with the weights of the best one.
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u32>,
    /// How to vary examples while training, several with commas between them.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Augmentation::ALL.map(Augmentation::as_str)))]
    augment: Vec<String>,
    /// In which numbers networks compute.
    #[arg(long, default_value = "float32", value_parser = ["float32", "bfloat16"])]
    precision: String,
    /// Lay images out with channels last on a GPU too, as it is always done on the CPU.
    #[arg(long)]
    channels_last: bool,
}

impl RecipeArgs {
    /// The recipe.
    pub(super) fn recipe(&self) -> anyhow::Result<Recipe> {
        Ok(Recipe {
            optimizer: named(&self.optimizer)?,
            schedule: named(&self.schedule)?,
            batch_size: self.batch_size,
            label_smoothing: self.label_smoothing,
            max_gradient: self.clip,
            patience: self.patience,
            augmentations: self.augment.iter().map(|name| named(name)).collect::<Result<_, _>>()?,
            precision: named(&self.precision)?,
            channels_last: self.channels_last,
            ..Recipe::default()
        })
    }
}

/// The value that has this name in files.
fn named<T: DeserializeOwned>(name: &str) -> anyhow::Result<T> {
    Ok(serde_json::from_value(name.into())?)
}

/// What training reports; of a field of a recipe or of a teacher's settings by the option that fills it, which is what was typed.
pub(super) fn by_option(error: TrainError) -> anyhow::Error {
    match error {
        TrainError::BadRecipe { field, reason } => match option_of(field) {
            Some(option) => InputFault(format!("--{option}: {reason}")).into(),
            None => TrainError::BadRecipe { field, reason }.into(),
        },
        other => other.into(),
    }
}

/// The option that fills a field.
fn option_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "batch_size" => "batch-size",
        "label_smoothing" => "label-smoothing",
        "max_gradient" => "clip",
        "patience" => "patience",
        "augmentations" => "augment",
        "temperature" => "temperature",
        "alpha" => "alpha",
        "hint" => "hint",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Args;
    use heirloom_datasets::Dataset;
    use heirloom_kb::Domain;
    use heirloom_search::train::{Teacher, TeacherSource};

    use super::super::output::is_input_fault;
    use super::super::start::StartArgs;
    use super::*;

    /// An error in the words of the command line, whose option there is.
    fn said(error: TrainError) -> String {
        let TrainError::BadRecipe { field, .. } = &error else { panic!("it is of no recipe: {error}") };
        let option = option_of(field).unwrap_or_else(|| panic!("{field} has no option"));
        let command = StartArgs::augment_args(RecipeArgs::augment_args(clap::Command::new("train")));
        assert!(command.get_arguments().any(|arg| arg.get_long() == Some(option)), "--{option}");
        let error = by_option(error);
        assert!(is_input_fault(&error));
        error.to_string()
    }

    #[test]
    fn what_a_recipe_refuses_is_named_by_its_option() {
        let x = ndarray::Array2::zeros((2, 3));
        let classes = vec!["a".into(), "b".into()];
        let table = Dataset::new("d", Domain::Tabular, &[3], x, vec![0, 1], classes, "").unwrap();
        let usual = Recipe::default;
        for (recipe, want) in [
            (Recipe { batch_size: 0, ..usual() }, "--batch-size: it is 0"),
            (Recipe { label_smoothing: 1.0, ..usual() }, "--label-smoothing: 1 is not from 0 to below 1"),
            (Recipe { max_gradient: -1.0, ..usual() }, "--clip: -1 is not a norm"),
            (
                Recipe { patience: Some(0), ..usual() },
                "--patience: after 0 epochs there is nothing to compare",
            ),
            (
                Recipe { augmentations: vec![Augmentation::Flip], ..usual() },
                "--augment: flip is for images; the data are tabular of shape [3]",
            ),
        ] {
            assert_eq!(said(recipe.check(&table).unwrap_err()), want);
        }
        let teacher = Teacher::new(TeacherSource::Script("t.pt".into()));
        for (teacher, want) in [
            (Teacher { temperature: 0.0, ..teacher.clone() }, "--temperature: 0 is not above 0"),
            (Teacher { alpha: 1.5, ..teacher.clone() }, "--alpha: 1.5 is not from 0 to 1"),
            (Teacher { hint: -1.0, ..teacher.clone() }, "--hint: -1 is not 0 or above"),
        ] {
            assert_eq!(said(teacher.check().unwrap_err()), want);
        }
        // What no option fills keeps its name, and other errors their words.
        let warm_up = Recipe { warm_up: 1.0, ..usual() }.check(&table).unwrap_err();
        assert_eq!(by_option(warm_up).to_string(), "recipe: warm_up: 1 is not from 0 to below 1");
        let other = TrainError::NoDevice { device: "cuda".into() };
        assert_eq!(by_option(other).to_string(), TrainError::NoDevice { device: "cuda".into() }.to_string());
    }
}
