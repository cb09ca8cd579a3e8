//! Tables in Parquet files.

use std::fs::File;
use std::panic::catch_unwind;
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::ColumnDescriptor;

use super::column::Column;
use super::files::{format, io};
use super::table::{Table, TableOptions};
use crate::{Dataset, DatasetError, Written};

/// Loads a table out of a Parquet file, plain or packed with Snappy, gzip or Zstandard. Dates are numbers of days, times of
/// seconds; an index that pandas wrote along is passed over. Lists, maps and structures are refused.
///
/// # Errors
/// [`DatasetError::Format`] with row and column, [`DatasetError::BadOption`], [`DatasetError::Io`].
pub fn parquet_table(file: &Path, name: &str, options: &TableOptions) -> Result<Dataset, DatasetError> {
    read(file)?.dataset(file, name, options)
}

/// The columns of a file.
pub(super) fn read(file: &Path) -> Result<Table, DatasetError> {
    // On damaged values the reader panics where it should report (release 60.1; the test below finds such a byte).
    catch_unwind(|| parse(file)).unwrap_or_else(|_| {
        Err(format(file, "it is no readable Parquet file: its values are damaged".into()))
    })
}

fn parse(file: &Path) -> Result<Table, DatasetError> {
    let bad = |error: ParquetError| format(file, format!("it is no readable Parquet file: {error}"));
    let opened = File::open(file).map_err(|source| io("open", file, source))?;
    let reader = SerializedFileReader::new(opened).map_err(bad)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    if let Some(nested) = schema.columns().iter().find(|column| column.path().parts().len() > 1) {
        let reason = format!("column {:?} is nested; numbers or words were expected", nested.path().string());
        return Err(format(file, reason));
    }
    let names: Vec<String> = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    let units: Vec<f64> = schema.columns().iter().map(|column| unit(column)).collect();
    let ways: Vec<Option<Written>> = schema.columns().iter().map(|column| written(column)).collect();
    let mut cells: Vec<Cells> = names.iter().map(|_| Cells::default()).collect();
    for (row, record) in reader.get_row_iter(None).map_err(bad)?.enumerate() {
        let record = record.map_err(bad)?;
        for ((column, (name, field)), cells) in record.get_column_iter().enumerate().zip(&mut cells) {
            debug_assert_eq!(name, &names[column]);
            let cell = cell(field, units[column]).map_err(|reason| {
                format(
                    file,
                    format!("row {}, column {name:?}: {reason}; a number or a word was expected", row + 1),
                )
            })?;
            cells.0.push(cell);
        }
    }
    let columns = names.into_iter().zip(cells.into_iter().zip(ways)).filter(|(name, _)| !is_index(name));
    let (names, columns) = columns.map(|(name, (cells, way))| (name, cells.column(way))).unzip();
    Ok(Table { names, columns, has_texts: false })
}

/// The index that pandas writes beside the columns.
fn is_index(name: &str) -> bool {
    name.starts_with("__index_level_") && name.ends_with("__")
}

enum Cell {
    Missing,
    Number(f64),
    Word(String),
}

/// The cells of one column, which has one type.
#[derive(Default)]
struct Cells(Vec<Cell>);

impl Cells {
    fn column(self, way: Option<Written>) -> Column {
        if self.0.iter().any(|cell| matches!(cell, Cell::Word(_))) {
            let word = |cell| match cell {
                Cell::Word(word) => Some(word),
                Cell::Number(number) => Some(number.to_string()),
                Cell::Missing => None,
            };
            return Column::Words(self.0.into_iter().map(word).collect());
        }
        let number = |cell: &Cell| if let Cell::Number(number) = cell { Some(*number) } else { None };
        let numbers = self.0.iter().map(number).collect();
        match way {
            Some(way) => Column::Written(way, numbers),
            None => Column::Numbers(numbers),
        }
    }
}

/// What a whole number of a column stands for: of nanoseconds, which the row reader does not tell apart, a part of a second.
fn unit(column: &ColumnDescriptor) -> f64 {
    match column.logical_type_ref() {
        Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS => 1e-9,
        Some(LogicalType::Time(time)) if time.unit == TimeUnit::NANOS => 1e-9,
        _ => 1.0,
    }
}

/// Whether a column's numbers are dates or times.
fn written(column: &ColumnDescriptor) -> Option<Written> {
    match column.logical_type_ref() {
        Some(LogicalType::Date) => Some(Written::Date),
        Some(LogicalType::Timestamp(_)) => Some(Written::Time),
        _ => match column.converted_type() {
            ConvertedType::DATE => Some(Written::Date),
            ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS => Some(Written::Time),
            _ => None,
        },
    }
}

