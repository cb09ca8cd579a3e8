//! `Block`: up to 512 trials of one group in one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::group::Group;
use super::{keys, record};
use crate::schema::{Architecture, Json, Name, Param, Range, SearchSpace, Status, Trial, TrialId, Value};

/// Most trials of a block.
const MAX_TRIALS: usize = 512;
/// Most bytes of a block before compression, roughly; a larger trial has a block to itself.
const MAX_BYTES: usize = 64 << 10;
/// Fast, and halves the size once more after packing.
const ZSTD_LEVEL: i32 = 1;

/// Trials of one group with consecutive sequence numbers.
#[derive(Debug)]
pub(super) struct Block {
    first: u64,
    trials: Vec<(TrialId, Trial)>,
}

/// Trials without what their group says; `names` holds each string once.
#[derive(Serialize, Deserialize)]
struct Packed {
    names: Vec<String>,
    trials: Vec<PackedTrial>,
}

#[derive(Serialize, Deserialize)]
struct PackedTrial {
    /// One for each parameter of the space, in order.
    values: Vec<PackedValue>,
    metric: u32,
    score: Option<f64>,
    status: Status,
    fidelity: Vec<(u32, f64)>,
    seed: Option<u64>,
    costs: Vec<(u32, f64)>,
    curve: Vec<(f64, f64)>,
    source: Option<u32>,
    /// JSON, empty when there is nothing in it.
    extra: String,
}

#[derive(Serialize, Deserialize)]
enum PackedValue {
    /// The parameter is not active.
    Absent,
    /// Position in the range.
    At(u64),
    /// A real number.
    Real(f64),
}

/// The ids in the head of a block's value; what the checksum guards is checked.
pub(super) fn ids(key: &[u8], value: &[u8]) -> Result<Vec<TrialId>, StoreError> {
    let (ids, _) = head(key, record::open(key, value)?)?;
    Ok(ids)
}

/// `[number of trials, u32 little endian][16 bytes an id][zstd of the packed trials]`.
fn head<'a>(key: &[u8], body: &'a [u8]) -> Result<(Vec<TrialId>, &'a [u8]), StoreError> {
    let short = || corrupt(key, "its head is cut short");
    let (count, rest) = body.split_first_chunk::<4>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*count) as usize * 16;
    let (ids, packed) = rest.split_at_checked(length).ok_or_else(short)?;
    let ids = ids.chunks_exact(16).map(|id| TrialId::from_bytes(id.try_into().expect("chunks of 16")));
    Ok((ids.collect(), packed))
}

impl Block {
    pub(super) fn new(first: u64, trials: Vec<(TrialId, Trial)>) -> Self {
        Block { first, trials }
    }

    pub(super) fn len(&self) -> usize {
        self.trials.len()
    }

    /// Whether no more should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= MAX_TRIALS
            || self.trials.iter().map(|(_, trial)| weight(trial)).sum::<usize>() >= MAX_BYTES
    }

    /// Takes in the block before this one.
    pub(super) fn prepend(&mut self, mut earlier: Block) {
        earlier.trials.append(&mut self.trials);
        *self = earlier;
    }

    pub(super) fn into_trials(self) -> Vec<Trial> {
        self.trials.into_iter().map(|(_, trial)| trial).collect()
    }

    /// The same trials in blocks of a good size.
    pub(super) fn split(self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut bytes = 0;
        for ((id, trial), sequence) in self.trials.into_iter().zip(self.first..) {
            let weight = weight(&trial);
            match blocks.last_mut() {
                Some(block) if block.len() < MAX_TRIALS && bytes + weight <= MAX_BYTES => {
                    block.trials.push((id, trial));
                    bytes += weight;
                }
                _ => {
                    blocks.push(Block { first: sequence, trials: vec![(id, trial)] });
                    bytes = weight;
                }
            }
        }
        blocks
    }

    /// The first sequence number and the value.
    pub(super) fn encode(&self, space: &SearchSpace) -> (u64, Vec<u8>) {
        let mut body = (self.trials.len() as u32).to_le_bytes().to_vec();
        body.extend(self.trials.iter().flat_map(|(id, _)| id.to_bytes()));
        let mut names = Names::default();
        let trials = self.trials.iter().map(|(_, trial)| pack(trial, space, &mut names)).collect();
        let packed = Packed { names: names.list, trials };
        let bytes = postcard::to_stdvec(&packed).expect("packed trials have no type that postcard lacks");
        let compressed =
            zstd::bulk::compress(&bytes, ZSTD_LEVEL).expect("compressing memory into memory works");
        // The length, for the reader to make room.
        body.extend((bytes.len() as u32).to_le_bytes());
        body.extend(compressed);
        (self.first, record::seal(&body))
    }

    pub(super) fn decode(
        key: &[u8],
        value: &[u8],
        group: &Group,
        space: &SearchSpace,
    ) -> Result<Block, StoreError> {
        let (ids, rest) = head(key, record::open(key, value)?)?;
        let (length, compressed) =
            rest.split_first_chunk::<4>().ok_or_else(|| corrupt(key, "its trials are cut short"))?;
        let bytes = zstd::bulk::decompress(compressed, u32::from_le_bytes(*length) as usize)
            .map_err(|error| corrupt(key, &error.to_string()))?;
        let packed: Packed =
            postcard::from_bytes(&bytes).map_err(|error| corrupt(key, &error.to_string()))?;
        if packed.trials.len() != ids.len() {
            return Err(corrupt(key, &format!("{} ids for {} trials", ids.len(), packed.trials.len())));
        }
        let names: Vec<Name> = packed.names.into_iter().map(Name::from).collect();
        let trials = packed.trials.into_iter().zip(ids).map(|(packed, id)| {
            let trial = unpack(packed, group, space, &names).map_err(|reason| corrupt(key, &reason))?;
            Ok((id, trial))
        });
        Ok(Block { first: keys::first_sequence(key)?, trials: trials.collect::<Result<_, StoreError>>()? })
    }
}

