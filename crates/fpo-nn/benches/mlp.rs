//! Forward and backward passes of the two networks of a paper-size update, compared with the
//! machine's peak.
//!
//! Throughput is in floating-point operations (criterion's "elem"): two for each weight of a matrix
//! product, three products per layer (two for the first); activations are not counted.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fpo_nn::{
    Activation, Initialization, Mlp, MlpSpec, Precision, Scratch, Weights, peak::peak_gflops,
};
use fpo_rng::{Key, Stream, fill_normal};
use std::thread;

struct Shape {
    name: &'static str,
    input: usize,
    hidden: &'static [usize],
    output: usize,
    rows: usize,
    precision: Precision,
}

/// 1024 sequences of 30 steps; the actor has eight pairs (t, ε) for each step.
const SHAPES: [Shape; 3] = [
    Shape {
        name: "actor",
        input: 31,
        hidden: &[32; 4],
        output: 6,
        rows: 245_760,
        precision: Precision::F32,
    },
    Shape {
        name: "critic",
        input: 17,
        hidden: &[256; 5],
        output: 1,
        rows: 30_720,
        precision: Precision::F32,
    },
    Shape {
        name: "critic in bf16",
        input: 17,
        hidden: &[256; 5],
        output: 1,
        rows: 30_720,
        precision: Precision::Bf16,
    },
];

fn flops(mlp: &Mlp, rows: usize, training: bool) -> u64 {
    let products = |l: usize| match (training, l) {
        (false, _) => 1,
        (true, 0) => 2,
        (true, _) => 3,
    };
    let per_row: usize = mlp
        .layers()
        .iter()
        .enumerate()
        .map(|(l, layer)| 2 * products(l) * layer.weight.len())
        .sum();
    (per_row * rows) as u64
}

/// One thread's share: fills each tile from `noise`, runs it forward and, for training, backward.
fn walk(
    mlp: &Mlp,
    weights: &Weights,
    scratch: &mut Scratch,
    rows: usize,
    noise: &[f32],
    gradient: Option<&mut [f32]>,
) {
    let tile = mlp.tile_rows();
    let mut gradient = gradient;
    for start in (0..rows).step_by(tile) {
        let rows = tile.min(rows - start);
        let input = scratch.input_mut(rows);
        input.copy_from_slice(&noise[..input.len()]);
        if let Some(gradient) = gradient.as_deref_mut() {
            mlp.forward(weights, scratch, rows);
            let (output, d_output) = scratch.output_and_gradient_mut(rows);
            d_output.copy_from_slice(output);
            mlp.backward(weights, scratch, rows, gradient);
        } else {
            mlp.infer(weights, scratch, rows);
        }
    }
}

fn passes(c: &mut Criterion) {
    let two = thread::scope(|s| {
        let other = s.spawn(peak_gflops);
        peak_gflops() + other.join().expect("no panic")
    });
    println!(
        "peak: {:.0} GFLOP/s on one thread, {two:.0} on two",
        peak_gflops()
    );
    for shape in SHAPES {
        let Shape {
            name,
            input,
            hidden,
            output,
            rows,
            precision,
        } = shape;
        if !precision.is_available() {
            println!("{name}: this machine does not support it");
            continue;
        }
        let mlp = Mlp::new(MlpSpec {
            input,
            hidden: hidden.to_vec(),
            output,
            activation: Activation::Silu,
        })
        .map(|mlp| mlp.with_precision(precision).expect("it is available"))
        .expect("a network");
        let mut parameters = vec![0.0; mlp.parameter_count()];
        mlp.init(
            Initialization::LecunUniform,
            1.0,
            Key::new(0, Stream::Test),
            &mut parameters,
        );
        let mut weights = mlp.weights();
        mlp.pack(&parameters, &mut weights);
        let mut noise = vec![0.0; mlp.tile_rows() * input];
        fill_normal(Key::new(1, Stream::Test), &mut noise);
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for (pass, training) in [("infer", false), ("forward+backward", true)] {
            group.throughput(Throughput::Elements(flops(&mlp, rows, training)));
            for threads in [1, 2] {
                let mut own: Vec<_> = (0..threads)
                    .map(|_| {
                        (
                            mlp.scratch(mlp.tile_rows(), training),
                            vec![0.0; mlp.parameter_count()],
                        )
                    })
                    .collect();
                group.bench_function(format!("{pass}/{threads}"), |b| {
                    b.iter(|| {
                        thread::scope(|s| {
                            for (scratch, gradient) in &mut own {
                                let gradient = training.then_some(&mut gradient[..]);
                                let (mlp, weights, noise) = (&mlp, &weights, &noise);
                                s.spawn(move || {
                                    walk(mlp, weights, scratch, rows / threads, noise, gradient)
                                });
                            }
                        });
                    });
                });
            }
        }
        group.bench_function("pack", |b| b.iter(|| mlp.pack(&parameters, &mut weights)));
        group.finish();
    }
}

criterion_group!(benches, passes);
criterion_main!(benches);
