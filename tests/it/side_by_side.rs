//! Trials side by side, in worker processes.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Program, wheels};
use crate::under_way::{timeless, wait_for_checkpoints};

/// A study on the digits that trains two at a time.
fn study(program: &Program, dir: &Path, space: &str, more: &[&str]) -> Command {
    let args = ["--json", "study", "--task", "digits", "--space", space, "--train", "--jobs", "2"];
    let how = ["--device", "cpu", "--candidates", "60"];
    let mut command = program.command(&[&args[..], &how, more].concat());
    command.env("HEIRLOOM_DATA", dir).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn trials(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["report"]["trials"].as_array().unwrap().clone()
}

/// The processes that a process has started.
fn children(of: &Child) -> Vec<u32> {
    let parent = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the state and the parent follow.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| parent(pid) == Some(of.id())).collect()
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn the_same_seed_gives_the_same_trials_however_quick_the_workers_are() {
    let Some(dir) = wheels() else { return };
    let run = |more: &[&str]| {
        let program = Program::new();
        let args = [&["--top", "10", "--epochs", "4"], more].concat();
        let output = study(&program, &dir, "mlp/1", &args).output().unwrap();
        // Also where there is no terminal.
        assert!(String::from_utf8_lossy(&output.stderr).contains("heirloom study --resume study-1"));
        let trials = trials(&output);
        assert!(trials.iter().all(|trial| trial["id"].as_str().unwrap().len() == 32));
        assert_eq!(program.trials(), 10);
        assert_eq!(std::fs::read_dir(program.path("base.weights/under-way")).unwrap().count(), 0);
        trials.into_iter().map(timeless).collect::<Vec<_>>()
    };
    let whole = run(&[]);
    assert_eq!(whole, run(&[]));
    // The trials are those that one process would have made of these architectures.
    let program = Program::new();
    let architecture = whole[3]["architecture"].to_string();
    let args = ["train", "--task", "digits", "--space", "mlp/1", "--epochs", "4", "--device", "cpu"];
    let args = [&["--json"], &args[..], &["--architecture", &architecture]].concat();
    let output = program.command(&args).env("HEIRLOOM_DATA", &dir).output().unwrap();
    let mut alone = timeless(serde_json::from_slice(&output.stdout).unwrap());
    alone["study"] = whole[3]["study"].clone();
    alone.as_object_mut().unwrap().remove("data_summary");
    assert_eq!(alone, whole[3]);

    let asha = ["--scheduler", "asha", "--strategy", "random", "--eta", "2"];
    let stopped = run(&asha);
    assert_eq!(stopped, run(&asha));
    let pruned = stopped.iter().filter(|trial| trial["status"] == "pruned").count();
    assert!((1..10).contains(&pruned), "{stopped:?}");
}

#[test]
fn a_killed_worker_is_a_failed_trial_and_the_study_goes_on() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let args = ["--top", "4", "--epochs", "12"];
    let mut running = study(&program, &dir, "chain-cnn/1", &args).spawn().unwrap();
    wait_for_checkpoints(&program, &mut running, 2);
    let workers = children(&running);
    assert_eq!(workers.len(), 2);
    kill(workers[0]);
    let trials = trials(&running.wait_with_output().unwrap());
    let failed: Vec<&Value> = trials.iter().filter(|trial| trial["status"] == "failed").collect();
    assert_eq!((trials.len(), failed.len()), (4, 1), "{trials:?}");
    assert_eq!(failed[0]["reason"], "its process ended: signal: 9 (SIGKILL)");
    assert_eq!((&failed[0]["data"], &failed[0]["source"]), (&trials[3]["data"], &trials[3]["source"]));
    assert!(failed[0]["costs"]["params"].as_f64().unwrap() > 0.0 && failed[0]["score"].is_null());
    assert_eq!(program.trials(), 4);
    // What was kept of it under way is gone too.
    assert_eq!(std::fs::read_dir(program.path("base.weights/under-way")).unwrap().count(), 0);
}

/// A killed study takes its workers along, and goes on to the trials that it would have had, with its own seed.
#[test]
fn a_killed_study_leaves_no_worker_behind() {
    let Some(dir) = wheels() else { return };
    let args = ["--top", "3", "--epochs", "6", "--seed", "3"];
    let of = |output: &Output| trials(output).into_iter().map(timeless).collect::<Vec<_>>();
    let want = of(&study(&Program::new(), &dir, "chain-cnn/1", &args).output().unwrap());

    let program = Program::new();
    let mut running = study(&program, &dir, "chain-cnn/1", &args).spawn().unwrap();
    wait_for_checkpoints(&program, &mut running, 2);
    let workers = children(&running);
    assert_eq!(workers.len(), 2);
    running.kill().unwrap();
    running.wait().unwrap();
    let killed = Instant::now();
    while workers.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        assert!(killed.elapsed() < Duration::from_secs(10), "workers are left behind");
        std::thread::sleep(Duration::from_millis(20));
    }
    let again = ["--json", "study", "--resume", "study-1"];
    assert_eq!(of(&program.command(&again).env("HEIRLOOM_DATA", &dir).output().unwrap()), want);
    // It went on from the checkpoints; none stays behind.
    assert_eq!(std::fs::read_dir(program.path("base.weights/under-way")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_done_side_by_side_is_refused() {
    let program = Program::new();
    let table = ["study", "--task", "digits", "--space", "mlp/1", "--table", "--jobs", "2"];
    let words = program.refusal(&table);
    assert!(words.contains("'--table' cannot be used with '--jobs"), "{words}");
    let none = ["study", "--task", "digits", "--space", "mlp/1", "--train", "--jobs", "0"];
    assert!(program.refusal(&none).contains("0 is not in 1.."));
    assert!(!String::from_utf8_lossy(&program.run(&["--help"]).stdout).contains("train-worker"));
    let Some(dir) = wheels() else { return };
    // What the workers refuse, the study refuses in their words.
    let output = study(&program, &dir, "mlp/1", &["--batch-size", "0"]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("--batch-size: it is 0"), "{words}");
}
