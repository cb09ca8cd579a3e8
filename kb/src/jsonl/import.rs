//! JSON Lines into a base.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use super::line::Line;
use super::lines::{Lines, RawLine};
use super::{Compression, JsonlError};
use crate::schema::{Name, SearchSpace, Split, Trial};
use crate::store::{Batch, Committed, Definitions, KnowledgeStore};

/// Lines committed together: large enough to spread a commit's cost, small enough to lose little.
const CHUNK: usize = 20_000;

/// How to import.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Refuse the whole file when a line does not fit, leaving the base untouched.
    pub strict: bool,
    /// How the stream is compressed; for a path its ending decides.
    pub compression: Compression,
    /// The built-in space of an id: trials in one need no line that defines it.
    pub built_in: Option<fn(&str) -> Option<SearchSpace>>,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Lines that are not blank.
    pub lines: u64,
    /// New records.
    pub added: Added,
    /// Trials that the base had already, or that stand twice.
    pub known: usize,
    /// Lines that do not fit, in order.
    pub refused: Vec<Refused>,
    /// What the reader should know of what was taken, in plain words.
    pub notes: Vec<String>,
}

impl ImportReport {
    /// Adds what a commit did.
    pub fn count(&mut self, done: Committed) {
        self.added.spaces += done.spaces_added;
        self.added.tasks += done.tasks_added;
        self.added.trials += done.trials_added;
        self.known += done.trials_known;
    }
}

/// New records by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Search spaces.
    pub spaces: usize,
    /// Tasks, also those that gained meta-features.
    pub tasks: usize,
    /// Trials.
    pub trials: usize,
}

/// A line that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its number, from 1.
    pub line: u64,
    /// Why, with the operand.
    pub why: String,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Trials that are in the base and on the disk.
    pub acknowledged: u64,
}

