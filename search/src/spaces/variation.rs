//! Architectures near another one.

use heirloom_kb::{Architecture, Param, Range, SearchSpace, Value};
use rand::Rng;
use rand::seq::SliceRandom;

use super::pool::draw;

/// Ranges of more numbers than this are stepped through at random, not value by value.
const FEW: u64 = 32;

/// Steps from a number of such a range, in a neighbourhood.
const STEPS: usize = 4;

/// All architectures that differ in one discrete parameter. A parameter that becomes active by the change gets the
/// first value of its range (a real one its lower bound), one that ceases to be active loses its value.
#[must_use]
pub fn neighbours(space: &SearchSpace, architecture: &Architecture) -> Vec<Architecture> {
    let mut near = Vec::new();
    for param in space.params() {
        let Some(current) = architecture.get(&param.name) else { continue };
        let values = (0..param.range.cardinality().unwrap_or(0)).filter_map(|at| param.range.value_at(at));
        for value in values.filter(|value| !value.same(current)) {
            near.push(with_value(space, architecture, param, &value, |param| first_value(&param.range)));
        }
    }
    near
}

/// One active parameter, chosen at random, drawn anew until it differs; parameters that become active are drawn too.
/// An architecture whose parameters all have one value comes back as it is.
#[must_use]
pub fn mutate(space: &SearchSpace, architecture: &Architecture, rng: &mut impl Rng) -> Architecture {
    let Some((param, current)) = any_open(space, architecture, rng) else { return architecture.clone() };
    let value = redraw(&param.range, current, rng);
    with_value(space, architecture, param, &value, |param| draw(&param.range, rng))
}

/// Like [`mutate`], but a number takes a step from where it is instead of being drawn anew: normally distributed, `step` of
/// its range wide (of the range's logarithm where it is logarithmic), at least to the next value, turned back at the
/// bounds. Choices, which have no order, are drawn anew.
#[must_use]
pub fn perturb(
    space: &SearchSpace,
    architecture: &Architecture,
    step: f64,
    rng: &mut impl Rng,
) -> Architecture {
    let Some((param, current)) = any_open(space, architecture, rng) else { return architecture.clone() };
    let value = step_from(&param.range, current, step, rng);
    with_value(space, architecture, param, &value, |param| draw(&param.range, rng))
}

/// Architectures that differ in one parameter: every other option of a choice and every other of few numbers, some steps of
/// [`perturb`] from a number of many. Parameters that become active are drawn.
pub(crate) fn surroundings(
    space: &SearchSpace,
    architecture: &Architecture,
    step: f64,
    rng: &mut impl Rng,
) -> Vec<Architecture> {
    let mut near = Vec::new();
    for param in space.params() {
        let current = architecture.get(&param.name).filter(|_| is_open(&param.range));
        let Some(current) = current else { continue };
        for value in values_near(&param.range, current, step, rng) {
            near.push(with_value(space, architecture, param, &value, |param| draw(&param.range, rng)));
        }
    }
    near
}

fn values_near(range: &Range, current: &Value, step: f64, rng: &mut impl Rng) -> Vec<Value> {
    if !is_stepped(range) {
        let all = (0..range.cardinality().unwrap_or(0)).filter_map(|at| range.value_at(at));
        return all.filter(|value| !value.same(current)).collect();
    }
    (0..STEPS).map(|_| step_from(range, current, step, rng)).collect()
}

/// Whether a neighbourhood holds only some of a range's values, steps from where it is.
pub(crate) fn is_stepped(range: &Range) -> bool {
    !matches!(range, Range::Choice { .. }) && range.cardinality().is_none_or(|n| n > FEW)
}

/// Whether there is more than one value.
fn is_open(range: &Range) -> bool {
    match range {
        Range::Real { lo, hi, .. } => lo < hi,
        discrete => discrete.cardinality().is_some_and(|n| n > 1),
    }
}

/// An active parameter that has other values, drawn at random, and its value.
fn any_open<'a>(
    space: &'a SearchSpace,
    architecture: &'a Architecture,
    rng: &mut impl Rng,
) -> Option<(&'a Param, &'a Value)> {
    let values = space.params().iter().filter(|param| is_open(&param.range));
    let open: Vec<_> =
        values.filter_map(|param| architecture.get(&param.name).map(|value| (param, value))).collect();
    open.choose(rng).copied()
}

/// Another value of a range that has one.
fn redraw(range: &Range, current: &Value, rng: &mut impl Rng) -> Value {
    loop {
        let value = draw(range, rng);
        if !value.same(current) {
            return value;
        }
    }
}

/// A value near the current one, and not that.
fn step_from(range: &Range, current: &Value, step: f64, rng: &mut impl Rng) -> Value {
    let by = step * normal(rng);
    let number = current.as_f64();
    match (range, number) {
        (Range::Real { lo, hi, log }, Some(number)) => Value::Real(stepped(number, *lo, *hi, *log, by)),
        (Range::Int { lo, hi, log }, Some(number)) => {
            let aim = stepped(number, *lo as f64, *hi as f64, *log, by).round() as i64;
            let now = number as i64;
            let next = if aim == now { next_to(now, *lo, *hi, by) } else { aim };
            Value::Int(next.clamp(*lo, *hi))
        }
        (Range::Levels { values }, _) => {
            let last = values.len() as i64 - 1;
            let now = range.index_of(current).map_or(0, |at| at as i64);
            let aim = stepped(now as f64, 0.0, last as f64, false, by).round() as i64;
            let at = if aim == now { next_to(now, 0, last, by) } else { aim };
            values[at.clamp(0, last) as usize].clone()
        }
        _ => redraw(range, current, rng),
    }
}

