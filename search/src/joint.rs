//! What several tasks that share a network should try next.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name, SearchSpace};
use heirloom_predictor::Encoder;
use serde::Serialize;

use crate::new_task::TaskChoice;
use crate::objectives::Objectives;
use crate::recommendation::RecommendationRequest;
use crate::recommender::Recommender;
use crate::{SearchError, find_space};

/// An architecture for several tasks at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JointPick {
    /// What to try.
    pub architecture: Architecture,
    /// The mean over tasks of the expected normalised score.
    pub mean: f64,
    /// The mean over tasks of its standard deviation.
    pub std: f64,
}

/// The candidate with the largest upper bound of the tasks' mean expectation: mean plus one standard deviation (GP-UCB,
/// arXiv:0912.3995). Of equal ones, as where there is no past, the one that the first task would try first. What one of the
/// tasks has tried already is not proposed; nothing when no candidate is left.
///
/// # Errors
/// As [`Recommender::recommend`].
pub fn joint_pick(
    recommender: &Recommender,
    tasks: &[Name],
    space: &Name,
    candidates: &[Architecture],
    seed: u64,
) -> Result<Option<JointPick>, SearchError> {
    let space: SearchSpace = find_space(&**recommender.store(), space)?;
    let encoder = Encoder::new(&space);
    let mut sums: BTreeMap<Vec<u64>, (usize, JointPick, usize)> = BTreeMap::new();
    for task in tasks {
        let request = RecommendationRequest {
            task: TaskChoice::Known(task.clone()),
            space: space.id().clone(),
            k: candidates.len(),
            candidates: Some(candidates.to_vec()),
            exclude: Vec::new(),
            exclude_tasks: Vec::new(),
            seed,
            objectives: Objectives::default(),
        };
        let answer = recommender.recommend(&request)?;
        for (place, ranked) in answer.ranked.into_iter().enumerate() {
            let start = || JointPick { architecture: ranked.architecture.clone(), mean: 0.0, std: 0.0 };
            let entry = sums.entry(encoder.key(&ranked.architecture)).or_insert_with(|| (place, start(), 0));
            entry.1.mean += ranked.mean / tasks.len() as f64;
            entry.1.std += ranked.std / tasks.len() as f64;
            entry.2 += 1;
        }
    }
    let of_all = sums.into_values().filter(|(_, _, told)| *told == tasks.len());
    let best =
        of_all.max_by(|(a, x, _), (b, y, _)| (x.mean + x.std).total_cmp(&(y.mean + y.std)).then(b.cmp(a)));
    Ok(best.map(|(_, pick, _)| pick))
}
