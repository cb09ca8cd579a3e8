//! Networks: the graph a trainer builds, the shapes that flow through it and what it costs.

mod cost;
mod fingerprint;
mod flow;
mod infer;
mod net_graph;

pub use cost::NetCost;
pub use fingerprint::Fingerprint;
pub use net_graph::{GraphOp, HEAD, NetError, NetGraph, NetNode, Op, PoolKind, Shape};
