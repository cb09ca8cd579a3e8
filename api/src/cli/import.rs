//! `heirloom import`

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use heirloom_datasets::importers::{NasBenchGraph, is_nas_bench_graph};
use heirloom_kb::KnowledgeStore;
use heirloom_kb::jsonl::{self, ImportOptions, ImportProgress, ImportReport};
use heirloom_search::spaces;
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{InputFault, Output, counted, dim};
use super::progress::{self, bar};

/// Refused lines that text output shows; JSON has them all.
const SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Files of JSON Lines (.jsonl, .jsonl.gz, .jsonl.zst), wheels of NAS-Bench-Graph, or - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Refuse a whole file when one of its lines does not fit.
    #[arg(long)]
    strict: bool,
    /// Leave out this task of a wheel of NAS-Bench-Graph; may be given several times.
    #[arg(long, value_name = "TASK")]
    without_task: Vec<String>,
}

/// What came of one file.
#[derive(Serialize)]
struct FileReport {
    file: String,
    #[serde(flatten)]
    report: ImportReport,
    wall_s: f64,
}

pub(super) fn run(base: &BaseArgs, args: &ImportArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open()?;
    let mut reports = Vec::new();
    let mut broken = None;
    for (at, file) in args.files.iter().enumerate() {
        let start = std::time::Instant::now();
        match import(&*store, file, args).with_context(|| file.display().to_string()) {
            Ok(report) => {
                let wall_s = start.elapsed().as_secs_f64();
                reports.push(FileReport { file: file.display().to_string(), report, wall_s });
            }
            Err(error) => {
                broken = Some(match rest(&args.files[at + 1..]) {
                    Some(rest) => error.context(rest),
                    None => error,
                });
                break;
            }
        }
    }
    // Of the files before a broken one it is said what was taken.
    if broken.is_none() || !reports.is_empty() {
        out.answer(&reports, |reports| reports.iter().map(describe).collect::<Vec<_>>().join("\n"))?;
    }
    if let Some(error) = broken {
        return Err(error.into());
    }
    let refused: usize = reports.iter().map(|file| file.report.refused.len()).sum();
    if refused > 0 {
        let none_fit = reports.iter().all(|file| file.report.lines == file.report.refused.len() as u64);
        let rest = if none_fit { "nothing was imported" } else { "all others are in the base" };
        return Err(InputFault(format!("{} not fit; {rest}", lines_do(refused))).into());
    }
    Ok(())
}

/// `1 line does`, `2 lines do`.
fn lines_do(n: usize) -> String {
    format!("{} {}", counted(n, "line"), if n == 1 { "does" } else { "do" })
}

/// Which files are not read after one that is broken.
fn rest(files: &[PathBuf]) -> Option<String> {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    (!names.is_empty()).then(|| format!("nothing was taken of {}, after a broken file", names.join(", ")))
}

fn import(store: &dyn KnowledgeStore, file: &Path, args: &ImportArgs) -> anyhow::Result<ImportReport> {
    if is_of_optuna(file) {
        let message = "it is a storage of Optuna (or another SQLite database); scripts/optuna_history.py of the source makes a history of one: \
                       python3 optuna_history.py STORAGE history.jsonl --space mine/1";
        return Err(InputFault(message.into()).into());
    }
    if is_nas_bench_graph(file) {
        return import_nas_bench_graph(store, file, &args.without_task);
    }
    if !args.without_task.is_empty() {
        return Err(InputFault("--without-task is for the wheel of NAS-Bench-Graph".into()).into());
    }
    let length = std::fs::metadata(file).ok().map(|file| file.len());
    let packed = jsonl::Compression::of_path(file) != jsonl::Compression::Plain;
    let bar = if packed { bar(None, progress::SPIN) } else { bar(length, progress::BYTES) };
    let mut show = |progress: ImportProgress| {
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} trials", progress.acknowledged));
    };
    let options =
        ImportOptions { strict: args.strict, built_in: Some(spaces::built_in), ..ImportOptions::default() };
    let report = if file == Path::new("-") {
        jsonl::import(io::stdin().lock(), store, options, &mut show)
    } else {
        jsonl::import_path(file, store, options, &mut show)
    };
    bar.finish_and_clear();
    Ok(report?)
}

/// Whether a file is an SQLite database or a journal of Optuna.
fn is_of_optuna(file: &Path) -> bool {
    let mut head = [0; 15];
    // A pipe would lose what is read of it.
    let is_file = std::fs::metadata(file).is_ok_and(|found| found.is_file());
    is_file
        && std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && (head == *b"SQLite format 3" || head.starts_with(b"{\"op_code\""))
}

fn import_nas_bench_graph(
    store: &dyn KnowledgeStore,
    file: &Path,
    without: &[String],
) -> anyhow::Result<ImportReport> {
    let known: Vec<&str> = NasBenchGraph::tasks().collect();
    if let Some(unknown) = without.iter().find(|task| !known.contains(&task.as_str())) {
        let message = format!("NAS-Bench-Graph has no task {unknown:?}; it has {}", known.join(", "));
        return Err(InputFault(message).into());
    }
    let family = spaces::family("nas-bench-graph/1").context("the space is built in")?;
    let space = (family.space)();
    let wheel = NasBenchGraph::open(file, &space)?;
    let bar = bar(Some(NasBenchGraph::tasks().len() as u64), progress::COUNT);
    let mut report = ImportReport::default();
    for (task, batch) in known.iter().zip(wheel.batches()) {
        bar.set_message((*task).to_owned());
        let batch = batch?;
        if !without.iter().any(|left_out| left_out == task) {
            report.lines += (batch.spaces.len() + batch.tasks.len() + batch.trials.len()) as u64;
            report.count(store.commit(&batch)?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(report)
}

fn describe(file: &FileReport) -> String {
    let FileReport { file, report, wall_s } = file;
    let added = report.added;
    let mut text = format!(
        "{file}: {} added, {} known already, {} and {} added {}",
        counted(added.trials, "trial"),
        report.known,
        counted(added.tasks, "task"),
        counted(added.spaces, "space"),
        dim(&format!("in {wall_s:.2} s"))
    );
    for refused in report.refused.iter().take(SHOWN) {
        text.push_str(&format!("\n  line {}: {}", refused.line, refused.why));
    }
    if report.refused.len() > SHOWN {
        text.push_str(&format!("\n  and {} more; --json lists them all", report.refused.len() - SHOWN));
    }
    for note in &report.notes {
        text.push_str(&format!("\n  note: {note}"));
    }
    text
}
