//! Speed of recommendations: `cargo bench -p heirloom-search`. With `HEIRLOOM_WHEELS` set to a folder with the wheel of
//! NAS-Bench-Graph (`make bench` does), over its 212,000 validation trials.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros have no docs; a bench that cannot go on stops"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use heirloom_datasets::importers::{NasBenchGraph, is_nas_bench_graph};
use heirloom_kb::{KnowledgeStore, SledStore, Split, Trial};
use heirloom_search::{
    Constraints, HistoryChoice, Objectives, RecommendationRequest, Recommender, SpaceHistory, StrategyKind,
    Study, StudySetup, spaces,
};

const SPACE: &str = "nas-bench-graph/1";

fn wheel() -> Option<PathBuf> {
    let dir = std::env::var_os("HEIRLOOM_WHEELS")?;
    std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).find(|path| is_nas_bench_graph(path))
}

fn photo() -> RecommendationRequest {
    RecommendationRequest {
        task: "photo".into(),
        space: SPACE.into(),
        k: 10,
        candidates: None,
        exclude: Vec::new(),
        exclude_tasks: vec!["photo".into()],
        seed: 0,
        objectives: Objectives::default(),
    }
}

/// A study on `photo` that has seen so many trials.
fn study_after(recommender: &Recommender, trials: usize) -> Study {
    let setup = StudySetup {
        scheduler: None,
        task: "photo".into(),
        space: SPACE.into(),
        candidates: None,
        prior: None,
        strategy: StrategyKind::Surrogate,
        acquisition: None,
        seed: 0,
        history: HistoryChoice { exclude_tasks: vec!["photo".into()] },
        constraints: Constraints::new(),
        pareto: Vec::new(),
        per: None,
        device: None,
    };
    let mut study = Study::rehearse(recommender, setup).unwrap();
    let pool = recommender.history(&SPACE.into()).unwrap();
    let told =
        pool.pool().architectures.iter().step_by(397).take(trials).enumerate().map(|(n, architecture)| {
            Trial::new(
                "photo",
                SPACE,
                architecture.clone(),
                Split::Validation,
                "accuracy",
                (n as f64).sin().abs(),
            )
        });
    study.tell(told.collect()).unwrap();
    study
}

fn benches(c: &mut Criterion) {
    let Some(wheel) = wheel() else { return };
    let dir = tempfile::tempdir().unwrap();
    let space = (spaces::family(SPACE).unwrap().space)();
    let store: Arc<dyn KnowledgeStore> = Arc::new(SledStore::open(dir.path()).unwrap());
    for batch in NasBenchGraph::open(&wheel, &space).unwrap().batches() {
        store.commit(&batch.unwrap()).unwrap();
    }
    let mut group = c.benchmark_group("NAS-Bench-Graph");
    group.sample_size(10);
    group.bench_function("read the history and fit", |b| {
        b.iter(|| SpaceHistory::load(&*store, &SPACE.into(), None).unwrap());
    });
    group.bench_function("recommend, cold", |b| {
        b.iter(|| Recommender::new(Arc::clone(&store)).recommend(&photo()).unwrap());
    });
    let recommender = Recommender::new(Arc::clone(&store));
    recommender.recommend(&photo()).unwrap();
    group.bench_function("recommend, warm", |b| {
        b.iter(|| recommender.recommend(black_box(&photo())).unwrap())
    });
    for trials in [0, 8, 64] {
        group.bench_function(format!("ask after {trials} trials"), |b| {
            let start = || study_after(&recommender, trials);
            b.iter_batched(start, |mut study| study.ask(1).unwrap(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(recommend, benches);
criterion_main!(recommend);
