//! Networks that leave Heirloom, teach, and are learned together.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::program::{Program, arg, wheels};
use crate::under_way::{timeless, wait_for_checkpoints};

const SMALL: &str = r#"{"blocks":1,"activation":"relu","kind1":"conv","width1":16,"kernel1":3,"pool1":"max","head":0,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#;

fn trained(program: &Program, dir: &Path, words: &[&str]) -> Value {
    let args = [&["--json"], words].concat();
    let output = program.command(&args).env("HEIRLOOM_DATA", dir).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_network_is_exported_teaches_and_is_started_from() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let train =
        ["train", "--task", "digits", "--space", "chain-cnn/1", "--epochs", "2", "--architecture", SMALL];
    let first = trained(&program, &dir, &train);
    let (script, tensors) = (program.path("net.pt"), program.path("net.safetensors"));
    let written = program.json(&["export-net", "--task", "digits", "--to", arg(&script)]);
    assert_eq!(written["network"]["shape"], serde_json::json!([1, 8, 8]));
    assert_eq!(written["network"]["classes"].as_array().unwrap().len(), 10);
    assert_eq!(written["score"], first["score"]);
    let id = written["trial"].as_str().unwrap();
    program.json(&["export-net", "--trial", id, "--to", arg(&tensors)]);
    assert!(script.is_file() && tensors.is_file());

    for (seed, teacher) in [("1", "best"), ("2", id), ("3", arg(&script))] {
        let trial = trained(&program, &dir, &[&train[..], &["--teacher", teacher, "--seed", seed]].concat());
        let name = trial["teacher"]["name"].as_str().unwrap();
        assert_eq!(name, if seed == "3" { arg(&script) } else { id });
        assert_eq!(trial["teacher"]["alpha"], 0.5);
    }
    for (seed, file) in [("4", &tensors), ("5", &script)] {
        let from = ["--init-from", arg(file), "--seed", seed];
        let again = trained(&program, &dir, &[&train[..], &from].concat());
        assert_eq!(again["init_from"]["missing"], serde_json::json!([]));
        assert_eq!(again["init_from"]["blocks"], serde_json::json!(["block1", "head"]));
        assert_eq!(again["init_from"]["taken"], again["init_from"]["of"]);
        assert!(again["score"].as_f64() > first["score"].as_f64());
    }

    // The best student under a limit is searched for with a teacher.
    let study = trained(
        &program,
        &dir,
        &[
            "study",
            "--task",
            "digits",
            "--space",
            "chain-cnn/1",
            "--train",
            "--top",
            "1",
            "--epochs",
            "1",
            "--candidates",
            "40",
            "--max",
            "params=20000",
            "--teacher",
            id,
        ],
    );
    assert_eq!(study["report"]["trials"][0]["teacher"]["name"], id);

    let refused = |words: &[&str]| {
        let output = program.command(words).env("HEIRLOOM_DATA", &dir).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let words = refused(&[&train[..], &["--init-from", arg(&script), "--inherit"]].concat());
    assert!(words.contains("cannot be used with"), "{words}");
    let words = refused(&["export-net", "--task", "digits", "--to", "net.onnx"]);
    assert!(words.contains("ends neither in .pt nor in .safetensors"), "{words}");
    let words = refused(&["export-net", "--task", "iris", "--to", "net.pt"]);
    assert!(words.contains("task \"iris\" is not in the base"), "{words}");
    let iris = [
        "train",
        "--task",
        "iris",
        "--space",
        "mlp/1",
        "--teacher",
        id,
        "--architecture",
        r#"{"layers":1,"activation":"relu","norm":"batch","shortcut":"none","width1":32,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#,
    ];
    let words = refused(&iris);
    assert!(
        words.contains(&format!("teacher {id}: it takes examples of shape [1, 8, 8], the data are [4]")),
        "{words}"
    );
}

/// Images of 8x8 in IDX files: class `c` has a bright row or column `c`.
fn idx(folder: &Path, is_row: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let write = |prefix: &str, n: u32| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for number in 0..n {
            let class = number % 8;
            labels.push(class as u8);
            pixels.extend((0..64_u32).map(|at| {
                let bright = if is_row { at / 8 } else { at % 8 } == class;
                (if bright { 200 } else { 0 }) + ((number * 31 + at * 17) % 50) as u8
            }));
        }
        let head = |magic: u32, sizes: &[u32]| -> Vec<u8> {
            std::iter::once(&magic).chain(sizes).flat_map(|number| number.to_be_bytes()).collect()
        };
        let images = [head(0x0803, &[n, 8, 8]), pixels].concat();
        std::fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), images).unwrap();
        let labels = [head(0x0801, &[n]), labels].concat();
        std::fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
    };
    write("train", 200);
    write("t10k", 40);
}

