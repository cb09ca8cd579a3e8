//! `SpaceHistory`: everything that past trials in one search space say, ready to be asked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use heirloom_kb::{Architecture, KnowledgeStore, Name, SearchSpace, Split, Task, Trial, TrialId};
use heirloom_predictor::{
    Agreement, PastTasks, TaskModel, TaskModels, TaskScores, TrainingTable, TransferModel, Views,
};

use crate::model_shelf::{ModelShelf, Rated};
use crate::past_columns::PastColumns;
use crate::pool::{Pool, lists, own_pool, views};
use crate::space_account::SpaceAccount;
use crate::space_trials::{Origin, space_trials_and_origins};
use crate::spaces::any_network;
use crate::{SearchError, spaces};

/// Everything that past trials in one search space say: the table of scores, one model a task, and the space's own
/// pool of candidates as these models see it. Which task is the new one is decided when it is asked, so one
/// serves every task.
pub struct SpaceHistory {
    account: SpaceAccount,
    table: Arc<TrainingTable>,
    models: TaskModels,
    agreement: Arc<Agreement>,
    /// What that is told from: some architectures of each task.
    probes: Arc<Pool>,
    pool: Arc<Pool>,
    read: Read,
}

/// What is known of trials beside the table.
#[derive(Clone, Default)]
struct Read {
    /// Validation trials of each task whose metric is not the task's, which count nowhere.
    other_metric: BTreeMap<Name, usize>,
    /// Ids in the base of trials that were made in another space.
    origins: HashMap<TrialId, TrialId>,
}

impl SpaceHistory {
    /// Reads the trials of a space and fits what there is to fit. What `earlier` holds that is still true is taken over: only
    /// tasks with new trials are read, and the answers are those of a history that is loaded without it.
    ///
    /// # Errors
    /// [`SearchError::UnknownSpace`], or of the store.
    pub fn load(
        store: &dyn KnowledgeStore,
        space: &Name,
        earlier: Option<&SpaceHistory>,
    ) -> Result<Self, SearchError> {
        let space =
            if &**space == any_network::ID { any_network::space() } else { find_space(store, space)? };
        let account = SpaceAccount::of(store, space)?;
        let known = earlier.and_then(|earlier| Some((earlier, account.since(&earlier.account)?)));
        let (earlier, news) = known.map_or_else(|| (None, account.telling()), |(a, b)| (Some(a), b));
        let news: Vec<Task> = news.into_iter().cloned().collect();
        if let Some(earlier) = earlier.filter(|_| news.is_empty()) {
            return Ok(earlier.of_account(account));
        }
        let canonical = |architecture: &Architecture| spaces::canonical(account.space.id(), architecture);
        let empty = TrainingTable::empty(&account.space, spaces::descriptors(account.space.id()));
        let mut growth = earlier.map_or(&empty, |earlier| &earlier.table).grow();
        let mut read = earlier.map(|earlier| earlier.read.clone()).unwrap_or_default();
        // One task at a time: trials take many times the memory of what is made of them.
        for task in &news {
            let (trials, origins) = space_trials_and_origins(store, &account.space, &task.id)?;
            growth.take(task, &trials, canonical)?;
            read.take(task, &trials, origins);
        }
        let table = growth.finish();
        let is_new = |model: &Arc<TaskModel>| news.iter().any(|task| task.id == model.task);
        let earlier_models = earlier.iter().flat_map(|earlier| earlier.models.models());
        let known = earlier_models.filter(|model| !is_new(model)).cloned().collect();
        SpaceHistory::fitted(account, table, read, known, Some(store), earlier)
    }

    /// The history that these trials are, wherever they come from.
    ///
    /// # Errors
    /// Of the surrogate.
    pub fn from_trials(space: SearchSpace, tasks: Vec<Task>, trials: &[Trial]) -> Result<Self, SearchError> {
        let canonical = |architecture: &Architecture| spaces::canonical(space.id(), architecture);
        let table = TrainingTable::new(&space, &tasks, trials, canonical, spaces::descriptors(space.id()))?;
        let mut read = Read::default();
        tasks.iter().for_each(|task| read.take(task, trials, Vec::new()));
        let account = SpaceAccount::outside(space, tasks);
        SpaceHistory::fitted(account, table, read, Vec::new(), None, None)
    }

