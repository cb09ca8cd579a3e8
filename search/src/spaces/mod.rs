//! The built-in search spaces, and what can be done with any space.
//!
//! A space file has `space()`, `canonical()` and `net()`; [`families`] lists them. Sampling, enumeration and
//! neighbours work for every [`SearchSpace`], also one that came in a file.

pub(crate) mod any_network;
mod blocks;
mod cell_skeleton;
mod chain_cnn;
mod conv1d;
mod heirs;
#[cfg(test)]
mod laws;
mod mlp;
mod nas_bench_201;
mod nas_bench_graph;
mod pool;
mod resnet;
mod variation;

use heirloom_kb::{Architecture, Domain, Name, SearchSpace};
use heirloom_predictor::Descriptors;

use crate::net::{Fingerprint, NetError, NetGraph, Shape};
pub use cell_skeleton::CellSkeleton;
#[cfg(feature = "torch")] // for weights that cells share
pub(crate) use nas_bench_201::{Cell, OPS as CELL_OPS, architecture as cell_architecture, cell};
pub use nas_bench_201::{from_cell_string, to_cell_string};
pub use pool::{enumerate, pool, sample};
pub use resnet::torchvision_name;
pub(crate) use variation::{is_stepped, position, surroundings, value_near, with_value};
pub use variation::{mutate, neighbours, perturb};

/// What a network is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetInput {
    /// The shape of one example.
    pub shape: Shape,
    /// The number of classes.
    pub n_classes: usize,
}

/// A built-in search space.
#[derive(Debug)]
pub struct SpaceFamily {
    /// The space's id.
    pub id: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    /// The space whose architectures are architectures of this one that leave something unsaid, see [`widened`].
    pub extends: Option<&'static str>,
    /// What data its networks are for.
    pub domains: &'static [Domain],
    /// The space as data.
    pub space: fn() -> SearchSpace,
    /// The representative of all architectures isomorphic to this one.
    pub canonical: fn(&Architecture) -> Architecture,
    /// Whether a canonical architecture is one of the published space: parameters alone cannot say all.
    pub admits: fn(&Architecture) -> bool,
    /// The fingerprint of its network on a usual input of the domain.
    pub describe: fn(&Architecture) -> Vec<f64>,
    /// The network that an architecture stands for.
    pub net: fn(&Architecture, &NetInput) -> Result<NetGraph, NetError>,
}

const CHAIN_CNN_HEIR: &str = "chain-cnn-inherit/1";
const CONV1D_HEIR: &str = "conv1d-inherit/1";
const MLP_HEIR: &str = "mlp-inherit/1";

const CHAIN_CNN: SpaceFamily = SpaceFamily {
    id: chain_cnn::ID,
    title: "chains of convolution blocks for images and for log-mel pictures of sounds",
    extends: None,
    domains: &[Domain::Image, Domain::Audio],
    space: chain_cnn::space,
    canonical: Architecture::clone,
    admits: |_| true,
    describe: |architecture| fingerprint(chain_cnn::net, architecture, &[3, 32, 32]),
    net: chain_cnn::net,
};

const CONV1D: SpaceFamily = SpaceFamily {
    id: conv1d::ID,
    title: "chains of 1-D convolutions for audio and time series",
    extends: None,
    domains: &[Domain::Audio, Domain::Timeseries],
    space: conv1d::space,
    canonical: Architecture::clone,
    admits: |_| true,
    describe: |architecture| fingerprint(conv1d::net, architecture, &[1, 1_024]),
    net: conv1d::net,
};

const MLP: SpaceFamily = SpaceFamily {
    id: mlp::ID,
    title: "multi-layer perceptrons for tables",
    extends: None,
    domains: &[Domain::Tabular],
    space: mlp::space,
    canonical: Architecture::clone,
    admits: |_| true,
    describe: |architecture| fingerprint(mlp::net, architecture, &[16]),
    net: mlp::net,
};

