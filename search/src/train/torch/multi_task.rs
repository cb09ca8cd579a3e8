//! `JointTrainer`: one body learned on several tasks at once, with a head for each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use heirloom_datasets::{Dataset, Splits};
use heirloom_kb::{Architecture, SearchSpace, Split, Task, Trial};
use rand::seq::SliceRandom;
use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

use super::augment::augment;
use super::data::{Part, Parts};
use super::fit::{seed_epoch, trained, use_threads};
use super::kept_network::{NetCard, net_for};
use super::module::Module;
use super::objective::{CrossEntropy, Objective};
use super::optimizer::Optimizer;
use super::weights::Tensors;
use super::{TorchOptions, blank, costs, device, first_line, keep_weights, measure, panic_text, turn};
use crate::net::{HEAD, NetGraph};
use crate::train::{Budget, Recipe, TrainError, mark_failed};

/// The field of a trial that says with which tasks it was trained, and the joint score.
const JOINT_FIELD: &str = "joint";

/// Trains one network on several data sets of one domain and shape: the body is shared, the head is each task's own.
///
/// A step takes a batch of every task and lowers the mean of their losses; tasks are run through in as many steps, so that a
/// smaller one has smaller batches. Each task's examples are standardised by their own training part. Of the options the
/// device, the recipe (without its patience), the store for weights and the seed of the splits count.
pub struct JointTrainer {
    tasks: Vec<JointTask>,
    options: TorchOptions,
    device: Device,
}

struct JointTask {
    task: Task,
    dataset: Arc<Dataset>,
    splits: Splits,
    fingerprint: String,
}

/// A body with a head for each task.
struct SharedNetwork {
    store: VarStore,
    modules: Vec<Module>,
}

/// How a joint training went: the accuracies of every task after each epoch, and seconds an example.
struct JointOutcome {
    curves: Vec<Vec<f64>>,
    latencies_s: Vec<f64>,
    train_s: f64,
    weights: Vec<Tensors>,
}

impl JointTrainer {
    /// A trainer over these data sets.
    ///
    /// # Errors
    /// [`TrainError::NotJoint`] for a data set of another domain or shape than the first, or one given twice;
    /// [`TrainError::NoDevice`], [`TrainError::BadRecipe`].
    pub fn new(
        first: &Arc<Dataset>,
        others: &[Arc<Dataset>],
        options: TorchOptions,
    ) -> Result<Self, TrainError> {
        let mut tasks: Vec<JointTask> = Vec::new();
        for dataset in std::iter::once(first).chain(others) {
            let reason = if tasks.iter().any(|known| known.dataset.name() == dataset.name()) {
                Some("it is given twice".to_owned())
            } else if dataset.domain() != first.domain() {
                Some(format!("it is {}, not {}", dataset.domain(), first.domain()))
            } else if dataset.shape() != first.shape() {
                Some(format!("its examples are of shape {:?}, not {:?}", dataset.shape(), first.shape()))
            } else {
                None
            };
            if let Some(reason) = reason {
                let (task, first) = (dataset.name().into(), first.name().into());
                return Err(TrainError::NotJoint { task, first, reason });
            }
            options.recipe.check(dataset)?;
            let splits = Splits::new(dataset, options.split_seed);
            let (task, fingerprint) = (dataset.task(), dataset.fingerprint());
            tasks.push(JointTask { task, dataset: Arc::clone(dataset), splits, fingerprint });
        }
        Ok(JointTrainer { tasks, device: device::choose(options.device)?, options })
    }

