//! A policy as an ONNX file: normalizer, all steps of the flow and the mapping to the task's range
//! in one graph, which other programs evaluate without this one.
//!
//! [`export`] writes the file. Its inputs are `observation` `[batch, observation]` and, unless zero
//! noise is folded in, `noise` `[batch, noise]`; its output is `action` `[batch, action]`, all f32.
//! It uses the operators of [`OPSET`] alone.

#![forbid(unsafe_code)]

mod export;
mod graph;
pub mod proto;

pub use export::{LARGEST_FILE, LARGEST_GRAPH, NoiseInput, OnnxError, export};
pub use graph::{IR_VERSION, MARK, OPSET};
