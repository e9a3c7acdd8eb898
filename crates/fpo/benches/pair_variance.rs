//! How noisy the policy's gradient is made by the (t, ε) pairs that the flow-matching losses of
//! actions are measured at.
//!
//! `cargo bench -p fpo --bench pair_variance` trains a policy a little (cheetah-run, preset `fast`,
//! seed 0, f32, 60 iterations), lets it act for one more rollout, and freezes observations, actions
//! and advantages. Then it draws the pairs anew, again and again, and takes the policy's gradient
//! on the same minibatches: with the policy that acted, where every ratio is 1, and with the one
//! that an epoch of learning has made of it. The number of threads changes no number. It writes
//! `bench/results/pair_variance.csv`; docs/pairs.md says what is in it.

use fpo_flow::CfmTarget;
use fpo_learn::critic::Critic;
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, Networks};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::Batch;
use fpo_learn::rollout::PairSampler;
use fpo_learn::trainer::Trainer;
use fpo_nn::Scratch;
use fpo_policy::{FlowPolicy, Model};
use fpo_rng::{Key, Philox, Stream};
use fpo_run::config::{Config, LearningPrecision, RatioForm, TimeKind, resolve};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Iterations before the policy is looked at.
const ITERATIONS: usize = 60;
/// Minibatches of the frozen rollout, of as many transitions as in `fast`.
const MINIBATCHES: usize = 8;
const ROWS: usize = 512;
/// Draws of the pairs for each.
const DRAWS: usize = 12;

const HEADER: &str = "policy,target,time,stratified,antithetic,pairs,signal,pair_variance,\
    minibatch_variance,signal_to_pair_noise,pair_share_of_noise\n";

/// How pairs are drawn, and what their loss is measured on.
#[derive(Clone, Copy)]
struct Design {
    target: CfmTarget,
    time: TimeKind,
    stratified: bool,
    antithetic: bool,
    pairs: usize,
}

/// What does not change from draw to draw.
struct Frozen {
    config: Config,
    rollout: Batch,
    /// The policy that acted, and the one an epoch later.
    acted: ActorCritic,
    moved: ActorCritic,
    model: Model,
    critic: Critic,
    minibatches: Vec<Vec<u32>>,
}

/// Squares of norms, in expectation.
struct Figures {
    /// Of the gradient of a minibatch, its pairs' noise averaged away.
    signal: f64,
    /// Of what the draw of the pairs adds to it.
    pairs: f64,
    /// Of what the choice of the minibatch adds to the gradient over all transitions.
    minibatch: f64,
}

fn designs() -> Vec<Design> {
    let mut all = Vec::new();
    for target in [CfmTarget::Epsilon, CfmTarget::Velocity] {
        for time in [
            TimeKind::Grid,
            TimeKind::InnerGrid,
            TimeKind::Uniform,
            TimeKind::Beta,
        ] {
            for pairs in [1, 2, 4, 8, 16] {
                for (stratified, antithetic) in
                    [(false, false), (true, false), (false, true), (true, true)]
                {
                    // One pair has nothing to be spread against.
                    if pairs > 1 || !(stratified || antithetic) {
                        all.push(Design {
                            target,
                            time,
                            stratified,
                            antithetic,
                            pairs,
                        });
                    }
                }
            }
        }
    }
    all
}

fn settings() -> Result<Config, Box<dyn std::error::Error>> {
    let mut config = resolve("cheetah-run", Some("fast"), None, &[], Some(0))?;
    config.train.precision = LearningPrecision::F32;
    // The objective that docs/pairs.md measures, FPO++'s; and an epoch is a whole one.
    config.objective.ratio_form = RatioForm::Exp;
    config.objective.log_ratio_max = 10.0;
    config.objective.loss_max = 20.0;
    config.objective.bound_pull = 0.0;
    config.optimizer.max_kl = 0.0;
    config.train.ema_decay = 0.0;
    Ok(config)
}

