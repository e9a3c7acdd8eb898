//! The published sizes, on one thread and on two: one gradient step of a whole minibatch (1024
//! sequences of 30 steps, 8 pairs an action, actor 4×32, critic 5×256, with GAE inside), and the
//! actions of 2048 environments. Throughput of the step is in floating-point operations
//! (criterion's "elem"); the machine's f32 peak is printed beside it.

mod setup;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fpo_learn::config::LearningPrecision;
use fpo_learn::critic::Critic;
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, Networks};
use fpo_learn::reduce::Alone;
use fpo_nn::{Mlp, peak::peak_gflops};
use fpo_rng::{Key, Stream, fill_normal};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use setup::{ACTION, OBSERVATION, batch, config, trained};
use std::thread;

/// Sequences of a published minibatch.
const SEQUENCES: usize = 1024;

/// Two operations for each weight and row in each of three products (two for the first layer).
fn training_flops(network: &Mlp, rows: usize) -> u64 {
    let products = network
        .layers()
        .iter()
        .enumerate()
        .map(|(l, layer)| if l == 0 { 2 } else { 3 } * layer.weight.len());
    (2 * rows * products.sum::<usize>()) as u64
}

fn update(c: &mut Criterion) {
    let two = thread::scope(|s| {
        let other = s.spawn(peak_gflops);
        peak_gflops() + other.join().expect("measuring does not panic")
    });
    println!(
        "f32 peak: {:.0} GFLOP/s on one thread, {two:.0} on two",
        peak_gflops()
    );

    for precision in [LearningPrecision::F32, LearningPrecision::Bf16] {
        if precision.of_critic().is_available() {
            update_in(c, precision);
        } else {
            println!("{precision:?}: not on this machine");
        }
    }
}

fn update_in(c: &mut Criterion, precision: LearningPrecision) {
    let config = config(SEQUENCES);
    let policy = config.model(OBSERVATION, ACTION).expect("published sizes");
    let mut critic =
        Critic::new(&config.critic, OBSERVATION, config.advantage.gamma).expect("published sizes");
    let available = "checked above";
    let policy = policy
        .with_precision(precision.of_policy())
        .expect(available);
    critic.network = critic
        .network
        .with_precision(precision.of_critic())
        .expect(available);
    let networks = ActorCritic {
        policy: trained(&config, policy.network(), 0),
        critic: trained(&config, &critic.network, 1),
    };
    let mut batch = batch(&config);
    let rows = batch.dims.transitions();
    let indices: Vec<u32> = (0..SEQUENCES as u32).collect();
    let flops = training_flops(policy.network(), rows * config.objective.samples)
        + training_flops(&critic.network, rows + SEQUENCES);
    let mut learner = CpuLearner::new(config.learner(), policy, critic, networks, rows);

    let mut group = c.benchmark_group(format!("update in {precision:?}"));
    group
        .sample_size(20)
        .throughput(Throughput::Elements(flops));
    for threads in [1, 2] {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| {
                pool.install(|| {
                    let stats = learner
                        .differentiate(&mut batch, &indices, Networks::Both, &Alone)
                        .expect("alone");
                    learner.step(stats.grad_norm, Networks::Both, [0.0; 2]);
                })
            });
        });
    }
}

fn inference(c: &mut Criterion) {
    const ENVS: usize = 2048;
    const SHARDS: usize = 16;
    let config = config(SEQUENCES);
    let policy = config.model(OBSERVATION, ACTION).expect("published sizes");
    let weights = trained(&config, policy.network(), 0).weights;
    let mut observations = vec![0.0; ENVS * OBSERVATION];
    fill_normal(Key::new(2, Stream::Test), &mut observations);
    let share = ENVS / SHARDS;
    let mut workers: Vec<_> = (0..SHARDS)
        .map(|_| {
            (
                policy.scratch(share),
                [(); 2].map(|()| vec![0.0; share * ACTION]),
            )
        })
        .collect();

    let mut group = c.benchmark_group("2048 actions of 10 flow steps");
    group.throughput(Throughput::Elements(ENVS as u64));
    for threads in [1, 2] {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| {
                pool.install(|| {
                    let parts = observations.par_chunks(share * OBSERVATION);
                    workers.par_iter_mut().zip(parts).enumerate().for_each(
                        |(i, ((scratch, [noise, x]), part))| {
                            fill_normal(Key::new(3, Stream::Action).index(i as u32), noise);
                            policy.sample(&weights, part, noise, x, scratch);
                        },
                    );
                });
            });
        });
    }
}

criterion_group!(benches, update, inference);
criterion_main!(benches);
