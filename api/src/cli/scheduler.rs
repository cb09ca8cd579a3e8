//! Which rule stops trials early.

use clap::builder::PossibleValuesParser;
use heirloom_search::fidelity::{SchedulerKind, SchedulerSetup};
use serde::{Deserialize, Serialize};

use super::output::InputFault;

#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct SchedulerArgs {
    /// Stop trials early that do badly: asha and hyperband compare them with each other, extrapolation with how past
    /// learning curves went on, one-epoch keeps the best three after the first look.
    #[arg(long, default_value = "none", value_name = "RULE", value_parser = PossibleValuesParser::new(
        std::iter::once("none").chain(SchedulerKind::ALL.map(SchedulerKind::as_str)).collect::<Vec<_>>()))]
    scheduler: String,
    /// Epochs that every trial gets before it may be stopped; unless given, 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    min_epochs: Option<u32>,
    /// Look again each time the epochs have grown by this factor; unless given, 3. Asha and hyperband let the best 1/ETA go on.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..))]
    eta: Option<u32>,
}

impl SchedulerArgs {
    /// The rule for trials of so many epochs, if one was asked for.
    pub(super) fn setup(&self, max_epochs: u32) -> anyhow::Result<Option<SchedulerSetup>> {
        let Some(kind) = SchedulerKind::named(&self.scheduler) else {
            let given = [("--min-epochs", self.min_epochs), ("--eta", self.eta)];
            return match given.into_iter().find(|(_, value)| value.is_some()) {
                Some((name, _)) => {
                    Err(InputFault(format!("{name} has no effect without --scheduler")).into())
                }
                None => Ok(None),
            };
        };
        let setup =
            SchedulerSetup { kind, max_epochs, min_epochs: self.min_epochs.unwrap_or(1), eta: self.eta };
        setup.check()?;
        Ok(Some(setup))
    }
}
