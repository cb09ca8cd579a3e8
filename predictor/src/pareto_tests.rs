use ndarray::{Array2, array};
use proptest::prelude::*;

use super::*;

/// Eight points in two, three and four objectives, and what pymoo 0.6 makes of them:
/// `NonDominatedSorting().do(-P, return_rank=True)[1]` and `HV(ref_point=zeros(m))(-P)`.
fn pymoo() -> [(Array2<f64>, [usize; 8], f64); 3] {
    let two = array![
        [0.51, 0.95],
        [0.14, 0.95],
        [0.31, 0.42],
        [0.83, 0.41],
        [0.55, 0.03],
        [0.75, 0.54],
        [0.33, 0.79],
        [0.3, 0.45]
    ];
    let three = array![
        [0.13, 0.4, 0.2],
        [0.26, 0.75, 0.28],
        [0.49, 0.98, 0.96],
        [0.72, 0.54, 0.28],
        [0.16, 0.97, 0.52],
        [0.12, 0.62, 0.78],
        [0.61, 0.92, 0.04],
        [0.53, 0.46, 0.06]
    ];
    let four = array![
        [0.64, 0.85, 0.59, 0.26],
        [0.84, 0.51, 0.51, 0.75],
        [0.15, 0.82, 0.68, 0.79],
        [0.19, 0.8, 0.19, 0.08],
        [0.86, 0.86, 0.88, 0.47],
        [0.27, 0.01, 0.65, 0.72],
        [0.84, 0.28, 0.22, 0.64],
        [0.81, 0.96, 0.15, 0.48]
    ];
    [
        (two, [0, 1, 2, 0, 1, 0, 1, 2], 0.6469),
        (three, [2, 1, 0, 0, 1, 1, 0, 1], 0.497_592),
        (four, [1, 0, 0, 2, 0, 0, 1, 0], 0.389_144_18),
    ]
}

#[test]
fn ranks_and_hypervolumes_agree_with_pymoo() {
    for (points, ranks, volume) in pymoo() {
        assert_eq!(non_dominated_sort(points.view()), ranks);
        let mut front = pareto_front(points.view());
        front.sort_unstable();
        let first: Vec<usize> = (0..8).filter(|at| ranks[*at] == 0).collect();
        assert_eq!(front, first);
        let reference = vec![0.0; points.ncols()];
        let got = hypervolume(points.view(), &reference).unwrap();
        assert!((got - volume).abs() < 1e-12, "{got} {volume}");
    }
}

/// The integral of P(y >= z) over the region that (1, 3), (2, 2), (3, 0.5) do not dominate, by scipy.integrate.quad strip by strip;
/// a simulation of 20 million draws gives 0.8939 with a standard error of 0.0002.
#[test]
fn two_objectives_agree_with_scipy() {
    let front = array![[1.0, 3.0], [2.0, 2.0], [3.0, 0.5]];
    let (mean, std) = (array![[2.2, 2.1]], array![[0.5, 0.8]]);
    let got = expected_hypervolume_improvement(mean.view(), std.view(), front.view(), &[0.0, 0.0]).unwrap();
    assert!((got[0] - 0.893_730_453_178_854).abs() < 1e-9, "{got:?}");
}

/// By inclusion and exclusion over the boxes below the four points, with scipy.stats.norm.
#[test]
fn three_objectives_agree_with_inclusion_and_exclusion() {
    let front = array![[0.49, 0.98, 0.96], [0.72, 0.54, 0.28], [0.61, 0.92, 0.04], [0.26, 0.75, 0.28]];
    let (mean, std) = (array![[0.6, 0.7, 0.5]], array![[0.3, 0.2, 0.4]]);
    let got = expected_hypervolume_improvement(mean.view(), std.view(), front.view(), &[0.0; 3]).unwrap();
    assert!((got[0] - EHVI3).abs() < 1e-9, "{got:?}");
}

const EHVI3: f64 = 0.061_628_776_220_167_55;

#[test]
fn one_objective_is_expected_improvement() {
    let prediction = crate::Prediction { mean: array![1.0, 0.0], std: array![0.5, 2.0] };
    let want = crate::expected_improvement(&prediction, 0.8);
    let (mean, std) = (array![[1.0], [0.0]], array![[0.5], [2.0]]);
    let front = array![[0.8], [0.3]];
    let got = expected_hypervolume_improvement(mean.view(), std.view(), front.view(), &[-3.0]).unwrap();
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < 1e-12, "{got} {want}");
    }
}

#[test]
fn refuses_what_makes_no_sense() {
    let message = |objectives, reference: &[f64]| {
        hypervolume(Array2::zeros((2, objectives)).view(), reference).unwrap_err().to_string()
    };
    assert_eq!(message(2, &[0.0]), "objectives and coordinates of the reference: 2 against 1");
    assert_eq!(message(5, &[0.0; 5]), "objectives is 5, it must be from 1 to 4");
    let mean = Array2::zeros((3, 2));
    let (std, front) = (Array2::zeros((2, 2)), Array2::zeros((0, 2)));
    assert!(expected_hypervolume_improvement(mean.view(), std.view(), front.view(), &[0.0; 2]).is_err());
}

