//! `OutsideWeights`: weights that another program has saved.

use std::path::Path;

use serde::Serialize;
use tch::{Device, TchError};

use super::adapt::{Place, adapt};
use super::fit::Network;
use super::weights::{self, Tensors};
use crate::net::NetGraph;
use crate::spaces::torchvision_name;
use crate::train::weight_store::{content_hash, file_error};
use crate::train::{Recipe, TrainError};

/// Channels of an image in colour.
const COLOURS: i64 = 3;

/// What tensors of a file a network has taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The file.
    pub file: String,
    /// The BLAKE3 hash of its bytes.
    pub hash: String,
    /// How many tensors were taken over.
    pub taken: usize,
    /// Tensors of the network that the file has not, by their names in the network; they are drawn afresh.
    pub missing: Vec<String>,
    /// Those among them that were made for images of another number of channels: for grey ones the filters of all colours are
    /// added up, as timm does.
    pub recoloured: Vec<String>,
    /// Tensors that have another shape in the file; they are drawn afresh.
    pub other_shape: Vec<String>,
    /// Tensors of the file that the network has no place for. PyTorch's counters of batches do not count.
    pub unused: usize,
}

/// The tensors of a safetensors file, by the names of a network of Heirloom's or, for the space `resnet/1`, those of
/// torchvision and timm.
pub(super) struct OutsideWeights {
    file: String,
    hash: String,
    tensors: Tensors,
}

impl OutsideWeights {
    /// # Errors
    /// [`TrainError::File`] when it cannot be read, [`TrainError::BadWeights`] when it is no safetensors file.
    pub(super) fn read(path: &Path) -> Result<Self, TrainError> {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| file_error("read", path, source))?;
        Ok(OutsideWeights { file, hash: content_hash(&bytes), tensors: weights::parse(&bytes, path)? })
    }

    /// What is called like this tensor of the network.
    fn named<'a>(&'a self, own: &str) -> Option<(String, &'a tch::Tensor)> {
        let theirs = torchvision_name(own).filter(|name| self.tensors.contains_key(name));
        let name = theirs.unwrap_or_else(|| own.to_owned());
        self.tensors.get(&name).map(|tensor| (name, tensor))
    }

    /// What such a network would take over.
    ///
    /// # Errors
    /// [`TrainError::BadWeights`] when nothing fits: the file is of another network.
    pub(super) fn fit(&self, net: &NetGraph) -> Result<Taken, TrainError> {
        let bad = |reason: String| TrainError::BadWeights { file: self.file.clone(), reason };
        let network = Network::new(net, Device::Cpu, &Recipe::default(), 0, None);
        let network = network.map_err(|error| bad(super::first_line(&error)))?;
        let (mut used, mut taken) = (std::collections::BTreeSet::new(), 0);
        let (mut missing, mut recoloured, mut other_shape) = (Vec::new(), Vec::new(), Vec::new());
        let mut shapes = Vec::new();
        for (own, tensor) in network.tensors() {
            match self.named(&own) {
                None => missing.push(own),
                Some((name, theirs)) => {
                    if theirs.size() == tensor.size() {
                        taken += 1;
                    } else if is_recoloured(&theirs.size(), &tensor.size()) {
                        taken += 1;
                        recoloured.push(own);
                    } else {
                        shapes.push(format!("{name} is {:?}, not {:?}", theirs.size(), tensor.size()));
                        other_shape.push(own);
                    }
                    used.insert(name);
                }
            }
        }
        if taken == 0 {
            let why = shapes.into_iter().next();
            let why = why.unwrap_or_else(|| "no tensor is called as in the network".into());
            return Err(bad(format!("none of its {} tensors fits the network: {why}", self.tensors.len())));
        }
        let is_counter = |name: &str| name.ends_with("num_batches_tracked");
        let unused = self.tensors.keys().filter(|name| !used.contains(*name) && !is_counter(name)).count();
        let (file, hash) = (self.file.clone(), self.hash.clone());
        Ok(Taken { file, hash, taken, recoloured, missing, other_shape, unused })
    }

    /// Takes over every tensor whose name and shape fit, channels of images apart.
    pub(super) fn fill(&self, network: &Network) -> Result<(), TchError> {
        let mut values = network.tensors();
        for (own, value) in &mut values {
            let Some((_, theirs)) = self.named(own) else { continue };
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

/// Whether filters `[out, in, height, width]` over the three colours are wanted over another number of channels. Only layers
/// on images have filters over three.
fn is_recoloured(theirs: &[i64], wanted: &[i64]) -> bool {
    let ([out, COLOURS, window @ ..], [wanted_out, _, wanted_window @ ..]) = (theirs, wanted) else {
        return false;
    };
    out == wanted_out && window.len() == 2 && window == wanted_window
}
