//! The command line: one file a verb.

mod acquisition;
mod base;
mod bench;
mod bench_scheduler;
mod chart;
mod export;
mod export_net;
mod front_chart;
mod import;
mod init;
mod jobs;
mod joint;
mod kept;
mod new_task;
mod objectives;
mod output;
mod own_data;
mod past_scores;
mod predict;
#[cfg(feature = "torch")]
mod predict_answer;
mod prior;
mod progress;
mod proxies;
mod recipe;
mod recommend;
mod resumption;
mod scheduler;
mod serve;
mod start;
mod status;
mod study;
mod study_answer;
mod supernet;
mod task_trials;
mod train;
mod train_worker;
mod trainer;

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use base::BaseArgs;

/// What the help calls options that every verb takes.
const EVERY_VERB: &str = "Options of every verb";

/// Recommends neural architectures for a new task from what worked on past ones.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    base: BaseArgs,
    /// Print JSON instead of text.
    #[arg(long, global = true, help_heading = EVERY_VERB)]
    json: bool,
    /// Whether to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = EVERY_VERB)]
    color: Colour,
    /// Log what happens to standard error; twice for more. RUST_LOG overrides it.
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = EVERY_VERB)]
    verbose: u8,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Colour {
    /// When standard output is a terminal that shows them.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put the history that ships with the program into the base: small networks on real tables, images and sounds.
    Init,
    /// Put histories into the base: JSON Lines (also .gz and .zst), or the wheel of NAS-Bench-Graph.
    Import(import::ImportArgs),
    /// Write the base as JSON Lines.
    Export(export::ExportArgs),
    /// Write a trained network for Python's torch: TorchScript or safetensors.
    ExportNet(export_net::ExportNetArgs),
    /// Apply a trained network to new data: a table, images, sounds or time series.
    Predict(predict::PredictArgs),
    /// Say which architectures a task should try first.
    Recommend(recommend::RecommendArgs),
    /// Search on a task: propose, train or look up, learn, propose again.
    Study(Box<study::StudyArgs>),
    /// Train one architecture and keep the trial.
    Train(train::TrainArgs),
    /// Search for one network body that serves several tasks, each with its own head.
    Joint(joint::JointArgs),
    /// Train the weights that all cells of a space share, and rank cells by them.
    Supernet(supernet::SupernetArgs),
    /// Rank architectures without training, by zero-cost proxies.
    Proxies(proxies::ProxyArgs),
    /// Answer REST queries.
    Serve(serve::ServeArgs),
    /// Measure the recommender: each task of the base in turn is new.
    Bench(bench::BenchArgs),
    /// Say what the base holds.
    Status(status::StatusArgs),
    /// Train for a study that trains side by side, and that alone talks to it.
    #[command(name = train_worker::VERB, hide = true)]
    TrainWorker,
}

/// What went wrong, and whose fault it is.
#[derive(Debug)]
enum Failure {
    /// The input: exit code 2.
    Input(anyhow::Error),
    /// Anything else: exit code 1.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if output::is_input_fault(&error) { Failure::Input(error) } else { Failure::Other(error) }
    }
}

/// Leaves after printing help or what is wrong with the command line, as JSON where JSON is asked for.
fn misused(error: &clap::Error) -> ! {
    if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        output::Output::new(true).error(&anyhow::anyhow!(text.to_owned()));
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// The command line. What looks like a negative number is the value of the option before it: whether it is in its range the
/// option says.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|verb| {
        verb.mut_args(
            |arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg },
        )
    })
}

/// Makes a file that grows beyond the limit of the process an error of the one who writes it; else the system ends the process
/// without a word.
fn heed_file_limits() {
    #[cfg(unix)]
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()) {
        tracing::debug!(%error, "files beyond the limit end the process");
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    heed_file_limits();
    let matches = command().try_get_matches().unwrap_or_else(|error| misused(&error));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| misused(&error));
    let given = resumption::given(&matches);
    match cli.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    start_log(cli.verbose);
    let out = output::Output::new(cli.json);
    match run(cli, &given, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (Failure::Input(error) | Failure::Other(error)) = &failure;
            out.error(error);
            if matches!(failure, Failure::Input(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli, given: &HashSet<String>, out: &output::Output) -> Result<(), Failure> {
    let base = cli.base;
    match cli.verb {
        Verb::Init => init::run(&base, out),
        Verb::Import(args) => import::run(&base, &args, out),
        Verb::Export(args) => export::run(&base, &args, out),
        Verb::ExportNet(args) => export_net::run(&base, &args, out),
        Verb::Predict(args) => predict::run(&base, &args, out),
        Verb::Recommend(args) => recommend::run(&base, args, out),
        Verb::Study(args) => study::run(&base, *args, given, out),
        Verb::Train(args) => train::run(&base, &args, out),
        Verb::Joint(args) => joint::run(&base, args, given, out),
        Verb::Supernet(args) => supernet::run(&base, &args, given, out),
        Verb::Proxies(args) => proxies::run(&base, &args, out),
        Verb::Serve(args) => serve::run(&base, &args, out),
        Verb::Bench(args) => bench::run(&base, &args, out),
        Verb::Status(args) => status::run(&base, &args, out),
        Verb::TrainWorker => train_worker::run(),
    }
}

fn start_log(verbose: u8) {
    let level = ["warn", "info,heirloom_kb=debug,heirloom_search=debug", "debug,sled=info"]
        [usize::from(verbose.min(2))];
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).init();
}
