use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Task, Trial, Value};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;

use super::{Agreement, PastTasks};
use crate::{TaskModels, TrainingTable};

/// Scores of 60 places by some rule for each task, from which [`PastTasks::telling`] chooses.
fn telling(rules: &[fn(i64) -> f64]) -> Vec<usize> {
    telling_of(&json!({"kind": "int", "lo": 0, "hi": 59}), Value::Int, rules)
}

/// The same of 60 options of which nothing is known.
fn telling_of_names(rules: &[fn(i64) -> f64]) -> Vec<usize> {
    let options: Vec<String> = (0..60).map(|a| format!("m{a}")).collect();
    telling_of(&json!({"kind": "choice", "options": options}), |a| Value::Text(format!("m{a}").into()), rules)
}

fn telling_of(range: &serde_json::Value, value: fn(i64) -> Value, rules: &[fn(i64) -> f64]) -> Vec<usize> {
    chosen(range, value, rules, |past| past.telling())
}

fn chosen(
    range: &serde_json::Value,
    value: fn(i64) -> Value,
    rules: &[fn(i64) -> f64],
    choose: fn(&PastTasks<'_>) -> Vec<usize>,
) -> Vec<usize> {
    let space = json!({"id": "s/1", "params": [{"name": "a", "range": range}]});
    let space: SearchSpace = serde_json::from_value(space).unwrap();
    let name = |index: usize| format!("task{index}");
    let tasks: Vec<Task> =
        (0..rules.len()).map(|at| Task::new(name(at), Domain::Tabular, "accuracy", Goal::Maximize)).collect();
    let trial = |(at, rule): (usize, &fn(i64) -> f64), a: i64| {
        let architecture: Architecture = [("a", value(a))].into_iter().collect();
        Trial::new(name(at), "s/1", architecture, Split::Validation, "accuracy", rule(a))
    };
    let trials: Vec<Trial> =
        rules.iter().enumerate().flat_map(|rule| (0..60).map(move |a| trial(rule, a))).collect();
    let table = TrainingTable::new(&space, &tasks, &trials, Clone::clone, None).unwrap();
    let models = TaskModels::fit(&table, &[]).unwrap();
    let agreement = Agreement::new(&table, &models).unwrap();
    let columns: Vec<usize> = (0..rules.len()).collect();
    choose(&PastTasks {
        table: &table,
        models: &models,
        agreement: &agreement,
        tasks: &tasks,
        columns: &columns,
    })
}

/// A number between 0 and 1 that follows no rule.
fn scrambled(a: i64, key: u64) -> f64 {
    let spread = (a as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ key;
    (spread.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64
}

#[test]
fn noise_says_nothing_unless_tasks_share_it() {
    let smooth = |a: i64| a as f64;
    assert_eq!(telling(&[smooth, |a| scrambled(a, 1), smooth, |a| scrambled(a, 2 << 40)]), [0, 2]);
    // The same places do well on both: no rule of the encoding, and yet they foretell each other.
    assert_eq!(telling(&[|a| scrambled(a, 1), |a| scrambled(a, 1)]), [0, 1]);
    assert_eq!(telling(&[|a| scrambled(a, 1)]), [] as [usize; 0]);
    assert_eq!(telling_of_names(&[|a| scrambled(a, 1)]), [0], "an only table of names cannot be judged");
}

#[test]
fn a_minority_that_agrees_with_itself_is_no_noise() {
    let most: fn(i64) -> f64 = |a| scrambled(a, 1);
    let few: fn(i64) -> f64 = |a| scrambled(a, 5 << 40);
    let noise: fn(i64) -> f64 = |a| scrambled(a, 9 << 40);
    assert_eq!(telling_of_names(&[most, most, few, most, few, noise, most]), [0, 1, 2, 3, 4, 6]);
}

#[test]
fn tasks_that_the_others_foretell_the_wrong_way_round_are_reversed() {
    let rise: fn(i64) -> f64 = |a| a as f64;
    let fall: fn(i64) -> f64 = |a| -a as f64;
    let noise: fn(i64) -> f64 = |a| scrambled(a, 1);
    let other: fn(i64) -> f64 = |a| -((a - 30) as f64).powi(2);
    let reversed = |rules: &[fn(i64) -> f64]| {
        let range = json!({"kind": "int", "lo": 0, "hi": 59});
        chosen(&range, Value::Int, rules, |past| past.reversed())
    };
    assert_eq!(reversed(&[rise, rise, fall, rise]), [2]);
    assert_eq!(reversed(&[rise, fall]), [0, 1]);
    assert_eq!(reversed(&[rise, rise, noise, other]), [] as [usize; 0]);
    assert_eq!(reversed(&[rise]), [] as [usize; 0]);
}

/// Of 24 tasks of as many trials over twenty parameters, taken six at a time, how many are more than noise.
fn counted(trials_each: usize, score: impl Fn(&Architecture, f64) -> f64) -> usize {
    let params: Vec<_> = (0..20)
        .map(|p| json!({"name": format!("p{p}"), "range": {"kind": "real", "lo": 0.0, "hi": 1.0}}))
        .collect();
    let space: SearchSpace = serde_json::from_value(json!({"id": "s/1", "params": params})).unwrap();
    let name = |task: usize| format!("task{task}");
    let tasks: Vec<Task> =
        (0..24).map(|task| Task::new(name(task), Domain::Tabular, "accuracy", Goal::Maximize)).collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut trials = Vec::new();
    for at in 0..24 * trials_each {
        let architecture: Architecture =
            (0..20).map(|p| (format!("p{p}"), Value::Real(rng.r#gen()))).collect();
        let score = score(&architecture, rng.r#gen());
        trials.push(Trial::new(name(at % 24), "s/1", architecture, Split::Validation, "accuracy", score));
    }
    let table = TrainingTable::new(&space, &tasks, &trials, Clone::clone, None).unwrap();
    let models = TaskModels::fit(&table, &[]).unwrap();
    let agreement = Agreement::new(&table, &models).unwrap();
    let told = |first: usize| {
        let columns: Vec<usize> = (first..first + 6).collect();
        let (table, tasks) = (&table, &tasks[..]);
        PastTasks { table, models: &models, agreement: &agreement, tasks, columns: &columns }.telling().len()
    };
    (0..24).step_by(6).map(told).sum()
}

/// Noise over many parameters is what kernels find patterns in, and of several tasks of it two may look alike by chance.
#[test]
fn many_tasks_of_noise_over_many_parameters_say_nothing() {
    for trials in [30, 50] {
        let counted = counted(trials, |_, noise| noise);
        assert!(counted <= 1, "{counted} of 24 with {trials} trials are taken for more than noise");
    }
    assert_eq!(counted(10, |_, noise| noise), 24, "ten trials do not tell, nor do sixty");
    assert_eq!(counted(1, |_, noise| noise), 24, "nor does a single one");
}

#[test]
fn tasks_of_few_trials_that_agree_count_though_each_explains_little() {
    let score = |architecture: &Architecture, noise: f64| match architecture.get("p0") {
        Some(Value::Real(p0)) => p0 + noise,
        _ => noise,
    };
    assert_eq!(counted(30, score), 24);
}
