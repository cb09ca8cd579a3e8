//! `heirloom export-net`

use std::path::PathBuf;

use super::Failure;
use super::base::BaseArgs;
use super::kept::KeptArgs;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct ExportNetArgs {
    #[command(flatten)]
    kept: KeptArgs,
    /// The file to write: .pt for TorchScript, which takes examples as Heirloom reads them and standardises them itself;
    /// .safetensors for the weights alone, to be given (x - mean) / scale, with mean and scale of each feature or channel in the
    /// metadata. As Heirloom reads them means what `preparation` there says (JSON under `heirloom`; in a .pt file the extra file of
    /// that name): pixels from 0 to 1; of sounds the log-mel picture or the samples; of tables numbers with the median for a
    /// missing one, words as columns of 0 and 1, and columns that say where values were missing. Without it they are taken as they
    /// are, as scikit-learn's tables.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Writes the network.
#[cfg(feature = "torch")]
pub(super) fn run(base: &BaseArgs, args: &ExportNetArgs, out: &Output) -> Result<(), Failure> {
    use heirloom_search::train::torch::{NetFormat, export_network};

    use super::kept::{self, Kept};
    use super::output::{InputFault, check_folder};

    let file = args.to.display();
    let format = NetFormat::of(&args.to)
        .ok_or_else(|| InputFault(format!("{file} ends neither in .pt nor in .safetensors")))?;
    check_folder(&args.to)?;
    let Kept { trial, weights, note } = args.kept.choose(base)?;
    let id = trial.id();
    let card = export_network(&weights, kept::hash(&trial, Some(&weights))?, &args.to, format)?;
    let answer = serde_json::json!({
        "file": args.to, "trial": id, "score": trial.score, "network": card, "note": note
    });
    out.answer(&answer, |_| {
        let (shape, classes) = (&card.shape, card.classes.len());
        let note = note.iter().map(|note| format!("\nnote: {note}")).collect::<String>();
        format!(
            "{file}: trial {id}, {} {}, examples {shape:?} to {classes} scores{note}",
            card.space, card.architecture
        )
    })?;
    Ok(())
}

/// Without libtorch there are no networks.
#[cfg(not(feature = "torch"))]
pub(super) fn run(_: &BaseArgs, args: &ExportNetArgs, _: &Output) -> Result<(), Failure> {
    let _ = (args.kept.trial, &args.kept.task, &args.to);
    Err(super::trainer::without_torch().into())
}
