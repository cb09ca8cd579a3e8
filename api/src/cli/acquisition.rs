//! What makes a candidate worth the next trial, on the command line.

use clap::builder::PossibleValuesParser;
use heirloom_search::Acquisition;
use serde::{Deserialize, Serialize};

use super::output::InputFault;

#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct AcquisitionArgs {
    /// What makes a candidate worth the next trial, for the strategy surrogate: expected improvement, an upper confidence
    /// bound or a drawn function; unless given, ei.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Acquisition::NAMES))]
    acquisition: Option<String>,
    /// Standard deviations that doubt is worth to ucb; unless given, 2.
    #[arg(long, value_name = "X", requires = "acquisition")]
    beta: Option<f64>,
}

impl AcquisitionArgs {
    /// What was asked for, if something was.
    pub(super) fn acquisition(&self) -> anyhow::Result<Option<Acquisition>> {
        let named = |name: &String| Acquisition::named(name, self.beta);
        let acquisition = self.acquisition.as_ref().and_then(named);
        if let (Some(beta), Some(other)) = (self.beta, acquisition)
            && !matches!(other, Acquisition::UpperConfidenceBound { .. })
        {
            let message = format!("--beta {beta} is for --acquisition ucb; {} has none", other.as_str());
            return Err(InputFault(message).into());
        }
        Ok(acquisition)
    }
}
