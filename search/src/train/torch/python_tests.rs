//! Networks exchanged with Python's torch. The tests that run it want `HEIRLOOM_PYTHON` to name a Python with torch.

use std::path::Path;
use std::process::Command;

use tch::{CModule, Kind, Tensor, no_grad};

use super::fit::Network;
use super::kept_network::{KeptNetwork, net_of};
use super::tests::{BUDGET, halves, small_cnn, small_mlp, test_device};
use super::weights::Tensors;
use super::*;
use crate::spaces::{self, NetInput};
use crate::train::{Recipe, WeightStore};

/// Runs a script of `tests/python`; `None`, with a word about it, where no Python is named.
pub(super) fn python(script: &str, args: &[&str]) -> Option<String> {
    let Some(program) = std::env::var_os("HEIRLOOM_PYTHON") else {
        println!("skipped: HEIRLOOM_PYTHON names no Python with torch");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python").join(script);
    let output = Command::new(program).arg(script).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

fn resnet(depth: u32) -> Architecture {
    let text = format!(r#"{{"depth":{depth},"width":1,"stem":"large","lr":0.001,"weight_decay":0.0001}}"#);
    serde_json::from_str(&text).unwrap()
}

fn resnet_net(depth: u32, n_classes: usize) -> NetGraph {
    let input = NetInput { shape: vec![3, 61, 64], n_classes };
    net_of(&"resnet/1".into(), &resnet(depth), &input).unwrap()
}

#[test]
fn a_residual_network_of_python_computes_the_same() {
    for depth in [18, 50] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let Some(_) = python("resnet.py", &[&depth.to_string(), "7", folder]) else { return };
        let outside = OutsideWeights::read(&dir.path().join("resnet.safetensors")).unwrap();
        let io = weights::read(&dir.path().join("io.safetensors")).unwrap();
        let _turn = turn();
        let net = resnet_net(depth, 7);
        let taken = outside.fit(&net).unwrap();
        assert!(taken.missing.is_empty() && taken.other_shape.is_empty(), "{taken:?}");
        let all = if depth == 18 { 102 } else { 267 };
        assert_eq!((taken.taken, taken.of, taken.unused), (all, all, 0));
        assert_eq!(taken.blocks, ["stem", "layer1", "layer2", "layer3", "layer4", "head"]);
        assert!(taken.blocks_in_part.is_empty());
        let network = Network::new(&net, Device::Cpu, &Recipe::default(), 3, None).unwrap();
        outside.fill(&network).unwrap();
        let scores = no_grad(|| network.module.forward(&io["x"], false)).unwrap();
        let off = largest_difference(&scores, &io["y"]);
        println!(
            "ResNet-{depth}: largest difference {off:e}, scores up to {}",
            io["y"].abs().max().double_value(&[])
        );
        assert!(off < 1e-4, "ResNet-{depth}: {off}");

        // A head of other classes is left fresh, and all else is taken.
        let taken = outside.fit(&resnet_net(depth, 4)).unwrap();
        assert_eq!(taken.other_shape, ["head.1.bias", "head.1.weight"]);

        // As TorchScript it gives the same weights, those of norms with them.
        let script = OutsideWeights::read(&dir.path().join("resnet.pt")).unwrap();
        let other = Network::new(&net, Device::Cpu, &Recipe::default(), 4, None).unwrap();
        script.fill(&other).unwrap();
        assert_eq!(other.tensors(), network.tensors());
        // It is a teacher's network too.
        let module = CModule::load(dir.path().join("resnet.pt")).unwrap();
        let said = no_grad(|| module.forward_ts(&[&io["x"]])).unwrap();
        assert!(largest_difference(&said, &io["y"]) < 1e-4);
    }
}

/// Files made by `tests/python/outside_weights.py`: the first layers of a narrow network, and a head over other features.
#[test]
fn files_of_python_give_a_network_what_fits_and_it_is_told_which_blocks() {
    let text = r#"{"depth":18,"width":0.125,"stem":"small","lr":0.001,"weight_decay":0.0001}"#;
    let input = NetInput { shape: vec![3, 8, 8], n_classes: 5 };
    let net = net_of(&"resnet/1".into(), &serde_json::from_str(text).unwrap(), &input).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let _turn = turn();
    let filled = |name: &str| {
        let outside = OutsideWeights::read(&folder.join(name)).unwrap();
        let taken = outside.fit(&net).unwrap();
        assert_eq!((taken.taken, taken.of, taken.unused), (16, 17, 0), "{name}");
        assert_eq!(taken.other_shape, ["head.1.weight"], "{name}");
        assert_eq!(taken.blocks, ["stem"], "{name}");
        assert_eq!(taken.blocks_in_part, ["layer1", "head"], "{name}");
        let network = Network::new(&net, Device::Cpu, &Recipe::default(), 3, None).unwrap();
        outside.fill(&network).unwrap();
        network.tensors()
    };
    let want = filled("outside.safetensors");
    let file = weights::read(&folder.join("outside.safetensors")).unwrap();
    assert_eq!(want["layer1.0.4.running_var"], file["layer1.0.bn2.running_var"]);
    for name in ["outside.pt", "outside.pth"] {
        assert_eq!(filled(name), want, "{name}");
    }
    // Where nothing is called alike, both sides are named.
    let (space, architecture) = small_cnn();
    let cnn = net_of(space.id(), &architecture, &input).unwrap();
    let words = OutsideWeights::read(&folder.join("outside.pt")).unwrap().fit(&cnn).unwrap_err().to_string();
    assert!(words.contains("none of its 17 tensors fits the network: it has bn1.bias, "), "{words}");
    assert!(words.contains(" where the network has block1.0.weight, "), "{words}");
}

/// A trial on pictures of two halves, its weights in the folder's store.
fn kept(folder: &Path) -> (WeightStore, Trial) {
    let store = WeightStore::new(folder.join("weights"));
    let options =
        TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
    let (space, architecture) = small_cnn();
    let mut trainer = TorchTrainer::new(halves(), options, Box::new(|_| {})).unwrap();
    (store, trainer.train(&space, &architecture, &BUDGET).unwrap())
}

/// A constant of the device of the export would keep the network from another.
#[test]
fn an_exported_network_names_no_device() {
    let dir = tempfile::tempdir().unwrap();
    let store = WeightStore::new(dir.path().join("weights"));
    let cell = "|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|avg_pool_3x3~1|none~2|";
    let space = (spaces::family("nas-bench-201/1").unwrap().space)();
    let cells = (space, spaces::from_cell_string(cell).unwrap());
    for (space, architecture) in [small_cnn(), small_mlp(), cells] {
        let options =
            TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
        let mut trainer = TorchTrainer::new(halves(), options, Box::new(|_| {})).unwrap();
        let budget = Budget { epochs: 1, data_fraction: 0.1, ..BUDGET };
        let trial = trainer.train(&space, &architecture, &budget).unwrap();
        let file = dir.path().join("net.pt");
        export_network(&store, store.of_trial(&trial).unwrap(), &file, NetFormat::TorchScript).unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&file).unwrap()).unwrap();
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        let code = names.iter().find(|name| name.ends_with("/code/__torch__.py")).unwrap();
        let code = std::io::read_to_string(archive.by_name(code).unwrap()).unwrap();
        assert!(code.contains("linear(") && !code.contains("device"), "{}: {code}", space.id());
        // And it hands its weights down, though in the module they are constants.
        let (bytes, _turn) = (store.get(store.of_trial(&trial).unwrap()).unwrap(), turn());
        let net = net_for(&space, &architecture, &halves()).unwrap();
        let network = super::fit::Network::new(&net, Device::Cpu, &Recipe::default(), 1, None).unwrap();
        let outside = OutsideWeights::read(&file).unwrap();
        let taken = outside.fit(&net).unwrap();
        assert_eq!((taken.taken, taken.missing.len()), (taken.of, 0), "{taken:?}");
        outside.fill(&network).unwrap();
        assert_eq!(network.tensors(), weights::parse(&bytes, &file).unwrap(), "{}", space.id());
    }
}

