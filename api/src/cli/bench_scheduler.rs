//! `heirloom bench --scheduler`

use std::sync::Arc;

use heirloom_kb::KnowledgeStore;
use heirloom_search::StrategyKind;
use heirloom_search::benchmark::BenchmarkProgress;
use heirloom_search::fidelity::{
    BUDGETS, SchedulerBenchmark, SchedulerKind, SchedulerReport, replay_schedulers,
};

use super::bench::BenchArgs;
use super::output::{InputFault, bold, dim, table};

/// Replays learning curves under each rule that was asked for.
pub(super) fn measure(
    store: &Arc<dyn KnowledgeStore>,
    args: &BenchArgs,
    progress: &mut dyn FnMut(BenchmarkProgress),
) -> anyhow::Result<SchedulerReport> {
    let strategy = match args.method.as_slice() {
        [] => StrategyKind::default(),
        [name] => StrategyKind::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or_default(),
        _ => {
            let message = "with --scheduler give one --method at most: the rules are compared under it";
            return Err(InputFault(message.into()).into());
        }
    };
    if args.history.is_some() || args.svg.is_some() || args.acquisition.acquisition()?.is_some() {
        let message = "--history, --svg and --acquisition have no effect with --scheduler";
        return Err(InputFault(message.into()).into());
    }
    let setup = SchedulerBenchmark {
        space: args.space.clone(),
        strategy,
        schedulers: args.scheduler.iter().map(|name| SchedulerKind::named(name)).collect(),
        seeds: args.seeds,
        trials: usize::from(args.trials),
        min_epochs: args.min_epochs,
        eta: args.eta,
        tasks: args.task.clone(),
    };
    Ok(replay_schedulers(store, &setup, progress)?)
}

pub(super) fn describe(report: &SchedulerReport) -> String {
    let setup = &report.setup;
    let head = format!(
        "{}: {} tasks in turn are new, {} proposes, {} seeds, {} trials",
        bold(&setup.space),
        report.tasks.len(),
        setup.strategy.as_str(),
        setup.seeds,
        setup.trials
    );
    let mut columns: Vec<String> =
        ["scheduler", "epochs %", "regret", "added", "stopped", "best lost", "equal at %"]
            .iter()
            .map(ToString::to_string)
            .collect();
    let reached = report.schedulers.first().map_or(0, |rule| rule.by_budget.len());
    columns.extend(BUDGETS[..reached].iter().map(|budget| format!("at {budget}")));
    let mut rows = table(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for rule in &report.schedulers {
        let mut row = vec![
            rule.scheduler.map_or("none", SchedulerKind::as_str).to_owned(),
            format!("{:.1}±{:.1}", 100.0 * rule.epochs_share, 100.0 * rule.epochs_half_width),
            format!("{:.3}±{:.3}", rule.regret, rule.regret_half_width),
            format!("{:+.3}±{:.3}", rule.regret_added, rule.regret_added_half_width),
            format!("{:.2}", rule.stopped),
            format!("{:.2}", rule.best_lost),
            rule.equal_regret_share.map_or("-".into(), |share| format!("{:.0}", 100.0 * share)),
        ];
        row.extend(rule.by_budget.iter().map(|regret| format!("{regret:.3}")));
        rows.add_row(row);
    }
    let foot = dim(
        "epochs: spent on these trials, of what whole trainings take; added: regret above the first row's in the same replay; best lost: replays in which the best proposed was stopped; equal at: epochs after which regret is as low as the first row's on all trials; at n: regret after epochs worth n whole trainings, however many trials; ± half the 95 % interval over seeds and tasks",
    );
    format!("{head}\n{rows}\n{foot}")
}
