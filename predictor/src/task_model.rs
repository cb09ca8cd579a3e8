//! `TaskModel`: what one past task makes of an architecture.

use heirloom_kb::Name;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::block_process::{BlockParams, BlockProcess};
use crate::chance_failures::counting;
use crate::folds::{Fold, folds};
use crate::{
    ArdParams, ArdProcess, Encoder, ForestParams, Part, PredictError, RegressionForest, TaskScores,
    gaussian_ranks,
};

/// Rows that the trees of a forest are drawn from together: few trials get many trees, which average more, many trials get
/// few, which is where the time goes.
const DRAWN_ROWS: usize = 65_536;
const TREES: std::ops::RangeInclusive<usize> = 16..=64;
/// Trials that a process is conditioned on, and on which its kernel is learned.
const PROCESS_ROWS: usize = 500;
const TUNING_ROWS: usize = 200;
/// Steps of learning a kernel.
const TUNING_STEPS: usize = 25;
/// Parts that the trials are held out in, and the most trials that are held out in all.
const FOLDS: usize = 3;
const HELD_OUT: usize = 1_500;
/// Fewer trials than this cannot tell which member is better.
const FEW: usize = 8;
/// A model that leaves less than this share of the variance of held-out trials open has found more than noise, however it was held out.
const DOUBTFUL: f64 = 0.4;
/// Of so many trials a kernel's few numbers do not remember any.
const MANY: usize = 1_000;
/// Pull of the members' weights towards an even mean, in trials.
const EVEN: f64 = 10.0;

/// Trials after which a task's model counts half of what it can.
const HALF_TRUST_TRIALS: f64 = 10.0;

/// A surrogate of one task alone: the weighted sum of a forest, a process over the parameters and, where architectures have
/// descriptors, a process over these. The weights are those that predict held-out trials best (stacking).
///
/// *Source*: Wolpert, "Stacked generalization", 1992; non-negative weights as in Breiman, "Stacked regressions", 1996.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskModel {
    /// The task's id.
    pub task: Name,
    /// The architectures it was fitted on.
    pub trials: usize,
    members: Vec<(f64, Member)>,
    own_width: usize,
    residual_variance: f64,
}

/// A model among those that are summed.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Member {
    /// Over all columns.
    Forest(RegressionForest),
    /// Over the parameters' columns.
    Process(Box<ArdProcess>),
    /// Over the descriptors' columns.
    Block(Box<BlockProcess>),
}

/// What is fitted, before it is.
#[derive(Clone, Debug)]
enum Plan {
    Forest(ForestParams),
    Process(ArdParams),
    Block(BlockParams),
}

impl TaskModel {
    /// Fits a task's scores.
    ///
    /// # Shapes
    /// `x` is the table's `(n, d)`.
    ///
    /// # Errors
    /// Of the members.
    pub(crate) fn fit(
        scores: &TaskScores,
        x: ArrayView2<'_, f64>,
        encoder: &Encoder,
    ) -> Result<Self, PredictError> {
        let x = x.select(Axis(0), &scores.rows);
        let kept = counting(scores, x.view(), encoder)?;
        let (x, z) = if kept.len() == scores.rows.len() {
            (x, Array1::from(scores.z.clone()))
        } else {
            let own: Vec<Option<f64>> = kept.iter().map(|at| scores.scores[*at]).collect();
            (x.select(Axis(0), &kept), Array1::from(gaussian_ranks(&own)))
        };
        TaskModel::fit_examples(scores.task.clone(), &x, &z, encoder)
    }

    /// Fits normalised scores `z` `(n,)` of encoded architectures `x` `(n, d)`.
    ///
    /// # Errors
    /// Of the members.
    pub(crate) fn fit_examples(
        task: Name,
        x: &Array2<f64>,
        z: &Array1<f64>,
        encoder: &Encoder,
    ) -> Result<Self, PredictError> {
        let own_width = encoder.own_width();
        let plans = plans_for(x.view(), encoder);
        let fitted =
            plans.iter().map(|plan| plan.fit(x, z, own_width)).collect::<Result<Vec<_>, PredictError>>()?;
        let settled: Vec<Plan> =
            plans.iter().zip(&fitted).map(|(plan, member)| plan.settled(member)).collect();
        let (weights, mut residual_variance) = stack(&settled, x, z, own_width)?;
        if z.len() < MANY && residual_variance > DOUBTFUL * z.var(0.0) {
            // A kernel learned on all trials has seen those held out: of 40 trials of noise over twenty parameters it explains a sixth.
            residual_variance = stack(&plans, x, z, own_width)?.1;
        }
        let members = weights.into_iter().zip(fitted).filter(|(weight, _)| *weight > 0.0).collect();
        Ok(TaskModel { task, trials: z.len(), members, own_width, residual_variance })
    }

