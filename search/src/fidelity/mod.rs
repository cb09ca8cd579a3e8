//! Fidelity: how long a trial is trained before it is judged.
//!
//! An [`EarlyStopping`] hears the score of each epoch and says whether the trial goes on; [`SchedulerKind`] has its rules.
//! [`advise_fidelity`] says from past curves how many epochs tell architectures apart, [`replay_schedulers`] measures what
//! the rules save. All of it is deterministic and knows no clock.

mod advice;
mod asha;
mod early_stopping;
mod extrapolation;
mod hyperband;
mod past_curves;
mod replay;
mod rungs;
mod scheduler;
mod space_curves;
mod study_scheduler;

pub use advice::{FidelityAdvice, advise_fidelity};
pub use asha::{Asha, Job};
pub use early_stopping::EarlyStopping;
pub(crate) use early_stopping::whole;
pub use extrapolation::Extrapolation;
pub use hyperband::{Bracket, Hyperband, brackets};
pub use past_curves::past_curves;
pub use replay::{BUDGETS, SchedulerBenchmark, SchedulerReplays, SchedulerReport, replay_schedulers};
pub use scheduler::{Decision, SchedulerKind, SchedulerSetup};
pub(crate) use space_curves::SpaceCurves;
pub(crate) use study_scheduler::StudyScheduler;
