//! Which trainer a verb uses: the one place that knows whether libtorch is built in.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use heirloom_datasets::{DataSummary, Dataset, Splits, loaders};
use heirloom_kb::{Architecture, KnowledgeStore, Name, SearchSpace, Split, Trial};
use heirloom_search::spaces;
use heirloom_search::train::{Budget, EpochReport, Teacher, TrainError, Trainer, WeightStore, sources};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::base::BaseArgs;
use super::output::InputFault;
use super::own_data::OwnDataArgs;
use super::progress::epoch_words;
use super::recipe::RecipeArgs;
use super::start::StartArgs;

/// Trains an architecture on several tasks at once; a trial of each.
pub(super) type JointTraining =
    Box<dyn FnMut(&SearchSpace, &Architecture, &Budget) -> anyhow::Result<Vec<Trial>>>;

/// What a trainer is given beside its options.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct TrainerParts {
    /// Where weights are kept.
    pub(super) weights: Option<WeightStore>,
    /// The trials whose weights may be inherited.
    pub(super) sources: Vec<Trial>,
    pub(super) teacher: Option<Teacher>,
    /// How many cores it may use; absent, all of them.
    pub(super) cores: Option<usize>,
}

/// Where data sets are and what to compute on.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct DataArgs {
    /// The folder with the data sets: wheels of scikit-learn, IDX files, CIFAR's binary version.
    #[arg(long, env = "HEIRLOOM_DATA", default_value = ".", value_name = "DIR")]
    data: PathBuf,
    /// Download a data set that is not in the folder.
    #[arg(long, conflicts_with = "from")]
    download: bool,
    #[command(flatten)]
    own: OwnDataArgs,
    /// Where to train; unless given, the first CUDA device if there is one, else the CPU.
    #[arg(long, value_parser = ["cpu", "cuda"])]
    device: Option<String>,
}

impl DataArgs {
    /// The user's own data under a task's name, or the data set of that name.
    pub(super) fn dataset(&self, task: &str) -> anyhow::Result<Dataset> {
        match self.own.open(Some(task))? {
            Some(dataset) => Ok(dataset),
            None => Ok(loaders::open(task, &self.data, self.download)?),
        }
    }

    /// One of several data sets: that of the user's own path which is called so, or the data set of that name.
    pub(super) fn one_of_several(&self, task: &str) -> anyhow::Result<Dataset> {
        match self.own.open_part(task)? {
            Some(dataset) => Ok(dataset),
            None => Ok(loaders::open(task, &self.data, self.download)?),
        }
    }

    /// Where to train.
    #[cfg(feature = "torch")]
    pub(super) fn device_choice(&self) -> heirloom_search::train::torch::DeviceChoice {
        device_choice(self.device.as_deref())
    }

    /// What a verb answers that needs libtorch, in a build without.
    #[cfg(not(feature = "torch"))]
    pub(super) fn without_torch(&self) -> anyhow::Error {
        let _ = &self.device;
        without_torch()
    }
}

/// The device of a name.
#[cfg(feature = "torch")]
pub(super) fn device_choice(name: Option<&str>) -> heirloom_search::train::torch::DeviceChoice {
    use heirloom_search::train::torch::DeviceChoice;
    match name {
        Some("cpu") => DeviceChoice::Cpu,
        Some(_) => DeviceChoice::Cuda,
        None => DeviceChoice::Auto,
    }
}

/// What a verb answers that needs libtorch, in a build without.
#[cfg(not(feature = "torch"))]
pub(super) fn without_torch() -> anyhow::Error {
    let message = "this heirloom was built without libtorch; build it with: make build, or cargo build --features torch";
    InputFault(message.into()).into()
}

