//! A recommender that has heard of trials one after another gives the answers of one that reads the same base afresh.

use std::sync::Arc;

use heirloom_kb::{
    Architecture, Batch, Domain, Goal, KnowledgeStore, MemoryStore, Split, Status, Task, Trial,
};

use crate::{Bound, NewTask, Objectives, RecommendationRequest, Recommender, TaskChoice, spaces};

const SPACE: &str = "chain-cnn/1";
const HEIR: &str = "chain-cnn-inherit/1";

fn task(id: &str, width: f64) -> Task {
    let mut task = Task::new(id, Domain::Image, "accuracy", Goal::Maximize);
    task.meta_features.insert("n_samples".into(), width);
    task
}

/// Trials of a task, some of which others have tried too, in another order.
fn trials(task: &str, seed: u64, n: usize) -> Vec<Trial> {
    let space = (spaces::family(SPACE).unwrap().space)();
    let mut pool = spaces::pool(&space, 24, 3);
    pool.extend(spaces::pool(&space, 24, seed));
    pool.rotate_left(5 * seed as usize % 48);
    let one = |(at, architecture): (usize, Architecture)| {
        let number = |name| architecture.number(name).unwrap_or(0.0);
        let score = (number("width1").ln() + number("lr").log10() + 0.2 * seed as f64).sin();
        let mut trial =
            Trial::new(task, SPACE, architecture.clone(), Split::Validation, "accuracy", score.abs());
        trial.fidelity.insert("epochs".into(), 9.0);
        trial.costs.insert("train_s".into(), number("width1") + seed as f64);
        trial.curve = (1..=9).map(|epoch| (f64::from(epoch), score.abs() * f64::from(epoch))).collect();
        match at % 7 {
            0 => (trial.status, trial.score) = (Status::Failed, None),
            1 => trial.metric = "loss".into(),
            2 => drop(trial.extra.insert("device".into(), "pi".into())),
            _ => {}
        }
        trial
    };
    pool.into_iter().take(n).enumerate().map(one).collect()
}

/// What comes into the base, one after another.
fn batches() -> Vec<Batch> {
    let space = (spaces::family(SPACE).unwrap().space)();
    let of = |trials: &[Trial]| Batch { trials: trials.to_vec(), ..Batch::default() };
    let (m, p, a) = (trials("m", 1, 40), trials("p", 2, 40), trials("a", 4, 30));
    let mut first = of(&m);
    (first.spaces, first.tasks) = (vec![space], vec![task("m", 9.0), task("p", 7.0)]);
    let mut newcomer = of(&a[..1]);
    newcomer.tasks = vec![task("a", 5.0)];
    let described = Batch { tasks: vec![task("z", 3.0)], ..Batch::default() };
    vec![first, of(&p[..25]), newcomer, of(&a[1..9]), described, of(&[&p[25..], &a[9..]].concat())]
}

fn requests() -> Vec<RecommendationRequest> {
    let new =
        NewTask { meta_features: [("n_samples".into(), 6.0)].into_iter().collect(), ..NewTask::default() };
    let limit = Bound { max: Some(60.0), min: None };
    let aimed = Objectives {
        constraints: [("train_s".into(), limit)].into_iter().collect(),
        pareto: vec!["train_s".into()],
        ..Objectives::default()
    };
    let of = |task: TaskChoice, space: &str, objectives: &Objectives| RecommendationRequest {
        task,
        space: space.into(),
        k: 3,
        candidates: None,
        exclude: vec![],
        exclude_tasks: vec![],
        seed: 5,
        objectives: objectives.clone(),
    };
    let plain = Objectives::default();
    vec![
        of(TaskChoice::New(new), SPACE, &plain),
        of("p".into(), SPACE, &plain),
        of("p".into(), SPACE, &aimed),
        of("m".into(), HEIR, &plain),
    ]
}

fn answers(recommender: &Recommender) -> Vec<String> {
    let answer = |request| serde_json::to_string_pretty(&recommender.recommend(&request).unwrap()).unwrap();
    requests().into_iter().map(answer).collect()
}

#[test]
fn a_recommender_that_has_grown_answers_as_a_fresh_one() {
    let store = Arc::new(MemoryStore::default());
    let grown = Recommender::new(Arc::clone(&store) as Arc<dyn KnowledgeStore>);
    let batches = batches();
    for n in 1..=batches.len() {
        store.commit(&batches[n - 1]).unwrap();
        if n % 2 == 1 {
            // Nobody asks for anything but the score meanwhile: the books grow by two imports.
            grown.history(&SPACE.into()).unwrap();
            continue;
        }
        // A base of its own: the other has models on its shelf.
        let same = MemoryStore::default();
        for batch in &batches[..n] {
            same.commit(batch).unwrap();
        }
        let fresh = Recommender::new(Arc::new(same));
        for (grown, fresh) in answers(&grown).iter().zip(&answers(&fresh)) {
            assert_eq!(grown, fresh, "after {n} imports");
        }
    }
}
