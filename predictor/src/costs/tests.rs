use std::sync::Arc;

use heirloom_kb::{Architecture, Name, SearchSpace, Split, Trial};
use ndarray::ArcArray2;

use super::*;

fn space() -> SearchSpace {
    serde_json::from_str(
        r#"{"id":"s/1","params":[{"name":"depth","range":{"kind":"int","lo":1,"hi":20}},
            {"name":"width","range":{"kind":"int","lo":1,"hi":20}}]}"#,
    )
    .unwrap()
}

fn architecture(depth: i64, width: i64) -> Architecture {
    [("depth", depth), ("width", width)].into_iter().collect()
}

fn all() -> Vec<(i64, i64)> {
    (1..=20).flat_map(|depth| (1..=20).map(move |width| (depth, width))).collect()
}

fn trial(task: &str, at: (i64, i64), costs: &[(&str, f64)]) -> Trial {
    let mut trial = Trial::new(task, "s/1", architecture(at.0, at.1), Split::Validation, "accuracy", 0.5);
    trial.costs = costs.iter().map(|(name, cost)| (Name::from(*name), *cost)).collect();
    trial
}

fn on(device: &str, mut trial: Trial) -> Trial {
    trial.extra.insert("device".into(), device.into());
    trial
}

/// Latency on a device `slow` times as slow, on which size counts with a power of its own.
fn latency((depth, width): (i64, i64), slow: f64, power: f64) -> f64 {
    slow * ((depth * width) as f64).powf(power) * (1.0 + 0.01 * (((depth * 7 + width * 3) % 5) as f64))
}

fn table(trials: &[Trial]) -> Arc<CostTable> {
    Arc::new(CostTable::new(&space(), trials, Clone::clone).unwrap())
}

fn model(table: &Arc<CostTable>, cost: &str) -> CostModel {
    CostModel::new(table, &cost.into(), None).unwrap()
}

fn views(model: &CostModel, architectures: &[(i64, i64)]) -> CostViews {
    let architectures: Vec<Architecture> =
        architectures.iter().map(|(depth, width)| architecture(*depth, *width)).collect();
    let rows = architectures.iter().map(|architecture| model.table.row(architecture)).collect();
    let x: ArcArray2<f64> = model.table.encoder().encode(&architectures).unwrap().into_shared();
    model.views(rows, x).unwrap()
}

fn of_task(task: &str) -> CostTarget<'_> {
    CostTarget { task, ..CostTarget::default() }
}

#[test]
fn the_number_of_parameters_is_exact_where_it_was_seen_and_near_where_not() {
    let params = |(depth, width): (i64, i64)| (1000 * depth * width + 17) as f64;
    let trials: Vec<Trial> = all()
        .into_iter()
        .filter(|(depth, width)| (depth + width) % 2 == 0)
        .flat_map(|at| ["a", "b"].map(|task| trial(task, at, &[("params", params(at))])))
        .collect();
    let model = model(&table(&trials), "params");
    let got = model.at(&of_task("new")).unwrap().predict(&views(&model, &[(4, 6), (4, 7)])).unwrap().unwrap();
    assert_eq!((got.median[0], got.std[0]), (24_017.0, 0.0));
    assert_eq!(got.at_most(24_017.0)[0], 1.0);
    assert_eq!(got.at_most(24_016.0)[0], 0.0);
    assert!((got.median[1] / 28_017.0 - 1.0).abs() < 0.25, "{got:?}");
    assert!(got.std[1] > 0.0);
}

#[test]
fn what_the_task_has_measured_is_known_and_excluding_it_forgets_it() {
    let mut trials: Vec<Trial> =
        all().into_iter().map(|at| trial("a", at, &[("train_s", latency(at, 1.0, 1.0))])).collect();
    trials.push(trial("new", (3, 3), &[("train_s", 50.0)]));
    let model = model(&table(&trials), "train_s");
    let views = views(&model, &[(3, 3), (4, 4)]);
    let got = model.at(&of_task("new")).unwrap().predict(&views).unwrap().unwrap();
    assert_eq!((got.median[0], got.std[0]), (50.0, 0.0));
    // One trial five times as dear as on the past task: others here are dearer too.
    assert!(got.median[1] > 50.0 && got.std[1] > 0.0, "{got:?}");
    let exclude = ["new".into()];
    let target = CostTarget { exclude_tasks: &exclude, ..of_task("new") };
    let place = model.at(&target).unwrap();
    assert_eq!(place.measurements(), 0);
    let got = place.predict(&views).unwrap().unwrap();
    assert!(got.std[0] > 0.0 && got.median[0] < 20.0, "{got:?}");
}