/// Where data sets are and how to train on them.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct TrainerArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Passes over the training data.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) epochs: u32,
    /// The share of the training data to fit on.
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    data_fraction: f64,
    /// Keep no weights. Unless this is given they are kept in a folder beside the base, and so is a trial under way, which
    /// goes on where it was when it is asked for again.
    #[arg(long)]
    no_weights: bool,
    /// Start from the weights of the past trial that suits the task best, block by block, where one does so better than
    /// fresh weights.
    #[arg(long, conflicts_with_all = ["no_weights", "init_from"])]
    inherit: bool,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) start: StartArgs,
}

/// How many examples there are, and where they go: always into the same parts.
pub(super) fn summary(dataset: &Dataset) -> DataSummary {
    DataSummary::of(dataset, &Splits::new(dataset, 0))
}

impl TrainerArgs {
    /// The names of the options on how trials are trained, but for how long and on what data.
    pub(super) fn training_options(&self) -> anyhow::Result<Vec<String>> {
        fn collect(value: &serde_json::Value, names: &mut Vec<String>) {
            for (name, value) in value.as_object().into_iter().flatten() {
                if value.is_object() { collect(value, names) } else { names.push(name.clone()) }
            }
        }
        let mut value = serde_json::to_value(self).context("these options cannot be listed")?;
        if let Some(options) = value.as_object_mut() {
            options.retain(|name, _| name != "data" && name != "epochs");
        }
        let mut names = Vec::new();
        collect(&value, &mut names);
        Ok(names)
    }

    /// The data set of a task's name.
    pub(super) fn dataset(&self, task: &str) -> anyhow::Result<Dataset> {
        self.data.dataset(task)
    }

    /// What a trial may cost.
    pub(super) fn budget(&self, seed: u64, split: Split) -> Budget {
        Budget { data_fraction: self.data_fraction, ..Budget::new(self.epochs, seed, split) }
    }

