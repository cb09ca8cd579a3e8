//! Parameters and blocks that several spaces share.

use heirloom_kb::{Architecture, Condition, Param, Range, Value};

use crate::net::{NetGraph, Op, PoolKind};

/// A choice without an order.
pub(super) fn choice(name: &str, options: &[&str]) -> Param {
    let options = options.iter().map(|option| (*option).into()).collect();
    Param {
        name: name.into(),
        range: Range::Choice { options, descriptors: Default::default() },
        active_if: vec![],
    }
}

/// One of several numbers.
pub(super) fn levels(name: &str, values: &[f64]) -> Param {
    let number =
        |value: f64| if value.fract() == 0.0 { Value::Int(value as i64) } else { Value::Real(value) };
    let values = values.iter().map(|value| number(*value)).collect();
    Param { name: name.into(), range: Range::Levels { values }, active_if: vec![] }
}

pub(super) fn int(name: &str, lo: i64, hi: i64) -> Param {
    Param { name: name.into(), range: Range::Int { lo, hi, log: false }, active_if: vec![] }
}

fn log_real(name: &str, lo: f64, hi: f64) -> Param {
    Param { name: name.into(), range: Range::Real { lo, hi, log: true }, active_if: vec![] }
}

/// A parameter of block `block` (from 1), active when `count` says that there are so many blocks.
pub(super) fn of_block(mut param: Param, count: &str, block: i64, most: i64) -> Param {
    if block > 1 {
        let any_of = (block..=most).map(Value::Int).collect();
        param.active_if = vec![Condition { param: count.into(), any_of }];
    }
    param
}

/// What comes after the blocks of a chain: the head's width, its dropout, and how all of it is trained.
pub(super) fn ending() -> Vec<Param> {
    let mut params =
        vec![levels("head", &[0.0, 32.0, 64.0, 128.0]), levels("dropout", &[0.0, 0.1, 0.25, 0.5])];
    params.extend(training());
    params
}

/// How the network is trained: learning rate and weight decay.
pub(super) fn training() -> Vec<Param> {
    vec![log_real("lr", 1e-4, 3e-2), log_real("weight_decay", 1e-6, 1e-2)]
}

/// The activation that an architecture names.
pub(super) fn activation(architecture: &Architecture) -> Op {
    match architecture.text("activation") {
        Some("gelu") => Op::Gelu,
        Some("tanh") => Op::Tanh,
        _ => Op::Relu,
    }
}

/// A whole number that an architecture sets; 0 when it is not set.
pub(super) fn number(architecture: &Architecture, name: &str) -> usize {
    architecture.get(name).and_then(Value::as_int).and_then(|int| usize::try_from(int).ok()).unwrap_or(0)
}

/// The pool that an architecture names for a block, which halves every side; `at` itself where it names none.
pub(super) fn pool(net: &mut NetGraph, at: usize, architecture: &Architecture, block: usize) -> usize {
    let kind = match architecture.text(&format!("pool{block}")) {
        Some("max") => PoolKind::Max,
        Some("avg") => PoolKind::Avg,
        _ => return at,
    };
    net.add(Op::Pool { kind, kernel: 3, stride: 2 }, &[at])
}

/// From features `[d]` to class scores: an optional hidden layer of width `head`, dropout, a linear layer.
pub(super) fn head(net: &mut NetGraph, mut at: usize, architecture: &Architecture, n_classes: usize) {
    let width = number(architecture, "head");
    if width > 0 {
        at = net.add(Op::Linear { out: width }, &[at]);
        at = net.add(activation(architecture), &[at]);
    }
    let p = architecture.number("dropout").unwrap_or(0.0);
    if p > 0.0 {
        at = net.add(Op::Dropout { p }, &[at]);
    }
    net.add(Op::Linear { out: n_classes }, &[at]);
}
