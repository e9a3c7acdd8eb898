//! A graph while it is built.

use crate::proto::{
    ATTRIBUTE_INT, AttributeProto, Dimension, FLOAT, GraphProto, INT64, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};

/// The version of the operators (ONNX 1.12, of 2022).
pub const OPSET: i64 = 17;
/// The version of the file format, the oldest with which [`OPSET`] came.
pub const IR_VERSION: i64 = 8;

/// The name of the dimension that counts observations.
const BATCH: &str = "batch";

/// Collects nodes and constants. Values are known by their names.
#[derive(Default)]
pub(crate) struct Graph {
    proto: GraphProto,
    constants: usize,
}

impl Graph {
    /// An f32 constant of this shape.
    pub(crate) fn constant(&mut self, name: &str, dims: &[usize], numbers: &[f32]) -> String {
        debug_assert_eq!(dims.iter().product::<usize>(), numbers.len());
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(name, dims, FLOAT, bytes)
    }

    /// A constant without dimensions.
    pub(crate) fn scalar(&mut self, number: f32) -> String {
        self.constants += 1;
        let name = format!("c{}", self.constants);
        self.constant(&name, &[], &[number])
    }

    /// A list of i64.
    pub(crate) fn integers(&mut self, name: &str, numbers: &[usize]) -> String {
        let bytes = numbers.iter().flat_map(|&n| (n as i64).to_le_bytes());
        let bytes = bytes.collect();
        self.tensor(name, &[numbers.len()], INT64, bytes)
    }

    fn tensor(&mut self, name: &str, dims: &[usize], kind: i32, bytes: Vec<u8>) -> String {
        self.proto.initializer.push(TensorProto {
            dims: dims.iter().map(|&n| n as i64).collect(),
            data_type: Some(kind),
            name: Some(name.to_owned()),
            raw_data: Some(bytes),
        });
        name.to_owned()
    }

    /// The output of a node `kind`.
    pub(crate) fn add(&mut self, kind: &str, inputs: &[&str]) -> String {
        let output = format!("v{}", self.proto.node.len());
        self.node(kind, inputs, vec![output.clone()], &[]);
        output
    }

    /// A node whose output is called `output`.
    pub(crate) fn add_named(&mut self, kind: &str, inputs: &[&str], output: &str) {
        self.node(kind, inputs, vec![output.to_owned()], &[]);
    }

    /// The parts of `value` along its last axis, whose lengths the constant `lengths` lists.
    pub(crate) fn split(&mut self, value: &str, lengths: &str, count: usize) -> Vec<String> {
        let node = self.proto.node.len();
        let outputs: Vec<String> = (0..count).map(|k| format!("v{node}_{k}")).collect();
        self.node("Split", &[value, lengths], outputs.clone(), &[("axis", 1)]);
        outputs
    }

    fn node(&mut self, kind: &str, inputs: &[&str], output: Vec<String>, integers: &[(&str, i64)]) {
        let attribute = integers.iter().map(|&(name, value)| AttributeProto {
            name: Some(name.to_owned()),
            i: Some(value),
            r#type: Some(ATTRIBUTE_INT),
        });
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output,
            name: Some(format!("{kind}{}", self.proto.node.len())),
            op_type: Some(kind.to_owned()),
            attribute: attribute.collect(),
        });
    }

    /// Declares an input `[batch, width]`.
    pub(crate) fn input(&mut self, name: &str, width: usize, doc: &str) {
        self.proto.input.push(rows(name, width, doc));
    }

    /// Declares an output `[batch, width]`.
    pub(crate) fn output(&mut self, name: &str, width: usize, doc: &str) {
        self.proto.output.push(rows(name, width, doc));
    }

    /// The file; `metadata` are pairs of a key and a value.
    pub(crate) fn model(self, name: &str, doc: &str, metadata: &[(&str, String)]) -> ModelProto {
        let entry = |(key, value): &(&str, String)| StringStringEntryProto {
            key: Some((*key).to_owned()),
            value: Some(value.clone()),
        };
        ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("fpo".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            doc_string: Some(doc.to_owned()),
            graph: Some(GraphProto {
                name: Some(name.to_owned()),
                ..self.proto
            }),
            opset_import: vec![OperatorSetIdProto {
                domain: Some(String::new()),
                version: Some(OPSET),
            }],
            metadata_props: metadata.iter().map(entry).collect(),
        }
    }
}

/// What every file of this program holds: the entry that names it as the producer.
pub const MARK: &str = "\u{12}\u{3}fpo\u{1a}";

/// A value `[batch, width]`.
fn rows(name: &str, width: usize, doc: &str) -> ValueInfoProto {
    let batch = Dimension {
        dim_value: None,
        dim_param: Some(BATCH.to_owned()),
    };
    let width = Dimension {
        dim_value: Some(width as i64),
        dim_param: None,
    };
    let tensor = TensorTypeProto {
        elem_type: Some(FLOAT),
        shape: Some(TensorShapeProto {
            dim: vec![batch, width],
        }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor),
        }),
        doc_string: Some(doc.to_owned()),
    }
}
