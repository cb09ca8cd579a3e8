//! Trials that are under way when a process is killed.

use std::fs::DirEntry;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::Program;

/// A trial without what depends on the clock.
pub(crate) fn timeless(mut trial: Value) -> Value {
    let costs = trial["costs"].as_object_mut().unwrap();
    costs.remove("train_s");
    costs.remove("latency_s");
    // The id follows from all fields, the times among them.
    trial.as_object_mut().unwrap().remove("id");
    trial
}

/// Waits until so many trials under way have a checkpoint.
pub(crate) fn wait_for_checkpoints(program: &Program, running: &mut Child, trials: usize) {
    let under_way = program.path("base.weights/under-way");
    // What is still being written has another ending.
    let whole = |entry: &DirEntry| entry.path().extension().is_some_and(|ending| ending == "safetensors");
    let files = || std::fs::read_dir(&under_way).map_or(0, |dir| dir.flatten().filter(whole).count());
    let started = Instant::now();
    while files() < trials {
        assert!(running.try_wait().unwrap().is_none(), "it has ended too soon");
        assert!(started.elapsed() < Duration::from_secs(120), "no checkpoints were written");
        std::thread::sleep(Duration::from_millis(2));
    }
}
