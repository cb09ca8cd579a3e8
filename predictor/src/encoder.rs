//! `Encoder`: from an architecture to a row of numbers.

use heirloom_kb::{Architecture, Param, Range, SchemaError, SearchSpace, Value};
use ndarray::{Array2, ArrayViewMut1, Axis};
use rayon::prelude::*;

use crate::PredictError;

/// Two options of a choice differ in two one-hot entries; this makes their squared distance 1, as far as the
/// ends of a real parameter are apart.
const ONE_HOT: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// What one column of the encoding says.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// `op1=gcn`, `depth`, `model.params_m`, `width2?`.
    pub name: String,
}

/// Turns architectures of one space into rows of features.
///
/// * a choice becomes one column an option (`1/sqrt 2` for the chosen one, else 0), and one column a descriptor,
///   scaled to `[0, 1]` over the options;
/// * levels, integers and reals become one column in `[0, 1]`: by position for levels, linear or logarithmic
///   for the others;
/// * a conditional parameter gets one more column that says whether it is active; its other columns are then 0.
///
/// # Shapes
/// A row is `(d,)` with `d = Encoder::width()`.
#[derive(Clone, Debug)]
pub struct Encoder {
    space: SearchSpace,
    features: Vec<Feature>,
    /// First column of each parameter.
    starts: Vec<usize>,
    /// Columns of the parameters; those of the descriptors follow.
    own_width: usize,
    descriptors: Option<Descriptors>,
}

/// Numbers about an architecture that its parameters do not show plainly, such as what its network looks like.
#[derive(Clone, Debug)]
pub struct Descriptors {
    /// What they say, one name a number.
    pub names: Vec<String>,
    /// The numbers of an architecture, as many as there are names.
    pub describe: fn(&Architecture) -> Vec<f64>,
}

impl Encoder {
    /// The encoder of a space.
    #[must_use]
    pub fn new(space: &SearchSpace) -> Self {
        let mut features = Vec::new();
        let mut starts = Vec::new();
        for param in space.params() {
            starts.push(features.len());
            features.extend(feature_names(param).into_iter().map(|name| Feature { name }));
        }
        let own_width = features.len();
        Encoder { space: space.clone(), features, starts, own_width, descriptors: None }
    }

    /// The encoder of a space whose rows end with descriptors.
    #[must_use]
    pub fn with_descriptors(space: &SearchSpace, descriptors: Option<Descriptors>) -> Self {
        let mut encoder = Encoder::new(space);
        let names = descriptors.iter().flat_map(|descriptors| &descriptors.names);
        encoder.features.extend(names.map(|name| Feature { name: name.clone() }));
        encoder.descriptors = descriptors;
        encoder
    }

    /// The number of columns that the parameters have; those of the descriptors follow.
    #[must_use]
    pub fn own_width(&self) -> usize {
        self.own_width
    }

    /// The space whose architectures are encoded.
    #[must_use]
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The number of columns `d`.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// What the columns say, `d` of them.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Encodes architectures, in parallel.
    ///
    /// # Shapes
    /// `n` architectures give `(n, d)`.
    ///
    /// # Errors
    /// [`PredictError::Architecture`] for one that does not fit the space.
    pub fn encode(&self, architectures: &[Architecture]) -> Result<Array2<f64>, PredictError> {
        let mut x = Array2::zeros((architectures.len(), self.width()));
        x.axis_iter_mut(Axis(0)).into_par_iter().zip(architectures).enumerate().try_for_each(
            |(index, (row, architecture))| {
                self.encode_into(architecture, row)
                    .map_err(|source| PredictError::Architecture { index, source })
            },
        )?;
        Ok(x)
    }

    fn encode_into(
        &self,
        architecture: &Architecture,
        mut row: ArrayViewMut1<'_, f64>,
    ) -> Result<(), SchemaError> {
        for (param, start) in self.space.params().iter().zip(&self.starts) {
            if !self.space.is_active(param, architecture) {
                continue;
            }
            let value = architecture.get(&param.name);
            if !value.is_some_and(|value| write_value(&param.range, value, &mut row, *start)) {
                // The slow path, taken once: it finds the words for what is wrong.
                return self.space.normalise(architecture).map(|_| ());
            }
            if !param.active_if.is_empty() {
                row[start + range_width(&param.range)] = 1.0;
            }
        }
        if let Some(descriptors) = &self.descriptors {
            let numbers = (descriptors.describe)(architecture);
            row.iter_mut().skip(self.own_width).zip(numbers).for_each(|(cell, number)| *cell = number);
        }
        Ok(())
    }

    /// What identifies an architecture within the space: the position of each value (bits of a real), and
    /// `u64::MAX` where a parameter is inactive.
    #[must_use]
    pub fn key(&self, architecture: &Architecture) -> Vec<u64> {
        let of = |param: &Param| {
            let value = architecture.get(&param.name)?;
            match param.range {
                Range::Real { .. } => value.as_f64().map(f64::to_bits),
                _ => param.range.index_of(value),
            }
        };
        self.space.params().iter().map(|param| of(param).unwrap_or(u64::MAX)).collect()
    }

    /// The architecture of a key, as the space writes it.
    #[must_use]
    pub fn architecture(&self, key: &[u64]) -> Architecture {
        let value = |(param, at): (&Param, &u64)| {
            let value = match param.range {
                _ if *at == u64::MAX => None,
                Range::Real { .. } => Some(Value::Real(f64::from_bits(*at))),
                _ => param.range.value_at(*at),
            };
            Some((param.name.clone(), value?))
        };
        self.space.params().iter().zip(key).filter_map(value).collect()
    }
}