/// Imports a file; its ending says how it is compressed, whatever the options do.
///
/// # Errors
/// [`JsonlError`]; see [`import`].
pub fn import_path(
    path: &Path,
    store: &dyn KnowledgeStore,
    options: ImportOptions,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportReport, JsonlError> {
    let file = File::open(path).map_err(|source| JsonlError::File {
        act: "open",
        path: path.display().to_string(),
        source,
    })?;
    let options = ImportOptions { compression: Compression::of_path(path), ..options };
    import(file, store, options, progress)
}

/// Imports a stream. Lines that do not fit are listed in the report and the others kept, chunk by chunk; a strict
/// import keeps all or nothing. Importing the same lines again changes nothing.
///
/// # Errors
/// [`JsonlError::Read`] when the stream breaks off, [`JsonlError::Strict`], or of the store.
pub fn import(
    reader: impl Read,
    store: &dyn KnowledgeStore,
    options: ImportOptions,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportReport, JsonlError> {
    let unreadable = |source| JsonlError::Read { line: 0, kept: 0, source };
    let mut lines = Lines::new(options.compression.reader(reader).map_err(unreadable)?);
    let mut import = Import::new(store, options)?;
    loop {
        let chunk = match lines.chunk(CHUNK) {
            Ok(chunk) => chunk,
            Err(source) => {
                return Err(JsonlError::Read {
                    line: lines.number(),
                    kept: import.report.added.trials,
                    source,
                });
            }
        };
        if chunk.is_empty() {
            break;
        }
        import.take(chunk);
        if !options.strict {
            import.commit(store)?;
        }
        let (bytes, acknowledged) = (lines.bytes_read(), import.acknowledged());
        progress(ImportProgress { bytes, lines: lines.number(), acknowledged });
    }
    if !import.report.refused.is_empty() && options.strict {
        return Err(JsonlError::Strict { report: import.report });
    }
    import.commit(store)?;
    import.report.notes.extend(of_other_metrics(import.other_metric));
    import.report.notes.extend(import.extended_unknown());
    Ok(import.report)
}

/// An import under way: what the base and the file have defined, and what is still to be committed.
struct Import {
    built_in: Option<fn(&str) -> Option<SearchSpace>>,
    definitions: Definitions,
    batch: Batch,
    report: ImportReport,
    /// Validation trials that fit, but whose metric is not their task's.
    other_metric: usize,
    /// Spaces of the file that extend others.
    extending: BTreeSet<Name>,
}

impl Import {
    fn new(store: &dyn KnowledgeStore, options: ImportOptions) -> Result<Self, JsonlError> {
        let spaces = store.spaces()?.into_iter().map(|space| (space.id().clone(), space)).collect();
        let tasks = store.tasks()?.into_iter().map(|task| (task.id.clone(), task)).collect();
        Ok(Import {
            built_in: options.built_in,
            definitions: Definitions { spaces, tasks },
            batch: Batch::default(),
            report: ImportReport::default(),
            other_metric: 0,
            extending: BTreeSet::new(),
        })
    }

    /// Sorts the lines of a chunk into the batch or among the refused.
    fn take(&mut self, chunk: Vec<RawLine>) {
        self.report.lines += chunk.len() as u64;
        let parsed: Vec<(u64, Result<Line, String>)> =
            chunk.into_par_iter().map(|line| (line.number, parse(line.bytes))).collect();
        // Runs of trials are checked together; a definition in between may change what fits.
        let mut trials: Vec<(u64, Trial)> = Vec::new();
        for (number, line) in parsed {
            match line {
                Ok(Line::Trial(trial)) => {
                    trials.push((number, trial));
                    continue;
                }
                definition => {
                    self.take_trials(std::mem::take(&mut trials));
                    self.take_definition(number, definition);
                }
            }
        }
        self.take_trials(trials);
        self.report.refused.sort_by_key(|refused| refused.line);
    }

    fn take_trials(&mut self, trials: Vec<(u64, Trial)>) {
        trials.iter().for_each(|(_, trial)| self.define_built_in(&trial.space));
        let check = |(number, trial): (u64, Trial)| match self.definitions.check_trial(&trial) {
            Ok((_, trial)) => Ok(trial),
            Err(error) => Err(Refused { line: number, why: error.to_string() }),
        };
        let checked: Vec<Result<Trial, Refused>> = trials.into_par_iter().map(check).collect();
        for trial in checked {
            match trial {
                Ok(trial) => {
                    self.other_metric += usize::from(self.is_of_other_metric(&trial));
                    self.batch.trials.push(trial);
                }
                Err(refused) => self.report.refused.push(refused),
            }
        }
    }

    /// Defines a space that is built in, if nothing has done so yet.
    fn define_built_in(&mut self, id: &Name) {
        if self.definitions.spaces.contains_key(id) {
            return;
        }
        if let Some(space) = self.built_in.and_then(|built_in| built_in(id)) {
            self.definitions.spaces.insert(id.clone(), space.clone());
            self.batch.spaces.push(space);
        }
    }

    /// Whether a space, which the base does not have yet, has the id of a built-in one and is another.
    fn redefines_built_in(&self, space: &SearchSpace) -> bool {
        let built_in = || self.built_in.and_then(|built_in| built_in(space.id()));
        !self.definitions.spaces.contains_key(space.id())
            && built_in().is_some_and(|built_in| built_in != *space)
    }

    /// Notes about spaces that extend what the base does not have.
    fn extended_unknown(&self) -> Vec<String> {
        let is_known = |space: &Name| {
            self.definitions.spaces.contains_key(space)
                || self.built_in.is_some_and(|built_in| built_in(space).is_some())
        };
        let spaces = self.extending.iter().filter_map(|id| self.definitions.spaces.get(id));
        let pairs =
            spaces.flat_map(|space| space.extends().iter().map(move |other| (space.id(), &other.space)));
        let unknown = pairs.filter(|(_, other)| !is_known(other));
        unknown
            .map(|(id, other)| format!("space {id:?} extends {other:?}, which the base does not have"))
            .collect()
    }

    /// Whether a trial that fits is one of those that teach nothing because their score is another than the task asks for.
    fn is_of_other_metric(&self, trial: &Trial) -> bool {
        let task = self.definitions.tasks.get(&trial.task);
        trial.split == Split::Validation && task.is_some_and(|task| task.metric != trial.metric)
    }

    fn take_definition(&mut self, number: u64, line: Result<Line, String>) {
        let fits = match line {
            Ok(Line::Space(space)) if self.redefines_built_in(&space) => Err(format!(
                "space {:?} is built in and defined otherwise; give this one an id of its own",
                space.id()
            )),
            Ok(Line::Space(space)) => match self.definitions.add_space(&space) {
                Ok(_) => {
                    self.extending.extend((!space.extends().is_empty()).then(|| space.id().clone()));
                    self.batch.spaces.push(space);
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Ok(Line::Task(task)) => self
                .definitions
                .add_task(&task)
                .map(|_| self.batch.tasks.push(task))
                .map_err(|error| error.to_string()),
            Ok(Line::Trial(_)) => Ok(()),
            Err(why) => Err(why),
        };
        if let Err(why) = fits {
            self.report.refused.push(Refused { line: number, why });
        }
    }

    fn commit(&mut self, store: &dyn KnowledgeStore) -> Result<(), JsonlError> {
        self.report.count(store.commit(&self.batch)?);
        self.batch = Batch::default();
        tracing::debug!(lines = self.report.lines, trials = self.acknowledged(), "committed");
        Ok(())
    }

    /// Trials of the file that are in the base.
    fn acknowledged(&self) -> u64 {
        (self.report.added.trials + self.report.known) as u64
    }
}

/// A note about trials whose scores are not what their task asks for.
fn of_other_metrics(n: usize) -> Option<String> {
    let (trials, them) = if n == 1 { ("trial is", "it") } else { ("trials are", "them") };
    let note = || {
        format!(
            "{n} validation {trials} in another metric than the task's: nothing is learned from {them}, for scores in \
             different metrics do not compare"
        )
    };
    (n > 0).then(note)
}

fn parse(bytes: Option<Vec<u8>>) -> Result<Line, String> {
    match bytes {
        Some(bytes) => Line::parse(&bytes),
        None => Err("the line is longer than 16 MiB".into()),
    }
}
