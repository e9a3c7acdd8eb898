//! Evaluates a graph in f64: the operators that `fpo_onnx` writes, as ONNX's documents define them.

use fpo_onnx::proto::{FLOAT, GraphProto, INT64, NodeProto, TensorProto};
use std::collections::HashMap;

/// Rows of numbers; a constant without rows has one, which counts for every row.
#[derive(Clone, Debug)]
struct Rows {
    width: usize,
    numbers: Vec<f64>,
}

/// The graph's output `action` for inputs, each of `rows` rows.
pub fn evaluate(graph: &GraphProto, inputs: &[(&str, &[f32])], rows: usize) -> Vec<f64> {
    let mut values = HashMap::new();
    let mut lengths = HashMap::new();
    for tensor in &graph.initializer {
        let name = tensor.name.clone().expect("a constant has a name");
        match tensor.data_type {
            Some(FLOAT) => drop(values.insert(name, constant(tensor))),
            Some(INT64) => drop(lengths.insert(name, integers(tensor))),
            other => panic!("constant of type {other:?}"),
        }
    }
    for (name, numbers) in inputs {
        let declared = graph.input.iter().any(|input| input.name() == *name);
        assert!(declared, "{name} is an input");
        let numbers: Vec<f64> = numbers.iter().map(|&x| f64::from(x)).collect();
        let width = numbers.len() / rows;
        values.insert((*name).to_owned(), Rows { width, numbers });
    }
    for node in &graph.node {
        run(node, &mut values, &lengths, rows);
    }
    values["action"].numbers.clone()
}

fn constant(tensor: &TensorProto) -> Rows {
    let bytes = tensor.raw_data().as_chunks::<4>().0;
    let numbers: Vec<f64> = bytes
        .iter()
        .map(|b| f64::from(f32::from_le_bytes(*b)))
        .collect();
    assert_eq!(
        numbers.len() as i64,
        tensor.dims.iter().product::<i64>(),
        "numbers of {}",
        tensor.name()
    );
    let width = tensor.dims.last().map_or(1, |&n| n as usize);
    Rows { width, numbers }
}

fn integers(tensor: &TensorProto) -> Vec<usize> {
    let bytes = tensor.raw_data().as_chunks::<8>().0;
    bytes
        .iter()
        .map(|b| i64::from_le_bytes(*b) as usize)
        .collect()
}

fn run(
    node: &NodeProto,
    values: &mut HashMap<String, Rows>,
    lengths: &HashMap<String, Vec<usize>>,
    rows: usize,
) {
    let get = |k: usize| {
        let name = &node.input[k];
        values
            .get(name)
            .unwrap_or_else(|| panic!("no value {name}"))
    };
    let each = |f: &dyn Fn(f64) -> f64| Rows {
        width: get(0).width,
        numbers: get(0).numbers.iter().map(|&x| f(x)).collect(),
    };
    let pairs = |f: &dyn Fn(f64, f64) -> f64| pairwise(get(0), get(1), rows, f);
    // Of a NaN and a number both are a NaN, as in NumPy.
    let or_nan = |a: f64, b: f64, c: f64| {
        if a.is_nan() || b.is_nan() {
            f64::NAN
        } else {
            c
        }
    };
    let result = match node.op_type() {
        "Add" => pairs(&|a, b| a + b),
        "Sub" => pairs(&|a, b| a - b),
        "Mul" => pairs(&|a, b| a * b),
        "Max" => pairs(&|a, b| or_nan(a, b, a.max(b))),
        "Min" => pairs(&|a, b| or_nan(a, b, a.min(b))),
        "Sigmoid" => each(&|x| 1.0 / (1.0 + (-x).exp())),
        "Tanh" => each(&f64::tanh),
        "Relu" => each(&|x| or_nan(x, x, x.max(0.0))),
        "Elu" => each(&|x| if x < 0.0 { x.exp_m1() } else { x }),
        "Softplus" => each(&|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "Exp" => each(&f64::exp),
        "MatMul" => product(get(0), get(1)),
        "Gemm" => pairwise(&product(get(0), get(1)), get(2), rows, &|a, b| a + b),
        "Split" => {
            let [axis] = &node.attribute[..] else {
                panic!("Split has the attribute `axis`");
            };
            assert_eq!((axis.name(), axis.i()), ("axis", 1));
            let whole = get(0).clone();
            let widths = &lengths[&node.input[1]];
            assert_eq!(widths.len(), node.output.len());
            assert_eq!(widths.iter().sum::<usize>(), whole.width);
            let mut first = 0;
            for (output, &width) in node.output.iter().zip(widths) {
                let parts = whole.numbers.chunks_exact(whole.width);
                let numbers = parts.flat_map(|row| &row[first..first + width]);
                let numbers = numbers.copied().collect();
                values.insert(output.clone(), Rows { width, numbers });
                first += width;
            }
            return;
        }
        other => panic!("operator {other}"),
    };
    values.insert(node.output[0].clone(), result);
}

/// `a` and `b` entry by entry; one row, or one number, counts for every row.
fn pairwise(a: &Rows, b: &Rows, rows: usize, f: &dyn Fn(f64, f64) -> f64) -> Rows {
    let width = a.width.max(b.width);
    let of = |x: &Rows, row: usize, column: usize| {
        assert!(x.width == width || x.width == 1);
        let row = if x.numbers.len() == x.width { 0 } else { row };
        x.numbers[row * x.width + if x.width == 1 { 0 } else { column }]
    };
    let entries = (0..rows).flat_map(|row| (0..width).map(move |column| (row, column)));
    Rows {
        width,
        numbers: entries.map(|(r, c)| f(of(a, r, c), of(b, r, c))).collect(),
    }
}

/// The matrix product.
fn product(a: &Rows, b: &Rows) -> Rows {
    assert_eq!(a.width * b.width, b.numbers.len(), "shapes of a product");
    let mut numbers = Vec::new();
    for row in a.numbers.chunks_exact(a.width) {
        for column in 0..b.width {
            let terms = row.iter().enumerate();
            numbers.push(
                terms
                    .map(|(k, x)| x * b.numbers[k * b.width + column])
                    .sum(),
            );
        }
    }
    Rows {
        width: b.width,
        numbers,
    }
}
