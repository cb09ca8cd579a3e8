//! Weights of one shape made into weights of another.

use tch::{TchError, Tensor};

/// Where weights are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the example itself.
    Example,
    /// On what another layer gives.
    Inside,
}

/// Weights `[out, in, window...]`, or `[channels]`, in the shape `size`: more channels repeat the first ones in turn, with inputs
/// divided among the repeats, so that a wider network computes what the narrower did; fewer are the first ones; a larger
/// window has zeros around the smaller, which is cut out of its middle the other way. Nothing where that makes no sense: layers
/// of another kind, and tables of other columns.
///
/// *Source*: Chen, Goodfellow, Shlens, "Net2Net", ICLR 2016 (arXiv:1511.05641), equation 6; here the repeats are in turn and
/// not drawn, so that sums over shortcuts agree.
pub(super) fn adapt(weights: &Tensor, size: &[i64], place: Place) -> Result<Option<Tensor>, TchError> {
    let from = weights.size();
    if from == size {
        return Ok(Some(weights.f_detach_copy()?));
    }
    if from.len() != size.len() || from.contains(&0) {
        return Ok(None);
    }
    if size.len() == 1 {
        return channels(weights, 0, size[0]).map(Some);
    }
    let is_other_table = place == Place::Example && size.len() == 2 && from[1] != size[1];
    let is_other_kind = place == Place::Inside && size.len() > 2 && (from[1] == 1) != (size[1] == 1);
    if is_other_table || is_other_kind {
        return Ok(None);
    }
    let mut made = channels(weights, 0, size[0])?;
    if place == Place::Example && size[1] == 1 {
        // One channel stands for all that were.
        made = made.f_sum_dim_intlist([1_i64].as_slice(), true, made.kind())?;
    } else {
        made = inputs(&made, size[1])?;
    }
    for (axis, side) in size.iter().enumerate().skip(2) {
        made = window(&made, axis as i64, *side)?;
    }
    Ok(Some(made))
}

/// Which of `from` channels stands at each of `to` places.
fn turns(from: i64, to: i64) -> Vec<i64> {
    (0..to).map(|place| place % from).collect()
}

fn channels(weights: &Tensor, axis: i64, to: i64) -> Result<Tensor, TchError> {
    let from = weights.size()[axis as usize];
    weights.f_index_select(axis, &Tensor::f_from_slice(&turns(from, to))?.f_to_device(weights.device())?)
}

/// Inputs for repeated channels: each repeat has its share.
fn inputs(weights: &Tensor, to: i64) -> Result<Tensor, TchError> {
    let from = weights.size()[1];
    let repeats = |channel: i64| (to / from + i64::from(channel < to % from)).max(1);
    let shares: Vec<f32> = turns(from, to).into_iter().map(|channel| 1.0 / repeats(channel) as f32).collect();
    let mut shape = vec![1; weights.dim()];
    shape[1] = to;
    let shares = Tensor::f_from_slice(&shares)?.f_view(shape.as_slice())?.f_to_device(weights.device())?;
    channels(weights, 1, to)?.f_mul(&shares)
}

/// A window of another side, about the same middle.
fn window(weights: &Tensor, axis: i64, to: i64) -> Result<Tensor, TchError> {
    let from = weights.size()[axis as usize];
    if from >= to {
        return weights.f_narrow(axis, (from - to) / 2, to);
    }
    let before = (to - from) / 2;
    let zeros = |length: i64| {
        let mut size = weights.size();
        size[axis as usize] = length;
        Tensor::f_zeros(size.as_slice(), (weights.kind(), weights.device()))
    };
    Tensor::f_cat(&[zeros(before)?, weights.shallow_clone(), zeros(to - from - before)?], axis)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn numbers(size: &[i64]) -> Tensor {
        Tensor::arange(size.iter().product::<i64>(), (Kind::Float, Device::Cpu)).reshape(size)
    }

    #[test]
    fn channels_repeat_in_turn_and_inputs_are_shared_out() {
        let wide = adapt(&numbers(&[2]), &[5], Place::Inside).unwrap().unwrap();
        assert_eq!(Vec::<f32>::try_from(wide).unwrap(), [0.0, 1.0, 0.0, 1.0, 0.0]);
        let linear = adapt(&numbers(&[1, 2]), &[1, 3], Place::Inside).unwrap().unwrap();
        assert_eq!(Vec::<f32>::try_from(linear.reshape([-1])).unwrap(), [0.0, 1.0, 0.0]);
        let narrow = adapt(&numbers(&[3, 2]), &[2, 1], Place::Inside).unwrap().unwrap();
        assert_eq!(Vec::<f32>::try_from(narrow.reshape([-1])).unwrap(), [0.0, 2.0]);
    }

    #[test]
    fn windows_keep_their_middle() {
        let small = numbers(&[1, 1, 3, 3]);
        let large = adapt(&small, &[1, 1, 5, 5], Place::Inside).unwrap().unwrap();
        assert_eq!(large.sum(Kind::Float), small.sum(Kind::Float));
        assert_eq!(adapt(&large, &[1, 1, 3, 3], Place::Inside).unwrap().unwrap(), small);
    }

    #[test]
    fn a_grey_picture_is_all_channels_at_once() {
        let colour = numbers(&[2, 3, 1, 1]);
        let grey = adapt(&colour, &[2, 1, 1, 1], Place::Example).unwrap().unwrap();
        assert_eq!(Vec::<f32>::try_from(grey.reshape([-1])).unwrap(), [3.0, 12.0]);
        let back = adapt(&grey, &[2, 3, 1, 1], Place::Example).unwrap().unwrap();
        assert_eq!(Vec::<f32>::try_from(back.reshape([-1])).unwrap(), [1.0, 1.0, 1.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn what_makes_no_sense_is_left() {
        let none = |from: &[i64], to: &[i64], place| adapt(&numbers(from), to, place).unwrap().is_none();
        assert!(none(&[4, 7], &[4, 9], Place::Example), "another table");
        assert!(none(&[4, 1, 3, 3], &[4, 4, 3, 3], Place::Inside), "depthwise");
        assert!(none(&[4, 4], &[4, 4, 3, 3], Place::Inside), "a layer of another kind");
    }
}
