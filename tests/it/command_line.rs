//! The command line from a history to a recommendation, and what bad input gets.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::histories::{self, SPACE, quality, task, trial};
use crate::program::{Program, arg};

#[test]
fn history_in_recommendation_out_results_back() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a", "b", "c"], "new"));
    let report = program.json(&["import", arg(&file)]);
    assert_eq!(report[0]["added"]["trials"], 3 * 108);
    let again = program.json(&["import", arg(&file)]);
    assert_eq!((&again[0]["added"]["trials"], &again[0]["known"]), (&0.into(), &(3 * 108).into()));

    let first = program.json(&["recommend", "--task", "new", "--space", "toy/1", "-k", "5"]);
    let ranked = first["ranked"].as_array().unwrap();
    assert_eq!(ranked.len(), 5);
    let top = &ranked[0]["architecture"];
    let best = quality("conv", 7, 128);
    let depth = top["depth"].as_u64().unwrap() as u32;
    assert_eq!((&top["op"], &top["width"]), (&"conv".into(), &128.into()));
    assert!(best - quality("conv", depth, 128) < 0.05, "{top}");
    assert!(ranked[0]["std"].as_f64().unwrap() > 0.0);
    assert_eq!(ranked[0]["evidence"].as_array().unwrap().len(), 3);
    assert!(ranked[0]["expected_costs"]["params"].as_f64().unwrap() > 0.0);
    let shares: f64 = first["history"].as_array().unwrap().iter().map(|s| s["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);

    // The same question has the same answer, to the byte.
    let ask = ["--json", "recommend", "--task", "new", "--space", "toy/1"];
    assert_eq!(program.run(&ask).stdout, program.run(&ask).stdout);

    // Results of the task itself count: what was tried is not recommended again, and a surprise changes the answer.
    let own: Vec<String> = (5..=9)
        .map(|depth| trial("new", "conv", depth, 128, 0.1))
        .chain([trial("new", "pool", 4, 16, 0.9)])
        .collect();
    let file = program.file("own.jsonl", &own.join("\n"));
    program.json(&["import", arg(&file)]);
    let second = program.json(&["recommend", "--task", "new", "--space", "toy/1", "-k", "5"]);
    assert_eq!(second["own_trials"], 6);
    assert_eq!(second["candidates"], 102);
    let tops: Vec<&serde_json::Value> =
        second["ranked"].as_array().unwrap().iter().map(|ranked| &ranked["architecture"]).collect();
    assert!(!tops.contains(&top));
    let zero_shot =
        program.json(&["recommend", "--task", "new", "--space", "toy/1", "-k", "5", "--exclude-task", "new"]);
    assert_eq!(zero_shot["ranked"], first["ranked"]);
}

#[test]
fn a_study_replayed_from_a_table_beats_chance_and_writes_nothing() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a", "b", "c"], "new"));
    program.json(&["import", arg(&file)]);
    let before = program.trials();
    let study = |strategy: &str, seed: &str| {
        let args = ["study", "--task", "b", "--space", "toy/1", "--table", "--top", "4"];
        let answer = program.json(&[&args[..], &["--strategy", strategy, "--seed", seed]].concat());
        answer["report"]["curve"].as_array().unwrap().last().unwrap()["regret"].as_f64().unwrap()
    };
    let guided = study("surrogate", "0");
    let chance: f64 = ["0", "1", "2", "3", "4"].iter().map(|seed| study("random", seed)).sum::<f64>() / 5.0;
    assert!(guided < 0.15 && guided < chance, "{guided} against {chance}");
    assert_eq!(program.trials(), before);
}

