//! A task that the base does not know, on the command line.

use heirloom_datasets::DatasetError;
use heirloom_kb::{Domain, Goal, Name};
use heirloom_search::{NewTask, TaskChoice};
use serde::de::DeserializeOwned;

use super::own_data::OwnDataArgs;

/// The task: one of the base, or what is known of a new one.
#[derive(Debug, clap::Args)]
pub(super) struct TaskArgs {
    /// The task to recommend for, one of the base; it may have trials of its own or none.
    // The options of the data are named one by one: clap does not ask for --from where --task rules it out.
    #[arg(
        long,
        required_unless_present_any = ["meta", "from"],
        conflicts_with_all = ["meta", "domain", "metric", "goal", "from", "label", "side", "rate", "features"],
    )]
    task: Option<Name>,
    /// A number that describes a task that the base does not know, such as n_samples=2708; may be given several times.
    #[arg(long, value_name = "NAME=NUMBER", value_parser = meta_feature, conflicts_with = "from")]
    meta: Vec<(Name, f64)>,
    /// What the data of the new task are: image, audio, tabular, text, graph or timeseries; unless given, what those of most
    /// past tasks are.
    #[arg(long, requires = "meta", conflicts_with = "from", value_parser = word::<Domain>)]
    domain: Option<Domain>,
    /// The metric of the new task; unless given, that of most past tasks.
    #[arg(long, requires = "meta", conflicts_with = "from")]
    metric: Option<Name>,
    /// Which way that metric is better: maximize or minimize; unless given, the way it is in past tasks.
    #[arg(long, requires = "meta", conflicts_with = "from", value_parser = word::<Goal>)]
    goal: Option<Goal>,
    // Only the meta-features of the data are used, nothing of them is kept.
    #[command(flatten)]
    own: OwnDataArgs,
}

impl TaskArgs {
    /// What was asked for. Data given by their path are described and let go; what is to be known of how they were read is
    /// given along.
    pub(super) fn choice(self) -> Result<(TaskChoice, Vec<String>), DatasetError> {
        if let Some(dataset) = self.own.open(None)? {
            let task = dataset.task();
            let new = NewTask {
                meta_features: task.meta_features,
                domain: Some(task.domain),
                metric: Some(task.metric),
                goal: Some(task.goal),
            };
            return Ok((TaskChoice::New(new), dataset.notes().to_vec()));
        }
        let choice = match self.task {
            Some(task) => TaskChoice::Known(task),
            None => TaskChoice::New(NewTask {
                meta_features: self.meta.into_iter().collect(),
                domain: self.domain,
                metric: self.metric,
                goal: self.goal,
            }),
        };
        Ok((choice, Vec::new()))
    }
}

/// `n_samples=2708`
fn meta_feature(text: &str) -> Result<(Name, f64), String> {
    let (name, number) = text.split_once('=').ok_or("it must be NAME=NUMBER, such as n_samples=2708")?;
    if name.is_empty() {
        return Err("the name before the = is missing".into());
    }
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((name.into(), number)),
        _ => Err(format!("{number:?} is not a finite number")),
    }
}

/// A word as JSON has it.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}
