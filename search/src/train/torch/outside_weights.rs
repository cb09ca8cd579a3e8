//! `OutsideWeights`: weights that another program has saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use heirloom_datasets::{Dataset, Splits};
use tch::{Device, TchError};

use super::adapt::{Place, adapt};
use super::fit::Network;
use super::fitted_rows::FittedRows;
use super::python_file;
use super::weights::{self, Tensors};
use crate::net::NetGraph;
use crate::spaces::torchvision_name;
use crate::train::weight_store::{content_hash, file_error};
use crate::train::{Recipe, Taken, TrainError, WeightStore};

/// How many names an error gives of each side.
const SOME: usize = 3;
/// What programs put before the names of a network that is a part of what they save: an entry of a checkpoint, a wrapper for
/// several devices, the body of a larger model.
const PREFIXES: [&str; 6] = ["state_dict.", "module.", "model.", "backbone.", "net.", "encoder."];
/// Channels of an image in colour.
const COLOURS: i64 = 3;

/// The tensors of a safetensors file or one of Python's torch, by the names of a network of Heirloom's or, for the space `resnet/1`, those of
/// torchvision and timm.
pub(super) struct OutsideWeights {
    file: String,
    hash: String,
    tensors: Tensors,
    /// The hash under which they are kept, if they are a copy.
    copy_of: String,
    /// What they were fitted on, as far as that is known.
    pub(super) fitted: FittedRows,
    knows: Option<f64>,
}

impl OutsideWeights {
    /// # Errors
    /// [`TrainError::File`] when it cannot be read, [`TrainError::BadWeights`] when it is neither a safetensors file, nor
    /// TorchScript, nor a state dictionary, or a number in it is not finite.
    pub(super) fn read(path: &Path) -> Result<Self, TrainError> {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| file_error("read", path, source))?;
        let tensors = if python_file::is_one(&bytes) || has_ending_of_python(path) {
            python_file::parse(&bytes, path)?
        } else {
            weights::parse(&bytes, path)?
        };
        check_finite(&tensors).map_err(|reason| TrainError::BadWeights { file: file.clone(), reason })?;
        let hash = content_hash(&bytes);
        let copy_of = python_file::kept_hash(&bytes).unwrap_or_else(|| hash.clone());
        Ok(OutsideWeights { file, hash, copy_of, tensors, fitted: FittedRows::default(), knows: None })
    }

    /// The same, knowing what they were fitted on if they are a copy of weights that are kept; with a warning, if that is what a data set
    /// keeps back.
    pub(super) fn recognised(self, store: Option<&WeightStore>, dataset: &Dataset, splits: &Splits) -> Self {
        let Some(store) = store else { return self };
        let fitted = FittedRows::of_copy(&self.copy_of, store);
        let knows = fitted.known_by(dataset, splits);
        if let Some(share) = knows {
            tracing::warn!(
                file = self.file,
                "{:.0} % of what these weights were fitted on are examples that {} keeps back for validation and test, so that scores may be too high",
                100.0 * share,
                dataset.name()
            );
        }
        OutsideWeights { fitted, knows, ..self }
    }

    /// What is called like this tensor of a network with these tensors, behind a prefix or without it.
    fn named<'a>(&'a self, own: &str, held: &Tensors, prefix: &str) -> Option<(String, &'a tch::Tensor)> {
        let names = other_name(own, held).into_iter().chain([own.to_owned()]);
        let mut names = names.flat_map(|name| [format!("{prefix}{name}"), name]);
        names.find_map(|name| self.tensors.get(&name).map(|tensor| (name, tensor)))
    }

    /// The prefixes that most names have, each longer than the one before by one of the usual ones; none first.
    fn prefixes(&self) -> Vec<String> {
        let names = self.names();
        let is_on_most = |prefix: &String| {
            4 * names.iter().filter(|name| name.starts_with(prefix.as_str())).count() >= 3 * names.len()
        };
        let longer = |prefix: &String| {
            PREFIXES
                .iter()
                .map(|more| format!("{prefix}{more}"))
                .find(is_on_most)
                .filter(|_| !names.is_empty())
        };
        std::iter::successors(Some(String::new()), longer).collect()
    }

    /// The prefix without which most tensors fit a network with these tensors, the shortest of them; and what fits then.
    fn compare(&self, held: &Tensors) -> (String, Fitting) {
        let fitting = |prefix: String| {
            let mut fit = Fitting::default();
            for (own, tensor) in held {
                fit.compare(own, &tensor.size(), self.named(own, held, &prefix));
            }
            (prefix, fit)
        };
        // Of names that fit no shape the reason can be told.
        let count = |fit: &Fitting| (fit.fitted.len(), fit.other_shape.len());
        let all = self.prefixes().into_iter().map(fitting);
        let best = all.reduce(|best, other| if count(&other.1) > count(&best.1) { other } else { best });
        best.unwrap_or_default()
    }

    /// What such a network would take over.
    ///
    /// # Errors
    /// [`TrainError::BadWeights`] when nothing fits: the file is of another network.
    pub(super) fn fit(&self, net: &NetGraph) -> Result<Taken, TrainError> {
        let bad = |reason: String| TrainError::BadWeights { file: self.file.clone(), reason };
        let network = Network::new(net, Device::Cpu, &Recipe::default(), 0, None);
        let network = network.map_err(|error| bad(super::first_line(&error)))?;
        let held = network.tensors();
        let (prefix, fit) = self.compare(&held);
        if fit.fitted.is_empty() {
            return Err(bad(self.nothing_fits(&held, &fit)));
        }
        let (blocks, blocks_in_part) = blocks(net, &held, &fit.fitted);
        let theirs = self.names();
        Ok(Taken {
            file: self.file.clone(),
            hash: self.hash.clone(),
            prefix: (!prefix.is_empty()).then_some(prefix),
            taken: fit.fitted.len(),
            of: theirs.len(),
            blocks,
            blocks_in_part,
            missing: fit.missing,
            recoloured: fit.recoloured,
            other_shape: fit.other_shape,
            knows: self.knows,
            unused: theirs.into_iter().filter(|name| !fit.used.contains(*name)).count(),
        })
    }

    /// What a network takes over where nothing fits.
    pub(super) fn nothing(&self) -> Taken {
        Taken {
            file: self.file.clone(),
            hash: self.hash.clone(),
            of: self.names().len(),
            unused: self.names().len(),
            ..Taken::default()
        }
    }

    /// The names in the file, without PyTorch's counters of batches.
    fn names(&self) -> Vec<&String> {
        self.tensors.keys().filter(|name| !name.ends_with("num_batches_tracked")).collect()
    }

    /// Why none of the tensors can be taken over, with names of both sides.
    fn nothing_fits(&self, held: &Tensors, fit: &Fitting) -> String {
        let names = self.names();
        if names.is_empty() {
            // So do traced networks, our own of earlier releases too: their weights are constants without names.
            return "it names no tensors; a module that was traced with its weights as constants has none: give a state dictionary or a safetensors file of it".into();
        }
        let head = format!("none of its {} tensors fits the network", names.len());
        if let Some(why) = fit.shapes.first() {
            return format!("{head}: {why}");
        }
        let some = |names: &mut dyn Iterator<Item = String>| names.take(SOME).collect::<Vec<_>>().join(", ");
        let theirs = some(&mut names.into_iter().cloned());
        let ours = some(&mut held.keys().map(|own| other_name(own, held).unwrap_or_else(|| own.clone())));
        format!("{head}: it has {theirs}, … where the network has {ours}, …; rename them in the file")
    }

    /// Takes over every tensor whose name and shape fit, channels of images apart.
    pub(super) fn fill(&self, network: &Network) -> Result<(), TchError> {
        let mut values = network.tensors();
        let held = weights::shallow(&values);
        let (prefix, _) = self.compare(&held);
        for (own, value) in &mut values {
            let Some((_, theirs)) = self.named(own, &held, &prefix) else { continue };
            if theirs.size() == value.size() {
                *value = theirs.shallow_clone();
            } else if is_recoloured(&theirs.size(), &value.size())
                && let Some(made) = adapt(theirs, &value.size(), Place::Example)?
            {
                *value = made;
            }
        }
        network.load(&values)
    }
}

