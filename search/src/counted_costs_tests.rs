use std::sync::Arc;

use heirloom_kb::{Batch, Goal, KnowledgeStore, MemoryStore, Split, Trial};

use super::*;
use crate::{
    Bound, NewTask, Recommendation, RecommendationRequest, Recommender, SearchError, Study, StudyReport,
    StudySetup, TaskChoice, spaces,
};

const SPACE: &str = "chain-cnn/1";

fn image_task(id: &str, side: f64) -> Task {
    let mut task = Task::new(id, Domain::Image, "accuracy", Goal::Maximize);
    let numbers = [("channels", 1.0), ("height", side), ("width", side), ("n_classes", 10.0)];
    task.meta_features = numbers.map(|(name, number)| (name.into(), number)).into();
    task
}

/// The parameters of a network on images of one channel and ten classes.
fn params(architecture: &Architecture) -> f64 {
    let input = NetInput { shape: vec![1, 8, 8], n_classes: 10 };
    cost(family(SPACE).unwrap(), &input, architecture).unwrap().params as f64
}

fn pool(n: u64) -> Vec<Architecture> {
    spaces::pool(&(family(SPACE).unwrap().space)(), n, 3)
}

/// Wide networks do better; what a trial says of its parameters is `factor` times what they are.
fn recommender(past: &[&str], factor: f64) -> Recommender {
    let trials = past.iter().flat_map(|task| {
        pool(60).into_iter().map(move |architecture| {
            let params = params(&architecture);
            let mut trial =
                Trial::new(*task, SPACE, architecture, Split::Validation, "accuracy", params.ln());
            trial.costs.insert("params".into(), factor * params);
            trial
        })
    });
    let store = MemoryStore::default();
    let tasks = past.iter().chain(&["new"]).map(|id| image_task(id, 8.0)).collect();
    let batch = Batch { spaces: vec![(family(SPACE).unwrap().space)()], tasks, trials: trials.collect() };
    store.commit(&batch).unwrap();
    Recommender::new(Arc::new(store))
}

fn at_most(cost: &str, max: f64) -> Objectives {
    let bound = Bound { min: None, max: Some(max) };
    Objectives { constraints: [(Name::from(cost), bound)].into(), ..Objectives::default() }
}

fn ask(
    recommender: &Recommender,
    task: TaskChoice,
    objectives: Objectives,
) -> Result<Recommendation, SearchError> {
    recommender.recommend(&RecommendationRequest {
        task,
        space: SPACE.into(),
        k: 20,
        candidates: None,
        exclude: Vec::new(),
        exclude_tasks: Vec::new(),
        seed: 0,
        objectives,
    })
}

#[test]
fn without_a_history_a_bound_on_parameters_is_kept_to_the_letter() {
    let recommender = recommender(&[], 1.0);
    let answer = ask(&recommender, "new".into(), at_most("params", 20_000.0)).unwrap();
    assert_eq!(answer.ranked.len(), 20);
    for ranked in &answer.ranked {
        let params = params(&ranked.architecture);
        assert!(params <= 20_000.0, "{}", ranked.architecture);
        assert_eq!((ranked.expected_costs["params"], ranked.cost_std["params"]), (params, 0.0));
        assert_eq!(ranked.feasible_frac, Some(1.0));
    }
    let error = ask(&recommender, "new".into(), at_most("params", 10.0)).unwrap_err().to_string();
    assert!(error.contains("params must be at most 10"), "{error}");
    let error = ask(&recommender, "new".into(), at_most("latency_s", 1.0)).unwrap_err();
    assert!(matches!(error, SearchError::UnknownCost { .. }), "{error}");
}

#[test]
fn a_history_is_asked_for_what_it_measured_otherwise_only() {
    let counted = ask(&recommender(&["a", "b"], 1.0), "new".into(), at_most("params", 20_000.0)).unwrap();
    assert!(counted.ranked.iter().all(|ranked| params(&ranked.architecture) <= 20_000.0));
    assert!(counted.ranked.iter().all(|ranked| ranked.cost_std["params"] == 0.0));
    // These write thousands: a bound of 20 is meant in their unit.
    let thousands = ask(&recommender(&["a", "b"], 1e-3), "new".into(), at_most("params", 20.0)).unwrap();
    assert!(thousands.ranked.iter().any(|ranked| ranked.cost_std["params"] > 0.0));
    assert!(thousands.ranked.iter().all(|ranked| ranked.expected_costs["params"] < 1_000.0));
}

#[test]
fn what_the_task_does_not_say_of_its_examples_is_said_to_be_taken_for_granted() {
    let of = |names: &[(&str, f64)]| {
        TaskChoice::New(NewTask {
            meta_features: names.iter().map(|(name, number)| ((*name).into(), *number)).collect(),
            domain: Some(Domain::Image),
            ..NewTask::default()
        })
    };
    let recommender = recommender(&[], 1.0);
    let answer = ask(&recommender, of(&[("n_classes", 3.0)]), at_most("flops", 1e7)).unwrap();
    let words =
        "flops are counted for images of 3 channels and 32x32 pixels, for the task does not say otherwise";
    assert!(answer.notes.iter().any(|note| note == words), "{:?}", answer.notes);
    let whole = [("channels", 1.0), ("height", 8.0), ("width", 8.0), ("n_classes", 10.0)];
    let answer = ask(&recommender, of(&whole), at_most("params", 20_000.0)).unwrap();
    assert!(!answer.notes.iter().any(|note| note.contains("counted for")), "{:?}", answer.notes);
    assert!(answer.ranked.iter().all(|ranked| params(&ranked.architecture) <= 20_000.0));
}

#[test]
fn the_best_of_a_study_keeps_to_its_constraints() {
    let recommender = recommender(&["a", "b"], 1.0);
    let setup =
        serde_json::json!({"task": "new", "space": SPACE, "constraints": {"params": {"max": 20_000}}});
    let setup: StudySetup = serde_json::from_value(setup).unwrap();
    let mut study = Study::create(&recommender, setup).unwrap();
    let proposals = study.ask(8).unwrap();
    assert!(proposals.iter().all(|proposal| params(&proposal.architecture) <= 20_000.0));
    let big = pool(200).into_iter().max_by(|a, b| params(a).total_cmp(&params(b))).unwrap();
    // Whoever tells it says nothing of its costs.
    let told = |architecture: &Architecture, score| {
        Trial::new("new", SPACE, architecture.clone(), Split::Validation, "accuracy", score)
    };
    study.tell(vec![told(&big, 0.99)]).unwrap();
    assert_eq!(StudyReport::of(&study).best, None);
    let mut slow = told(&proposals[1].architecture, 0.9);
    slow.costs.insert("params".into(), 1e6);
    study.tell(vec![slow]).unwrap();
    assert_eq!(StudyReport::of(&study).best, None, "what was measured counts before what is counted");
    study.tell(vec![told(&proposals[0].architecture, 0.7)]).unwrap();
    let report = StudyReport::of(&study);
    assert_eq!((report.best.unwrap().score, report.curve[2].best), (Some(0.7), Some(0.7)));
}
