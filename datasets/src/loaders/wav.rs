//! WAV files as one channel of samples.

use std::f64::consts::PI;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hound::{SampleFormat, WavReader};

use super::files::format;
use crate::DatasetError;

/// Zero crossings of the resampling filter on each side.
const CROSSINGS: f64 = 16.0;

/// What the head of a WAV file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WavHead {
    /// Samples a second.
    pub(super) rate: u32,
    /// Samples a channel.
    pub(super) length: usize,
}

impl WavHead {
    pub(super) fn read(path: &Path) -> Result<Self, DatasetError> {
        let reader = open(path)?;
        let (rate, length) = (reader.spec().sample_rate, reader.duration() as usize);
        if rate == 0 || length == 0 {
            return Err(format(path, format!("it has {length} samples at {rate} Hz; sound was expected")));
        }
        Ok(WavHead { rate, length })
    }
}

/// The samples from -1 to 1; channels are averaged.
pub(super) fn samples(path: &Path) -> Result<Vec<f32>, DatasetError> {
    let mut reader = open(path)?;
    let spec = reader.spec();
    let values: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let full = 2.0_f64.powi(i32::from(spec.bits_per_sample) - 1);
            let scaled = |sample: i32| (f64::from(sample) / full) as f32;
            reader.samples::<i32>().map(|sample| sample.map(scaled)).collect()
        }
    };
    let values = values.map_err(|error| unreadable(path, &error))?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(format(path, format!("sample {at} is {}", values[at])));
    }
    let channels = usize::from(spec.channels.max(1));
    Ok(values.chunks(channels).map(|frame| frame.iter().sum::<f32>() / frame.len() as f32).collect())
}

fn open(path: &Path) -> Result<WavReader<BufReader<File>>, DatasetError> {
    WavReader::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &hound::Error) -> DatasetError {
    let kinds = "8 to 32-bit whole numbers and 32-bit floats are read";
    format(path, format!("it is no readable WAV file: {error} ({kinds})"))
}

/// At most so many samples of the sound at another rate: each new sample is a sum of those around it, weighed by a sinc that a Hann window cuts after 16
/// zero crossings. What the lower rate cannot carry is filtered out.
///
/// *Source*: J. O. Smith, "Digital Audio Resampling", <https://ccrma.stanford.edu/~jos/resample/>.
pub(super) fn resample(samples: &[f32], from: u32, to: u32, most: usize) -> Vec<f32> {
    if from == to {
        return samples[..samples.len().min(most)].to_vec();
    }
    let step = f64::from(from) / f64::from(to);
    let cutoff = (1.0 / step).min(1.0);
    let reach = CROSSINGS / cutoff;
    let value = |at: usize| {
        let time = at as f64 * step;
        let first = (time - reach).ceil().max(0.0) as usize;
        let last = ((time + reach).floor() as usize).min(samples.len() - 1);
        let weighed = (first..=last).map(|place| {
            let gap = time - place as f64;
            let sinc = if gap == 0.0 { 1.0 } else { (PI * cutoff * gap).sin() / (PI * cutoff * gap) };
            let window = 0.5 + 0.5 * (PI * gap / reach).cos();
            f64::from(samples[place]) * cutoff * sinc * window
        });
        weighed.sum::<f64>() as f32
    };
    (0..resampled_length(samples.len(), from, to).min(most)).map(value).collect()
}

/// How many samples there are at another rate.
pub(super) fn resampled_length(length: usize, from: u32, to: u32) -> usize {
    (length as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize
}

#[cfg(test)]
pub(super) mod tests {
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    use super::*;

    /// Writes 16-bit sound of one channel.
    pub(in super::super) fn write(path: &Path, rate: u32, samples: &[f32]) {
        let spec =
            WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = WavWriter::create(path, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample((sample * 32_767.0) as i16).unwrap());
        writer.finalize().unwrap();
    }

    pub(in super::super) fn tone(hertz: f64, rate: u32, n: usize) -> Vec<f32> {
        (0..n).map(|at| (2.0 * PI * hertz * at as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn integers_and_floats_become_one_channel() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        for (bits, half) in [(8_u16, 64_i32), (16, 16_384), (24, 4_194_304)] {
            let spec = WavSpec {
                channels: 2,
                sample_rate: 100,
                bits_per_sample: bits,
                sample_format: SampleFormat::Int,
            };
            let mut writer = WavWriter::create(&path, spec).unwrap();
            [half, 0, -half, -half].into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
            writer.finalize().unwrap();
            assert_eq!(samples(&path).unwrap(), [0.25, -0.5], "{bits} bits");
            assert_eq!(WavHead::read(&path).unwrap(), WavHead { rate: 100, length: 2 });
        }
        let spec = WavSpec {
            channels: 1,
            sample_rate: 100,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        [0.1_f32, f32::NAN].into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        assert!(samples(&path).unwrap_err().to_string().ends_with("a.wav: sample 1 is NaN"));
    }

    #[test]
    fn a_tone_stays_the_tone_and_what_is_too_high_goes() {
        for (from, to) in [(8_000, 16_000), (16_000, 8_000), (44_100, 16_000)] {
            let resampled = resample(&tone(440.0, from, from as usize / 4), from, to, usize::MAX);
            assert_eq!(resampled.len(), to as usize / 4);
            let expected = tone(440.0, to, resampled.len());
            for at in 200..resampled.len() - 200 {
                assert!((resampled[at] - expected[at]).abs() < 3e-3, "{from} to {to} at {at}");
            }
        }
        let gone = resample(&tone(6_000.0, 16_000, 4_000), 16_000, 8_000, 2_000);
        assert!(gone[200..1_800].iter().all(|value| value.abs() < 3e-3));
    }

    #[test]
    fn damaged_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        write(&path, 8_000, &[0.5; 50]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..80]).unwrap();
        assert!(samples(&path).unwrap_err().to_string().contains("a.wav: it is no readable WAV file"));
        std::fs::write(&path, "text").unwrap();
        assert!(WavHead::read(&path).unwrap_err().to_string().contains("a.wav: it is no readable WAV file"));
        write(&path, 8_000, &[]);
        assert!(WavHead::read(&path).unwrap_err().to_string().contains("it has 0 samples at 8000 Hz"));
        for at in 0..44 {
            for flip in [0xff, 0x5a, 0x01] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                std::fs::write(&path, bytes).unwrap();
                let _ = (WavHead::read(&path), samples(&path));
            }
        }
    }

    proptest! {
        #[test]
        fn lengths_are_as_foretold(n in 1_usize..500, from in 1_u32..50, to in 1_u32..50, most in 0_usize..99) {
            let (from, to) = (from * 1_000, to * 1_000);
            let whole = resample(&vec![0.5; n], from, to, usize::MAX);
            prop_assert_eq!(whole.len(), resampled_length(n, from, to));
            prop_assert_eq!(resample(&vec![0.5; n], from, to, most), &whole[..whole.len().min(most)]);
        }
    }
}
