//! What a network starts from: the weights of the past trial that suits its task best, or fresh ones.

use std::collections::{BTreeMap, BTreeSet};

use heirloom_kb::{Architecture, Name, Trial};
use heirloom_predictor::log_me;
use ndarray::Array2;
use tch::{Kind, TchError, Tensor, no_grad};

use super::adapt::{Place, adapt};
use super::block_layers::{BlockLayers, Origin, identity};
use super::data::Part;
use super::first_line;
use super::fit::Network;
use super::weights::{self, Tensors};
use crate::net::{HEAD, NetGraph, NetNode, Op};
use crate::train::{Fate, Inherited, WeightStore};

/// Examples whose features say how well weights suit a task.
const SAMPLES: i64 = 300;

/// What a network inherits, and what of it stays as it is.
pub(super) struct Heritage {
    pub(super) record: Inherited,
    pub(super) frozen: BTreeSet<String>,
}

/// The network and the task that inherit.
pub(super) struct Heir<'a> {
    pub(super) network: &'a Network,
    pub(super) net: &'a NetGraph,
    pub(super) architecture: &'a Architecture,
    pub(super) task: &'a Name,
    pub(super) n_classes: usize,
    /// What it is fitted on.
    pub(super) part: &'a Part,
}

/// Weights for some blocks of a network, and where they are from.
#[derive(Default)]
struct Plan {
    tensors: Tensors,
    blocks: BTreeMap<String, String>,
    frozen: BTreeSet<String>,
}

