//! What the routes share.

use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::KnowledgeStore;
use heirloom_search::{Recommender, SearchError, Study, StudySetup};

use super::ApiError;
use super::at_hand::StudiesAtHand;
use super::metrics::Metrics;

/// The base, what has been fitted over it, and the studies under way.
pub(super) struct AppState {
    recommender: Recommender,
    studies: Mutex<StudiesAtHand>,
    /// One study is set up at a time, so that no two get one id.
    creating: Mutex<()>,
    metrics: Metrics,
}

impl AppState {
    pub(super) fn new(store: Arc<dyn KnowledgeStore>) -> Self {
        AppState {
            recommender: Recommender::new(store),
            studies: Mutex::default(),
            creating: Mutex::default(),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn recommender(&self) -> &Recommender {
        &self.recommender
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn store(&self) -> &dyn KnowledgeStore {
        &**self.recommender.store()
    }

    /// Sets up a study and says its id.
    pub(super) fn create_study(&self, setup: StudySetup) -> Result<String, SearchError> {
        let _one = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        let study = Study::create(&self.recommender, setup)?;
        let id = study.id().to_owned();
        self.keep(&id, study);
        Ok(id)
    }

    /// Does something with a study, which is taken up from the base if it is not at hand.
    pub(super) fn with_study<T>(
        &self,
        id: &str,
        act: impl FnOnce(&mut Study) -> Result<T, SearchError>,
    ) -> Result<T, SearchError> {
        let known = self.studies.lock().unwrap_or_else(PoisonError::into_inner).get(id);
        let study = match known {
            Some(study) => study,
            None => self.keep(id, Study::take_up(&self.recommender, id)?),
        };
        act(&mut study.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a study unless another request was quicker, and gives the one that is kept.
    fn keep(&self, id: &str, study: Study) -> Arc<Mutex<Study>> {
        self.studies.lock().unwrap_or_else(PoisonError::into_inner).keep(id, study)
    }
}

/// Runs what blocks (the base, the surrogate) where it may.
pub(super) async fn blocking<T, E>(
    state: &Arc<AppState>,
    act: impl FnOnce(&AppState) -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    let state = Arc::clone(state);
    match tokio::task::spawn_blocking(move || act(&state)).await {
        Ok(done) => done.map_err(Into::into),
        Err(panic) => Err(ApiError::internal(&panic)),
    }
}
