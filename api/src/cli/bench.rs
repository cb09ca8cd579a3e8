//! `heirloom bench`

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use heirloom_kb::Name;
use heirloom_search::StrategyKind;
use heirloom_search::benchmark::{BenchmarkProgress, BenchmarkReport, BenchmarkSetup, benchmark};
use heirloom_search::fidelity::SchedulerKind;

use super::Failure;
use super::acquisition::AcquisitionArgs;
use super::base::BaseArgs;
use super::output::{Output, bold, dim, table};
use super::progress::{self, bar};
use super::{bench_scheduler, chart};

#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// The space whose trials are replayed.
    #[arg(long)]
    pub(super) space: Name,
    /// A method; may be given several times. Unless given, all.
    #[arg(long, value_name = "METHOD", value_parser = PossibleValuesParser::new(methods().map(StrategyKind::as_str)))]
    pub(super) method: Vec<String>,
    #[command(flatten)]
    pub(super) acquisition: AcquisitionArgs,
    /// How often to repeat everything.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seeds: u64,
    /// Trials of each past task that are known; unless given, all.
    #[arg(long, value_name = "N")]
    pub(super) history: Option<usize>,
    /// Trials of the new task.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) trials: u16,
    /// A task to be new; may be given several times. Unless given, all in turn.
    #[arg(long)]
    pub(super) task: Vec<Name>,
    /// Write the regret curves as a picture.
    #[arg(long, value_name = "FILE.svg")]
    pub(super) svg: Option<PathBuf>,
    /// Replay learning curves under this rule of early stopping instead, for the epochs it saves; may be given several
    /// times, with "none" to stop nothing.
    #[arg(long, value_name = "RULE", value_parser = PossibleValuesParser::new(
        std::iter::once("none").chain(SchedulerKind::ALL.map(SchedulerKind::as_str)).collect::<Vec<_>>()))]
    pub(super) scheduler: Vec<String>,
    /// Epochs that every trial gets before it may be stopped.
    #[arg(long, requires = "scheduler", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) min_epochs: u32,
    /// Look again each time the epochs have grown by this factor; unless given, 3.
    #[arg(long, requires = "scheduler", value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) eta: Option<u32>,
}

/// What can be replayed: all strategies but that which needs to know something of the candidates.
fn methods() -> impl Iterator<Item = StrategyKind> {
    StrategyKind::ALL.into_iter().filter(|kind| !kind.needs_prior())
}

pub(super) fn run(base: &BaseArgs, args: &BenchArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open_to_read()?;
    let chosen =
        |kind: &StrategyKind| args.method.is_empty() || args.method.iter().any(|name| name == kind.as_str());
    let setup = BenchmarkSetup {
        space: args.space.clone(),
        methods: methods().filter(chosen).collect(),
        acquisition: args.acquisition.acquisition()?,
        seeds: args.seeds,
        history_per_task: args.history,
        trials: usize::from(args.trials),
        tasks: args.task.clone(),
    };
    let bar = bar(Some(0), progress::COUNT);
    bar.set_message("replays");
    let mut show = |progress: BenchmarkProgress| {
        bar.set_length(progress.of as u64);
        bar.set_position(progress.done as u64);
    };
    if !args.scheduler.is_empty() {
        let report = bench_scheduler::measure(&store, args, &mut show);
        bar.finish_and_clear();
        out.answer(&report?, bench_scheduler::describe)?;
        return Ok(());
    }
    let report = benchmark(&*store, &setup, &mut show);
    bar.finish_and_clear();
    let report = report?;
    if let Some(path) = &args.svg {
        write_chart(&report, path)?;
    }
    out.answer(&report, describe)?;
    Ok(())
}

fn write_chart(report: &BenchmarkReport, path: &Path) -> anyhow::Result<()> {
    let svg = chart::regret_curves(report)?;
    std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn describe(report: &BenchmarkReport) -> String {
    let setup = &report.setup;
    let history = setup.history_per_task.map_or("all trials".into(), |n| format!("{n} random trials"));
    let tasks = report.methods.first().map_or(0, |method| method.tasks.len());
    let head = format!(
        "{}: {tasks} tasks in turn are new, {history} of each other task are known, {} seeds",
        bold(&setup.space),
        setup.seeds
    );
    let points = report.methods.iter().map(|method| method.curve.as_slice()).max_by_key(|curve| curve.len());
    let points = points.unwrap_or_default();
    let mut columns = vec!["regret after".to_owned()];
    columns.extend(points.iter().map(|point| point.trials.to_string()));
    columns.extend([
        "mean".into(),
        "percentile".into(),
        "in 68 %".into(),
        "in 95 %".into(),
        "test score".into(),
        "ask ms".into(),
    ]);
    let mut rows = table(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for method in &report.methods {
        let mut row = vec![method.method.as_str().to_owned()];
        row.extend(
            method.curve.iter().map(|point| format!("{:.3}±{:.3}", point.regret, point.regret_half_width)),
        );
        let Some(last) = method.curve.last() else { continue };
        row.push(format!("{:.3}", method.mean_regret));
        row.push(format!("{:.4}", last.percentile));
        for covered in [last.covered_68, last.covered] {
            row.push(covered.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share)));
        }
        row.push(last.test_score.map_or("-".into(), |score| format!("{score:.4}")));
        row.push(format!("{:.1}", 1000.0 * last.ask_s));
        rows.add_row(row);
    }
    let foot = dim(
        "regret: (best - best found) / (best - median) of all validation scores, ± half the 95 % interval over seeds and tasks; percentile, test score and ask time after the last trial; \
         in 68 %, in 95 %: proposals that scored within these intervals",
    );
    format!("{head}\n{rows}\n{foot}")
}
