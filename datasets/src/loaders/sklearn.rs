//! The small data sets that scikit-learn carries.

use std::path::{Path, PathBuf};

use heirloom_kb::Domain;
use ndarray::Array2;

use super::files::{format, gunzip, io, read_member};
use crate::{Dataset, DatasetError, Preparation};

/// Where a wheel keeps them.
const FOLDER: &str = "sklearn/datasets/data/";

pub(super) fn load(name: &str, dir: &Path, _download: bool) -> Result<Dataset, DatasetError> {
    let file = match name {
        "digits" | "digits-table" => "digits.csv.gz",
        "wine" => "wine_data.csv",
        "breast_cancer" => "breast_cancer.csv",
        _ => "iris.csv",
    };
    let (bytes, path) = find(name, dir, file)?;
    if file == "digits.csv.gz" {
        return digits(name, &gunzip(&bytes, &path)?, &path);
    }
    table(name, &bytes, &path)
}

/// The bytes of a file, out of the folder itself or of a wheel in it, and where they were.
fn find(name: &str, dir: &Path, file: &str) -> Result<(Vec<u8>, PathBuf), DatasetError> {
    let plain = dir.join(file);
    if plain.is_file() {
        // Not unpacked here: a wheel's member is not either.
        let bytes = std::fs::read(&plain).map_err(|source| io("read", &plain, source))?;
        return Ok((bytes, plain));
    }
    let is_wheel = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("scikit_learn-") && name.ends_with(".whl")
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut wheels: Vec<PathBuf> = entries.filter(is_wheel).collect();
    wheels.sort();
    let Some(wheel) = wheels.pop() else {
        return Err(DatasetError::Missing {
            name: name.to_owned(),
            wanted: format!("{file}, nor a wheel of scikit-learn,"),
            dir: dir.display().to_string(),
            hint: format!("fetch one with: pip download --no-deps -d {} scikit-learn", dir.display()),
        });
    };
    let bytes = read_member(&wheel, &[FOLDER, file].concat())?;
    let path = wheel.join(file);
    Ok((bytes, path))
}

/// `n,d,class names` in the first line, then rows of `d` numbers and a label.
fn table(name: &str, bytes: &[u8], path: &Path) -> Result<Dataset, DatasetError> {
    let rows = records(bytes, path)?;
    let head = rows.first().ok_or_else(|| format(path, "it is empty".into()))?;
    let count = |at: usize| head.get(at).and_then(|text| text.parse::<usize>().ok());
    let (Some(n), Some(d)) = (count(0), count(1)) else {
        return Err(format(path, "line 1 does not begin with the numbers of rows and features".into()));
    };
    let classes: Vec<String> = head.iter().skip(2).map(str::to_owned).collect();
    if rows.len() != n + 1 {
        return Err(format(path, format!("line 1 says {n} rows, there are {}", rows.len() - 1)));
    }
    let (x, y) = numbers(&rows[1..], d, 2, path)?;
    Dataset::new(name, Domain::Tabular, &[d], x, y, classes, "scikit-learn")
}

/// Rows of 64 pixels from 0 to 16 and a label.
fn digits(name: &str, bytes: &[u8], path: &Path) -> Result<Dataset, DatasetError> {
    let (mut x, y) = numbers(&records(bytes, path)?, 64, 1, path)?;
    x /= 16.0;
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let (domain, shape): (_, &[usize]) =
        if name == "digits" { (Domain::Image, &[1, 8, 8]) } else { (Domain::Tabular, &[64]) };
    let data = Dataset::new(name, domain, shape, x, y, classes, "scikit-learn")?;
    let is_image = domain == Domain::Image;
    let images =
        || Preparation::Images { channels: 1, height: 8, width: 8, divided_by: 16.0, resampling: None };
    Ok(data.prepared(is_image.then(images)))
}

fn records(bytes: &[u8], path: &Path) -> Result<Vec<csv::StringRecord>, DatasetError> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    reader.into_records().collect::<Result<_, _>>().map_err(|error| format(path, error.to_string()))
}

/// Rows of `d` numbers and a label; `first` is the number of the first line.
fn numbers(
    rows: &[csv::StringRecord],
    d: usize,
    first: usize,
    path: &Path,
) -> Result<(Array2<f32>, Vec<usize>), DatasetError> {
    let (mut x, mut y) = (Vec::with_capacity(rows.len() * d), Vec::with_capacity(rows.len()));
    for (line, row) in (first..).zip(rows) {
        if row.len() != d + 1 {
            return Err(format(path, format!("line {line} has {} fields, not {}", row.len(), d + 1)));
        }
        for text in row.iter().take(d) {
            let value: f32 =
                text.parse().map_err(|_| format(path, format!("line {line}: {text:?} is no number")))?;
            x.push(value);
        }
        // The digits write their labels like their pixels, `5.000e+00` in older releases.
        let label = row[d].parse::<f64>().ok().filter(|label| label.fract() == 0.0 && *label >= 0.0);
        let label = label.ok_or_else(|| format(path, format!("line {line}: {:?} is no label", &row[d])))?;
        y.push(label as usize);
    }
    let x = Array2::from_shape_vec((y.len(), d), x).expect("every row was counted");
    Ok((x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Dataset, DatasetError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("wine_data.csv"), text).unwrap();
        load("wine", dir.path(), false)
    }

    #[test]
    fn a_small_table() {
        let data = load_text("2,2,red,white\n1.5,2,0\n3,4,1\n").unwrap();
        assert_eq!((data.n(), data.n_classes(), data.shape()), (2, 2, &[2][..]));
        assert_eq!(data.x()[[1, 0]], 3.0);
    }

    #[test]
    fn refusals_name_file_line_and_operand() {
        let why = |text: &str| load_text(text).unwrap_err().to_string();
        assert!(why("3,2,a\n1,2,0\n").ends_with("wine_data.csv: line 1 says 3 rows, there are 1"));
        assert!(why("1,2,a\n1,x,0\n").ends_with("line 2: \"x\" is no number"));
        assert!(why("1,2,a\n1,2\n").ends_with("line 2 has 2 fields, not 3"));
        assert!(why("1,2,a\n1,2,-1\n").ends_with("line 2: \"-1\" is no label"));
        assert!(why("1,2,a\n1,2,7\n").contains("row 0 has the label 7, there are 1 classes"));
        let empty = tempfile::tempdir().unwrap();
        let error = load("wine", empty.path(), false).unwrap_err().to_string();
        assert!(error.contains("pip download --no-deps"), "{error}");
    }

    #[test]
    fn a_wheel_that_is_no_zip_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("scikit_learn-1.0-py3.whl"), "zip?").unwrap();
        let error = load("iris", dir.path(), false).unwrap_err().to_string();
        assert!(error.contains("scikit_learn-1.0-py3.whl: it is no whole zip file"), "{error}");
    }

    #[test]
    fn the_real_wheel_has_its_data_sets() {
        let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS").map(PathBuf::from) else {
            println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
            return;
        };
        let sizes = |name: &str| {
            let data = load(name, &dir, false).unwrap();
            (data.n(), data.x().ncols(), data.n_classes())
        };
        assert_eq!(sizes("digits"), (1_797, 64, 10));
        assert_eq!(sizes("digits-table"), (1_797, 64, 10));
        assert_eq!(sizes("wine"), (178, 13, 3));
        assert_eq!(sizes("breast_cancer"), (569, 30, 2));
        assert_eq!(sizes("iris"), (150, 4, 3));
        assert_eq!(load("digits", &dir, false).unwrap().shape(), [1, 8, 8]);
    }
}
