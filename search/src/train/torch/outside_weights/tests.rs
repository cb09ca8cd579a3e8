//! Weights whose names have prefixes.

use tch::Tensor;

use super::super::kept_network::net_of;
use super::super::tests::small_cnn;
use super::super::turn;
use super::*;
use crate::spaces::NetInput;

fn net(space: &str, architecture: &str) -> NetGraph {
    let input = NetInput { shape: vec![3, 8, 8], n_classes: 5 };
    net_of(&space.into(), &serde_json::from_str(architecture).unwrap(), &input).unwrap()
}

fn narrow_resnet() -> NetGraph {
    net("resnet/1", r#"{"depth":18,"width":0.125,"stem":"small","lr":0.001,"weight_decay":0.0001}"#)
}

fn filled(outside: &OutsideWeights, net: &NetGraph) -> Tensors {
    let network = Network::new(net, Device::Cpu, &Recipe::default(), 3, None).unwrap();
    outside.fill(&network).unwrap();
    network.tensors()
}

/// The tensors of `testdata/outside.safetensors` under names that are made of theirs.
fn renamed(name: impl Fn(&str) -> String) -> OutsideWeights {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/outside.safetensors");
    let mut outside = OutsideWeights::read(&file).unwrap();
    outside.tensors = outside.tensors.into_iter().map(|(own, tensor)| (name(&own), tensor)).collect();
    outside.file = "net.pth".into();
    outside
}

#[test]
fn usual_prefixes_are_left_out_where_more_tensors_fit_so_and_it_is_said() {
    let _turn = turn();
    let net = narrow_resnet();
    let plain = renamed(str::to_owned);
    let (want, usual) = (filled(&plain, &net), plain.fit(&net).unwrap());
    assert_eq!((usual.taken, usual.prefix.as_deref()), (16, None));
    assert!(!usual.words().contains("prefix"));
    for prefix in ["model.", "module.", "state_dict.", "backbone.", "net.", "encoder.", "state_dict.module."]
    {
        let outside = renamed(|name| format!("{prefix}{name}"));
        let taken = outside.fit(&net).unwrap();
        assert_eq!(
            Taken { prefix: None, ..taken.clone() },
            Taken { file: "net.pth".into(), ..usual.clone() }
        );
        assert_eq!(taken.prefix.as_deref(), Some(prefix));
        let words = "net.pth: 16 of its 17 tensors fitted, without the prefix ";
        assert!(taken.words().contains(&format!("{words}{prefix} of their names;")), "{}", taken.words());
        assert_eq!(filled(&outside, &net), want, "{prefix}");
    }
    // A head beside the body is taken by its own name.
    let body = renamed(|name| if name.starts_with("fc.") { name.into() } else { format!("backbone.{name}") });
    assert_eq!(body.fit(&net).unwrap().taken, 16);
    assert_eq!(filled(&body, &net), want);
}

#[test]
fn a_prefix_that_is_not_usual_or_not_on_most_names_or_helps_nothing_stays() {
    let _turn = turn();
    let net = narrow_resnet();
    let words = renamed(|name| format!("trunk.{name}")).fit(&net).unwrap_err().to_string();
    assert!(words.starts_with("net.pth: none of its 17 tensors fits the network: it has trunk.bn1.bias, "));
    // Half of them are of another network.
    let half = renamed(|name| if name < "layer1.0.bn2" { format!("model.{name}") } else { name.into() });
    let taken = half.fit(&net).unwrap();
    assert!(taken.taken < 16 && taken.prefix.is_none(), "{taken:?}");
    // Without its prefix it is no network of these either.
    let (space, architecture) = small_cnn();
    let cnn = self::net(space.id(), &serde_json::to_string(&architecture).unwrap());
    let words = renamed(|name| format!("module.{name}")).fit(&cnn).unwrap_err().to_string();
    assert!(words.contains("none of its 17 tensors fits the network: it has module.bn1.bias, "), "{words}");
    // Where the names fit and no shape does, the shapes are told.
    let mut wrong = renamed(|name| format!("module.{name}"));
    wrong.tensors.values_mut().for_each(|tensor| *tensor = Tensor::from_slice(&[0.0_f32; 2]).reshape([1, 2]));
    let words = wrong.fit(&narrow_resnet()).unwrap_err().to_string();
    assert!(words.contains(" is [1, 2], not ["), "{words}");
}