#[test]
fn an_exported_network_computes_the_same_in_rust_and_in_python() {
    let dir = tempfile::tempdir().unwrap();
    let (store, trial) = kept(dir.path());
    let hash = store.of_trial(&trial).unwrap();
    let (script, tensors) = (dir.path().join("net.pt"), dir.path().join("net.safetensors"));
    for (file, format) in [(&script, NetFormat::TorchScript), (&tensors, NetFormat::Safetensors)] {
        assert_eq!(NetFormat::of(file), Some(format));
        let card = export_network(&store, hash, file, format).unwrap();
        assert_eq!((card.architecture, card.classes.len()), (small_cnn().1, 2));
    }
    let dataset = halves();
    let values: Vec<f32> = dataset.x().iter().copied().collect();
    let x = Tensor::from_slice(&values).reshape([200, 1, 8, 8]);
    let parsed = {
        let _turn = turn();
        KeptNetwork::parse(&store.get(hash).unwrap(), dir.path(), Device::Cpu).unwrap()
    };
    let y = parsed.values(&x).unwrap().pop().unwrap();
    // The network is the one that was scored: on the validation part it is as right as its trial says.
    let rows: Vec<i64> = Splits::new(&dataset, 0).validation.into_iter().map(|row| row as i64).collect();
    let rows = Tensor::from_slice(&rows);
    let classes: Vec<i64> = dataset.y().iter().map(|class| *class as i64).collect();
    let right = y.argmax(-1, false).eq_tensor(&Tensor::from_slice(&classes)).to_kind(Kind::Double);
    let share = right.index_select(0, &rows).mean(Kind::Double).double_value(&[]);
    assert!((share - trial.score.unwrap()).abs() < 1e-9, "{share} {:?}", trial.score);

    let module = CModule::load(&script).unwrap();
    for n in [1, 3, 200] {
        let some = module.forward_ts(&[x.narrow(0, 0, n)]).unwrap();
        assert!(largest_difference(&some, &y.narrow(0, 0, n)) < 1e-5, "{n} examples");
    }
    let io: Tensors = [("x".to_owned(), x), ("y".to_owned(), y)].into();
    std::fs::write(dir.path().join("io.safetensors"), weights::to_bytes(&io).unwrap()).unwrap();
    let Some(said) = python("open_network.py", &[dir.path().to_str().unwrap()]) else { return };
    let off: Vec<f64> = serde_json::from_str(&said).unwrap();
    println!("largest differences in Python: module {:e}, by hand {:e}", off[0], off[1]);
    assert!(off.iter().all(|off| *off < 1e-5), "{off:?}");
}

