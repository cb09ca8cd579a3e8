use std::sync::Arc;

use heirloom_kb::{Batch, Domain, Goal, KnowledgeStore, MemoryStore, Split, Task, Trial};

use super::*;
use crate::{
    Acquisition, Bound, Constraints, HistoryChoice, Recommendation, RecommendationRequest, Recommender,
    StrategyKind, Study, StudySetup,
};

const SPACE: &str = r#"{"id":"s/1","params":[{"name":"depth","range":{"kind":"int","lo":1,"hi":10}},
    {"name":"width","range":{"kind":"int","lo":1,"hi":10}}]}"#;

fn architecture(depth: i64, width: i64) -> Architecture {
    [("depth", depth), ("width", width)].into_iter().collect()
}

fn size(architecture: &Architecture) -> f64 {
    architecture.number("depth").unwrap() * architecture.number("width").unwrap()
}

/// Larger is better, with a little more for depth.
fn score(architecture: &Architecture) -> f64 {
    size(architecture).sqrt() / 10.0 + 0.01 * architecture.number("depth").unwrap()
}

fn trial(task: &str, architecture: Architecture, slow: f64) -> Trial {
    let size = size(&architecture);
    let score = score(&architecture);
    let mut trial = Trial::new(task, "s/1", architecture, Split::Validation, "accuracy", score);
    trial.costs.insert("params".into(), 100.0 * size);
    trial.costs.insert("latency_s".into(), slow * size.powf(1.2));
    // Grows so fast that what is best is not best for its price.
    trial.costs.insert("energy_j".into(), slow * size.powi(2));
    trial
}

/// Three past tasks with all hundred architectures measured, the second one slow; and a new one.
fn recommender() -> Recommender {
    let tasks = ["a", "b", "c", "new"].map(|id| Task::new(id, Domain::Image, "accuracy", Goal::Maximize));
    let all = (1..=10).flat_map(|depth| (1..=10).map(move |width| (depth, width)));
    let trials = all.flat_map(|(depth, width)| {
        [("a", 0.001), ("b", 0.01), ("c", 0.002)]
            .map(|(task, slow)| trial(task, architecture(depth, width), slow))
    });
    let store = MemoryStore::default();
    let batch = Batch {
        spaces: vec![serde_json::from_str(SPACE).unwrap()],
        tasks: tasks.to_vec(),
        trials: trials.collect(),
    };
    store.commit(&batch).unwrap();
    Recommender::new(Arc::new(store))
}

fn at_most(cost: &str, max: f64) -> Objectives {
    let bound = Bound { min: None, max: Some(max) };
    Objectives { constraints: [(Name::from(cost), bound)].into(), ..Objectives::default() }
}

fn request(objectives: Objectives) -> RecommendationRequest {
    RecommendationRequest {
        task: "new".into(),
        space: "s/1".into(),
        k: 10,
        candidates: None,
        exclude: Vec::new(),
        exclude_tasks: Vec::new(),
        seed: 0,
        objectives,
    }
}

fn recommend(objectives: Objectives) -> Result<Recommendation, SearchError> {
    recommender().recommend(&request(objectives))
}

#[test]
fn without_objectives_the_order_is_that_of_the_scores_and_costs_are_known() {
    let answer = recommend(Objectives::default()).unwrap();
    assert!(answer.ranked.windows(2).all(|pair| pair[0].mean >= pair[1].mean));
    assert!(answer.front.is_none() && answer.ranked[0].feasible_frac.is_none());
    let first = &answer.ranked[0];
    assert_eq!(first.expected_costs["params"], 100.0 * size(&first.architecture));
    assert_eq!(first.cost_std["params"], 0.0);
    assert!(first.cost_std["latency_s"] > 0.0);
}

#[test]
fn a_constraint_on_a_known_cost_is_kept_to_the_letter() {
    let answer = recommend(at_most("params", 3_000.0)).unwrap();
    assert_eq!(answer.ranked.len(), 10);
    for ranked in &answer.ranked {
        assert!(size(&ranked.architecture) <= 30.0, "{}", ranked.architecture);
        assert_eq!(ranked.feasible_frac, Some(1.0));
    }
    // The best of those that fit in, not just any.
    assert!(size(&answer.ranked[0].architecture) >= 28.0, "{}", answer.ranked[0].architecture);
}

