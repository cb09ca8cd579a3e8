//! `PastColumns`: the past tasks of a new one, and which of them are doubted.

use crate::own_trials::OwnTrials;
use crate::rank_correlation::{correlation, mean_ranks};
use crate::space_history::SpaceHistory;

/// Architectures that a doubted task must have in common with the new one before they can speak for it.
const COMMON: usize = 6;
/// How many deviations their rank correlation must be above nothing: several doubted tasks are judged again after each trial.
const DEVIATIONS: f64 = 2.5;

/// Past tasks as columns of the views.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastColumns {
    /// Those whose scores are more than noise.
    pub(crate) telling: Vec<usize>,
    /// Those that nothing foretells: noise, or unlike all the others.
    pub(crate) doubted: Vec<usize>,
}

impl PastColumns {
    /// The columns that count once a task has some trials: those that tell, and of the doubted those that its own trials agree
    /// with. A past task unlike all others may be just what a new one is like.
    pub(crate) fn counting(&self, history: &SpaceHistory, own: &OwnTrials) -> Vec<usize> {
        let agreed = self.doubted.iter().copied().filter(|at| agrees(history, *at, own));
        let mut counting: Vec<usize> = self.telling.iter().copied().chain(agreed).collect();
        counting.sort_unstable();
        counting
    }
}

/// Whether a past task ranks what both have tried as the new task does, more than chance would.
///
/// *Source*: Fisher's transformation with the variance of Spearman's coefficient, Fieller, Hartley, Pearson, Biometrika 44 (1957).
fn agrees(history: &SpaceHistory, at: usize, own: &OwnTrials) -> bool {
    let past = &history.table().tasks()[at];
    let common = own.architectures().iter().zip(own.scores()).filter_map(|(architecture, score)| {
        let z = past.z_of(history.table().row(architecture)?)?;
        Some((score.unwrap_or(f64::NEG_INFINITY), z))
    });
    let (scores, z): (Vec<f64>, Vec<f64>) = common.unzip();
    if z.len() < COMMON {
        return false;
    }
    let ranks = correlation(&mean_ranks(&scores), &mean_ranks(&z)).unwrap_or(0.0);
    let deviations = ranks.clamp(-0.99, 0.99).atanh() * ((z.len() as f64 - 3.0) / 1.06).sqrt();
    deviations > DEVIATIONS
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Task, Trial};

    use super::*;

    const OPTIONS: u64 = 60;

    fn architecture(at: u64) -> Architecture {
        [("m", format!("o{at}").as_str())].into_iter().collect()
    }

    /// A number that follows no rule.
    fn scrambled(at: u64, key: u64) -> f64 {
        let spread = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (key << 40);
        (spread.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64
    }

    /// Three tasks that agree, and a last one that is like none of them, over models of which only the names are known.
    fn history() -> SpaceHistory {
        let options: Vec<String> = (0..OPTIONS).map(|at| format!("o{at}")).collect();
        let space = serde_json::json!({"id": "s/1", "params": [{"name": "m", "range": {"kind": "choice", "options": options}}]});
        let space: SearchSpace = serde_json::from_value(space).unwrap();
        let tasks =
            ["a", "b", "c", "other"].map(|id| Task::new(id, Domain::Image, "accuracy", Goal::Maximize));
        let trials = tasks.iter().flat_map(|task| {
            let key = if &*task.id == "other" { 9 } else { 1 };
            (0..OPTIONS).map(move |at| {
                let score = scrambled(at, key);
                Trial::new(&*task.id, "s/1", architecture(at), Split::Validation, "accuracy", score)
            })
        });
        let trials: Vec<Trial> = trials.collect();
        SpaceHistory::from_trials(space, tasks.to_vec(), &trials).unwrap()
    }

    fn own(n: u64, key: u64) -> OwnTrials {
        let mut own = OwnTrials::default();
        (0..n)
            .for_each(|at| own.push(architecture(7 * at % OPTIONS), Some(scrambled(7 * at % OPTIONS, key))));
        own
    }

    #[test]
    fn a_doubted_task_counts_once_own_trials_agree_with_it() {
        let history = history();
        let columns = history.telling(vec![0, 1, 2, 3]);
        assert_eq!((&columns.telling[..], &columns.doubted[..]), (&[0, 1, 2][..], &[3][..]));
        let counting = |own: &OwnTrials| columns.counting(&history, own);
        assert_eq!(counting(&OwnTrials::default()), [0, 1, 2]);
        assert_eq!(counting(&own(5, 9)), [0, 1, 2], "five trials are too few");
        assert_eq!(counting(&own(8, 9)), [0, 1, 2, 3]);
        assert_eq!(counting(&own(8, 1)), [0, 1, 2]);
        assert_eq!(counting(&own(20, 5)), [0, 1, 2], "noise agrees with nothing");
    }
}
