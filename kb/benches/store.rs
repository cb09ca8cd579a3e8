//! Speed of the store and of JSON Lines: `cargo bench -p heirloom-kb`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros have no docs; a bench that cannot go on stops"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use heirloom_kb::jsonl::{self, ImportOptions};
use heirloom_kb::{KnowledgeStore, SledStore, TrialQuery};

const TRIALS: u64 = 100_000;

/// JSON Lines like those of NAS-Bench-Graph.
fn history(trials: u64) -> String {
    let ops = ["gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"];
    let options = ops.map(|op| format!("\"{op}\"")).join(",");
    let params: Vec<String> = (1..=5)
        .map(|n| format!(r#"{{"name":"op{n}","range":{{"kind":"choice","options":[{options}]}}}}"#))
        .collect();
    let mut text = format!(
        "{{\"type\":\"space\",\"id\":\"s/1\",\"params\":[{}]}}\n{}\n",
        params.join(","),
        r#"{"type":"task","id":"a","domain":"graph","metric":"accuracy","goal":"maximize"}"#
    );
    for n in 0..trials {
        let op = |digit: u32| ops[(n / 9_u64.pow(digit) % 9) as usize];
        text.push_str(&format!(
            r#"{{"type":"trial","task":"a","space":"s/1","architecture":{{"op1":"{}","op2":"{}","op3":"{}","op4":"{}","op5":"{}"}},"split":"validation","metric":"accuracy","score":{},"costs":{{"params":{},"latency_s":{}}},"source":"made up"}}"#,
            op(0), op(1), op(2), op(3), op(4), 0.5 + n as f64 / 1e6, n * 17, 1e-3 + n as f64 * 1e-9
        ));
        text.push('\n');
    }
    text
}

fn base(text: &str) -> (tempfile::TempDir, SledStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    jsonl::import(text.as_bytes(), &store, ImportOptions::default(), &mut |_| {}).unwrap();
    (dir, store)
}

fn benches(c: &mut Criterion) {
    let text = history(TRIALS);
    let mut group = c.benchmark_group("100,000 trials");
    group.sample_size(10).throughput(Throughput::Elements(TRIALS));
    group.bench_function("import into sled", |b| b.iter_with_large_drop(|| base(&text)));
    let (dir, store) = base(&text);
    group.bench_function("import again", |b| {
        b.iter(|| jsonl::import(text.as_bytes(), &store, ImportOptions::default(), &mut |_| {}).unwrap());
    });
    group.bench_function("read all", |b| b.iter(|| store.trials(black_box(&TrialQuery::default())).unwrap()));
    group.finish();

    let mut fresh =
        store.trials(&TrialQuery { limit: Some(1), ..TrialQuery::default() }).unwrap().trials.remove(0);
    let mut score = 1.0;
    c.bench_function("commit one trial", |b| {
        b.iter_batched(
            || {
                score += 1.0;
                fresh.score = Some(score);
                [fresh.clone()]
            },
            |trial| store.append(&trial).unwrap(),
            BatchSize::PerIteration,
        );
    });
    drop(store);
    c.bench_function("open", |b| b.iter(|| SledStore::open(dir.path()).unwrap()));
}

criterion_group!(store, benches);
criterion_main!(store);