    /// A history with the models of its table: those `known`, those on the shelf of a base, and the others fitted.
    fn fitted(
        account: SpaceAccount,
        table: TrainingTable,
        read: Read,
        mut known: Vec<Arc<TaskModel>>,
        shelf: Option<&dyn KnowledgeStore>,
        earlier: Option<&SpaceHistory>,
    ) -> Result<Self, SearchError> {
        tracing::debug!(space = %account.space.id(), architectures = table.architectures().len(), "table made");
        let shelf = shelf.map(|store| ModelShelf::new(store, account.space.id()));
        if let Some(shelf) = &shelf {
            known.extend(shelf.take(&table, &known)?);
        }
        let models = TaskModels::fit(&table, &known)?;
        if let Some(shelf) = &shelf {
            shelf.keep(&table, &models, &known);
        }
        tracing::debug!(models = models.models().len(), taken_over = known.len(), "models fitted");
        let rated = |of: Rated, architectures: Vec<Architecture>, before: Option<&Arc<Pool>>| {
            let before = before.zip(earlier).map(|(pool, earlier)| (&**pool, &earlier.models));
            let shelf = shelf.as_ref().map(|shelf| (shelf, of));
            Pool::new(architectures, &table, &models, before, shelf).map(Arc::new)
        };
        let rows = Agreement::rows(&table);
        let probed = rows.iter().map(|row| table.architectures().at(*row)).collect();
        let probes = rated(Rated::Probes, probed, earlier.map(|earlier| &earlier.probes))?;
        let agreement = Arc::new(Agreement::of_views(&table, &rows, &probes.views));
        tracing::debug!(architectures = probes.architectures.len(), "probes rated");
        let before = earlier.map(|earlier| &earlier.pool);
        let architectures = own_pool(&account.space, &table, before.map(|pool| &**pool));
        let pool = rated(Rated::Candidates, architectures, before)?;
        tracing::debug!(candidates = pool.architectures.len(), "pool rated");
        Ok(SpaceHistory { account, table: Arc::new(table), models, agreement, probes, pool, read })
    }

    /// The same as the base has it now, where none of its trials are of this space.
    fn of_account(&self, account: SpaceAccount) -> Self {
        SpaceHistory {
            account,
            table: Arc::clone(&self.table),
            models: self.models.clone(),
            agreement: Arc::clone(&self.agreement),
            probes: Arc::clone(&self.probes),
            pool: Arc::clone(&self.pool),
            read: self.read.clone(),
        }
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &SearchSpace {
        &self.account.space
    }

    /// The scores of past trials.
    #[must_use]
    pub fn table(&self) -> &TrainingTable {
        &self.table
    }

    /// The space's own candidates: all canonical architectures of a small space, a fixed sample of a large one
    /// together with the best that were ever tried.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether the space's own pool is all that the space has, and not a sample.
    #[must_use]
    pub(crate) fn lists_the_space(&self) -> bool {
        lists(&self.account.space)
    }

    /// The store's revision that this is true for.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.account.revision
    }

    /// The id that the base has of a trial of the table.
    pub(crate) fn origin(&self, trial: TrialId) -> TrialId {
        self.read.origins.get(&trial).copied().unwrap_or(trial)
    }

    /// All tasks of the base.
    pub(crate) fn tasks(&self) -> &[Task] {
        &self.account.tasks
    }

    /// A task of the base.
    ///
    /// # Errors
    /// [`SearchError::UnknownTask`].
    pub fn task(&self, id: &str) -> Result<&Task, SearchError> {
        self.account.tasks.iter().find(|task| &*task.id == id).ok_or_else(|| SearchError::UnknownTask {
            task: id.into(),
            known: self.account.tasks.iter().map(|task| task.id.clone()).collect(),
        })
    }

    /// By task, how many of its validation trials in this space have another metric than the task's.
    pub(crate) fn other_metric(&self) -> &BTreeMap<Name, usize> {
        &self.read.other_metric
    }

    /// A task's own scores in this space, if it has any.
    #[must_use]
    pub fn scores(&self, task: &str) -> Option<&TaskScores> {
        self.table.tasks().iter().find(|scores| &*scores.task == task)
    }

    /// A task's column in the views, if it has scores in this space.
    #[must_use]
    pub fn column(&self, task: &str) -> Option<usize> {
        self.table.tasks().iter().position(|scores| &*scores.task == task)
    }

    /// The past tasks for a new one: all but it and the excluded, as columns of the views.
    #[must_use]
    pub fn past(&self, task: &str, exclude: &[Name]) -> Vec<usize> {
        let tasks = self.table.tasks().iter().enumerate();
        tasks
            .filter(|(_, past)| &*past.task != task && !exclude.contains(&past.task))
            .map(|(at, _)| at)
            .collect()
    }

    /// Some past tasks, by whether their scores are more than noise, see [`PastTasks::telling`].
    #[must_use]
    pub(crate) fn telling(&self, past: Vec<usize>) -> PastColumns {
        let telling = self.past_tasks(&past).telling();
        let (telling, doubted) = past.into_iter().partition(|at| telling.contains(at));
        PastColumns { telling, doubted }
    }

