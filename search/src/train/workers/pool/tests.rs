use std::io::Write;
use std::sync::{Arc, Mutex};

use heirloom_kb::{Architecture, SearchSpace, Split, Status, Task};

use super::*;
use crate::train::workers::{Orders, Voice, serve};
use crate::train::{Budget, Trainer};

fn space() -> SearchSpace {
    let params = r#"{"id":"s/1","params":[{"name":"depth","range":{"kind":"int","lo":1,"hi":8}}]}"#;
    serde_json::from_str(params).unwrap()
}

fn depth(depth: u32) -> Architecture {
    serde_json::from_str(&format!(r#"{{"depth":{depth}}}"#)).unwrap()
}

fn trial(at: u32) -> Trial {
    Trial::new("t", "s/1", depth(at), Split::Validation, "accuracy", f64::from(at) / 10.0)
}

/// Workers that follow a script of the shell, in which `$ended` is what they answer when a trial has ended. Their set-up is
/// the name of a file.
fn pool(workers: usize, script: &str, file: &std::path::Path) -> Result<WorkerPool, TrainError> {
    let ended = serde_json::to_string(&WorkerReport::Ended(Box::new(trial(3)))).unwrap();
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).env("ended", ended).env("file", file);
    WorkerPool::start(workers, command, Json::Null, Box::new(|_, _| ()))
}

fn assignment(architecture: Architecture) -> Assignment {
    Assignment { space: space(), architecture, budget: Budget::new(4, 0, Split::Validation) }
}

fn train(pool: &mut WorkerPool, n: u32) -> Result<Vec<Trial>, TrainError> {
    (1..=n).try_for_each(|at| pool.take_on(assignment(depth(at))))?;
    while pool.wait()?.is_some() {}
    Ok(std::iter::from_fn(|| pool.give_back()).collect())
}

#[test]
fn a_worker_that_is_killed_makes_a_failed_trial_and_another_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    // The first process to be told anything kills itself; the others answer, and note what they were told.
    let script = r#"read start; echo '"ready"'
        while read -r order; do
            if mkdir "$file" 2>/dev/null; then kill -9 $$; fi
            echo "$order" >> "$file/orders"; echo "$ended"
        done"#;
    let mut pool = pool(1, script, &dir.path().join("told")).unwrap();
    assert_eq!(train(&mut pool, 2).unwrap(), [trial(3), trial(3)]);
    let orders = std::fs::read_to_string(dir.path().join("told/orders")).unwrap();
    let orders: Vec<Order> = orders.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        matches!(&orders[0], Order::Broken { what, reason }
            if what.architecture == depth(1) && reason.contains("signal: 9")),
        "{orders:?}"
    );
    assert!(
        matches!(&orders[1], Order::Train { what, watched: false } if what.architecture == depth(2)),
        "{orders:?}"
    );
}

#[test]
fn a_worker_that_ends_while_idle_is_replaced_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"read start; echo '"ready"'; read order; echo "$ended"; exit 0"#;
    let mut pool = pool(2, script, dir.path()).unwrap();
    assert_eq!(train(&mut pool, 2).unwrap(), [trial(3), trial(3)]);
    // The ends come in their own time, from threads of their own.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(train(&mut pool, 2).unwrap(), [trial(3), trial(3)]);
}

#[test]
fn what_concerns_the_whole_study_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let start = |script| pool(2, script, dir.path()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(start("exit 7").contains("did not start: exit status: 7"));
    assert!(start("echo hello; read order").contains(r#"it said "hello""#));
    let refused = r#"echo '{"refused":{"reason":"no such data","torch":false}}'; read order"#;
    assert_eq!(start(refused), "no such data");
    assert!(start(&refused.replace("false", "true")).contains("libtorch failed: no such data"));
    // What never comes up again after its end is no reason to start it forever.
    let dies = r#"if mkdir "$file" 2>/dev/null; then read start; echo '"ready"'; read order; exit 3; else exit 4; fi"#;
    let mut pool = pool(1, dies, &dir.path().join("once")).unwrap();
    let words = train(&mut pool, 1).unwrap_err().to_string();
    assert!(words.contains("did not start: exit status: 4"), "{words}");
    let mut command = Command::new("/no/such/program");
    command.arg("worker");
    let error = WorkerPool::start(1, command, Json::Null, Box::new(|_, _| ())).err().unwrap();
    assert!(matches!(error, TrainError::NoWorker { .. }));
}

/// While one worker has a large network the other one trains the rest; they come back in the order in which they were given.
#[test]
fn a_worker_that_is_free_takes_the_next_trial() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    // The first network is done when the last one is.
    let script = r#"read start; echo '"ready"'
        while read -r order; do
            at=${order#*\"depth\":}; at=${at%%[!0-9]*}
            if [ $at = 1 ]; then until grep -q 5 "$file"; do sleep .01; done; fi
            echo $at >> "$file"; echo "$ended" | sed "s/\"depth\":3/\"depth\":$at/"
        done"#;
    std::fs::write(&log, "").unwrap();
    let mut pool = pool(2, script, &log).unwrap();
    let trials = train(&mut pool, 5).unwrap();
    let depths: Vec<_> = trials.iter().map(|trial| trial.architecture.clone()).collect();
    assert_eq!(depths, [1, 2, 3, 4, 5].map(depth));
    assert_eq!(std::fs::read_to_string(log).unwrap(), "2\n3\n4\n5\n1\n");
    assert!(pool.give_back().is_none() && pool.wait().unwrap().is_none());
}

/// However quick the processes are, the epochs are judged round by round in the order of the architectures.
#[test]
fn trials_keep_step_when_they_are_watched() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"read start; echo '"ready"'; read order
        case "$order" in *'"depth":1'*) slow=.1;; *) slow=0;; esac
        for epoch in 1 2 3; do
            sleep $slow; echo '{"ask":{"epoch":'$epoch',"score":0.5}}'; read -r verdict
            case "$verdict" in *stop*) break;; esac
        done
        echo "$ended"; read end"#;
    let mut pool = pool(3, script, dir.path()).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut watch = |at, epoch, score| {
        heard.lock().unwrap().push((at, epoch));
        assert_eq!(score, 0.5);
        Decision::when(at == 1, "enough".into())
    };
    let assignments = [1, 2, 3].map(|at| assignment(depth(at))).to_vec();
    let trials = pool.train_in_step(assignments, &mut watch).unwrap();
    assert_eq!(trials.len(), 3);
    assert_eq!(*heard.lock().unwrap(), [(0, 1), (1, 1), (2, 1), (0, 2), (2, 2), (0, 3), (2, 3)]);
}

