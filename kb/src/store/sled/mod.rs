//! `SledStore`: a base on the disk. The layout is written down in `FORMAT.md`.

mod block;
mod copy;
mod documents;
#[cfg(test)]
mod faults;
mod files;
mod keys;
mod mend;
mod receipt;
#[cfg(test)]
mod receipt_tests;
mod record;
mod writes;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rayon::prelude::*;

use super::checked::{CheckedBatch, Definitions};
use super::group::Group;
use super::{
    Batch, Committed, Document, DocumentKind, KnowledgeStore, Stats, StoreError, TrialPage, TrialQuery,
};
use crate::schema::{SearchSpace, Task, Trial, TrialId};
use block::Block;
use copy::BaseCopy;
pub use copy::CopiedAs;
use files::Files;
use writes::Writes;

/// The format that this version writes, and the newest it reads.
const FORMAT: u32 = 1;

/// A base in one folder, on sled 0.34. One process at a time.
///
/// An acknowledged commit is on the disk: sled's own flush leaves the data in the page cache, so the store
/// synchronises the files itself.
#[derive(Debug)]
pub struct SledStore {
    files: Files,
    inner: RwLock<Inner>,
    /// Gone after the files in it are closed.
    _copy: Option<BaseCopy>,
}

/// What is kept in memory. The lock also sees to it that no reader meets a group whose blocks are being merged.
#[derive(Debug, Default)]
struct Inner {
    definitions: Definitions,
    /// Trials of each group, which are numbered from 0.
    counts: BTreeMap<Group, u64>,
    /// Where each trial is; read from the blocks' heads when first needed.
    places: Option<HashMap<TrialId, (Group, u64)>>,
    revision: u64,
}

impl SledStore {
    /// Whether there is something in a folder that could be a base.
    #[must_use]
    pub fn is_at(dir: &Path) -> bool {
        files::is_database(dir)
    }