    /// The tasks, in the order of the trials.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().map(|joint| &joint.task)
    }

    /// Trains an architecture on all tasks: a trial of each, in order. Their field `joint` names the tasks and has the joint
    /// score, the mean over tasks of the accuracy above chance, `(accuracy - 1/classes) / (1 - 1/classes)`; the time of each
    /// is its share of the whole. If training breaks, all of them are failed trials with the reason.
    ///
    /// # Errors
    /// As of [`super::TorchTrainer`]: what concerns the data or the space and not this architecture.
    pub fn train(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
    ) -> Result<Vec<Trial>, TrainError> {
        let nets = self.tasks.iter().map(|joint| net_for(space, architecture, &joint.dataset));
        let nets: Vec<NetGraph> = nets.collect::<Result<_, _>>()?;
        let _turn = turn();
        // Of one example alone norms know no variance.
        let parts = self
            .tasks
            .iter()
            .map(|joint| Parts::of_budget(&joint.dataset, &joint.splits, budget, 2, self.device));
        let parts: Vec<Parts> = parts.collect::<Result<_, _>>()?;
        let device = self.device;
        let recipe = device::laid_out(self.options.recipe.of(architecture), device);
        let attempt = catch_unwind(AssertUnwindSafe(|| run(&nets, &parts, &recipe, budget, device)));
        let outcome = attempt.unwrap_or_else(|panic| Err(format!("panic: {}", panic_text(&*panic))));
        let blank = |joint: &JointTask| {
            let what = (&joint.task, space, architecture);
            blank(what, &joint.fingerprint, budget, device, &self.options.recipe)
        };
        let mut trials: Vec<Trial> = self.tasks.iter().map(blank).collect();
        match outcome {
            Ok(outcome) => {
                self.fill(&mut trials, &outcome);
                for (at, trial) in trials.iter_mut().enumerate() {
                    self.keep_weights(at, trial, &outcome, &parts[at]);
                }
            }
            Err(reason) => trials.iter_mut().for_each(|trial| mark_failed(trial, &reason)),
        }
        for (trial, net) in trials.iter_mut().zip(&nets) {
            // One that does not hold together has failed above.
            trial.costs.extend(net.cost().iter().flat_map(costs));
        }
        Ok(trials)
    }

    fn fill(&self, trials: &mut [Trial], outcome: &JointOutcome) {
        let last = |curve: &Vec<f64>| curve.last().copied().unwrap_or(0.0);
        let accuracies: Vec<f64> = outcome.curves.iter().map(last).collect();
        let above = accuracies.iter().zip(&self.tasks).map(|(accuracy, joint)| {
            let chance = 1.0 / joint.dataset.n_classes() as f64;
            if chance < 1.0 { (accuracy - chance) / (1.0 - chance) } else { *accuracy }
        });
        let score = above.sum::<f64>() / self.tasks.len() as f64;
        let names: Vec<&str> = self.tasks.iter().map(|joint| &*joint.task.id).collect();
        for (at, trial) in trials.iter_mut().enumerate() {
            trial.score = Some(accuracies[at]);
            let curve = outcome.curves[at].iter().enumerate();
            if trial.split == Split::Validation {
                trial.curve = curve.map(|(epoch, score)| ((epoch + 1) as f64, *score)).collect();
            }
            trial.extra.insert(JOINT_FIELD.into(), serde_json::json!({ "tasks": names, "score": score }));
            trial.costs.insert("latency_s".into(), outcome.latencies_s[at]);
            trial.costs.insert("train_s".into(), outcome.train_s / self.tasks.len() as f64);
        }
    }

    /// Each task's network can be used without the others: the body with its own head.
    fn keep_weights(&self, at: usize, trial: &mut Trial, outcome: &JointOutcome, parts: &Parts) {
        let Some(store) = &self.options.weights else { return };
        let dataset = &self.tasks[at].dataset;
        let card = NetCard::new((&trial.space, &trial.architecture), dataset, &parts.standardiser);
        match card.to_bytes(&outcome.weights[at]) {
            Ok(bytes) => keep_weights(store, trial, &bytes),
            Err(error) => tracing::warn!(error = first_line(&error), "the weights are not kept"),
        }
    }
}

impl SharedNetwork {
    fn new(nets: &[NetGraph], recipe: &Recipe, seed: u64, device: Device) -> Result<Self, TchError> {
        tch::manual_seed(seed.cast_signed());
        let store = VarStore::new(device);
        let modules = nets.iter().enumerate().map(|(at, net)| {
            let net = net.clone().with_head(&head(at));
            let shapes = net.shapes().map_err(|error| TchError::Torch(error.to_string()))?;
            use_threads(&net, recipe.batch_size, None);
            // What is in the store under its name is shared: everything but the heads.
            Ok(Module::new(&store.root(), &net, &shapes)?.computing(recipe))
        });
        let modules = modules.collect::<Result<_, TchError>>()?;
        Ok(SharedNetwork { store, modules })
    }

