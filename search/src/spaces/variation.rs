//! Architectures near another one.

use heirloom_kb::{Architecture, Param, Range, SearchSpace, Value};
use rand::Rng;
use rand::seq::SliceRandom;

use super::pool::draw;

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
    let open = space.params().iter().filter(|param| {
        architecture.get(&param.name).is_some() && param.range.cardinality().is_none_or(|n| n > 1)
    });
    let open: Vec<&Param> = open.collect();
    let Some(param) = open.choose(rng) else { return architecture.clone() };
    let current = architecture.get(&param.name).expect("open parameters have a value");
    let value = loop {
        let value = draw(&param.range, rng);
        // A range of reals whose bounds agree can only be redrawn.
        if !value.same(current) || param.range.cardinality().is_none() {
            break value;
        }
    };
    with_value(space, architecture, param, &value, |param| draw(&param.range, rng))
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
