//! The networks of all built-in spaces as one space, so that what did well in one tells of another by what its networks look
//! like.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use heirloom_kb::{Architecture, Condition, Domain, Name, Param, Range, SearchSpace};
use heirloom_predictor::Descriptors;
use rayon::prelude::*;

use super::{FAMILIES, SpaceFamily, family, pool};
use crate::net::Fingerprint;

/// The id of this space, in which no architecture is proposed: histories of other spaces are read in it, see [`wrapped`].
pub(crate) const ID: &str = "any-network/1";

/// Networks of a space that say what is usual in it.
const SAMPLED: u64 = 400;

/// Which space a network is of.
const OF: &str = "space";

/// Whether a space is this one.
pub(crate) fn is_any_network(space: &SearchSpace) -> bool {
    &**space.id() == ID
}

/// The built-in spaces whose networks compare: those over a graph are of other layers, and what a block inherits does not
/// show.
pub(super) fn members() -> impl Iterator<Item = &'static SpaceFamily> {
    FAMILIES.iter().filter(|family| family.extends.is_none() && family.domains != [Domain::Graph])
}

/// A choice of a space, and the parameters of each by names of its own.
pub(crate) fn space() -> SearchSpace {
    let options = members().map(|family| Name::from(family.id)).collect();
    let range = Range::Choice { options, descriptors: Default::default() };
    let mut params = vec![Param { name: OF.into(), range, active_if: Vec::new() }];
    for family in members() {
        let own = |name: &str| Name::from(named(family.id, name));
        params.extend((family.space)().params().iter().map(|param| {
            let mut active_if = vec![Condition { param: OF.into(), any_of: vec![family.id.into()] }];
            active_if.extend(param.active_if.iter().map(|condition| Condition {
                param: own(&condition.param),
                any_of: condition.any_of.clone(),
            }));
            Param { name: own(&param.name), range: param.range.clone(), active_if }
        }));
    }
    SearchSpace::new(ID, params).expect("a built-in space holds together")
}

fn named(space: &str, param: &str) -> String {
    format!("{space} {param}")
}

/// An architecture of a built-in space among those of all; nothing for one of a space that is not among them.
pub(crate) fn wrapped(space: &str, architecture: &Architecture) -> Option<Architecture> {
    let family = members().find(|family| family.id == space)?;
    let mut among = Architecture::default();
    among.set(&OF.into(), family.id.into());
    for (name, value) in &architecture.0 {
        among.set(&named(family.id, name).into(), value.clone());
    }
    Some(among)
}

/// The space and the architecture that [`wrapped`] was given.
pub(crate) fn unwrapped(among: &Architecture) -> Option<(&'static SpaceFamily, Architecture)> {
    let family = family(among.text(OF)?)?;
    let mut architecture = Architecture::default();
    for (name, value) in &among.0 {
        if let Some(name) = name.strip_prefix(family.id).and_then(|name| name.strip_prefix(' ')) {
            architecture.set(&name.into(), value.clone());
        }
    }
    Some((family, architecture))
}

/// The representative of all architectures isomorphic to this one.
pub(super) fn canonical(among: &Architecture) -> Architecture {
    let canonical = unwrapped(among)
        .and_then(|(family, architecture)| wrapped(family.id, &(family.canonical)(&architecture)));
    canonical.unwrap_or_else(|| among.clone())
}

/// Where a network stands among those of its own space in each of the statistics of its fingerprint, from 0 to 1: the one
/// of median size has one half in every space. Sizes themselves, and kinds of layers, differ so much between spaces that what
/// they say of one is wrong in another (BENCHMARKS.md).
fn describe(among: &Architecture) -> Vec<f64> {
    let Some((family, architecture)) = unwrapped(among) else { return vec![0.0; Fingerprint::STATISTICS] };
    let sorted = &usual()[family.id];
    let place = |(value, column): (f64, &Vec<f64>)| {
        let (below, up_to) =
            (column.partition_point(|other| *other < value), column.partition_point(|other| *other <= value));
        (below + up_to) as f64 / (2.0 * column.len() as f64)
    };
    (family.describe)(&architecture).into_iter().zip(sorted).map(place).collect()
}

/// What networks look like beside those of their own space.
pub(super) fn descriptors() -> Descriptors {
    let names = Fingerprint::names().into_iter().take(Fingerprint::STATISTICS);
    Descriptors { names: names.map(|name| format!("{name} in its space")).collect(), describe }
}

/// Of each space the statistics of some of its networks, in ascending order.
fn usual() -> &'static BTreeMap<&'static str, Vec<Vec<f64>>> {
    static USUAL: OnceLock<BTreeMap<&'static str, Vec<Vec<f64>>>> = OnceLock::new();
    USUAL.get_or_init(|| {
        let of_family = |family: &'static SpaceFamily| {
            let drawn = pool(&(family.space)(), SAMPLED, 0);
            let rows: Vec<Vec<f64>> = drawn.par_iter().map(|one| (family.describe)(one)).collect();
            let column = |at: usize| {
                let mut column: Vec<f64> = rows.iter().map(|row| row[at]).collect();
                column.sort_by(f64::total_cmp);
                column
            };
            (family.id, (0..Fingerprint::STATISTICS).map(column).collect())
        };
        members().map(of_family).collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::spaces::sample;

    proptest! {
        /// In and out again, with the look of the network that it is.
        #[test]
        fn networks_are_the_same_among_all(at in 0..members().count(), seed: u64) {
            let family = members().nth(at).unwrap();
            let drawn = sample(&(family.space)(), &mut Xoshiro256PlusPlus::seed_from_u64(seed));
            let among = wrapped(family.id, &drawn).unwrap();
            prop_assert_eq!(&space().normalise(&among).unwrap(), &among);
            prop_assert!(describe(&among).iter().all(|place| (0.0..=1.0).contains(place)));
            let (back, architecture) = unwrapped(&canonical(&among)).unwrap();
            prop_assert_eq!(back.id, family.id);
            prop_assert_eq!(architecture, (family.canonical)(&drawn));
        }
    }

    /// More parameters than most in one space stand where more than most in another do.
    #[test]
    fn places_are_among_a_spaces_own() {
        let params = descriptors().names.iter().position(|name| name.starts_with("net.params")).unwrap();
        for family in members() {
            let mut drawn = pool(&(family.space)(), 200, 9);
            drawn.sort_by(|a, b| (family.describe)(a)[params].total_cmp(&(family.describe)(b)[params]));
            let place = |at: usize| describe(&wrapped(family.id, &drawn[at]).unwrap())[params];
            let (low, middle, high) = (place(20), place(100), place(180));
            assert!(
                low < 0.25 && (0.3..0.7).contains(&middle) && high > 0.75,
                "{}: {low} {middle} {high}",
                family.id
            );
        }
    }

    #[test]
    fn graph_networks_and_unknown_spaces_are_not_among_them() {
        for space in ["nas-bench-graph/1", "mlp-inherit/1", "mine/1", ID] {
            assert_eq!(wrapped(space, &Architecture::default()), None);
        }
    }
}
