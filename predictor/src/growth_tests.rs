//! Tables that have grown are those that are made of all trials at once.

use std::sync::Arc;

use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Status, Task, Trial, Value};
use proptest::prelude::*;

use crate::{CostModel, CostTable, CostTarget, Descriptors, TrainingTable};

fn space() -> SearchSpace {
    serde_json::from_str(
        r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":19}},
            {"name":"op","range":{"kind":"choice","options":["x","y"]}},
            {"name":"lr","range":{"kind":"real","lo":0.1,"hi":0.9},"active_if":[{"param":"op","any_of":["y"]}]}]}"#,
    )
    .unwrap()
}

fn tasks() -> [Task; 3] {
    ["t", "u", "v"].map(|id| Task::new(id, Domain::Tabular, "loss", Goal::Minimize))
}

fn plain(a: i64) -> Architecture {
    [("a", Value::Int(a)), ("op", "x".into())].into_iter().collect()
}

/// Architectures of which every other one is another's isomorph.
fn folded(architecture: &Architecture) -> Architecture {
    let mut folded = architecture.clone();
    folded.set(&"a".into(), (architecture.number("a").unwrap_or(0.0) as i64 / 2 * 2).into());
    folded
}

fn descriptors() -> Descriptors {
    Descriptors { names: vec!["twice".into()], describe: |one| vec![2.0 * one.number("a").unwrap_or(0.0)] }
}

prop_compose! {
    fn any_trial()(
        task in 0..3_usize,
        a in 0..20_i64,
        lr in prop::option::of(0..4_u8),
        score in -9..9_i32,
        epochs in prop::option::of(1..4_u8),
        kind in 0..10_u8,
        device in prop::option::of(prop::sample::select(vec!["pi", "tpu"])),
        cost in prop::option::of(1..99_u8),
    ) -> Trial {
        let mut architecture: Architecture = [("a", a)].into_iter().collect();
        architecture.set(&"op".into(), if lr.is_some() { "y" } else { "x" }.into());
        if let Some(lr) = lr {
            architecture.set(&"lr".into(), (0.2 * f64::from(lr) + 0.1).into());
        }
        let task = &tasks()[task].id;
        let mut trial =
            Trial::new(task.clone(), "s/1", architecture, Split::Validation, "loss", f64::from(score));
        trial.fidelity.extend(epochs.map(|epochs| ("epochs".into(), f64::from(epochs))));
        trial.costs.extend(cost.map(|cost| ("train_s".into(), f64::from(cost))));
        trial.extra.extend(device.map(|device| ("device".into(), device.into())));
        match kind {
            0 => (trial.status, trial.score) = (Status::Failed, None),
            1 => trial.status = Status::Pruned,
            2 => trial.metric = "accuracy".into(),
            _ => {}
        }
        trial
    }
}

/// Trials, and after how many of them the tables are looked at.
fn in_parts() -> impl Strategy<Value = (Vec<Trial>, Vec<usize>)> {
    let trials = prop::collection::vec(any_trial(), 0..60);
    trials.prop_flat_map(|trials| {
        let n = trials.len();
        (
            Just(trials),
            prop::collection::vec(0..=n, 0..4).prop_map(|mut at| {
                at.sort_unstable();
                at
            }),
        )
    })
}

fn of_task<'a>(trials: &'a [Trial], task: &'a Task) -> impl Iterator<Item = &'a Trial> {
    trials.iter().filter(|trial| trial.task == task.id)
}

/// The tasks that have other trials after so many than after fewer.
fn changed(trials: &[Trial], from: usize, to: usize) -> Vec<Task> {
    let is_new = |task: &Task| of_task(&trials[from..to], task).next().is_some();
    tasks().into_iter().filter(is_new).collect()
}

