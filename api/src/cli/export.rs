//! `heirloom export`

use std::path::{Path, PathBuf};

use heirloom_kb::Name;
use heirloom_kb::jsonl::{self, ExportFilter, Exported, JsonlError};

use super::Failure;
use super::base::BaseArgs;
use super::output::{Output, counted};
use super::progress::{self, bar};

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The file to write (.jsonl, .jsonl.gz, .jsonl.zst), or - for standard output.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Only this task and its trials.
    #[arg(long)]
    task: Option<Name>,
    /// Only this space and its trials.
    #[arg(long)]
    space: Option<Name>,
}

pub(super) fn run(base: &BaseArgs, args: &ExportArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open_to_read()?;
    let filter = ExportFilter { task: args.task.clone(), space: args.space.clone() };
    if args.file == Path::new("-") {
        let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
        let written = jsonl::export(&*store, &mut stdout, &filter, &mut |_| {});
        let flushed = written.and_then(|_| std::io::Write::flush(&mut stdout).map_err(JsonlError::Write));
        return match flushed {
            // A reader that has gone away (`| head`) has what it wanted.
            Err(JsonlError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            done => Ok(done?),
        };
    }
    let bar = bar(Some(store.stats()?.trials()), progress::COUNT);
    let mut show = |done: Exported| bar.set_position(done.trials as u64);
    let done = jsonl::export_to_path(&*store, &args.file, &filter, &mut show);
    bar.finish_and_clear();
    let file = args.file.display();
    out.answer(&done?, |done| {
        let Exported { spaces, tasks, trials } = *done;
        let [spaces, tasks, trials] =
            [(spaces, "space"), (tasks, "task"), (trials, "trial")].map(|(n, thing)| counted(n, thing));
        format!("{file}: {spaces}, {tasks}, {trials}")
    })?;
    Ok(())
}