/// Trains, acts once more, and freezes.
fn freeze(threads: usize) -> Result<Frozen, Box<dyn std::error::Error>> {
    let mut config = settings()?;
    let task = fpo_mujoco::tasks()
        .into_iter()
        .find(|task| task.spec().name == config.task);
    let task = task.ok_or("cheetah-run is missing")?;
    let mut trainer = Trainer::new(&config, task.clone(), threads)?;
    for _ in 0..ITERATIONS {
        trainer.iterate()?;
    }
    let state = trainer.state()?;
    config.optimizer.epochs = 1;
    let mut trainer = Trainer::restore(&config, task, threads, &state)?;
    let acted = trainer.networks().clone();
    trainer.iterate()?;
    let mut order: Vec<u32> = (0..trainer.batch().dims.transitions() as u32).collect();
    order.shuffle(&mut Philox::new(Key::new(0, Stream::Test)));
    Ok(Frozen {
        rollout: trainer.batch().clone(),
        acted,
        moved: trainer.networks().clone(),
        model: trainer.model().clone(),
        critic: trainer.critic().clone(),
        minibatches: order
            .chunks_exact(ROWS)
            .take(MINIBATCHES)
            .map(<[u32]>::to_vec)
            .collect(),
        config,
    })
}

impl Design {
    fn config(&self, base: &Config) -> Config {
        let mut config = base.clone();
        let objective = &mut config.objective;
        (objective.target, objective.time, objective.samples) =
            (self.target, self.time, self.pairs);
        (objective.stratified, objective.antithetic) = (self.stratified, self.antithetic);
        objective.time_beta = 2.0;
        config
    }
}

/// What draws pairs and differentiates, on one thread.
struct Worker<'a> {
    frozen: &'a Frozen,
    config: Config,
    sampler: PairSampler,
    batch: Batch,
    learner: CpuLearner,
    scratch: Scratch,
}

impl<'a> Worker<'a> {
    fn new(frozen: &'a Frozen, design: &Design, networks: &ActorCritic) -> Self {
        let config = design.config(&frozen.config);
        let old = &frozen.rollout;
        let dims = config.dims(old.dims.observation, old.dims.action);
        let batch = Batch {
            observations: old.observations.clone(),
            actions: old.actions.clone(),
            rewards: old.rewards.clone(),
            ends: old.ends.clone(),
            final_values: old.final_values.clone(),
            values: old.values.clone(),
            advantages: old.advantages.clone(),
            returns: old.returns.clone(),
            ..Batch::new(dims)
        };
        Self {
            sampler: config.objective.pair_sampler(config.policy.flow_steps),
            learner: CpuLearner::new(
                config.learner(),
                frozen.model.clone(),
                frozen.critic.clone(),
                networks.clone(),
                ROWS,
            ),
            scratch: frozen.model.network().scratch(design.pairs, false),
            frozen,
            batch,
            config,
        }
    }

    /// Draws the pairs of a minibatch for the `draw`-th time, with their losses under the policy
    /// that acted.
    fn redraw(&mut self, indices: &[u32], draw: u64) {
        let Model::Flow(FlowPolicy {
            network,
            output_scale,
            ..
        }) = &self.frozen.model
        else {
            unreachable!("`fast` learns a flow");
        };
        let (dims, cfm) = (self.batch.dims, self.config.objective.cfm());
        let (n, d, sample_input) = (dims.samples, dims.action, dims.sample_input);
        let mut velocity = vec![0.0; d];
        for &unit in indices {
            let i = unit as usize;
            let action = &self.batch.actions[i * d..][..d];
            let noises = &mut self.batch.sample_targets[i * n * d..][..n * d];
            let times = &mut self.batch.sample_times[i * n..][..n];
            let inputs = &mut self.batch.sample_inputs[i * n * sample_input..][..n * sample_input];
            let key = Key::new(1, Stream::PairTime).index(unit).step(draw);
            self.sampler.draw(key, action, noises, times, inputs);
            let observation =
                &self.batch.observations[dims.row(i) * dims.observation..][..dims.observation];
            let rows = self
                .scratch
                .input_mut(n)
                .chunks_exact_mut(dims.observation + sample_input);
            for (row, input) in rows.zip(inputs.chunks_exact(sample_input)) {
                row[..dims.observation].copy_from_slice(observation);
                row[dims.observation..].copy_from_slice(input);
            }
            let outputs = network.infer(&self.frozen.acted.policy.weights, &mut self.scratch, n);
            for (k, output) in outputs.chunks_exact(d).enumerate() {
                velocity
                    .iter_mut()
                    .zip(output)
                    .for_each(|(v, y)| *v = output_scale * y);
                self.batch.old_losses[i * n + k] =
                    cfm.loss(&velocity, action, &noises[k * d..][..d], times[k]);
            }
        }
    }

