//! Data sets made out of others: some classes, fewer rows, classes taken together.

use std::collections::BTreeSet;

use ndarray::Axis;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{Dataset, DatasetError};

impl Dataset {
    /// Some of the classes, in the order given, with at most `rows_per_class` examples of each that are not in the official
    /// test part, and of that at most a quarter as many, at least one. Which ones is fixed by the seed.
    ///
    /// # Errors
    /// [`DatasetError::Bad`] for a class that there is not or that is named twice, for no class and for no rows.
    pub fn subset(
        &self,
        name: &str,
        classes: &[usize],
        rows_per_class: usize,
        seed: u64,
    ) -> Result<Dataset, DatasetError> {
        let bad = |reason: String| Err(DatasetError::Bad { name: name.to_owned(), reason });
        if let Some(class) = classes.iter().find(|class| **class >= self.n_classes()) {
            return bad(format!("there is no class {class}, {:?} has {}", self.name(), self.n_classes()));
        }
        if classes.iter().collect::<BTreeSet<_>>().len() != classes.len() {
            return bad("a class is named twice".into());
        }
        if rows_per_class == 0 {
            return bad("0 rows a class are no data".into());
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut kept: Vec<usize> = Vec::new();
        for class in classes {
            let of_class = (0..self.n()).filter(|row| self.y()[*row] == *class);
            let (test, free): (Vec<usize>, Vec<usize>) = of_class.partition(|row| self.is_test(*row));
            for (mut rows, most) in [(free, rows_per_class), (test, (rows_per_class / 4).max(1))] {
                rows.shuffle(&mut rng);
                rows.truncate(most);
                kept.extend(rows);
            }
        }
        kept.sort_unstable();
        let place = |class: usize| classes.iter().position(|kept| *kept == class);
        let names = classes.iter().map(|class| self.classes()[*class].clone()).collect();
        self.part(name, &kept, place, names)
    }

    /// Classes taken together under new names; classes that no group names are left out. One group a new class.
    ///
    /// # Errors
    /// [`DatasetError::Bad`] for a class that there is not or that two groups name, and where nothing is left.
    pub fn with_classes_merged(
        &self,
        name: &str,
        groups: &[(&str, &[usize])],
    ) -> Result<Dataset, DatasetError> {
        let bad = |reason: String| Err(DatasetError::Bad { name: name.to_owned(), reason });
        let mut group_of = vec![None; self.n_classes()];
        for (at, (group, classes)) in groups.iter().enumerate() {
            for class in *classes {
                match group_of.get_mut(*class) {
                    None => {
                        return bad(format!(
                            "group {group:?} has the class {class}, there are {}",
                            self.n_classes()
                        ));
                    }
                    Some(Some(_)) => {
                        return bad(format!("the class {class} is named twice, again in {group:?}"));
                    }
                    Some(place) => *place = Some(at),
                }
            }
        }
        let kept: Vec<usize> = (0..self.n()).filter(|row| group_of[self.y()[*row]].is_some()).collect();
        let names = groups.iter().map(|(group, _)| (*group).to_owned()).collect();
        self.part(name, &kept, |class| group_of[class], names)
    }

    fn is_test(&self, row: usize) -> bool {
        self.official_test().is_some_and(|test| test.binary_search(&row).is_ok())
    }

    /// Some rows, ascending, with other classes; official parts stay what they are.
    fn part(
        &self,
        name: &str,
        rows: &[usize],
        class: impl Fn(usize) -> Option<usize>,
        classes: Vec<String>,
    ) -> Result<Dataset, DatasetError> {
        let y = rows.iter().filter_map(|row| class(self.y()[*row])).collect();
        let x = self.x().select(Axis(0), rows);
        let source = format!("part of {}", self.source());
        let data = Dataset::new(name, self.domain(), self.shape(), x, y, classes, &source)?
            .prepared(self.preparation().cloned())
            .with_raw_marks(rows.iter().map(|row| self.raw_mark(*row)).collect());
        let places = |official: &[usize]| -> Vec<usize> {
            (0..rows.len()).filter(|at| official.binary_search(&rows[*at]).is_ok()).collect()
        };
        let data = match self.official_test() {
            Some(test) => data.with_official_test(places(test)),
            None => data,
        };
        Ok(match self.official_validation() {
            Some(validation) => data.with_official_validation(places(validation)),
            None => data,
        })
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Domain;
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    /// Rows that hold their own number, of classes 0, 1, 2, 0, 1, …; the last fifth is the test part.
    fn data(n: usize) -> Dataset {
        let x = Array2::from_shape_fn((n, 1), |(row, _)| row as f32);
        let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        let y = (0..n).map(|row| row % 3).collect();
        let data = Dataset::new("all", Domain::Tabular, &[1], x, y, classes, "here").unwrap();
        data.with_official_test(n - n / 5..n).with_official_validation([0, 1, 2])
    }

    proptest! {
        #[test]
        fn a_subset_keeps_labels_parts_and_limits(n in 15_usize..90, rows in 1_usize..20, seed in any::<u64>()) {
            let (whole, classes) = (data(n), [2, 0]);
            let part = whole.subset("part", &classes, rows, seed).unwrap();
            prop_assert_eq!(part.classes(), ["c", "a"]);
            for row in 0..part.n() {
                let origin = part.x()[[row, 0]] as usize;
                prop_assert_eq!(classes[part.y()[row]], whole.y()[origin]);
                prop_assert_eq!(part.is_test(row), whole.is_test(origin));
                prop_assert_eq!(part.official_validation().unwrap().contains(&row), origin < 3);
            }
            for (class, origin) in classes.into_iter().enumerate() {
                let count = |test: bool| (0..part.n()).filter(|row| part.y()[*row] == class && part.is_test(*row) == test).count();
                let all = |test: bool| (0..n).filter(|row| whole.y()[*row] == origin && whole.is_test(*row) == test).count();
                prop_assert_eq!(count(false), all(false).min(rows));
                prop_assert_eq!(count(true), all(true).min((rows / 4).max(1)));
            }
            prop_assert_eq!(whole.subset("part", &classes, rows, seed).unwrap(), part);
        }
    }

    #[test]
    fn merged_classes_keep_every_row_of_theirs() {
        let merged = data(30).with_classes_merged("two", &[("last", &[2]), ("first", &[0])]).unwrap();
        assert_eq!((merged.n(), merged.classes()), (20, &["last".to_owned(), "first".into()][..]));
        assert_eq!((merged.y()[0], merged.y()[1], merged.x()[[1, 0]]), (1, 0, 2.0));
        assert_eq!(merged.official_test().unwrap().len(), 4);
        let all = data(30).with_classes_merged("one", &[("any", &[0, 1, 2])]).unwrap();
        assert_eq!((all.n(), all.official_test(), all.y()), (30, data(30).official_test(), &[0; 30][..]));
    }

    #[test]
    fn refusals_name_class_and_group() {
        let subset =
            |classes: &[usize], rows| data(30).subset("s", classes, rows, 0).unwrap_err().to_string();
        assert!(subset(&[3], 1).contains("there is no class 3, \"all\" has 3"));
        assert!(subset(&[1, 1], 1).contains("named twice"));
        assert!(subset(&[1], 0).contains("0 rows a class"));
        assert!(subset(&[], 1).contains("0 examples"));
        let merge =
            |groups: &[(&str, &[usize])]| data(30).with_classes_merged("m", groups).unwrap_err().to_string();
        assert!(merge(&[("x", &[9])]).contains("group \"x\" has the class 9, there are 3"));
        assert!(merge(&[("x", &[1]), ("y", &[1])]).contains("the class 1 is named twice, again in \"y\""));
    }
}
