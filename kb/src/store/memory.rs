//! `MemoryStore`: a base that is gone when the program ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use super::checked::Definitions;
use super::group::Group;
use super::{
    Batch, Committed, Document, DocumentKind, KnowledgeStore, Stats, StoreError, TrialPage, TrialQuery,
};
use crate::schema::{SearchSpace, Task, Trial, TrialId};

/// A base in memory: for tests, for trying things out, and the plain statement of what a base does.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    definitions: Definitions,
    trials: BTreeMap<Group, Vec<Trial>>,
    places: HashMap<TrialId, (Group, usize)>,
    documents: BTreeMap<(DocumentKind, String), Vec<u8>>,
    revision: u64,
}

impl MemoryStore {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnowledgeStore for MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        let inner = &mut *self.write();
        let checked = inner.definitions.check(batch, |id| inner.places.contains_key(&id))?;
        let done = Committed::of(&checked);
        inner.definitions.take(&checked);
        for (group, trials) in checked.trials {
            let kept = inner.trials.entry(group.clone()).or_default();
            for (id, trial) in trials {
                inner.places.insert(id, (group.clone(), kept.len()));
                kept.push(trial);
            }
        }
        inner.revision += u64::from(done.changed());
        Ok(done)
    }

    fn spaces(&self) -> Result<Vec<SearchSpace>, StoreError> {
        Ok(self.read().definitions.spaces.values().cloned().collect())
    }

    fn tasks(&self) -> Result<Vec<Task>, StoreError> {
        Ok(self.read().definitions.tasks.values().cloned().collect())
    }

    fn trials(&self, query: &TrialQuery) -> Result<TrialPage, StoreError> {
        let limit = query.limit.unwrap_or(usize::MAX);
        let inner = self.read();
        let mut page = TrialPage::default();
        for (group, trials) in inner.trials.iter().filter(|(group, _)| group.is_asked(query)) {
            let first = group.first_asked(query);
            for (sequence, trial) in (first..).zip(trials.iter().skip(first as usize)) {
                if page.trials.len() == limit {
                    return Ok(page);
                }
                page.trials.push(trial.clone());
                page.next = (page.trials.len() == limit).then(|| group.cursor(sequence));
            }
        }
        // The last trial was the last there is.
        page.next = None;
        Ok(page)
    }

    fn trial(&self, id: TrialId) -> Result<Option<Trial>, StoreError> {
        let inner = self.read();
        Ok(inner.places.get(&id).map(|(group, at)| inner.trials[group][*at].clone()))
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let inner = self.read();
        let groups = inner.trials.iter().map(|(group, trials)| group.stats(trials.len() as u64)).collect();
        Ok(Stats { revision: inner.revision, groups })
    }

    fn put_document(&self, document: &Document) -> Result<(), StoreError> {
        let key = (document.kind, document.name.clone());
        self.write().documents.insert(key, document.bytes.clone());
        Ok(())
    }

    fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        let bytes = self.read().documents.get(&(kind, name.to_owned())).cloned();
        Ok(bytes.map(|bytes| Document { kind, name: name.to_owned(), bytes }))
    }

    fn document_names(&self, kind: DocumentKind) -> Result<Vec<String>, StoreError> {
        Ok(self.read().documents.keys().filter(|key| key.0 == kind).map(|key| key.1.clone()).collect())
    }
}
