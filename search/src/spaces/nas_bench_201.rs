//! The cell of NAS-Bench-201.
//!
//! *Source*: Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020
//! (arXiv:2001.00326): four nodes, six edges, five operations, 15,625 cells, of which 6,466 are unique.

use std::collections::HashMap;
use std::sync::LazyLock;

use heirloom_kb::{Architecture, SearchSpace};

use super::blocks::choice;
use super::{CellSkeleton, NetInput};
use crate::net::{NetError, NetGraph};

pub(super) const ID: &str = "nas-bench-201/1";

/// In the order of the published search space.
pub(crate) const OPS: [&str; 5] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];

/// `edge.target.source`, in the order of the published strings.
pub(super) const EDGES: [(&str, usize, usize); 6] = [
    ("edge.1.0", 1, 0),
    ("edge.2.0", 2, 0),
    ("edge.2.1", 2, 1),
    ("edge.3.0", 3, 0),
    ("edge.3.1", 3, 1),
    ("edge.3.2", 3, 2),
];

/// Operations of the six edges, as positions in [`OPS`].
pub(crate) type Cell = [u8; 6];

pub(super) fn space() -> SearchSpace {
    let params = EDGES.iter().map(|(name, _, _)| choice(name, &OPS)).collect();
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

/// The operations of an architecture; `None` for what is no cell.
pub(crate) fn cell(architecture: &Architecture) -> Option<Cell> {
    let mut cell = [0; 6];
    for (op, (name, _, _)) in cell.iter_mut().zip(EDGES) {
        let text = architecture.text(name)?;
        *op = OPS.iter().position(|known| *known == text)? as u8;
    }
    Some(cell)
}

pub(crate) fn architecture(cell: Cell) -> Architecture {
    EDGES.iter().zip(cell).map(|((name, _, _), op)| (*name, OPS[op as usize])).collect()
}

/// The first cell, in order, of those with the same unique string. An architecture that is no cell stays as it is.
pub(super) fn canonical(given: &Architecture) -> Architecture {
    static FIRST: LazyLock<HashMap<String, Cell>> = LazyLock::new(|| {
        let mut first = HashMap::new();
        for number in 0..5_u32.pow(6) {
            let cell: Cell = std::array::from_fn(|edge| (number / 5_u32.pow(5 - edge as u32) % 5) as u8);
            first.entry(unique_string(cell)).or_insert(cell);
        }
        first
    });
    match cell(given).and_then(|cell| FIRST.get(&unique_string(cell))) {
        Some(first) => architecture(*first),
        None => given.clone(),
    }
}

/// What a cell computes, written so that isomorphic cells read alike: each node is the sorted sum of its edges, a skip
/// is what it skips to, and what comes through `none` or from nothing is `#`. Section 2.2 of the paper.
fn unique_string(cell: Cell) -> String {
    let mut nodes = vec!["0".to_owned()];
    for target in 1..4 {
        let edges = EDGES.iter().zip(cell).filter(|((_, to, _), _)| *to == target);
        let mut terms: Vec<String> = edges
            .map(|((_, _, from), op)| match OPS[op as usize] {
                "none" => "#".into(),
                _ if nodes[*from] == "#" => "#".into(),
                "skip_connect" => nodes[*from].clone(),
                op => format!("({})@{op}", nodes[*from]),
            })
            .collect();
        terms.sort();
        nodes.push(terms.join("+"));
    }
    nodes.pop().unwrap_or_default()
}

/// The published form: `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...~0|...~1|...~2|`; `None` for what is no cell.
#[must_use]
pub fn to_cell_string(architecture: &Architecture) -> Option<String> {
    let cell = cell(architecture)?;
    let node = |target: usize| {
        let edges = EDGES.iter().zip(cell).filter(|((_, to, _), _)| *to == target);
        let terms: Vec<String> =
            edges.map(|((_, _, from), op)| format!("{}~{from}", OPS[op as usize])).collect();
        format!("|{}|", terms.join("|"))
    };
    Some([1, 2, 3].map(node).join("+"))
}

/// The architecture of a published string; `None` for text that is none.
#[must_use]
pub fn from_cell_string(text: &str) -> Option<Architecture> {
    let terms: Vec<&str> =
        text.split('+').flat_map(|node| node.split('|')).filter(|term| !term.is_empty()).collect();
    let values = terms.iter().zip(EDGES).map(|(term, (name, _, from))| {
        let (op, source) = term.split_once('~')?;
        (source.parse() == Ok(from) && OPS.contains(&op)).then_some((name, op))
    });
    let values: Vec<(&str, &str)> = values.collect::<Option<_>>()?;
    let architecture: Architecture = values.into_iter().collect();
    (to_cell_string(&architecture).as_deref() == Some(text)).then_some(architecture)
}

/// The cell in the published skeleton, for images `[channels, height, width]`.
pub(super) fn net(architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
    CellSkeleton::PUBLISHED.net(architecture, input)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::spaces::{enumerate, pool};

    #[test]
    fn there_are_15625_strings_and_6466_unique_cells() {
        let all = enumerate(&space(), 20_000).unwrap();
        let strings: HashSet<String> = all.iter().map(|a| to_cell_string(a).unwrap()).collect();
        assert_eq!(strings.len(), 15_625);
        assert_eq!(pool(&space(), 20_000, 0).len(), 6_466);
    }

    #[test]
    fn published_strings_go_both_ways() {
        let text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|";
        let cell = from_cell_string(text).unwrap();
        assert_eq!(cell.text("edge.3.1"), Some("nor_conv_1x1"));
        assert_eq!(to_cell_string(&cell).unwrap(), text);
        assert_eq!(from_cell_string(&text.replace("~2", "~1")), None);
        assert_eq!(from_cell_string(&text.replace("none", "conv")), None);
        assert_eq!(from_cell_string("|none~0|"), None);
    }

    /// The benchmark's API gives 1.531546 M parameters for the cell of 3x3 convolutions alone on CIFAR-10.
    #[test]
    fn the_all_convolution_cell_has_the_published_size() {
        let text =
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";
        let input = NetInput { shape: vec![3, 32, 32], n_classes: 10 };
        let cost = net(&from_cell_string(text).unwrap(), &input).unwrap().cost().unwrap();
        assert_eq!(cost.params, 1_531_546);
    }
}
