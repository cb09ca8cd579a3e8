//! `BlockLayers`: the layers of a block that have weights, in their order.

use std::collections::{BTreeMap, BTreeSet};

use tch::{Kind, TchError, Tensor};

use super::weights::Tensors;

/// The layers of a block that have weights, in their order. What they are called counts only where it is no number: a dropout in
/// front of a layer moves its number and nothing else.
pub(super) struct BlockLayers(Vec<Layer>);

/// A layer's name and those of its tensors.
type Layer = (String, BTreeSet<String>);

/// Where a tensor of a block comes from.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    /// The tensor of this name within the other block.
    From(String),
    /// A shortcut that the other block has not, for it passes on as many channels as it is given.
    Identity,
}

impl BlockLayers {
    /// Of the tensors of a block, by their names within it.
    pub(super) fn of(tensors: &Tensors) -> Self {
        let mut layers: BTreeMap<(u32, String), BTreeSet<String>> = BTreeMap::new();
        for name in tensors.keys() {
            let (layer, part) = name.rsplit_once('.').unwrap_or(("", name));
            let number = layer.parse().unwrap_or(u32::MAX);
            layers.entry((number, layer.to_owned())).or_default().insert(part.to_owned());
        }
        BlockLayers(layers.into_iter().map(|((_, layer), parts)| (layer, parts)).collect())
    }

    /// From where each tensor of this block comes, by name; nothing where the layers are others. The last layer of a residual
    /// block may be there in one of them alone: its shortcut, which it needs where it changes the width.
    pub(super) fn origins(
        &self,
        theirs: &BlockLayers,
        is_residual: bool,
    ) -> Option<BTreeMap<String, Origin>> {
        let (own, theirs) = (&self.0, &theirs.0);
        let both = own.len().min(theirs.len());
        let is_like = |(a, b): (&Layer, &Layer)| {
            let is_number = |name: &str| name.parse::<u32>().is_ok();
            a.1 == b.1 && (a.0 == b.0 || (is_number(&a.0) && is_number(&b.0)))
        };
        let spare = own.len().abs_diff(theirs.len());
        let more = if own.len() > theirs.len() { own } else { theirs };
        let is_shortcut = |layer: &Layer| layer.1.iter().eq(["weight"]);
        let may_be_spare = spare == 1 && is_residual && more.last().is_some_and(is_shortcut);
        if both == 0 || !own.iter().zip(theirs).all(is_like) || !(spare == 0 || may_be_spare) {
            return None;
        }
        let name =
            |layer: &str, part: &str| if layer.is_empty() { part.into() } else { format!("{layer}.{part}") };
        let mut origins = BTreeMap::new();
        for (at, (layer, parts)) in own.iter().enumerate() {
            for part in parts {
                let origin =
                    theirs.get(at).map_or(Origin::Identity, |(other, _)| Origin::From(name(other, part)));
                origins.insert(name(layer, part), origin);
            }
        }
        Some(origins)
    }
}

/// A shortcut `[channels, channels, 1, 1]` that passes on what it is given, for a block whose first filters are these.
pub(super) fn identity(first: &Tensor) -> Result<Tensor, TchError> {
    let channels = first.size().get(1).copied().unwrap_or(1);
    Tensor::f_eye(channels, (Kind::Float, first.device()))?.f_view([channels, channels, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &[&str]) -> BlockLayers {
        BlockLayers::of(&names.iter().map(|name| ((*name).to_owned(), Tensor::new())).collect())
    }

    fn from(name: &str) -> Origin {
        Origin::From(name.into())
    }

    #[test]
    fn layers_are_matched_by_their_order() {
        let (own, theirs) =
            (layers(&["10.weight", "10.bias", "4.weight"]), layers(&["3.weight", "5.weight", "5.bias"]));
        let origins = own.origins(&theirs, false).unwrap();
        assert_eq!(
            origins.into_iter().collect::<Vec<_>>(),
            [
                ("10.bias".into(), from("5.bias")),
                ("10.weight".into(), from("5.weight")),
                ("4.weight".into(), from("3.weight"))
            ]
        );
        assert!(own.origins(&layers(&["3.weight", "5.weight"]), false).is_none());
        assert!(own.origins(&layers(&["3.weight"]), true).is_none(), "what is left over is no shortcut");
        assert!(layers(&["conv.weight"]).origins(&layers(&["fc.weight"]), false).is_none());
        assert!(layers(&["weight"]).origins(&layers(&["weight"]), false).is_some());
    }

    #[test]
    fn a_residual_block_may_have_a_shortcut_or_none() {
        let (plain, projected) = (
            layers(&["0.weight", "1.weight", "1.bias"]),
            layers(&["0.weight", "1.weight", "1.bias", "5.weight"]),
        );
        assert_eq!(projected.origins(&plain, true).unwrap()["5.weight"], Origin::Identity);
        assert_eq!(plain.origins(&projected, true).unwrap().len(), 3);
        assert!(projected.origins(&plain, false).is_none() && plain.origins(&projected, false).is_none());
    }
}
