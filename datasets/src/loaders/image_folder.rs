//! A folder of class folders with PNG and JPEG images.

use std::fmt::Display;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use heirloom_kb::Domain;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageReader};
use ndarray::Array2;
use rayon::prelude::*;

use super::class_folders::{ClassFolders, FileKind};
use super::files::{format, io};
use crate::row_traces::mark_of;
use crate::{Dataset, DatasetError, Preparation};

pub(super) const IMAGES: FileKind = FileKind {
    what: "PNG or JPEG",
    endings: &["png", "jpg", "jpeg"],
    unreadable: &["bmp", "gif", "tif", "tiff", "webp", "heic", "avif"],
};

/// Images of one size are kept up to this many pixels a side.
const KEPT_SIDE: usize = 64;
/// The side that all images get where they differ or are larger.
const USUAL_SIDE: usize = 32;
/// No network of ours takes larger ones, and one such image already has three million values.
const LARGEST_SIDE: usize = 1_024;
/// The largest number of a pixel.
const WHITE: f64 = 255.0;

/// How images of any size become examples of one shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageFolderOptions {
    /// Pixels a side, from 1 to 1,024; images are stretched to a square. Unless given, the images' common size if they
    /// have one and no side of it is longer than 64, else 32.
    pub side: Option<usize>,
    /// 1 for grey, 3 for RGB; unless given, 1 if all images are grey. What is transparent counts as its colour.
    pub channels: Option<usize>,
}

/// Loads a folder of class folders with PNG or JPEG files, `<class>/<file>`; or `train/<class>/<file>` and
/// `test/<class>/<file>`, of which the second is the official test part (`val` or `validation` likewise). Values are from
/// 0 to 1.
///
/// # Shapes
/// An example is `[channels, height, width]`.
///
/// # Errors
/// [`DatasetError::Format`] for a folder without images and a file that is no readable image, each by its name,
/// [`DatasetError::BadOption`], [`DatasetError::Io`].
pub fn image_folder(dir: &Path, name: &str, options: &ImageFolderOptions) -> Result<Dataset, DatasetError> {
    check(dir, options)?;
    let folders = ClassFolders::read(dir, &IMAGES)?;
    let [channels, height, width] = shape(&folders, options)?;
    let size = channels * height * width;
    let mut values = vec![0.0_f32; folders.files.len() * size];
    let fill = |(values, path): (&mut [f32], &Path)| read(path, values, [channels, height, width], WHITE);
    let paths: Vec<&Path> = folders.files.iter().map(|file| file.path.as_path()).collect();
    // All of them, so that the first bad file is named whichever thread met one first.
    let marks: Vec<Result<u32, DatasetError>> =
        values.par_chunks_mut(size).zip(paths.into_par_iter()).map(fill).collect();
    let marks: Vec<u32> = marks.into_iter().collect::<Result<_, _>>()?;
    let x = Array2::from_shape_vec((folders.files.len(), size), values).expect("every image has its values");
    let source = format!("folder {name:?} of images");
    let shape = [channels, height, width];
    let data = Dataset::new(name, Domain::Image, &shape, x, folders.y(), folders.classes.clone(), &source)?;
    // The triangle filter of the `image` crate widens with the step, as PIL's does.
    let resampling = Some("bilinear".to_owned());
    let data =
        data.prepared(Some(Preparation::Images { channels, height, width, divided_by: WHITE, resampling }));
    Ok(folders.with_parts(data.with_raw_marks(Some(marks))))
}

fn check(dir: &Path, options: &ImageFolderOptions) -> Result<(), DatasetError> {
    let bad = |option, reason: String| {
        Err(DatasetError::BadOption { option, file: dir.display().to_string(), reason })
    };
    match (options.side, options.channels) {
        (Some(side), _) if !(1..=LARGEST_SIDE).contains(&side) => {
            bad("side", format!("{side} is not from 1 to {LARGEST_SIDE}"))
        }
        (_, Some(channels)) if channels != 1 && channels != 3 => {
            bad("channels", format!("{channels} is neither 1 (grey) nor 3 (RGB)"))
        }
        _ => Ok(()),
    }
}

/// The shape that all images get, from their heads alone.
fn shape(folders: &ClassFolders, options: &ImageFolderOptions) -> Result<[usize; 3], DatasetError> {
    let heads: Vec<Result<Head, DatasetError>> =
        folders.files.par_iter().map(|file| Head::read(&file.path)).collect();
    let heads: Vec<Head> = heads.into_iter().collect::<Result<_, _>>()?;
    let common = heads.iter().map(|head| head.size).reduce(|a, b| if a == b { a } else { [0; 2] });
    let [height, width] = match (options.side, common) {
        (Some(side), _) => [side; 2],
        (None, Some(size)) if size.iter().all(|side| (1..=KEPT_SIDE).contains(side)) => size,
        _ => [USUAL_SIDE; 2],
    };
    let found = if heads.iter().all(|head| head.is_grey) { 1 } else { 3 };
    Ok([options.channels.unwrap_or(found), height, width])
}

