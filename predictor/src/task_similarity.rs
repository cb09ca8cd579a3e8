//! `TaskSimilarity`: which past tasks are like a new one, told from meta-features before its first trial.

use std::collections::{BTreeMap, BTreeSet};

use heirloom_kb::{Name, Task};

/// A length scale in units of the root mean square distance between tasks; beyond the last, all tasks count alike.
pub(crate) const LENGTHS: [Option<f64>; 4] = [None, Some(1.0), Some(0.7), Some(0.45)];
/// Distance that another domain adds, in deviations of one meta-feature.
const OTHER_DOMAIN: f64 = 2.0;
/// The least weight of a task beside the most similar one.
const LEAST: f64 = 0.05;

/// Squared distances between tasks over their meta-features, logarithms of sizes and counts, each in units of its deviation
/// over the tasks. Numbered meta-features (`embed_00`, `embed_01`, …) are the components of one and together count as one.
///
/// *Source*: the distance is that of Feurer, Springenberg, Hutter, "Initializing Bayesian Hyperparameter Optimization via
/// Meta-Learning", AAAI 2015, equation 1, squared.
#[derive(Clone, Debug)]
pub struct TaskSimilarity {
    squares: Vec<Vec<f64>>,
    /// Mean squared distance between different tasks.
    unit: f64,
}

impl TaskSimilarity {
    /// Compares tasks with each other. Meta-features that a pair lacks do not count for it.
    #[must_use]
    pub fn new(tasks: &[&Task]) -> Self {
        let names: BTreeSet<&Name> = tasks.iter().flat_map(|task| task.meta_features.keys()).collect();
        let mut features: BTreeMap<&str, Vec<Vec<Option<f64>>>> = BTreeMap::new();
        for name in names {
            features.entry(feature(name)).or_default().push(column(tasks, name));
        }
        let between = |a: usize, b: usize| {
            let of_feature = |columns: &Vec<Vec<Option<f64>>>| {
                mean(columns.iter().filter_map(|column| Some((column[a]? - column[b]?).powi(2))))
            };
            let domain = if tasks[a].domain == tasks[b].domain { 0.0 } else { OTHER_DOMAIN };
            domain + mean(features.values().filter_map(of_feature)).unwrap_or(0.0)
        };
        let n = tasks.len();
        let squares: Vec<Vec<f64>> = (0..n).map(|a| (0..n).map(|b| between(a, b)).collect()).collect();
        let pairs = (n * n.saturating_sub(1)).max(1) as f64;
        let unit = squares.iter().flatten().sum::<f64>() / pairs;
        TaskSimilarity { squares, unit }
    }

    /// Whether tasks differ at all in what is known of them.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.unit > 1e-9
    }

    /// How alike two tasks are, from [`LEAST`] to 1.
    pub(crate) fn weight(&self, a: usize, b: usize, length: Option<f64>) -> f64 {
        match length {
            Some(length) if self.tells() => {
                let square = self.squares[a][b] / self.unit;
                LEAST + (1.0 - LEAST) * (-square / (2.0 * length * length)).exp()
            }
            _ => 1.0,
        }
    }
}

/// The meta-feature that a numbered one is a component of; another is its own.
fn feature(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((of, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => of,
        _ => name,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// A meta-feature of all tasks in units of its deviation; `None` where a task lacks it. Positive ones are taken as logarithms.
fn column(tasks: &[&Task], name: &Name) -> Vec<Option<f64>> {
    let raw: Vec<Option<f64>> = tasks.iter().map(|task| task.meta_features.get(name).copied()).collect();
    let log = raw.iter().flatten().all(|value| *value > 0.0);
    let scaled: Vec<Option<f64>> =
        raw.iter().map(|value| value.map(|value| if log { value.ln() } else { value })).collect();
    let known: Vec<f64> = scaled.iter().flatten().copied().collect();
    let n = known.len() as f64;
    let mean = known.iter().sum::<f64>() / n;
    let deviation = (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    scaled.into_iter().map(|value| value.map(|value| (value - mean) / unit)).collect()
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Domain, Goal};

    use super::*;

    fn task(id: &str, domain: Domain, samples: f64) -> Task {
        let mut task = Task::new(id, domain, "accuracy", Goal::Maximize);
        task.meta_features.insert("n_samples".into(), samples);
        task
    }

    #[test]
    fn alike_tasks_weigh_more() {
        let tasks = [
            task("a", Domain::Image, 1_000.0),
            task("b", Domain::Image, 1_200.0),
            task("c", Domain::Image, 1e6),
            task("d", Domain::Audio, 1_000.0),
        ];
        let similarity = TaskSimilarity::new(&tasks.iter().collect::<Vec<_>>());
        let weight = |b| similarity.weight(0, b, Some(0.7));
        assert!(weight(1) > weight(2) && weight(1) > weight(3), "{} {} {}", weight(1), weight(2), weight(3));
        assert_eq!(similarity.weight(0, 2, None), 1.0);
        assert!((weight(0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_components_of_one_meta_feature_count_as_one() {
        let described = |id: &str, samples: f64, embed: [f64; 3]| {
            let mut task = task(id, Domain::Image, samples);
            for (at, value) in embed.into_iter().enumerate() {
                task.meta_features.insert(format!("embed_{at:02}").into(), value);
            }
            task
        };
        // In one component, or thrice the same: the distances stand as they did.
        let tasks = |components: usize| {
            let mut tasks = [
                described("a", 1_000.0, [0.1; 3]),
                described("b", 1_100.0, [0.9; 3]),
                described("c", 9_000.0, [0.2; 3]),
            ];
            for task in &mut tasks {
                task.meta_features.retain(|name, _| !(components == 1 && name.ends_with(['1', '2'])));
            }
            tasks
        };
        let weights = |components| {
            let tasks = tasks(components);
            let similarity = TaskSimilarity::new(&tasks.iter().collect::<Vec<_>>());
            [1, 2].map(|other| similarity.weight(0, other, Some(0.7)))
        };
        let (one, three) = (weights(1), weights(3));
        assert!(one.iter().zip(&three).all(|(one, three)| (one - three).abs() < 1e-12), "{one:?} {three:?}");
    }

    #[test]
    fn without_meta_features_all_are_alike() {
        let tasks = [
            Task::new("a", Domain::Image, "m", Goal::Maximize),
            Task::new("b", Domain::Image, "m", Goal::Maximize),
        ];
        let similarity = TaskSimilarity::new(&tasks.iter().collect::<Vec<_>>());
        assert!(!similarity.tells());
        assert_eq!(similarity.weight(0, 1, Some(0.5)), 1.0);
    }
}
