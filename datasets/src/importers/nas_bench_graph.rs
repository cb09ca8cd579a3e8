//! The history of NAS-Bench-Graph, read out of its wheel.
//!
//! *Source*: Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022
//! (arXiv:2206.09166); the wheel `nas-bench-graph` 1.4.0, Apache-2.0.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use heirloom_kb::{
    Architecture, Batch, Domain, Goal, Name, Param, Range, SearchSpace, Split, Status, Task, Trial, Value,
};
use zip::ZipArchive;

use super::numpy_floats::{NumpyFloats, Pickled};
use crate::{ImportError, pickle};

/// The release whose keys are understood.
const VERSION: &str = "1.4.0";
const SOURCE: &str = "NAS-Bench-Graph 1.4.0 (light)";

/// A task of the benchmark: name, metric, then nodes, edges, features and classes as in table 1 of the paper.
type TaskRow = (&'static str, &'static str, [f64; 4]);

const TASKS: [TaskRow; 9] = [
    ("cora", "accuracy", [2_708.0, 5_429.0, 1_433.0, 7.0]),
    ("citeseer", "accuracy", [3_327.0, 4_732.0, 3_703.0, 6.0]),
    ("pubmed", "accuracy", [19_717.0, 44_338.0, 500.0, 3.0]),
    ("cs", "accuracy", [18_333.0, 81_894.0, 6_805.0, 15.0]),
    ("physics", "accuracy", [34_493.0, 247_962.0, 8_415.0, 5.0]),
    ("photo", "accuracy", [7_487.0, 119_043.0, 745.0, 8.0]),
    ("computers", "accuracy", [13_381.0, 245_778.0, 767.0, 10.0]),
    ("arxiv", "accuracy", [169_343.0, 1_166_243.0, 128.0, 40.0]),
    ("proteins", "roc_auc", [132_534.0, 39_561_252.0, 8.0, 112.0]),
];

type Archive = ZipArchive<BufReader<File>>;

/// The nine tasks with 26,206 architectures each (`proteins`: 2,021): one validation and one test trial of each.
pub struct NasBenchGraph<'a> {
    path: PathBuf,
    archive: Archive,
    space: &'a SearchSpace,
}

/// Whether a file is named like the wheel of NAS-Bench-Graph.
#[must_use]
pub fn is_nas_bench_graph(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
    name.starts_with("nas_bench_graph_") && name.ends_with(".whl")
}

impl<'a> NasBenchGraph<'a> {
    /// Opens the wheel; `space` has the parameters `link` and `op1` to `op4`, in the benchmark's order of options.
    ///
    /// # Errors
    /// [`ImportError::WrongFile`] for what is not this wheel, [`ImportError::Io`].
    pub fn open(path: &Path, space: &'a SearchSpace) -> Result<Self, ImportError> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|source| ImportError::Io { file: shown.clone(), source })?;
        let wrong = |reason: String| ImportError::WrongFile { file: shown.clone(), reason };
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| wrong(format!("it is no whole wheel (a zip file): {error}")))?;
        let mut wheel = NasBenchGraph { path: path.to_owned(), archive, space };
        wheel.check_release().map_err(wrong)?;
        Ok(wheel)
    }

    fn check_release(&mut self) -> Result<(), String> {
        let wanted = format!("nas-bench-graph {VERSION}");
        let member = self.archive.file_names().find(|name| name.ends_with(".dist-info/METADATA"));
        let Some(member) = member.map(str::to_owned) else {
            return Err(format!("it is no wheel: it has no METADATA; {wanted} is expected"));
        };
        let metadata = self.read(&member)?;
        let metadata = String::from_utf8_lossy(&metadata);
        let field = |name: &str| {
            let line = metadata.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or("?").trim().to_owned()
        };
        let found = format!("{} {}", field("Name:"), field("Version:"));
        if found == wanted { Ok(()) } else { Err(format!("it is {found}; {wanted} is expected")) }
    }

    /// The names of the tasks, in the order of [`NasBenchGraph::batches`].
    pub fn tasks() -> impl ExactSizeIterator<Item = &'static str> {
        TASKS.iter().map(|task| task.0)
    }

    /// One batch a task: the space, the task and its trials.
    pub fn batches(mut self) -> impl Iterator<Item = Result<Batch, ImportError>> {
        TASKS.iter().map(move |row| {
            let member = format!("nas_bench_graph/light/{}.bench", row.0);
            self.batch(row, &member).map_err(|reason| ImportError::Damaged {
                file: self.path.display().to_string(),
                member,
                reason,
            })
        })
    }

    fn batch(&mut self, row: &TaskRow, member: &str) -> Result<Batch, String> {
        let Pickled::Dict(entries) = pickle::read(&self.read(member)?, &NumpyFloats)? else {
            return Err("it is no dictionary".into());
        };
        let names = Names::of(row);
        let mut trials = Vec::with_capacity(2 * entries.len());
        for (key, measured) in entries.iter() {
            trials.extend(trials_of(self.space, &names, key, measured)?);
        }
        Ok(Batch { spaces: vec![self.space.clone()], tasks: vec![task(row)], trials })
    }

    fn read(&mut self, member: &str) -> Result<Vec<u8>, String> {
        let mut file = self.archive.by_name(member).map_err(|error| format!("{member}: {error}"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| format!("{member}: {error}"))?;
        Ok(bytes)
    }
}