fn same_tables(grown: &TrainingTable, made: &TrainingTable, trials: &[Trial]) -> Result<(), TestCaseError> {
    prop_assert_eq!(grown.x(), made.x());
    prop_assert!(grown.architectures().iter().eq(made.architectures().iter()));
    prop_assert_eq!(format!("{:?}", grown.tasks()), format!("{:?}", made.tasks()));
    for trial in trials {
        for architecture in [trial.architecture.clone(), folded(&trial.architecture)] {
            prop_assert_eq!(grown.row(&architecture), made.row(&architecture));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_table_that_has_grown_is_the_one_made_of_all_trials((trials, parts) in in_parts()) {
        let mut grown = TrainingTable::empty(&space(), Some(descriptors()));
        let mut from = 0;
        for to in parts.into_iter().chain([trials.len()]) {
            let mut growth = grown.grow();
            for task in changed(&trials, from, to) {
                growth.take(&task, of_task(&trials[..to], &task), folded).unwrap();
            }
            grown = growth.finish();
            let made = TrainingTable::new(&space(), &tasks(), &trials[..to], folded, Some(descriptors()));
            same_tables(&grown, &made.unwrap(), &trials)?;
            from = to;
        }
    }

    #[test]
    fn costs_that_have_grown_are_those_of_all_trials((trials, parts) in in_parts()) {
        let mut grown = Arc::new(CostTable::empty(&space()));
        let mut model: Option<CostModel> = None;
        let cost = "train_s".into();
        let mut from = 0;
        for to in parts.into_iter().chain([trials.len()]) {
            let mut growth = grown.grow();
            for task in changed(&trials, from, to) {
                growth.take(&task.id, of_task(&trials[..to], &task), folded).unwrap();
            }
            grown = Arc::new(growth.finish());
            let made = Arc::new(CostTable::new(&space(), &trials[..to], folded).unwrap());
            prop_assert_eq!(grown.sources(), made.sources());
            prop_assert_eq!(grown.encodings(), made.encodings());
            let fresh = CostModel::new(&made, &cost, None).ok();
            model = CostModel::new(&grown, &cost, model.as_ref()).ok();
            prop_assert_eq!(model.is_some(), fresh.is_some());
            if let Some((model, fresh)) = model.as_ref().zip(fresh) {
                prop_assert_eq!(foretold(model), foretold(&fresh));
            }
            from = to;
        }
    }
}

/// What a new task and one that is known are told of some architectures.
fn foretold(model: &CostModel) -> String {
    let all: Vec<Architecture> = (0..20_i64).map(|a| folded(&plain(a))).collect();
    let rows = || all.iter().map(|one| model.table().row(one)).collect();
    let x = model.table().encoder().encode(&all).unwrap().into_shared();
    let of = |task: &str| {
        let place = model.at(&CostTarget { task, ..CostTarget::default() }).unwrap();
        let said = place.predict(&model.views(rows(), x.clone()).unwrap()).unwrap();
        format!("{said:?}")
    };
    of("new") + &of("t")
}

#[test]
fn a_table_without_some_trials_of_before_forgets_their_rows() {
    let tasks = tasks();
    let trial = |task: &Task, a: i64| {
        Trial::new(task.id.clone(), "s/1", plain(a), Split::Validation, "loss", a as f64)
    };
    let trials = [trial(&tasks[0], 2), trial(&tasks[0], 4), trial(&tasks[1], 6)];
    let table = TrainingTable::new(&space(), &tasks, &trials, folded, None).unwrap();
    let mut growth = table.grow();
    growth.take(&tasks[0], &trials[1..2], folded).unwrap();
    let fewer = growth.finish();
    same_tables(&fewer, &TrainingTable::new(&space(), &tasks, &trials[1..], folded, None).unwrap(), &trials)
        .unwrap();
    assert_eq!(fewer.row(&trials[0].architecture), None);
}

#[test]
fn trials_of_another_space_are_refused() {
    let task = &tasks()[0];
    let architecture: Architecture = [("a", 1)].into_iter().collect();
    let other = Trial::new("t", "other/1", architecture, Split::Validation, "loss", 0.5);
    let table = TrainingTable::empty(&space(), None);
    let message = r#"a trial of space "other/1" stands among those of "s/1""#;
    assert_eq!(table.grow().take(task, [&other], folded).unwrap_err().to_string(), message);
    let costs = CostTable::empty(&space());
    assert_eq!(costs.grow().take(&task.id, [&other], folded).unwrap_err().to_string(), message);
}
