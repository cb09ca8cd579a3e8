//! `StudyReport`: how a study is getting on.

use heirloom_kb::{Architecture, IdentifiedTrial, Name, Split, Status, Trial, TrialId};
use heirloom_predictor::{TaskScores, are_comparable};
use serde::{Serialize, Serializer};

use crate::Study;
use crate::study_setup::StudySetup;

/// How a study is getting on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyReport {
    /// The study's id.
    pub id: String,
    /// How it was set up.
    pub setup: StudySetup,
    /// The task's metric.
    pub metric: Name,
    /// The best trial so far that keeps to the constraints, if there are some, and was not measured at far less than the others;
    /// absent before the first.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "best_with_id")]
    pub best: Option<Trial>,
    /// One entry a validation trial, in the order they were told.
    pub curve: Vec<CurvePoint>,
    /// All trials, those of other splits too.
    #[serde(serialize_with = "with_ids")]
    pub trials: Vec<Trial>,
    /// What has been proposed or is being trained, and has no trial yet, in the order of asking.
    pub under_way: Vec<Architecture>,
    /// What the reader should know, in plain words.
    pub notes: Vec<String>,
}

#[allow(clippy::ref_option, reason = "serde asks with a reference")]
fn best_with_id<S: Serializer>(best: &Option<Trial>, serializer: S) -> Result<S::Ok, S::Error> {
    best.clone().map(IdentifiedTrial::from).serialize(serializer)
}

fn with_ids<S: Serializer>(trials: &[Trial], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(trials.iter().cloned().map(IdentifiedTrial::from))
}

/// A study after so many validation trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The trial.
    pub trial: TrialId,
    /// Its score; absent for a failed and for a pruned one.
    pub score: Option<f64>,
    /// The best score up to here of a trial that keeps to the constraints.
    pub best: Option<f64>,
    /// `(b - best) / (b - median)` over all scores that the base has of the task in this space, `b` being the best of
    /// them: 0 is as good as any known, 1 is the median. Of a rehearsal alone ([`Study::rehearse`]): of a task that is being tried nobody
    /// knows the best. Absent while the base has fewer than two different scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regret: Option<f64>,
}

impl StudyReport {
    /// The state of a study.
    #[must_use]
    pub fn of(study: &Study) -> Self {
        let goal = study.task().goal;
        let scale = if study.is_rehearsal() { Scale::of(study) } else { None };
        let mut best: Option<(f64, &Trial)> = None;
        let mut curve = Vec::new();
        let validation = || study.trials().iter().filter(|trial| trial.split == Split::Validation);
        let full = are_comparable(&validation().collect::<Vec<_>>());
        for (trial, full) in validation().zip(full) {
            let score = trial.score.filter(|_| trial.status == Status::Complete);
            if let Some(score) = score.map(|score| goal.higher_is_better(score))
                && best.is_none_or(|(most, _)| score > most)
                && full
                && study.admits(trial)
            {
                best = Some((score, trial));
            }
            let regret = best.zip(scale.as_ref()).map(|((most, _), scale)| scale.regret(most));
            curve.push(CurvePoint {
                trial: trial.id(),
                score,
                best: best.and_then(|(_, trial)| trial.score),
                regret,
            });
        }
        StudyReport {
            id: study.id().to_owned(),
            setup: study.setup().clone(),
            metric: study.task().metric.clone(),
            best: best.map(|(_, trial)| trial.clone()),
            curve,
            trials: study.trials().to_vec(),
            under_way: study.under_way().to_vec(),
            notes: study.notes().to_vec(),
        }
    }
}

/// The scores that regret is measured with, higher is better.
struct Scale {
    best: f64,
    median: f64,
}

impl Scale {
    /// Of the task's scores from before the study and those in it.
    fn of(study: &Study) -> Option<Scale> {
        let goal = study.task().goal;
        let before = study.history().scores(&study.task().id).into_iter().flat_map(TaskScores::measured);
        let complete = |trial: &&Trial| trial.split == Split::Validation && trial.status == Status::Complete;
        let told = study.trials().iter().filter(complete);
        let told = told.filter_map(|trial| trial.score).map(|score| goal.higher_is_better(score));
        let mut all: Vec<f64> = before.chain(told).collect();
        all.sort_by(f64::total_cmp);
        let (best, median) = (*all.last()?, all[all.len() / 2]);
        (best > median).then_some(Scale { best, median })
    }

    fn regret(&self, score: f64) -> f64 {
        (self.best - score) / (self.best - self.median)
    }
}
