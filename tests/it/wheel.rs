//! The real history of NAS-Bench-Graph.

use crate::program::{Program, arg, wheels};

#[test]
fn nas_bench_graph_is_imported_once_and_recommends_for_a_task_left_out() {
    let Some(dir) = wheels() else { return };
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let wheel = files
        .into_iter()
        .find(|path| arg(path).contains("nas_bench_graph-1.4.0"))
        .expect("the wheel is there");
    let program = Program::new();
    let report = program.json(&["import", arg(&wheel)]);
    assert_eq!(report[0]["added"]["trials"], 2 * (8 * 26_206 + 2_021));
    assert_eq!(program.json(&["import", arg(&wheel)])[0]["known"], 2 * (8 * 26_206 + 2_021));

    let args = ["recommend", "--task", "photo", "--space", "nas-bench-graph/1", "-k", "10", "--true-rank"];
    let answer = program.json(&args);
    assert_eq!(answer["candidates"], 26_206);
    assert_eq!(answer["history"].as_array().unwrap().len(), 8);
    assert!(
        answer["notes"][0].as_str().unwrap().contains("from the other tasks alone"),
        "{}",
        answer["notes"]
    );
    for ranked in answer["ranked"].as_array().unwrap() {
        assert!(ranked["evidence"].as_array().unwrap().len() >= 7);
        assert!(ranked["expected_costs"]["latency_s"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(answer["true_ranks"]["measured"], 26_206);

    // A task that others resemble: ten picks at random would have one among the best tenth two times in three.
    let args =
        ["recommend", "--task", "computers", "--space", "nas-bench-graph/1", "-k", "10", "--true-rank"];
    let answer = program.json(&args);
    let ranks = answer["true_ranks"]["ranks"].as_array().unwrap();
    let good = ranks.iter().filter(|rank| rank["rank"].as_u64().unwrap() < 26_206 / 5).count();
    assert!(good >= 6, "most of ten are among the best fifth: {ranks:?}");
}
