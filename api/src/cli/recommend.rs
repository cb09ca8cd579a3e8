//! `heirloom recommend`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use heirloom_kb::{Architecture, Name};
use heirloom_predictor::TaskScores;
use heirloom_search::fidelity::FidelityAdvice;
use heirloom_search::{
    FrontPoint, RankedArchitecture, Recommendation, RecommendationRequest, Recommender, TaskChoice,
};
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::front_chart::{front_chart, short};
use super::new_task::TaskArgs;
use super::objectives::ObjectiveArgs;
use super::output::{InputFault, Output, bold, dim, table};
use super::progress::{self, bar};

#[derive(Debug, clap::Args)]
pub(super) struct RecommendArgs {
    #[command(flatten)]
    task: TaskArgs,
    /// The search space to recommend from.
    #[arg(long)]
    space: Name,
    /// How many architectures.
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    k: u16,
    /// A file with the architectures that alone may be recommended, one JSON object a line or an array of them.
    #[arg(long, value_name = "FILE")]
    candidates: Option<PathBuf>,
    /// Leave this past task out; the task itself leaves out its own trials. May be given several times.
    #[arg(long, value_name = "TASK")]
    exclude_task: Vec<Name>,
    /// Orders architectures of which the same is expected.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    objectives: ObjectiveArgs,
    /// Write the expected Pareto front over its first cost as a picture.
    #[arg(long, value_name = "FILE.svg", requires = "pareto")]
    svg: Option<PathBuf>,
    /// Show where the recommended stand among the task's own trials, where it has measured them: a look at the answer
    /// book, for benchmarks.
    #[arg(long, conflicts_with_all = ["meta", "from"])]
    true_rank: bool,
}

/// A recommendation, and the true ranks if they are asked for.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    recommendation: Recommendation,
    #[serde(skip_serializing_if = "Option::is_none")]
    true_ranks: Option<TrueRanks>,
    /// Whether the base does not know the task.
    #[serde(skip)]
    is_new: bool,
}

/// Where the recommended stand on the task.
#[derive(Serialize)]
struct TrueRanks {
    /// Architectures of the task with a validation score.
    measured: usize,
    /// For each recommended architecture: rank from 1 (the best) and score, if it is measured.
    ranks: Vec<Option<TrueRank>>,
}

#[derive(Serialize)]
struct TrueRank {
    rank: usize,
    score: f64,
}

pub(super) fn run(base: &BaseArgs, args: RecommendArgs, out: &Output) -> Result<(), Failure> {
    let store = base.open_to_read()?;
    let (task, notes) = args.task.choice()?;
    let request = RecommendationRequest {
        task,
        space: args.space,
        k: usize::from(args.k),
        candidates: args.candidates.as_deref().map(read_candidates).transpose()?,
        exclude: Vec::new(),
        exclude_tasks: args.exclude_task,
        seed: args.seed,
        objectives: args.objectives.objectives(),
    };
    let bar = bar(None, progress::SPIN);
    bar.set_message("reading the history");
    let recommender = Recommender::new(store);
    let recommendation = recommender.recommend(&request);
    bar.finish_and_clear();
    let mut recommendation = recommendation?;
    recommendation.notes.extend(notes);
    if let (Some(path), Some(cost)) = (&args.svg, request.objectives.pareto.first()) {
        let svg = front_chart(&recommendation, cost)?;
        std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let true_ranks = if args.true_rank { Some(true_ranks(&recommender, &recommendation)?) } else { None };
    let is_new = matches!(request.task, TaskChoice::New(_));
    out.answer(&Answer { recommendation, true_ranks, is_new }, describe)?;
    Ok(())
}

/// Architectures: one JSON object a line, or an array of them.
fn read_candidates(path: &Path) -> anyhow::Result<Vec<Architecture>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let text = text.map_err(|error| InputFault(format!("{error:#}")))?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('[') {
        let all = serde_json::from_str(text).with_context(|| format!("{}: an array", path.display()));
        return all.map_err(|error| InputFault(format!("{error:#}")).into());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}: line {}", path.display(), at + 1))
    };
    lines.map(read).collect()
}

fn true_ranks(recommender: &Recommender, recommendation: &Recommendation) -> anyhow::Result<TrueRanks> {
    let history = recommender.history(&recommendation.space)?;
    let scores = history.scores(&recommendation.task);
    let mut sorted: Vec<f64> = scores.into_iter().flat_map(TaskScores::measured).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let ranks = recommendation.ranked.iter().map(|ranked| {
        let canonical = heirloom_search::spaces::canonical(&recommendation.space, &ranked.architecture);
        let row = history.table().row(&canonical)?;
        let scores = scores?;
        let score = scores.scores[scores.position(row)?]?;
        let rank = sorted.partition_point(|better| *better > score) + 1;
        let goal = history.task(&recommendation.task).ok()?.goal;
        Some(TrueRank { rank, score: goal.higher_is_better(score) })
    });
    Ok(TrueRanks { measured: sorted.len(), ranks: ranks.collect() })
}

