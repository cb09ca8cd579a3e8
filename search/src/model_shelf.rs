//! `ModelShelf`: fitted models of past tasks, kept in the base.

use std::sync::Arc;

use heirloom_kb::{Document, DocumentKind, KnowledgeStore, Name};
use heirloom_predictor::{TaskModel, TaskModels, TaskScores, TrainingTable};

use crate::SearchError;

/// Raised when models of before would be read wrongly or are no longer those that would be fitted.
const FORMAT: u32 = 1;
/// Bytes of a digest before a model's own.
const DIGEST: usize = blake3::OUT_LEN;

/// The models of one space's tasks as the base keeps them: each with a digest of the trials and the encoding that it was
/// fitted on, so that a model is taken for what it is only as long as nothing has changed.
pub(crate) struct ModelShelf<'a> {
    store: &'a dyn KnowledgeStore,
    space: &'a Name,
}

impl<'a> ModelShelf<'a> {
    pub(crate) fn new(store: &'a dyn KnowledgeStore, space: &'a Name) -> Self {
        ModelShelf { store, space }
    }

    /// The models that are still true, but for the tasks in `known`.
    pub(crate) fn take(
        &self,
        table: &TrainingTable,
        known: &[Arc<TaskModel>],
    ) -> Result<Vec<Arc<TaskModel>>, SearchError> {
        let mut models = Vec::new();
        for scores in table.tasks() {
            if known.iter().any(|model| model.task == scores.task) {
                continue;
            }
            let document = self.store.document(DocumentKind::Model, &self.name(&scores.task))?;
            let model = document.and_then(|document| read(&document.bytes, &digest(scores, table)));
            models.extend(model.map(Arc::new));
        }
        Ok(models)
    }

    /// Keeps the models that are not among `kept` already. A base that cannot be written to is no reason to fail: the models
    /// are fitted again next time.
    pub(crate) fn keep(&self, table: &TrainingTable, models: &TaskModels, kept: &[Arc<TaskModel>]) {
        for (scores, model) in table.tasks().iter().zip(models.models()) {
            if kept.iter().any(|old| Arc::ptr_eq(old, model)) {
                continue;
            }
            let name = self.name(&scores.task);
            let kept =
                write(model, &digest(scores, table)).map_err(|error| error.to_string()).and_then(|bytes| {
                    let document = Document { kind: DocumentKind::Model, name: name.clone(), bytes };
                    self.store.put_document(&document).map_err(|error| error.to_string())
                });
            if let Err(error) = kept {
                tracing::warn!(model = %name, %error, "a fitted model could not be kept");
            }
        }
    }

    fn name(&self, task: &Name) -> String {
        format!("{} on {task}", self.space)
    }
}

/// What a model depends on: the format, the columns, the rows and the scores.
fn digest(scores: &TaskScores, table: &TrainingTable) -> [u8; DIGEST] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&FORMAT.to_le_bytes());
    for feature in table.encoder().features() {
        hasher.update(feature.name.as_bytes());
        hasher.update(b"\0");
    }
    for (row, z) in scores.rows.iter().zip(&scores.z) {
        hasher.update(&z.to_bits().to_le_bytes());
        for value in table.encoder().key(&table.architectures()[*row]) {
            hasher.update(&value.to_le_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

fn write(model: &TaskModel, digest: &[u8; DIGEST]) -> Result<Vec<u8>, std::io::Error> {
    let plain = postcard::to_stdvec(model).map_err(std::io::Error::other)?;
    let packed = zstd::encode_all(plain.as_slice(), 1)?;
    Ok([digest.as_slice(), &packed].concat())
}

/// The model, if it is of this digest and whole.
fn read(bytes: &[u8], digest: &[u8; DIGEST]) -> Option<TaskModel> {
    let (found, packed) = bytes.split_at_checked(DIGEST)?;
    if found != digest {
        return None;
    }
    postcard::from_bytes(&zstd::decode_all(packed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Batch, Domain, Goal, MemoryStore, SearchSpace, Split, Task, Trial};

    use super::*;
    use crate::SpaceHistory;

    fn trial(a: i64, score: f64) -> Trial {
        let architecture: Architecture = [("a", a)].into_iter().collect();
        Trial::new("t", "s/1", architecture, Split::Validation, "accuracy", score)
    }

    fn base() -> MemoryStore {
        let space: SearchSpace = serde_json::from_str(
            r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":30}}]}"#,
        )
        .unwrap();
        let store = MemoryStore::default();
        let trials = (0..20).map(|a| trial(a, a as f64)).collect();
        let tasks = vec![Task::new("t", Domain::Tabular, "accuracy", Goal::Maximize)];
        store.commit(&Batch { spaces: vec![space], tasks, trials }).unwrap();
        store
    }

    #[test]
    fn a_model_is_kept_found_again_and_fitted_anew_when_trials_arrive() {
        let store = base();
        let space: Name = "s/1".into();
        let fresh = SpaceHistory::load(&store, &space, None).unwrap();
        let names = store.document_names(DocumentKind::Model).unwrap();
        assert_eq!(names, ["s/1 on t"]);
        let kept = store.document(DocumentKind::Model, &names[0]).unwrap().unwrap();
        let again = SpaceHistory::load(&store, &space, None).unwrap();
        assert_eq!(fresh.pool().views.by_task, again.pool().views.by_task, "kept models say the same");
        let shelf = ModelShelf::new(&store, &space);
        assert_eq!(shelf.take(again.table(), &[]).unwrap().len(), 1);
        store.append(&[trial(25, -3.0)]).unwrap();
        let later = SpaceHistory::load(&store, &space, None).unwrap();
        assert_ne!(again.pool().views.by_task, later.pool().views.by_task);
        assert_ne!(store.document(DocumentKind::Model, &names[0]).unwrap().unwrap(), kept);
    }

    #[test]
    fn a_history_that_takes_over_another_is_the_same_as_a_fresh_one() {
        let store = base();
        let space: Name = "s/1".into();
        let first = SpaceHistory::load(&store, &space, None).unwrap();
        let mut other = Task::new("u", Domain::Tabular, "accuracy", Goal::Maximize);
        other.meta_features.insert("n_samples".into(), 9.0);
        let mut trials: Vec<Trial> = (3..15).map(|a| trial(a, -(a as f64))).collect();
        trials.iter_mut().for_each(|trial| trial.task = "u".into());
        store.commit(&Batch { tasks: vec![other], trials, ..Batch::default() }).unwrap();
        let taken_over = SpaceHistory::load(&store, &space, Some(&first)).unwrap();
        let fresh = SpaceHistory::load(&store, &space, None).unwrap();
        assert_eq!(taken_over.pool().architectures, fresh.pool().architectures);
        assert_eq!(taken_over.pool().views.x, fresh.pool().views.x);
        let gaps = &taken_over.pool().views.by_task - &fresh.pool().views.by_task;
        assert!(gaps.iter().all(|gap| gap.abs() < 1e-12), "{gaps}");
    }

    #[test]
    fn damaged_bytes_are_no_model() {
        let store = base();
        let space: Name = "s/1".into();
        let history = SpaceHistory::load(&store, &space, None).unwrap();
        let mut document = store.document(DocumentKind::Model, "s/1 on t").unwrap().unwrap();
        let last = document.bytes.len() - 1;
        document.bytes.truncate(last / 2);
        store.put_document(&document).unwrap();
        assert!(ModelShelf::new(&store, &space).take(history.table(), &[]).unwrap().is_empty());
        document.bytes.clear();
        store.put_document(&document).unwrap();
        assert!(SpaceHistory::load(&store, &space, None).is_ok());
    }
}