/// Scores an architecture by its depth, in four epochs.
struct ByDepth(Task, Voice);

impl Trainer for ByDepth {
    fn task(&self) -> &Task {
        &self.0
    }

    fn train_watched(
        &mut self,
        _space: &SearchSpace,
        architecture: &Architecture,
        _budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Trial, TrainError> {
        let Some(at) = architecture.number("depth") else {
            return Err(TrainError::Torch { reason: "no depth".into() });
        };
        for epoch in 1..4 {
            self.1.epoch(EpochReport { epoch, loss: 0.5, validation_accuracy: None });
            if watch(epoch, 0.1).is_stop() {
                return Ok(trial(epoch));
            }
        }
        Ok(trial(at as u32))
    }
}

/// What a worker says to these orders.
fn said(orders: &[Order]) -> Vec<WorkerReport> {
    let lines: Vec<String> = orders.iter().map(|order| serde_json::to_string(order).unwrap()).collect();
    let (sender, ended) = channel();
    let orders = Orders::read(std::io::Cursor::new(lines.join("\n")), move || sender.send(()).unwrap());
    let out = Out::default();
    let voice = Voice::new(out.clone());
    let task = Task::new("t", heirloom_kb::Domain::Image, "accuracy", heirloom_kb::Goal::Maximize);
    let make = |setup: Json| match setup {
        Json::Null => Ok(Box::new(ByDepth(task, voice.clone())) as Box<dyn Trainer>),
        _ => Err(WorkerReport::Refused { reason: "too much".into(), torch: false }),
    };
    serve(&orders, &voice, make).unwrap();
    ended.recv().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    let lines = String::from_utf8(bytes).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_worker_follows_its_orders() {
    let what = |architecture| Assignment {
        budget: Budget::new(4, 9, Split::Validation),
        ..assignment(architecture)
    };
    let go_on = Decision::go_on("well");
    let stop = Decision::Stop { why: "ill".into() };
    let nothing = serde_json::from_str("{}").unwrap();
    let said = said(&[
        Order::Start(Json::Null),
        Order::Train { what: what(depth(5)), watched: false },
        Order::Train { what: what(depth(6)), watched: true },
        Order::Verdict(go_on),
        Order::Verdict(stop),
        Order::Broken { what: what(depth(7)), reason: "killed".into() },
        Order::Train { what: what(nothing), watched: false },
    ]);
    let epoch = |epoch| WorkerReport::Epoch(EpochReport { epoch, loss: 0.5, validation_accuracy: None });
    let ask = |epoch| WorkerReport::Ask { epoch, score: 0.1 };
    let ended = |at| WorkerReport::Ended(Box::new(trial(at)));
    let start = [WorkerReport::Ready, epoch(1), epoch(2), epoch(3), ended(5)];
    assert_eq!(said[..5], start);
    assert_eq!(said[5..10], [epoch(1), ask(1), epoch(2), ask(2), ended(2)]);
    let WorkerReport::Ended(broken) = &said[10] else { panic!("{said:?}") };
    assert_eq!((broken.status, broken.score, broken.seed), (Status::Failed, None, Some(9)));
    assert_eq!(broken.extra["reason"], "killed");
    assert_eq!(said[11..], [WorkerReport::Refused { reason: "no depth".into(), torch: true }]);
}

#[test]
fn a_worker_without_a_trainer_says_why() {
    let refused = WorkerReport::Refused { reason: "too much".into(), torch: false };
    assert_eq!(said(&[Order::Start(1.into())]), [refused]);
    assert!(said(&[]).is_empty());
}