fn describe(answer: &Answer) -> String {
    let Answer { recommendation, true_ranks, is_new } = answer;
    let task = if *is_new { "a new task" } else { &*recommendation.task };
    let head = format!(
        "{} from {} candidates of {}",
        bold(&format!("for {task}")),
        recommendation.candidates,
        recommendation.space
    );
    let mut lines = vec![head, history_line(recommendation)];
    lines.extend(recommendation.fidelity.as_ref().map(fidelity_line));
    lines.extend(recommendation.notes.iter().map(|note| format!("note: {note}")));
    let costs = asked_costs(recommendation);
    let mut names = vec!["#", "architecture", "score", "+-", "beats"];
    names.extend(costs.iter().map(|cost| &**cost));
    if recommendation.ranked.iter().any(|ranked| ranked.feasible_frac.is_some()) {
        names.push("feasible");
    }
    names.push("evidence");
    if true_ranks.is_some() {
        names.push("true rank");
    }
    let mut rows = table(&names);
    for (at, ranked) in recommendation.ranked.iter().enumerate() {
        let mut row = vec![
            (at + 1).to_string(),
            ranked.architecture.to_string(),
            format!("{:.2}", ranked.mean),
            format!("{:.2}", ranked.std),
            format!("{:.1} %", 100.0 * ranked.beats_frac),
        ];
        row.extend(costs.iter().map(|cost| cost_cell(ranked, cost)));
        row.extend(ranked.feasible_frac.map(|feasible| format!("{:.0} %", 100.0 * feasible)));
        row.push(format!("{} trials; {}", ranked.evidence.len(), ranked.why));
        if let Some(ranks) = true_ranks {
            let rank = ranks.ranks[at].as_ref().map(|rank| format!("{} of {}", rank.rank, ranks.measured));
            row.push(rank.unwrap_or_else(|| "not measured".into()));
        }
        rows.add_row(row);
    }
    lines.push(rows.to_string());
    if let Some(front) = &recommendation.front {
        lines.push(front_line(front));
    }
    lines.push(dim("score: expected normal score of the rank, 0 is the median; beats: the share of the space it should beat"));
    lines.join("\n")
}

/// Where the expected front begins and ends; all of it is in the JSON.
fn front_line(front: &[FrontPoint]) -> String {
    let end = |point: &FrontPoint| {
        let costs = point.expected_costs.iter().map(|(name, cost)| format!("{name} {}", short(*cost)));
        format!("score {:.2} with {}", point.mean, costs.collect::<Vec<_>>().join(", "))
    };
    match front {
        [] => "no candidate is on the expected Pareto front".into(),
        [only] => format!("expected Pareto front: one architecture, {}", end(only)),
        [first, .., last] => {
            format!(
                "expected Pareto front: {} architectures, from {} to {}",
                front.len(),
                end(first),
                end(last)
            )
        }
    }
}

/// The costs that the answer has, in order.
fn asked_costs(recommendation: &Recommendation) -> Vec<Name> {
    let costs = recommendation.ranked.iter().flat_map(|ranked| ranked.expected_costs.keys());
    costs.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// `0.0059 ±0.0004`, without the doubt where there is none.
fn cost_cell(ranked: &RankedArchitecture, cost: &Name) -> String {
    let Some(expected) = ranked.expected_costs.get(cost) else { return "-".into() };
    match ranked.cost_std.get(cost) {
        Some(std) if *std > 0.0 => format!("{} ±{}", short(*expected), short(*std)),
        _ => short(*expected),
    }
}

/// Where the answer comes from: `from 82 % computers, 11 % cs and 3 more tasks, with 64 % trust; and 5 trials of its own`.
fn history_line(recommendation: &Recommendation) -> String {
    let shares = recommendation.history.iter().take(4);
    let shares: Vec<String> =
        shares.map(|share| format!("{:.0} % {}", 100.0 * share.share, share.task)).collect();
    let more = match recommendation.history.len().saturating_sub(shares.len()) {
        0 => String::new(),
        1 => " and 1 more task".into(),
        n => format!(" and {n} more tasks"),
    };
    let own = match recommendation.own_trials {
        0 => "no trials of its own".to_owned(),
        1 => "1 trial of its own".to_owned(),
        n => format!("{n} trials of its own"),
    };
    if shares.is_empty() {
        return format!("from {own}");
    }
    let past = format!("from {}{more}", shares.join(", "));
    match recommendation.trust {
        Some(trust) => {
            let agree = recommendation.past_correlation.map_or_else(String::new, |correlation| {
                format!(", which agree with its own trials by {correlation:.2} (rank correlation)")
            });
            format!("{past}, with {:.0} % trust in them{agree}; and {own}", 100.0 * trust)
        }
        None => format!("{past}; {own}"),
    }
}

/// `train for 4 of 9 epochs first: after ...`
fn fidelity_line(advice: &FidelityAdvice) -> String {
    format!("train for {} of {} {} first: {}", advice.value, advice.full, advice.name, advice.why)
}
