//! Multi-layer perceptrons for tables.

use heirloom_kb::{Architecture, SearchSpace};

use super::blocks::{activation, choice, int, levels, number, of_block, training};
use super::{NetInput, no_network};
use crate::net::{HEAD, NetError, NetGraph, Op};

pub(super) const ID: &str = "mlp/1";
const MOST_LAYERS: i64 = 4;

/// One to four hidden layers, each of its own width; norm, activation, shortcuts and dropout for all of them; and how
/// all of it is trained.
pub(super) fn space() -> SearchSpace {
    let mut params = vec![
        int("layers", 1, MOST_LAYERS),
        choice("activation", &["relu", "gelu", "tanh"]),
        choice("norm", &["none", "batch"]),
        choice("shortcut", &["none", "residual"]),
    ];
    for layer in 1..=MOST_LAYERS {
        let width = levels(&format!("width{layer}"), &[16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);
        params.push(of_block(width, "layers", layer, MOST_LAYERS));
    }
    params.push(levels("dropout", &[0.0, 0.1, 0.25, 0.5]));
    params.extend(training());
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

/// For rows `[features]`; other shapes are flattened, so that an image can be taken as a row of pixels.
pub(super) fn net(architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
    if input.shape.is_empty() {
        return Err(no_network(ID, input, "at least one feature is needed"));
    }
    let mut net = NetGraph::new(input.shape.clone());
    let mut at = if input.shape.len() > 1 { net.add(Op::Flatten, &[0]) } else { 0 };
    let mut width: usize = input.shape.iter().product();
    let residual = architecture.text("shortcut") == Some("residual");
    let dropout = architecture.number("dropout").unwrap_or(0.0);
    for layer in 1..=number(architecture, "layers") {
        net.enter(format!("block{layer}"));
        let before = (at, width);
        width = number(architecture, &format!("width{layer}"));
        at = net.add(Op::Linear { out: width }, &[at]);
        if architecture.text("norm") == Some("batch") {
            at = net.add(Op::BatchNorm, &[at]);
        }
        at = net.add(activation(architecture), &[at]);
        // A shortcut only fits between layers of one width.
        if residual && before.1 == width {
            at = net.add(Op::Add, &[before.0, at]);
        }
        if dropout > 0.0 {
            at = net.add(Op::Dropout { p: dropout }, &[at]);
        }
    }
    net.enter(HEAD);
    net.add(Op::Linear { out: input.n_classes }, &[at]);
    Ok(net)
}
