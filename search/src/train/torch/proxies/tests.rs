//! Proxies by hand, and what they may not depend on.

use std::sync::Arc;

use heirloom_datasets::Dataset;
use heirloom_kb::Domain;
use ndarray::Array2;
use rand::Rng;

use super::super::TorchOptions;
use super::super::tests::{repeats, test_device};
use super::*;
use crate::spaces;

fn conv(out: usize, kernel: usize) -> Op {
    Op::Conv2d { out, kernel, stride: 1, groups: 1, bias: false }
}

/// The sum of `w dR/dw`.
fn flow(net: &NetGraph, set: impl Fn(&mut VarStore)) -> f64 {
    let mut store = VarStore::new(Device::Cpu);
    let module = Module::new(&store.root(), net, &net.shapes().unwrap()).unwrap().in_double();
    set(&mut store);
    synflow(&mut store, &module, net.input()).unwrap().exp_m1()
}

/// One channel through 1x1 convolutions of -2, 3 and -5: R is 30 for the one place, and each of the three layers carries it
/// all.
#[test]
fn the_flow_of_a_chain_is_its_product_once_a_layer() {
    let mut net = NetGraph::new(vec![1, 1, 1]);
    let (a, b) = (net.add(conv(1, 1), &[0]), 1);
    let c = net.add(conv(1, 1), &[a]);
    let d = net.add(conv(1, 1), &[c]);
    net.add(Op::GlobalAvgPool, &[d]);
    assert_eq!(b, a);
    let values = [-2.0, 3.0, -5.0];
    let got = flow(&net, |store| {
        let named: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        for (mut weight, value) in named.into_values().zip(values) {
            let _ = no_grad(|| weight.fill_(value));
        }
    });
    assert!((got - 3.0 * 30.0).abs() < 1e-9, "{got}");
}

/// Two features through a layer of weights 1, -2 and bias -3, and one of weight 4 and bias 5: R = 4 (1 + 2 + 3) + 5. By the
/// first layer's weights 4 (1 + 2), by the second's 4 (1 + 2 + 3).
#[test]
fn biases_flow_but_are_not_counted() {
    let mut net = NetGraph::new(vec![2]);
    net.enter("a");
    let a = net.add(Op::Linear { out: 1 }, &[0]);
    net.enter("b");
    net.add(Op::Linear { out: 1 }, &[a]);
    let got = flow(&net, |store| {
        let set = |name: &str, values: &[f32]| {
            let mut weight = store.variables().remove(name).unwrap();
            let values = Tensor::from_slice(values).reshape(weight.size());
            no_grad(|| weight.copy_(&values));
        };
        set("a.0.weight", &[1.0, -2.0]);
        set("a.0.bias", &[-3.0]);
        set("b.0.weight", &[4.0]);
        set("b.0.bias", &[5.0]);
    });
    assert!((got - 36.0).abs() < 1e-9, "{got}");
}

/// A bounded activation would let networks of it look as if hardly anything flowed through them.
#[test]
fn what_flows_does_not_depend_on_a_bounded_activation() {
    let flow_through = |op: Op| {
        let mut net = NetGraph::new(vec![3]);
        let hidden = net.add(Op::Linear { out: 4 }, &[0]);
        let hidden = net.add(op, &[hidden]);
        net.add(Op::Linear { out: 2 }, &[hidden]);
        flow(&linear(&net), |store| {
            let mut named: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
            named.values_mut().for_each(|weight| drop(no_grad(|| weight.fill_(-2.0))));
        })
    };
    assert_eq!(flow_through(Op::Tanh), flow_through(Op::Relu));
}

/// Patterns 110, 100 and 011 of three units: they agree in K = [[3, 2, 1], [2, 3, 0], [1, 0, 3]], whose determinant is 12.
#[test]
fn the_kernel_counts_agreements() {
    let pattern = Tensor::from_slice(&[1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0_f64]).reshape([3, 3]);
    let kernel = agreements(&pattern).unwrap();
    let entries = Vec::<f64>::try_from(kernel.reshape([-1])).unwrap();
    assert_eq!(entries, [3.0, 2.0, 1.0, 2.0, 3.0, 0.0, 1.0, 0.0, 3.0]);
    assert!((log_det(&kernel).unwrap() - 12_f64.ln()).abs() < 3e-3);
    let same = agreements(&pattern.narrow(0, 0, 1).repeat([3, 1])).unwrap();
    let low = log_det(&same).unwrap();
    assert!(low.is_finite() && low < 0.0, "{low}");
}

/// Gradients that are not correlated have eigenvalues 1; those that are all alike have one of n and else zeros.
#[test]
fn jacov_prefers_gradients_that_differ() {
    let apart = Tensor::from_slice(&[1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0_f64]).reshape([2, 4]);
    let got = jacov(&apart).unwrap();
    let one = 1.0 + JACOV_K;
    assert!((got + 2.0 * (one.ln() + 1.0 / one)).abs() < 1e-9, "{got}");
    let alike = apart.narrow(0, 0, 1).repeat([2, 1]);
    assert!(jacov(&alike).unwrap() < -1e4);
    assert!(jacov(&alike.zeros_like()).unwrap().is_finite());
    let scaled = jacov(&(&apart * 7.0)).unwrap();
    assert!((got - scaled).abs() < 1e-9, "{scaled}");
}

