//! Files in and out, as a whole.

use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::schema::{Architecture, IdentifiedTrial, Json, SearchSpace, Split, Status, Trial, Value};
use crate::store::{KnowledgeStore, MemoryStore, SledStore, TrialQuery};

const HEAD: &str = r#"{"type":"space","id":"s/1","params":[{"name":"op","range":{"kind":"choice","options":["conv","pool"]}},{"name":"lr","range":{"kind":"real","lo":0.0,"hi":1.0}}]}
{"type":"task","id":"a","domain":"image","metric":"accuracy","goal":"maximize"}
"#;

fn line(n: usize) -> String {
    format!(
        r#"{{"type":"trial","task":"a","space":"s/1","architecture":{{"op":"conv","lr":{}}},"split":"validation","metric":"accuracy","score":0.5}}"#,
        n as f64 / 1e6
    )
}

fn history(trials: usize) -> String {
    let lines: Vec<String> = (0..trials).map(line).collect();
    format!("{HEAD}{}\n", lines.join("\n"))
}

const STRICT: ImportOptions = ImportOptions { strict: true, compression: Compression::Plain, built_in: None };

fn read(text: &str, strict: bool, store: &dyn KnowledgeStore) -> Result<ImportReport, JsonlError> {
    import(text.as_bytes(), store, ImportOptions { strict, ..Default::default() }, &mut |_| {})
}

#[test]
fn importing_twice_changes_nothing() {
    let base = MemoryStore::default();
    let first = read(&history(300), false, &base).unwrap();
    assert_eq!((first.added.spaces, first.added.tasks, first.added.trials, first.known), (1, 1, 300, 0));
    let before = base.stats().unwrap();
    let second = read(&history(300), false, &base).unwrap();
    assert_eq!((second.added.spaces, second.added.tasks, second.added.trials, second.known), (0, 0, 0, 300));
    assert_eq!(base.stats().unwrap(), before);
}

