//! `ModelShelf`: fitted models of past tasks, kept in the base.

use std::sync::Arc;

use heirloom_kb::{Architecture, Document, DocumentKind, KnowledgeStore, Name};
use heirloom_predictor::{TaskModel, TaskModels, TaskScores, TrainingTable};
use ndarray::Array2;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SearchError;

/// Raised when models of before would be read wrongly or are no longer those that would be fitted.
const FORMAT: u32 = 3;
/// Opinions of tasks on candidates from which on they are kept: a few tenths of a second of rating.
const LONG: usize = 20_000;
/// Bytes of a digest before a model's own.
const DIGEST: usize = blake3::OUT_LEN;

/// The models of one space's tasks as the base keeps them: each with a digest of the trials and the encoding that it was
/// fitted on, so that a model is taken for what it is only as long as nothing has changed.
pub(crate) struct ModelShelf<'a> {
    store: &'a dyn KnowledgeStore,
    space: &'a Name,
}

/// Architectures that models are asked about time and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rated {
    /// The space's own pool.
    Candidates,
    /// What past tasks have tried, to see how far they foretell each other.
    Probes,
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
            self.put(&self.name(&scores.task), &**model, &digest(scores, table));
        }
    }

    /// What the models say of architectures, `(n, T)`, if it was kept and is still true.
    pub(crate) fn opinions(
        &self,
        of: Rated,
        table: &TrainingTable,
        architectures: &[Architecture],
    ) -> Result<Option<Array2<f64>>, SearchError> {
        if !is_long(architectures, table) {
            return Ok(None);
        }
        let document = self.store.document(DocumentKind::Model, &self.rated_name(of))?;
        let values: Option<Vec<f64>> =
            document.and_then(|document| read(&document.bytes, &pool_digest(table, architectures)));
        let shape = (architectures.len(), table.tasks().len());
        Ok(values.and_then(|values| Array2::from_shape_vec(shape, values).ok()))
    }

    /// Keeps what the models say of architectures, where saying it again would take long.
    pub(crate) fn keep_opinions(
        &self,
        of: Rated,
        table: &TrainingTable,
        architectures: &[Architecture],
        by_task: &Array2<f64>,
    ) {
        if is_long(architectures, table) {
            let values: Vec<f64> = by_task.iter().copied().collect();
            self.put(&self.rated_name(of), &values, &pool_digest(table, architectures));
        }
    }

    fn put(&self, name: &str, what: &impl Serialize, digest: &[u8; DIGEST]) {
        let kept = write(what, digest).map_err(|error| error.to_string()).and_then(|bytes| {
            let document = Document { kind: DocumentKind::Model, name: name.to_owned(), bytes };
            self.store.put_document(&document).map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::warn!(model = %name, %error, "a fitted model could not be kept");
        }
    }

    fn rated_name(&self, of: Rated) -> String {
        match of {
            // No task has the empty name.
            Rated::Candidates => self.name(&"".into()),
            Rated::Probes => format!("{} probed", self.space),
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
        for value in table.key(*row) {
            hasher.update(&value.to_le_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

/// Whether rating candidates takes so long that it is kept.
fn is_long(architectures: &[Architecture], table: &TrainingTable) -> bool {
    architectures.len() * table.tasks().len() >= LONG
}

/// What opinions on candidates depend on: all models, and the candidates.
fn pool_digest(table: &TrainingTable, architectures: &[Architecture]) -> [u8; DIGEST] {
    let mut hasher = blake3::Hasher::new();
    for scores in table.tasks() {
        hasher.update(&digest(scores, table));
    }
    for architecture in architectures {
        for value in table.encoder().key(architecture) {
            hasher.update(&value.to_le_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

fn write(model: &impl Serialize, digest: &[u8; DIGEST]) -> Result<Vec<u8>, std::io::Error> {
    let plain = postcard::to_stdvec(model).map_err(std::io::Error::other)?;
    let packed = zstd::encode_all(plain.as_slice(), 1)?;
    Ok([digest.as_slice(), &packed].concat())
}

/// What was written, if it is of this digest and whole.
fn read<T: DeserializeOwned>(bytes: &[u8], digest: &[u8; DIGEST]) -> Option<T> {
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

    /// A space so large that what its models say of it is kept, and trials of one task in it.
    #[test]
    fn opinions_on_many_candidates_are_kept_until_a_trial_arrives() {
        let space: SearchSpace = serde_json::from_str(
            r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":24999}}]}"#,
        )
        .unwrap();
        let store = MemoryStore::default();
        let trials = (0..20).map(|a| trial(1_000 * a, a as f64)).collect();
        let tasks = vec![Task::new("t", Domain::Tabular, "accuracy", Goal::Maximize)];
        store.commit(&Batch { spaces: vec![space], tasks, trials }).unwrap();
        let space: Name = "s/1".into();
        let fresh = SpaceHistory::load(&store, &space, None).unwrap();
        let (pool, shelf) = (fresh.pool(), ModelShelf::new(&store, &space));
        let kept = || shelf.opinions(Rated::Candidates, fresh.table(), &pool.architectures).unwrap();
        assert_eq!(kept().as_ref(), Some(&pool.views.by_task));
        assert_eq!(
            shelf.opinions(Rated::Candidates, fresh.table(), &pool.architectures[..24_000]).unwrap(),
            None
        );
        let again = SpaceHistory::load(&store, &space, None).unwrap();
        assert_eq!(again.pool().views.by_task, pool.views.by_task);
        store.append(&[trial(500, 30.0)]).unwrap();
        let later = SpaceHistory::load(&store, &space, None).unwrap();
        assert_ne!(later.pool().views.by_task, pool.views.by_task);
        assert_eq!(kept(), None, "of the trials of before");
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