fn feature_names(param: &Param) -> Vec<String> {
    let name = &param.name;
    let mut names: Vec<String> = match &param.range {
        Range::Choice { options, descriptors } => {
            let one_hot = options.iter().map(|option| format!("{name}={option}"));
            one_hot.chain(descriptors.keys().map(|key| format!("{name}.{key}"))).collect()
        }
        _ => vec![name.to_string()],
    };
    if !param.active_if.is_empty() {
        names.push(format!("{name}?"));
    }
    names
}

/// Columns of a range, the activity column not counted.
fn range_width(range: &Range) -> usize {
    match range {
        Range::Choice { options, descriptors } => options.len() + descriptors.len(),
        Range::Levels { .. } | Range::Int { .. } | Range::Real { .. } => 1,
    }
}

/// Writes a value's columns; false when the range does not allow it.
fn write_value(range: &Range, value: &Value, row: &mut ArrayViewMut1<'_, f64>, start: usize) -> bool {
    match range {
        Range::Choice { options, descriptors } => {
            let Some(at) = index_of(range, value) else { return false };
            row[start + at] = ONE_HOT;
            for (column, numbers) in descriptors.values().enumerate() {
                row[start + options.len() + column] = unit(numbers, at);
            }
            true
        }
        Range::Levels { values } => {
            let Some(at) = index_of(range, value) else { return false };
            row[start] = if values.len() > 1 { at as f64 / (values.len() - 1) as f64 } else { 0.0 };
            true
        }
        Range::Int { lo, hi, log } => {
            write_number(value.as_f64(), *lo as f64, *hi as f64, *log, &mut row[start])
        }
        Range::Real { lo, hi, log } => write_number(value.as_f64(), *lo, *hi, *log, &mut row[start]),
    }
}

fn index_of(range: &Range, value: &Value) -> Option<usize> {
    range.index_of(value).and_then(|at| usize::try_from(at).ok())
}

fn write_number(value: Option<f64>, lo: f64, hi: f64, log: bool, cell: &mut f64) -> bool {
    let Some(value) = value.filter(|value| (lo..=hi).contains(value)) else { return false };
    let scaled = if log { (value / lo).ln() / (hi / lo).ln() } else { (value - lo) / (hi - lo) };
    // A range of one value has no scale.
    *cell = if scaled.is_finite() { scaled } else { 0.0 };
    true
}

/// The `at`-th number, scaled to `[0, 1]` over all of them.
fn unit(numbers: &[f64], at: usize) -> f64 {
    let lo = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let hi = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if hi > lo { (numbers[at] - lo) / (hi - lo) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> SearchSpace {
        serde_json::from_str(
            r#"{"id":"t/1","params":[
                {"name":"model","range":{"kind":"choice","options":["a","b","c"],
                    "descriptors":{"gflops":[1.0,3.0,2.0]}}},
                {"name":"depth","range":{"kind":"int","lo":1,"hi":5}},
                {"name":"width","range":{"kind":"levels","values":[16,32,64]},
                    "active_if":[{"param":"depth","any_of":[2,3,4,5]}]},
                {"name":"lr","range":{"kind":"real","lo":1e-4,"hi":1e-2,"log":true}}]}"#,
        )
        .unwrap()
    }

    fn architecture(json: &str) -> Architecture {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn columns_say_what_the_docs_say() {
        let encoder = Encoder::new(&space());
        let names: Vec<&str> = encoder.features().iter().map(|f| f.name.as_str()).collect();
        assert_eq!(
            names,
            ["model=a", "model=b", "model=c", "model.gflops", "depth", "width", "width?", "lr"]
        );
        let x = encoder
            .encode(&[
                architecture(r#"{"model":"c","depth":3,"width":32,"lr":1e-3}"#),
                architecture(r#"{"model":"b","depth":1,"lr":1e-4}"#),
            ])
            .unwrap();
        let want =
            [[0.0, 0.0, ONE_HOT, 0.5, 0.5, 0.5, 1.0, 0.5], [0.0, ONE_HOT, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]];
        for (got, want) in x.rows().into_iter().zip(want) {
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 1e-12, "{got} {want}");
            }
        }
    }

    #[test]
    fn an_architecture_that_does_not_fit_is_named() {
        let encoder = Encoder::new(&space());
        let good = architecture(r#"{"model":"a","depth":1,"lr":1e-3}"#);
        let bad = architecture(r#"{"model":"z","depth":1,"lr":1e-3}"#);
        let error = encoder.encode(&[good, bad]).unwrap_err().to_string();
        assert_eq!(error, r#"architecture 1: "z" is not an option of "model""#);
    }

    #[test]
    fn keys_tell_architectures_apart() {
        let encoder = Encoder::new(&space());
        let a = architecture(r#"{"model":"a","depth":1,"lr":1e-3}"#);
        let b = architecture(r#"{"model":"a","depth":2,"width":16,"lr":1e-3}"#);
        assert_ne!(encoder.key(&a), encoder.key(&b));
        assert_eq!(encoder.key(&a), encoder.key(&a.clone()));
        assert_eq!([&a, &b].map(|one| encoder.architecture(&encoder.key(one))), [a.clone(), b.clone()]);
    }
}
