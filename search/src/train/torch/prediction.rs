//! `KeptPredictor`: a network that the store keeps, applied to new examples.

use std::fmt::Display;

use heirloom_kb::Trial;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use tch::{Device, Kind, TchError, Tensor};

use super::fitted_rows::{FittedRows, MOST_SHARED};
use super::kept_network::{KeptNetwork, NetCard};
use super::{DeviceChoice, device, first_line, guarded, turn};
use crate::train::{TrainError, WeightStore};

/// Examples that go through a network at a time.
const MOST: usize = 512;
/// Values that they have together at most, unless a single one has more: what layers make of large images takes many times as much.
const MOST_VALUES: usize = 1 << 22;

/// A network that the store keeps, ready to be applied to new examples.
pub struct KeptPredictor {
    network: KeptNetwork,
    device: Device,
    fitted: FittedRows,
}

impl KeptPredictor {
    /// The network of a trial whose weights are kept.
    ///
    /// # Errors
    /// [`TrainError::NoDevice`]; [`TrainError::File`] when the weights cannot be read, [`TrainError::BadWeights`] when there are none,
    /// or they are damaged or of a release that did not say of what network they are.
    pub fn open(store: &WeightStore, trial: &Trial, device: DeviceChoice) -> Result<Self, TrainError> {
        let device = device::choose(device)?;
        let none =
            || TrainError::BadWeights { file: trial.id().to_string(), reason: "no weights are kept".into() };
        let hash = store.of_trial(trial).ok_or_else(none)?;
        let bytes = store.get(hash)?;
        let _turn = turn();
        let network = KeptNetwork::parse(&bytes, &store.file(hash), device)?;
        Ok(KeptPredictor { network, device, fitted: FittedRows::of_trial(trial, Some(store)) })
    }

    /// Of examples of these marks ([`heirloom_datasets::value_mark`]), how many it can be told of whether the network was fitted on them, and
    /// how many of those it was; nothing where they are so few that it may be chance.
    #[must_use]
    pub fn fitted_on(&self, marks: &[u32]) -> Option<[usize; 2]> {
        let [told, known] = self.fitted.met(marks);
        (known as f64 > MOST_SHARED * told as f64).then_some([told, known])
    }

    /// What it is, and how examples for it are made.
    #[must_use]
    pub fn card(&self) -> &NetCard {
        &self.network.card
    }

    /// How many examples are best given at a time.
    #[must_use]
    pub fn at_a_time(&self) -> usize {
        (MOST_VALUES / self.size().max(1)).clamp(1, MOST)
    }

    /// The probabilities of the classes, in the order of the card's: the softmax of the scores.
    ///
    /// # Shapes
    /// `x` is `(n, product of the card's shape)`, prepared and not standardised; `examples` is `(n,)`, what they are called in an
    /// error. The answer is `(n, classes)`.
    ///
    /// # Errors
    /// [`TrainError::OtherSize`], [`TrainError::NoScores`] with the first example whose scores are not finite, [`TrainError::Torch`].
    pub fn probabilities<T: Display>(
        &self,
        x: ArrayView2<'_, f32>,
        examples: &[T],
    ) -> Result<Array2<f64>, TrainError> {
        let (wanted, found) = (self.size(), x.ncols());
        if wanted != found {
            return Err(TrainError::OtherSize { wanted, found });
        }
        let mut probabilities = Array2::zeros((x.nrows(), self.card().classes.len()));
        for start in (0..x.nrows()).step_by(self.at_a_time()) {
            let rows = start..x.nrows().min(start + self.at_a_time());
            let scores = self.scores(x.slice_axis(Axis(0), rows.clone().into()))?;
            for (row, scores) in rows.zip(scores.rows()) {
                if !scores.iter().all(|score| score.is_finite()) {
                    let example = examples.get(row).map_or_else(|| row.to_string(), ToString::to_string);
                    return Err(TrainError::NoScores { example });
                }
                probabilities.row_mut(row).assign(&softmax(scores));
            }
        }
        Ok(probabilities)
    }

    /// Values of an example.
    fn size(&self) -> usize {
        self.card().shape.iter().product()
    }

