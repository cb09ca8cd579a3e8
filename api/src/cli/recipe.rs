//! How networks are trained, as options.

use clap::builder::PossibleValuesParser;
use heirloom_search::train::{Augmentation, Recipe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

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
