//! Examples varied while training.

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{Beta, ContinuousCDF};
use tch::{Kind, TchError, Tensor};

use super::data::Batch;
use crate::train::Augmentation;

/// Both shapes of the Beta distribution that mixup draws from.
const MIXUP_BETA: f64 = 0.2;

/// Varies a batch. All chance is drawn from `rng`, so it is the same on every device.
pub(super) fn augment(
    batch: Batch,
    augmentations: &[Augmentation],
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Batch, TchError> {
    augmentations.iter().try_fold(batch, |batch, augmentation| {
        let Batch { x, y, mixed } = batch;
        let x = match augmentation {
            Augmentation::Crop => crop(&x, rng)?,
            Augmentation::Flip => flip(&x, rng)?,
            Augmentation::Cutout => blank(&x, rng, |rng, size| {
                [window(rng, size[2], size[2] / 2), window(rng, size[3], size[3] / 2)]
            })?,
            Augmentation::TimeShift => time_shift(&x, rng)?,
            Augmentation::SpecAugment => {
                // A band over all of time, then a stretch over all bands.
                let bands = blank(&x, rng, |rng, size| [stretch(rng, size[2]), (0, size[3])])?;
                blank(&bands, rng, |rng, size| [(0, size[2]), stretch(rng, size[3])])?
            }
            Augmentation::Mixup => return mixup(&x, y, rng),
        };
        Ok(Batch { x, y, mixed })
    })
}

/// A random `[start, end)` of at most a quarter of a side.
fn stretch(rng: &mut Xoshiro256PlusPlus, side: i64) -> (i64, i64) {
    let length = rng.gen_range(0..=side / 4);
    let start = rng.gen_range(0..=side - length);
    (start, start + length)
}

/// `length` around a random place, cut off at the border.
fn window(rng: &mut Xoshiro256PlusPlus, side: i64, length: i64) -> (i64, i64) {
    let start = rng.gen_range(0..side) - length / 2;
    (start.max(0), (start + length).min(side))
}

/// Sets a window of every picture `[n, c, h, w]` to 0, the mean of standardised values.
fn blank(
    x: &Tensor,
    rng: &mut Xoshiro256PlusPlus,
    draw: impl Fn(&mut Xoshiro256PlusPlus, &[i64]) -> [(i64, i64); 2],
) -> Result<Tensor, TchError> {
    let size = x.size();
    let windows: Vec<[(i64, i64); 2]> = (0..size[0]).map(|_| draw(rng, &size)).collect();
    let inside = |axis: usize, side: i64| -> Result<Tensor, TchError> {
        let bound = |pick: fn(&(i64, i64)) -> i64| {
            let bounds: Vec<i64> = windows.iter().map(|window| pick(&window[axis])).collect();
            Tensor::f_from_slice(&bounds)?.f_to_device(x.device())?.f_unsqueeze(1)
        };
        let places = Tensor::f_arange(side, (Kind::Int64, x.device()))?.f_unsqueeze(0)?;
        places.f_ge_tensor(&bound(|w| w.0)?)?.f_logical_and(&places.f_lt_tensor(&bound(|w| w.1)?)?)
    };
    let rows = inside(0, size[2])?.f_unsqueeze(2)?;
    let columns = inside(1, size[3])?.f_unsqueeze(1)?;
    let mask = rows.f_logical_and(&columns)?.f_unsqueeze(1)?;
    x.f_masked_fill(&mask, 0.0)
}

/// The values at places of a side given for each example; zeros at places outside.
///
/// # Shapes
/// `x` is `[n, ..., side, ...]` with the side at `axis`, `places` holds `n * side` positions.
fn gather(x: &Tensor, axis: usize, places: &[i64]) -> Result<Tensor, TchError> {
    let size = x.size();
    let side = size[axis];
    let clamped: Vec<i64> = places.iter().map(|place| (*place).clamp(0, side - 1)).collect();
    let within: Vec<f32> =
        places.iter().map(|place| f32::from(u8::from((0..side).contains(place)))).collect();
    let mut shape = vec![1; size.len()];
    (shape[0], shape[axis]) = (size[0], side);
    let index = Tensor::f_from_slice(&clamped)?.f_to_device(x.device())?.f_view(shape.as_slice())?;
    let within = Tensor::f_from_slice(&within)?.f_to_device(x.device())?.f_view(shape.as_slice())?;
    x.f_gather(axis as i64, &index.f_expand(size.as_slice(), false)?, false)?.f_mul(&within)
}

/// Each example moved along an axis by up to `reach` places, zeros coming in.
fn shift(x: &Tensor, axis: usize, reach: i64, rng: &mut Xoshiro256PlusPlus) -> Result<Tensor, TchError> {
    let (n, side) = (x.size()[0], x.size()[axis]);
    let places: Vec<i64> = (0..n)
        .flat_map(|_| {
            let by = rng.gen_range(-reach..=reach);
            (0..side).map(move |place| place + by)
        })
        .collect();
    gather(x, axis, &places)
}

fn crop(x: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Result<Tensor, TchError> {
    let reach = |axis: usize| (x.size()[axis] / 8).max(1);
    let moved = shift(x, 2, reach(2), rng)?;
    shift(&moved, 3, reach(3), rng)
}

fn time_shift(x: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Result<Tensor, TchError> {
    let axis = x.dim() - 1;
    shift(x, axis, (x.size()[axis] / 10).max(1), rng)
}

fn flip(x: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Result<Tensor, TchError> {
    let (n, side) = (x.size()[0], x.size()[3]);
    let places: Vec<i64> = (0..n)
        .flat_map(|_| {
            let mirrored = rng.r#gen::<bool>();
            (0..side).map(move |place| if mirrored { side - 1 - place } else { place })
        })
        .collect();
    gather(x, 3, &places)
}

fn mixup(x: &Tensor, y: Tensor, rng: &mut Xoshiro256PlusPlus) -> Result<Batch, TchError> {
    let n = y.size()[0];
    let share = Beta::new(MIXUP_BETA, MIXUP_BETA).expect("both shapes are above 0").inverse_cdf(rng.r#gen());
    // Everyone with the one that stands some places on: a permutation without fixed points is all that is needed.
    let by = if n > 1 { rng.gen_range(1..n) } else { 0 };
    let partner = x.f_roll(by, 0_i64)?;
    let x = x.f_mul_scalar(share)?.f_add(&partner.f_mul_scalar(1.0 - share)?)?;
    let other = y.f_roll(by, 0_i64)?;
    Ok(Batch { x, y, mixed: Some((other, share)) })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use tch::Device;

    use super::*;

    fn rng() -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(3)
    }

    fn batch(n: i64, size: &[i64]) -> Batch {
        let shape: Vec<i64> = std::iter::once(n).chain(size.iter().copied()).collect();
        let count: i64 = shape.iter().product();
        let x = Tensor::arange(count, (Kind::Float, Device::Cpu)).reshape(shape.as_slice()) + 1.0;
        Batch { x, y: Tensor::arange(n, (Kind::Int64, Device::Cpu)), mixed: None }
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.contiguous().reshape([-1])).unwrap()
    }

    fn applied(augmentation: Augmentation, given: Batch) -> Batch {
        augment(given, &[augmentation], &mut rng()).unwrap()
    }

    #[test]
    fn some_pictures_are_mirrored_and_the_others_left() {
        let given = batch(16, &[1, 2, 3]);
        let got = applied(Augmentation::Flip, batch(16, &[1, 2, 3])).x;
        let mirrored = given.x.flip([3]);
        let is = |other: &Tensor| (0..16).filter(|at| got.get(*at) == other.get(*at)).count();
        assert_eq!(is(&given.x) + is(&mirrored), 16);
        assert!(is(&mirrored) > 2 && is(&given.x) > 2);
    }

    #[test]
    fn what_is_moved_keeps_its_values_and_zeros_come_in() {
        for (augmentation, size) in
            [(Augmentation::Crop, vec![2, 16, 16]), (Augmentation::TimeShift, vec![2, 40])]
        {
            let got = applied(augmentation, batch(8, &size)).x;
            let given = batch(8, &size).x;
            let mut moved = 0;
            for at in 0..8 {
                let (got, given) = (values(&got.get(at)), values(&given.get(at)));
                assert!(got.iter().all(|value| *value == 0.0 || given.contains(value)));
                moved += usize::from(got != given);
                assert!(got.iter().filter(|value| **value == 0.0).count() < got.len() / 3);
            }
            assert!(moved > 4, "{augmentation:?}");
        }
    }

    #[test]
    fn windows_are_blacked_out_in_all_channels() {
        for augmentation in [Augmentation::Cutout, Augmentation::SpecAugment] {
            let got = applied(augmentation, batch(8, &[2, 12, 12])).x;
            let is_zero = got.eq(0.0);
            assert_eq!(is_zero.select(1, 0), is_zero.select(1, 1));
            let share = is_zero.to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
            assert!(share > 0.02 && share < 0.5, "{augmentation:?} {share}");
        }
    }

    #[test]
    fn pairs_are_mixed_with_the_share_of_their_classes() {
        let given = batch(6, &[3]);
        let Batch { x, y, mixed } = applied(Augmentation::Mixup, batch(6, &[3]));
        let (other, share) = mixed.unwrap();
        assert!((0..6).all(|at| y.int64_value(&[at]) != other.int64_value(&[at])));
        let want = given.x.index_select(0, &y) * share + given.x.index_select(0, &other) * (1.0 - share);
        assert!((x - want).abs().max().double_value(&[]) < 1e-5);
    }
}
