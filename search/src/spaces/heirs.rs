//! Spaces whose architectures also say what becomes of each block when a network may start from past weights.

use heirloom_kb::{Architecture, Name, Param, Range, SearchSpace};

use crate::train::Fate;

/// Parameters that say a block's fate: `inherit1`, `inherit2`, ….
const FATE: &str = "inherit";
/// The parameters of which every block of a chain has one.
const OF_EACH_BLOCK: &str = "width";

/// The space `id`: that of `base` with a choice `inherit<n>` beside each `width<n>`: block n is taken over and trained on, taken
/// over and left as it is, or drawn ([`Fate`]).
pub(super) fn space(id: &str, base: &SearchSpace) -> SearchSpace {
    let options: Vec<Name> = Fate::ALL.map(|fate| fate.as_str().into()).into();
    let fates = base.params().iter().filter_map(|param| {
        let block = param.name.strip_prefix(OF_EACH_BLOCK)?;
        let range = Range::Choice { options: options.clone(), descriptors: Default::default() };
        Some(Param { name: format!("{FATE}{block}").into(), range, active_if: param.active_if.clone() })
    });
    let params = base.params().iter().cloned().chain(fates).collect();
    SearchSpace::new(id, params).expect("a built-in space holds together")
}

/// An architecture of the space that `space` extends, as one of `space`: one that says nothing of its blocks has all of them
/// taken over and trained on, as far as there is anything to take over. Nothing for one of another space.
pub(super) fn widened(space: &SearchSpace, architecture: &Architecture) -> Option<Architecture> {
    let mut wide = architecture.clone();
    for param in space.params().iter().filter(|param| param.name.starts_with(FATE)) {
        wide.set(&param.name, Fate::default().as_str().into());
    }
    // This drops what is said of blocks that are not there.
    space.normalise(&wide).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use crate::spaces::{families, family, sample, widened};
    use crate::train::Fate;

    proptest! {
        /// The fates of the blocks that are there are said, and nothing else changes.
        #[test]
        fn what_a_space_extends_is_part_of_it(at in 0..families().len(), seed: u64) {
            let heir = &families()[at];
            let Some(base) = heir.extends.and_then(family) else { return Ok(()) };
            let drawn = sample(&(base.space)(), &mut Xoshiro256PlusPlus::seed_from_u64(seed));
            let wide = widened(&(heir.space)(), &drawn).unwrap();
            let count = drawn.number("blocks").or(drawn.number("layers")).unwrap() as usize;
            prop_assert_eq!(wide.0.len(), drawn.0.len() + count);
            for block in 1..=count {
                prop_assert_eq!(wide.text(&format!("inherit{block}")), Some(Fate::Tune.as_str()));
            }
            prop_assert!(drawn.0.iter().all(|(name, value)| wide.get(name) == Some(value)));
        }
    }

    #[test]
    fn an_architecture_of_another_space_is_none_of_it() {
        let heir = (family("mlp-inherit/1").unwrap().space)();
        let other = sample(&(family("conv1d/1").unwrap().space)(), &mut Xoshiro256PlusPlus::seed_from_u64(0));
        assert_eq!(widened(&heir, &other), None);
    }
}