#[test]
fn bad_lines_are_refused_by_number_and_reason_and_the_rest_goes_in() {
    let bad = [
        line(1).replace("conv", "conv_5x5"),
        line(2).replace("0.5", "NaN"),
        line(3).replace(r#""split":"validation","#, ""),
        line(4).replace(r#""lr""#, r#""rate""#),
        line(5).replace(r#""task":"a""#, r#""task":"z""#),
        line(6).replace("0.000006", "\"fast\""),
        line(7).replace(r#","score":0.5"#, ""),
        r#"{"type":"space","id":"s/1","params":[{"name":"op","range":{"kind":"int","lo":1,"hi":2}}]}"#.into(),
        r#"{"type":"run"}"#.into(),
    ];
    let base = MemoryStore::default();
    let report = read(&format!("{}{}\n{}\n", history(10), bad.join("\n"), line(99)), false, &base).unwrap();
    let whys: Vec<(u64, &str)> = report.refused.iter().map(|r| (r.line, r.why.as_str())).collect();
    let column = |why: &str| why.split(" (column").next().unwrap().to_owned();
    let short: Vec<(u64, String)> = whys.iter().map(|(line, why)| (*line, column(why))).collect();
    let expected = [
        r#""conv_5x5" is not an option of "op""#,
        r#"NaN is not a JSON number; leave the score out and write "status":"failed""#,
        "missing field `split`",
        r#""rate" is not a parameter of space "s/1""#,
        r#"task "z" is not defined; define it before its trials"#,
        r#""fast" is not a real in 0..=1 of "lr""#,
        "score is missing; only a trial whose status is \"failed\" or \"pruned\" may lack one",
        r#"space "s/1" is already defined with other content; give the new one another id"#,
        r#"type "run" is not space, task or trial"#,
    ];
    for (at, expected) in expected.iter().enumerate() {
        assert_eq!(short[at], (13 + at as u64, (*expected).to_owned()));
    }
    assert_eq!(report.added.trials, 11);
}

#[test]
fn trials_in_a_built_in_space_need_no_definition_of_it() {
    fn built_in(id: &str) -> Option<SearchSpace> {
        let space = r#"{"id":"s/1","params":[{"name":"op","range":{"kind":"choice","options":["conv","pool"]}},{"name":"lr","range":{"kind":"real","lo":0,"hi":1}}]}"#;
        (id == "s/1").then(|| serde_json::from_str(space).unwrap())
    }
    let base = MemoryStore::default();
    let task = HEAD.lines().find(|line| line.contains(r#""type":"task""#)).unwrap();
    let text = [task.to_owned(), line(1), line(2), line(3).replace("s/1", "t/1")].join("\n");
    let options = ImportOptions { built_in: Some(built_in), ..Default::default() };
    let once = || import(text.as_bytes(), &base, options, &mut |_| {}).unwrap();
    let report = once();
    assert_eq!((report.added.spaces, report.added.trials), (1, 2));
    let why = r#"space "t/1" is not defined; define it before its trials"#;
    assert_eq!(report.refused, [Refused { line: 4, why: why.into() }]);
    assert_eq!((once().added.spaces, once().known), (0, 2));
    assert_eq!(base.spaces().unwrap(), [built_in("s/1").unwrap()]);
    // Another space of that id would be a trap for whatever knows the built-in one.
    let other =
        r#"{"type":"space","id":"s/1","params":[{"name":"op","range":{"kind":"choice","options":["zip"]}}]}"#;
    let (text, base) = ([other, task, &line(1)].join("\n"), MemoryStore::default());
    let report = import(text.as_bytes(), &base, options, &mut |_| {}).unwrap();
    assert!(
        report.refused[0].why.starts_with(r#"space "s/1" is built in and defined otherwise"#),
        "{report:?}"
    );
    assert_eq!(base.spaces().unwrap(), [built_in("s/1").unwrap()]);
}

#[test]
fn negative_efforts_and_curves_that_do_not_rise_are_refused_with_their_place() {
    let with = |field: &str| line(1).replace(r#""score":0.5"#, &format!(r#""score":0.5,{field}"#));
    let base = MemoryStore::default();
    let cases = [
        (r#""fidelity":{"epochs":-3}"#, "fidelity.epochs is -3, it must not be negative"),
        (r#""costs":{"train_s":-0.5}"#, "costs.train_s is -0.5, it must not be negative"),
        (r#""curve":[[-1,0.5]]"#, "the step of curve[0] is -1, it must not be negative"),
        (
            r#""curve":[[1,0.5],[3,0.6],[2,0.7]]"#,
            "curve[2] is at step 2, which does not come after 3; steps must rise",
        ),
        (
            r#""curve":[[1,0.5],[1,0.6]]"#,
            "curve[1] is at step 1, which does not come after 1; steps must rise",
        ),
    ];
    for (field, want) in cases {
        let report = read(&format!("{HEAD}{}\n", with(field)), false, &base).unwrap();
        assert_eq!(report.refused.first().map(|refused| refused.why.as_str()), Some(want));
    }
    assert_eq!(base.stats().unwrap().trials(), 0);
}

#[test]
fn a_misspelt_field_of_a_parameter_is_refused_and_one_of_a_space_is_kept() {
    let space = |field: &str, top: &str| {
        format!(
            r#"{{"type":"space","id":"s/1",{top}"params":[{{"name":"n","range":{{"kind":"int","lo":1,"hi":2}}}},{{"name":"w","range":{{"kind":"int","lo":1,"hi":2}},"{field}":[{{"param":"n","any_of":[2]}}]}}]}}"#
        )
    };
    let base = MemoryStore::default();
    for (field, want) in [
        ("active_If", r#"parameter "w": unknown field "active_If"; did you mean "active_if"?"#),
        ("xyz", r#"parameter "w": unknown field "xyz"; it has name, range and active_if"#),
    ] {
        let report = read(&space(field, ""), false, &base).unwrap();
        let why = &report.refused[0].why;
        assert!(why.starts_with(want), "{why}");
    }
    assert!(base.spaces().unwrap().is_empty());
    assert!(read(&space("active_if", r#""note":"mine","#), true, &base).is_ok());
    let kept = serde_json::to_value(&base.spaces().unwrap()[0]).unwrap();
    assert_eq!((&kept["note"], &kept["params"][1]["active_if"][0]["param"]), (&"mine".into(), &"n".into()));
}

#[test]
fn trials_in_another_metric_are_kept_and_counted() {
    let base = MemoryStore::default();
    let other =
        |n: usize, split: &str| line(n).replace("\"accuracy\"", "\"f1\"").replace("validation", split);
    let text = format!("{}{}\n{}\n{}\n", history(3), other(7, "validation"), other(8, "test"), line(9));
    let report = read(&text, false, &base).unwrap();
    assert_eq!(report.added.trials, 6);
    assert!(report.notes[0].starts_with("1 validation trial is in another metric"), "{:?}", report.notes);
    assert!(read(&history(3), false, &base).unwrap().notes.is_empty());
}

#[test]
fn a_strict_import_with_one_bad_line_leaves_the_base_untouched() {
    let base = MemoryStore::default();
    let text = format!("{}{}\n", history(50), line(1).replace("conv", "x"));
    let error = read(&text, true, &base).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"1 of 53 lines refused, nothing was imported; line 53: "x" is not an option of "op""#
    );
    assert_eq!(base.stats().unwrap().trials(), 0);
    assert!(base.spaces().unwrap().is_empty());
    assert_eq!(read(&history(50), true, &base).unwrap().added.trials, 50);
}

#[test]
fn a_definition_counts_from_its_line_on() {
    let base = MemoryStore::default();
    let late = format!("{}\n{HEAD}{}\n", line(1), line(2));
    let report = read(&late, false, &base).unwrap();
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].line, 1);
    assert_eq!(report.added.trials, 1);
}

#[test]
fn a_truncated_gzip_is_an_error_that_says_how_far_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.jsonl.gz");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(history(60_000).as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 200]).unwrap();

    let base = MemoryStore::default();
    let error = import_path(&path, &base, STRICT, &mut |_| {}).unwrap_err();
    assert!(matches!(error, JsonlError::Read { kept: 0, .. }), "{error}");
    assert_eq!(base.stats().unwrap().trials(), 0, "strict keeps nothing");

    let error = import_path(&path, &base, ImportOptions::default(), &mut |_| {}).unwrap_err();
    let JsonlError::Read { line, kept, .. } = error else { panic!("{error}") };
    assert!(line > 40_000, "{line}");
    assert_eq!(kept as u64, base.stats().unwrap().trials(), "what is said to be kept is kept");
    assert_eq!(kept, 39_998);
}

#[test]
fn progress_reports_only_what_is_acknowledged() {
    let base = MemoryStore::default();
    let mut seen = Vec::new();
    import(history(45_000).as_bytes(), &base, ImportOptions::default(), &mut |progress| {
        assert!(progress.acknowledged <= base.stats().unwrap().trials());
        seen.push(progress.lines);
    })
    .unwrap();
    assert_eq!(seen, [20_000, 40_000, 45_002]);
}

#[test]
fn a_failed_export_leaves_the_older_file_and_no_half_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no/such/folder.jsonl");
    let error =
        export_to_path(&MemoryStore::default(), &path, &ExportFilter::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, JsonlError::File { act: "write", .. }), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let error =
        export_to_path(&MemoryStore::default(), &folder, &ExportFilter::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn an_export_leaves_links_and_devices_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let base = MemoryStore::default();
    read(&history(3), true, &base).unwrap();
    let out = |path: &Path| export_to_path(&base, path, &ExportFilter::default(), &mut |_| {});
    let (target, link) = (dir.path().join("target.jsonl"), dir.path().join("link.jsonl"));
    std::fs::write(&target, "older").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(out(&link).unwrap().trials, 3);
    assert!(link.is_symlink() && std::fs::read_to_string(&target).unwrap().contains(r#""type":"trial""#));
    // Whatever is written to these devices is gone, or does not fit; they stay what they are.
    let (null, full) = (Path::new("/dev/null"), Path::new("/dev/full"));
    assert_eq!(out(null).unwrap().trials, 3);
    assert!(matches!(out(full).unwrap_err(), JsonlError::Write(_)));
    assert!([null, full].iter().all(|device| !device.is_file() && device.exists()));
}

/// As an answer shows a trial.
#[test]
fn a_trial_that_comes_back_with_its_id_is_known() {
    let base = MemoryStore::default();
    read(&history(3), true, &base).unwrap();
    let trial = base.trials(&TrialQuery::default()).unwrap().trials.remove(1);
    let shown = serde_json::to_value(IdentifiedTrial::from(trial.clone())).unwrap();
    assert_eq!(shown["id"], trial.id().to_string());
    let line = |id: &str| {
        let mut line = shown.clone();
        line["type"] = "trial".into();
        line["id"] = id.into();
        line.to_string()
    };
    let report = read(&line(&trial.id().to_string()), true, &base).unwrap();
    assert_eq!((report.added.trials, report.known), (0, 1));
    // Another id is a field of somebody's own, which makes it another trial.
    let report = read(&line("run-7"), true, &base).unwrap();
    assert_eq!((report.added.trials, report.known), (1, 0));
    let own = base.trials(&TrialQuery::default()).unwrap().trials.pop().unwrap();
    assert_eq!(own.extra["id"], "run-7");
    let shown = serde_json::to_string(&IdentifiedTrial::from(own.clone())).unwrap();
    assert_eq!((shown.matches("\"id\":").count(), shown.contains(&own.id().to_string())), (1, true));
}

#[test]
fn what_the_base_does_not_have_is_not_exported_as_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let base = MemoryStore::default();
    read(&history(3), true, &base).unwrap();
    let path = dir.path().join("out.jsonl");
    std::fs::write(&path, "older").unwrap();
    let out = |task: Option<&str>, space: Option<&str>| {
        let filter = ExportFilter { task: task.map(Into::into), space: space.map(Into::into) };
        export_to_path(&base, &path, &filter, &mut |_| {})
    };
    let why = |task, space| out(task, space).unwrap_err().to_string();
    assert_eq!(why(Some("nope"), None), r#"the base has no task "nope""#);
    assert_eq!(why(None, Some("s/2")), r#"the base has no space "s/2"; did you mean "s/1"?"#);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "older");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(out(Some("a"), Some("s/1")).unwrap().trials, 3);
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e300..1e300).prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_trial()(
        lr in 0.0..1.0,
        conv in any::<bool>(),
        split in prop_oneof![Just(Split::Train), Just(Split::Validation), Just(Split::Test)],
        score in proptest::option::of(-1e9..1e9),
        fidelity in proptest::collection::btree_map("[a-zé]{1,6}", 0.0..1e3, 0..3),
        seed in proptest::option::of(any::<u64>()),
        costs in proptest::collection::btree_map("[a-z_]{1,6}", 0.0..1e12, 0..3),
        steps in proptest::collection::btree_set(0..500_u32, 0..6),
        source in proptest::option::of(".{0,9}"),
        extra in proptest::collection::btree_map("x_[a-z]{1,5}", any_json(), 0..3),
    ) -> Trial {
        let op = if conv { "conv" } else { "pool" };
        let values = [("op", Value::from(op)), ("lr", Value::from(lr))];
        let architecture: Architecture = values.into_iter().collect();
        Trial {
            status: if score.is_some() { Status::Complete } else { Status::Failed },
            fidelity: fidelity.into_iter().map(|(k, v)| (k.into(), v)).collect(),
            costs: costs.into_iter().map(|(k, v)| (k.into(), v)).collect(),
            source: source.map(Into::into),
            curve: steps.into_iter().map(|step| (f64::from(step) / 4.0, f64::from(step).sin())).collect(),
            score, seed, extra,
            ..Trial::new("a", "s/1", architecture, split, "accuracy", 0.0)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn out_of_one_base_and_into_another_is_exact(trials in proptest::collection::vec(any_trial(), 1..20), ending in prop_oneof![Just("jsonl"), Just("jsonl.gz"), Just("jsonl.zst")]) {
        let dir = tempfile::tempdir().unwrap();
        let first = SledStore::open(&dir.path().join("base")).unwrap();
        read(HEAD, true, &first).unwrap();
        first.append(&trials).unwrap();
        let path = dir.path().join(format!("out.{ending}"));
        export_to_path(&first, &path, &ExportFilter::default(), &mut |_| {}).unwrap();
        let second = MemoryStore::default();
        import_path(&path, &second, STRICT, &mut |_| {}).unwrap();
        let all = |base: &dyn KnowledgeStore| base.trials(&TrialQuery::default()).unwrap().trials;
        prop_assert_eq!(all(&first), all(&second));
        for trial in all(&second) {
            prop_assert!(first.trial(trial.id()).unwrap().is_some());
        }
    }
}
