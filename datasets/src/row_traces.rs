//! `RowTraces`: what examples are recognised by, also when they were prepared in another way.

use std::collections::{BTreeMap, HashMap, HashSet};

use heirloom_kb::Domain;
use serde::{Deserialize, Serialize};

use crate::Dataset;

/// Cells of a table's row that a trace keeps in each reading.
const MOST_CELLS: usize = 16;
/// The share of what a trace's cells tell that a row has to agree in, by values.
const LEAST_BY_VALUE: f32 = 0.5;
/// The same by places, which follow from each other where columns rise together.
const LEAST_BY_PLACE: f32 = 0.9;
/// Bits that a row has to agree in beyond those that single one row out among all that are looked at.
const SPARE_BITS: f32 = 6.0;
/// Rows over which it is counted how frequent a cell is.
const COUNTED_ROWS: usize = 10_000;
/// Columns of larger data sets are not sorted.
const MOST_SORTED: usize = 5_000_000;

/// What one example is recognised by. Nothing of it tells a value, but who has a value can tell that it is there: it is kept beside
/// a base and goes out with no network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowTrace {
    /// Its values as the data set has them.
    pub mark: u32,
    /// Its picture or sound as the file has it, before it was brought to the shape that all get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<u32>,
    /// Of a table's row the cells that tell most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(u32, f32)>,
    /// The same of what place each cell has in the order of its column: it stays when a column is scaled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<(u32, f32)>,
}

/// The traces of the examples of a data set.
///
/// A row of a table or series is compared value by value, so that it is recognised where a column has been changed, added or taken
/// away: a value counts wherever it stands in the row, and tells `-log2` of the share of rows that have it, as in record linkage
/// (Fellegi and Sunter 1969, doi:10.1080/01621459.1969.10501049). Places in the order of a column are compared likewise, for they
/// stay when all columns are scaled; but only among the same rows. Tables of few words are recognised by whole rows alone.
#[derive(Debug)]
pub struct RowTraces<'a> {
    dataset: &'a Dataset,
    values: Option<Cells<'a>>,
    ranks: Option<Cells<'a>>,
}

/// The cells of rows in one reading, and how many rows have each.
#[derive(Debug)]
struct Cells<'a> {
    dataset: &'a Dataset,
    /// The different values of each column in order, where it is their places that count.
    sorted: Option<Vec<Vec<f32>>>,
    /// The share of what a trace tells that a row has to agree in.
    least_agreed: f32,
    counted: usize,
    counts: HashMap<u32, u32>,
}

impl<'a> RowTraces<'a> {
    /// Of all examples of a data set.
    #[must_use]
    pub fn of(dataset: &'a Dataset) -> Self {
        let has_cells =
            matches!(dataset.domain(), Domain::Tabular | Domain::Timeseries) && dataset.x().ncols() > 1;
        let is_sorted = has_cells && dataset.x().len() <= MOST_SORTED;
        RowTraces {
            dataset,
            values: has_cells.then(|| Cells::new(dataset, None, LEAST_BY_VALUE)),
            ranks: is_sorted.then(|| {
                let columns = dataset.x().columns().into_iter();
                let sorted = columns.map(|column| different(column.to_vec())).collect();
                Cells::new(dataset, Some(sorted), LEAST_BY_PLACE)
            }),
        }
    }

    /// The trace of a row.
    #[must_use]
    pub fn trace(&self, row: usize) -> RowTrace {
        let telling =
            |cells: &Option<Cells<'_>>| cells.as_ref().map_or_else(Vec::new, |cells| cells.telling(row));
        RowTrace {
            mark: self.dataset.row_mark(row),
            raw: self.dataset.raw_mark(row),
            values: telling(&self.values),
            ranks: telling(&self.ranks),
        }
    }

