//! The graph neural networks of NAS-Bench-Graph.
//!
//! *Source*: Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022
//! (arXiv:2206.09166): four computing nodes, each with one input, nine shapes, nine operations, 26,206 architectures.

use std::sync::LazyLock;

use heirloom_kb::{Architecture, SearchSpace, Value};

use super::blocks::choice;
use super::{NetInput, no_network};
use crate::net::{GraphOp, HEAD, NetError, NetGraph, Op};

pub(super) const ID: &str = "nas-bench-graph/1";

/// For each computing node where its input comes from: 0 is the network's input, `i` the `i`-th computing node. These
/// are the nine rooted trees on five nodes.
const LINKS: [&str; 9] = ["0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123"];
const OPS: [&str; 9] = ["gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"];
const SKIP: u8 = 8;
const OP_NAMES: [&str; 4] = ["op1", "op2", "op3", "op4"];

/// Width of the hidden layers; the benchmark chose it for each data set, 64 for the smaller ones.
const WIDTH: usize = 64;

pub(super) fn space() -> SearchSpace {
    let mut params = vec![choice("link", &LINKS)];
    params.extend(OP_NAMES.iter().map(|name| choice(name, &OPS)));
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

/// A rooted tree: for each node (from 1) its father (0 is the root) and its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tree {
    fathers: [u8; 4],
    ops: [u8; 4],
}

impl Tree {
    fn read(architecture: &Architecture) -> Option<Tree> {
        let link = architecture.text("link").filter(|link| LINKS.contains(link))?;
        let fathers: [u8; 4] = std::array::from_fn(|at| link.as_bytes()[at] - b'0');
        let mut ops = [0; 4];
        for (op, name) in ops.iter_mut().zip(OP_NAMES) {
            let text = architecture.text(name)?;
            *op = OPS.iter().position(|known| *known == text)? as u8;
        }
        Some(Tree { fathers, ops })
    }

    fn write(self) -> Architecture {
        let link: String = self.fathers.iter().map(|father| char::from(b'0' + father)).collect();
        let ops = OP_NAMES.iter().zip(self.ops).map(|(name, op)| (*name, Value::from(OPS[op as usize])));
        std::iter::once(("link", Value::from(link.as_str()))).chain(ops).collect()
    }

    /// Whether a node (from 1) is a skip that changes nothing where it stands, so that the benchmark moves it to
    /// the front: it passes on to others, or it is its father's only child, or it hands out the network's input.
    fn is_idle_skip(&self, node: u8, gone: [bool; 4]) -> bool {
        let at = usize::from(node) - 1;
        if gone[at] || self.ops[at] != SKIP {
            return false;
        }
        let others = (0..4).filter(|other| !gone[*other] && *other != at);
        let has_child = others.clone().any(|other| self.fathers[other] == node);
        let has_sibling = others.clone().any(|other| self.fathers[other] == self.fathers[at]);
        has_child || !has_sibling || self.hands_out_input(node)
    }

    fn hands_out_input(&self, mut node: u8) -> bool {
        while node > 0 {
            if self.ops[usize::from(node) - 1] != SKIP {
                return false;
            }
            node = self.fathers[usize::from(node) - 1];
        }
        true
    }

    /// All idle skips in a row at the front, what remains hanging below them.
    fn skips_first(mut self) -> Tree {
        let mut gone = [false; 4];
        while let Some(node) = (1..=4).find(|node| self.is_idle_skip(*node, gone)) {
            let at = usize::from(node) - 1;
            gone[at] = true;
            for other in 0..4 {
                if self.fathers[other] == node {
                    self.fathers[other] = self.fathers[at];
                }
            }
        }
        // The removed nodes become the row: each hangs on the one before, the rest on the last.
        let row: Vec<u8> = (1..=4).filter(|node| gone[usize::from(*node) - 1]).collect();
        let last = row.last().copied().unwrap_or(0);
        for (father, gone) in self.fathers.iter_mut().zip(gone) {
            if !gone && *father == 0 {
                *father = last;
            }
        }
        for (before, node) in row.iter().enumerate() {
            self.fathers[usize::from(*node) - 1] = if before == 0 { 0 } else { row[before - 1] };
        }
        self
    }

    /// The tree with its nodes in another order, if that is one of the listed shapes.
    fn reordered(self, order: [u8; 4]) -> Option<Tree> {
        let mut place = [0; 5];
        for (at, node) in order.iter().enumerate() {
            place[usize::from(*node)] = at as u8 + 1;
        }
        let fathers = order.map(|node| place[usize::from(self.fathers[usize::from(node) - 1])]);
        let listed =
            LINKS.iter().any(|link| link.bytes().zip(fathers).all(|(digit, father)| digit - b'0' == father));
        listed.then(|| Tree { fathers, ops: order.map(|node| self.ops[usize::from(node) - 1]) })
    }
}

/// All 24 orders of the four nodes.
static ORDERS: LazyLock<Vec<[u8; 4]>> = LazyLock::new(|| {
    let codes = (0..256_u32).map(|code| std::array::from_fn(|at| (code >> (2 * at) & 3) as u8 + 1));
    codes.filter(|order: &[u8; 4]| (1..=4).all(|node| order.contains(&node))).collect()
});

