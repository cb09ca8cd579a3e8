//! `NetGraph`: a network as a directed acyclic graph of operations.

/// The shape of one example, without the batch: `[channels, height, width]` for an image, `[channels, length]`
/// for a series or raw audio, `[features]` for a row of a table or a node of a graph.
pub type Shape = Vec<usize>;

/// A graph-neural-network layer, as NAS-Bench-Graph names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GraphOp {
    /// Graph attention, two heads.
    Gat,
    /// Graph convolution.
    Gcn,
    /// Graph isomorphism network.
    Gin,
    /// Chebyshev filters.
    Cheb,
    /// GraphSAGE.
    Sage,
    /// Auto-regressive moving average.
    Arma,
    /// k-GNN.
    KGnn,
}

/// How a pool sums up its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value.
    Max,
    /// The mean.
    Avg,
}

/// One operation. Convolutions pad so that stride 1 keeps the size (`same`); stride `s` divides it, rounding up.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The example itself. Exactly one, the first node.
    Input,
    /// 2-D convolution over `[c, h, w]`, without bias when a norm follows it.
    Conv2d {
        /// Output channels.
        out: usize,
        /// Odd window side.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Channel groups; equal to the input channels for a depthwise convolution.
        groups: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// 1-D convolution over `[c, l]`; fields as for [`Op::Conv2d`].
    Conv1d {
        /// Output channels.
        out: usize,
        /// Odd window length.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Channel groups.
        groups: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Batch normalisation over the first dimension of the shape.
    BatchNorm,
    /// `max(0, x)`.
    Relu,
    /// Gaussian error linear unit.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// Pooling over the spatial dimensions of `[c, h, w]` or `[c, l]`, padded like a convolution.
    Pool {
        /// Max or mean; the mean does not count padding.
        kind: PoolKind,
        /// Odd window side.
        kernel: usize,
        /// Step.
        stride: usize,
    },
    /// Mean over all spatial dimensions: `[c, ...]` to `[c]`.
    GlobalAvgPool,
    /// All dimensions into one.
    Flatten,
    /// Fully connected layer over `[features]`, with bias.
    Linear {
        /// Output features.
        out: usize,
    },
    /// Drops values at random while training.
    Dropout {
        /// Probability in `[0, 1)`.
        p: f64,
    },
    /// A layer over the nodes of a graph, `[features]` to `[out]`.
    Graph {
        /// Which.
        kind: GraphOp,
        /// Output features.
        out: usize,
    },
    /// Passes its input on.
    Identity,
    /// Zeros of its input's shape; no information flows.
    Zero,
    /// Sum of inputs of one shape.
    Add,
    /// Inputs joined along the first dimension; the others agree.
    Concat,
}

/// One node: an operation over the outputs of earlier nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct NetNode {
    /// What it does.
    pub op: Op,
    /// Indices of earlier nodes.
    pub inputs: Vec<usize>,
    /// The block that it is part of and its number there: `block2.0`, `head.1`. Its weights go by this name, so that what is
    /// alike in two networks is called alike. No two nodes of a network share a name.
    pub name: String,
}

impl NetNode {
    /// The block that it is part of: what is kept, tuned or drawn anew as one.
    #[must_use]
    pub fn block(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }
}

/// A network: nodes in topological order, the last of them the output (class scores, `[n_classes]`).
#[derive(Clone, Debug, PartialEq)]
pub struct NetGraph {
    input: Shape,
    nodes: Vec<NetNode>,
    /// What the names of the next nodes start with.
    scope: String,
}

/// The block of the layers that turn features into class scores, which belong to one task alone.
pub const HEAD: &str = "head";

/// Why a network does not hold together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// An operation that cannot take what flows into it.
    #[error("node {node} ({op}): {reason}")]
    BadNode {
        /// The node's index.
        node: usize,
        /// The operation.
        op: String,
        /// Why, with the shapes.
        reason: String,
    },
    /// A task whose examples this search space makes no network for.
    #[error("space {space:?} makes no network for examples of shape {shape:?}: {reason}")]
    NoNetwork {
        /// The space's id.
        space: String,
        /// The shape of an example.
        shape: Shape,
        /// What would fit.
        reason: String,
    },
}

impl NetGraph {
    /// A network that so far passes examples of this shape on.
    #[must_use]
    pub fn new(input: Shape) -> Self {
        let example = NetNode { op: Op::Input, inputs: Vec::new(), name: "input".into() };
        NetGraph { input, nodes: vec![example], scope: "body".into() }
    }

    /// The nodes added from here on are part of this block, or of a part of it: `stage1.cell2`.
    pub fn enter(&mut self, block: impl Into<String>) {
        self.scope = block.into();
    }

    /// Adds a node over earlier ones and returns its index.
    pub fn add(&mut self, op: Op, inputs: &[usize]) -> usize {
        let is_sibling =
            |node: &&NetNode| node.name.rsplit_once('.').is_some_and(|(scope, _)| scope == self.scope);
        let number = self.nodes.iter().filter(is_sibling).count();
        let name = format!("{}.{number}", self.scope);
        self.nodes.push(NetNode { op, inputs: inputs.to_vec(), name });
        self.nodes.len() - 1
    }

    /// The same network, the block of its last layers under another name: heads of several tasks over one body.
    #[must_use]
    pub fn with_head(mut self, name: &str) -> Self {
        for node in &mut self.nodes {
            if let Some(number) = node.name.strip_prefix(HEAD).and_then(|rest| rest.strip_prefix('.')) {
                node.name = format!("{name}.{number}");
            }
        }
        self
    }

    /// The shape of one example.
    #[must_use]
    pub fn input(&self) -> &Shape {
        &self.input
    }

    /// The nodes in topological order.
    #[must_use]
    pub fn nodes(&self) -> &[NetNode] {
        &self.nodes
    }
}
