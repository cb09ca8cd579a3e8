//! A base as JSON Lines.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Compression, JsonlError};
use crate::nearest;
use crate::schema::{Name, SearchSpace};
use crate::store::{KnowledgeStore, TrialQuery};

/// Trials read from the base at a time.
const PAGE: usize = 20_000;

/// What to export; an absent field exports all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportFilter {
    /// Only this task and its trials.
    pub task: Option<Name>,
    /// Only this space and its trials.
    pub space: Option<Name>,
}

impl ExportFilter {
    /// Refuses a filter that names nothing of a base.
    ///
    /// # Errors
    /// [`JsonlError::Unknown`], or of the store.
    pub fn check(&self, store: &dyn KnowledgeStore) -> Result<(), JsonlError> {
        let (spaces, tasks) = (store.spaces()?, store.tasks()?);
        check("space", self.space.as_ref(), &spaces.iter().map(SearchSpace::id).collect::<Vec<_>>())?;
        check("task", self.task.as_ref(), &tasks.iter().map(|task| &task.id).collect::<Vec<_>>())
    }
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Search spaces.
    pub spaces: usize,
    /// Tasks.
    pub tasks: usize,
    /// Trials.
    pub trials: usize,
}

/// A record with its tag.
#[derive(Serialize)]
struct Tagged<'a, T> {
    #[serde(rename = "type")]
    tag: &'static str,
    #[serde(flatten)]
    record: &'a T,
}

/// Writes a base into a file, compressed as its ending says. The file appears when it is whole; a link stays one, and what is no file, a
/// pipe or a device, is written to as it stands.
///
/// # Errors
/// [`JsonlError::Unknown`] and others; then no file was written and an older one is as it was.
pub fn export_to_path(
    store: &dyn KnowledgeStore,
    path: &Path,
    filter: &ExportFilter,
    progress: &mut dyn FnMut(Exported),
) -> Result<Exported, JsonlError> {
    let failed =
        |act, path: &Path, source| JsonlError::File { act, path: path.display().to_string(), source };
    let compression = Compression::of_path(path);
    if path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let file = File::options().write(true).open(path).map_err(|source| failed("write", path, source))?;
        return compression.write(BufWriter::new(file), |writer| export(store, writer, filter, progress));
    }
    // Where a link leads to, if it leads somewhere.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    if path.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
        return Err(failed("write", path, source));
    }
    let file = File::create(&unfinished).map_err(|source| failed("write", &unfinished, source))?;
    let written = compression
        .write(BufWriter::new(&file), |writer| export(store, writer, filter, progress))
        .and_then(|done| file.sync_all().map(|()| done).map_err(JsonlError::Write));
    match written {
        Ok(done) => {
            let renamed = fs::rename(&unfinished, path);
            renamed.map(|()| done).map_err(|source| {
                let _ = fs::remove_file(&unfinished);
                failed("rename", &unfinished, source)
            })
        }
        Err(error) => {
            // The export has failed already; that its remains cannot be removed adds nothing.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

/// Writes a base: spaces, tasks, then trials, each in the base's order.
///
/// # Errors
/// [`JsonlError::Unknown`] for a filter that names nothing of the base, [`JsonlError::Write`], or of the store.
pub fn export(
    store: &dyn KnowledgeStore,
    writer: &mut dyn Write,
    filter: &ExportFilter,
    progress: &mut dyn FnMut(Exported),
) -> Result<Exported, JsonlError> {
    let mut done = Exported::default();
    let asked = |wanted: &Option<Name>, id: &Name| wanted.as_ref().is_none_or(|wanted| wanted == id);
    filter.check(store)?;
    let (spaces, tasks) = (store.spaces()?, store.tasks()?);
    for space in spaces.iter().filter(|space| asked(&filter.space, space.id())) {
        write_line(writer, "space", space)?;
        done.spaces += 1;
    }
    for task in tasks.iter().filter(|task| asked(&filter.task, &task.id)) {
        write_line(writer, "task", task)?;
        done.tasks += 1;
    }
    let mut query = TrialQuery {
        task: filter.task.clone(),
        space: filter.space.clone(),
        limit: Some(PAGE),
        ..TrialQuery::default()
    };
    loop {
        let page = store.trials(&query)?;
        for trial in &page.trials {
            write_line(writer, "trial", trial)?;
        }
        done.trials += page.trials.len();
        progress(done);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(done);
        }
    }
}

/// Refuses to export what the base does not have: an empty file would pass for a backup.
fn check(what: &'static str, wanted: Option<&Name>, known: &[&Name]) -> Result<(), JsonlError> {
    let Some(id) = wanted.filter(|wanted| !known.contains(wanted)) else { return Ok(()) };
    let nearest = nearest(id, known.iter().map(|known| &***known), 1).first().map(|id| Name::from(*id));
    Err(JsonlError::Unknown { what, id: id.clone(), nearest })
}

fn write_line(writer: &mut dyn Write, tag: &'static str, record: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Tagged { tag, record })?;
    line.push(b'\n');
    writer.write_all(&line)
}
