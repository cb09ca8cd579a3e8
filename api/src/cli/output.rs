//! What is printed, as text or as JSON.

use std::io::Write;

use anyhow::Error;
use comfy_table::{ContentArrangement, Table, presets};
use heirloom_datasets::{DatasetError, ImportError};
use heirloom_kb::jsonl::JsonlError;
use heirloom_kb::{SchemaError, StoreError};
use heirloom_search::SearchError;
use heirloom_search::train::TrainError;
use serde::Serialize;

/// Where answers go.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Output { json }
    }

    /// Whether JSON is wanted.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints an answer: as JSON, or what `text` makes of it.
    pub(super) fn answer<T: Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let shown = if self.json { serde_json::to_string_pretty(answer)? } else { text(answer) };
        self.line(&shown)
    }

    /// Prints a line. A reader that has gone away (`| head`) ends the program quietly.
    pub(super) fn line(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = anstream::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            done => Ok(done?),
        }
    }

    /// Prints what went wrong, with its causes.
    pub(super) fn error(&self, error: &Error) {
        let chain = chain(error);
        // With nowhere to write to there is nothing left to do.
        let _ = if self.json {
            writeln!(std::io::stderr(), "{}", serde_json::json!({ "error": chain }))
        } else {
            let red = anstyle::AnsiColor::Red.on_default().bold();
            writeln!(anstream::stderr(), "{red}error{red:#}: {chain}")
        };
    }
}

/// An error and its causes; one that the error before it has told already is not told again.
fn chain(error: &Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.last().is_none_or(|last| !last.ends_with(&cause)) {
            told.push(cause);
        }
    }
    told.join(": ")
}

/// A table with a line under its head.
pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.iter().copied());
    table
}

/// Bold text.
pub(super) fn bold(text: &str) -> String {
    let style = anstyle::Style::new().bold();
    format!("{style}{text}{style:#}")
}

/// Dim text, for remarks.
pub(super) fn dim(text: &str) -> String {
    let style = anstyle::Style::new().dimmed();
    format!("{style}{text}{style:#}")
}

/// A number of things: `1 trial`, `2 trials`.
pub(super) fn counted(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// Refuses a file in a folder that is not there.
#[cfg(feature = "torch")]
pub(super) fn check_folder(file: &std::path::Path) -> Result<(), InputFault> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => {
            Err(InputFault(format!("{}: there is no folder {}", file.display(), folder.display())))
        }
        None => Ok(()),
    }
}

/// A refusal of the input that comes from this crate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InputFault(pub(super) String);

/// Whether an error is for the user to mend: unknown names, records that do not fit, files that are not what they should
/// be.
pub(super) fn is_input_fault(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<InputFault>()
            || cause.is::<SchemaError>()
            || cause.is::<ImportError>()
            || cause.is::<DatasetError>()
            || cause.is::<serde_json::Error>()
            || cause.downcast_ref::<JsonlError>().is_some_and(is_bad_file)
            || cause.downcast_ref::<StoreError>().is_some_and(is_bad_request)
            || cause.downcast_ref::<SearchError>().is_some_and(is_bad_question)
            || cause.downcast_ref::<TrainError>().is_some_and(is_bad_training)
    })
}

fn is_bad_file(error: &JsonlError) -> bool {
    match error {
        JsonlError::Read { .. } | JsonlError::Strict { .. } | JsonlError::Unknown { .. } => true,
        JsonlError::File { act, .. } => *act == "open",
        _ => false,
    }
}

fn is_bad_request(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::BadUrl { .. }
            | StoreError::NoBase { .. }
            | StoreError::OtherFiles { .. }
            | StoreError::Refused { .. }
            | StoreError::BadCursor { .. }
    )
}

fn is_bad_question(error: &SearchError) -> bool {
    !matches!(error, SearchError::Store(_) | SearchError::Predict(_) | SearchError::DamagedStudy { .. })
}

fn is_bad_training(error: &TrainError) -> bool {
    !matches!(error, TrainError::Torch { .. } | TrainError::NoWorker { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("disk full").context("task 0: disk full").context("cannot keep it");
        assert_eq!(chain(&error), "cannot keep it: task 0: disk full");
        assert_eq!(
            chain(&anyhow::anyhow!("disk full").context("cannot keep it")),
            "cannot keep it: disk full"
        );
    }
}