    /// Those of some past tasks that contradict the others, see [`PastTasks::reversed`].
    pub(crate) fn reversed(&self, past: &[usize]) -> Vec<&Name> {
        let reversed = self.past_tasks(past).reversed();
        reversed.into_iter().map(|at| &self.table.tasks()[at].task).collect()
    }

    fn past_tasks<'a>(&'a self, columns: &'a [usize]) -> PastTasks<'a> {
        let (table, models, agreement) = (&*self.table, &self.models, &*self.agreement);
        PastTasks { table, models, agreement, tasks: &self.account.tasks, columns }
    }

    /// The transfer model that these past tasks give for a new one.
    #[must_use]
    pub fn transfer(&self, new: &Task, past: &[usize]) -> TransferModel {
        TransferModel::new(self.past_tasks(past), new)
    }

    /// The caller's candidates where there are some, else the space's own pool.
    ///
    /// # Errors
    /// [`SearchError::BadCandidate`].
    pub fn pool_of(&self, given: Option<&[Architecture]>) -> Result<Arc<Pool>, SearchError> {
        given.map_or_else(|| Ok(Arc::clone(&self.pool)), |given| self.candidates(given).map(Arc::new))
    }

    /// Candidates of the caller's in canonical form, each once, as this history sees them.
    ///
    /// # Errors
    /// [`SearchError::BadCandidate`].
    pub fn candidates(&self, given: &[Architecture]) -> Result<Pool, SearchError> {
        let mut seen = HashSet::new();
        let (mut architectures, mut shown) = (Vec::new(), Vec::new());
        for (canonical, given) in self.canonical(given)?.into_iter().zip(given) {
            if seen.insert(self.table.encoder().key(&canonical)) {
                architectures.push(canonical);
                shown.push(given.clone());
            }
        }
        let views = self.views(&architectures)?;
        Ok(Pool { architectures, shown, views })
    }

    /// Architectures as the space writes them, in canonical form.
    ///
    /// # Errors
    /// [`SearchError::BadCandidate`] for one that does not fit the space.
    pub fn canonical(&self, given: &[Architecture]) -> Result<Vec<Architecture>, SearchError> {
        let canonical = |(index, architecture)| {
            let normal = self.account.space.normalise(architecture);
            let normal = normal.map_err(|source| SearchError::BadCandidate { index, source })?;
            Ok(spaces::canonical(self.account.space.id(), &normal))
        };
        given.iter().enumerate().map(canonical).collect()
    }

    /// Views of canonical architectures.
    ///
    /// # Errors
    /// Of the encoder.
    pub fn views(&self, architectures: &[Architecture]) -> Result<Views, SearchError> {
        views(architectures, &self.table, &self.models)
    }
}

/// A space of the base, or a built-in one that the base has not met.
///
/// # Errors
/// [`SearchError::UnknownSpace`].
pub fn find_space(store: &dyn KnowledgeStore, id: &str) -> Result<SearchSpace, SearchError> {
    let known = store.spaces()?;
    if let Some(space) = known.iter().find(|space| &**space.id() == id) {
        return Ok(space.clone());
    }
    if let Some(space) = spaces::built_in(id) {
        return Ok(space);
    }
    let built_in = spaces::families().iter().map(|family| Name::from(family.id));
    let built_in = built_in.filter(|id| known.iter().all(|space| space.id() != id));
    let known = known.iter().map(|space| space.id().clone()).chain(built_in).collect();
    Err(SearchError::UnknownSpace { space: id.into(), known })
}

impl Read {
    /// Takes in all trials that a task has, in place of what was known of them.
    fn take(&mut self, task: &Task, trials: &[Trial], origins: Vec<Origin>) {
        let other = |trial: &&Trial| {
            trial.task == task.id && trial.split == Split::Validation && trial.metric != task.metric
        };
        self.other_metric.remove(&task.id);
        let others = trials.iter().filter(other).count();
        self.other_metric.extend((others > 0).then(|| (task.id.clone(), others)));
        self.origins.extend(origins);
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Batch, MemoryStore};

    use super::*;

    #[test]
    fn a_built_in_space_of_the_base_is_named_once() {
        let store = MemoryStore::default();
        let built_in = spaces::built_in("mlp/1").unwrap();
        store.commit(&Batch { spaces: vec![built_in], ..Batch::default() }).unwrap();
        let error = find_space(&store, "mlp/2").unwrap_err().to_string();
        assert_eq!(error.matches("\"mlp/1\"").count(), 1, "{error}");
    }
}