fn cell(field: &Field, unit: f64) -> Result<Cell, String> {
    let number = match field {
        Field::Null => return Ok(Cell::Missing),
        Field::Bool(truth) => return Ok(Cell::Word(truth.to_string())),
        Field::Str(word) => {
            let word = word.trim();
            return Ok(if word.is_empty() { Cell::Missing } else { Cell::Word(word.to_owned()) });
        }
        Field::Byte(number) => f64::from(*number),
        Field::Short(number) => f64::from(*number),
        Field::Int(number) | Field::Date(number) => f64::from(*number),
        Field::Long(number) => *number as f64 * unit,
        Field::UByte(number) => f64::from(*number),
        Field::UShort(number) => f64::from(*number),
        Field::UInt(number) => f64::from(*number),
        Field::ULong(number) => *number as f64,
        Field::Float16(number) => f64::from(number.to_f32()),
        Field::Float(number) => f64::from(*number),
        Field::Double(number) => *number,
        Field::TimeMillis(time) => f64::from(*time) / 1e3,
        Field::TimestampMillis(time) => *time as f64 / 1e3,
        Field::TimeMicros(time) | Field::TimestampMicros(time) => *time as f64 / 1e6,
        Field::Decimal(decimal) => {
            let sign = decimal.data().first().map_or(0, |byte| i128::from(*byte as i8 >> 7));
            let digits = decimal.data().iter().fold(sign, |digits, byte| (digits << 8) | i128::from(*byte));
            digits as f64 / 10.0_f64.powi(decimal.scale())
        }
        Field::Bytes(_) => return Err("it has bytes".into()),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => return Err("it is nested".into()),
    };
    match number {
        number if number.is_nan() => Ok(Cell::Missing),
        number if number.is_infinite() => Err(format!("it is {number}")),
        number => Ok(Cell::Number(number)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    const SCHEMA: &str = "message schema { optional double height; required int32 floor; required binary kind (UTF8); required int32 __index_level_0__; }";

    /// Four rows, of which the third has no height.
    fn write(file: &Path, compression: Compression, schema: &str) {
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(File::create(file).unwrap(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[1.5, 2.5, 4.0], Some(&[1, 1, 0, 1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[3, -1, 3, 2], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let words: Vec<ByteArray> = ["hut", "villa", "hut", "villa"].map(ByteArray::from).to_vec();
        column.typed::<ByteArrayType>().write_batch(&words, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[7, 3, 5, 1], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }

    fn load(file: &Path, label: Option<&str>) -> Result<Dataset, String> {
        let options = TableOptions { label: label.map(str::to_owned) };
        parquet_table(file, "houses", &options).map_err(|error| error.to_string())
    }

    #[test]
    fn typed_columns_and_missing_values() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("houses.parquet");
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(Default::default()),
            Compression::ZSTD(Default::default()),
        ] {
            write(&file, compression, SCHEMA);
            let data = load(&file, None).unwrap();
            assert_eq!(
                (data.classes(), data.y()),
                (&["hut".to_owned(), "villa".into()][..], &[0, 1, 0, 1][..])
            );
            assert_eq!(data.x().column(0).to_vec(), [1.5, 2.5, 2.5, 4.0]);
            assert_eq!(data.x().column(1).to_vec(), [0.0, 0.0, 1.0, 0.0]);
            assert_eq!(data.x().column(2).to_vec(), [3.0, -1.0, 3.0, 2.0]);
            assert_eq!(data.shape(), [3]);
        }
    }

    #[test]
    fn times_are_seconds_whatever_their_unit() {
        for (kind, values) in [
            ("TIMESTAMP(MILLIS,true)", [1_500, 4_000, -250]),
            ("TIMESTAMP(MICROS,true)", [1_500_000, 4_000_000, -250_000]),
            ("TIMESTAMP(NANOS,true)", [1_500_000_000, 4_000_000_000, -250_000_000]),
            ("TIME(NANOS,true)", [1_500_000_000, 4_000_000_000, -250_000_000]),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("times.parquet");
            let schema = format!("message schema {{ required int64 time ({kind}); required int32 class; }}");
            let schema = Arc::new(parse_message_type(&schema).unwrap());
            let mut writer =
                SerializedFileWriter::new(File::create(&file).unwrap(), schema, Arc::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int32Type>().write_batch(&[0, 1, 1], None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            writer.close().unwrap();
            assert_eq!(load(&file, None).unwrap().x().column(0).to_vec(), [1.5, 4.0, -0.25], "{kind}");
        }
    }

    #[test]
    fn refusals_name_file_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("houses.parquet");
        write(&file, Compression::SNAPPY, SCHEMA);
        let error = load(&file, Some("price")).unwrap_err();
        assert!(error.ends_with("there is no column \"price\"; there are height, floor, kind"), "{error}");
        write(&file, Compression::SNAPPY, &SCHEMA.replace("binary kind (UTF8)", "binary kind"));
        let error = load(&file, None).unwrap_err();
        assert!(error.contains("row 1, column \"kind\": it has bytes"), "{error}");
        std::fs::write(&file, "a,b").unwrap();
        assert!(load(&file, None).unwrap_err().contains("houses.parquet: it is no readable Parquet file"));
    }

    #[test]
    fn a_damaged_file_is_refused_and_no_panic_gets_out() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("houses.parquet");
        write(&file, Compression::SNAPPY, SCHEMA);
        let whole = std::fs::read(&file).unwrap();
        for cut in (0..whole.len()).step_by(7) {
            std::fs::write(&file, &whole[..cut]).unwrap();
            assert!(load(&file, None).is_err());
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x5a;
            std::fs::write(&file, bytes).unwrap();
            // A flipped value may still be a table; what matters is that it comes back.
            let _ = load(&file, None);
        }
    }
}
