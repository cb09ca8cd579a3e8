//! `KeptNetwork`: a trained network as it comes out of its weights file.

use std::fs;
use std::path::Path;

use heirloom_datasets::{Dataset, Preparation, Standardiser};
use heirloom_kb::{Architecture, Name, SearchSpace};
use serde::{Deserialize, Serialize};
use tch::{CModule, Device, TchError, Tensor, no_grad};

use super::fit::Network;
use super::weights::{self, Tensors};
use super::{first_line, python_file, turn};
use crate::net::{NetGraph, Op};
use crate::spaces::{self, NetInput};
use crate::train::weight_store::{file_error, write_whole};
use crate::train::{Recipe, TrainError, WeightStore};

/// What a weights file says of its network, as JSON under the key `heirloom` of its metadata: all that is needed to build it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetCard {
    /// The search space.
    pub space: Name,
    /// The architecture.
    pub architecture: Architecture,
    /// The shape of an example.
    pub shape: Vec<usize>,
    /// The classes, in the order of the scores.
    pub classes: Vec<String>,
    /// What was subtracted from examples: of each feature, of each channel.
    pub mean: Vec<f32>,
    /// What they were divided by then.
    pub scale: Vec<f32>,
    /// How examples were made of raw data; absent where the loader takes them as they are, and in files of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
}

impl NetCard {
    pub(super) fn new(
        (space, architecture): (&Name, &Architecture),
        dataset: &Dataset,
        standardiser: &Standardiser,
    ) -> Self {
        NetCard {
            space: space.clone(),
            architecture: architecture.clone(),
            shape: dataset.shape().to_vec(),
            classes: dataset.classes().to_vec(),
            mean: standardiser.mean().to_vec(),
            scale: standardiser.scale().to_vec(),
            preparation: dataset.preparation().cloned(),
        }
    }

    /// The bytes of a file with these weights.
    pub(super) fn to_bytes(&self, tensors: &Tensors) -> Result<Vec<u8>, TchError> {
        weights::to_bytes_with(tensors, self.note())
    }

    fn note(&self) -> String {
        serde_json::to_string(self).expect("a card holds names and numbers")
    }

    pub(super) fn net(&self) -> Result<NetGraph, TrainError> {
        let input = NetInput { shape: self.shape.clone(), n_classes: self.classes.len() };
        net_of(&self.space, &self.architecture, &input)
    }
}

/// The network of an architecture of a built-in space, without layers that the trainer has not.
pub(super) fn net_of(
    space: &Name,
    architecture: &Architecture,
    input: &NetInput,
) -> Result<NetGraph, TrainError> {
    let family = spaces::family(space).ok_or_else(|| TrainError::NoFamily { space: space.clone() })?;
    let net = (family.net)(architecture, input)?;
    match net.nodes().iter().find(|node| matches!(node.op, Op::Graph { .. })) {
        Some(node) => Err(TrainError::NoSuchLayer { op: format!("{:?}", node.op) }),
        None => Ok(net),
    }
}

/// Refuses a space that makes no networks for a data set, before anything is trained.
///
/// # Errors
/// [`TrainError::NoFamily`], [`TrainError::Net`], [`TrainError::NoSuchLayer`].
pub fn check_networks(space: &SearchSpace, dataset: &Dataset) -> Result<(), TrainError> {
    let any = spaces::pool(space, 1, 0);
    any.first().map_or(Ok(()), |architecture| net_for(space, architecture, dataset).map(drop))
}

/// Mean and scale of examples, to be applied to batches.
#[derive(Debug)]
pub(super) struct Scaling {
    mean: Tensor,
    scale: Tensor,
}

impl Scaling {
    /// `(groups,)` each, applied to `[n, groups, ...]` of `rank` dimensions.
    pub(super) fn new(mean: &[f32], scale: &[f32], rank: usize, device: Device) -> Result<Self, TchError> {
        let mut size = vec![1; rank];
        size[1] = mean.len() as i64;
        let tensor =
            |values: &[f32]| Tensor::f_from_slice(values)?.f_view(size.as_slice())?.f_to_device(device);
        Ok(Scaling { mean: tensor(mean)?, scale: tensor(scale)? })
    }

    pub(super) fn apply(&self, raw: &Tensor) -> Result<Tensor, TchError> {
        raw.f_sub(&self.mean)?.f_div(&self.scale)
    }

    pub(super) fn undo(&self, scaled: &Tensor) -> Result<Tensor, TchError> {
        scaled.f_mul(&self.scale)?.f_add(&self.mean)
    }
}

/// A trained network with all that is needed to use it.
pub(super) struct KeptNetwork {
    pub(super) card: NetCard,
    network: Network,
    scaling: Scaling,
    /// The node whose value flows into the last layer.
    pub(super) feature_node: usize,
}

impl KeptNetwork {
    /// The network of a weights file, in single precision; `file` is for the error. It learns nothing any more.
    ///
    /// # Errors
    /// [`TrainError::BadWeights`] when it is no file of Heirloom's or its tensors are not those of its network.
    pub(super) fn parse(bytes: &[u8], file: &Path, device: Device) -> Result<Self, TrainError> {
        let bad = |reason: String| TrainError::BadWeights { file: file.display().to_string(), reason };
        let tensors = weights::parse(bytes, file)?;
        let note = weights::note(bytes);
        let note = note.ok_or_else(|| bad("it does not say of what network the weights are".into()))?;
        let card: NetCard = serde_json::from_str(&note).map_err(|error| bad(error.to_string()))?;
        let build = || {
            let net = card.net().map_err(|error| TchError::FileFormat(error.to_string()))?;
            let mut network = Network::new(&net, device, &Recipe::default(), 0, None)?;
            network.load(&tensors)?;
            network.store.freeze();
            let scaling = Scaling::new(&card.mean, &card.scale, card.shape.len() + 1, device)?;
            Ok((network, scaling, feature_node(&net)))
        };
        let (network, scaling, feature_node) = build().map_err(|error: TchError| bad(first_line(&error)))?;
        Ok(KeptNetwork { card, network, scaling, feature_node })
    }

