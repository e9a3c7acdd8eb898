//! The metrics of one iteration.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// What the names of [`Row::extras`] begin with in files, so that they are those of no other
/// metric.
pub const EXTRAS: &str = "env/";

/// Metrics of the critic, absent in a run without one.
pub const OF_CRITIC: [&str; 2] = ["value_loss", "explained_variance"];

/// The metrics of one iteration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Iterations done, counted from 1.
    pub iteration: u64,
    /// Environment steps taken so far, over all environments.
    pub env_steps: u64,
    /// Names and values that depend on the settings and the seed alone. A `/` in a name groups it
    /// in TensorBoard. `iteration`, `env_steps` and `time` are taken.
    pub values: Vec<(&'static str, f64)>,
    /// What the environments reported by name (reward terms, metrics): means over the iteration,
    /// sorted by name. In files [`EXTRAS`] precedes the names.
    pub extras: Vec<(String, f64)>,
    /// Names and values that depend on the clock: seconds and rates. They stand apart under `time`,
    /// so that the rest of the line is the same, byte for byte, in every run with the same seed.
    pub timing: Vec<(&'static str, f64)>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iteration", &self.iteration)?;
        map.serialize_entry("env_steps", &self.env_steps)?;
        for (name, value) in &self.values {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in &self.extras {
            map.serialize_entry(&format!("{EXTRAS}{name}"), value)?;
        }
        map.serialize_entry("time", &Named(&self.timing))?;
        map.end()
    }
}

/// Names and values as a JSON object, in their order.
struct Named<'a>(&'a [(&'static str, f64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