static FAMILIES: [SpaceFamily; 9] = [
    CHAIN_CNN,
    SpaceFamily {
        id: CHAIN_CNN_HEIR,
        title: "chains of convolution blocks, with what each block inherits",
        extends: Some(chain_cnn::ID),
        space: || heirs::space(CHAIN_CNN_HEIR, &chain_cnn::space()),
        ..CHAIN_CNN
    },
    CONV1D,
    SpaceFamily {
        id: CONV1D_HEIR,
        title: "chains of 1-D convolutions, with what each block inherits",
        extends: Some(conv1d::ID),
        space: || heirs::space(CONV1D_HEIR, &conv1d::space()),
        ..CONV1D
    },
    MLP,
    SpaceFamily {
        id: MLP_HEIR,
        title: "multi-layer perceptrons, with what each block inherits",
        extends: Some(mlp::ID),
        space: || heirs::space(MLP_HEIR, &mlp::space()),
        ..MLP
    },
    SpaceFamily {
        id: nas_bench_201::ID,
        title: "the cell of NAS-Bench-201",
        extends: None,
        domains: &[Domain::Image],
        space: nas_bench_201::space,
        canonical: nas_bench_201::canonical,
        admits: |_| true,
        describe: |architecture| fingerprint(nas_bench_201::net, architecture, &[3, 32, 32]),
        net: nas_bench_201::net,
    },
    SpaceFamily {
        id: nas_bench_graph::ID,
        title: "the graph neural networks of NAS-Bench-Graph",
        extends: None,
        domains: &[Domain::Graph],
        space: nas_bench_graph::space,
        canonical: nas_bench_graph::canonical,
        admits: nas_bench_graph::admits,
        describe: |architecture| fingerprint(nas_bench_graph::net, architecture, &[64]),
        net: nas_bench_graph::net,
    },
    SpaceFamily {
        id: resnet::ID,
        title: "residual networks for images, for weights of torchvision and timm",
        extends: None,
        domains: &[Domain::Image],
        space: resnet::space,
        canonical: Architecture::clone,
        admits: |_| true,
        describe: |architecture| fingerprint(resnet::net, architecture, &[3, 32, 32]),
        net: resnet::net,
    },
];

/// The built-in search spaces, by id.
#[must_use]
pub fn families() -> &'static [SpaceFamily] {
    &FAMILIES
}

/// The built-in space of this id.
#[must_use]
pub fn family(id: &str) -> Option<&'static SpaceFamily> {
    FAMILIES.iter().find(|family| family.id == id)
}

/// The built-in space of this id, as a base keeps it.
#[must_use]
pub fn built_in(id: &str) -> Option<SearchSpace> {
    family(id).map(|family| (family.space)())
}

/// An architecture of the space `from` as one of `space`, where what is tried in that one tells of this one.
pub(crate) fn translated(
    space: &SearchSpace,
    from: &str,
    architecture: &Architecture,
) -> Option<Architecture> {
    if any_network::is_any_network(space) {
        return any_network::wrapped(from, architecture);
    }
    match space.extends().iter().find(|other| *other.space == *from) {
        Some(extension) => extension.translate(space, architecture),
        None => widened(space, architecture),
    }
}

/// The spaces whose trials tell of a space, beside itself: those which it extends; of all networks, every other.
pub(crate) fn relatives(space: &SearchSpace) -> Vec<Name> {
    if any_network::is_any_network(space) {
        return any_network::members().map(|family| family.id.into()).collect();
    }
    let built_in = family(space.id()).and_then(|family| family.extends).map(Name::from);
    built_in.into_iter().chain(space.extends().iter().map(|other| other.space.clone())).collect()
}

/// The representative of all architectures isomorphic to this one; in a space that is not built in, itself.
#[must_use]
pub fn canonical(space: &str, architecture: &Architecture) -> Architecture {
    match family(space) {
        Some(family) => (family.canonical)(architecture),
        None if space == any_network::ID => any_network::canonical(architecture),
        None => architecture.clone(),
    }
}

/// An architecture of the space that `space` extends, as one of `space`: one that says nothing of its blocks has all of them
/// taken over and trained on, as far as there is anything to take over. Nothing for one that does not fit.
#[must_use]
pub fn widened(space: &SearchSpace, architecture: &Architecture) -> Option<Architecture> {
    heirs::widened(space, architecture)
}

/// What the networks of a built-in space look like, as descriptors for the encoder; a space that came in a file has none.
#[must_use]
pub fn descriptors(space: &str) -> Option<Descriptors> {
    if space == any_network::ID {
        return Some(any_network::descriptors());
    }
    let describe = family(space)?.describe;
    Some(Descriptors { names: Fingerprint::names(), describe })
}

/// The fingerprint of the network that an architecture stands for on a usual input of its domain; zeros where it stands for
/// none.
fn fingerprint(
    net: fn(&Architecture, &NetInput) -> Result<NetGraph, NetError>,
    architecture: &Architecture,
    shape: &[usize],
) -> Vec<f64> {
    let net = net(architecture, &NetInput { shape: shape.to_vec(), n_classes: 10 });
    net.and_then(|net| Fingerprint::of(&net)).map_or_else(|_| vec![0.0; Fingerprint::WIDTH], |found| found.0)
}

/// Whether a canonical architecture is one of its space: what the published space leaves out is not.
pub(crate) fn admits(space: &str, canonical: &Architecture) -> bool {
    family(space).is_none_or(|family| (family.admits)(canonical))
}

/// The error for examples that a space makes no network for.
fn no_network(space: &str, input: &NetInput, reason: &str) -> NetError {
    NetError::NoNetwork { space: space.into(), shape: input.shape.clone(), reason: reason.into() }
}
