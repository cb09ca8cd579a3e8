//! Why a file could not be imported or exported.

use super::{ImportReport, Refused};
use crate::schema::Name;
use crate::store::StoreError;

/// Why a file could not be imported or exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonlError {
    /// A file that cannot be opened or written.
    #[error("cannot {act} {path}")]
    File {
        /// `open`, `write`, `rename`.
        act: &'static str,
        /// The file.
        path: String,
        /// What the system reported.
        source: std::io::Error,
    },
    /// A file that breaks off or is damaged. Lines before that are in the base unless the import was strict.
    #[error("cannot read on after line {line}: {source}; {kept} trials before it were kept")]
    Read {
        /// The last line read whole.
        line: u64,
        /// New trials committed before.
        kept: usize,
        /// What the decompressor or the system reported.
        source: std::io::Error,
    },
    /// A strict import met lines that do not fit; the base is as it was.
    #[error("{} of {} lines refused, nothing was imported; line {}", report.refused.len(), report.lines, first(&report.refused))]
    Strict {
        /// What was found.
        report: ImportReport,
    },
    /// An export of something that the base does not have.
    #[error("the base has no {what} {id:?}{}", nearest.as_ref().map(|id| format!("; did you mean {id:?}?")).unwrap_or_default())]
    Unknown {
        /// `task` or `space`.
        what: &'static str,
        /// Its id.
        id: Name,
        /// The closest id that the base has.
        nearest: Option<Name>,
    },
    /// Of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Of the stream written to.
    #[error("cannot write the export")]
    Write(#[from] std::io::Error),
}

fn first(refused: &[Refused]) -> String {
    refused.first().map(|refused| format!("{}: {}", refused.line, refused.why)).unwrap_or_default()
}