#[test]
fn the_trials_of_a_task_are_listed_with_their_ids_the_best_first() {
    let program = Program::new();
    program.json(&["import", arg(&program.file("history.jsonl", &histories::history(&["a", "b"], "new")))]);
    let listed = program.json(&["status", "--task", "a", "--top", "3"]);
    assert_eq!(listed["n_trials"], 108);
    let trials = listed["trials"].as_array().unwrap();
    let scores: Vec<f64> = trials.iter().map(|trial| trial["score"].as_f64().unwrap()).collect();
    assert!(scores.len() == 3 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(trials.iter().all(|trial| trial["id"].is_string() && trial["has_weights"] == false));
    assert!(program.refusal(&["status", "--task", "c"]).contains(r#"known are "a", "b", "new""#));
}

#[test]
fn export_and_import_move_a_base() {
    let (program, other) = (Program::new(), Program::new());
    let file = program.file("history.jsonl", &histories::history(&["a"], "new"));
    program.json(&["import", arg(&file)]);
    let packed = program.path("all.jsonl.zst");
    let done = program.json(&["export", arg(&packed)]);
    assert_eq!((&done["trials"], &done["tasks"]), (&108.into(), &2.into()));
    other.json(&["import", "--strict", arg(&packed)]);
    let lines = |program: &Program| String::from_utf8(program.run(&["export"]).stdout).unwrap();
    assert_eq!(lines(&program), lines(&other));
    assert_eq!(lines(&program).lines().count(), 111);
    // A plain folder means the same base as its URL.
    let folder = program.path("base");
    assert_eq!(other.run(&["--base", arg(&folder), "export"]).stdout, program.run(&["export"]).stdout);
}

#[test]
fn a_reader_that_goes_away_ends_an_export_quietly() {
    let program = Program::new();
    program
        .json(&["import", arg(&program.file("history.jsonl", &histories::history(&["a", "b", "c"], "new")))]);
    let mut export =
        program.command(&["export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(export.stdout.take());
    let output = export.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

#[test]
fn where_nothing_can_be_served_no_base_is_made() {
    let program = Program::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = program.run(&["serve", "--listen", &address]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains(&format!("cannot listen on {address}")), "{error}");
    assert!(!program.path("base").exists());
}

/// A client that never ends its request does not keep a server up that is asked to stop.
#[test]
fn a_server_stops_though_a_request_does_not_end() {
    let program = Program::new();
    let mut serving = program.command(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    let mut serving = serving.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["listening"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client
        .write_all(b"POST /v1/import HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{\"type\"")
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &serving.id().to_string()]).status().unwrap().success());
    while serving.try_wait().unwrap().is_none() {
        assert!(asked.elapsed() < Duration::from_secs(60), "it is still up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut words = String::new();
    serving.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("were broken off"), "{words}");
    drop(client);
}

#[test]
fn of_several_files_it_is_said_what_was_taken_before_one_broke() {
    let program = Program::new();
    let first = program.file("first.jsonl", &format!("\u{feff}{}", histories::history(&["a"], "new")));
    let last = program.file("last.jsonl", &histories::history(&["b"], "new"));
    let output = program.run(&["import", arg(&first), "no-such.jsonl", arg(&last)]);
    assert_eq!(output.status.code(), Some(2));
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("first.jsonl: 108 trials added"), "{said}");
    assert!(error.contains("no-such.jsonl"), "{error}");
    assert!(error.contains("nothing was taken of") && error.contains("last.jsonl"), "{error}");
    assert_eq!(program.trials(), 108);
}

#[test]
fn reading_makes_no_base_and_an_unknown_task_no_file() {
    let program = Program::new();
    let out = program.path("out.jsonl");
    let verbs: [&[&str]; 6] = [
        &["status"],
        &["export", arg(&out)],
        &["recommend", "--task", "new", "--space", "toy/1"],
        &["bench", "--space", "toy/1"],
        &["study", "--task", "a", "--space", "toy/1", "--table"],
        &["study", "--resume", "study-1"],
    ];
    for verb in verbs {
        let words = program.refusal(verb);
        assert!(
            words.contains("there is no base at") && words.contains("heirloom init"),
            "{verb:?}: {words}"
        );
    }
    assert!(!program.path("base").exists() && !out.exists());
    let file = program.file("history.jsonl", &histories::history(&["a"], "new"));
    let among_others = format!("sled://{}", program.path("").display());
    let words = program.refusal(&["--base", &among_others, "import", arg(&file)]);
    assert!(words.contains("holds other files and is no base"), "{words}");
    program.json(&["import", arg(&file)]);
    let words = program.refusal(&["export", arg(&out), "--task", "nope"]);
    assert!(words.contains(r#"the base has no task "nope""#) && !out.exists(), "{words}");
}

#[test]
fn bad_lines_are_named_and_the_rest_is_kept_unless_strict() {
    let program = Program::new();
    let lines = [
        SPACE.to_owned(),
        task("a"),
        trial("a", "conv", 1, 16, 0.5),
        trial("a", "conv_5x5", 1, 16, 0.5),
        trial("a", "conv", 1, 17, 0.5),
        trial("a", "conv", 1, 16, 0.25).replace("0.25", "NaN"),
        trial("a", "conv", 2, 16, 0.5),
    ];
    let file = program.file("bad.jsonl", &lines.join("\n"));
    let words = program.refusal(&["import", "--strict", arg(&file)]);
    assert!(
        words.contains(
            r#"3 of 7 lines refused, nothing was imported; line 4: "conv_5x5" is not an option of "op""#
        ),
        "{words}"
    );
    assert_eq!(program.trials(), 0);
    let output = program.run(&["import", arg(&file)]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains(r#"line 5: 17 is not a level of "width""#) && text.contains("line 6: NaN is not"),
        "{text}"
    );
    assert_eq!(program.trials(), 2);
    for head in ["SQLite format 3\0...", "{\"op_code\": 0, \"worker_id\": \"x\"}\n"] {
        let words = program.refusal(&["import", arg(&program.file("studies.db", head))]);
        assert!(
            words.contains("it is a storage of Optuna") && words.contains("optuna_history.py"),
            "{words}"
        );
    }
    let words = program.refusal(&["import", arg(&program.file("no.csv", "a,b\n1,2\n"))]);
    assert!(words.contains("2 lines do not fit; nothing was imported"), "{words}");
}

#[test]
fn questions_that_make_no_sense_are_refused_with_what_to_do() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a"], "new"));
    program.json(&["import", arg(&file)]);
    let refusals: [(&[&str], &str); 11] = [
        (&["recommend", "--task", "nobody", "--space", "toy/1"], r#"known are "a", "new""#),
        (
            &["recommend", "--task", "new", "--space", "toy/2"],
            r#"space "toy/2" is neither in the base nor built in; known are "toy/1""#,
        ),
        (&["recommend", "--task", "new", "--space", "toy/1", "-k", "0"], "0 is not in 1..=1000"),
        (&["study", "--task", "new", "--space", "toy/1", "--table"], "has no validation trials"),
        (
            &["study", "--task", "new", "--space", "toy/1"],
            "--train has them trained, --table looks them up among the task's trials, and --resume STUDY",
        ),
        (&["import", "no-such-file.jsonl"], "no-such-file.jsonl"),
        (&["import", "--without-task", "x", arg(&file)], "--without-task is for the wheel"),
        (&["--base", "mysql://x", "status"], r#""mysql://x" is not the URL of a base"#),
        (&["recommend", "--task", "new"], "--space"),
        (
            &["supernet", "--task", "digits", "--batch-size", "8"],
            "--batch-size is for what is trained on its own, and not for the shared weights: give --stand-alone",
        ),
        (&["supernet", "--task", "digits", "--train-top", "1", "--inherit"], "--inherit is not for supernet"),
    ];
    for (args, words) in refusals {
        let said = program.refusal(args);
        assert!(said.contains(words), "{args:?}: {said}");
    }
    // Under --json errors of usage are JSON too.
    let said: serde_json::Value =
        serde_json::from_str(&program.refusal(&["--json", "status", "--no"])).unwrap();
    assert!(said["error"].as_str().unwrap().starts_with("unexpected argument '--no' found"), "{said}");
    let candidates = program.file(
        "candidates.jsonl",
        "{\"op\":\"conv\",\"depth\":1,\"width\":16}\n{\"op\":\"zip\",\"depth\":1,\"width\":16}\n",
    );
    let args = ["recommend", "--task", "new", "--space", "toy/1", "--candidates", arg(&candidates)];
    assert!(program.refusal(&args).contains(r#"candidate 1: "zip" is not an option of "op""#));
    let array = program.file("candidates.json", "[{\"op\":\"conv\",\"depth\":1,\"width\":16}, 7]");
    let args = ["recommend", "--task", "new", "--space", "toy/1", "--candidates", arg(&array)];
    let said = program.refusal(&args);
    assert!(said.contains("candidates.json: an array: ") && said.contains("integer `7`"), "{said}");
}

#[test]
fn a_wheel_that_is_not_the_right_one_changes_nothing() {
    let program = Program::new();
    let wheel = program.file("nas_bench_graph-1.4.0-py3-none-any.whl", "this is no wheel");
    let words = program.refusal(&["import", arg(&wheel)]);
    assert!(words.contains("it is no whole wheel"), "{words}");
    assert_eq!(program.trials(), 0);
}

#[test]
fn a_truncated_file_keeps_what_it_acknowledged_and_says_so() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a"], "new"));
    program.json(&["import", arg(&file)]);
    let packed = program.path("all.jsonl.gz");
    program.json(&["export", arg(&packed)]);
    let bytes = std::fs::read(&packed).unwrap();
    std::fs::write(&packed, &bytes[..bytes.len() - 20]).unwrap();
    let other = Program::new();
    let words = other.refusal(&["import", arg(&packed)]);
    assert!(
        words.contains("cannot read on after line") && words.contains("0 trials before it were kept"),
        "{words}"
    );
    assert_eq!(other.trials(), 0);
}

#[test]
fn a_base_in_use_is_read_as_it_is_and_not_written_to() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a", "b"], "new"));
    program.json(&["import", arg(&file)]);
    let _held = heirloom_kb::open(&program.base()).unwrap();
    let ask = ["recommend", "--task", "new", "--space", "toy/1", "-k", "1"];
    for verb in [&["status"][..], &["export"], &ask] {
        let output = program.run(verb);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("in use by another process: read from a copy"),
            "{said}"
        );
    }
    let more = program.file("more.jsonl", &trial("new", "conv", 5, 16, 0.1));
    let output = program.run(&["import", arg(&more)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("in use by another process"), "{said}");
}

#[test]
fn a_benchmark_leaves_each_task_out_and_draws_it() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a", "b", "c"], "new"));
    program.json(&["import", arg(&file)]);
    let picture = program.path("regret.svg");
    let args = ["bench", "--space", "toy/1", "--seeds", "2", "--trials", "8", "--svg", arg(&picture)];
    let report = program.json(&args);
    let regret =
        |method: usize, point: usize| report["methods"][method]["curve"][point]["regret"].as_f64().unwrap();
    assert_eq!(report["methods"][0]["method"], "surrogate");
    assert_eq!(
        report["methods"][0]["tasks"].as_array().unwrap().len(),
        3,
        "the task without trials cannot be replayed"
    );
    assert_eq!(report["methods"][0]["curve"].as_array().unwrap().len(), 4);
    assert!(regret(0, 0) < 0.15, "the first pick comes from the other tasks: {}", regret(0, 0));
    let random = report["methods"].as_array().unwrap().len() - 1;
    assert_eq!(report["methods"][random]["method"], "random");
    assert!(regret(0, 1) < regret(random, 1), "{} against {}", regret(0, 1), regret(random, 1));
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("surrogate") && svg.contains("random"));
    // The same benchmark has the same figures, the times apart.
    let regrets = |report: &serde_json::Value| {
        report["methods"][0]["curve"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["regret"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(regrets(&report), regrets(&program.json(&args)));
    assert!(
        program
            .refusal(&["bench", "--space", "toy/1", "--task", "new"])
            .contains(r#"known are "a", "b", "c""#)
    );
}

/// What blocks inherit says nothing where nothing is inherited.
#[test]
fn a_space_that_inherits_wants_to_inherit() {
    let program = Program::new();
    for args in [
        ["study", "--task", "digits", "--space", "chain-cnn-inherit/1", "--train"].as_slice(),
        &["train", "--task", "iris", "--space", "mlp-inherit/1", "--architecture", "{}"],
    ] {
        let words = program.refusal(args);
        assert!(words.contains("give --inherit, or search in"), "{words}");
    }
}