    /// The policy's gradient, as `fast` has it.
    fn gradient(&mut self, indices: &[u32]) -> Vec<f64> {
        self.learner
            .differentiate(&mut self.batch, indices, Networks::Both, &Alone)
            .expect("alone");
        let count = self.frozen.model.network().parameter_count();
        let of_policy = &self.learner.gradient()[..count];
        of_policy.iter().map(|g| f64::from(*g)).collect()
    }

    /// Mean of the gradients over the draws, and the sum of squares of their distances from it.
    fn draws(&mut self, minibatch: usize) -> (Vec<f64>, f64) {
        let indices = &self.frozen.minibatches[minibatch];
        let gradients: Vec<Vec<f64>> = (0..DRAWS)
            .map(|draw| {
                self.redraw(indices, (minibatch * DRAWS + draw) as u64);
                self.gradient(indices)
            })
            .collect();
        let mean = mean(&gradients);
        let scatter = gradients.iter().map(|g| distance2(g, &mean)).sum();
        (mean, scatter)
    }
}

fn mean(vectors: &[Vec<f64>]) -> Vec<f64> {
    let n = vectors.len() as f64;
    let column = |i: usize| vectors.iter().map(|v| v[i]).sum::<f64>() / n;
    (0..vectors[0].len()).map(column).collect()
}

fn distance2(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Unbiased estimates: the finite number of draws and minibatches is subtracted.
fn measure(frozen: &Frozen, design: &Design, networks: &ActorCritic) -> Figures {
    let mut worker = Worker::new(frozen, design, networks);
    let (means, scatters): (Vec<_>, Vec<_>) = (0..MINIBATCHES).map(|m| worker.draws(m)).unzip();
    let (draws, minibatches) = (DRAWS as f64, MINIBATCHES as f64);
    let pairs = scatters.iter().sum::<f64>() / (minibatches * (draws - 1.0));
    let center = mean(&means);
    let spread = means.iter().map(|m| distance2(m, &center)).sum::<f64>() / (minibatches - 1.0);
    let norms = means
        .iter()
        .map(|m| m.iter().map(|g| g * g).sum::<f64>())
        .sum::<f64>()
        / minibatches;
    Figures {
        signal: norms - pairs / draws,
        pairs,
        minibatch: spread - pairs / draws,
    }
}

fn name<T: serde::Serialize>(word: T) -> String {
    serde_json::to_value(word).map_or_else(
        |_| String::new(),
        |v| v.as_str().unwrap_or_default().to_owned(),
    )
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let frozen = freeze(threads)?;
    println!("{MINIBATCHES} minibatches of {ROWS} transitions, {DRAWS} draws of their pairs each");
    let jobs: Vec<(&str, &ActorCritic, Design)> =
        [("acted", &frozen.acted), ("moved", &frozen.moved)]
            .into_iter()
            .flat_map(|(name, networks)| {
                designs()
                    .into_iter()
                    .map(move |design| (name, networks, design))
            })
            .collect();
    let lines: Vec<String> = jobs
        .par_iter()
        .map(|(policy, networks, design)| {
            let Figures {
                signal,
                pairs,
                minibatch,
            } = measure(&frozen, design, networks);
            let mut line = format!("{policy},{},{},", name(design.target), name(design.time));
            let Design {
                stratified,
                antithetic,
                ..
            } = design;
            let _ = writeln!(
                line,
                "{stratified},{antithetic},{},{signal:.4e},{pairs:.4e},{minibatch:.4e},{:.4},{:.4}",
                design.pairs,
                signal / pairs,
                pairs / (pairs + minibatch)
            );
            line
        })
        .collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/results/pair_variance.csv");
    std::fs::write(&file, HEADER.to_owned() + &lines.concat())?;
    print!("{HEADER}{}", lines.concat());
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