#[test]
fn a_new_device_is_learned_from_few_measurements() {
    let devices = [("pi", 1.0, 1.0), ("phone", 0.2, 0.8), ("server", 0.01, 0.4)];
    let trials: Vec<Trial> = all()
        .into_iter()
        .flat_map(|at| {
            devices.map(|(device, slow, power)| {
                on(device, trial("t", at, &[("latency_s", latency(at, slow, power))]))
            })
        })
        .collect();
    let model = model(&table(&trials), "latency_s");
    assert_eq!(model.devices(), ["phone".into(), "pi".into(), "server".into()]);
    let pool = views(&model, &all());
    let truth = |at: (i64, i64)| latency(at, 5.0, 1.3);
    let target = CostTarget { device: Some("watch"), ..of_task("t") };
    let mut place = model.at(&target).unwrap();
    let error = |place: &CostPlace| {
        let got = place.predict(&pool).unwrap().unwrap();
        let mut errors: Vec<f64> =
            all().into_iter().zip(&got.median).map(|(at, got)| (got / truth(at) - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        errors[errors.len() / 2]
    };
    let before = error(&place);
    let tried = [(2, 3), (18, 19), (10, 4), (7, 12)];
    let costs: Vec<f64> = tried.iter().map(|at| truth(*at)).collect();
    place.learn(&views(&model, &tried), &costs).unwrap();
    let after = error(&place);
    assert!(before > 0.5 && after < 0.05, "{before} {after}");
}

#[test]
fn a_known_device_on_a_new_task_is_nearer_than_any_device() {
    let mut trials = Vec::new();
    for (index, at) in all().into_iter().enumerate().filter(|(index, _)| index % 3 == 0) {
        for (task, size) in [("small", 1.0), ("large", 4.0)] {
            for (device, slow, power) in [("pi", 1.0, 1.0), ("server", 0.01, 0.5)] {
                let noise = 1.0 + 0.02 * (index % 7) as f64;
                let cost = size * noise * latency(at, slow, power);
                trials.push(on(device, trial(task, at, &[("latency_s", cost)])));
            }
        }
    }
    let model = model(&table(&trials), "latency_s");
    let expect = |device| {
        let target = CostTarget { device: Some(device), ..of_task("new") };
        model.at(&target).unwrap().predict(&views(&model, &[(10, 10)])).unwrap().unwrap().median[0]
    };
    assert!(expect("pi") > 5.0 * expect("server"), "{} {}", expect("pi"), expect("server"));
}

#[test]
fn without_past_places_own_measurements_are_all_there_is() {
    let trials: Vec<Trial> = all()
        .into_iter()
        .step_by(5)
        .map(|at| trial("new", at, &[("train_s", latency(at, 1.0, 1.0))]))
        .collect();
    let model = model(&table(&trials), "train_s");
    let pool = views(&model, &[(2, 2), (19, 19)]);
    let got = model.at(&of_task("new")).unwrap().predict(&pool).unwrap().unwrap();
    assert!(got.median[1] > 10.0 * got.median[0], "{got:?}");
    let exclude = ["new".into()];
    let nothing = model.at(&CostTarget { exclude_tasks: &exclude, ..of_task("new") }).unwrap();
    assert!(nothing.predict(&pool).unwrap().is_none());
}

#[test]
fn a_cost_that_is_not_always_positive_keeps_its_own_scale() {
    let cost = |(depth, width): (i64, i64)| (depth - width) as f64;
    let trials: Vec<Trial> = all()
        .into_iter()
        .flat_map(|at| ["a", "b"].map(|task| trial(task, at, &[("delta", cost(at))])))
        .collect();
    let model = model(&table(&trials), "delta");
    assert!(!model.is_log());
    let got = model.at(&of_task("new")).unwrap().predict(&views(&model, &[(3, 9), (9, 3)])).unwrap().unwrap();
    assert_eq!((got.median[0], got.median[1]), (-6.0, 6.0));
    assert_eq!(got.at_most(-6.0), [1.0, 0.0]);
}

#[test]
fn parameters_measured_on_devices_do_not_depend_on_them() {
    let trials: Vec<Trial> = all()
        .into_iter()
        .take(4)
        .flat_map(|at| {
            ["pi", "phone"].map(|device| on(device, trial("t", at, &[("params", (at.0 * at.1) as f64)])))
        })
        .collect();
    let model = model(&table(&trials), "params");
    assert!(model.devices().is_empty());
    let target = CostTarget { device: Some("watch"), ..of_task("t") };
    let got = model.at(&target).unwrap().predict(&views(&model, &[(1, 3)])).unwrap().unwrap();
    assert_eq!((got.median[0], got.std[0]), (3.0, 0.0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let table = table(&[trial("a", (1, 1), &[("params", 3.0)])]);
    let error = CostModel::new(&table, &"latency_s".into(), None).unwrap_err().to_string();
    assert_eq!(error, "there is nothing to fit a cost model on");
    let model = model(&table, "params");
    let mut place = model.at(&of_task("a")).unwrap();
    let error = place.learn(&views(&model, &[(1, 1)]), &[1.0, 2.0]).unwrap_err().to_string();
    assert_eq!(error, "architectures and costs: 1 against 2");
}

/// Trials of four tasks on which an architecture takes as long, each with architectures of its own: a floor below and a product above.
fn alike() -> (Vec<Trial>, impl Fn((i64, i64)) -> f64) {
    let latency = |(depth, width): (i64, i64)| 1e-4 * (1.0 + (depth * width * width) as f64 / 200.0);
    let one_of = |task: usize| move |(index, _): &(usize, (i64, i64))| index % 9 == 2 * task;
    let trials_of = |(task, name): (usize, &str)| {
        let own = all().into_iter().enumerate().filter(one_of(task));
        own.map(|(_, at)| trial(name, at, &[("latency_s", latency(at))])).collect::<Vec<_>>()
    };
    let trials = ["a", "b", "c", "d"].into_iter().enumerate().flat_map(trials_of).collect();
    (trials, latency)
}

/// A forest answers with means of what was measured, so all near the floor cost too much, and no bound there can be kept to.
#[test]
fn costs_near_their_floor_are_foretold_and_where_tasks_agree_so_is_a_new_one() {
    let (trials, latency) = alike();
    let model = model(&table(&trials), "latency_s");
    let cheap: Vec<(i64, i64)> = all().into_iter().filter(|at| latency(*at) < 1.3e-4).collect();
    let got = model.at(&of_task("new")).unwrap().predict(&views(&model, &cheap)).unwrap().unwrap();
    for (at, got) in cheap.iter().zip(&got.median) {
        assert!((got / latency(*at) - 1.0).abs() < 0.1, "{at:?}: {got} {}", latency(*at));
    }
    let pool = views(&model, &[(1, 2), (6, 6), (20, 20)]);
    let kept = model.at(&of_task("new")).unwrap().predict(&pool).unwrap().unwrap().at_most(1.6e-4);
    assert!(kept[0] > 0.95 && kept[1] < 0.05 && kept[2] < 0.01, "{kept:?}");
}

/// Places on one device say nothing of how another differs.
#[test]
fn of_a_device_never_seen_one_device_tells_little() {
    let (trials, _) = alike();
    let trials: Vec<Trial> = trials.into_iter().map(|trial| on("pi", trial)).collect();
    let model = model(&table(&trials), "latency_s");
    let kept = |device| {
        let target = CostTarget { device: Some(device), ..of_task("new") };
        let pool = views(&model, &[(1, 2)]);
        model.at(&target).unwrap().predict(&pool).unwrap().unwrap().at_most(1.6e-4)[0]
    };
    assert!(kept("pi") > 0.95 && kept("phone") < 0.8, "{} {}", kept("pi"), kept("phone"));
}

/// A model made anew over a grown table takes over the fits that still hold, and answers as a fresh one does.
#[test]
fn fits_are_taken_over() {
    let half: Vec<Trial> = all()
        .into_iter()
        .step_by(2)
        .map(|at| trial("a", at, &[("train_s", latency(at, 1.0, 1.0))]))
        .collect();
    let first = model(&table(&half), "train_s");
    let grown: Vec<Trial> =
        half.iter().cloned().chain([trial("b", (9, 9), &[("train_s", 1.0)])]).rev().collect();
    let table = table(&grown);
    let cost = "train_s".into();
    let reused = CostModel::new(&table, &cost, Some(&first)).unwrap();
    let pool = [(1, 2), (9, 9), (20, 20)];
    let predict = |model: &CostModel| {
        model.at(&of_task("new")).unwrap().predict(&views(model, &pool)).unwrap().unwrap()
    };
    let (a, b) = (predict(&reused), predict(&CostModel::new(&table, &cost, None).unwrap()));
    for (a, b) in a.mean.iter().zip(&b.mean) {
        assert!((a - b).abs() < 0.1, "{a} {b}");
    }
}
