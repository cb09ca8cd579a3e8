//! What the routes share.

use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::KnowledgeStore;
use heirloom_search::{Recommender, SearchError, Study, StudySetup};

use super::ApiError;
use super::at_hand::{Slot, StudiesAtHand};
use super::metrics::Metrics;

/// The base, what has been fitted over it, and the studies under way.
pub(super) struct AppState {
    recommender: Recommender,
    studies: Mutex<StudiesAtHand>,
    /// One study is set up at a time, so that no two get one id.
    creating: tokio::sync::Mutex<()>,
    metrics: Metrics,
}

impl AppState {
    pub(super) fn new(store: Arc<dyn KnowledgeStore>) -> Self {
        AppState {
            recommender: Recommender::new(store),
            studies: Mutex::default(),
            creating: tokio::sync::Mutex::default(),
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

    fn slot(&self, id: &str) -> Slot {
        self.studies.lock().unwrap_or_else(PoisonError::into_inner).slot(id)
    }

    fn forget(&self, id: &str) {
        self.studies.lock().unwrap_or_else(PoisonError::into_inner).forget(id);
    }
}

/// Sets up a study; gives its id and what is to be known of its start.
pub(super) async fn create_study(
    state: &Arc<AppState>,
    setup: StudySetup,
) -> Result<(String, Vec<String>), ApiError> {
    let _one = state.creating.lock().await;
    let created = blocking(state, move |state| {
        let study = Study::create(&state.recommender, setup)?;
        let (id, notes) = (study.id().to_owned(), study.notes().to_vec());
        // Nobody knows the id yet.
        *state.slot(&id).blocking_lock() = Some(study);
        Ok::<_, SearchError>((id, notes))
    });
    created.await
}

/// Does something with a study, which is taken up from the base if it is not at hand. Requests for one study wait for each other, and only
/// the one whose turn it is takes a thread; one whose client has gone waits no longer.
pub(super) async fn with_study<T, E>(
    state: &Arc<AppState>,
    id: String,
    act: impl FnOnce(&AppState, &mut Study) -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    let mut turn = state.slot(&id).lock_owned().await;
    let acted = blocking(state, move |state| {
        let study = match &mut *turn {
            Some(study) => study,
            none => none.insert(Study::take_up(&state.recommender, &id).inspect_err(|_| state.forget(&id))?),
        };
        act(state, study).map_err(Into::into)
    });
    acted.await
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
