//! What recalling findings is worth to a [`TransferModel`].

use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Trial};
use ndarray::{Array1, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;
use crate::{TaskModels, TrainingTable};

/// Tasks that have each tried about half of some architectures, which are nothing like each other.
fn pretrained(common: f64) -> (TrainingTable, TaskModels, Vec<Task>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let quality: Vec<f64> = (0..60).map(|_| rng.gen_range(-1.0..1.0)).collect();
    let options: Vec<String> = (0..60).map(|at| format!("m{at}")).collect();
    let space = serde_json::json!({"id": "s/1", "params": [{"name": "model", "range": {"kind": "choice", "options": options}}]});
    let space: SearchSpace = serde_json::from_value(space).unwrap();
    let tasks: Vec<Task> = (0..6)
        .map(|index| Task::new(format!("task{index}"), Domain::Image, "accuracy", Goal::Maximize))
        .collect();
    let mut trials = Vec::new();
    for task in &tasks {
        for (option, quality) in options.iter().zip(&quality) {
            if rng.gen_bool(0.5) {
                continue;
            }
            let architecture: Architecture = [("model", option.as_str())].into_iter().collect();
            let score = common * quality + (1.0 - common) * rng.gen_range(-1.0..1.0);
            trials.push(Trial::new(
                task.id.clone(),
                "s/1",
                architecture,
                Split::Validation,
                "accuracy",
                score,
            ));
        }
    }
    let table = TrainingTable::new(&space, &tasks, &trials, Clone::clone, None).unwrap();
    let models = TaskModels::fit(&table, &[]).unwrap();
    (table, models, tasks)
}

#[test]
fn what_was_found_of_an_architecture_itself_counts_where_it_holds_in_other_tasks() {
    for (common, counts) in [(0.8, true), (0.0, false)] {
        let (table, models, tasks) = pretrained(common);
        let agreement = Agreement::new(&table, &models).unwrap();
        let columns = [0, 1, 2, 3, 4];
        let past = PastTasks {
            table: &table,
            models: &models,
            agreement: &agreement,
            tasks: &tasks,
            columns: &columns,
        };
        let model = TransferModel::new(past, &tasks[5]);
        assert_eq!(model.recall != Recall::NONE, counts, "{common}");
        // The past's mean, had it gone by the models alone.
        let views = Views::of_table(&table, &models).unwrap().tasks(&columns);
        let with = model.see(&views).features.mean;
        let without = TransferModel { recall: Recall::NONE, ..model }.see(&views).features.mean;
        let TaskScores { rows, z, .. } = &table.tasks()[5];
        let z: Array1<f64> = z.iter().copied().collect();
        let [with, without] = [with, without].map(|mean| mean.select(Axis(0), rows));
        let gain = correlation(with.view(), z.view()) - correlation(without.view(), z.view());
        assert!(if counts { gain > 0.0 } else { gain.abs() < 1e-12 }, "{common}: {gain}");
    }
}