/// Up to twelve points in `m` objectives, on a grid so that ties occur.
fn points(m: usize) -> impl Strategy<Value = Array2<f64>> {
    proptest::collection::vec(-2_i32..10, 0..12 * m).prop_map(move |values| {
        let n = values.len() / m;
        Array2::from_shape_fn((n, m), |(i, j)| f64::from(values[i * m + j]) / 10.0)
    })
}

fn any_points() -> impl Strategy<Value = Array2<f64>> {
    (1_usize..=4).prop_flat_map(points)
}

fn joined(points: &Array2<f64>, point: &[f64]) -> Array2<f64> {
    let mut all = points.clone();
    all.push_row(ArrayView1::from(point)).unwrap();
    all
}

proptest! {
    #[test]
    fn the_front_is_what_nothing_dominates(points in any_points()) {
        let ranks = non_dominated_sort(points.view());
        for (at, rank) in ranks.iter().enumerate() {
            let worse_than: Vec<usize> =
                (0..points.nrows()).filter(|other| dominates(points.row(*other), points.row(at))).collect();
            prop_assert_eq!(*rank, worse_than.iter().map(|other| ranks[*other] + 1).max().unwrap_or(0));
        }
        let front = pareto_front(points.view());
        prop_assert!(front.iter().all(|at| ranks[*at] == 0));
        prop_assert_eq!(front.len(), ranks.iter().filter(|rank| **rank == 0).count());
    }

    #[test]
    fn hypervolume_grows_with_points_and_does_not_know_their_order(points in any_points(), turn in 0_usize..12) {
        let reference = vec![0.0; points.ncols()];
        let volume = hypervolume(points.view(), &reference).unwrap();
        let n = points.nrows();
        let turned: Vec<usize> = (0..n).map(|at| (at + turn) % n).collect();
        let other = hypervolume(points.select(Axis(0), &turned).view(), &reference).unwrap();
        prop_assert!((volume - other).abs() < 1e-12);
        if n > 0 {
            let fewer = points.select(Axis(0), &(0..n - 1).collect::<Vec<_>>());
            prop_assert!(hypervolume(fewer.view(), &reference).unwrap() <= volume + 1e-12);
            let front = points.select(Axis(0), &pareto_front(points.view()));
            prop_assert!((hypervolume(front.view(), &reference).unwrap() - volume).abs() < 1e-12);
        }
    }

    /// Without doubt the expectation is the difference of two hypervolumes, and little doubt changes little.
    #[test]
    fn certain_improvement_is_the_difference_of_hypervolumes(
        points in any_points(), point in proptest::collection::vec(-0.3_f64..1.2, 4)
    ) {
        let m = points.ncols();
        let (point, reference) = (&point[..m], vec![0.0; m]);
        let before = hypervolume(points.view(), &reference).unwrap();
        let after = hypervolume(joined(&points, point).view(), &reference).unwrap();
        let boxes = NonDominatedBoxes::new(points.view(), &reference).unwrap();
        let improvement = |std: f64| {
            boxes.expected_improvement(ArrayView1::from(point), ndarray::Array1::from_elem(m, std).view())
        };
        prop_assert!((improvement(0.0) - (after - before)).abs() < 1e-9);
        prop_assert!((improvement(1e-7) - (after - before)).abs() < 1e-5);
        prop_assert!(improvement(0.5) >= 0.0);
    }

    /// The mean of the improvement over draws on a grid of quantiles.
    #[test]
    fn expected_improvement_is_the_mean_over_draws(
        points in points(2), mean in proptest::collection::vec(0.0_f64..1.0, 2)
    ) {
        let (reference, std) = ([0.0, 0.0], [0.3, 0.2]);
        let boxes = NonDominatedBoxes::new(points.view(), &reference).unwrap();
        let (mean, std) = (ArrayView1::from(&mean), ArrayView1::from(&std));
        let exact = boxes.expected_improvement(mean, std);
        let still = ndarray::Array1::zeros(2);
        let normal = Normal::standard();
        let quantile = |at: usize| normal.inverse_cdf((at as f64 + 0.5) / 100.0);
        let mut sum = 0.0;
        for i in 0..100 {
            for j in 0..100 {
                let draw = array![mean[0] + std[0] * quantile(i), mean[1] + std[1] * quantile(j)];
                sum += boxes.expected_improvement(draw.view(), still.view()) / 1e4;
            }
        }
        prop_assert!((exact - sum).abs() < 0.003, "{} {}", exact, sum);
    }
}