#[test]
fn files_that_are_no_weights_or_do_not_fit_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (store, trial) = kept(dir.path());
    let hash = store.of_trial(&trial).unwrap();
    let file = store.file(hash);
    let outside = OutsideWeights::read(&file).unwrap();
    let _turn = turn();
    let words = outside.fit(&resnet_net(18, 7)).unwrap_err().to_string();
    assert!(words.contains("none of its 12 tensors fits"), "{words}");
    let (space, mut wider) = small_cnn();
    for width in ["width1", "width2"] {
        wider.set(&width.into(), heirloom_kb::Value::Int(64));
    }
    let dataset = halves();
    // Of other widths only the bias of the head is the same.
    let taken = outside.fit(&net_for(&space, &wider, &dataset).unwrap()).unwrap();
    assert_eq!((taken.taken, taken.other_shape.len()), (1, 11), "{taken:?}");

    let bad = dir.path().join("bad.safetensors");
    std::fs::write(&bad, b"rubbish").unwrap();
    let refused = |file: &Path| {
        let options = TorchOptions { init_from: Some(file.to_owned()), ..TorchOptions::default() };
        TorchTrainer::new(Arc::clone(&dataset), options, Box::new(|_| {})).err().unwrap().to_string()
    };
    let nan = dir.path().join("nan.safetensors");
    let numbers: Tensors = [("head.1.bias".to_owned(), Tensor::from_slice(&[1.0_f32, f32::NAN]))].into();
    std::fs::write(&nan, weights::to_bytes(&numbers).unwrap()).unwrap();
    assert!(refused(&nan).ends_with("nan.safetensors: tensor head.1.bias has numbers that are not finite"));
    assert!(refused(&bad).contains("bad.safetensors: no safetensors"), "{}", refused(&bad));
    let old = dir.path().join("old.pth");
    std::fs::copy(&bad, &old).unwrap();
    assert!(refused(&old).contains("old.pth: no file of torch.jit.save or torch.save"), "{}", refused(&old));
    // A file of tensors alone does not say of what network they are.
    let bare = store.put(&weights::to_bytes(&weights::read(&file).unwrap()).unwrap()).unwrap();
    drop(_turn);
    let words = export_network(&store, &bare, &dir.path().join("x.pt"), NetFormat::TorchScript);
    assert!(words.unwrap_err().to_string().contains("does not say of what network"));
}

#[test]
fn a_trial_starts_from_a_file_and_says_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let (store, first) = kept(dir.path());
    let file = store.file(store.of_trial(&first).unwrap());
    let options = TorchOptions { init_from: Some(file), device: test_device(), ..TorchOptions::default() };
    let (space, architecture) = small_cnn();
    let mut trainer = TorchTrainer::new(halves(), options, Box::new(|_| {})).unwrap();
    let again = trainer.train(&space, &architecture, &Budget { epochs: 1, ..BUDGET }).unwrap();
    assert_eq!(again.extra["init_from"]["taken"], 12);
    assert!(again.score >= first.score, "{:?} after {:?}", again.score, first.score);
}

/// A grey image is one whose colours are the same.
#[test]
fn weights_of_colour_images_serve_grey_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let net = |channels| {
        let input = NetInput { shape: vec![channels, 8, 8], n_classes: 2 };
        net_of(space.id(), &architecture, &input).unwrap()
    };
    let (colour_net, grey_net) = (net(3), net(1));
    let _turn = turn();
    let network = |net, seed| Network::new(net, Device::Cpu, &Recipe::default(), seed, None).unwrap();
    let (colour, grey) = (network(&colour_net, 0), network(&grey_net, 1));
    let file = dir.path().join("colour.safetensors");
    std::fs::write(&file, weights::to_bytes(&colour.tensors()).unwrap()).unwrap();
    let outside = OutsideWeights::read(&file).unwrap();
    let taken = outside.fit(&grey_net).unwrap();
    assert_eq!((taken.taken, taken.recoloured.as_slice()), (12, &["block1.0.weight".to_owned()][..]));
    assert!(taken.missing.is_empty() && taken.other_shape.is_empty(), "{taken:?}");
    outside.fill(&grey).unwrap();
    no_grad(|| {
        let image = Tensor::rand([5, 1, 8, 8], (Kind::Float, Device::Cpu));
        let of_grey = grey.module.forward(&image, false).unwrap();
        let of_colour = colour.module.forward(&image.repeat([1, 3, 1, 1]), false).unwrap();
        assert!(largest_difference(&of_grey, &of_colour) < 1e-5);
    });
}