/// Names the first tensor with a number that is not finite: every network that started from it would fail.
fn check_finite(tensors: &Tensors) -> Result<(), String> {
    let is_finite =
        |tensor: &tch::Tensor| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]).map(|all| all == 1);
    for (name, tensor) in tensors {
        if !is_finite(tensor).map_err(|error: TchError| super::first_line(&error))? {
            return Err(format!("tensor {name} has numbers that are not finite"));
        }
    }
    Ok(())
}

/// What fits of a file, by the names in the network unless said otherwise.
#[derive(Default)]
struct Fitting {
    fitted: BTreeSet<String>,
    missing: Vec<String>,
    recoloured: Vec<String>,
    other_shape: Vec<String>,
    /// By their names in the file.
    used: BTreeSet<String>,
    /// Which shapes do not fit, in words.
    shapes: Vec<String>,
}

impl Fitting {
    fn compare(&mut self, own: &str, size: &[i64], named: Option<(String, &tch::Tensor)>) {
        let Some((name, theirs)) = named else {
            self.missing.push(own.to_owned());
            return;
        };
        let theirs = theirs.size();
        let is_recoloured = is_recoloured(&theirs, size);
        if theirs == size || is_recoloured {
            self.fitted.insert(own.to_owned());
        } else {
            self.shapes.push(format!("{name} is {theirs:?}, not {size:?}"));
            self.other_shape.push(own.to_owned());
        }
        if is_recoloured && theirs != size {
            self.recoloured.push(own.to_owned());
        }
        self.used.insert(name);
    }
}

/// The blocks of a network that were given all of their weights, and those given some, in its order.
fn blocks(net: &NetGraph, held: &Tensors, fitted: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let mut shares: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for name in held.keys() {
        let share = shares.entry(name.split('.').next().unwrap_or(name)).or_default();
        share.0 += usize::from(fitted.contains(name));
        share.1 += 1;
    }
    let (mut whole, mut in_part) = (Vec::new(), Vec::new());
    for node in net.nodes() {
        // Each is told once, at its first node.
        match shares.remove(node.block()) {
            Some((taken, all)) if taken == all => whole.push(node.block().to_owned()),
            Some((taken, _)) if taken > 0 => in_part.push(node.block().to_owned()),
            _ => {}
        }
    }
    (whole, in_part)
}

/// What torchvision and timm call a tensor of a residual network. Others may have a head that is called alike.
fn other_name(own: &str, held: &Tensors) -> Option<String> {
    let is_residual = held.keys().any(|name| name.starts_with("layer1."));
    torchvision_name(own).filter(|_| is_residual)
}

/// Whether a file is called as Python's torch calls its files.
fn has_ending_of_python(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["pt", "pth", "bin"].iter().any(|known| ending == *known))
}

/// Whether filters `[out, in, height, width]` over the three colours are wanted over another number of channels. Only layers
/// on images have filters over three.
fn is_recoloured(theirs: &[i64], wanted: &[i64]) -> bool {
    let ([out, COLOURS, window @ ..], [wanted_out, _, wanted_window @ ..]) = (theirs, wanted) else {
        return false;
    };
    out == wanted_out && window.len() == 2 && window == wanted_window
}

#[cfg(test)]
mod tests;