    /// The same fitted to other examples, with the weights and kernels that it has learned.
    ///
    /// # Errors
    /// Of the members.
    pub(crate) fn again(
        &self,
        x: &Array2<f64>,
        z: &Array1<f64>,
        encoder: &Encoder,
    ) -> Result<Self, PredictError> {
        let plans = plans_for(x.view(), encoder);
        let again = |(weight, member): &(f64, Member)| {
            let plan = plans.iter().find(|plan| plan.is_of(member)).expect("members come from these plans");
            Ok((*weight, plan.settled(member).fit(x, z, self.own_width)?))
        };
        let members = self.members.iter().map(again).collect::<Result<_, PredictError>>()?;
        Ok(TaskModel { trials: z.len(), members, ..self.clone() })
    }

    /// How much the model is worth beside others, from 0 to 1: more with more trials.
    #[must_use]
    pub fn reliability(&self) -> f64 {
        let n = self.trials as f64;
        n / (n + HALF_TRUST_TRIALS)
    }

    /// Mean squared error on trials that were held out. Where that is large, kernels are learned without them too.
    #[must_use]
    pub fn residual_variance(&self) -> f64 {
        self.residual_variance
    }

    /// What the process over the parameters has learned, if it counts.
    #[must_use]
    pub fn process(&self) -> Option<&ArdProcess> {
        self.members.iter().find_map(|(_, member)| match member {
            Member::Process(process) => Some(&**process),
            Member::Forest(_) | Member::Block(_) => None,
        })
    }

    /// Expected normalised scores.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub fn mean(&self, x: ArrayView2<'_, f64>) -> Result<Array1<f64>, PredictError> {
        let mut mean = Array1::zeros(x.nrows());
        for (weight, member) in &self.members {
            mean.scaled_add(*weight, &member.mean(x, self.own_width)?);
        }
        Ok(mean)
    }
}

impl Member {
    fn mean(&self, x: ArrayView2<'_, f64>, own_width: usize) -> Result<Array1<f64>, PredictError> {
        match self {
            Member::Forest(forest) => forest.mean(x),
            Member::Process(process) => process.mean(x.slice_axis(Axis(1), Slice::from(..own_width))),
            Member::Block(block) => block.mean(x.slice_axis(Axis(1), Slice::from(own_width..))),
        }
    }
}

impl Plan {
    fn fit(&self, x: &Array2<f64>, z: &Array1<f64>, own_width: usize) -> Result<Member, PredictError> {
        let data = |x: Array2<f64>| DatasetBase::new(x, z.clone());
        Ok(match self {
            Plan::Forest(params) => Member::Forest(params.fit(&data(x.clone()))?),
            Plan::Process(params) => Member::Process(Box::new(
                params.fit(&data(x.slice_axis(Axis(1), Slice::from(..own_width)).to_owned()))?,
            )),
            Plan::Block(params) => Member::Block(Box::new(
                params.fit(&data(x.slice_axis(Axis(1), Slice::from(own_width..)).to_owned()))?,
            )),
        })
    }

    /// Whether a member is such a model.
    fn is_of(&self, member: &Member) -> bool {
        matches!(
            (self, member),
            (Plan::Forest(_), Member::Forest(_))
                | (Plan::Process(_), Member::Process(_))
                | (Plan::Block(_), Member::Block(_))
        )
    }

    /// The same with what the fit has learned held fast, for quick fits to parts of the trials.
    fn settled(&self, member: &Member) -> Plan {
        match (self, member) {
            (Plan::Process(params), Member::Process(process)) => {
                Plan::Process(params.clone().kernel(process.kernel().clone()))
            }
            (Plan::Block(params), Member::Block(block)) => {
                let (length, noise) = block.shape();
                Plan::Block(params.clone().shape(length, noise))
            }
            _ => self.clone(),
        }
    }
}