    /// The scores of examples that go through the network together, `(n, classes)`.
    fn scores(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, TrainError> {
        let torch = |reason| TrainError::Torch { reason };
        let values: Vec<f32> = x.iter().copied().collect();
        let sides = std::iter::once(x.nrows()).chain(self.card().shape.iter().copied());
        let size: Vec<i64> = sides.map(|side| side as i64).collect();
        let _turn = turn();
        let forward = || -> Result<Vec<f32>, TchError> {
            let raw = Tensor::f_from_slice(&values)?.f_view(size.as_slice())?.f_to_device(self.device)?;
            let scores = self.network.values(&raw)?.pop().expect("a network has its input node");
            let scores = scores.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_flatten(0, -1)?;
            Vec::try_from(scores)
        };
        let scores = guarded(|| forward().map_err(|error| torch(first_line(&error))), torch)?;
        let found = scores.len();
        let shape = (x.nrows(), self.card().classes.len());
        Array2::from_shape_vec(shape, scores).map_err(|_| torch(format!("{found} scores are not {shape:?}")))
    }
}

/// `exp(score) / sum exp(score)`.
fn softmax(scores: ArrayView1<'_, f32>) -> ndarray::Array1<f64> {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let powers = scores.mapv(|score| (f64::from(score) - f64::from(largest)).exp());
    let sum = powers.sum();
    powers / sum
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use heirloom_datasets::loaders::{NewData, TableOptions, csv_table};
    use heirloom_datasets::value_mark;
    use ndarray::array;
    use tch::{CModule, no_grad};

    use super::super::tests::{BUDGET, small_mlp, test_device};
    use super::super::{NetFormat, TorchOptions, TorchTrainer, export_network};
    use super::*;
    use crate::train::{Budget, Evaluation, Trainer};

    /// A table with a word and a number that may be missing.
    fn people(rows: Range<usize>, head: &str, line: impl Fn(usize, &str, &str, &str) -> String) -> String {
        let row = |row: usize| {
            let age = row * 37 % 61;
            let town = ["Ulm", "Bonn", "Jena", ""][row * 5 % 11 % 4];
            let cell = if row % 6 == 1 { "?".to_owned() } else { age.to_string() };
            line(row, &cell, town, if age > 30 || town == "Bonn" { "old" } else { "young" }) + "\n"
        };
        format!("{head}\n") + &rows.map(row).collect::<String>()
    }

    #[test]
    fn predictions_are_those_of_the_exported_module_and_of_the_trial() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("people.csv");
        let line = |_, age: &str, town: &str, class: &str| format!("{age},{town},{class}");
        std::fs::write(&table, people(0..1_200, "age,town,class", line)).unwrap();
        let dataset = Arc::new(csv_table(&table, "people", &TableOptions::default()).unwrap());
        let store = WeightStore::new(dir.path().join("weights"));
        let options =
            TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
        let (space, architecture) = small_mlp();
        let mut trainer = TorchTrainer::new(Arc::clone(&dataset), options, Box::new(|_| {})).unwrap();
        let trial = trainer.train(&space, &architecture, &Budget { epochs: 6, ..BUDGET }).unwrap();
        let hash = store.of_trial(&trial).unwrap();
        let script = dir.path().join("net.pt");
        export_network(&store, hash, &script, NetFormat::TorchScript).unwrap();

        // The new file has the same rows in other columns, none of which is missing in its first rows.
        let new = dir.path().join("new.csv");
        let line = |row, age: &str, town: &str, class: &str| format!("{class};{town};{row};{age}");
        std::fs::write(&new, people(0..1_200, "class;town;id;age", line)).unwrap();
        let predictor = KeptPredictor::open(&store, &trial, test_device()).unwrap();
        let card = predictor.card();
        let data = NewData::open(&new, card.preparation.as_ref().unwrap(), &card.classes, None).unwrap();
        let x = data.examples(0..data.n()).unwrap();
        assert_eq!(x, dataset.x());
        let found = predictor.probabilities(x.view(), data.places()).unwrap();

        let values: Vec<f32> = dataset.x().iter().copied().collect();
        let module = CModule::load(&script).unwrap();
        let raw = Tensor::from_slice(&values).view([1_200, card.shape[0] as i64]);
        let wanted = no_grad(|| module.forward_ts(&[raw])).unwrap().softmax(-1, Kind::Double);
        let wanted: Vec<f64> = wanted.flatten(0, -1).try_into().unwrap();
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
        }
        // It was fitted on the training part, which is more than a sample has.
        let marks = |rows: &[usize]| -> Vec<u32> { rows.iter().map(|row| value_mark(x.row(*row))).collect() };
        let [told, known] = predictor.fitted_on(&marks(&trainer.splits.train)).unwrap();
        assert!(told == known && told > 20, "{known} of {told}");
        // More than one batch, and as accurate on the validation part as the trial says.
        assert!(data.n() > predictor.at_a_time());
        let kept_back = trainer.splits.validation.clone();
        let labels: Vec<Option<String>> = kept_back.iter().map(|row| data.labels()[*row].clone()).collect();
        let there = found.select(Axis(0), &kept_back);
        let evaluation = Evaluation::new(&card.classes, there.view(), &labels).unwrap();
        assert!((evaluation.accuracy - trial.score.unwrap()).abs() < 1e-7);
    }

    #[test]
    fn scores_that_are_no_numbers_and_other_sizes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("t.csv");
        let line = |_, age: &str, town: &str, class: &str| format!("{age},{town},{class}");
        std::fs::write(&table, people(0..60, "age,town,class", line)).unwrap();
        let dataset = csv_table(&table, "t", &TableOptions::default()).unwrap();
        let store = WeightStore::new(dir.path().join("weights"));
        let options =
            TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
        let (space, architecture) = small_mlp();
        let mut trainer = TorchTrainer::new(Arc::new(dataset), options, Box::new(|_| {})).unwrap();
        let trial = trainer.train(&space, &architecture, &Budget { epochs: 1, ..BUDGET }).unwrap();
        let predictor = KeptPredictor::open(&store, &trial, test_device()).unwrap();
        let mut x = Array2::zeros((3, predictor.size()));
        assert!(predictor.probabilities(x.view(), &["a", "b", "c"]).unwrap().iter().all(|p| *p > 0.0));
        x.row_mut(1).fill(f32::MAX);
        let error = predictor.probabilities(x.view(), &["a", "b", "c"]).unwrap_err().to_string();
        assert!(error.starts_with("b: the network's scores are not finite numbers"), "{error}");
        let error = predictor.probabilities(Array2::zeros((1, 1)).view(), &["a"]).unwrap_err();
        assert!(matches!(error, TrainError::OtherSize { found: 1, .. }), "{error}");
    }

    #[test]
    fn probabilities_are_a_softmax_however_large_scores_are() {
        let found = softmax(array![1.0_f32, 3.0, 2.0].view());
        let wanted = [0.090_030_573_170_380_46, 0.665_240_955_774_821_9, 0.244_728_471_054_797_67];
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-15), "{found}");
        let large = softmax(array![3e38_f32, -3e38, 3e38].view());
        assert_eq!(large.to_vec(), [0.5, 0.0, 0.5]);
    }
}
