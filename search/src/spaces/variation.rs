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

/// Like [`mutate`], but a number takes a step from where it is instead of being drawn anew: normally distributed,
/// `step` of its range wide (of the range's logarithm where it is logarithmic), at least to the next value, turned
/// back at the bounds. Choices, which have no order, are drawn anew.
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

/// Architectures that differ in one parameter: every other option of a choice and every other of few numbers, some
/// steps of [`perturb`] from a number of many. Parameters that become active are drawn. Where there are more than `most`, so many of
/// them, drawn at random.
pub(crate) fn surroundings(
    space: &SearchSpace,
    architecture: &Architecture,
    step: f64,
    most: usize,
    rng: &mut impl Rng,
) -> Vec<Architecture> {
    let mut changes: Vec<(&Param, Value)> = Vec::new();
    for param in space.params() {
        let current = architecture.get(&param.name).filter(|_| is_open(&param.range));
        let Some(current) = current else { continue };
        changes.extend(values_near(&param.range, current, step, rng).into_iter().map(|value| (param, value)));
    }
    // Drawn before they are made: in a space of hundreds of parameters making them all takes seconds.
    if changes.len() > most {
        changes.shuffle(rng);
        changes.truncate(most);
    }
    let changed = |(param, value): (&Param, Value)| {
        with_value(space, architecture, param, &value, |param| draw(&param.range, rng))
    };
    changes.into_iter().map(changed).collect()
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
    let aim = value_near(range, turned(position(range, current) + by));
    let (now, last) = match (range, range.cardinality()) {
        (Range::Choice { .. }, _) => return redraw(range, current, rng),
        (_, Some(n)) if aim.same(current) => (range.index_of(current).unwrap_or(0), n - 1),
        _ => return aim,
    };
    let up = (by >= 0.0 && now < last) || now == 0;
    range.value_at(if up { now + 1 } else { now - 1 }).unwrap_or(aim)
}

/// A position beyond 0 or 1, turned back there.
fn turned(position: f64) -> f64 {
    let there = position.rem_euclid(2.0);
    if there > 1.0 { 2.0 - there } else { there }
}

/// Where a value lies between the ends of its range, from 0 to 1: logarithmically where the range says so, by place for
/// options and levels. 0 for what is not of the range.
pub(crate) fn position(range: &Range, value: &Value) -> f64 {
    let between = |lo: f64, hi: f64, log: bool| {
        let number = value.as_f64().unwrap_or(lo);
        if log { (number / lo).ln() / (hi / lo).ln() } else { (number - lo) / (hi - lo) }
    };
    let at = match *range {
        Range::Real { lo, hi, log } => between(lo, hi, log),
        Range::Int { lo, hi, log } => between(lo as f64, hi as f64, log),
        Range::Choice { .. } | Range::Levels { .. } => {
            let last = range.cardinality().unwrap_or(1) - 1;
            range.index_of(value).unwrap_or(0) as f64 / last as f64
        }
    };
    // A range of one value has no scale.
    if at.is_finite() { at.clamp(0.0, 1.0) } else { 0.0 }
}

/// The value of a range nearest to a position from 0 to 1.
pub(crate) fn value_near(range: &Range, position: f64) -> Value {
    let between = |lo: f64, hi: f64, log: bool| {
        let number = if log { lo * (hi / lo).powf(position) } else { lo + (hi - lo) * position };
        number.clamp(lo, hi)
    };
    match *range {
        Range::Real { lo, hi, log } => Value::Real(between(lo, hi, log)),
        Range::Int { lo, hi, log } => {
            Value::Int((between(lo as f64, hi as f64, log).round() as i64).clamp(lo, hi))
        }
        Range::Choice { .. } | Range::Levels { .. } => {
            let last = range.cardinality().unwrap_or(1) - 1;
            let at = (position * last as f64).round() as u64;
            range.value_at(at.min(last)).expect("a checked range has a value")
        }
    }
}

/// A standard normal number. *Source*: Box and Muller, 1958.
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.r#gen(), rng.r#gen());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The architecture with one parameter changed; `fresh` gives those their value that become active by it.
pub(crate) fn with_value(
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
            let mut near = surroundings(&space, &from, step, usize::MAX, &mut rng);
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
        let near = surroundings(&space, &from, 0.1, usize::MAX, &mut rng);
        let changed = |name: &str| {
            near.iter().filter(|to| to.get(name).is_some() && to.get(name) != from.get(name)).count()
        };
        assert_eq!(
            [changed("op"), changed("one"), changed("lr"), changed("width"), changed("lag")],
            [2, 0, 4, 3, 4]
        );
    }
}
