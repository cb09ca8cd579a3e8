//! `StudySetup`: how a study is set up.

use heirloom_kb::{Architecture, DocumentKind, KnowledgeStore, Name, Trial, TrialQuery};
use heirloom_predictor::Acquisition;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::SearchError;
use crate::before_study::is_of_study;
use crate::fidelity::SchedulerSetup;
use crate::objectives::{Constraints, Objectives};
use crate::prior_scores::{Opinion, PriorScores};
use crate::space_history::SpaceHistory;
use crate::strategies::StrategyKind;

/// How a study is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct StudySetup {
    /// The task to search for; the base knows it.
    pub task: Name,
    /// The space to search in.
    pub space: Name,
    /// The architectures that alone may be proposed; absent, the space's own pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Architecture>>,
    /// What is known of each of the candidates before any is trained; absent, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorScores>,
    /// Who decides what is tried next.
    #[serde(default, deserialize_with = "or_default")]
    pub strategy: StrategyKind,
    /// What makes a candidate worth the next trial; absent, the strategy's own choice. Only the strategy `surrogate` takes one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "acquisition")]
    pub acquisition: Option<Acquisition>,
    /// The seed of all chance in the study.
    #[serde(default, deserialize_with = "or_default")]
    pub seed: u64,
    /// What of the past counts.
    #[serde(default, deserialize_with = "or_default")]
    pub history: HistoryChoice,
    /// Which rule stops trials early; absent, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerSetup>,
    /// Bounds on costs that proposals must keep to.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
    /// Costs to be low while the score is high: the study seeks the Pareto front.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub pareto: Vec<Name>,
    /// A cost that improvement is counted per unit of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Name>,
    /// The device that costs are meant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Name>,
}

impl StudySetup {
    /// How a study of the base was set up.
    ///
    /// # Errors
    /// [`SearchError::UnknownStudy`], [`SearchError::DamagedStudy`], and of the store.
    pub fn kept(store: &dyn KnowledgeStore, study: &str) -> Result<Self, SearchError> {
        let document = match names_a_study(study) {
            true => store.document(DocumentKind::Study, study)?,
            false => None,
        };
        let document = document.ok_or_else(|| SearchError::UnknownStudy { study: study.into() })?;
        serde_json::from_slice(&document.bytes)
            .map_err(|source| SearchError::DamagedStudy { study: study.into(), source })
    }

    /// The studies that a base keeps.
    ///
    /// # Errors
    /// Of the store.
    pub fn ids(store: &dyn KnowledgeStore) -> Result<Vec<String>, SearchError> {
        let names = store.document_names(DocumentKind::Study)?.into_iter();
        Ok(names.filter(|name| names_a_study(name)).collect())
    }

    /// The trials that were told to the study of this id, in the order of the base.
    ///
    /// # Errors
    /// Of the store.
    pub fn trials(&self, store: &dyn KnowledgeStore, study: &str) -> Result<Vec<Trial>, SearchError> {
        let query = TrialQuery { space: Some(self.space.clone()), ..TrialQuery::task(self.task.clone()) };
        let mut trials = store.trials(&query)?.trials;
        trials.retain(|trial| is_of_study(trial, study));
        Ok(trials)
    }

    /// What counts beside the score.
    #[must_use]
    pub fn objectives(&self) -> Objectives {
        Objectives {
            constraints: self.constraints.clone(),
            pareto: self.pareto.clone(),
            per: self.per.clone(),
            device: self.device.clone(),
        }
    }

    /// What is known of the candidates before any is trained, and how far it is to be trusted.
    ///
    /// # Errors
    /// [`SearchError::BadPrior`], [`SearchError::BadCandidate`], and of the store.
    pub(crate) fn opinion(
        &self,
        store: &dyn KnowledgeStore,
        history: &SpaceHistory,
    ) -> Result<Option<Opinion>, SearchError> {
        let Some(prior) = &self.prior else {
            if self.strategy.needs_prior() {
                let reason = "the strategy \"ranked\" needs some to go by".into();
                return Err(SearchError::BadPrior { by: "none".into(), reason });
            }
            return Ok(None);
        };
        let candidates = history.canonical(self.candidates.as_deref().unwrap_or_default())?;
        let opinion = prior.of_candidates(&candidates, history.table().encoder())?;
        let mut exclude = self.history.exclude_tasks.clone();
        exclude.push(self.task.clone());
        Ok(Some(opinion.judged(store, &self.space, &exclude)?))
    }
}

/// Whether a document is a study's set-up: what else belongs to a study is called like it and goes on behind a space.
fn names_a_study(name: &str) -> bool {
    !name.contains(' ')
}

/// A field that says `null` where it might be left out, as programs write it that know no absence.
///
/// # Errors
/// Of the format.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// An acquisition, or why it is none: serde overlooks a `beta` beside a kind that has none.
fn acquisition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Acquisition>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, expecting = "an object")]
    struct Raw {
        kind: String,
        beta: Option<f64>,
    }
    let Some(Raw { kind, beta }) = Option::<Raw>::deserialize(deserializer)? else { return Ok(None) };
    let found = Acquisition::named(&kind, beta);
    let found = found.ok_or_else(|| D::Error::unknown_variant(&kind, &Acquisition::NAMES))?;
    if let (Some(beta), false) = (beta, matches!(found, Acquisition::UpperConfidenceBound { .. })) {
        let message = format!("beta is {beta}, but {kind} has none; it is for ucb");
        return Err(D::Error::custom(message));
    }
    Ok(Some(found))
}

/// What of the past counts in a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct HistoryChoice {
    /// Past tasks to leave out. The study's own task among them leaves out what the base has of it from before.
    #[serde(default, deserialize_with = "or_default")]
    pub exclude_tasks: Vec<Name>,
}