    /// Refuses a space that is not built in, and one that says what blocks inherit where nothing is to be inherited.
    pub(super) fn check_space(&self, space: &SearchSpace) -> anyhow::Result<()> {
        match spaces::family(space.id()).and_then(|family| family.extends) {
            Some(plain) if !self.inherit => {
                let id = space.id();
                let message = format!(
                    "the space {id} says what blocks inherit: give --inherit, or search in {plain}, which has the same networks"
                );
                Err(InputFault(message).into())
            }
            None if spaces::family(space.id()).is_none() => {
                Err(TrainError::NoFamily { space: space.id().clone() }.into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses a space that makes no networks for these data, before anything is written.
    #[cfg(feature = "torch")]
    pub(super) fn check_networks(&self, space: &SearchSpace, dataset: &Dataset) -> anyhow::Result<()> {
        Ok(heirloom_search::train::torch::check_networks(space, dataset)?)
    }

    /// Without libtorch nothing can be trained.
    #[cfg(not(feature = "torch"))]
    pub(super) fn check_networks(&self, _space: &SearchSpace, _dataset: &Dataset) -> anyhow::Result<()> {
        Err(self.data.without_torch())
    }

    /// What a base has for trials of a task on a data set: weights to inherit, if they may be, and the teacher.
    pub(super) fn parts(
        &self,
        base: &BaseArgs,
        store: &dyn KnowledgeStore,
        task: &Name,
        dataset: &Dataset,
    ) -> anyhow::Result<TrainerParts> {
        check_data(store, dataset)?;
        let weights = base.weights()?;
        let sources = match weights.as_ref().filter(|_| self.inherit) {
            Some(weights) => sources(store, weights, &dataset.task())?,
            None => Vec::new(),
        };
        let teacher = self.start.teacher(store, weights.clone(), task)?;
        Ok(TrainerParts { weights, sources, teacher, cores: None })
    }

    /// How to train with libtorch.
    #[cfg(feature = "torch")]
    fn options(&self, parts: TrainerParts) -> anyhow::Result<heirloom_search::train::torch::TorchOptions> {
        Ok(heirloom_search::train::torch::TorchOptions {
            device: self.data.device_choice(),
            recipe: self.recipe.recipe()?,
            known_weights: parts.weights.clone(),
            weights: parts.weights.filter(|_| !self.no_weights),
            init_from: self.start.init_from.clone(),
            sources: parts.sources,
            teacher: parts.teacher,
            cores: parts.cores,
            ..Default::default()
        })
    }

    /// A trainer over a data set, which shows its epochs on a bar.
    pub(super) fn trainer(
        &self,
        dataset: Dataset,
        parts: TrainerParts,
        bar: &ProgressBar,
    ) -> anyhow::Result<Box<dyn Trainer>> {
        self.trainer_telling(dataset, parts, shown_on(bar))
    }

    /// A trainer over a data set, which tells how each epoch went.
    #[cfg(feature = "torch")]
    pub(super) fn trainer_telling(
        &self,
        dataset: Dataset,
        parts: TrainerParts,
        on_epoch: Box<dyn FnMut(EpochReport) + Send>,
    ) -> anyhow::Result<Box<dyn Trainer>> {
        use super::recipe::by_option;
        use heirloom_search::train::torch::TorchTrainer;
        let trainer = TorchTrainer::new(Arc::new(dataset), self.options(parts)?, on_epoch);
        Ok(Box::new(trainer.map_err(by_option)?))
    }

    /// A training of several data sets at once, drawn afresh and without a teacher, which shows its epochs on a bar.
    #[cfg(feature = "torch")]
    pub(super) fn joint(
        &self,
        datasets: &[Arc<Dataset>],
        weights: Option<WeightStore>,
        bar: &ProgressBar,
    ) -> anyhow::Result<JointTraining> {
        use super::recipe::by_option;
        use heirloom_search::train::torch::JointTrainer;
        if self.inherit || self.start.is_given() {
            let message = "tasks are learned together without --inherit, --init-from and --teacher";
            return Err(InputFault(message.into()).into());
        }
        let (first, others) = datasets.split_first().expect("the caller has counted them");
        let mut trainer = JointTrainer::new(
            first,
            others,
            self.options(TrainerParts { weights, ..TrainerParts::default() })?,
            shown_on(bar),
        )
        .map_err(by_option)?;
        Ok(Box::new(move |space, architecture, budget| Ok(trainer.train(space, architecture, budget)?)))
    }

    /// Without libtorch nothing can be trained.
    #[cfg(not(feature = "torch"))]
    pub(super) fn trainer_telling(
        &self,
        _dataset: Dataset,
        _parts: TrainerParts,
        _on_epoch: Box<dyn FnMut(EpochReport) + Send>,
    ) -> anyhow::Result<Box<dyn Trainer>> {
        let _ = (self.no_weights, self.recipe.recipe()?, &self.start.init_from);
        Err(self.data.without_torch())
    }

    /// Without libtorch nothing can be trained.
    #[cfg(not(feature = "torch"))]
    pub(super) fn joint(
        &self,
        _datasets: &[Arc<Dataset>],
        _weights: Option<WeightStore>,
        _bar: &ProgressBar,
    ) -> anyhow::Result<JointTraining> {
        let _ = self.start.is_given();
        Err(self.data.without_torch())
    }
}

/// Refuses data that are not those by which the base knows the task of their name, before anything is trained on them.
pub(super) fn check_data(store: &dyn KnowledgeStore, dataset: &Dataset) -> anyhow::Result<()> {
    let task = dataset.task();
    if let Some(known) = store.tasks()?.into_iter().find(|known| known.id == task.id) {
        let changed = || format!("the data of {:?} are not those that the base knows it by", &*task.id);
        known.merged_with(&task).with_context(changed)?;
    }
    Ok(())
}

/// Counts epochs on a bar, which says how the last one went.
fn shown_on(bar: &ProgressBar) -> Box<dyn FnMut(EpochReport) + Send> {
    let bar = bar.clone();
    Box::new(move |report| {
        bar.inc(1);
        bar.set_message(epoch_words(&report));
    })
}