    /// Which of these traces, of any data, are those of one of these rows.
    #[must_use]
    pub fn recognised(&self, traces: &[RowTrace], rows: &[usize]) -> Vec<bool> {
        let marks: HashSet<u32> = rows.iter().map(|row| self.dataset.row_mark(*row)).collect();
        let raw: HashSet<u32> = rows.iter().filter_map(|row| self.dataset.raw_mark(*row)).collect();
        let by_cells = |cells: &Option<Cells<'_>>, of: fn(&RowTrace) -> &[(u32, f32)]| {
            let wanted: Vec<&[(u32, f32)]> = traces.iter().map(of).collect();
            cells.as_ref().map_or_else(|| vec![false; traces.len()], |cells| cells.recognised(&wanted, rows))
        };
        let by_value = by_cells(&self.values, |trace| &trace.values);
        let by_rank = by_cells(&self.ranks, |trace| &trace.ranks);
        let is_whole = |trace: &RowTrace| {
            marks.contains(&trace.mark) || trace.raw.is_some_and(|mark| raw.contains(&mark))
        };
        let known = traces.iter().zip(by_value.iter().zip(&by_rank));
        known.map(|(trace, (value, rank))| is_whole(trace) || *value || *rank).collect()
    }
}

impl<'a> Cells<'a> {
    fn new(dataset: &'a Dataset, sorted: Option<Vec<Vec<f32>>>, least_agreed: f32) -> Self {
        let step = dataset.n().div_ceil(COUNTED_ROWS);
        let counted = dataset.n().div_ceil(step);
        let mut cells = Cells { dataset, sorted, least_agreed, counted, counts: HashMap::new() };
        for row in (0..dataset.n()).step_by(step) {
            cells.tokens(row).into_iter().for_each(|token| *cells.counts.entry(token).or_default() += 1);
        }
        cells
    }

