//! `BeforeStudy`: the base as it was before a study.

use std::sync::Arc;

use heirloom_kb::{
    Batch, Committed, Document, DocumentKind, Json, KnowledgeStore, SearchSpace, Stats, StoreError, Task,
    Trial, TrialId, TrialPage, TrialQuery,
};

/// The field of a trial that names the study it was told to.
pub(crate) const STUDY_FIELD: &str = "study";

/// Whether a trial was told to this study.
pub(crate) fn is_of_study(trial: &Trial, study: &str) -> bool {
    trial.extra.get(STUDY_FIELD).and_then(Json::as_str) == Some(study)
}

/// A base that shows no trial of a study: a study that is resumed starts from it as it did the first time, or its own trials
/// would be part of the history that it proposes from.
pub struct BeforeStudy {
    store: Arc<dyn KnowledgeStore>,
    study: String,
}

impl BeforeStudy {
    /// The base as it was before this study.
    #[must_use]
    pub fn new(store: &Arc<dyn KnowledgeStore>, study: &str) -> Self {
        BeforeStudy { store: Arc::clone(store), study: study.to_owned() }
    }
}

impl KnowledgeStore for BeforeStudy {
    fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        self.store.commit(batch)
    }

    fn spaces(&self) -> Result<Vec<SearchSpace>, StoreError> {
        self.store.spaces()
    }

    fn tasks(&self) -> Result<Vec<Task>, StoreError> {
        self.store.tasks()
    }

    fn trial(&self, id: TrialId) -> Result<Option<Trial>, StoreError> {
        Ok(self.store.trial(id)?.filter(|trial| !is_of_study(trial, &self.study)))
    }

    fn trials(&self, query: &TrialQuery) -> Result<TrialPage, StoreError> {
        let mut page = self.store.trials(query)?;
        page.trials.retain(|trial| !is_of_study(trial, &self.study));
        Ok(page)
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        self.store.stats()
    }

    fn put_document(&self, document: &Document) -> Result<(), StoreError> {
        self.store.put_document(document)
    }

    fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        self.store.document(kind, name)
    }

    fn document_names(&self, kind: DocumentKind) -> Result<Vec<String>, StoreError> {
        self.store.document_names(kind)
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Domain, Goal, MemoryStore, Split};

    use super::*;
    use crate::{Recommender, StrategyKind, Study, StudySetup, spaces};

    const SPACE: &str = "chain-cnn/1";

    /// What a task finds of an architecture: the two tasks are not alike in all.
    fn found(task: &str, architecture: &Architecture) -> Trial {
        let number = |name| architecture.number(name).unwrap_or(0.0);
        let kernel = if task == "new" { number("kernel1") } else { 3.0 };
        let score = (number("width1").ln() + number("lr").log10() + kernel).sin().abs();
        Trial::new(task, SPACE, architecture.clone(), Split::Validation, "accuracy", score)
    }

    /// A base with two tasks, the past one tried on so many architectures, and the new one's study on a sample of the space.
    fn base(past: u64, strategy: StrategyKind) -> (Arc<dyn KnowledgeStore>, StudySetup) {
        let space = (spaces::family(SPACE).unwrap().space)();
        let tasks =
            ["past", "new"].map(|id| Task::new(id, Domain::Image, "accuracy", Goal::Maximize)).to_vec();
        let trials = if past == 0 { Vec::new() } else { spaces::pool(&space, past, 5) };
        let trials = trials.iter().map(|architecture| found("past", architecture)).collect();
        let candidates = Some(spaces::pool(&space, 60, 11));
        let store = MemoryStore::default();
        store.commit(&Batch { spaces: vec![space], tasks, trials }).unwrap();
        let setup = StudySetup {
            task: "new".into(),
            space: SPACE.into(),
            candidates,
            prior: None,
            strategy,
            acquisition: None,
            seed: 11,
            history: Default::default(),
            scheduler: None,
            constraints: Default::default(),
            pareto: Vec::new(),
            per: None,
            device: None,
        };
        (Arc::new(store), setup)
    }

    fn go_on(study: &mut Study, n: usize) {
        for _ in 0..n {
            let asked = study.ask(1).unwrap().remove(0).architecture;
            study.tell(vec![found("new", &asked)]).unwrap();
        }
    }

    fn picks(study: &Study) -> Vec<Architecture> {
        study.trials().iter().map(|trial| trial.architecture.clone()).collect()
    }

    #[test]
    fn a_study_that_is_resumed_makes_the_picks_of_one_that_was_not_broken_off() {
        let kinds = StrategyKind::ALL.into_iter().filter(|kind| !kind.needs_prior());
        for (strategy, past) in kinds.flat_map(|kind| [(kind, 0), (kind, 12)]) {
            let (store, setup) = base(past, strategy);
            let mut whole = Study::rehearse(&Recommender::new(store), setup).unwrap();
            go_on(&mut whole, 7);
            for breaks in [&[1_usize, 6][..], &[2, 5], &[3, 2, 2]] {
                let (store, setup) = base(past, strategy);
                let mut study = Study::create(&Recommender::new(Arc::clone(&store)), setup).unwrap();
                for (at, n) in breaks.iter().enumerate() {
                    if at > 0 {
                        study = Study::resume(&Recommender::new(Arc::clone(&store)), study.id()).unwrap();
                    }
                    go_on(&mut study, *n);
                }
                assert_eq!(picks(&study), picks(&whole), "{strategy:?} after {past} trials, {breaks:?}");
            }
        }
    }

    /// Asked for together, they cannot be asked for again one by one; nothing is lost or tried twice.
    #[test]
    fn a_study_whose_trials_were_asked_for_together_is_told_them_when_it_is_resumed() {
        let (store, setup) = base(12, StrategyKind::Surrogate);
        let mut study = Study::create(&Recommender::new(Arc::clone(&store)), setup).unwrap();
        let asked = study.ask(4).unwrap();
        let told = asked.iter().rev().map(|proposal| found("new", &proposal.architecture)).collect();
        study.tell(told).unwrap();
        let mut again = Study::resume(&Recommender::new(Arc::clone(&store)), study.id()).unwrap();
        assert_eq!(picks(&again), picks(&study));
        let next = again.ask(3).unwrap();
        assert!(next.iter().all(|next| !asked.iter().any(|asked| asked.architecture == next.architecture)));
    }

    #[test]
    fn only_the_trials_of_the_study_are_hidden() {
        let (store, setup) = base(3, StrategyKind::Random);
        let mut study = Study::create(&Recommender::new(Arc::clone(&store)), setup).unwrap();
        go_on(&mut study, 2);
        let before = BeforeStudy::new(&store, study.id());
        let own = study.trials()[0].id();
        assert!(store.trial(own).unwrap().is_some() && before.trial(own).unwrap().is_none());
        let count = |store: &dyn KnowledgeStore, task: &str| {
            store.trials(&TrialQuery::task(task)).unwrap().trials.len()
        };
        assert_eq!((count(&before, "past"), count(&before, "new"), count(&*store, "new")), (3, 0, 2));
    }
}
