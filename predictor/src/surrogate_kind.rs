//! `SurrogateKind`: the surrogates by name.

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::{
    ArdParams, BoostingParams, ElasticNetParams, ForestParams, NeighboursParams, Part, PredictError,
    SupportVectorsParams, Surrogate,
};

/// Examples drawn for one tree of a forest.
const FOREST_ROWS: usize = 20_000;
/// Below this many examples, each is worth holding out in turn.
const FEW: usize = 300;

/// A kind of surrogate, with settings that suit its number of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurrogateKind {
    /// [`crate::RegressionForest`].
    Forest,
    /// The same with random cuts on all examples.
    ExtraTrees,
    /// [`crate::BoostedTrees`].
    Boosting,
    /// [`crate::ArdProcess`].
    Process,
    /// [`crate::ElasticNet`].
    ElasticNet,
    /// [`crate::Neighbours`].
    Neighbours,
    /// [`crate::SupportVectors`].
    SupportVectors,
}

impl SurrogateKind {
    /// All of them.
    pub const ALL: [SurrogateKind; 7] = [
        SurrogateKind::Forest,
        SurrogateKind::ExtraTrees,
        SurrogateKind::Boosting,
        SurrogateKind::Process,
        SurrogateKind::ElasticNet,
        SurrogateKind::Neighbours,
        SurrogateKind::SupportVectors,
    ];

    /// Its name in files: `extra_trees`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SurrogateKind::Forest => "forest",
            SurrogateKind::ExtraTrees => "extra_trees",
            SurrogateKind::Boosting => "boosting",
            SurrogateKind::Process => "process",
            SurrogateKind::ElasticNet => "elastic_net",
            SurrogateKind::Neighbours => "neighbours",
            SurrogateKind::SupportVectors => "support_vectors",
        }
    }

    /// Fits a surrogate. `parts` says which columns are one choice ([`Part::of`] an encoder's features); inferred where
    /// `None`. Only a process asks for it.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, `y` is `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`] and those of the model.
    pub fn fit(
        self,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
        parts: Option<&[Part]>,
        seed: u64,
    ) -> Result<Box<dyn Surrogate>, PredictError> {
        let data = DatasetBase::new(x.to_owned(), y.to_owned());
        let forest = ForestParams::default().trees(64).max_rows(FOREST_ROWS).seed(seed);
        Ok(match self {
            SurrogateKind::Forest => Box::new(forest.fit(&data)?),
            SurrogateKind::ExtraTrees => Box::new(forest.bootstrap(false).random_cuts(true).fit(&data)?),
            SurrogateKind::Boosting => Box::new(boosting(y.len()).seed(seed).fit(&data)?),
            SurrogateKind::Process => {
                let params = ArdParams::default().seed(seed);
                let params = parts.into_iter().fold(params, |params, parts| params.parts(parts.to_vec()));
                Box::new(params.fit(&data)?)
            }
            SurrogateKind::ElasticNet => Box::new(ElasticNetParams::default().seed(seed).fit(&data)?),
            SurrogateKind::Neighbours => Box::new(NeighboursParams::default().seed(seed).fit(&data)?),
            SurrogateKind::SupportVectors => Box::new(SupportVectorsParams::default().seed(seed).fit(&data)?),
        })
    }
}

/// Few examples get small leaves and are all held out in turn.
fn boosting(n: usize) -> BoostingParams {
    let min_leaf = (n / 25).clamp(2, 20);
    BoostingParams::default().min_leaf(min_leaf).held_out(if n < FEW { 5 } else { 1 })
}