    /// The different cells of a row.
    fn tokens(&self, row: usize) -> Vec<u32> {
        let values = self.dataset.x().row(row);
        let token = |(column, value): (usize, &f32)| match &self.sorted {
            None => mixed(u64::from(value.to_bits())),
            Some(sorted) => {
                let place = sorted[column].partition_point(|other| other.total_cmp(value).is_lt());
                mixed((self.dataset.n() as u64) << 32 | place as u64)
            }
        };
        let mut tokens: Vec<u32> = values.iter().enumerate().map(token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// How many bits it tells that a row has this cell.
    fn bits(&self, token: u32) -> f32 {
        (self.counted as f32 / self.counts.get(&token).copied().unwrap_or(1) as f32).log2()
    }

    /// The cells of a row that tell most, and how much.
    fn telling(&self, row: usize) -> Vec<(u32, f32)> {
        let mut cells: Vec<(u32, f32)> =
            self.tokens(row).into_iter().map(|token| (token, self.bits(token))).collect();
        cells.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        cells.truncate(MOST_CELLS);
        cells
    }

    /// Which of the lists of cells are those of one of the rows.
    fn recognised(&self, traces: &[&[(u32, f32)]], rows: &[usize]) -> Vec<bool> {
        let cells = traces.iter().flat_map(|cells| cells.iter());
        let mut holders: HashMap<u32, Vec<usize>> = cells.map(|(token, _)| (*token, Vec::new())).collect();
        if holders.is_empty() {
            return vec![false; traces.len()];
        }
        for row in rows {
            for token in self.tokens(*row) {
                if let Some(holders) = holders.get_mut(&token) {
                    holders.push(*row);
                }
            }
        }
        let spare = (rows.len().max(1) as f32).log2() + SPARE_BITS;
        let is_known = |cells: &&[(u32, f32)]| {
            let told: f32 = cells.iter().map(|(_, bits)| bits).sum();
            let needed = spare.max(told * self.least_agreed);
            let mut agreed: BTreeMap<usize, f32> = BTreeMap::new();
            for (token, bits) in *cells {
                for row in &holders[token] {
                    *agreed.entry(*row).or_default() += bits.min(self.bits(*token));
                }
            }
            agreed.values().any(|agreed| *agreed >= needed)
        };
        traces.iter().map(is_known).collect()
    }
}

/// The different values of a column, in order.
fn different(mut column: Vec<f32>) -> Vec<f32> {
    column.sort_unstable_by(f32::total_cmp);
    column.dedup();
    column
}

/// The upper half of a word's bits, mixed (the finaliser of MurmurHash3).
fn mixed(word: u64) -> u32 {
    let word = (word ^ word >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (word ^ word >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (word >> 32) as u32
}

/// 32 bits of the BLAKE3 hash of some bytes.
pub(crate) fn mark_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*blake3::hash(bytes).as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    const N: usize = 300;

    fn data(x: Array2<f32>) -> Dataset {
        let y = (0..x.nrows()).map(|row| row % 2).collect();
        let shape = [x.ncols()];
        Dataset::new("d", Domain::Tabular, &shape, x, y, vec!["a".into(), "b".into()], "").unwrap()
    }

    /// Columns of a table as people have them: measures, whole numbers, and marks.
    fn table(seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Array2::from_shape_fn((N, 6), |(_, column)| {
            let u = rng.r#gen::<f32>();
            match column {
                0..3 => (u * 1e5).round() / 1e3,
                3 => (u * 60.0).round(),
                4 => (u * u * 20.0).round(),
                _ => u.round(),
            }
        })
    }

    /// The share of the traces of the first half of a table's rows that are recognised among the other table's rows.
    fn share(of: &Array2<f32>, among: &Array2<f32>) -> f64 {
        let (of, among) = (data(of.clone()), data(among.clone()));
        let known = RowTraces::of(&of);
        let traces: Vec<RowTrace> = (0..of.n() / 2).map(|row| known.trace(row)).collect();
        let rows: Vec<usize> = (0..among.n()).collect();
        let found = RowTraces::of(&among).recognised(&traces, &rows);
        found.iter().filter(|found| **found).count() as f64 / traces.len() as f64
    }

    fn with_column(x: &Array2<f32>, column: usize, change: impl Fn(f32) -> f32) -> Array2<f32> {
        let mut x = x.clone();
        x.column_mut(column).mapv_inplace(change);
        x
    }

    #[test]
    fn rows_are_recognised_when_columns_change() {
        let x = table(0);
        assert!(share(&x, &with_column(&x, 0, f32::round)) > 0.95, "one is rounded");
        assert!(share(&x, &with_column(&x, 1, |value| value * 1_000.0)) > 0.95, "one is scaled");
        assert!(share(&x, &x.select(Axis(1), &[1, 2, 3, 4, 5])) > 0.95, "one is gone");
        let reversed: Vec<usize> = (0..N).rev().collect();
        let moved = x.select(Axis(0), &reversed).select(Axis(1), &[5, 3, 1, 0, 2, 4]);
        assert!(share(&x, &moved) > 0.95, "rows and columns stand elsewhere");
        let scaled = (&x - &x.mean_axis(Axis(0)).unwrap()) / &x.std_axis(Axis(0), 0.0);
        assert!(share(&x, &scaled) > 0.95, "all are standardised");
        let some = with_column(&x, 2, |value| value + 1.0).select(Axis(0), &(N / 4..N).collect::<Vec<_>>());
        let half = share(&x, &some);
        assert!((0.45..0.55).contains(&half), "half of the rows are gone: {half}");
    }

    #[test]
    fn other_rows_of_the_same_kind_are_not_recognised() {
        let (x, other) = (table(0), table(1));
        assert!(share(&x, &other) < 0.01);
        let whole = |x: &Array2<f32>| x.select(Axis(1), &[3, 4, 5]);
        assert!(share(&whole(&x), &with_column(&whole(&other), 0, |value| value + 0.5)) < 0.01);
    }

    /// Halves of real tables have rows that are alike and none in common.
    #[test]
    fn real_tables_are_told_apart() {
        let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS") else {
            println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
            return;
        };
        for name in ["wine", "breast_cancer", "iris", "digits-table"] {
            let all = crate::loaders::open(name, std::path::Path::new(&dir), false).unwrap();
            let half = |first: usize| (first..all.n()).step_by(2).collect::<Vec<_>>();
            let (even, odd) = (all.x().select(Axis(0), &half(0)), all.x().select(Axis(0), &half(1)));
            let strange = share(&even, &odd);
            assert!(strange < 0.05, "{name}: {strange} of the rows of one half seem to be in the other");
            let changed = share(&even, &with_column(&even, 0, |value| value * 3.0 + 1.0));
            let is_fine = matches!(name, "wine" | "breast_cancer");
            assert!(!is_fine || changed > 0.95, "{name}: {changed}");
        }
    }

    #[test]
    fn a_trace_is_written_and_read_back() {
        let data = data(table(0));
        let trace = RowTraces::of(&data).trace(3);
        assert!(trace.raw.is_none() && !trace.values.is_empty() && !trace.ranks.is_empty());
        let text = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<RowTrace>(&text).unwrap(), trace);
    }
}