    /// Opens the base in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`StoreError::OtherFiles`], [`StoreError::InUse`], [`StoreError::ReadOnly`], [`StoreError::NewerFormat`], [`StoreError::Corrupt`], [`StoreError::Lost`], [`StoreError::Database`] or
    /// [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if SledStore::is_at(dir) && copy::is_read_only(dir) {
            return Err(StoreError::ReadOnly { path: dir.display().to_string() });
        }
        let files = Files::open(dir)?;
        let mut inner = Inner::read(&files)?;
        if (!files.was_closed() || !mend::tails_agree(&files, &inner)) && mend::mend(&files, &inner)? {
            inner = Inner::read(&files)?;
        }
        Ok(SledStore { files, inner: RwLock::new(inner), _copy: None })
    }

    /// Opens the base in a folder for one who only reads. Where it is in use or nothing can be written, that is a copy of it as it is
    /// now, with the reason; what is written to a copy is gone with it.
    ///
    /// # Errors
    /// As [`SledStore::open`]; [`StoreError::InUse`] only where it is written to without a pause.
    pub fn open_to_read(dir: &Path) -> Result<(Self, Option<CopiedAs>), StoreError> {
        let reason = match copy::reason(dir) {
            Some(reason) => reason,
            None => match SledStore::open(dir) {
                Err(StoreError::InUse { .. }) => CopiedAs::InUse,
                opened => return Ok((opened?, None)),
            },
        };
        let copy = BaseCopy::of(dir)?;
        let store = SledStore::open(copy.path())?;
        Ok((SledStore { _copy: Some(copy), ..store }, Some(reason)))
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked for writing, with the places of all trials at hand.
    fn write(&self) -> Result<RwLockWriteGuard<'_, Inner>, StoreError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.places.is_none() {
            inner.places = Some(self.read_places(&inner)?);
        }
        Ok(inner)
    }

    fn read_places(&self, inner: &Inner) -> Result<HashMap<TrialId, (Group, u64)>, StoreError> {
        let mut places = HashMap::new();
        for group in inner.counts.keys() {
            for entry in self.files.scan(&keys::group_prefix(group)) {
                let (key, value) = entry?;
                let first = keys::first_sequence(&key)?;
                let ids = block::ids(&key, &value)?;
                places.extend(
                    ids.into_iter().zip(first..).map(|(id, sequence)| (id, (group.clone(), sequence))),
                );
            }
        }
        Ok(places)
    }

    /// The blocks of a group from the one that holds a sequence number on.
    fn blocks_from(
        &self,
        group: &Group,
        sequence: u64,
    ) -> impl Iterator<Item = Result<(::sled::IVec, ::sled::IVec), StoreError>> {
        let prefix = keys::group_prefix(group);
        let upto = keys::block(group, sequence);
        let holding = self.files.tree().range(prefix..=upto.clone()).next_back();
        let start = holding.and_then(Result::ok).map_or(upto, |(key, _)| key.to_vec());
        self.files.range(start, keys::group_end(group))
    }

    /// What a checked batch changes: definitions, blocks and counters.
    fn write_batch(&self, inner: &Inner, checked: &CheckedBatch) -> Result<Writes, StoreError> {
        let mut batch = Writes::default();
        for space in &checked.spaces {
            batch.insert(keys::space(space.id()), record::json(space));
        }
        for task in &checked.tasks {
            batch.insert(keys::task(&task.id), record::json(task));
        }
        for (group, trials) in &checked.trials {
            let count = inner.counts.get(group).copied().unwrap_or(0);
            let space = inner.definitions.spaces.get(&group.space);
            let space = space.or_else(|| checked.spaces.iter().find(|space| *space.id() == group.space));
            let space = space.expect("a checked trial's space is defined");
            self.write_trials(&mut batch, group, space, count, trials)?;
            batch.insert(keys::count(group), record::number(count + trials.len() as u64));
        }
        batch.insert(keys::REVISION, record::number(inner.revision + 1));
        Ok(batch)
    }

    /// New trials go into blocks; older blocks at the end that are no larger than what follows them are taken in,
    /// so that trials that come one by one still end up in large blocks, each rewritten a logarithmic number of times.
    fn write_trials(
        &self,
        batch: &mut Writes,
        group: &Group,
        space: &SearchSpace,
        count: u64,
        trials: &[(TrialId, Trial)],
    ) -> Result<(), StoreError> {
        let mut merged = Block::new(count, trials.to_vec());
        for entry in self.files.scan(&keys::group_prefix(group)).rev() {
            let (key, value) = entry?;
            if block::ids(&key, &value)?.len() > merged.len() || merged.is_full() {
                break;
            }
            merged.prepend(Block::decode(&key, &value, group, space)?);
            batch.remove(key);
        }
        let encoded: Vec<_> = merged.split().par_iter().map(|block| block.encode(space)).collect();
        for (first, value) in encoded {
            batch.insert(keys::block(group, first), value);
        }
        Ok(())
    }
}

impl Inner {
    fn read(files: &Files) -> Result<Self, StoreError> {
        let mut inner = Inner::default();
        let tree = files.tree();
        let format =
            files.get(keys::FORMAT)?.map(|value| record::read_number(keys::FORMAT, &value)).transpose()?;
        match format {
            None if tree.is_empty() => {
                files.put(keys::FORMAT, record::number(u64::from(FORMAT)))?;
            }
            None => {
                let reason = "the database holds data, but not of a base".into();
                return Err(StoreError::Corrupt { key: keys::show(keys::FORMAT), reason });
            }
            Some(found) if found > u64::from(FORMAT) => {
                return Err(StoreError::NewerFormat { found: found as u32, known: FORMAT });
            }
            Some(_) => {}
        }
        if let Some(value) = files.get(keys::REVISION)? {
            inner.revision = record::read_number(keys::REVISION, &value)?;
        }
        for entry in files.scan(keys::SPACES) {
            let (key, value) = entry?;
            let space: SearchSpace = record::read_json(&key, &value)?;
            inner.definitions.spaces.insert(space.id().clone(), space);
        }
        for entry in files.scan(keys::TASKS) {
            let (key, value) = entry?;
            let task: Task = record::read_json(&key, &value)?;
            inner.definitions.tasks.insert(task.id.clone(), task);
        }
        for entry in files.scan(keys::COUNTS) {
            let (key, value) = entry?;
            inner.counts.insert(keys::read_group(&key)?, record::read_number(&key, &value)?);
        }
        Ok(inner)
    }