#[test]
fn what_nothing_can_keep_to_is_refused_with_what_comes_closest() {
    let error = recommend(at_most("params", 50.0)).unwrap_err().to_string();
    assert_eq!(
        error,
        "no candidate can keep to the constraints: params must be at most 50, and the lowest expected of any candidate is 100"
    );
    let mut both = at_most("params", 500.0);
    both.constraints.insert("latency_s".into(), Bound { min: Some(1e3), max: None });
    let error = recommend(both).unwrap_err().to_string();
    assert!(error.contains("latency_s must be at least 1000, and the highest expected"), "{error}");
    let error = recommend(at_most("watts", 1.0)).unwrap_err().to_string();
    assert_eq!(error, r#"no trial has the cost "watts"; known are "energy_j", "latency_s", "params""#);
}

#[test]
fn a_gap_between_candidates_and_constraints_that_clash_are_told_apart() {
    let between = |min, max| Bound { min: Some(min), max: Some(max) };
    let mut asked = at_most("params", 500.0);
    asked.constraints.insert("params".into(), between(410.0, 490.0));
    let error = recommend(asked).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "params must be at least 410 and at most 490, and the closest expected of any candidate is 500"
        ),
        "{error}"
    );
    // On task a every cost is known: the small are not slow.
    let mut clash = at_most("params", 500.0);
    clash.constraints.insert("latency_s".into(), Bound { min: Some(0.2), max: None });
    let recommender = recommender();
    let error = recommender.recommend(&RecommendationRequest { task: "a".into(), ..request(clash) });
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("but not together with the other constraints"), "{error}");
}

#[test]
fn an_uncertain_constraint_weighs_by_its_probability() {
    let answer = recommend(at_most("latency_s", 0.05)).unwrap();
    let feasible: Vec<f64> = answer.ranked.iter().filter_map(|ranked| ranked.feasible_frac).collect();
    assert_eq!(feasible.len(), 10);
    assert!(feasible.iter().all(|feasible| (0.01..1.0).contains(feasible)), "{feasible:?}");
    let beyond = answer.ranked.iter().filter(|ranked| ranked.expected_costs["latency_s"] > 0.05).count();
    let note = format!("of {beyond} of 10 architectures a cost is expected to lie beyond its bound");
    assert_eq!(beyond > 0, answer.notes.iter().any(|given| given.starts_with(&note)), "{:?}", answer.notes);
    let tight = recommend(at_most("latency_s", 0.02)).unwrap();
    assert!(tight.notes.iter().any(|note| note.contains("beyond its bound")), "{:?}", tight.notes);
    let plain = recommend(Objectives::default()).unwrap();
    let mean = |answer: &Recommendation| {
        answer.ranked.iter().map(|ranked| size(&ranked.architecture)).sum::<f64>() / 10.0
    };
    assert!(mean(&answer) < mean(&plain) - 5.0, "{} {}", mean(&answer), mean(&plain));
}

#[test]
fn a_front_is_monotone_and_its_picks_spread() {
    let asked = Objectives { pareto: vec!["params".into()], ..Objectives::default() };
    let answer = recommend(asked).unwrap();
    let front = answer.front.as_ref().unwrap();
    assert!(front.len() > 5);
    for pair in front.windows(2) {
        assert!(pair[0].mean >= pair[1].mean);
        assert!(pair[0].expected_costs["params"] >= pair[1].expected_costs["params"]);
    }
    let sizes: Vec<f64> = answer.ranked.iter().map(|ranked| size(&ranked.architecture)).collect();
    let (lo, hi) = sizes.iter().fold((f64::MAX, 0.0_f64), |(lo, hi), s| (lo.min(*s), hi.max(*s)));
    assert!(lo <= 6.0 && hi >= 60.0, "{sizes:?}");
}

#[test]
fn improvement_per_cost_prefers_the_cheap() {
    let asked = Objectives { per: Some("energy_j".into()), ..Objectives::default() };
    let answer = recommend(asked).unwrap();
    let plain = recommend(Objectives::default()).unwrap();
    let cost = |answer: &Recommendation| answer.ranked[0].expected_costs["energy_j"];
    assert!(cost(&answer) < cost(&plain), "{} {}", cost(&answer), cost(&plain));
    // Of what costs less by more than it is worse, not just the cheapest, which is at -2.4.
    assert!(answer.ranked[0].mean > -1.0, "{}", answer.ranked[0].mean);
}

