//! The store: where tasks, spaces, trials and fitted models are kept.

mod checked;
#[cfg(test)]
mod conformance;
mod error;
mod group;
mod memory;
mod query;
mod sled;

use std::path::Path;
use std::sync::Arc;

pub(crate) use checked::Definitions;
pub use error::StoreError;
pub use memory::MemoryStore;
pub use query::{Cursor, TrialPage, TrialQuery};
pub use sled::{CopiedAs, SledStore};

use crate::schema::{Name, SearchSpace, Split, Task, Trial, TrialId};

/// Records to be kept together or not at all. Spaces and tasks count as defined for the trials beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Search spaces; one that is known with other content refuses the batch.
    pub spaces: Vec<SearchSpace>,
    /// Tasks; one that is known is merged, see [`Task::merged_with`].
    pub tasks: Vec<Task>,
    /// Trials; one that is known is left alone.
    pub trials: Vec<Trial>,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Spaces that are new to the base.
    pub spaces_added: usize,
    /// Tasks that are new to the base or gained meta-features.
    pub tasks_added: usize,
    /// Trials that are new to the base.
    pub trials_added: usize,
    /// Trials the base already had, also those that stand twice in the batch.
    pub trials_known: usize,
}

impl Committed {
    fn of(checked: &checked::CheckedBatch) -> Self {
        Committed {
            spaces_added: checked.spaces.len(),
            tasks_added: checked.tasks.len(),
            trials_added: checked.added,
            trials_known: checked.known,
        }
    }

    /// Whether the base is other than before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.spaces_added + self.tasks_added + self.trials_added > 0
    }
}

/// How many trials a (task, space, split) has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStats {
    /// The task's id.
    pub task: Name,
    /// The space's id.
    pub space: Name,
    /// The split.
    pub split: Split,
    /// The number of trials.
    pub trials: u64,
}

/// The size of a base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rises with every commit that changed something; a cache made at one revision is good as long as it stays.
    pub revision: u64,
    /// Trials by task, space and split, in that order.
    pub groups: Vec<GroupStats>,
}

impl Stats {
    /// All trials of the base.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.groups.iter().map(|group| group.trials).sum()
    }
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A fitted surrogate.
    Model,
    /// The set-up of a study.
    Study,
}

/// Bytes that others keep in the base under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Its name, unique among its kind.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A base of tasks, spaces, trials and documents. It speaks records, not bytes, and every back end passes one
/// conformance suite.
///
/// Calls block on the disk: async code reaches them through `spawn_blocking`.
pub trait KnowledgeStore: Send + Sync {
    /// Keeps a batch: all of it or nothing, and on the disk when this returns. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a record does not fit; then nothing of the batch was kept.
    fn commit(&self, batch: &Batch) -> Result<Committed, StoreError>;

    /// Keeps trials of known tasks and spaces: [`KnowledgeStore::commit`] of a batch with nothing else.
    ///
    /// # Errors
    /// As [`KnowledgeStore::commit`].
    fn append(&self, trials: &[Trial]) -> Result<Committed, StoreError> {
        self.commit(&Batch { trials: trials.to_vec(), ..Batch::default() })
    }

    /// All search spaces, by id.
    ///
    /// # Errors
    /// Of the back end.
    fn spaces(&self) -> Result<Vec<SearchSpace>, StoreError>;

    /// All tasks, by id.
    ///
    /// # Errors
    /// Of the back end.
    fn tasks(&self) -> Result<Vec<Task>, StoreError>;

    /// The trials a query asks for, ordered by task, space, split and time of arrival.
    ///
    /// # Errors
    /// Of the back end; [`StoreError::BadCursor`] for a cursor that is none.
    fn trials(&self, query: &TrialQuery) -> Result<TrialPage, StoreError>;

    /// The trial of this id, if the base has it.
    ///
    /// # Errors
    /// Of the back end.
    fn trial(&self, id: TrialId) -> Result<Option<Trial>, StoreError>;

    /// The size of the base, without reading its trials.
    ///
    /// # Errors
    /// Of the back end.
    fn stats(&self) -> Result<Stats, StoreError>;

    /// Keeps a document, replacing one of its kind and name.
    ///
    /// # Errors
    /// Of the back end.
    fn put_document(&self, document: &Document) -> Result<(), StoreError>;

    /// The document of this kind and name, if there is one.
    ///
    /// # Errors
    /// Of the back end.
    fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError>;

    /// The names of all documents of a kind, in order.
    ///
    /// # Errors
    /// Of the back end.
    fn document_names(&self, kind: DocumentKind) -> Result<Vec<String>, StoreError>;
}

/// Opens the base at a URL: `sled:///path/to/folder` (made if it is not there) or `memory:` (gone at the end).
///
/// # Errors
/// [`StoreError::BadUrl`], [`StoreError::InUse`] when another process has it, [`StoreError::OtherFiles`] for a folder that
/// holds something else, or what the back end says.
pub fn open(url: &str) -> Result<Arc<dyn KnowledgeStore>, StoreError> {
    match folder(url)? {
        Some(folder) => Ok(Arc::new(SledStore::open(folder)?)),
        None => Ok(Arc::new(MemoryStore::default())),
    }
}

/// The same for those who need one that is there: it is not made, for the path may be mistyped.
///
/// # Errors
/// As [`open`], and [`StoreError::NoBase`].
pub fn open_existing(url: &str) -> Result<Arc<dyn KnowledgeStore>, StoreError> {
    existing_folder(url)?;
    open(url)
}

/// The same for those who only read, see [`SledStore::open_to_read`].
///
/// # Errors
/// As [`open_existing`].
pub fn open_to_read(url: &str) -> Result<(Arc<dyn KnowledgeStore>, Option<CopiedAs>), StoreError> {
    match existing_folder(url)? {
        Some(folder) => {
            let (store, copied) = SledStore::open_to_read(folder)?;
            Ok((Arc::new(store), copied))
        }
        None => Ok((open(url)?, None)),
    }
}

/// The folder that a URL names, with a base in it; none for a base in memory.
fn existing_folder(url: &str) -> Result<Option<&Path>, StoreError> {
    match folder(url)? {
        Some(folder) if !SledStore::is_at(folder) => {
            Err(StoreError::NoBase { path: folder.display().to_string() })
        }
        found => Ok(found),
    }
}

/// The folder that a URL names; none for a base in memory.
fn folder(url: &str) -> Result<Option<&Path>, StoreError> {
    if url == "memory:" {
        return Ok(None);
    }
    let path = url.strip_prefix("sled://").or_else(|| url.strip_prefix("sled:"));
    let path = path.filter(|path| !path.is_empty()).map(Path::new);
    path.map(Some).ok_or_else(|| StoreError::BadUrl { url: url.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_make_no_base_and_no_one_makes_one_among_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        let url = format!("sled://{}", path.display());
        let missing = open_existing(&url).err().unwrap().to_string();
        assert!(missing.contains("there is no base at") && missing.contains("heirloom init"), "{missing}");
        assert!(!path.exists());
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(open_existing(&url), Err(StoreError::NoBase { .. })));
        drop(open(&url).unwrap());
        drop(open_existing(&url).unwrap());
        assert!(open_existing("memory:").is_ok());

        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("letter.txt"), "dear").unwrap();
        let url = format!("sled://{}", other.display());
        assert!(matches!(open(&url), Err(StoreError::OtherFiles { .. })));
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    }
}
