//! Chains of 1-D convolutions for audio and time series.

use heirloom_kb::{Architecture, SearchSpace};

use super::blocks::{activation, choice, ending, head, int, levels, number, of_block, pool};
use super::{NetInput, no_network};
use crate::net::{HEAD, NetError, NetGraph, Op};

pub(super) const ID: &str = "conv1d/1";
const MOST_BLOCKS: i64 = 4;

/// One to four blocks, each a convolution of its own width, kernel and stride with an optional pool that halves the
/// length; then a head, and how all of it is trained.
pub(super) fn space() -> SearchSpace {
    let mut params = vec![
        int("blocks", 1, MOST_BLOCKS),
        choice("activation", &["relu", "gelu"]),
        choice("norm", &["none", "batch"]),
    ];
    for block in 1..=MOST_BLOCKS {
        let own = [
            levels(&format!("width{block}"), &[8.0, 16.0, 32.0, 64.0, 128.0]),
            levels(&format!("kernel{block}"), &[3.0, 5.0, 9.0, 15.0]),
            levels(&format!("stride{block}"), &[1.0, 2.0, 4.0]),
            choice(&format!("pool{block}"), &["none", "max", "avg"]),
        ];
        params.extend(own.into_iter().map(|param| of_block(param, "blocks", block, MOST_BLOCKS)));
    }
    params.extend(ending());
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

/// For series `[channels, length]` of any length.
pub(super) fn net(architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
    if input.shape.len() != 2 {
        return Err(no_network(ID, input, "series [channels, length] are needed"));
    }
    let mut net = NetGraph::new(input.shape.clone());
    let batch_norm = architecture.text("norm") == Some("batch");
    let mut at = 0;
    for block in 1..=number(architecture, "blocks") {
        net.enter(format!("block{block}"));
        let of = |name: &str| number(architecture, &format!("{name}{block}"));
        let (out, kernel, stride) = (of("width"), of("kernel"), of("stride"));
        at = net.add(Op::Conv1d { out, kernel, stride, groups: 1, bias: !batch_norm }, &[at]);
        if batch_norm {
            at = net.add(Op::BatchNorm, &[at]);
        }
        at = net.add(activation(architecture), &[at]);
        at = pool(&mut net, at, architecture, block);
    }
    net.enter(HEAD);
    at = net.add(Op::GlobalAvgPool, &[at]);
    head(&mut net, at, architecture, input.n_classes);
    Ok(net)
}