#[test]
fn a_device_that_no_trial_names_is_said_to_be_unmet() {
    let asked = Objectives { device: Some("watch".into()), ..at_most("latency_s", 1.0) };
    let answer = recommend(asked).unwrap();
    assert!(
        answer.notes.iter().any(|note| note.contains("no trial names a device for latency_s")),
        "{:?}",
        answer.notes
    );
}

fn setup(objectives: Objectives) -> StudySetup {
    StudySetup {
        scheduler: None,
        task: "new".into(),
        space: "s/1".into(),
        candidates: None,
        prior: None,
        strategy: StrategyKind::Surrogate,
        acquisition: None,
        seed: 1,
        history: HistoryChoice::default(),
        constraints: objectives.constraints,
        pareto: objectives.pareto,
        per: objectives.per,
        device: objectives.device,
    }
}

/// Architectures tried by a study on the new task, where latency is ten times that of task a.
fn study(objectives: Objectives, trials: usize) -> Vec<Architecture> {
    let recommender = recommender();
    let mut study = Study::create(&recommender, setup(objectives)).unwrap();
    let mut tried = Vec::new();
    for _ in 0..trials {
        let proposal = study.ask(1).unwrap().remove(0);
        study.tell(vec![trial("new", proposal.architecture.clone(), 0.01)]).unwrap();
        tried.push(proposal.architecture);
    }
    tried
}

#[test]
fn a_study_learns_what_its_task_costs_and_keeps_to_the_limit() {
    let limit = 0.01 * 30.0_f64.powf(1.2) * 1.001;
    let tried = study(at_most("latency_s", limit), 12);
    // The first trials find out how slow the task is; later ones keep to the limit and use it.
    let late: Vec<f64> = tried[2..].iter().map(size).collect();
    assert!(late.iter().filter(|size| **size <= 30.0).count() >= 9, "{late:?}");
    assert!(late.iter().any(|size| (27.0..=30.0).contains(size)), "{late:?}");
}

#[test]
fn a_study_of_a_front_tries_small_and_large() {
    let asked = Objectives { pareto: vec!["latency_s".into()], ..Objectives::default() };
    let tried = study(asked, 8);
    let sizes: Vec<f64> = tried.iter().map(size).collect();
    assert!(sizes.iter().any(|size| *size <= 8.0) && sizes.iter().any(|size| *size >= 70.0), "{sizes:?}");
}

#[test]
fn batches_count_what_is_pending() {
    let recommender = recommender();
    let asked = Objectives { pareto: vec!["params".into()], ..Objectives::default() };
    let mut study = Study::create(&recommender, setup(asked)).unwrap();
    let batch = study.ask(6).unwrap();
    let sizes: std::collections::BTreeSet<i64> =
        batch.iter().map(|proposal| size(&proposal.architecture) as i64).collect();
    assert_eq!(sizes.len(), 6, "{sizes:?}");
    assert!(batch[0].why.starts_with("highest expected hypervolume improvement"), "{}", batch[0].why);
}

/// One list is tried from the top: no pick of it counts on what one before it may have found.
#[test]
fn a_recommendation_is_what_a_study_of_these_objectives_asks_for() {
    let per = Objectives { per: Some("energy_j".into()), ..Objectives::default() };
    let front = Objectives { pareto: vec!["params".into()], ..Objectives::default() };
    for asked in [at_most("latency_s", 0.05), per, front] {
        let recommender = recommender();
        let answer = recommender.recommend(&request(asked.clone())).unwrap();
        let ranked: Vec<Architecture> =
            answer.ranked[..4].iter().map(|ranked| ranked.architecture.clone()).collect();
        let mut study = Study::create(&recommender, setup(asked)).unwrap();
        let batch: Vec<Architecture> =
            study.ask(4).unwrap().into_iter().map(|proposal| proposal.architecture).collect();
        assert_eq!(ranked, batch);
        let why = &answer.ranked[1].why;
        assert!(why.contains("of the candidates"), "{why}");
    }
}