/// Skips first, then among the orders of the nodes the one whose operations come first: the form that the benchmark's
/// own table uses. An architecture that is no tree stays as it is.
pub(super) fn canonical(given: &Architecture) -> Architecture {
    let Some(tree) = Tree::read(given) else { return given.clone() };
    let tree = tree.skips_first();
    let first =
        ORDERS.iter().filter_map(|order| tree.reordered(*order)).min_by_key(|tree| (tree.fathers, tree.ops));
    first.unwrap_or(tree).write()
}

/// Four skips are no network; the benchmark leaves them out.
pub(super) fn admits(architecture: &Architecture) -> bool {
    OP_NAMES.iter().any(|name| architecture.text(name) != Some("skip"))
}

/// For nodes of a graph with `[features]`: a linear layer to the hidden width, the four operations, the leaves joined,
/// a linear layer to the classes. ReLU follows each operation but the skip.
pub(super) fn net(architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
    let Some(tree) = Tree::read(architecture) else {
        return Err(no_network(ID, input, "the architecture leaves a node open"));
    };
    if input.shape.len() != 1 {
        return Err(no_network(ID, input, "nodes of a graph with [features] are needed"));
    }
    let mut net = NetGraph::new(input.shape.clone());
    net.enter("stem");
    let first = net.add(Op::Linear { out: WIDTH }, &[0]);
    let mut nodes = vec![first];
    for (number, (father, op)) in tree.fathers.into_iter().zip(tree.ops).enumerate() {
        net.enter(format!("node{}.{}", number + 1, OPS[usize::from(op)]));
        let layer = net.add(layer(OPS[usize::from(op)]), &[nodes[usize::from(father)]]);
        nodes.push(if op == SKIP { layer } else { net.add(Op::Relu, &[layer]) });
    }
    let is_leaf = |node: &u8| !tree.fathers.contains(node);
    let leaves: Vec<usize> = (1..=4).filter(is_leaf).map(|node| nodes[usize::from(node)]).collect();
    net.enter(HEAD);
    let joined = net.add(Op::Concat, &leaves);
    net.add(Op::Linear { out: input.n_classes }, &[joined]);
    Ok(net)
}

fn layer(op: &str) -> Op {
    let kind = match op {
        "gat" => GraphOp::Gat,
        "gcn" => GraphOp::Gcn,
        "gin" => GraphOp::Gin,
        "cheb" => GraphOp::Cheb,
        "sage" => GraphOp::Sage,
        "arma" => GraphOp::Arma,
        "graph" => GraphOp::KGnn,
        "fc" => return Op::Linear { out: WIDTH },
        _ => return Op::Identity,
    };
    Op::Graph { kind, out: WIDTH }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spaces::{enumerate, pool};

    fn tree(link: &str, ops: [&str; 4]) -> Architecture {
        let values = OP_NAMES.iter().zip(ops).map(|(name, op)| (*name, Value::from(op)));
        std::iter::once(("link", Value::from(link))).chain(values).collect()
    }

    #[test]
    fn there_are_26206_architectures() {
        assert_eq!(enumerate(&space(), 100_000).unwrap().len(), 59_049);
        assert_eq!(pool(&space(), 100_000, 0).len(), 26_206);
    }

    /// `Arch(link, ops).valid_hash()` of the benchmark's own code, decoded.
    #[test]
    fn agrees_with_the_benchmark_s_own_code() {
        for ((link, ops), (want_link, want_ops)) in REFERENCE {
            assert_eq!(canonical(&tree(link, ops)), tree(want_link, want_ops), "{link} {ops:?}");
        }
    }

    type Written = (&'static str, [&'static str; 4]);
    const REFERENCE: [(Written, Written); 12] = [
        (("0012", ["skip", "skip", "gin", "arma"]), ("0122", ["skip", "skip", "gin", "arma"])),
        (("0122", ["skip", "skip", "gcn", "skip"]), ("0123", ["skip", "skip", "skip", "gcn"])),
        (("0000", ["skip", "skip", "fc", "sage"]), ("0122", ["skip", "skip", "sage", "fc"])),
        (("0123", ["cheb", "cheb", "skip", "fc"]), ("0123", ["skip", "cheb", "cheb", "fc"])),
        (("0011", ["cheb", "skip", "gin", "skip"]), ("0122", ["skip", "cheb", "gin", "skip"])),
        (("0123", ["graph", "skip", "gat", "skip"]), ("0123", ["skip", "skip", "graph", "gat"])),
        (("0001", ["gin", "skip", "skip", "gat"]), ("0123", ["skip", "skip", "gin", "gat"])),
        (("0013", ["skip", "gat", "skip", "skip"]), ("0123", ["skip", "skip", "skip", "gat"])),
        (("0013", ["fc", "skip", "skip", "skip"]), ("0123", ["skip", "skip", "skip", "fc"])),
        (("0112", ["skip", "skip", "skip", "graph"]), ("0123", ["skip", "skip", "skip", "graph"])),
        (("0112", ["skip", "skip", "skip", "fc"]), ("0123", ["skip", "skip", "skip", "fc"])),
        (("0011", ["skip", "arma", "gcn", "gat"]), ("0111", ["skip", "gat", "gcn", "arma"])),
    ];

    #[test]
    fn orders_of_nodes_are_one() {
        let a = canonical(&tree("0012", ["sage", "gat", "gcn", "gin"]));
        let b = canonical(&tree("0012", ["gat", "sage", "gin", "gcn"]));
        assert_eq!(a, b);
    }
}