/// Noise of three classes as images of 8x8.
fn noise() -> Arc<Dataset> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let y: Vec<usize> = (0..150).map(|row| row % 3).collect();
    let x = Array2::from_shape_fn((150, 64), |_| rng.r#gen::<f32>());
    let classes = vec!["a".into(), "b".into(), "c".into()];
    Arc::new(Dataset::new("noise", Domain::Image, &[1, 8, 8], x, y, classes, "made up").unwrap())
}

fn trainer() -> TorchTrainer {
    let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
    TorchTrainer::new(noise(), options, Box::new(|_| {})).unwrap()
}

#[test]
fn every_proxy_is_finite_and_the_seed_decides() {
    let mut trainer = trainer();
    for id in ["chain-cnn/1", "nas-bench-201/1"] {
        let space = (spaces::family(id).unwrap().space)();
        for architecture in spaces::pool(&space, 4, 9) {
            let found = trainer.proxies(&space, &architecture, 1).unwrap();
            let names: Vec<&str> = found.keys().map(|name| &**name).collect();
            assert_eq!(names, ["flops", "grad_norm", "jacov", "naswot", "params", "snip", "synflow"], "{id}");
            assert!(found.values().all(|value| value.is_finite()), "{found:?}");
            let again = trainer.proxies(&space, &architecture, 1).unwrap();
            for (name, value) in &found {
                let off = (again[name] / value - 1.0).abs();
                assert!(off <= if repeats() { 0.0 } else { 1e-6 }, "{name}: {value}, {}", again[name]);
            }
            let other = trainer.proxies(&space, &architecture, 2).unwrap();
            assert_ne!(other["naswot"], found["naswot"]);
            assert_eq!(other["params"], found["params"]);
        }
    }
}

/// The cell through which nothing flows: only the head's weights carry anything, and it cannot tell examples apart.
#[test]
fn a_cell_that_passes_nothing_on_is_worst() {
    let space = (spaces::family("nas-bench-201/1").unwrap().space)();
    let cell = |op: &str| {
        let text = format!("|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|");
        spaces::from_cell_string(&text).unwrap()
    };
    let mut trainer = trainer();
    let mut read = |op| trainer.proxies(&space, &cell(op), 0).unwrap();
    let (none, skip, conv) = (read("none"), read("skip_connect"), read("nor_conv_3x3"));
    for proxy in ["synflow", "naswot", "jacov", "grad_norm", "snip"] {
        assert!(
            none[proxy] < skip[proxy] && none[proxy] < conv[proxy],
            "{proxy}: {none:?} {skip:?} {conv:?}"
        );
    }
    assert!(conv["synflow"] > skip["synflow"]);
}

/// Norms do not change the flow, and what is added twice flows twice.
#[test]
fn the_flow_passes_norms_and_adds_up() {
    let build = |norm: bool, twice: bool| {
        let mut net = NetGraph::new(vec![2, 3, 3]);
        let mut at = net.add(conv(4, 3), &[0]);
        if norm {
            at = net.add(Op::BatchNorm, &[at]);
        }
        if twice {
            at = net.add(Op::Add, &[at, at]);
        }
        net.add(Op::GlobalAvgPool, &[at]);
        linear(&net)
    };
    let fill = |store: &mut VarStore| {
        store.trainable_variables().iter_mut().for_each(|weight| {
            let _ = no_grad(|| weight.fill_(-0.5));
        });
    };
    let plain = flow(&build(false, false), fill);
    // Four channels; a mean over nine places of 2 * taps inside the image * 0.5, 49 taps in all.
    assert!((plain - 4.0 * 49.0 / 9.0).abs() < 1e-9, "{plain}");
    assert_eq!(flow(&build(true, false), fill), plain);
    assert!((flow(&build(false, true), fill) - 2.0 * plain).abs() < 1e-9);
}

/// What is expected without drawing weights is what is drawn, on average, and orders architectures as one draw does.
#[test]
fn the_expected_flow_is_the_mean_of_the_drawn() {
    let mut net = NetGraph::new(vec![2, 6, 6]);
    let a = net.add(conv(4, 3), &[0]);
    let b = net.add(Op::Relu, &[a]);
    let c = net.add(conv(4, 1), &[b]);
    let d = net.add(Op::Add, &[b, c]);
    let e = net.add(Op::GlobalAvgPool, &[d]);
    net.add(Op::Linear { out: 3 }, &[e]);
    let _turn = turn();
    tch::manual_seed(4);
    let drawn: f64 = (0..300).map(|_| flow(&net, |_| {})).sum::<f64>() / 300.0;
    let expected = net.synaptic_flow().unwrap().exp_m1();
    assert!((drawn / expected - 1.0).abs() < 0.02, "{drawn} {expected}");
    drop(_turn);
    let mut trainer = trainer();
    for id in ["nas-bench-201/1", "chain-cnn/1"] {
        let space = (spaces::family(id).unwrap().space)();
        let pairs = spaces::pool(&space, 40, 2).into_iter().map(|architecture| {
            let expected = trainer.net(&space, &architecture).unwrap().synaptic_flow().unwrap();
            (expected, trainer.proxies(&space, &architecture, 0).unwrap()["synflow"])
        });
        let (expected, drawn): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let agreement = crate::RankCorrelation::of(&expected, &drawn).unwrap();
        assert!(agreement.spearman > 0.95, "{id}: {agreement:?}");
    }
}
