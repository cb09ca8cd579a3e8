//! Histories in and out as JSON Lines: one object a line, `space`, `task` or
//! `trial`, in any order as long as what a line names was defined before it, in the file or in the base.

mod compression;
mod error;
mod export;
mod import;
mod line;
mod lines;
mod not_a_number;
#[cfg(test)]
mod routes;

pub use compression::Compression;
pub use error::JsonlError;
pub use export::{ExportFilter, Exported, export, export_to_path};
pub use import::{ImportOptions, ImportProgress, ImportReport, Refused, import, import_path};
