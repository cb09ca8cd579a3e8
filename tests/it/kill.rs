//! `kill -9` in the middle of an import.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use heirloom_kb::{TrialQuery, open};

use crate::histories::{SPACE, task, trial};
use crate::program::{Program, arg};

const ROUNDS: u32 = 20;
const TRIALS: usize = 100_000;

/// Trials that differ in their score alone.
fn history() -> String {
    let mut lines = vec![SPACE.to_owned(), task("a")];
    lines.extend((0..TRIALS).map(|n| trial("a", "conv", n as u32 % 9 + 1, 16, n as f64 / 1e6)));
    lines.join("\n") + "\n"
}

/// Imports until some acknowledgements have come and a moment has passed, then kills. Gives the trials acknowledged.
fn import_and_kill(program: &Program, file: &str, round: u32) -> u64 {
    let mut child = program.command(&["import", "-v", file]).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let trials = lines.map_while(Result::ok).filter_map(|line| {
        let (_, count) = line.split_once("committed ")?.1.split_once("trials=")?;
        count.parse::<u64>().ok()
    });
    let acknowledged = trials.take(1 + round as usize % 4).last().unwrap_or(0);
    // Another moment of the next chunk in each round: reading, packing, writing, synchronising.
    std::thread::sleep(Duration::from_millis(u64::from(round * 13 % 40)));
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost() {
    let program = Program::new();
    let file = program.file("history.jsonl", &history());
    let mut most = 0;
    for round in 0..ROUNDS {
        let acknowledged = import_and_kill(&program, arg(&file), round);
        assert!(acknowledged > 0, "round {round} acknowledged nothing before it was killed");
        most = most.max(acknowledged);
        let base = open(&program.base()).unwrap();
        let kept = base.stats().unwrap().trials();
        assert!(kept >= most, "round {round}: {kept} of {most}");
        assert_eq!(base.trials(&TrialQuery::default()).unwrap().trials.len() as u64, kept);
        if kept == TRIALS as u64 {
            // All of it is in: begin again with an empty base.
            drop(base);
            std::fs::remove_dir_all(program.path("base")).unwrap();
            most = 0;
        }
    }
    program.json(&["import", arg(&file)]);
    assert_eq!(program.trials(), TRIALS as u64);
}
