//! `heirloom predict`

use std::path::PathBuf;

use super::Failure;
use super::base::BaseArgs;
use super::kept::KeptArgs;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct PredictArgs {
    #[command(flatten)]
    kept: KeptArgs,
    /// The new data, of the kind that the network was trained on: a table (.csv, .csv.gz, .tsv, .parquet); a PNG, JPEG or WAV file, or
    /// a folder of them, also in class folders; time series (.ts, .tsv). They are prepared as the training's were: its medians, words, sizes and
    /// rates count. Columns are found by their names, and others passed over.
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// The column of a table with the class, if it is not called as in training. Where there are classes, also of folders and in .ts
    /// and .tsv files, the answer says how well they are predicted; a row without one is predicted all the same. A label that is no class of
    /// the network counts as predicted wrongly, unless none is one.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The CSV file to write: a line for each row or file in their order, with the class, its probability, the label if there is one,
    /// and the probabilities of all classes. Without it --json has them.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Where to compute; unless given, the first CUDA device if there is one, else the CPU.
    #[arg(long, value_parser = ["cpu", "cuda"])]
    device: Option<String>,
}

/// Predicts.
#[cfg(feature = "torch")]
pub(super) fn run(base: &BaseArgs, args: &PredictArgs, out: &Output) -> Result<(), Failure> {
    use heirloom_datasets::loaders::NewData;
    use heirloom_search::train::torch::KeptPredictor;
    use heirloom_search::train::{Evaluation, write_whole};

    use super::kept::Kept;
    use super::predict_answer::{Answer, csv_of, describe};
    use super::trainer::device_choice;

    with_torch::check_target(args)?;
    let Kept { trial, weights, note } = args.kept.choose(base)?;
    let predictor = KeptPredictor::open(&weights, &trial, device_choice(args.device.as_deref()))?;
    let card = predictor.card();
    let preparation = card.preparation.as_ref().ok_or_else(|| with_torch::unprepared(&trial))?;
    let data = NewData::open(&args.data, preparation, &card.classes, args.label.as_deref())?;
    let (probabilities, marks) = with_torch::probabilities(&predictor, &data)?;
    let evaluation = Evaluation::new(&card.classes, probabilities.view(), data.labels());
    let mut answer = Answer::new(&trial, args.data.clone(), &card.classes, (&data, probabilities.view()));
    let fitted_on = predictor.fitted_on(&marks).filter(|_| evaluation.is_some());
    answer.evaluation = evaluation;
    answer.notes.extend(fitted_on.map(with_torch::remembered));
    answer.notes.extend(note);
    answer.notes.extend(data.notes().iter().cloned());
    if let Some(to) = &args.to {
        write_whole(to, &csv_of(&answer)?)?;
        answer.written(to.clone());
    }
    out.answer(&answer, describe)?;
    Ok(())
}

/// Without libtorch there are no networks.
#[cfg(not(feature = "torch"))]
pub(super) fn run(_: &BaseArgs, args: &PredictArgs, _: &Output) -> Result<(), Failure> {
    let _ = (args.kept.trial, &args.kept.task, &args.data, &args.label, &args.to, &args.device);
    Err(super::trainer::without_torch().into())
}

#[cfg(feature = "torch")]
mod with_torch {
    use heirloom_datasets::loaders::{NewData, Place};
    use heirloom_datasets::value_mark;
    use heirloom_kb::Trial;
    use heirloom_search::train::torch::KeptPredictor;
    use ndarray::Array2;

    use super::super::output::{InputFault, check_folder};
    use super::super::progress::{self, bar};
    use super::PredictArgs;

    /// Refuses a file that could not be written, or that is the data, before anything is computed.
    pub(super) fn check_target(args: &PredictArgs) -> Result<(), InputFault> {
        let Some(to) = &args.to else { return Ok(()) };
        let file = to.display();
        if !to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
            return Err(InputFault(format!("{file} does not end in .csv")));
        }
        check_folder(to)?;
        if to.is_dir() {
            return Err(InputFault(format!("{file} is a folder")));
        }
        match (to.canonicalize(), args.data.canonicalize()) {
            (Ok(to), Ok(data)) if to == data => {
                Err(InputFault(format!("{file} is the data themselves; give another file to write")))
            }
            _ => Ok(()),
        }
    }

    /// That a network does not say how its examples are made.
    pub(super) fn unprepared(trial: &Trial) -> InputFault {
        InputFault(format!(
            "the network of trial {} does not say how raw data become its examples: it is of an earlier build, or of a data set that is taken as it is \
             (iris, wine, breast_cancer, digits-table); train on the data as a file or folder (--from) with this build, or write the network by export-net \
             and give it examples yourself",
            trial.id()
        ))
    }

    /// That some of the examples are not new.
    pub(super) fn remembered([told, known]: [usize; 2]) -> String {
        format!(
            "of a sample of {told} of these examples {known} are among those that the network was fitted on, so that the scores are higher than on what it has never seen"
        )
    }

    /// An example in words.
    fn named(place: &Place) -> String {
        match place {
            Place::Row(row) => format!("row {row}"),
            Place::File(file) => file.clone(),
        }
    }

    /// The probabilities of all examples, a batch of which is read at a time, `(n, classes)`, and what the examples are known by.
    pub(super) fn probabilities(
        predictor: &KeptPredictor,
        data: &NewData,
    ) -> anyhow::Result<(Array2<f64>, Vec<u32>)> {
        let mut marks = Vec::with_capacity(data.n());
        let bar = bar(Some(data.n() as u64), progress::COUNT);
        let mut all = Vec::with_capacity(data.n() * predictor.card().classes.len());
        for start in (0..data.n()).step_by(predictor.at_a_time()) {
            let rows = start..data.n().min(start + predictor.at_a_time());
            let examples = data.examples(rows.clone())?;
            let places: Vec<String> = data.places()[rows.clone()].iter().map(named).collect();
            let batch = predictor.probabilities(examples.view(), &places)?;
            all.extend(batch);
            marks.extend(examples.rows().into_iter().map(value_mark));
            bar.set_position(rows.end as u64);
        }
        bar.finish_and_clear();
        Ok((Array2::from_shape_vec((data.n(), predictor.card().classes.len()), all)?, marks))
    }
}