#[test]
fn a_study_with_objectives_goes_on_after_a_restart() {
    let recommender = recommender();
    let asked = at_most("params", 3_000.0);
    let mut study = Study::create(&recommender, setup(asked.clone())).unwrap();
    let first = study.ask(1).unwrap().remove(0).architecture;
    study.tell(vec![trial("new", first, 0.01)]).unwrap();
    let mut resumed = Study::resume(&recommender, study.id()).unwrap();
    assert_eq!(resumed.setup().objectives(), asked);
    assert!(size(&resumed.ask(1).unwrap()[0].architecture) <= 30.0);
}

#[test]
fn a_strategy_that_knows_the_score_alone_says_so() {
    let recommender = recommender();
    let random = StudySetup { strategy: StrategyKind::Random, ..setup(at_most("params", 3_000.0)) };
    let error = Study::create(&recommender, random).err().unwrap().to_string();
    assert_eq!(error, "objectives: this strategy knows the score alone; take the strategy \"surrogate\"");
    assert!(Constraints::new().is_empty());
}

#[test]
fn an_acquisition_that_cannot_be_had_is_refused() {
    let refusal = |strategy, acquisition, objectives| {
        let setup = StudySetup { strategy, acquisition: Some(acquisition), ..setup(objectives) };
        Study::create(&recommender(), setup).err().unwrap().to_string()
    };
    assert_eq!(
        refusal(StrategyKind::Random, Acquisition::ExpectedImprovement, Objectives::default()),
        "acquisition: this strategy chooses by none; take the strategy \"surrogate\""
    );
    let bound = |beta| Acquisition::UpperConfidenceBound { beta };
    for beta in [-1.0, f64::NAN, f64::INFINITY] {
        let error = refusal(StrategyKind::Surrogate, bound(beta), Objectives::default());
        assert_eq!(error, format!("acquisition: beta is {beta}, it must be a finite number of 0 or more"));
    }
    assert_eq!(
        refusal(StrategyKind::Surrogate, Acquisition::Thompson, at_most("params", 3_000.0)),
        "acquisition: \"thompson\" knows the score alone; with constraints or costs leave it out, or take \"ei\""
    );
    let usual = StudySetup {
        acquisition: Some(Acquisition::ExpectedImprovement),
        ..setup(at_most("params", 3_000.0))
    };
    assert!(Study::create(&recommender(), usual).is_ok());
}

#[test]
fn where_nothing_is_promised_the_constraints_are_kept_all_the_same() {
    let prediction = Prediction { mean: ndarray::array![3.0, 1.0, 2.0, 2.0], std: ndarray::Array1::zeros(4) };
    let promises =
        |gains: [f64; 4]| Promises { gains: gains.to_vec(), feasible: vec![0.0, 1.0, 1.0, 1.0], what: "" };
    assert_eq!(promises([0.0; 4]).most(&prediction), 2);
    assert_eq!(promises([0.0, 0.5, 0.0, 0.5]).most(&prediction), 3);
    assert_eq!(promises([0.0, 0.5, 0.4, 0.4]).most(&prediction), 1);
}

/// In a built-in space scores are told from the networks' fingerprints too, costs are not.
#[test]
fn constraints_hold_in_a_built_in_space() {
    let space = (crate::spaces::family("mlp/1").unwrap().space)();
    let some = crate::spaces::pool(&space, 40, 1);
    let trials = some[..30].iter().enumerate().map(|(at, architecture)| {
        let mut trial = Trial::new(
            if at < 25 { "a" } else { "new" },
            "mlp/1",
            architecture.clone(),
            Split::Validation,
            "accuracy",
            at as f64 / 30.0,
        );
        trial.costs.insert("params".into(), 100.0 + 100.0 * architecture.number("width1").unwrap());
        trial
    });
    let tasks = ["a", "new"].map(|id| Task::new(id, Domain::Tabular, "accuracy", Goal::Maximize));
    let store = MemoryStore::default();
    let batch = Batch { tasks: tasks.to_vec(), trials: trials.collect(), spaces: vec![space] };
    store.commit(&batch).unwrap();
    let request = RecommendationRequest {
        space: "mlp/1".into(),
        candidates: Some(some),
        ..request(at_most("params", 5_000.0))
    };
    let answer = Recommender::new(Arc::new(store)).recommend(&request).unwrap();
    assert!(answer.ranked[0].feasible_frac.unwrap() > 0.5);
}
