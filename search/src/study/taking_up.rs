//! Taking up a study that has been broken off.

use std::sync::Arc;

use heirloom_kb::Trial;

use super::Study;
use crate::before_study::BeforeStudy;
use crate::study_setup::StudySetup;
use crate::{Recommender, SearchError};

impl Study {
    /// Takes up a study where it was broken off, to try out what is left of it: what was under way is asked for first.
    ///
    /// The strategy starts as it did the first time, from the base without the study's trials, and is then asked and told one
    /// trial after another: so it goes on as if it had not been broken off. Where the trials were not asked for in that way,
    /// because they were asked for together or came from elsewhere, it is told them alone.
    ///
    /// # Errors
    /// [`SearchError::UnknownStudy`], [`SearchError::DamagedStudy`].
    pub fn resume(recommender: &Recommender, id: &str) -> Result<Self, SearchError> {
        let mut study = Study::take_up(recommender, id)?;
        study.waiting = study.under_way.architectures().to_vec().into();
        Ok(study)
    }

    /// Takes up a study whose proposals others try out: what is under way is with them, and not proposed again.
    ///
    /// # Errors
    /// As [`Study::resume`].
    pub fn take_up(recommender: &Recommender, id: &str) -> Result<Self, SearchError> {
        let store = recommender.store();
        let setup = StudySetup::kept(&**store, id)?;
        let trials = setup.trials(&**store, id)?;
        // Without trials the base is as it was, and what has been fitted over it serves.
        let before = (!trials.is_empty()).then(|| Recommender::new(Arc::new(BeforeStudy::new(store, id))));
        let start = || {
            let mut study = Study::start(before.as_ref().unwrap_or(recommender), id.into(), setup.clone())?;
            study.store = Arc::clone(store);
            Ok::<_, SearchError>(study)
        };
        let mut study = start()?;
        if !study.replay(&trials, true)? {
            study = start()?;
            study.replay(&trials, false)?;
        }
        for architecture in study.under_way.architectures() {
            study.strategy.take_up(architecture)?;
        }
        Ok(study)
    }

    /// Tells the strategy trials that the base has already, each after asking for it if `asking`; `false` if another was
    /// proposed.
    fn replay(&mut self, trials: &[Trial], asking: bool) -> Result<bool, SearchError> {
        for trial in trials {
            if asking && self.teaches(trial) && !self.proposes(trial)? {
                return Ok(false);
            }
            self.end(std::slice::from_ref(trial))?;
            let lesson = self.lesson(trial);
            self.tell_strategy(trial, lesson)?;
            self.trials.push(trial.clone());
        }
        Ok(true)
    }

    /// Whether the strategy, asked for one, proposes the architecture of a trial.
    fn proposes(&mut self, trial: &Trial) -> Result<bool, SearchError> {
        let proposals = match self.strategy.ask(1) {
            Err(SearchError::NothingToPropose { .. }) => return Ok(false),
            asked => asked?,
        };
        let normal = |architecture| self.history.space().normalise(architecture).ok();
        let proposed = proposals.first().map(|proposal| normal(&proposal.architecture));
        Ok(proposed == Some(normal(&trial.architecture)))
    }
}
