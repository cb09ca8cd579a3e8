//! Starting a study, for the first time or again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Study;
use crate::before_study::is_of_study;
use crate::fidelity::{SchedulerSetup, StudyScheduler};
use crate::goals::{GoalTarget, Goals};
use crate::looks::first_looks;
use crate::odd_cases::{notes_on_tasks, outlying_past, unmet_device};
use crate::own_trials::OwnTrials;
use crate::study_setup::StudySetup;
use crate::under_way::UnderWay;
use crate::{Recommender, SearchError};

impl Study {
    /// A study before its first trial, with what the base knows of the task from elsewhere.
    pub(super) fn start(
        recommender: &Recommender,
        id: String,
        setup: StudySetup,
    ) -> Result<Self, SearchError> {
        let history = recommender.history(&setup.space)?;
        let task = history.task(&setup.task)?.clone();
        let pool = history.pool_of(setup.candidates.as_deref())?;
        if pool.architectures.is_empty() {
            return Err(SearchError::NothingToPropose { reason: "the list of candidates is empty".into() });
        }
        let exclude = &setup.history.exclude_tasks;
        let past = history.past(&task.id, exclude);
        let mut notes: Vec<String> = notes_on_tasks(&history, exclude);
        notes.extend(outlying_past(&history, &past));
        let own = OwnTrials::of_task(&history, &task.id, exclude, &pool, &mut notes);
        let opinion = setup.opinion(&**recommender.store(), &history)?;
        let looks = match opinion {
            Some(_) => None,
            None => first_looks(recommender, &history, &task, &setup)?,
        };
        let mut strategy = setup.strategy.start(&history, &task, past, Arc::clone(&pool), own, setup.seed)?;
        if let Some(opinion) = &opinion {
            strategy.heed(opinion.clone())?;
            notes.push(opinion.words());
        }
        if let Some((first, note)) = looks {
            strategy.start_with(&first);
            notes.push(note);
        }
        if let Some(acquisition) = setup.acquisition {
            strategy.acquire(acquisition)?;
        }
        let objectives = setup.objectives();
        let mut target = None;
        if !objectives.is_score_alone() {
            let book = recommender.costs(&setup.space)?;
            let of_task = target.insert(GoalTarget::of(&history, &book, &task, &objectives, exclude));
            let goals = Goals::new(book, &objectives, of_task.clone(), &pool)?;
            notes.extend(goals.notes());
            strategy.aim(goals)?;
        } else if setup.device.is_some() {
            notes.extend(unmet_device(&objectives, &*recommender.costs(&setup.space)?));
        }
        let store = Arc::clone(recommender.store());
        let under_way = UnderWay::of(&store, &id)?;
        let scheduler = |setup: &SchedulerSetup| {
            let mut scheduler = StudyScheduler::start(setup, &*store, &history, &task, exclude)?;
            if !exclude.contains(&task.id) {
                scheduler.know(&*store, &task, |trial| is_of_study(trial, &id))?;
            }
            Ok::<_, SearchError>(scheduler)
        };
        let scheduler = setup.scheduler.as_ref().map(scheduler).transpose()?;
        notes.extend(scheduler.iter().filter_map(|scheduler| scheduler.note().cloned()));
        Ok(Study {
            id,
            setup,
            task,
            history,
            store,
            strategy,
            scheduler,
            opinion,
            target,
            trials: Vec::new(),
            under_way,
            waiting: VecDeque::new(),
            notes,
            kept: true,
        })
    }
}
