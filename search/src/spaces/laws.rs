//! What holds for every built-in space.

use heirloom_kb::{Architecture, SearchSpace};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Inputs that a family makes networks for.
fn inputs(family: &SpaceFamily) -> Vec<NetInput> {
    let shapes: &[&[usize]] = match family.domains[0] {
        Domain::Image => &[&[1, 8, 8], &[3, 32, 32], &[1, 28, 31], &[4, 1, 1]],
        Domain::Audio | Domain::Timeseries => &[&[1, 64], &[3, 1000], &[2, 1]],
        Domain::Tabular => &[&[1], &[30], &[1, 8, 8]],
        Domain::Text | Domain::Graph => &[&[8], &[1433]],
    };
    shapes
        .iter()
        .zip([2, 10, 3, 7])
        .map(|(shape, n_classes)| NetInput { shape: shape.to_vec(), n_classes })
        .collect()
}

fn any_case() -> impl Strategy<Value = (&'static SpaceFamily, u64)> {
    (0..families().len(), any::<u64>()).prop_map(|(at, seed)| (&families()[at], seed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn samples_are_valid_and_written_as_the_space_writes((family, seed) in any_case()) {
        let space = (family.space)();
        let drawn = sample(&space, &mut rng(seed));
        prop_assert_eq!(space.normalise(&drawn).unwrap(), drawn);
    }

    /// Weights go by these names.
    #[test]
    fn the_nodes_of_a_network_have_names_of_their_own((family, seed) in any_case()) {
        let drawn = (family.canonical)(&sample(&(family.space)(), &mut rng(seed)));
        let net = (family.net)(&drawn, &inputs(family)[0]).unwrap();
        let names: std::collections::HashSet<&str> = net.nodes().iter().map(|node| node.name.as_str()).collect();
        prop_assert_eq!(names.len(), net.nodes().len());
        prop_assert_eq!(net.nodes().last().unwrap().block(), crate::net::HEAD);
    }

    #[test]
    fn json_is_exact((family, seed) in any_case()) {
        let space = (family.space)();
        let drawn = sample(&space, &mut rng(seed));
        let text = serde_json::to_string(&drawn).unwrap();
        prop_assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), drawn);
        let text = serde_json::to_string(&space).unwrap();
        prop_assert_eq!(serde_json::from_str::<SearchSpace>(&text).unwrap(), space);
    }

    #[test]
    fn canonical_is_valid_and_idempotent((family, seed) in any_case()) {
        let space = (family.space)();
        let once = (family.canonical)(&sample(&space, &mut rng(seed)));
        prop_assert!(space.normalise(&once).is_ok());
        prop_assert_eq!((family.canonical)(&once), once);
    }

    #[test]
    fn networks_have_shapes_and_a_cost((family, seed) in any_case()) {
        let drawn = sample(&(family.space)(), &mut rng(seed));
        for input in inputs(family) {
            let net = (family.net)(&drawn, &input).unwrap();
            prop_assert_eq!(net.output_shape().unwrap(), vec![input.n_classes]);
            let cost = net.cost().unwrap();
            prop_assert!(cost.params > 0 && cost.flops > 0 && cost.depth > 0 && cost.activations > 0);
        }
    }

    #[test]
    fn canonical_does_not_change_what_is_computed((family, seed) in any_case()) {
        // Isomorphic architectures are the same function, so they have the same number of weights in use; a skip that
        // moves to the front may change the width it sees, not the layers.
        let drawn = sample(&(family.space)(), &mut rng(seed));
        let canonical = (family.canonical)(&drawn);
        let input = &inputs(family)[0];
        let depth = |a: &Architecture| (family.net)(a, input).unwrap().cost().unwrap().depth;
        if family.id == "nas-bench-graph/1" {
            prop_assert_eq!(depth(&drawn), depth(&canonical));
        }
    }

    #[test]
    fn neighbours_and_mutants_are_valid_and_others((family, seed) in any_case()) {
        let space = (family.space)();
        let drawn = sample(&space, &mut rng(seed));
        let mutant = mutate(&space, &drawn, &mut rng(seed ^ 1));
        prop_assert_ne!(&mutant, &drawn);
        for near in neighbours(&space, &drawn).iter().chain([&mutant]) {
            prop_assert_eq!(&space.normalise(near).unwrap(), near);
            prop_assert_ne!(near, &drawn);
        }
    }

    #[test]
    fn equal_unique_strings_have_one_canonical_form(seed in any::<u64>()) {
        // The two edges into node 2 may be swapped when node 1 is node 0 passed on.
        let swap = |op: &str, other: &str| {
            from_cell_string(&format!("|skip_connect~0|+|{op}~0|{other}~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|")).unwrap()
        };
        let ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
        let (a, b) = (ops[seed as usize % 5], ops[seed as usize / 5 % 5]);
        let id = "nas-bench-201/1";
        prop_assert_eq!(canonical(id, &swap(a, b)), canonical(id, &swap(b, a)));
    }
}

#[test]
fn ids_are_those_of_the_spaces_and_pools_repeat_nothing() {
    for family in families() {
        let space = (family.space)();
        assert_eq!(&**space.id(), family.id);
        let some = pool(&space, 300, 7);
        assert!(!some.is_empty() && some.len() <= 300);
        assert_eq!(some, pool(&space, 300, 7));
        for (at, architecture) in some.iter().enumerate() {
            assert!(!some[..at].contains(architecture), "{} repeats {architecture}", family.id);
        }
    }
}

#[test]
fn enumeration_respects_conditions() {
    let space: SearchSpace = serde_json::from_str(
        r#"{"id":"c/1","params":[
            {"name":"depth","range":{"kind":"int","lo":1,"hi":2}},
            {"name":"second","range":{"kind":"choice","options":["a","b","c"]},"active_if":[{"param":"depth","any_of":[2]}]}]}"#,
    )
    .unwrap();
    assert_eq!(enumerate(&space, 10).unwrap().len(), 4);
    assert!(enumerate(&space, 3).is_none());
    let lr: SearchSpace = serde_json::from_str(
        r#"{"id":"r/1","params":[{"name":"lr","range":{"kind":"real","lo":0.1,"hi":1.0}}]}"#,
    )
    .unwrap();
    assert!(enumerate(&lr, 1_000).is_none());
    assert_eq!(pool(&lr, 50, 0).len(), 50);
}

#[test]
fn other_data_get_a_clear_refusal() {
    for (id, shape) in
        [("chain-cnn/1", vec![64]), ("conv1d/1", vec![1, 8, 8]), ("nas-bench-201/1", vec![3, 32])]
    {
        let family = family(id).unwrap();
        let drawn = sample(&(family.space)(), &mut rng(0));
        let error = (family.net)(&drawn, &NetInput { shape, n_classes: 2 }).unwrap_err();
        assert!(error.to_string().starts_with(&format!("space {id:?} makes no network")), "{error}");
    }
    assert!(family("nothing/1").is_none());
}
