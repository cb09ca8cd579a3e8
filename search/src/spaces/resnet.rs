//! Residual networks for images, built so that weights of torchvision and timm fit.

use heirloom_kb::{Architecture, SearchSpace};

use super::blocks::{choice, levels, number, training};
use super::{NetInput, no_network};
use crate::net::{HEAD, NetError, NetGraph, Op, PoolKind};

pub(super) const ID: &str = "resnet/1";

/// The block of the first layers.
const STEM: &str = "stem";
/// Channels of the first stage at width 1.
const CHANNELS: f64 = 64.0;

/// ResNet-18, -34 and -50 (arXiv:1512.03385, table 1; the stride of a bottleneck is that of its 3x3 convolution), of a
/// width, with a stem for large images (7x7 and a pool, a quarter of the sides) or for small ones (3x3, the sides as they are).
pub(super) fn space() -> SearchSpace {
    let mut params = vec![
        levels("depth", &[18.0, 34.0, 50.0]),
        levels("width", &[0.125, 0.25, 0.5, 1.0, 2.0]),
        choice("stem", &["small", "large"]),
    ];
    params.extend(training());
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

/// For images `[channels, height, width]` of any size.
pub(super) fn net(architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
    if input.shape.len() != 3 {
        return Err(no_network(ID, input, "images [channels, height, width] are needed"));
    }
    let (blocks, is_bottleneck) = match number(architecture, "depth") {
        50 => ([3, 4, 6, 3], true),
        34 => ([3, 4, 6, 3], false),
        _ => ([2; 4], false),
    };
    let base = (CHANNELS * architecture.number("width").unwrap_or(1.0)).max(1.0) as usize;
    let mut net = NetGraph::new(input.shape.clone());
    net.enter(STEM);
    let is_large = architecture.text("stem") == Some("large");
    let (kernel, stride) = if is_large { (7, 2) } else { (3, 1) };
    let mut at = normed(&mut net, 0, base, kernel, stride);
    at = net.add(Op::Relu, &[at]);
    if is_large {
        at = net.add(Op::Pool { kind: PoolKind::Max, kernel: 3, stride: 2 }, &[at]);
    }
    let mut channels = base;
    for (stage, count) in blocks.into_iter().enumerate() {
        for number in 0..count {
            let scope = format!("layer{}.{number}", stage + 1);
            let stride = if stage > 0 && number == 0 { 2 } else { 1 };
            let width = base << stage;
            let block = Block { scope, width, stride, is_bottleneck };
            (at, channels) = block.add(&mut net, at, channels);
        }
    }
    net.enter(HEAD);
    at = net.add(Op::GlobalAvgPool, &[at]);
    net.add(Op::Linear { out: input.n_classes }, &[at]);
    Ok(net)
}

/// A convolution and its norm.
fn normed(net: &mut NetGraph, at: usize, out: usize, kernel: usize, stride: usize) -> usize {
    let at = net.add(Op::Conv2d { out, kernel, stride, groups: 1, bias: false }, &[at]);
    net.add(Op::BatchNorm, &[at])
}

/// A residual block.
struct Block {
    scope: String,
    width: usize,
    stride: usize,
    is_bottleneck: bool,
}

impl Block {
    /// Adds the block; its output and its channels. Its layers are numbered in threes: convolution, norm, activation.
    fn add(&self, net: &mut NetGraph, input: usize, channels: usize) -> (usize, usize) {
        let &Block { ref scope, width, stride, is_bottleneck } = self;
        net.enter(scope.clone());
        let layers = if is_bottleneck {
            vec![(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)]
        } else {
            vec![(width, 3, stride), (width, 3, 1)]
        };
        let out = layers.last().map_or(width, |layer| layer.0);
        let mut at = input;
        for (number, (width, kernel, stride)) in layers.into_iter().enumerate() {
            if number > 0 {
                at = net.add(Op::Relu, &[at]);
            }
            at = normed(net, at, width, kernel, stride);
        }
        let mut short = input;
        if stride != 1 || channels != out {
            net.enter(format!("{scope}.downsample"));
            short = normed(net, input, out, 1, stride);
            net.enter(scope.clone());
        }
        let sum = net.add(Op::Add, &[at, short]);
        (net.add(Op::Relu, &[sum]), out)
    }
}

/// What torchvision and timm call a tensor of these networks: `stem.0.weight` is `conv1.weight`, `layer2.0.4.bias` is
/// `layer2.0.bn2.bias`, `head.1.weight` is `fc.weight`. Nothing for a name of another network.
#[must_use]
pub fn torchvision_name(tensor: &str) -> Option<String> {
    let parts: Vec<&str> = tensor.split('.').collect();
    match parts[..] {
        [STEM, "0", own] => Some(format!("conv1.{own}")),
        [STEM, "1", own] => Some(format!("bn1.{own}")),
        [HEAD, "1", own] => Some(format!("fc.{own}")),
        [stage, _, "downsample", _, _] if stage.starts_with("layer") => Some(tensor.to_owned()),
        [stage, block, layer, own] if stage.starts_with("layer") => {
            let layer: usize = layer.parse().ok()?;
            let kind = ["conv", "bn"].get(layer % 3)?;
            Some(format!("{stage}.{block}.{kind}{}.{own}", layer / 3 + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(depth: u32, stem: &str) -> crate::net::NetCost {
        let text =
            format!(r#"{{"depth":{depth},"width":1,"stem":"{stem}","lr":0.001,"weight_decay":0.0001}}"#);
        let input = NetInput { shape: vec![3, 224, 224], n_classes: 1_000 };
        net(&serde_json::from_str(&text).unwrap(), &input).unwrap().cost().unwrap()
    }

    /// Parameters as torchvision's documentation states them, to the digit; GFLOPS to two places.
    #[test]
    fn sizes_are_those_of_torchvision() {
        for (depth, params, gigaflops) in
            [(18, 11_689_512, 1.81), (34, 21_797_672, 3.66), (50, 25_557_032, 4.09)]
        {
            let cost = cost(depth, "large");
            assert_eq!(cost.params, params, "resnet{depth}");
            assert!((cost.flops as f64 / 1e9 - gigaflops).abs() < 0.01, "resnet{depth}: {}", cost.flops);
        }
        // For small images the first filters are 3x3.
        assert_eq!(cost(18, "small").params, 11_689_512 - 64 * 3 * (49 - 9));
    }

    #[test]
    fn tensors_are_called_as_torchvision_calls_them() {
        for (own, theirs) in [
            ("stem.0.weight", Some("conv1.weight")),
            ("stem.1.running_var", Some("bn1.running_var")),
            ("layer1.0.0.weight", Some("layer1.0.conv1.weight")),
            ("layer3.5.7.bias", Some("layer3.5.bn3.bias")),
            ("layer2.0.downsample.1.running_mean", Some("layer2.0.downsample.1.running_mean")),
            ("head.1.bias", Some("fc.bias")),
            ("layer2.0.2.weight", None),
            ("block1.0.weight", None),
        ] {
            assert_eq!(torchvision_name(own).as_deref(), theirs);
        }
    }
}