    /// What flows out of every node for examples as they are in the data set.
    pub(super) fn values(&self, raw: &Tensor) -> Result<Vec<Tensor>, TchError> {
        no_grad(|| self.network.module.values(&self.scaling.apply(raw)?, |_| false))
    }

    /// The width of what flows into the last layer.
    pub(super) fn feature_width(&self) -> Result<usize, TrainError> {
        feature_width(&self.card.net()?)
    }

    /// A TorchScript module from examples as they are in the data set, `[n, shape...]` with any `n`, to scores
    /// `[n, n_classes]`.
    fn script(&self) -> Result<CModule, TchError> {
        let size: Vec<i64> =
            std::iter::once(2).chain(self.card.shape.iter().map(|side| *side as i64)).collect();
        let example = Tensor::f_zeros(size, (tch::Kind::Float, Device::Cpu))?;
        let mut failure = None;
        let mut forward = |inputs: &[Tensor]| {
            let values = self.values(&inputs[0]);
            let scores = values.map(|mut values| values.pop().expect("a network has its input node"));
            // The tracer must be ended in any case.
            vec![scores.unwrap_or_else(|error| {
                failure = Some(error);
                inputs[0].shallow_clone()
            })]
        };
        let module = CModule::create_by_tracing("HeirloomNet", "forward", &[example], &mut forward);
        failure.map_or(module, Err)
    }
}

/// The node whose value flows into the last layer.
pub(super) fn feature_node(net: &NetGraph) -> usize {
    net.nodes().last().and_then(|node| node.inputs.first()).copied().unwrap_or(0)
}

/// The width of what flows into the last layer.
pub(super) fn feature_width(net: &NetGraph) -> Result<usize, TrainError> {
    Ok(net.shapes()?[feature_node(net)].iter().product())
}

/// What a module's code and card take beside its weights, in bytes.
const SCRIPT_OVERHEAD: usize = 1 << 20;

/// Which form a network is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetFormat {
    /// `.pt`: a module that takes examples as they are in the data set, in batches of any size, and gives scores; the
    /// standardisation is part of it. `torch.jit.load` opens it; its extra file `heirloom` is the [`NetCard`],
    /// `heirloom-weights` says which of its constants are which weights, and `heirloom-hash` under which hash they are kept.
    TorchScript,
    /// `.safetensors`: the weights, named as in the network, and a [`NetCard`] in its metadata with what examples have to be
    /// standardised by. `safetensors.torch.load_file` opens it.
    Safetensors,
}

impl NetFormat {
    /// The format that a file's ending stands for.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "pt" | "pth" => Some(NetFormat::TorchScript),
            "safetensors" => Some(NetFormat::Safetensors),
            _ => None,
        }
    }
}

/// Writes a network that the store keeps, by the hash of its weights, and says what it is. The file is written whole or not at all.
///
/// # Errors
/// [`TrainError::File`] when the weights cannot be read or the file not be written, [`TrainError::BadWeights`] when they
/// are damaged or of a release that did not say of what network they are, [`TrainError::Torch`].
pub fn export_network(
    store: &WeightStore,
    hash: &str,
    to: &Path,
    format: NetFormat,
) -> Result<NetCard, TrainError> {
    let bytes = store.get(hash)?;
    let _turn = turn();
    let kept = KeptNetwork::parse(&bytes, &store.file(hash), Device::Cpu)?;
    match format {
        NetFormat::Safetensors => write_whole(to, &bytes)?,
        NetFormat::TorchScript => {
            let beside = to.with_extension("whole");
            let written = write_script(&kept, &beside, (hash, bytes.len()))
                .and_then(|()| fs::rename(&beside, to).map_err(|source| file_error("write", to, source)));
            // Best effort: what is not whole is of no use.
            written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
        }
    }
    Ok(kept.card)
}

/// Writes a module whose weights are kept under this hash and take so many bytes, and what it is.
fn write_script(kept: &KeptNetwork, file: &Path, (hash, bytes): (&str, usize)) -> Result<(), TrainError> {
    // libtorch ends the whole process where a disk is full, so room is made sure of before.
    let room = vec![0; bytes + SCRIPT_OVERHEAD];
    write_whole(file, &room)?;
    fs::remove_file(file).map_err(|source| file_error("write", file, source))?;
    let torch = |error: TchError| TrainError::Torch { reason: first_line(&error) };
    kept.script().and_then(|module| module.save(file)).map_err(torch)?;
    python_file::name_constants(file, &kept.network.tensors())?;
    python_file::sign(file, &kept.card.note(), hash)
}

/// The network of an architecture of a space, for data of a shape and so many classes.
pub(super) fn net_for(
    space: &SearchSpace,
    architecture: &Architecture,
    dataset: &Dataset,
) -> Result<NetGraph, TrainError> {
    let input = NetInput { shape: dataset.shape().to_vec(), n_classes: dataset.n_classes() };
    net_of(space.id(), architecture, &input)
}