/// What the head of an image says.
pub(super) struct Head {
    /// Height and width.
    pub(super) size: [usize; 2],
    is_grey: bool,
}

impl Head {
    pub(super) fn read(path: &Path) -> Result<Self, DatasetError> {
        let decoder = reader(path)?.into_decoder().map_err(|error| unreadable(path, error))?;
        let (width, height) = decoder.dimensions();
        Ok(Head { size: [height as usize, width as usize], is_grey: !decoder.color_type().has_color() })
    }
}

/// Reads an image into its values, channel by channel, each pixel's number divided by the same, and says what it is known by as it was.
pub(super) fn read(
    path: &Path,
    values: &mut [f32],
    [channels, height, width]: [usize; 3],
    divided_by: f64,
) -> Result<u32, DatasetError> {
    let bytes = fs::read(path).map_err(|source| io("read", path, source))?;
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
    let reader = reader.map_err(|source| io("read", path, source))?;
    let image = reader.decode().map_err(|error| unreadable(path, error))?;
    if is_cut_jpeg(&bytes) {
        return Err(unreadable(path, "the end of the JPEG is missing"));
    }
    // In colour, so that the same picture is known again whether it was read as grey or not.
    let mark = mark_of(image.to_rgb8().as_raw());
    let image = if channels == 1 {
        DynamicImage::ImageLuma8(image.into_luma8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    };
    let is_fitting = (image.height() as usize, image.width() as usize) == (height, width);
    let image = if is_fitting {
        image
    } else {
        let (width, height) = (width as u32, height as u32);
        match image {
            DynamicImage::ImageLuma8(grey) => {
                DynamicImage::ImageLuma8(imageops::resize(&grey, width, height, FilterType::Triangle))
            }
            other => DynamicImage::ImageRgb8(imageops::resize(
                &other.into_rgb8(),
                width,
                height,
                FilterType::Triangle,
            )),
        }
    };
    for (at, byte) in image.as_bytes().iter().enumerate() {
        values[at % channels * height * width + at / channels] = f32::from(*byte) / divided_by as f32;
    }
    Ok(mark)
}

/// A reader that looks at the content, for files are at times named after another format.
fn reader(path: &Path) -> Result<ImageReader<std::io::BufReader<std::fs::File>>, DatasetError> {
    let reader = ImageReader::open(path).map_err(|source| io("open", path, source))?;
    reader.with_guessed_format().map_err(|source| io("read", path, source))
}

/// Whether an image starts as a JPEG and has no mark of its end behind its last scan; one before it may be that of a thumbnail. The decoder
/// makes grey of what is missing and says nothing.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    let last = |mark: [u8; 2]| bytes.windows(2).rposition(|pair| pair == mark);
    bytes.starts_with(&[0xff, 0xd8, 0xff]) && last([0xff, 0xd9]) < last([0xff, 0xda])
}

