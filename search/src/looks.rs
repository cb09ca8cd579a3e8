//! `Looks`: what other spaces say of a space without a history, by what networks look like.

use std::sync::Arc;

use heirloom_kb::{Architecture, Split, Task};
use heirloom_predictor::Prediction;

use crate::recommendation::{Recommendation, RecommendationRequest};
use crate::recommender::Recommender;
use crate::space_history::SpaceHistory;
use crate::spaces::any_network;
use crate::strategies::StrategyKind;
use crate::study_setup::StudySetup;
use crate::{SearchError, spaces};

/// First picks that are made by looks. Own trials in a space say more of it than other spaces do from then on: the next are spread,
/// for looks say nothing of what is particular to a space.
const PICKED: usize = 2;

/// A question about one space put to the history of all of them.
pub(crate) struct Looks {
    /// The networks of all built-in spaces.
    pub(crate) history: Arc<SpaceHistory>,
    /// Past tasks of the same domain, columns of that history.
    pub(crate) past: Vec<usize>,
    /// The question, its candidates among the networks of all spaces.
    pub(crate) request: RecommendationRequest,
    /// What is to be said with the answer.
    pub(crate) note: String,
}

impl Looks {
    /// Nothing where the space has past tasks, where it is not built in, where other spaces have no task of the domain, where the task has tried some
    /// architectures of the space itself, and where more than the score counts. `home` is the space's own history.
    pub(crate) fn of(
        recommender: &Recommender,
        home: &SpaceHistory,
        task: &Task,
        request: &RecommendationRequest,
    ) -> Result<Option<Self>, SearchError> {
        if !home.past(&task.id, &request.exclude_tasks).is_empty() {
            return Ok(None);
        }
        let own = home.scores(&task.id).filter(|_| !request.exclude_tasks.contains(&task.id));
        let tried = own.map_or(0, |scores| scores.rows.len());
        if tried >= PICKED || !request.objectives.is_score_alone() || !others_know(recommender, task)? {
            return Ok(None);
        }
        let wrapped = |architectures: &[Architecture]| {
            let all =
                architectures.iter().map(|architecture| any_network::wrapped(&request.space, architecture));
            all.collect::<Option<Vec<_>>>()
        };
        let pool = home.pool_of(request.candidates.as_deref())?;
        let Some((candidates, exclude)) = wrapped(&pool.shown).zip(wrapped(&request.exclude)) else {
            return Ok(None);
        };
        let history = recommender.history(&any_network::ID.into())?;
        let mut past = history.past(&task.id, &request.exclude_tasks);
        past.retain(|at| {
            let known = history.task(&history.table().tasks()[*at].task);
            known.is_ok_and(|known| known.domain == task.domain)
        });
        if past.is_empty() {
            return Ok(None);
        }
        let note = format!(
            "no other task has been tried in {}: what is expected of it is told from {} tasks in other spaces, by what \
             networks look like",
            request.space,
            past.len()
        );
        let request = RecommendationRequest {
            space: any_network::ID.into(),
            candidates: Some(candidates),
            exclude,
            ..request.clone()
        };
        Ok(Some(Looks { history, past, request, note }))
    }

    /// The answer as one about `request`.
    pub(crate) fn answer(request: &RecommendationRequest, mut answer: Recommendation) -> Recommendation {
        for ranked in &mut answer.ranked {
            ranked.architecture = any_network::unwrapped(&ranked.architecture)
                .map_or_else(|| ranked.architecture.clone(), |(_, architecture)| architecture);
        }
        answer.space = request.space.clone();
        answer
    }
}

/// The first picks of a study in a space without past tasks, in canonical form, and what is to be said of them; nothing for
/// strategies that do not ask, and where other spaces tell nothing.
pub(crate) fn first_looks(
    recommender: &Recommender,
    home: &SpaceHistory,
    task: &Task,
    setup: &StudySetup,
) -> Result<Option<(Vec<Architecture>, String)>, SearchError> {
    if setup.strategy != StrategyKind::Surrogate {
        return Ok(None);
    }
    let request = RecommendationRequest {
        task: task.id.clone().into(),
        space: setup.space.clone(),
        k: PICKED,
        candidates: setup.candidates.clone(),
        exclude: Vec::new(),
        exclude_tasks: setup.history.exclude_tasks.clone(),
        seed: setup.seed,
        objectives: setup.objectives(),
    };
    let Some(answer) = recommender.by_looks(home, task, &request, &[])? else { return Ok(None) };
    let first: Vec<Architecture> = answer.ranked.into_iter().map(|ranked| ranked.architecture).collect();
    let note = answer.notes.into_iter().next().unwrap_or_default();
    Ok(Some((home.canonical(&first)?, note)))
}

/// Scores are ranks within a space, and other spaces do not say where the middle of this one is: it is taken to be the median
/// of what is expected.
pub(crate) fn centre(prediction: &mut Prediction) {
    let mut sorted = prediction.mean.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    prediction.mean -= median;
}

/// Whether a space whose networks compare has trials of another task.
fn others_know(recommender: &Recommender, task: &Task) -> Result<bool, SearchError> {
    let spaces = spaces::relatives(&any_network::space());
    let stats = recommender.store().stats()?;
    Ok(stats.groups.iter().any(|group| {
        group.split == Split::Validation && group.task != task.id && spaces.contains(&group.space)
    }))
}

#[cfg(test)]
#[path = "looks_tests.rs"]
mod tests;
