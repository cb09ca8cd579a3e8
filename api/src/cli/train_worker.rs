//! `heirloom train-worker`: trains for a study, which talks to it over its standard input and output. Not for hands.

use std::io::BufReader;
use std::time::Duration;

use heirloom_kb::{Json, Name};
use heirloom_search::train::{EpochReport, Orders, TrainError, Trainer, Voice, WorkerReport, serve};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::trainer::{TrainerArgs, TrainerParts};

/// What the verb is called.
pub(super) const VERB: &str = "train-worker";

/// How long a worker without orders may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// What a worker makes its trainer of: the study's own options, and what only the study could look up in the base.
#[derive(Serialize, Deserialize)]
pub(super) struct WorkerSetup {
    pub(super) task: Name,
    pub(super) args: TrainerArgs,
    pub(super) parts: TrainerParts,
}

pub(super) fn run() -> Result<(), Failure> {
    let voice = Voice::new(std::io::stdout());
    let at_end = || {
        std::thread::sleep(GRACE);
        // The study has ended, whatever is being trained: nobody will take the trial.
        std::process::exit(1);
    };
    let orders = Orders::read(BufReader::new(std::io::stdin()), at_end);
    let make = |setup| trainer(setup, &voice).map_err(|error| refused(&error));
    if let Err(error) = serve(&orders, &voice, make) {
        tracing::debug!(%error, "the study listens no more");
    }
    Ok(())
}

fn trainer(setup: Json, voice: &Voice) -> anyhow::Result<Box<dyn Trainer>> {
    let WorkerSetup { task, args, parts } = serde_json::from_value(setup)?;
    let voice = voice.clone();
    let tell = Box::new(move |report: EpochReport| voice.epoch(report));
    args.trainer_telling(args.dataset(&task)?, parts, tell)
}

fn refused(error: &anyhow::Error) -> WorkerReport {
    match error.downcast_ref::<TrainError>() {
        Some(error) => WorkerReport::refused(error),
        None => WorkerReport::Refused { reason: format!("{error:#}"), torch: false },
    }
}
