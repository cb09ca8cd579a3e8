//! `Inheritance`: what a trial may start from instead of nothing.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, KnowledgeStore, Name, Split, Status, StoreError, Task, Trial, TrialQuery};
use serde::{Deserialize, Serialize};

use super::{Taken, WeightStore};

/// The field of a trial that says what it inherited.
pub const INHERITED_FIELD: &str = "inherited";

/// Most trials whose weights are tried on before one is chosen.
const MOST_SOURCES: usize = 8;
/// Most of one task in one space: the layers of the best may be of another kind than those of the new network.
const MOST_OF_ONE: usize = 3;

/// What becomes of a block of a new network: parameters `inherit1`, `inherit2`, … of an architecture, one a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It takes over its weights, which are trained on.
    #[default]
    Tune,
    /// It takes over its weights, which stay as they are.
    Freeze,
    /// Its weights are drawn.
    Fresh,
}

impl Fate {
    /// All of them, in the order of the parameters' options.
    pub const ALL: [Fate; 3] = [Fate::Tune, Fate::Freeze, Fate::Fresh];

    /// The name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Tune => "tune",
            Fate::Freeze => "freeze",
            Fate::Fresh => "fresh",
        }
    }

    /// What an architecture says of a block: its parameter `inherit` with the block's number; without one, it is tuned.
    #[must_use]
    pub fn of(architecture: &Architecture, block: &str) -> Fate {
        let number = block.trim_start_matches(|c: char| !c.is_ascii_digit());
        let named = architecture.text(&format!("inherit{number}"));
        Fate::ALL.into_iter().find(|fate| Some(fate.as_str()) == named).unwrap_or_default()
    }
}

/// What a trial inherited, kept with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inherited {
    /// The trial whose weights it started from; absent when none helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// That trial's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// LogME of the network with drawn weights, an example.
    pub fresh_log_me: f64,
    /// LogME with the weights of each trial that was tried on.
    pub log_me: BTreeMap<String, f64>,
    /// Trials of which no layer fitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfit: Vec<String>,
    /// What became of each block: `tune`, `freeze`, `fresh`, with `, widened`, `, narrowed`, `, inserted` or `, from TRIAL`
    /// where its weights were not those of the same place.
    pub blocks: BTreeMap<String, String>,
    /// Trials that were not tried on, for their weights know examples that the task keeps back, and how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
}

impl Inherited {
    /// What a trial says of it; nothing where it was not asked to inherit.
    #[must_use]
    pub fn of_trial(trial: &Trial) -> Option<Self> {
        serde_json::from_value(trial.extra.get(INHERITED_FIELD)?.clone()).ok()
    }

    /// In words: from whom, and which blocks; or that nothing was.
    #[must_use]
    pub fn words(&self) -> String {
        let left_out = match self.left_out.len() {
            0 => String::new(),
            n => format!("; {n} left out, for they were fitted on examples that this task keeps back"),
        };
        let Some((from, task)) = self.from.as_ref().zip(self.task.as_ref()) else {
            return format!("inherited nothing: {}{left_out}", self.why_nothing());
        };
        let blocks = self.blocks.iter().filter(|(_, how)| !how.starts_with(Fate::Fresh.as_str()));
        let blocks: Vec<&str> = blocks.map(|(block, _)| block.as_str()).collect();
        format!("inherited {} from trial {from} of {task}{left_out}", blocks.join(", "))
    }

    fn why_nothing(&self) -> String {
        let of = |n: usize| if n == 1 { "one trial".to_owned() } else { format!("{n} trials") };
        match (self.log_me.len(), self.unfit.len()) {
            (0, 0) => "there are no weights to inherit".into(),
            (0, unfit) => format!("the layers of {} with weights are of another kind", of(unfit)),
            (tried, 0) => format!("of {} with weights none suits better than fresh ones", of(tried)),
            (tried, unfit) => format!(
                "of {} with weights none suits better than fresh ones, and the layers of {} are of another kind",
                of(tried),
                of(unfit)
            ),
        }
    }

    /// Whether weights of this trial were taken over.
    #[cfg(feature = "torch")]
    pub(crate) fn is_of(&self, source: &Trial) -> bool {
        let id = source.id().to_string();
        self.from.as_ref() == Some(&id) || self.blocks.values().any(|how| how.ends_with(&id))
    }
}

/// The trials that a new one on `task` may inherit from: complete, scored on the validation part, with kept weights, at most eight. Of
/// each task and space the best, then the second and third architecture: those of the task itself first, then those of the tasks
/// that are nearest by domain, number of examples and number of classes.
///
/// # Errors
/// What the store reports.
pub fn sources(
    store: &dyn KnowledgeStore,
    weights: &WeightStore,
    task: &Task,
) -> Result<Vec<Trial>, StoreError> {
    let mut tasks = store.tasks()?;
    tasks.sort_by(|a, b| distance(a, task).total_cmp(&distance(b, task)).then(a.id.cmp(&b.id)));
    // By place within its task and space, then in the order of the tasks.
    let mut sources: Vec<Vec<Trial>> = vec![Vec::new(); MOST_OF_ONE];
    for past in tasks {
        let query = TrialQuery { split: Some(Split::Validation), ..TrialQuery::task(past.id.clone()) };
        let mut by_space: BTreeMap<Name, Vec<Trial>> = BTreeMap::new();
        let worth =
            |trial: &Trial| trial.score.map_or(f64::NEG_INFINITY, |score| past.goal.higher_is_better(score));
        for trial in store.trials(&query)?.trials {
            if trial.status == Status::Complete && weights.of_trial(&trial).is_some() {
                by_space.entry(trial.space.clone()).or_default().push(trial);
            }
        }
        for mut trials in by_space.into_values() {
            // A stable sort: of equals the earlier one counts.
            trials.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
            let mut chosen: Vec<Trial> = Vec::new();
            for trial in trials {
                let is_same = |known: &Trial| known.architecture == trial.architecture && !is_doubted(known);
                if !chosen.iter().any(is_same) {
                    chosen.push(trial);
                }
                if chosen.len() == MOST_OF_ONE {
                    break;
                }
            }
            sources.iter_mut().zip(chosen).for_each(|(place, trial)| place.push(trial));
        }
    }
    Ok(sources.into_iter().flatten().take(MOST_SOURCES).collect())
}

