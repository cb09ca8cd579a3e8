//! Surrogates beside scikit-learn 1.9 on the same numbers.

use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, array};

use crate::{
    ArdKernel, ArdParams, BoostingParams, ElasticNetParams, ForestParams, NeighboursParams, Part,
    SupportVectorsParams, Surrogate,
};

type Data = DatasetBase<Array2<f64>, Array1<f64>>;

/// i = np.arange(20); x = np.stack([(i * (7 + 4 * j)) % 23 / 23 for j in range(3)], 1);
/// y = np.sin(5 * x[:, 0]) + x[:, 1]**2 - 0.5 * x[:, 2].
fn small() -> Data {
    let x = Array2::from_shape_fn((20, 3), |(i, j)| ((i * (7 + 4 * j)) % 23) as f64 / 23.0);
    let y = x.rows().into_iter().map(|row| (5.0 * row[0]).sin() + row[1].powi(2) - 0.5 * row[2]).collect();
    DatasetBase::new(x, y)
}

/// at = np.array([[.3, .6, .1], [.85, .2, .7]]).
fn at() -> Array2<f64> {
    array![[0.3, 0.6, 0.1], [0.85, 0.2, 0.7]]
}

fn assert_close<'a>(got: impl IntoIterator<Item = &'a f64>, want: &[f64], tolerance: f64) {
    for (got, want) in got.into_iter().zip(want) {
        assert!((got - want).abs() < tolerance, "{got} {want}");
    }
}

/// GaussianProcessRegressor(ConstantKernel(1.2) * Matern([.4, 1.1, .7], nu=2.5) + WhiteKernel(.05), alpha=0,
/// optimizer=None, normalize_y=True).fit(x, y); .predict(at, return_std=True), .log_marginal_likelihood_value_.
#[test]
fn a_process_of_numbers_is_theirs() {
    let kernel = ArdKernel { lengths: vec![0.4, 1.1, 0.7], joint: 1.2, additive: 1e-14, noise: 0.05 };
    let parts = (0..3).map(Part::Number).collect();
    let process = ArdParams::default().parts(parts).kernel(kernel).fit(&small()).unwrap();
    let got = Surrogate::predict(&process, at().view()).unwrap();
    assert_close(&got.mean, &[1.313_466_553_303_446_4, -1.223_577_573_692_274_3], 1e-9);
    assert_close(&got.std, &[0.250_423_195_933_877_7, 0.290_987_386_109_380_4], 1e-9);
    assert_close(&[process.log_marginal()], &[-12.342_303_462_123_542], 1e-9);
}

/// ElasticNet(alpha=.01, l1_ratio=.5, tol=1e-10, max_iter=100000).fit(x, y); .coef_, .intercept_.
#[test]
fn an_elastic_net_is_theirs() {
    let net = ElasticNetParams::default().penalty(0.01).fit(&small()).unwrap();
    let want = [-1.688_196_995_168_919_3, 1.263_618_558_745_860_4, -0.724_495_480_428_793_3];
    assert_close(net.weights(), &want, 1e-4);
    assert_close(&[net.intercept()], &[0.783_350_616_561_749_9], 1e-4);
}

/// KNeighborsRegressor(3, weights="distance").fit(x, y).predict(at).
#[test]
fn neighbours_are_theirs() {
    let neighbours = NeighboursParams::default().k(3).fit(&small()).unwrap();
    let want = [1.228_342_800_324_156_5, -0.745_918_022_734_131_8];
    assert_close(&Predict::predict(&neighbours, &at()), &want, 1e-12);
}

/// s = y.std(); y.mean() + s * SVR(C=1, epsilon=.1, gamma="scale").fit(x, (y - y.mean()) / s).predict(at).
#[test]
fn support_vectors_are_close_to_theirs() {
    let machine = SupportVectorsParams::default().fit(&small()).unwrap();
    let got: Array1<f64> = Predict::predict(&machine, &at());
    assert_close(&got, &[1.280_556_333_742_019_8, -1.031_146_973_445_643_8], 0.01);
}

/// Uniform in `[0, 1)`: the `index`-th output of splitmix64, as in `benches/scikit_learn.py`.
fn uniform(index: usize) -> f64 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `examples` of `benches/scikit_learn.py`.
fn mixed(rows: std::ops::Range<usize>) -> Data {
    let first = rows.start;
    let draw = |row: usize, at: usize| uniform(64 * (first + row) + at);
    let option = |row: usize, choice: usize| (draw(row, 40 + choice) * 5.0) as usize;
    let x = Array2::from_shape_fn((rows.len(), 60), |(row, column)| match column {
        0..20 => draw(row, column),
        20..40 => (draw(row, column) * 10.0).floor() / 9.0,
        _ => f64::from(u8::from(option(row, (column - 40) / 5) == (column - 40) % 5)),
    });
    let target = |row: usize| {
        let x = x.row(row);
        let smooth =
            10.0 * (std::f64::consts::PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 5.0 * x[3];
        let levels = 4.0 * x[20] * x[21] + if x[22] > 0.5 { 3.0 } else { 0.0 };
        let same = if option(row, 1) == option(row, 2) { 4.0 } else { 0.0 };
        let noise: f64 = (44..56).map(|at| draw(row, at)).sum::<f64>() - 6.0;
        smooth + levels + 2.0 * option(row, 0) as f64 + same + noise
    };
    let y = (0..rows.len()).map(target).collect();
    DatasetBase::new(x, y)
}

fn r2(model: &dyn Surrogate) -> f64 {
    let test = mixed(600..1_600);
    let mean = test.targets.mean().unwrap();
    let got = model.predict(test.records.view()).unwrap().mean;
    let error = (&got - &test.targets).mapv(|error| error * error).sum();
    1.0 - error / test.targets.mapv(|y| (y - mean).powi(2)).sum()
}

/// tr, te = examples(np.arange(600)), examples(np.arange(600, 1600)); model.fit(*tr).score(*te) with
/// RandomForestRegressor(64, min_samples_leaf=2, max_features=.5, max_depth=20, random_state=0), ExtraTreesRegressor of
/// the same, HistGradientBoostingRegressor(max_iter=200, learning_rate=.05, max_leaf_nodes=15, min_samples_leaf=5,
/// l2_regularization=1, early_stopping=False).
#[test]
fn trees_are_as_good_as_theirs() {
    let data = mixed(0..600);
    let forest = ForestParams::default().trees(64);
    let plain = r2(&forest.clone().fit(&data).unwrap());
    let random = r2(&forest.bootstrap(false).random_cuts(true).fit(&data).unwrap());
    let all = BoostingParams::default().rounds(200).rows(1.0).columns(1.0).held_out(0);
    let boosted = r2(&all.fit(&data).unwrap());
    assert_close(&[plain, random, boosted], &[0.648_4, 0.640_9, 0.773_0], 0.03);
}