fn corrupt(key: &[u8], reason: &str) -> StoreError {
    StoreError::Corrupt { key: keys::show(key), reason: reason.to_owned() }
}

/// About how many bytes a trial takes when packed.
fn weight(trial: &Trial) -> usize {
    let extra: usize = trial.extra.iter().map(|(name, value)| name.len() + weight_of_json(value)).sum();
    64 + 16 * trial.curve.len() + 10 * (trial.fidelity.len() + trial.costs.len()) + extra
}

fn weight_of_json(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 10,
        Json::String(text) => text.len() + 2,
        Json::Array(items) => items.iter().map(weight_of_json).sum::<usize>() + 2,
        Json::Object(object) => {
            object.iter().map(|(key, value)| key.len() + weight_of_json(value)).sum::<usize>() + 2
        }
    }
}

/// Strings in the order they are first met.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    places: BTreeMap<Name, u32>,
}

impl Names {
    fn place(&mut self, name: &Name) -> u32 {
        let next = self.list.len() as u32;
        let place = *self.places.entry(name.clone()).or_insert(next);
        if place == next {
            self.list.push(name.to_string());
        }
        place
    }

    fn places(&mut self, numbers: &BTreeMap<Name, f64>) -> Vec<(u32, f64)> {
        numbers.iter().map(|(name, number)| (self.place(name), *number)).collect()
    }
}

fn pack(trial: &Trial, space: &SearchSpace, names: &mut Names) -> PackedTrial {
    let values = space.params().iter().map(|param| pack_value(param, &trial.architecture)).collect();
    let extra = if trial.extra.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&trial.extra).expect("JSON values are JSON")
    };
    PackedTrial {
        values,
        metric: names.place(&trial.metric),
        score: trial.score,
        status: trial.status,
        fidelity: names.places(&trial.fidelity),
        seed: trial.seed,
        costs: names.places(&trial.costs),
        curve: trial.curve.clone(),
        source: trial.source.as_ref().map(|source| names.place(source)),
        extra,
    }
}

fn pack_value(param: &Param, architecture: &Architecture) -> PackedValue {
    match (&param.range, architecture.get(&param.name)) {
        (_, None) => PackedValue::Absent,
        (Range::Real { .. }, Some(value)) => value.as_f64().map_or(PackedValue::Absent, PackedValue::Real),
        (range, Some(value)) => range.index_of(value).map_or(PackedValue::Absent, PackedValue::At),
    }
}

fn unpack(packed: PackedTrial, group: &Group, space: &SearchSpace, names: &[Name]) -> Result<Trial, String> {
    let name = |place: u32| {
        names
            .get(place as usize)
            .cloned()
            .ok_or_else(|| format!("it names string {place} of {}", names.len()))
    };
    let numbers = |numbers: Vec<(u32, f64)>| -> Result<BTreeMap<Name, f64>, String> {
        numbers.into_iter().map(|(place, number)| Ok((name(place)?, number))).collect()
    };
    let extra = if packed.extra.is_empty() {
        BTreeMap::new()
    } else {
        serde_json::from_str(&packed.extra).map_err(|error| error.to_string())?
    };
    Ok(Trial {
        task: group.task.clone(),
        space: group.space.clone(),
        architecture: unpack_architecture(&packed.values, space)?,
        split: group.split,
        metric: name(packed.metric)?,
        score: packed.score,
        status: packed.status,
        fidelity: numbers(packed.fidelity)?,
        seed: packed.seed,
        costs: numbers(packed.costs)?,
        curve: packed.curve,
        source: packed.source.map(name).transpose()?,
        extra,
    })
}

fn unpack_architecture(values: &[PackedValue], space: &SearchSpace) -> Result<Architecture, String> {
    let mut architecture = Architecture::default();
    for (param, value) in space.params().iter().zip(values) {
        let value = match value {
            PackedValue::Absent => continue,
            PackedValue::Real(real) => Value::Real(*real),
            PackedValue::At(at) => {
                param.range.value_at(*at).ok_or_else(|| format!("{:?} has no value {at}", param.name))?
            }
        };
        architecture.set(&param.name, value);
    }
    Ok(architecture)
}