    /// The weights of one task's network, under the names that it would have alone.
    fn of_task(&self, at: usize) -> Tensors {
        let is_head = |name: &str| {
            name.strip_prefix(HEAD).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let own = format!("{}.", head(at));
        let named =
            self.store.variables().into_iter().filter_map(|(name, tensor)| match name.strip_prefix(&own) {
                Some(rest) => Some((format!("{HEAD}.{rest}"), tensor)),
                None => (!is_head(&name)).then_some((name, tensor)),
            });
        named.collect()
    }

    /// The mean over tasks of the loss on one batch of each.
    fn loss(&self, batches: Vec<super::data::Batch>, objective: &dyn Objective) -> Result<Tensor, TchError> {
        let n = batches.len() as f64;
        let losses = self.modules.iter().zip(batches).map(|(module, batch)| {
            let values = module.values(&batch.x, |_| true)?;
            objective.loss(&values, &batch)
        });
        let losses: Vec<Tensor> = losses.collect::<Result<_, _>>()?;
        Tensor::f_stack(&losses, 0)?.f_sum(Kind::Float)?.f_div_scalar(n)
    }
}

fn head(at: usize) -> String {
    format!("{HEAD}{at}")
}

fn run(
    nets: &[NetGraph],
    parts: &[Parts],
    recipe: &Recipe,
    budget: &Budget,
    device: Device,
) -> Result<JointOutcome, String> {
    let torch = |error: TchError| first_line(&error);
    let network = SharedNetwork::new(nets, recipe, budget.seed, device).map_err(torch)?;
    let trained = trained(&network.store).into_values().collect();
    let mut optimizer = Optimizer::new(trained, recipe).map_err(torch)?;
    let started = Instant::now();
    let mut curves = vec![Vec::new(); parts.len()];
    for epoch in 1..=budget.epochs {
        run_epoch(&network, &mut optimizer, parts, recipe, (epoch, budget))?;
        if budget.split == Split::Validation || epoch == budget.epochs {
            for ((curve, module), parts) in curves.iter_mut().zip(&network.modules).zip(parts) {
                curve.push(measure::accuracy(module, &parts.score)?);
            }
        }
    }
    let train_s = started.elapsed().as_secs_f64();
    let latencies =
        network.modules.iter().zip(parts).map(|(module, parts)| measure::latency(module, &parts.score));
    let latencies_s = latencies.collect::<Result<_, _>>()?;
    let weights = (0..parts.len()).map(|at| network.of_task(at)).collect();
    Ok(JointOutcome { curves, latencies_s, train_s, weights })
}

/// One pass over all tasks, each shuffled; as many steps as the largest needs.
fn run_epoch(
    network: &SharedNetwork,
    optimizer: &mut Optimizer,
    parts: &[Parts],
    recipe: &Recipe,
    (epoch, budget): (u32, &Budget),
) -> Result<(), String> {
    let mut rng = seed_epoch(budget.seed, epoch);
    let objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
    let orders: Vec<Vec<i64>> = parts
        .iter()
        .map(|parts| {
            let mut order: Vec<i64> = (0..parts.fit.len()).collect();
            order.shuffle(&mut rng);
            order
        })
        .collect();
    let longest = orders.iter().map(Vec::len).max().unwrap_or(0);
    let steps = longest.div_ceil(recipe.batch_size).max(1);
    for step in 0..steps {
        let progress = (f64::from(epoch - 1) + step as f64 / steps as f64) / f64::from(budget.epochs);
        let mut one = || {
            let batches = parts.iter().zip(&orders).map(|(parts, order)| {
                batch(&parts.fit, order, (step, steps))
                    .and_then(|batch| augment(batch, &recipe.augmentations, &mut rng))
            });
            let batches: Vec<_> = batches.collect::<Result<_, TchError>>()?;
            let loss = network.loss(batches, &objective)?;
            optimizer.step(&loss, recipe, recipe.learning_rate_at(progress))?;
            loss.f_detach()?.f_double_value(&[])
        };
        let loss = one().map_err(|error: TchError| first_line(&error))?;
        if !loss.is_finite() {
            return Err(format!("the loss is {loss} in epoch {epoch}, step {}", step + 1));
        }
    }
    Ok(())
}

/// The examples of a step, of equal shares of an order; two at least, for norms have no variance over one.
fn batch(part: &Part, order: &[i64], (step, steps): (usize, usize)) -> Result<super::data::Batch, TchError> {
    let bound = |step: usize| step * order.len() / steps;
    let (start, end) = (bound(step), bound(step + 1));
    let rows: Vec<i64> = (start..end.max(start + 2)).map(|at| order[at % order.len()]).collect();
    part.rows(&Tensor::f_from_slice(&rows)?)
}

#[cfg(test)]
mod tests {
    use heirloom_datasets::loaders;
    use heirloom_kb::Status;

    use super::super::tests::{BUDGET, halves, small_cnn};
    use super::super::weights;
    use super::*;
    use crate::train::torch::DeviceChoice;
    use crate::train::{WEIGHTS_FIELD, WeightStore};

    fn trainer(first: &Arc<Dataset>, other: Arc<Dataset>, store: Option<WeightStore>) -> JointTrainer {
        let options = TorchOptions { device: DeviceChoice::Cpu, weights: store, ..TorchOptions::default() };
        JointTrainer::new(first, &[other], options).unwrap()
    }