    /// Takes in what has been written.
    fn take(&mut self, checked: CheckedBatch) {
        self.definitions.take(&checked);
        self.revision += 1;
        for (group, trials) in checked.trials {
            let count = self.counts.entry(group.clone()).or_default();
            if let Some(places) = &mut self.places {
                places.extend(trials.iter().zip(*count..).map(|((id, _), at)| (*id, (group.clone(), at))));
            }
            *count += trials.len() as u64;
        }
    }
}

impl KnowledgeStore for SledStore {
    fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        let mut inner = self.write()?;
        let places = inner.places.as_ref().expect("a locked store has its places");
        let checked = inner.definitions.check(batch, |id| places.contains_key(&id))?;
        let done = Committed::of(&checked);
        if done.changed() {
            self.files.apply(self.write_batch(&inner, &checked)?)?;
            inner.take(checked);
        }
        Ok(done)
    }

    fn spaces(&self) -> Result<Vec<SearchSpace>, StoreError> {
        Ok(self.read().definitions.spaces.values().cloned().collect())
    }

    fn tasks(&self) -> Result<Vec<Task>, StoreError> {
        Ok(self.read().definitions.tasks.values().cloned().collect())
    }

    fn trials(&self, query: &TrialQuery) -> Result<TrialPage, StoreError> {
        let inner = self.read();
        // One more than asked for tells whether there is a next page.
        let limit = query.limit.map_or(u64::MAX, |limit| limit as u64 + 1);
        let mut found = 0;
        let mut blocks = Vec::new();
        for (group, count) in inner.counts.iter().filter(|(group, _)| group.is_asked(query)) {
            let first = group.first_asked(query);
            if first >= *count {
                continue;
            }
            for entry in self.blocks_from(group, first) {
                if found >= limit {
                    break;
                }
                let (key, value) = entry?;
                let start = keys::first_sequence(&key)?;
                let skip = first.saturating_sub(start);
                found += block::ids(&key, &value)?.len() as u64 - skip;
                blocks.push((group, skip as usize, start, key, value));
            }
        }
        let decoded = blocks.par_iter().map(|(group, skip, start, key, value)| {
            let space = &inner.definitions.spaces[&group.space];
            Ok((*group, *skip, *start, Block::decode(key, value, group, space)?))
        });
        let decoded: Vec<(&Group, usize, u64, Block)> = decoded.collect::<Result<_, StoreError>>()?;
        let trials = decoded.into_iter().flat_map(|(group, skip, start, block)| {
            let numbered = block.into_trials().into_iter().zip(start..).skip(skip);
            numbered.map(move |(trial, sequence)| (group, sequence, trial))
        });
        Ok(page(trials, query.limit))
    }

    fn trial(&self, id: TrialId) -> Result<Option<Trial>, StoreError> {
        let inner = self.write()?;
        let places = inner.places.as_ref().expect("a locked store has its places");
        let Some((group, sequence)) = places.get(&id) else { return Ok(None) };
        let space = &inner.definitions.spaces[&group.space];
        let Some(entry) = self.blocks_from(group, *sequence).next() else { return Ok(None) };
        let (key, value) = entry?;
        let skip = sequence - keys::first_sequence(&key)?;
        Ok(Block::decode(&key, &value, group, space)?.into_trials().into_iter().nth(skip as usize))
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let inner = self.read();
        let groups = inner.counts.iter().map(|(group, count)| group.stats(*count)).collect();
        Ok(Stats { revision: inner.revision, groups })
    }

    fn put_document(&self, document: &Document) -> Result<(), StoreError> {
        let _alone = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        documents::put(&self.files, document)
    }

    fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        let _steady = self.read();
        documents::get(&self.files, kind, name)
    }

    fn document_names(&self, kind: DocumentKind) -> Result<Vec<String>, StoreError> {
        let _steady = self.read();
        documents::names(&self.files, kind)
    }
}

/// The first `limit` trials, and a cursor if there are more.
fn page<'a>(trials: impl Iterator<Item = (&'a Group, u64, Trial)>, limit: Option<usize>) -> TrialPage {
    let limit = limit.unwrap_or(usize::MAX);
    let mut page = TrialPage::default();
    let mut last = None;
    for (group, sequence, trial) in trials {
        if page.trials.len() == limit {
            page.next = last.map(|(group, sequence): (&Group, u64)| group.cursor(sequence));
            break;
        }
        page.trials.push(trial);
        last = Some((group, sequence));
    }
    page
}
