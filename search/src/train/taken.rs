//! `Taken`: what a trial's network took over from a file of weights.

use heirloom_kb::Trial;
use serde::{Deserialize, Serialize};

/// The field of a trial that says what file it started from.
pub const INIT_FIELD: &str = "init_from";

/// What tensors of a file a network has taken over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The file.
    pub file: String,
    /// The BLAKE3 hash of its bytes.
    pub hash: String,
    /// What was left out at the start of the file's names, so that more of them are the network's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How many tensors were taken over.
    pub taken: usize,
    /// How many the file has. PyTorch's counters of batches do not count.
    pub of: usize,
    /// The blocks of the network that were given all of their weights, in its order.
    pub blocks: Vec<String>,
    /// Those that were given some of them.
    pub blocks_in_part: Vec<String>,
    /// Tensors of the network that the file has not, by their names in the network; they are drawn afresh.
    pub missing: Vec<String>,
    /// Those among the taken that were made for images of another number of channels: for grey ones the filters of all colours
    /// are added up, as timm does.
    pub recoloured: Vec<String>,
    /// Tensors that have another shape in the file; they are drawn afresh.
    pub other_shape: Vec<String>,
    /// Tensors of the file that the network has no place for. PyTorch's counters of batches do not count.
    pub unused: usize,
    /// The share of what the weights were fitted on that the task keeps back for validation and test; absent where it is none, or where
    /// they are no copy of weights that are kept beside the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knows: Option<f64>,
}

impl Taken {
    /// What a trial says of it; nothing where it did not start from a file.
    #[must_use]
    pub fn of_trial(trial: &Trial) -> Option<Self> {
        // Trials of earlier builds do not say which blocks.
        serde_json::from_value(trial.extra.get(INIT_FIELD)?.clone()).ok()
    }

    /// In words: how many tensors fitted, and which blocks were given weights.
    #[must_use]
    pub fn words(&self) -> String {
        if self.taken == 0 {
            return format!("started afresh: none of the {} tensors of {} fitted", self.of, self.file);
        }
        let mut words =
            format!("started from {}: {} of its {} tensors fitted", self.file, self.taken, self.of);
        if let Some(prefix) = &self.prefix {
            words.push_str(&format!(", without the prefix {prefix} of their names"));
        }
        for (blocks, how) in [(&self.blocks, "all weights"), (&self.blocks_in_part, "some weights")] {
            if !blocks.is_empty() {
                words.push_str(&format!("; {how} of {}", blocks.join(", ")));
            }
        }
        if let Some(share) = self.knows {
            words.push_str(&format!(
                "; {:.0} % of what they were fitted on are examples that the task keeps back for validation and test, so that the score may be too high",
                100.0 * share
            ));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_many_tensors_and_which_blocks() {
        let mut taken = Taken {
            file: "net.pt".into(),
            hash: "0".into(),
            prefix: None,
            taken: 7,
            of: 9,
            blocks: vec!["stem".into(), "layer1".into()],
            blocks_in_part: vec!["layer2".into()],
            missing: Vec::new(),
            recoloured: Vec::new(),
            other_shape: Vec::new(),
            unused: 2,
            knows: None,
        };
        assert_eq!(
            taken.words(),
            "started from net.pt: 7 of its 9 tensors fitted; all weights of stem, layer1; some weights of layer2"
        );
        taken.blocks_in_part.clear();
        assert!(taken.words().ends_with("; all weights of stem, layer1"));
        assert_eq!(
            Taken { taken: 0, ..taken.clone() }.words(),
            "started afresh: none of the 9 tensors of net.pt fitted"
        );
        taken.knows = Some(0.25);
        assert!(taken.words().contains("; 25 % of what they were fitted on"), "{}", taken.words());
    }
}