/// A program, and a folder with two tasks of its images.
fn two_tasks() -> (Program, PathBuf) {
    let program = Program::new();
    let data = program.path("data");
    idx(&data.join("mnist"), true);
    idx(&data.join("fashion-mnist"), false);
    (program, data)
}

/// A joint search on two tasks.
fn joint(program: &Program, data: &Path, tasks: [&str; 2], top: &str, epochs: &str) -> Command {
    let args = ["--json", "joint", "--task", tasks[0], "--task", tasks[1], "--space", "chain-cnn/1"];
    let how = ["--top", top, "--candidates", "60", "--epochs", epochs, "--device", "cpu"];
    let mut command = program.command(&[&args[..], &how].concat());
    command.env("HEIRLOOM_DATA", data);
    command
}

#[test]
fn one_body_is_searched_for_two_tasks() {
    let (program, data) = two_tasks();
    let joint = |tasks| joint(&program, &data, tasks, "2", "3").output().unwrap();
    let output = joint(["mnist", "fashion-mnist"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tried: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tried = tried.as_array().unwrap();
    assert_eq!(tried.len(), 2);
    assert_ne!(tried[0]["pick"]["architecture"], tried[1]["pick"]["architecture"]);
    for one in tried {
        let tasks: Vec<&Value> =
            one["trials"].as_array().unwrap().iter().map(|trial| &trial["task"]).collect();
        assert_eq!(tasks, ["mnist", "fashion-mnist"]);
        for trial in one["trials"].as_array().unwrap() {
            assert_eq!(trial["joint"]["score"], one["joint_score"]);
        }
    }
    assert_eq!(program.trials(), 4);
    // Each task's network is one of its own.
    let to = program.path("own.safetensors");
    program.json(&["export-net", "--task", "fashion-mnist", "--to", arg(&to)]);
    let words = String::from_utf8_lossy(&joint(["mnist", "mnist"]).stderr).into_owned();
    assert!(words.contains("it is given twice"), "{words}");
}

/// A joint search that is killed goes on where it was, and ends as if it had not been.
#[test]
fn a_killed_joint_search_goes_on_from_its_checkpoint() {
    let both = ["mnist", "fashion-mnist"];
    let trials = |output: Output| -> Vec<Value> {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tried: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tried = tried.as_array().unwrap().iter();
        tried.flat_map(|one| one["trials"].as_array().unwrap().iter().cloned().map(timeless)).collect()
    };
    let (whole, data) = two_tasks();
    let want = trials(joint(&whole, &data, both, "2", "20").output().unwrap());
    assert_eq!(want.len(), 4);

    let (program, data) = two_tasks();
    let mut running = joint(&program, &data, both, "1", "20").stdout(Stdio::null()).spawn().unwrap();
    wait_for_checkpoints(&program, &mut running, 1);
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(program.trials(), 0);
    assert_eq!(program.json(&["status"])["joint_searches"], serde_json::json!(["joint-1"]));
    let resumed = |more: &[&str]| {
        let mut command =
            program.command(&[&["--json", "joint", "-v", "--resume", "joint-1"], more].concat());
        command.env("HEIRLOOM_DATA", &data).output().unwrap()
    };
    let again = resumed(&[]);
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(words.contains("goes on where it was"), "it started anew: {words}");
    assert_eq!(trials(again), want[..2]);
    assert_eq!(std::fs::read_dir(program.path("base.weights/under-way")).unwrap().count(), 0);
    // What has ended may have more trials, and no other options.
    assert_eq!(trials(resumed(&["--top", "2"])), want);
    let words = String::from_utf8_lossy(&resumed(&["--epochs", "3"]).stderr).into_owned();
    assert!(words.contains("joint-1 was started with --epochs 20"), "{words}");
}
