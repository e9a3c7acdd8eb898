//! Settings as text: presets, TOML files and `--set key=value`, in layers, to one checked
//! [`Config`].

mod layers;
mod validate;

pub use fpo_learn::config::*;
pub use layers::{
    ConfigError, DEFAULT_PRESET, Difference, Kind, PRESETS, check_continues, differences,
    documentation, documented, from_documented, label, load_recorded, read_text, resolve,
    resolve_with_note, settings_page,
};
pub use validate::validate;