/// Strings that all trials of a task share.
struct Names {
    task: Name,
    metric: Name,
    source: Name,
    params: Name,
    latency: Name,
}

impl Names {
    fn of((task, metric, _): &TaskRow) -> Self {
        Names {
            task: (*task).into(),
            metric: (*metric).into(),
            source: SOURCE.into(),
            params: "params".into(),
            latency: "latency_s".into(),
        }
    }
}

fn task((id, metric, numbers): &TaskRow) -> Task {
    let mut task = Task::new(*id, Domain::Graph, *metric, Goal::Maximize);
    let names = ["n_samples", "n_edges", "n_features", "n_classes"];
    task.meta_features = names.into_iter().map(Name::from).zip(numbers.iter().copied()).collect();
    task.source = Some(SOURCE.into());
    task
}

/// The validation and the test trial of one entry.
fn trials_of(
    space: &SearchSpace,
    names: &Names,
    key: &Pickled,
    measured: &Pickled,
) -> Result<[Trial; 2], String> {
    let Pickled::Int(key) = key else { return Err(format!("key {key:?} is no number")) };
    let architecture = decode(space, *key).ok_or_else(|| format!("key {key} is no architecture"))?;
    let number = |name: &str| number(measured, name).ok_or_else(|| format!("key {key}: {name} is missing"));
    let costs = [(&names.params, (number("para")? * 1e6).round()), (&names.latency, number("latency")?)];
    let trial = |split: Split, score: f64| {
        let metric = Name::clone(&names.metric);
        let mut trial = Trial::new(
            Name::clone(&names.task),
            space.id().clone(),
            architecture.clone(),
            split,
            metric,
            score,
        );
        if !score.is_finite() {
            (trial.score, trial.status) = (None, Status::Failed);
        }
        trial.costs = costs.iter().map(|(name, cost)| (Name::clone(name), *cost)).collect();
        trial.source = Some(Name::clone(&names.source));
        trial
    };
    Ok([trial(Split::Validation, number("valid_perf")?), trial(Split::Test, number("perf")?)])
}

fn number(measured: &Pickled, name: &str) -> Option<f64> {
    let Pickled::Dict(entries) = measured else { return None };
    entries.iter().find_map(|(key, value)| match (key, value) {
        (Pickled::Text(key), Pickled::Float(value)) if &**key == name => Some(*value),
        (Pickled::Text(key), Pickled::Int(value)) if &**key == name => Some(*value as f64),
        _ => None,
    })
}

/// The benchmark's key: the position of the link, then that of each operation, as the digits of a number to the base
/// 10, one more than there are operations. `proteins`, with fewer operations, has keys of the same base.
fn decode(space: &SearchSpace, key: i64) -> Option<Architecture> {
    let mut rest = u64::try_from(key).ok()?;
    let mut values: Vec<(Name, Value)> = Vec::with_capacity(5);
    for param in space.params().iter().skip(1).rev() {
        values.push(digit(param, rest % 10)?);
        rest /= 10;
    }
    values.push(digit(space.params().first()?, rest)?);
    Some(values.into_iter().collect())
}