fn plans_for(x: ArrayView2<'_, f64>, encoder: &Encoder) -> Vec<Plan> {
    let trees = (DRAWN_ROWS / x.nrows().max(1)).clamp(*TREES.start(), *TREES.end());
    let described = encoder.width() > encoder.own_width();
    // Of many descriptors few are tried at a split.
    let features = if described { 0.2 } else { 0.5 };
    let mut plans = vec![Plan::Forest(ForestParams::default().trees(trees).features(features))];
    if encoder.own_width() > 0 {
        let parts = Part::of(&encoder.features()[..encoder.own_width()]);
        let params = ArdParams::default().parts(parts).max_rows(PROCESS_ROWS);
        plans.push(Plan::Process(params.tuning_rows(TUNING_ROWS).iterations(TUNING_STEPS)));
    }
    if described {
        plans.push(Plan::Block(BlockParams::default().max_rows(PROCESS_ROWS)));
    }
    plans
}

/// The members' weights and the mean squared error of their sum, from trials held out.
fn stack(
    plans: &[Plan],
    x: &Array2<f64>,
    z: &Array1<f64>,
    own_width: usize,
) -> Result<(Vec<f64>, f64), PredictError> {
    let even = vec![1.0 / plans.len() as f64; plans.len()];
    if z.len() < FEW {
        return Ok((even, 0.5));
    }
    let parts = if z.len() > 2 * HELD_OUT { z.len() / HELD_OUT } else { FOLDS };
    let folds = folds(z.len(), parts, 0);
    let used = if z.len() > 2 * HELD_OUT { 1 } else { FOLDS };
    let mut expected: Vec<Vec<f64>> = vec![Vec::new(); plans.len()];
    let mut wanted = Vec::new();
    for Fold { train, test } in folds.iter().take(used) {
        let (x_train, z_train) = (x.select(Axis(0), train), z.select(Axis(0), train));
        let x_test = x.select(Axis(0), test);
        for (plan, expected) in plans.iter().zip(&mut expected) {
            let member = plan.fit(&x_train, &z_train, own_width)?;
            expected.extend(member.mean(x_test.view(), own_width)?);
        }
        wanted.extend(test.iter().map(|row| z[*row]));
    }
    let weights = non_negative(&expected, &wanted, &even);
    let errors = wanted.iter().enumerate().map(|(row, wanted)| {
        let sum: f64 = weights.iter().zip(&expected).map(|(weight, expected)| weight * expected[row]).sum();
        (wanted - sum).powi(2)
    });
    let error = errors.sum::<f64>() / wanted.len() as f64;
    Ok((weights, error))
}

/// Non-negative weights of the least squared error, pulled towards `even`, by cyclic coordinate descent.
fn non_negative(columns: &[Vec<f64>], y: &[f64], even: &[f64]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let m = columns.len();
    let gram: Vec<Vec<f64>> = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
    let target: Vec<f64> = columns.iter().map(|column| dot(column, y)).collect();
    let mut weights = even.to_vec();
    for _ in 0..200 {
        for at in 0..m {
            let others: f64 = (0..m).filter(|j| *j != at).map(|j| gram[at][j] * weights[j]).sum();
            let pull = EVEN * even[at];
            weights[at] = ((target[at] - others + pull) / (gram[at][at] + EVEN)).max(0.0);
        }
    }
    if weights.iter().sum::<f64>() > 0.0 { weights } else { even.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_member_gets_the_weight() {
        let y: Vec<f64> = (0..200).map(|i| f64::from(i % 17) - 8.0).collect();
        let noise: Vec<f64> = (0..200).map(|i| f64::from((i * 7) % 13) - 6.0).collect();
        let weights = non_negative(&[y.clone(), noise], &y, &[0.5, 0.5]);
        assert!(weights[0] > 0.95 && weights[1] < 0.05, "{weights:?}");
    }

    /// `numpy`'s `scipy.optimize.nnls` gives (0, 0) for a column that only misleads; then the even mean stays.
    #[test]
    fn members_that_all_mislead_are_averaged() {
        let y = vec![10.0; 400];
        let weights = non_negative(&[vec![-10.0; 400], vec![-9.0; 400]], &y, &[0.5, 0.5]);
        assert_eq!(weights, [0.5, 0.5]);
    }
}
