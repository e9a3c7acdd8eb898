//! Exported graphs, evaluated by a small interpreter, act as the policy does. That ONNX Runtime
//! reads them in the same way is tested in Python (`bindings/onnx`).

mod export;
mod interpreter;