/// Whether a trial started from weights that knew what its task keeps back: it will be left out, and must not stand before another of
/// the same architecture.
fn is_doubted(trial: &Trial) -> bool {
    Taken::of_trial(trial).is_some_and(|taken| taken.knows.is_some())
}

/// How far apart two tasks are: below 0 for the same, else factors of e in sizes, another domain counting as three.
fn distance(a: &Task, b: &Task) -> f64 {
    if a.id == b.id {
        return -1.0;
    }
    let gap = |name: &str| {
        let size = |task: &Task| task.meta_features.get(name).map(|size| size.max(1.0).ln());
        size(a).zip(size(b)).map_or(1.0, |(a, b)| (a - b).abs())
    };
    let domain = if a.domain == b.domain { 0.0 } else { 3.0 };
    domain + gap("n_samples") + gap("n_classes")
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Batch, Domain, Goal, MemoryStore};

    use super::*;
    use crate::spaces;
    use crate::train::WEIGHTS_FIELD;

    #[test]
    fn an_architecture_says_what_becomes_of_its_blocks() {
        let architecture: Architecture =
            serde_json::from_str(r#"{"inherit1":"freeze","inherit2":"fresh"}"#).unwrap();
        let fates = ["block1", "block2", "block3", "stem"].map(|block| Fate::of(&architecture, block));
        assert_eq!(fates, [Fate::Freeze, Fate::Fresh, Fate::Tune, Fate::Tune]);
    }

    #[test]
    fn it_says_why_nothing_was_inherited() {
        let words = |tried: usize, unfit: usize| {
            let ids = |n: usize, what: &str| (0..n).map(|at| format!("{what}{at}")).collect::<Vec<_>>();
            let inherited = Inherited {
                from: None,
                task: None,
                fresh_log_me: 0.0,
                log_me: ids(tried, "t").into_iter().map(|id| (id, 0.0)).collect(),
                unfit: ids(unfit, "u"),
                blocks: BTreeMap::new(),
                left_out: BTreeMap::new(),
            };
            inherited.words().replace("inherited nothing: ", "")
        };
        assert_eq!(words(0, 0), "there are no weights to inherit");
        assert_eq!(words(0, 3), "the layers of 3 trials with weights are of another kind");
        assert_eq!(words(1, 0), "of one trial with weights none suits better than fresh ones");
        assert!(words(2, 1).ends_with("and the layers of one trial are of another kind"));
    }

    #[test]
    fn sources_are_the_best_with_weights_nearest_tasks_first() {
        let dir = tempfile::tempdir().unwrap();
        let weights = WeightStore::new(dir.path());
        let hash = weights.put(b"weights").unwrap();
        let task = |id: &str, domain, samples| {
            let mut task = Task::new(id, domain, "accuracy", Goal::Maximize);
            task.meta_features.insert("n_samples".into(), samples);
            task
        };
        let tasks = vec![
            task("sound", Domain::Audio, 1_000.0),
            task("far", Domain::Image, 1e6),
            task("near", Domain::Image, 2_000.0),
            task("own", Domain::Image, 1_000.0),
        ];
        let space = (spaces::family("chain-cnn/1").unwrap().space)();
        let pool = spaces::pool(&space, 3, 0);
        let trial = |id: &str, at: usize, score: f64, kept: bool| {
            let (space, architecture) = (space.id().clone(), pool[at].clone());
            let mut trial = Trial::new(id, space, architecture, Split::Validation, "accuracy", score);
            if kept {
                trial.extra.insert(WEIGHTS_FIELD.into(), hash.clone().into());
            }
            trial
        };
        let trials = vec![
            trial("sound", 0, 0.9, true),
            trial("far", 0, 0.9, true),
            trial("near", 0, 0.5, true),
            trial("near", 1, 0.7, true),
            trial("near", 2, 0.9, false),
            trial("own", 0, 0.1, true),
        ];
        let store = MemoryStore::default();
        store.commit(&Batch { spaces: vec![space.clone()], tasks: tasks.clone(), trials }).unwrap();
        let found = sources(&store, &weights, &tasks[3]).unwrap();
        let names: Vec<_> = found.iter().map(|trial| (&*trial.task, trial.score.unwrap())).collect();
        // The best of each task, then what else there is.
        assert_eq!(names, [("own", 0.1), ("near", 0.7), ("sound", 0.9), ("far", 0.9), ("near", 0.5)]);
    }
}
