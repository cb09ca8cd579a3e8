//! `heirloom proxies`

use std::collections::BTreeMap;

use clap::builder::PossibleValuesParser;
use heirloom_datasets::Dataset;
use heirloom_kb::{Architecture, Name, SearchSpace};
use heirloom_search::train::Proxy;
use heirloom_search::{RankCorrelation, find_space, spaces};
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{Output, bold, table};
use super::past_scores;
use super::trainer::DataArgs;

/// Measured architectures whose proxies are read at most.
const MOST_MEASURED: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct ProxyArgs {
    /// The data set, which names the task too: digits, wine, breast_cancer, iris, mnist, …, or the data that --from gives
    #[arg(long)]
    task: Name,
    /// The search space.
    #[arg(long)]
    space: Name,
    /// How many architectures to show.
    #[arg(long, short = 'k', default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    top: u64,
    /// How many architectures to rank, drawn at random.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    candidates: u64,
    /// Rank the architectures that the base has scores of for the task, instead of drawn ones.
    #[arg(long, conflicts_with = "candidates")]
    measured: bool,
    /// The proxy to rank by.
    #[arg(long, default_value = "synflow", value_parser = PossibleValuesParser::new(Proxy::ALL.map(Proxy::as_str)))]
    by: String,
    /// The seed of the draw, of the untrained weights and of the batch.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    data: DataArgs,
}

/// An architecture and what is known of it untrained.
#[derive(Serialize)]
struct Row {
    architecture: Architecture,
    proxies: BTreeMap<Name, f64>,
}

#[derive(Serialize)]
struct Answer {
    task: Name,
    space: Name,
    by: String,
    candidates: usize,
    ranked: Vec<Row>,
    /// How each proxy's order agrees with that of the scores that the base has of the task, each architecture once; absent
    /// where there are too few.
    agreement: BTreeMap<Name, Option<RankCorrelation>>,
    /// How many measured architectures that rests on.
    measured: usize,
    /// What is to be known of how the data were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub(super) fn run(base: &BaseArgs, args: &ProxyArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open_to_read()?;
    let space = find_space(&*store, &args.space)?;
    let measured = past_scores::means(&past_scores::longest(&*store, &args.task, &args.space)?);
    let (most, drawn) = if args.measured {
        (usize::MAX, Vec::new())
    } else {
        (MOST_MEASURED, spaces::pool(&space, args.candidates, args.seed))
    };
    let measured: Vec<(Architecture, f64)> = measured.into_iter().take(most).collect();
    let all: Vec<Architecture> =
        measured.iter().map(|(architecture, _)| architecture).chain(&drawn).cloned().collect();
    let dataset = args.data.dataset(&args.task)?;
    let notes = dataset.notes().to_vec();
    let rows = read(&args.data, args.seed, dataset, &space, &all)?;
    let known = &rows[..measured.len()];
    let scores: Vec<f64> = measured.iter().map(|(_, score)| *score).collect();
    let agreement = agreement(known, &scores);
    let passed_over = if args.measured { 0 } else { measured.len() };
    let all = all.into_iter().zip(rows).skip(passed_over);
    let mut ranked: Vec<Row> = all.map(|(architecture, proxies)| Row { architecture, proxies }).collect();
    let value = |row: &Row| row.proxies.get(args.by.as_str()).copied().unwrap_or(f64::NEG_INFINITY);
    ranked.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let answer = Answer {
        task: args.task.clone(),
        space: args.space.clone(),
        by: args.by.clone(),
        candidates: ranked.len(),
        ranked: ranked.into_iter().take(args.top as usize).collect(),
        agreement,
        measured: measured.len(),
        notes,
    };
    out.answer(&answer, describe)?;
    Ok(())
}

fn agreement(known: &[BTreeMap<Name, f64>], scores: &[f64]) -> BTreeMap<Name, Option<RankCorrelation>> {
    let of = |proxy: Proxy| {
        let pairs =
            known.iter().zip(scores).filter_map(|(row, score)| Some((*row.get(proxy.as_str())?, *score)));
        let (guesses, scores): (Vec<f64>, Vec<f64>) = pairs.unzip();
        RankCorrelation::of(&guesses, &scores)
    };
    Proxy::ALL.into_iter().map(|proxy| (proxy.as_str().into(), of(proxy))).collect()
}

/// The proxies of each architecture on a data set.
#[cfg(feature = "torch")]
pub(super) fn read(
    data: &DataArgs,
    seed: u64,
    dataset: Dataset,
    space: &SearchSpace,
    architectures: &[Architecture],
) -> anyhow::Result<Vec<BTreeMap<Name, f64>>> {
    use super::progress::{self, bar};
    use heirloom_search::train::torch::{TorchOptions, TorchTrainer};
    let options = TorchOptions { device: data.device_choice(), ..TorchOptions::default() };
    let mut trainer = TorchTrainer::new(std::sync::Arc::new(dataset), options, Box::new(|_| {}))?;
    let bar = bar(Some(architectures.len() as u64), progress::COUNT);
    bar.set_message("networks untrained");
    let rows = architectures.iter().map(|architecture| {
        bar.inc(1);
        Ok(trainer.proxies(space, architecture, seed)?)
    });
    let rows = rows.collect();
    bar.finish_and_clear();
    rows
}

#[cfg(not(feature = "torch"))]
pub(super) fn read(
    data: &DataArgs,
    _: u64,
    _: Dataset,
    _: &SearchSpace,
    _: &[Architecture],
) -> anyhow::Result<Vec<BTreeMap<Name, f64>>> {
    Err(data.without_torch())
}

fn describe(answer: &Answer) -> String {
    let head = bold(&format!("{} on {}", answer.space, answer.task));
    let mut lines = vec![format!("{head}: {} candidates by {}, untrained", answer.candidates, answer.by)];
    let names: Vec<&str> = Proxy::ALL.map(Proxy::as_str).to_vec();
    let mut rows = table(&[&["architecture"], &names[..]].concat());
    for row in &answer.ranked {
        let value = |name: &&str| row.proxies.get(*name).map_or("-".into(), |value| format!("{value:.5}"));
        let name = spaces::to_cell_string(&row.architecture).unwrap_or_else(|| row.architecture.to_string());
        rows.add_row(std::iter::once(name).chain(names.iter().map(value)));
    }
    lines.push(rows.to_string());
    lines.push(format!("agreement with the scores of {} measured architectures:", answer.measured));
    let mut rows = table(&["proxy", "spearman (95 %)", "kendall (95 %)"]);
    for (name, found) in &answer.agreement {
        let shown = found.as_ref().map(correlation).unwrap_or_else(|| ["-".into(), "-".into()]);
        rows.add_row(std::iter::once(name.to_string()).chain(shown));
    }
    lines.push(rows.to_string());
    lines.extend(answer.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

/// Spearman's and Kendall's correlation with their intervals.
pub(super) fn correlation(of: &RankCorrelation) -> [String; 2] {
    let shown = |value: f64, interval: Option<(f64, f64)>| match interval {
        Some((lo, hi)) => format!("{value:.2} ({lo:.2} to {hi:.2})"),
        None => format!("{value:.2}"),
    };
    [shown(of.spearman, of.spearman_95), shown(of.kendall, of.kendall_95)]
}
