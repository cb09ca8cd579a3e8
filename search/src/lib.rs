//! Search spaces, networks, recommendations, studies and trainers.
//!
//! A [`Recommender`] answers from a base which architectures a task should try; a [`Study`] asks, tries and tells,
//! with a [`Strategy`] deciding what comes next and a [`Trainer`](train::Trainer) turning a proposal into a trial.
//! [`spaces`] has the built-in search spaces, [`net`] the networks their architectures stand for.
#![deny(unsafe_code)]

mod before_study;
pub mod benchmark;
mod books;
mod cost_book;
mod cost_view;
mod counted_costs;
mod error;
mod evidence;
pub mod fidelity;
mod goals;
#[cfg(test)]
mod growth_tests;
mod joint;
mod looks;
mod maximiser;
mod model_shelf;
pub mod net;
mod new_task;
mod objectives;
mod odd_cases;
mod own_trials;
mod past_columns;
mod plane;
mod pool;
mod prices;
mod prior_scores;
mod rank_correlation;
mod ranking;
mod recommendation;
mod recommender;
mod shortlist;
mod side_by_side;
mod space_account;
mod space_history;
mod space_trials;
pub mod spaces;
mod strategies;
mod study;
mod study_report;
mod study_setup;
mod study_summary;
mod suited;
pub mod train;
mod under_way;

pub use before_study::BeforeStudy;
pub use cost_book::CostBook;
pub use cost_view::CostView;
pub use error::SearchError;
pub use goals::Goals;
pub use heirloom_predictor::Acquisition;
pub use joint::{JointPick, joint_pick};
pub use new_task::{NewTask, TaskChoice};
pub use objectives::{Bound, Constraints, Objectives};
pub use pool::Pool;
pub use prior_scores::{Opinion, PROXIES_FIELD, PriorScores};
pub use rank_correlation::RankCorrelation;
pub use recommendation::{FrontPoint, RankedArchitecture, Recommendation, RecommendationRequest, TaskShare};
pub use recommender::Recommender;
pub use space_history::{SpaceHistory, find_space};
pub use strategies::{Proposal, RandomStrategy, Strategy, StrategyKind, SurrogateStrategy};
pub use study::Study;
pub use study_report::{CurvePoint, StudyReport};
pub use study_setup::{HistoryChoice, StudySetup, or_default};
pub use study_summary::StudySummary;
