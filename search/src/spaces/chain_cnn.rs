//! Chains of convolution blocks for images.

use heirloom_kb::{Architecture, SearchSpace};

use super::blocks::{activation, choice, ending, head, int, levels, number, of_block, pool};
use super::{NetInput, no_network};
use crate::net::{HEAD, NetError, NetGraph, Op};

pub(super) const ID: &str = "chain-cnn/1";
const MOST_BLOCKS: i64 = 4;

/// One to four blocks, each a plain, residual or depthwise-separable convolution of its own width and kernel with an
/// optional pool that halves the sides; then a head, and how all of it is trained.
pub(super) fn space() -> SearchSpace {
    let mut params = vec![int("blocks", 1, MOST_BLOCKS), choice("activation", &["relu", "gelu"])];
    for block in 1..=MOST_BLOCKS {
        let own = [
            choice(&format!("kind{block}"), &["conv", "residual", "separable"]),
            levels(&format!("width{block}"), &[8.0, 16.0, 32.0, 64.0, 128.0]),
            levels(&format!("kernel{block}"), &[3.0, 5.0, 7.0]),
            choice(&format!("pool{block}"), &["none", "max", "avg"]),
        ];
        params.extend(own.into_iter().map(|param| of_block(param, "blocks", block, MOST_BLOCKS)));
    }
    params.extend(ending());
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

/// For images `[channels, height, width]` of any size.
pub(super) fn net(architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
    let [channels, _, _] = input.shape[..] else {
        return Err(no_network(ID, input, "images [channels, height, width] are needed"));
    };
    let mut net = NetGraph::new(input.shape.clone());
    let (mut at, mut channels) = (0, channels);
    for block in 1..=number(architecture, "blocks") {
        net.enter(format!("block{block}"));
        let width = number(architecture, &format!("width{block}"));
        let kernel = number(architecture, &format!("kernel{block}"));
        let kind = architecture.text(&format!("kind{block}"));
        at = convolution(&mut net, at, kind, channels, width, kernel);
        at = net.add(activation(architecture), &[at]);
        channels = width;
        at = pool(&mut net, at, architecture, block);
    }
    net.enter(HEAD);
    at = net.add(Op::GlobalAvgPool, &[at]);
    head(&mut net, at, architecture, input.n_classes);
    Ok(net)
}

/// A normalised convolution of a kind, before its activation.
fn convolution(
    net: &mut NetGraph,
    at: usize,
    kind: Option<&str>,
    channels: usize,
    width: usize,
    kernel: usize,
) -> usize {
    let conv = |out, kernel, groups| Op::Conv2d { out, kernel, stride: 1, groups, bias: false };
    match kind {
        Some("residual") => {
            let first = net.add(conv(width, kernel, 1), &[at]);
            let first = net.add(Op::BatchNorm, &[first]);
            let first = net.add(Op::Relu, &[first]);
            let second = net.add(conv(width, kernel, 1), &[first]);
            let second = net.add(Op::BatchNorm, &[second]);
            // The shortcut keeps its input where it can, else it is a 1x1 convolution to the new width.
            let short = if channels == width { at } else { net.add(conv(width, 1, 1), &[at]) };
            net.add(Op::Add, &[short, second])
        }
        Some("separable") => {
            let depthwise = net.add(conv(channels, kernel, channels), &[at]);
            let pointwise = net.add(conv(width, 1, 1), &[depthwise]);
            net.add(Op::BatchNorm, &[pointwise])
        }
        _ => {
            let plain = net.add(conv(width, kernel, 1), &[at]);
            net.add(Op::BatchNorm, &[plain])
        }
    }
}
