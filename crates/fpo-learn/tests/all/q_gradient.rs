//! The policy's gradient through a critic of actions, from the batch to the parameters, against
//! central differences of a loss that is written down here anew.

use crate::toy::Toy;
use fpo_learn::config::Config;
use fpo_learn::critic::Critic;
use fpo_learn::learner::{LearnPlan, Learner};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::Batch;
use fpo_learn::trainer::{Trainer, cpu_learner};
use fpo_policy::Model;
use fpo_run::config::resolve;
use std::sync::Arc;

const ANCHOR: f64 = 0.3;
/// β of the anchor's weights, and their bound.
const TEMPERATURE: f64 = 2.0;
const WEIGHT_MAX: f64 = 3.0;
/// What the gradient of Q is divided by.
const SLOPE: f64 = 0.02;

fn config(head: &str) -> Config {
    let head = format!("critic.head={head}");
    let sets = [
        "objective.method=qfm",
        "objective.samples=2",
        "objective.gap_clip=0",
        "objective.bound_pull=0",
        "objective.anchor=0.3",
        "objective.anchor_temperature=2",
        "objective.weight_max=3",
        "policy.squash=tanh",
        "policy.action_bound=0",
        "policy.hidden=[16,16]",
        "critic.hidden=[24,16]",
        &head,
        "critic.bins=21",
        "env.num_envs=32",
        "env.num_steps=8",
        "optimizer.epochs=1",
        "optimizer.minibatches=1",
        "optimizer.max_grad_norm=0",
        "train.precision=f32",
        "train.steps=20000",
    ];
    let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
    resolve("toy", Some("fast"), None, &sets, Some(3)).unwrap()
}

/// The mean over transitions of −Q(o, tanh â)/(q·d) + λ·min(exp(A/β), bound)·ℓ, averaged over the
/// pairs, with A normalized over the batch.
fn loss(batch: &Batch, policy: &Model, critic: &Critic, [p, c]: [&[f32]; 2]) -> f64 {
    let (dims, n, d) = (batch.dims, batch.dims.samples, batch.dims.action);
    let (network, od) = (policy.network(), batch.dims.observation);
    let mut weights = network.weights();
    network.pack(p, &mut weights);
    let mut critic_weights = critic.network.weights();
    critic.network.pack(c, &mut critic_weights);
    let mut scratch = network.scratch(n, false);
    let mut critic_scratch = critic.network.scratch(1, false);
    let advantages: Vec<f64> = batch.advantages.iter().map(|a| f64::from(*a)).collect();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let center = mean(&advantages);
    let squares: Vec<f64> = advantages.iter().map(|a| (a - center).powi(2)).collect();
    let weight = |i: usize| {
        let advantage = (advantages[i] - center) / mean(&squares).sqrt();
        (advantage / TEMPERATURE).exp().min(WEIGHT_MAX)
    };
    let mut total = 0.0;
    for i in 0..dims.transitions() {
        let anchor = ANCHOR * weight(i);
        let observation = &batch.observations[dims.row(i) * od..][..od];
        let action = &batch.actions[i * d..][..d];
        let inputs = &batch.sample_inputs[i * n * dims.sample_input..][..n * dims.sample_input];
        let width = od + dims.sample_input;
        for (row, own) in scratch
            .input_mut(n)
            .chunks_exact_mut(width)
            .zip(inputs.chunks_exact(dims.sample_input))
        {
            row[..od].copy_from_slice(observation);
            row[od..].copy_from_slice(own);
        }
        let outputs = network.infer(&weights, &mut scratch, n).to_vec();
        let mut velocities = vec![0.0; outputs.len()];
        policy.predict(&outputs, &mut velocities);
        for k in 0..n {
            let t = batch.sample_times[i * n + k];
            let (mut squares, mut predicted) = (0.0, vec![0.0; d]);
            for j in 0..d {
                let noise = batch.sample_targets[(i * n + k) * d + j];
                let gap = velocities[k * d + j] - (noise - action[j]);
                squares += f64::from(gap * gap);
                predicted[j] = action[j] - t * gap;
            }
            let mut q = [0.0];
            critic.values(
                &critic_weights,
                observation,
                &predicted,
                &mut critic_scratch,
                &mut q,
            );
            let q = f64::from(q[0] / critic.unit);
            let of_sample = -q / (SLOPE * d as f64) + anchor * squares / d as f64;
            total += of_sample / (n * dims.transitions()) as f64;
        }
    }
    total
}

#[test]
fn the_gradient_at_the_parameters_equals_differences_of_the_loss() {
    for head in ["scalar", "hl_gauss"] {
        let (config, task) = (config(head), Toy::new(20));
        let mut trainer = Trainer::new(&config, Arc::new(task.clone()), 2).unwrap();
        for _ in 0..10 {
            trainer.iterate().unwrap();
        }
        let mut learner = cpu_learner(&config, &task).unwrap();
        let networks = trainer.networks().clone();
        learner.load_state(networks.clone());
        let mut batch = trainer.batch().clone();
        let envs = batch.dims.envs();
        learner.score(&mut batch.parts([envs])[0]);

        // A step of no length leaves its gradient.
        let plan = LearnPlan {
            iteration: 0,
            policy_lr: 0.0,
            critic_lr: 0.0,
            q_slope: SLOPE,
        };
        let stats = learner.learn(&mut batch, &plan, &Alone).unwrap();
        assert!(stats.minibatches.q.slope > 0.0);
        let parameters = &networks.policy.parameters;
        let gradient = &learner.gradient()[..parameters.len()];

        // Along the gradient, and along the gradient of the last layer's biases alone.
        let bias = trainer
            .model()
            .network()
            .layers()
            .last()
            .unwrap()
            .bias
            .clone();
        let mut of_bias = vec![0.0; gradient.len()];
        of_bias[bias.clone()].copy_from_slice(&gradient[bias]);
        for direction in [gradient, &of_bias[..]] {
            let norm = direction
                .iter()
                .map(|g| f64::from(g * g))
                .sum::<f64>()
                .sqrt();
            assert!(norm > 1e-3, "{head}: nothing to measure: {norm}");
            let moved = |h: f64| {
                let along =
                    |(p, g): (&f32, &f32)| (f64::from(*p) + h * f64::from(*g) / norm) as f32;
                let moved: Vec<f32> = parameters.iter().zip(direction).map(along).collect();
                let networks = [&moved, &networks.critic.parameters[..]];
                loss(&batch, trainer.model(), trainer.critic(), networks)
            };
            let slope = (moved(2e-2) - moved(-2e-2)) / 4e-2;
            assert!(
                (slope - norm).abs() < 0.01 * norm,
                "{head}: {slope} against {norm}"
            );
        }
    }
}