    #[test]
    fn two_tasks_share_a_body_and_both_are_learned() {
        let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS").map(std::path::PathBuf::from) else {
            println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
            return;
        };
        let digits = loaders::open("digits", &dir, false).unwrap();
        let some =
            |name: &str, classes: &[usize]| Arc::new(digits.subset(name, classes, usize::MAX, 0).unwrap());
        let (low, high) = (some("low", &[0, 1, 2, 3, 4, 5]), some("high", &[6, 7, 8, 9]));
        let folder = tempfile::tempdir().unwrap();
        let store = WeightStore::new(folder.path());
        let (space, architecture) = small_cnn();
        let budget = Budget { epochs: 8, ..BUDGET };
        let train = || {
            trainer(&low, Arc::clone(&high), Some(store.clone()))
                .train(&space, &architecture, &budget)
                .unwrap()
        };
        let trials = train();
        let scores: Vec<f64> = trials.iter().map(|trial| trial.score.unwrap()).collect();
        assert!(scores.iter().all(|score| *score > 0.9), "{scores:?}");
        let want = ((scores[0] - 1.0 / 6.0) / (5.0 / 6.0) + (scores[1] - 0.25) / 0.75) / 2.0;
        for (trial, task) in trials.iter().zip(["low", "high"]) {
            assert_eq!(&*trial.task, task);
            assert_eq!(trial.extra["joint"]["tasks"], serde_json::json!(["low", "high"]));
            assert!((trial.extra["joint"]["score"].as_f64().unwrap() - want).abs() < 1e-12);
            assert_eq!(trial.curve.len(), 8);
            assert!(trial.normalise(&space).is_ok());
        }
        let weights = |trial: &Trial| {
            let hash = store.of_trial(trial).unwrap();
            weights::parse(&store.get(hash).unwrap(), folder.path()).unwrap()
        };
        let (first, second) = (weights(&trials[0]), weights(&trials[1]));
        assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
        for (name, tensor) in &first {
            assert_eq!(*tensor == second[name], !name.starts_with(HEAD), "{name}");
        }
        assert_eq!(second["head.1.weight"].size(), [4, 32]);
        // The same seed gives the same trials.
        let again = train();
        assert_eq!(again.iter().map(|trial| trial.score.unwrap()).collect::<Vec<_>>(), scores);
        assert_eq!(again[0].extra[WEIGHTS_FIELD], trials[0].extra[WEIGHTS_FIELD]);
    }

    #[test]
    fn a_small_task_has_small_batches_and_none_of_one() {
        let order: Vec<i64> = (0..5).collect();
        let dataset = halves();
        let parts = Parts::new(&dataset, &[0, 1, 2, 3, 4], &[5], Device::Cpu).unwrap();
        let sizes: Vec<i64> =
            (0..4).map(|step| batch(&parts.fit, &order, (step, 4)).unwrap().y.size()[0]).collect();
        assert_eq!(sizes, [2, 2, 2, 2]);
        let sizes: Vec<i64> =
            (0..2).map(|step| batch(&parts.fit, &order, (step, 2)).unwrap().y.size()[0]).collect();
        assert_eq!(sizes, [2, 3]);
    }

    #[test]
    fn data_that_do_not_go_together_are_refused_and_a_wild_trial_fails_on_all() {
        let halves = halves();
        let other = |name: &str, shape: &[usize]| {
            let x = halves.x().clone();
            let (y, classes) = (halves.y().to_vec(), halves.classes().to_vec());
            Arc::new(Dataset::new(name, halves.domain(), shape, x, y, classes, "").unwrap())
        };
        let refused = |with: Arc<Dataset>| {
            let options = TorchOptions { device: DeviceChoice::Cpu, ..TorchOptions::default() };
            let made = JointTrainer::new(&halves, &[with], options);
            made.err().unwrap().to_string()
        };
        let words = refused(other("wide", &[1, 4, 16]));
        assert_eq!(
            words,
            r#""wide" cannot be learned together with "halves": its examples are of shape [1, 4, 16], not [1, 8, 8]"#
        );
        assert!(refused(Arc::clone(&halves)).ends_with("it is given twice"));
        let (space, mut wild) = small_cnn();
        wild.set(&"lr".into(), heirloom_kb::Value::Real(1e9));
        let mut trainer = trainer(&halves, other("same", &[1, 8, 8]), None);
        let trials = trainer.train(&space, &wild, &BUDGET).unwrap();
        for trial in &trials {
            assert_eq!((trial.status, trial.score), (Status::Failed, None));
            assert!(trial.extra["reason"].as_str().unwrap().starts_with("the "));
        }
    }
}
