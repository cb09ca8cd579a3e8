//! `heirloom init`

use heirloom_kb::jsonl::{self, Compression, ImportOptions, ImportReport};

use super::Failure;
use super::base::BaseArgs;
use super::output::{Output, bold};

/// Trials of architectures on real tasks, made by scripts/starter.py: JSON Lines under zstd.
const STARTER: &[u8] = include_bytes!("../../starter/history.jsonl.zst");

pub(super) fn run(base: &BaseArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open()?;
    let options = ImportOptions { strict: true, compression: Compression::Zstd, ..ImportOptions::default() };
    let report = jsonl::import(STARTER, &*store, options, &mut |_| {})?;
    out.answer(&report, describe)?;
    Ok(())
}

fn describe(report: &ImportReport) -> String {
    let added = &report.added;
    let head = bold("starter history");
    if added.trials == 0 {
        return format!("{head}: the base has its {} trials already", report.known);
    }
    format!(
        "{head}: {} trials of {} tasks in {} spaces are in the base\n\
         next: heirloom recommend --from FILE-OR-FOLDER --space SPACE, with a space of: heirloom status",
        added.trials, added.tasks, added.spaces
    )
}
