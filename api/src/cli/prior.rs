//! What is known of a study's candidates before any is trained, as options.

use std::collections::HashMap;

use clap::builder::PossibleValuesParser;
use heirloom_datasets::Dataset;
use heirloom_kb::{Architecture, SearchSpace};
use heirloom_search::PriorScores;
use heirloom_search::train::{Proxy, SharingMethod, SharingOptions};
use serde::{Deserialize, Serialize};

use super::trainer::DataArgs;
use super::{proxies, supernet};

/// What is known of candidates before any is trained.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Before training")]
pub(super) struct PriorArgs {
    /// Score all candidates on the task's data before any is trained, and count on that beside the past: by weights that
    /// all cells of nas-bench-201/1 share, trained one path a step, fairly, or in a differentiable search; or by a
    /// zero-cost proxy. The strategy "ranked" goes by that alone.
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(
        SharingMethod::ALL.map(SharingMethod::as_str).into_iter().chain(Proxy::ALL.map(Proxy::as_str)).collect::<Vec<_>>()))]
    rank_by: Option<String>,
    /// Passes over the training data of the shared weights.
    #[arg(long, requires = "rank_by", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    sharing_epochs: u32,
}

impl PriorArgs {
    /// Whether something was asked for.
    pub(super) fn is_given(&self) -> bool {
        self.rank_by.is_some()
    }

    /// A score for each candidate, if one was asked for. Takes as long as training the shared weights does, or a batch for
    /// each candidate.
    pub(super) fn scores(
        &self,
        data: &DataArgs,
        dataset: impl FnOnce() -> anyhow::Result<Dataset>,
        space: &SearchSpace,
        candidates: &[Architecture],
        seed: u64,
    ) -> anyhow::Result<Option<PriorScores>> {
        let Some(by) = &self.rank_by else { return Ok(None) };
        let method = SharingMethod::ALL.into_iter().find(|method| method.as_str() == by);
        let scores = match method {
            Some(method) => {
                let options =
                    SharingOptions { method, epochs: self.sharing_epochs, seed, ..Default::default() };
                let ranked = supernet::share(data, &dataset()?, space, options, candidates)?.ranked;
                let known = ranked.into_iter().map(|one| (one.architecture.to_string(), one.score));
                let known: HashMap<String, f64> = known.collect();
                candidates.iter().map(|one| known.get(&one.to_string()).copied()).collect()
            }
            None => {
                let rows = proxies::read(data, seed, dataset()?, space, candidates)?;
                rows.iter().map(|row| row.get(by.as_str()).copied()).collect()
            }
        };
        Ok(Some(PriorScores { by: by.as_str().into(), scores }))
    }
}
