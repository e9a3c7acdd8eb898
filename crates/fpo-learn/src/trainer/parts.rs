//! Digests of the parts of a saved training state, which show where two states differ.

use super::TrainError;
use super::env_states;
use super::state::METADATA;
use safetensors::SafeTensors;
use std::collections::BTreeMap;

/// The digest (BLAKE3, hexadecimal) of every part of a [`super::Trainer::state`]: each counter
/// (`counter iteration`), each tensor of networks, optimizers and normalizer by its name
/// (`policy.0.weight`), and each environment (`environment 17`), if it gives a state.
///
/// Random numbers have no state: they are functions of the seed and the counters.
///
/// # Errors
/// If the bytes are not a state.
pub fn part_digests(state: &[u8]) -> Result<BTreeMap<String, String>, TrainError> {
    let refused = |why: &dyn std::fmt::Display| TrainError::State(why.to_string());
    let (_, header) = SafeTensors::read_metadata(state).map_err(|e| refused(&e))?;
    let file = SafeTensors::deserialize(state).map_err(|e| refused(&e))?;
    let text = header.metadata().as_ref().and_then(|m| m.get(METADATA));
    let counters: serde_json::Map<String, serde_json::Value> = match text {
        Some(text) => serde_json::from_str(text).map_err(|e| refused(&e))?,
        None => return Err(refused(&format!("its header has no `{METADATA}` entry"))),
    };
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let mut parts = BTreeMap::new();
    for (name, value) in &counters {
        parts.insert(
            format!("counter {name}"),
            digest(value.to_string().as_bytes()),
        );
    }
    for (name, tensor) in file.tensors() {
        if !env_states::TENSORS.contains(&name.as_str()) {
            parts.insert(name, digest(tensor.data()));
        }
    }
    let states = env_states::read(&file).map_err(|e| refused(&e))?;
    for (k, bytes) in states.iter().enumerate() {
        if let Some(bytes) = bytes {
            parts.insert(format!("environment {k}"), digest(bytes));
        }
    }
    Ok(parts)
}