fn digit(param: &Param, position: u64) -> Option<(Name, Value)> {
    match param.range {
        Range::Choice { .. } => Some((param.name.clone(), param.range.value_at(position)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn space() -> SearchSpace {
        let ops = r#""gat","gcn","gin","cheb","sage","arma","graph","fc","skip""#;
        let op = |n: usize| format!(r#"{{"name":"op{n}","range":{{"kind":"choice","options":[{ops}]}}}}"#);
        let links = r#""0000","0001","0011","0012","0013","0111","0112","0122","0123""#;
        let json = format!(
            r#"{{"id":"nas-bench-graph/1","params":[{{"name":"link","range":{{"kind":"choice","options":[{links}]}}}},{},{},{},{}]}}"#,
            op(1),
            op(2),
            op(3),
            op(4)
        );
        serde_json::from_str(&json).unwrap()
    }

    fn wheel(members: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.as_file_mut());
        for (name, bytes) in members {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        file
    }

    const METADATA: (&str, &[u8]) =
        ("nas_bench_graph-1.4.0.dist-info/METADATA", b"Name: nas-bench-graph\nVersion: 1.4.0\n");

    #[test]
    fn keys_are_digits() {
        let text = |key: i64| decode(&space(), key).map(|a| a.to_string());
        assert_eq!(text(81_234).unwrap(), "link=0123 op1=gcn op2=gin op3=cheb op4=sage");
        assert_eq!(text(7).unwrap(), "link=0000 op1=gat op2=gat op3=gat op4=fc");
        assert_eq!(text(9), None);
        assert_eq!(text(90_000), None);
        assert_eq!(text(-1), None);
    }

    #[test]
    fn another_wheel_is_refused_by_name_and_release() {
        let why = |file: &tempfile::NamedTempFile| {
            NasBenchGraph::open(file.path(), &space()).err().unwrap().to_string()
        };
        let other = wheel(&[("six-1.16.0.dist-info/METADATA", b"Name: six\nVersion: 1.16.0\n")]);
        assert!(
            why(&other).ends_with("it is six 1.16.0; nas-bench-graph 1.4.0 is expected"),
            "{}",
            why(&other)
        );
        assert!(why(&wheel(&[("a.txt", b"")])).contains("it has no METADATA"));
        let mut text = tempfile::NamedTempFile::new().unwrap();
        text.write_all(b"not a zip").unwrap();
        assert!(why(&text).contains("no whole wheel"));
    }

    #[test]
    fn a_missing_or_damaged_member_is_named() {
        let first = |members: &[(&str, &[u8])]| {
            let file = wheel(members);
            let space = space();
            let mut batches = NasBenchGraph::open(file.path(), &space).unwrap().batches();
            batches.next().unwrap().err().unwrap().to_string()
        };
        assert!(first(&[METADATA]).contains("nas_bench_graph/light/cora.bench"));
        let cut = first(&[METADATA, ("nas_bench_graph/light/cora.bench", b"\x80\x03}q")]);
        assert!(cut.ends_with("byte 3: 1 bytes are wanted, 0 are left"), "{cut}");
        let bad = first(&[METADATA, ("nas_bench_graph/light/cora.bench", b"\x80\x03}(K\x09}uu.")]);
        assert!(bad.contains("byte"), "{bad}");
        let call = b"\x80\x03cos\nsystem\nX\x02\x00\x00\x00lsN\x86R.";
        let call = first(&[METADATA, ("nas_bench_graph/light/cora.bench", call)]);
        assert!(call.ends_with("byte 22: a call of os.system is not allowed"), "{call}");
    }

    #[test]
    fn the_real_wheel_has_all_nine_tasks() {
        let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS") else {
            println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
            return;
        };
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let path =
            files.into_iter().find(|path| is_nas_bench_graph(path)).expect("the wheel is in HEIRLOOM_WHEELS");
        let space = space();
        let batches: Vec<Batch> =
            NasBenchGraph::open(&path, &space).unwrap().batches().map(|batch| batch.unwrap()).collect();
        let counts: Vec<usize> = batches.iter().map(|batch| batch.trials.len() / 2).collect();
        assert_eq!(counts, [26_206, 26_206, 26_206, 26_206, 26_206, 26_206, 26_206, 26_206, 2_021]);
        // bench[1111] of proteins and bench[0] of cora, as Python's pickle reads them.
        let first = &batches[8].trials[0];
        assert_eq!(first.architecture.to_string(), "link=0000 op1=gcn op2=gcn op3=gcn op4=gcn");
        assert_eq!(first.score, Some(0.776_333_333_333_333_2));
        assert_eq!(batches[8].trials[1].score, Some(0.735_262_428_504_487_6));
        assert_eq!(batches[8].trials[0].costs["params"], 558_704.0);
        let cora = &batches[0].trials[..2];
        assert_eq!((cora[0].score, cora[1].score), (Some(0.773_333_333_333_333_4), Some(0.797)));
        assert_eq!(cora[0].costs["latency_s"], 0.005_922_238_032_023_112);
        for trial in batches.iter().flat_map(|batch| &batch.trials).step_by(97) {
            assert_eq!(space.normalise(&trial.architecture).unwrap(), trial.architecture);
        }
    }
}
