//! What recalling findings is worth to a [`TransferModel`].

use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Trial};
use ndarray::{Array1, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::agreement::correlation;
use super::*;
use crate::{TaskModels, TrainingTable};

/// Tasks that find a share `common` of what there is to an architecture in common, and the rest each by itself.
fn pretrained(common: f64) -> (TrainingTable, TaskModels, Vec<Task>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let quality: Vec<f64> = (0..60).map(|_| rng.gen_range(-1.0..1.0)).collect();
    measured(6, rng, |_, option, rng| common * quality[option] + (1.0 - common) * rng.gen_range(-1.0..1.0))
}

/// Tasks that have each tried about half of some architectures, which are nothing like each other; `score` is told task and
/// architecture.
fn measured(
    tasks: usize,
    mut rng: Xoshiro256PlusPlus,
    score: impl Fn(usize, usize, &mut Xoshiro256PlusPlus) -> f64,
) -> (TrainingTable, TaskModels, Vec<Task>) {
    let options: Vec<String> = (0..60).map(|at| format!("m{at}")).collect();
    let space = serde_json::json!({"id": "s/1", "params": [{"name": "model", "range": {"kind": "choice", "options": options}}]});
    let space: SearchSpace = serde_json::from_value(space).unwrap();
    let tasks: Vec<Task> = (0..tasks)
        .map(|index| Task::new(format!("task{index}"), Domain::Image, "accuracy", Goal::Maximize))
        .collect();
    let mut trials = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        for (at, option) in options.iter().enumerate() {
            if rng.gen_bool(0.5) {
                continue;
            }
            let architecture: Architecture = [("model", option.as_str())].into_iter().collect();
            let score = score(index, at, &mut rng);
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

/// Two qualities of architectures, of which tasks want more or less: a new task's own trials say which.
#[test]
fn what_sets_tasks_apart_is_told_by_few_factors() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    let mut any = |n: usize| Vec::from_iter((0..n).map(|_| [(); 2].map(|()| rng.gen_range(-1.0..1.0))));
    let (qualities, wants) = (any(60), any(24));
    let truth =
        |task: usize, at: usize| wants[task][0] * qualities[at][0] + wants[task][1] * qualities[at][1];
    let (table, models, tasks) = measured(24, Xoshiro256PlusPlus::seed_from_u64(9), |task, at, rng| {
        truth(task, at) + rng.gen_range(-0.05..0.05)
    });
    let agreement = Agreement::new(&table, &models).unwrap();
    let columns: Vec<usize> = (0..23).collect();
    let past =
        PastTasks { table: &table, models: &models, agreement: &agreement, tasks: &tasks, columns: &columns };
    let model = TransferModel::new(past, &tasks[23]);
    assert!(model.factors.is_some());
    let views = Views::of_table(&table, &models).unwrap().tasks(&columns);
    let TaskScores { rows, z, scores, .. } = &table.tasks()[23];
    let (tried, asked) = (&rows[..8], &rows[8..]);
    let z: Array1<f64> = z[8..].iter().copied().collect();
    let foretells = |model: &TransferModel| {
        let seen = model.see(&views);
        let own = views.select(tried);
        let posterior = model.condition(&seen, &own, &scores[..8], &views.select(&[])).unwrap();
        correlation(posterior.expect(&seen.select(asked)).mean.view(), z.view())
    };
    let with = foretells(&model);
    let without = foretells(&TransferModel { factors: None, ..model });
    // Of what is left open, a third less.
    assert!(1.0 - with * with < 0.67 * (1.0 - without * without), "{with} {without}");
}