impl Heir<'_> {
    /// Takes over the weights of the source whose features tell the task's classes apart best (LogME on examples that it is
    /// fitted on). Where none does so better than fresh weights, the network stays as it is: that is the guard against
    /// sources that would do harm. Sources that cannot be read are passed over, with a warning.
    pub(super) fn inherit(&self, sources: &[Trial], store: &WeightStore) -> Result<Heritage, String> {
        let torch = |error: TchError| first_line(&error);
        let fresh: Tensors =
            self.network.tensors().into_iter().map(|(name, t)| (name, t.detach().copy())).collect();
        let held: Vec<(&Trial, Tensors)> =
            sources.iter().filter_map(|trial| self.read(trial, store)).collect();
        let fresh_log_me = self.log_me()?;
        let mut record = Inherited {
            from: None,
            task: None,
            fresh_log_me,
            log_me: BTreeMap::new(),
            unfit: Vec::new(),
            blocks: BTreeMap::new(),
            left_out: BTreeMap::new(),
        };
        let mut best: Option<(f64, &Trial, Plan)> = None;
        for (trial, tensors) in &held {
            let plan = self.plan(trial, tensors, &held).map_err(torch)?;
            if plan.tensors.is_empty() {
                record.unfit.push(trial.id().to_string());
                continue;
            }
            self.load(&fresh, &plan).map_err(torch)?;
            let suits = self.log_me()?;
            record.log_me.insert(trial.id().to_string(), suits);
            if suits > best.as_ref().map_or(fresh_log_me, |(most, _, _)| *most) {
                best = Some((suits, trial, plan));
            }
        }
        let Some((_, trial, plan)) = best else {
            self.load(&fresh, &Plan::default()).map_err(torch)?;
            return Ok(Heritage { record, frozen: BTreeSet::new() });
        };
        self.load(&fresh, &plan).map_err(torch)?;
        record.from = Some(trial.id().to_string());
        record.task = Some(trial.task.to_string());
        record.blocks = plan.blocks;
        Ok(Heritage { record, frozen: plan.frozen })
    }

    fn read<'a>(&self, trial: &'a Trial, store: &WeightStore) -> Option<(&'a Trial, Tensors)> {
        let hash = store.of_trial(trial)?;
        let read = store.get(hash).and_then(|bytes| weights::parse(&bytes, &store.file(hash)));
        read.inspect_err(|error| tracing::warn!(%error, "these weights cannot be inherited"))
            .ok()
            .map(|tensors| (trial, tensors))
    }

    /// Fresh weights but for those of a plan.
    fn load(&self, fresh: &Tensors, plan: &Plan) -> Result<(), TchError> {
        let with = fresh.iter().map(|(name, value)| {
            let value = plan.tensors.get(name).unwrap_or(value);
            (name.clone(), value.shallow_clone())
        });
        self.network.load(&with.collect())
    }

    /// How well the features before the last layer tell the classes apart, norms taking the batch's own statistics.
    fn log_me(&self) -> Result<f64, String> {
        let last = self.net.nodes().last().expect("a network has its input node");
        let before = last.inputs.first().copied().unwrap_or(0);
        let (features, labels) = no_grad(|| {
            let batch = self.part.range(0, SAMPLES.min(self.part.len()))?;
            let values = self.network.module.values(&batch.x, |node| node.op == Op::BatchNorm)?;
            let features = values[before].f_flatten(1, -1)?.f_to_kind(Kind::Double)?;
            Ok((features, Vec::<i64>::try_from(batch.y)?))
        })
        .map_err(|error: TchError| first_line(&error))?;
        let (n, d) = (features.size()[0] as usize, features.size()[1] as usize);
        let values = Vec::<f64>::try_from(features.flatten(0, -1)).map_err(|error| first_line(&error))?;
        let features = Array2::from_shape_vec((n, d), values).expect("a matrix has as many numbers");
        let labels: Vec<usize> = labels.into_iter().map(|label| label as usize).collect();
        log_me(features.view(), &labels, self.n_classes).map_err(|error| error.to_string())
    }

    /// What becomes of each block with the weights of a source; what it lacks may come from the others.
    fn plan(&self, trial: &Trial, source: &Tensors, others: &[(&Trial, Tensors)]) -> Result<Plan, TchError> {
        let mut plan = Plan::default();
        for block in self.blocks() {
            let fate = Fate::of(self.architecture, &block);
            let is_other_head = block == HEAD && trial.task != *self.task;
            if fate == Fate::Fresh || is_other_head {
                plan.blocks.insert(block, Fate::Fresh.as_str().into());
                continue;
            }
            let made = self.block(&block, source, others)?;
            let Some((tensors, how)) = made else {
                plan.blocks.insert(block, Fate::Fresh.as_str().into());
                continue;
            };
            plan.tensors.extend(tensors);
            if fate == Fate::Freeze {
                plan.frozen.insert(block.clone());
            }
            plan.blocks.insert(block, format!("{}{how}", fate.as_str()));
        }
        // Blocks that change nothing, or are another source's, are no heritage from this one.
        let is_its_own = |how: &String| {
            !(how.starts_with("fresh") || how.ends_with("inserted") || how.contains(", from "))
        };
        Ok(if plan.blocks.values().any(is_its_own) { plan } else { Plan::default() })
    }

    /// The blocks with weights, in order.
    fn blocks(&self) -> Vec<String> {
        let held = self.network.tensors();
        let has_weights = |block: &str| held.keys().any(|name| name.split('.').next() == Some(block));
        let mut blocks: Vec<String> = Vec::new();
        for node in self.net.nodes() {
            if has_weights(node.block()) && blocks.last().is_none_or(|last| last != node.block()) {
                blocks.push(node.block().to_owned());
            }
        }
        blocks
    }

    /// A block's weights: from the same place of the source, as a block that passes on what it is given, from the same place
    /// of another source; nothing where none fits.
    fn block(
        &self,
        block: &str,
        source: &Tensors,
        others: &[(&Trial, Tensors)],
    ) -> Result<Option<(Tensors, String)>, TchError> {
        if let Some(found) = self.fitted(block, source)? {
            return Ok(Some(found));
        }
        if block == HEAD {
            return Ok(None);
        }
        if let Some(tensors) = self.inserted(block)? {
            return Ok(Some((tensors, ", inserted".into())));
        }
        // The source itself is among them; what it has does not fit.
        for (trial, tensors) in others {
            if let Some((tensors, how)) = self.fitted(block, tensors)? {
                return Ok(Some((tensors, format!("{how}, from {}", trial.id()))));
            }
        }
        Ok(None)
    }

    /// The weights of the block of this name of a source, in the shapes of this network's, if its layers are the same.
    fn fitted(&self, block: &str, source: &Tensors) -> Result<Option<(Tensors, String)>, TchError> {
        let own = in_block(&self.network.tensors(), block);
        let theirs = in_block(source, block);
        let is_residual = self.in_block(block).any(|node| node.op == Op::Add);
        let origins = BlockLayers::of(&own).origins(&BlockLayers::of(&theirs), is_residual);
        let Some(origins) = origins else { return Ok(None) };
        let mut made = Tensors::new();
        let (mut wider, mut narrower) = (false, own.len() < theirs.len());
        for (name, tensor) in &own {
            let given = match &origins[name] {
                Origin::From(other) => theirs[other].shallow_clone(),
                Origin::Identity => {
                    identity(theirs.values().next().expect("a block with layers has weights"))?
                }
            };
            let (size, had) = (tensor.size(), given.size());
            let Some(fit) = adapt(&given, &size, self.place(block, name))? else { return Ok(None) };
            wider |= size.iter().zip(&had).any(|(new, old)| new > old);
            narrower |= size.iter().zip(&had).any(|(new, old)| new < old);
            made.insert(format!("{block}.{name}"), fit.f_to_device(tensor.device())?);
        }
        let how = match (wider, narrower) {
            (false, false) => "",
            (true, false) => ", widened",
            (false, true) => ", narrowed",
            (true, true) => ", reshaped",
        };
        Ok(Some((made, how.into())))
    }

    /// Whether weights of a block are used on the example itself.
    fn place(&self, block: &str, name: &str) -> Place {
        let node = name.rsplit_once('.').map_or("", |(node, _)| node);
        let full = format!("{block}.{node}");
        let nodes = self.net.nodes();
        let found = nodes.iter().find(|candidate| candidate.name == full);
        let on_example = found.and_then(|node| node.inputs.first()).is_some_and(|input| {
            let input = &nodes[*input];
            input.op == Op::Input || (input.op == Op::Flatten && input.inputs == [0])
        });
        if on_example { Place::Example } else { Place::Inside }
    }

    fn in_block(&self, block: &str) -> impl Iterator<Item = &NetNode> {
        self.net.nodes().iter().filter(move |node| node.block() == block)
    }

    /// Weights with which a block passes on what a rectified layer gives it: convolutions and layers that are the identity, or
    /// a residual branch whose last norm is 0 (Net2Net's deepening). Nothing for a block that changes the width.
    fn inserted(&self, block: &str) -> Result<Option<Tensors>, TchError> {
        let bends = |op: &Op| matches!(op, Op::Gelu | Op::Tanh);
        if self.in_block(block).any(|node| bends(&node.op)) || block == "block1" {
            return Ok(None);
        }
        if let Some(sum) = self.in_block(block).find(|node| node.op == Op::Add) {
            return self.without_branch(block, &sum.inputs);
        }
        let mut made = Tensors::new();
        for (name, tensor) in in_block(&self.network.tensors(), block) {
            let size = tensor.size();
            let value = match size.as_slice() {
                [out, input] if out == input => Tensor::f_eye(*out, (Kind::Float, tensor.device()))?,
                [out, input, window @ ..] if !window.is_empty() && (out == input || *input == 1) => {
                    middle(*out, *input, window)?.f_to_device(tensor.device())?
                }
                [_] if name.ends_with("bias") || name.ends_with("running_mean") => tensor.f_zeros_like()?,
                [_] => tensor.f_ones_like()?,
                _ => return Ok(None),
            };
            made.insert(format!("{block}.{name}"), value);
        }
        Ok(if made.is_empty() { None } else { Some(made) })
    }

    /// A residual block as it was drawn, but for the norm before its sum, which gives 0. Nothing where the shortcut has weights.
    fn without_branch(&self, block: &str, summed: &[usize]) -> Result<Option<Tensors>, TchError> {
        let nodes = self.net.nodes();
        let own = |at: &&usize| nodes[**at].block() == block;
        let [norm] = summed.iter().filter(own).collect::<Vec<_>>()[..] else { return Ok(None) };
        if nodes[*norm].op != Op::BatchNorm {
            return Ok(None);
        }
        let mut made = Tensors::new();
        for (name, tensor) in in_block(&self.network.tensors(), block) {
            let full = format!("{block}.{name}");
            let is_last =
                [".weight", ".bias"].iter().any(|part| full == format!("{}{part}", nodes[*norm].name));
            let value = if is_last { tensor.f_zeros_like()? } else { tensor.f_detach_copy()? };
            made.insert(full, value);
        }
        Ok(Some(made))
    }
}

/// Filters that give each channel its own middle value.
fn middle(out: i64, input: i64, window: &[i64]) -> Result<Tensor, TchError> {
    let size: Vec<i64> = [&[out, input], window].concat();
    let mut filters = vec![0.0_f32; size.iter().product::<i64>() as usize];
    let area: i64 = window.iter().product();
    for channel in 0..out {
        let own = if input == 1 { 0 } else { channel };
        filters[((channel * input + own) * area + area / 2) as usize] = 1.0;
    }
    Tensor::f_from_slice(&filters)?.f_view(size.as_slice())
}

/// The tensors of a block, by their names within it.
fn in_block(tensors: &Tensors, block: &str) -> Tensors {
    let own = tensors.iter().filter_map(|(name, tensor)| {
        let (first, rest) = name.split_once('.')?;
        (first == block).then(|| (rest.to_owned(), tensor.shallow_clone()))
    });
    own.collect()
}
