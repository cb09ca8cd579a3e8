//! `LogMel`: sound as a picture of its frequencies over time.

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::LogMelSettings;

/// Seconds that a window has at least.
const WINDOW_S: f64 = 0.025;
/// Added to a power before the logarithm: 60 dB below full scale, under the noise of a usual recording.
const FLOOR: f64 = 1e-6;

/// Spectrograms of sounds of one length, in bands of equal width on the mel scale.
///
/// *Source*: Davis, Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", 1980; the mel
/// scale and the triangles' areas are those of Slaney's Auditory Toolbox, 1998, which librosa uses as well.
pub(super) struct LogMel {
    frames: usize,
    hop: usize,
    window: Vec<f64>,
    fft: Arc<dyn RealToComplex<f64>>,
    floor: f64,
    /// For each band the first bin and the weights from there on.
    bank: Vec<(usize, Vec<f64>)>,
}

impl LogMel {
    /// For sounds of `length` samples. Frames are spread evenly over the sound, each in the middle of its window, which is
    /// at least 25 ms long and twice the distance of frames.
    pub(super) fn new(rate: u32, length: usize, mels: usize, frames: usize) -> Self {
        let hop = length.div_ceil(frames).max(1);
        let window = (2 * hop).max((WINDOW_S * f64::from(rate)) as usize).next_power_of_two();
        LogMel::with_window(rate, window, hop, mels, frames)
    }

    /// Those that have been made with these settings.
    pub(super) fn of_settings(rate: u32, settings: &LogMelSettings) -> Self {
        let &LogMelSettings { mels, frames, window, hop, floor } = settings;
        LogMel { floor, ..LogMel::with_window(rate, window, hop, mels, frames) }
    }

    fn with_window(rate: u32, size: usize, hop: usize, mels: usize, frames: usize) -> Self {
        let window = (0..size).map(|at| 0.5 - 0.5 * (2.0 * PI * at as f64 / size as f64).cos()).collect();
        LogMel {
            frames,
            hop,
            window,
            floor: FLOOR,
            fft: RealFftPlanner::new().plan_fft_forward(size),
            bank: filter_bank(rate, size, mels),
        }
    }

    /// What another program needs to make the same pictures.
    pub(super) fn settings(&self) -> LogMelSettings {
        let (mels, frames, window) = (self.bank.len(), self.frames, self.window.len());
        LogMelSettings { mels, frames, window, hop: self.hop, floor: self.floor }
    }

    /// How many values a picture has.
    pub(super) fn size(&self) -> usize {
        self.bank.len() * self.frames
    }

    /// Logarithms of the power in each band and frame; the sound is silent before it begins and after it ends.
    ///
    /// # Shapes
    /// `[mels, frames]`, a band after the other.
    pub(super) fn apply(&self, samples: &[f32]) -> Vec<f32> {
        let size = self.window.len();
        let mut picture = vec![0.0; self.bank.len() * self.frames];
        let (mut buffer, mut spectrum) = (vec![0.0; size], vec![Complex::default(); size / 2 + 1]);
        for frame in 0..self.frames {
            for (at, (value, weight)) in buffer.iter_mut().zip(&self.window).enumerate() {
                let place = (frame * self.hop + at).checked_sub(size / 2);
                *value = weight
                    * place.and_then(|place| samples.get(place)).map_or(0.0, |sample| f64::from(*sample));
            }
            self.fft.process(&mut buffer, &mut spectrum).expect("the buffers have the plan's lengths");
            for (band, (first, weights)) in self.bank.iter().enumerate() {
                let power: f64 = weights
                    .iter()
                    .zip(&spectrum[*first..])
                    .map(|(weight, bin)| weight * bin.norm_sqr())
                    .sum();
                picture[band * self.frames + frame] = (power + self.floor).ln() as f32;
            }
        }
        picture
    }
}

