//! `TableTrainer`: trials that have been measured already.

use std::collections::HashMap;

use heirloom_kb::{Architecture, SearchSpace, Split, Task, Trial};
use heirloom_predictor::Encoder;

use super::{Budget, TrainError, Trainer, mark_pruned};
use crate::fidelity::{Decision, whole};
use crate::spaces;

/// Answers from the trials of a task instead of training: a benchmark replayed. Of several trials of an architecture
/// and split the last counts; the budget's epochs and seed are those of the table. A trial with a curve is replayed epoch by
/// epoch, and can be stopped; what it took to train is then shortened in proportion.
pub struct TableTrainer {
    task: Task,
    encoder: Encoder,
    trials: HashMap<(Vec<u64>, Split), Trial>,
}

impl TableTrainer {
    /// The table of these trials, all of one task and space.
    #[must_use]
    pub fn new(task: Task, space: &SearchSpace, trials: Vec<Trial>) -> Self {
        let encoder = Encoder::new(space);
        let key = |trial: &Trial| encoder.key(&spaces::canonical(space.id(), &trial.architecture));
        let trials = trials.into_iter().map(|trial| ((key(&trial), trial.split), trial)).collect();
        TableTrainer { task, encoder, trials }
    }
}

impl Trainer for TableTrainer {
    fn task(&self) -> &Task {
        &self.task
    }

    fn train_watched(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Trial, TrainError> {
        let key = self.encoder.key(&spaces::canonical(space.id(), architecture));
        let trial = self.trials.get(&(key, budget.split)).cloned();
        let trial = trial.ok_or_else(|| TrainError::NotInTable {
            task: self.task.id.clone(),
            architecture: architecture.clone(),
        })?;
        Ok(if budget.split == Split::Validation { replay(trial, watch) } else { trial })
    }
}

/// Plays the curve of a trial, as far as its steps are epochs; the trial as far as it came.
fn replay(mut trial: Trial, watch: &mut dyn FnMut(u32, f64) -> Decision) -> Trial {
    let Some((end, _)) = trial.curve.last().copied() else { return trial };
    for at in 0..trial.curve.len() {
        let (step, score) = trial.curve[at];
        let Some(epoch) = whole(step) else { continue };
        let decision = watch(epoch, score);
        if decision.is_stop() && step < end {
            trial.curve.truncate(at + 1);
            trial.score = Some(score);
            if let Some(seconds) = trial.costs.get_mut("train_s") {
                *seconds *= step / end;
            }
            mark_pruned(&mut trial, epoch, decision.why());
            return trial;
        }
    }
    trial
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Domain, Goal};

    use super::*;

    fn space() -> SearchSpace {
        let params = r#"{"id":"s/1","params":[{"name":"depth","range":{"kind":"int","lo":1,"hi":8}}]}"#;
        serde_json::from_str(params).unwrap()
    }

    fn depth(depth: u32) -> Architecture {
        serde_json::from_str(&format!(r#"{{"depth":{depth}}}"#)).unwrap()
    }

    fn measured(at: u32, split: Split, score: f64) -> Trial {
        Trial::new("t", "s/1", depth(at), split, "accuracy", score)
    }

    #[test]
    fn a_curve_is_replayed_and_can_be_stopped() {
        let mut whole = measured(1, Split::Validation, 0.4);
        whole.curve = vec![(1.0, 0.2), (2.0, 0.3), (4.0, 0.4)];
        whole.costs = [("train_s".into(), 8.0), ("params".into(), 5.0)].into_iter().collect();
        whole.fidelity.insert("epochs".into(), 4.0);
        let test = Trial { split: Split::Test, ..whole.clone() };
        let task = Task::new("t", Domain::Image, "accuracy", Goal::Maximize);
        let mut table = TableTrainer::new(task, &space(), vec![whole.clone(), test.clone()]);
        let mut run = |split, until| {
            let mut heard = Vec::new();
            let mut watch = |epoch, score| {
                heard.push((epoch, score));
                Decision::when(epoch >= until, "no".into())
            };
            let budget = Budget::new(4, 0, split);
            let trial = table.train_watched(&space(), &depth(1), &budget, &mut watch).unwrap();
            (trial, heard)
        };
        let (stopped, heard) = run(Split::Validation, 2);
        assert_eq!(heard, [(1, 0.2), (2, 0.3)]);
        assert_eq!((stopped.status, stopped.score), (heirloom_kb::Status::Pruned, Some(0.3)));
        assert_eq!((stopped.fidelity["epochs"], stopped.costs["train_s"]), (2.0, 4.0));
        assert_eq!((stopped.costs["params"], stopped.curve.len()), (5.0, 2));
        assert_eq!(stopped.extra["reason"], "no");
        // In the last epoch there is nothing left to stop, and a test score is not watched.
        assert_eq!(run(Split::Validation, 4).0, whole);
        assert_eq!(run(Split::Test, 1), (test, Vec::new()));
    }

    #[test]
    fn a_trial_is_found_by_architecture_and_split() {
        let trials = vec![
            measured(1, Split::Validation, 0.5),
            measured(1, Split::Test, 0.4),
            measured(2, Split::Validation, 0.6),
            measured(2, Split::Validation, 0.7),
        ];
        let task = Task::new("t", Domain::Image, "accuracy", Goal::Maximize);
        let mut table: Box<dyn Trainer> = Box::new(TableTrainer::new(task, &space(), trials));
        assert_eq!(table.task().id, "t".into());
        let mut score = |at, split| {
            let budget = Budget::new(1, 0, split);
            table.train(&space(), &depth(at), &budget).map(|trial| trial.score)
        };
        assert_eq!(score(1, Split::Validation).unwrap(), Some(0.5));
        assert_eq!(score(1, Split::Test).unwrap(), Some(0.4));
        assert_eq!(score(2, Split::Validation).unwrap(), Some(0.7));
        // Of depth 2 there is no test score, and of depth 3 nothing.
        for (at, split) in [(2, Split::Test), (3, Split::Validation)] {
            let error = score(at, split).unwrap_err();
            assert!(
                matches!(error, TrainError::NotInTable { architecture, .. } if architecture == depth(at))
            );
        }
    }
}