/// A number moved by a share of its range, turned back at the bounds.
fn stepped(number: f64, lo: f64, hi: f64, log: bool, by: f64) -> f64 {
    let at = if log { (number / lo).ln() / (hi / lo).ln() } else { (number - lo) / (hi - lo) };
    let there = (at + by).rem_euclid(2.0);
    let there = if there > 1.0 { 2.0 - there } else { there };
    let moved = if log { lo * (hi / lo).powf(there) } else { lo + (hi - lo) * there };
    moved.clamp(lo, hi)
}

/// The next whole number in the direction of a step, the other way at a bound.
fn next_to(now: i64, lo: i64, hi: i64, by: f64) -> i64 {
    let up = (by >= 0.0 && now < hi) || now <= lo;
    if up { now.saturating_add(1) } else { now.saturating_sub(1) }
}

/// A standard normal number. *Source*: Box and Muller, 1958.
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.r#gen(), rng.r#gen());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The architecture with one parameter changed; `fresh` gives those their value that become active by it.
fn with_value(
    space: &SearchSpace,
    architecture: &Architecture,
    changed: &Param,
    value: &Value,
    mut fresh: impl FnMut(&Param) -> Value,
) -> Architecture {
    let mut next = Architecture::default();
    for param in space.params() {
        if !space.is_active(param, &next) {
            continue;
        }
        let value = if param.name == changed.name {
            value.clone()
        } else {
            architecture.get(&param.name).cloned().unwrap_or_else(|| fresh(param))
        };
        next.set(&param.name, value);
    }
    next
}

fn first_value(range: &Range) -> Value {
    match range {
        Range::Real { lo, .. } => Value::Real(*lo),
        discrete => discrete.value_at(0).expect("a checked range has a value"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::spaces::sample;

    fn mixed() -> SearchSpace {
        serde_json::from_str(
            r#"{"id":"mixed/1","params":[
                {"name":"op","range":{"kind":"choice","options":["a","b","c"]}},
                {"name":"one","range":{"kind":"real","lo":2.0,"hi":2.0}},
                {"name":"lr","range":{"kind":"real","lo":1e-5,"hi":0.1,"log":true}},
                {"name":"width","range":{"kind":"levels","values":[16,32,64,128]},"active_if":[{"param":"op","any_of":["a","b"]}]},
                {"name":"units","range":{"kind":"int","lo":1,"hi":4096,"log":true}},
                {"name":"lag","range":{"kind":"int","lo":-500,"hi":500}}]}"#,
        )
        .unwrap()
    }

    proptest! {
        #[test]
        fn steps_stay_in_the_space_and_move(seed in any::<u64>(), step in 1e-6..3.0) {
            let (space, mut rng) = (mixed(), Xoshiro256PlusPlus::seed_from_u64(seed));
            let from = sample(&space, &mut rng);
            let mut near = surroundings(&space, &from, step, &mut rng);
            near.push(perturb(&space, &from, step, &mut rng));
            for near in near {
                prop_assert_eq!(&space.normalise(&near).unwrap(), &near);
                prop_assert_ne!(&near, &from);
            }
        }
    }

    /// A tenth of the range of `lr` is .4 decades: two thirds of the steps are at most that far.
    #[test]
    fn steps_of_a_number_are_as_wide_as_asked() {
        let (space, mut rng) = (mixed(), Xoshiro256PlusPlus::seed_from_u64(1));
        let from: Architecture =
            serde_json::from_str(r#"{"op":"c","one":2.0,"lr":1e-3,"units":64,"lag":0}"#).unwrap();
        let steps = (0..20_000).map(|_| perturb(&space, &from, 0.1, &mut rng));
        let decades: Vec<f64> =
            steps.map(|to| (to.number("lr").unwrap() / 1e-3).log10().abs()).filter(|by| *by > 0.0).collect();
        let near = decades.iter().filter(|by| **by <= 0.4).count() as f64 / decades.len() as f64;
        assert!((near - 0.683).abs() < 0.02, "{near}");
    }

    #[test]
    fn surroundings_hold_every_other_option_and_few_of_many_numbers() {
        let (space, mut rng) = (mixed(), Xoshiro256PlusPlus::seed_from_u64(2));
        let from: Architecture =
            serde_json::from_str(r#"{"op":"a","one":2.0,"lr":1e-3,"width":32,"units":64,"lag":0}"#).unwrap();
        let near = surroundings(&space, &from, 0.1, &mut rng);
        let changed = |name: &str| {
            near.iter().filter(|to| to.get(name).is_some() && to.get(name) != from.get(name)).count()
        };
        assert_eq!(
            [changed("op"), changed("one"), changed("lr"), changed("width"), changed("lag")],
            [2, 0, 4, 3, 4]
        );
    }
}