/// Triangles of equal width on the mel scale from 0 Hz to half the rate, each of area 1 over hertz.
fn filter_bank(rate: u32, size: usize, mels: usize) -> Vec<(usize, Vec<f64>)> {
    let rate = f64::from(rate);
    let top = mel(rate / 2.0);
    let corner = |at: usize| hertz(top * at as f64 / (mels + 1) as f64);
    let triangle = |band: usize| {
        let (low, middle, high) = (corner(band), corner(band + 1), corner(band + 2));
        let weights: Vec<f64> = (0..=size / 2)
            .map(|bin| {
                let frequency = bin as f64 * rate / size as f64;
                let rise = (frequency - low) / (middle - low);
                let fall = (high - frequency) / (high - middle);
                rise.min(fall).max(0.0) * 2.0 / (high - low)
            })
            .collect();
        let first = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
        let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
        (first, weights[first..=last].to_vec())
    };
    (0..mels).map(triangle).collect()
}

/// Linear below 1,000 Hz, logarithmic above.
fn mel(hertz: f64) -> f64 {
    if hertz < 1_000.0 { hertz * 3.0 / 200.0 } else { 15.0 + 27.0 * (hertz / 1_000.0).ln() / 6.4_f64.ln() }
}

fn hertz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1_000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Figures of librosa 0.11.0:
    // import librosa, numpy as np; B = librosa.filters.mel(sr=8000, n_fft=256, n_mels=40, dtype=np.float64)
    // [B[i, j] for i, j in [(0, 2), (1, 3), (10, 20), (20, 37), (39, 125)]]
    const BANK: [((usize, usize), f64); 5] = [
        ((0, 2), 0.0158613187822),
        ((1, 3), 0.0111872160026),
        ((10, 20), 0.0162827830573),
        ((20, 37), 0.0),
        ((39, 125), 0.00183974796037),
    ];
    // t = np.arange(2048) / 8000; x = np.sin(2 * np.pi * 440 * t) + .5 * np.sin(2 * np.pi * 1800 * t)
    // S = np.log(1e-6 + librosa.feature.melspectrogram(y=x, sr=8000, n_fft=256, hop_length=32, n_mels=40, pad_mode="constant"))
    // [S[i, j] for i, j in [(0, 0), (7, 0), (7, 30), (22, 30), (39, 63)]]
    const SPECTROGRAM: [((usize, usize), f32); 5] = [
        ((0, 0), -1.10688),
        ((7, 0), 3.14689),
        ((7, 30), 4.18649),
        ((22, 30), -13.3248),
        ((39, 63), -4.64491),
    ];

    #[test]
    fn the_filter_bank_is_that_of_librosa() {
        let bank = filter_bank(8_000, 256, 40);
        for ((band, bin), expected) in BANK {
            let (first, weights) = &bank[band];
            let weight = bin.checked_sub(*first).and_then(|at| weights.get(at)).copied().unwrap_or(0.0);
            assert!((weight - expected).abs() < 1e-9, "band {band}, bin {bin}: {weight}");
        }
    }

    #[test]
    fn the_spectrogram_is_that_of_librosa() {
        let time = |at: usize| 2.0 * PI * at as f64 / 8_000.0;
        let samples: Vec<f32> = (0..2_048)
            .map(|at| ((440.0 * time(at)).sin() + 0.5 * (1_800.0 * time(at)).sin()) as f32)
            .collect();
        let picture = LogMel::with_window(8_000, 256, 32, 40, 64).apply(&samples);
        for ((band, frame), expected) in SPECTROGRAM {
            let value = picture[band * 64 + frame];
            assert!((value - expected).abs() < 1e-3, "band {band}, frame {frame}: {value}");
        }
    }

    #[test]
    fn frames_cover_the_sound_and_no_band_is_empty() {
        for (rate, length) in [(8_000, 5_000), (16_000, 16_000), (44_100, 441_000), (8_000, 10)] {
            let mel = LogMel::new(rate, length, 40, 64);
            assert!(63 * mel.hop < length.max(64) && 64 * mel.hop >= length);
            assert!(mel.bank.iter().all(|(_, weights)| weights.iter().sum::<f64>() > 0.0), "{rate} {length}");
            assert_eq!(mel.apply(&vec![0.1; length]).len(), 40 * 64);
        }
    }

    #[test]
    fn silence_is_the_floor() {
        let picture = LogMel::new(8_000, 640, 10, 8).apply(&[0.0; 640]);
        assert!(picture.iter().all(|value| *value == FLOOR.ln() as f32));
    }
}