fn unreadable(path: &Path, why: impl Display) -> DatasetError {
    format(path, format!("it is no readable PNG or JPEG image: {why}"))
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};

    use super::*;
    use crate::RowTraces;

    fn save(dir: &Path, path: &str, image: &DynamicImage) {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }

    fn grey(width: u32, height: u32, value: u8) -> DynamicImage {
        GrayImage::from_pixel(width, height, Luma([value])).into()
    }

    fn load(dir: &Path, side: Option<usize>, channels: Option<usize>) -> Result<Dataset, DatasetError> {
        image_folder(dir, "mine", &ImageFolderOptions { side, channels })
    }

    #[test]
    fn pixels_stand_channel_by_channel() {
        let dir = tempfile::tempdir().unwrap();
        let image = RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 255]));
        save(dir.path(), "a/1.png", &image.into());
        save(dir.path(), "b/1.png", &grey(3, 2, 51));
        let data = load(dir.path(), None, None).unwrap();
        assert_eq!((data.shape(), data.y(), data.name()), (&[3, 2, 3][..], &[0, 1][..], "mine"));
        let row: Vec<f32> = data.x().row(0).iter().map(|value| value * 255.0).collect();
        assert_eq!(row[..6], [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        assert_eq!(row[6..12], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert!(data.x().row(1).iter().all(|value| *value == 0.2));
    }

    #[test]
    fn the_size_is_the_common_one_or_32_or_what_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "a/1.png", &grey(20, 10, 9));
        save(dir.path(), "b/1.jpg", &grey(20, 10, 9));
        let shape = |side, channels| load(dir.path(), side, channels).unwrap().shape().to_vec();
        assert_eq!(shape(None, None), [1, 10, 20]);
        assert_eq!(shape(Some(7), Some(3)), [3, 7, 7]);
        let squares = Preparation::Images {
            channels: 3,
            height: 7,
            width: 7,
            divided_by: 255.0,
            resampling: Some("bilinear".into()),
        };
        assert_eq!(load(dir.path(), Some(7), Some(3)).unwrap().preparation(), Some(&squares));
        save(dir.path(), "b/2.png", &grey(21, 10, 9));
        assert_eq!(shape(None, None), [1, 32, 32]);
        let large = tempfile::tempdir().unwrap();
        save(large.path(), "a/1.png", &grey(65, 65, 9));
        assert_eq!(load(large.path(), None, None).unwrap().shape(), [1, 32, 32]);
    }

    #[test]
    fn a_picture_is_known_again_at_another_size_and_in_grey() {
        let dir = tempfile::tempdir().unwrap();
        for (path, value) in [("a/1.png", 9), ("a/2.png", 8), ("b/1.png", 7)] {
            let image = RgbImage::from_fn(12, 9, |x, y| Rgb([x as u8, y as u8, value]));
            save(dir.path(), path, &image.into());
        }
        let (usual, other) =
            (load(dir.path(), None, None).unwrap(), load(dir.path(), Some(8), Some(1)).unwrap());
        let marks = |data: &Dataset| [0, 1, 2].map(|row| data.raw_mark(row).unwrap());
        assert_eq!(marks(&usual), marks(&other));
        assert!(marks(&usual)[0] != marks(&usual)[1] && usual.row_mark(0) != other.row_mark(0));
        let traces: Vec<_> = (0..3).map(|row| RowTraces::of(&usual).trace(row)).collect();
        assert_eq!(RowTraces::of(&other).recognised(&traces, &[0, 2]), [true, false, true]);
    }

    #[test]
    fn shrinking_averages() {
        let dir = tempfile::tempdir().unwrap();
        let chequered = GrayImage::from_fn(64, 64, |x, y| Luma([if (x + y) % 2 == 0 { 255 } else { 0 }]));
        save(dir.path(), "a/1.png", &chequered.into());
        let data = load(dir.path(), Some(8), None).unwrap();
        assert!(data.x().iter().all(|value| (value - 0.5).abs() < 0.02), "{}", data.x());
    }

    #[test]
    fn official_parts_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["train/a/1.png", "train/b/1.png", "test/a/1.png", "validation/b/1.png"] {
            save(dir.path(), path, &grey(2, 2, 0));
        }
        let data = load(dir.path(), None, None).unwrap();
        assert_eq!((data.official_validation(), data.official_test()), (Some(&[2][..]), Some(&[3][..])));
    }

    #[test]
    fn refusals_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "a/1.png", &grey(2, 2, 0));
        save(dir.path(), "b/1.png", &grey(2, 2, 0));
        let why = |side, channels| load(dir.path(), side, channels).unwrap_err().to_string();
        assert!(why(Some(0), None).contains("option \"side\"") && why(Some(0), None).contains("1 to 1024"));
        assert!(why(None, Some(2)).contains("2 is neither 1 (grey) nor 3 (RGB)"));
        let mut bytes = std::io::Cursor::new(Vec::new());
        grey(40, 40, 7).write_to(&mut bytes, ImageFormat::Png).unwrap();
        // The head is whole, the rest is missing.
        fs::write(dir.path().join("b/0.png"), &bytes.get_ref()[..60]).unwrap();
        fs::write(dir.path().join("b/9.png"), &bytes.get_ref()[..60]).unwrap();
        assert!(
            why(None, None).contains("b/0.png: it is no readable PNG or JPEG image"),
            "{}",
            why(None, None)
        );
        let mut jpeg = std::io::Cursor::new(Vec::new());
        grey(40, 40, 7).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        let jpeg = jpeg.into_inner();
        fs::write(dir.path().join("a/0.jpeg"), &jpeg[..jpeg.len() - 9]).unwrap();
        let words = why(None, None);
        assert!(words.contains("a/0.jpeg") && words.contains("the end of the JPEG is missing"), "{words}");
        fs::write(dir.path().join("a/0.jpeg"), "text").unwrap();
        assert!(why(None, None).contains("a/0.jpeg: it is no readable"), "{}", why(None, None));
        fs::write(dir.path().join("a/0.jpeg"), bytes.into_inner()).unwrap();
        fs::remove_file(dir.path().join("b/0.png")).unwrap();
        fs::remove_file(dir.path().join("b/9.png")).unwrap();
        assert_eq!(load(dir.path(), Some(2), None).unwrap().n(), 3);
    }
}
