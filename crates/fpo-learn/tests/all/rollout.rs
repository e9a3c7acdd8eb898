//! Every entry of a batch against a second simulation of the same environments, with episodes that
//! are cut inside a sequence, at its end, and not at all; and advantages estimated once an
//! iteration against those estimated per minibatch.

use crate::toy::Toy;
use fpo_env::{EnvGroup, StepEnd, VecEnv, VecEnvOptions, VecStep};
use fpo_learn::config::{Config, GaeForm, Method, Recompute, ValueScale};
use fpo_learn::critic::{ActionInput, Critic};
use fpo_learn::learner::{ActorCritic, CpuLearner, GradientSteps, Learner, Networks, TrainState};
use fpo_learn::reduce::Alone;
use fpo_learn::rollout::Batch;
use fpo_learn::rollout::{RolloutContext, RolloutWorker};
use fpo_nn::{Mlp, Normalizer, NormalizerConfig};
use fpo_policy::{ActionMap, Model};
use fpo_rng::{Key, Stream};

const ENVS: usize = 3;
const UNROLL: usize = 4;
const SEQUENCES: usize = 2;

/// What a rollout needs, and the batch it filled.
struct Rollout {
    config: Config,
    policy: Model,
    critic: Critic,
    learner: CpuLearner,
    map: ActionMap,
    normalizer: Normalizer,
    worker: RolloutWorker,
    batch: Batch,
}

fn trained(config: &Config, network: &Mlp, index: u32) -> TrainState {
    let mut parameters = vec![0.0; network.parameter_count()];
    network.init(
        config.policy.initialization,
        1.0,
        Key::new(3, Stream::Init).index(index),
        &mut parameters,
    );
    TrainState::new(network, parameters, config.optimizer.adam())
}

fn learner(config: &Config, policy: &Model, critic: &Critic, networks: ActorCritic) -> CpuLearner {
    let rows = config.env.transitions();
    CpuLearner::new(
        config.learner(),
        policy.clone(),
        critic.clone(),
        networks,
        rows,
    )
}

fn options() -> VecEnvOptions {
    VecEnvOptions {
        seed: 9,
        stream: Stream::Reset,
        random_initial_length: true,
        group: 1,
    }
}

/// One rollout of `ENVS` environments whose episodes have `step_limit` steps.
fn rollout(step_limit: u32) -> Rollout {
    rollout_of(Method::Fpo, step_limit, 0.0)
}

fn rollout_of(method: Method, step_limit: u32, action_bound: f32) -> Rollout {
    rollout_with(method, &Toy::new(step_limit), action_bound, 0.0)
}

fn rollout_with(method: Method, task: &Toy, action_bound: f32, action_noise: f32) -> Rollout {
    rollout_from(Config::default(), method, task, action_bound, action_noise)
}

/// As [`rollout_with`], with further settings in `config`.
fn rollout_from(
    mut config: Config,
    method: Method,
    task: &Toy,
    action_bound: f32,
    action_noise: f32,
) -> Rollout {
    config.objective.method = method;
    config.policy.action_noise = action_noise;
    config.env.num_envs = ENVS;
    config.env.num_steps = UNROLL;
    config.env.sequences = SEQUENCES;
    config.env.reward_scale = 3.0;
    config.policy.hidden = vec![8];
    config.critic.hidden = vec![8];
    config.critic.value_scale = ValueScale::Horizon;
    config.advantage.form = GaeForm::Textbook;
    config.advantage.recompute = Recompute::PerIteration;
    config.optimizer.minibatches = 1;
    let policy = config.model(2, 1).unwrap();
    let actions = config.parts().q.map(|q| ActionInput {
        dim: 1,
        squash: q.squash,
        bound: q.bound,
    });
    let critic = Critic::of_actions(&config.critic, 2, actions, config.advantage.gamma).unwrap();
    let networks = ActorCritic {
        policy: trained(&config, policy.network(), 0),
        critic: trained(&config, &critic.network, 1),
    };
    let mut normalizer = Normalizer::new(NormalizerConfig::default(), 2);
    let mut seen = fpo_nn::Moments::new(2);
    seen.add_rows(&[0.5, 0.1, -0.5, 0.9, 0.3, 0.4], 2);
    normalizer.update(&seen);
    let dims = config.dims(2, 1);
    let envs = EnvGroup::new(task, 0, ENVS, options()).unwrap();
    let mut rollout = Rollout {
        map: ActionMap::new(
            config.policy.squash,
            action_bound,
            fpo_env::Task::spec(task),
        ),
        worker: RolloutWorker::new(Box::new(envs), 0, &policy, &dims, None),
        learner: learner(&config, &policy, &critic, networks),
        batch: Batch::new(dims),
        config,
        policy,
        critic,
        normalizer,
    };
    rollout.collect();
    rollout
}

impl Rollout {
    fn collect(&mut self) {
        let context = RolloutContext {
            policy: &self.policy,
            policy_weights: self.learner.actor_weights(),
            learner: &self.learner,
            normalizer: &self.normalizer,
            critic_normalizer: None,
            action_map: &self.map,
            action_noise: self.config.policy.action_noise,
            samples: self.config.parts().samples,
            gae: self.config.advantage.gae(),
            judges_actions: self.config.parts().q.is_some(),
            baseline: self.config.parts().objective.uses_advantages(),
            reward_scale: self.config.env.reward_scale,
            seed: 9,
            first_step: 0,
        };
        let mut parts = self.batch.parts([ENVS]);
        self.worker.collect(&context, &mut parts[0]);
    }

    fn value(&self, observation: &[f32]) -> f32 {
        self.value_of(observation, &[])
    }

    fn value_of(&self, observation: &[f32], action: &[f32]) -> f32 {
        let mut out = [0.0];
        let mut scratch = self.critic.network.scratch(1, false);
        self.critic.values(
            &self.learner.state().critic.weights,
            observation,
            action,
            &mut scratch,
            &mut out,
        );
        out[0]
    }

    /// The policy's action from noise with this key.
    fn fresh(&self, observation: &[f32], key: Key) -> [f32; 1] {
        let (mut noise, mut action) = ([0.0], [0.0]);
        fpo_rng::fill_normal(key, &mut noise);
        let mut scratch = self.policy.scratch(1);
        let weights = self.learner.actor_weights();
        self.policy
            .sample(weights, observation, &noise, &mut action, &mut scratch);
        self.map.cut(&mut action);
        action
    }

    fn normalized(&self, observation: &[f32]) -> [f32; 2] {
        let mut out = [0.0; 2];
        self.normalizer.normalize(observation, &mut out);
        out
    }
}

/// Returns at which steps of their sequences episodes were cut.
fn every_entry(step_limit: u32) -> Vec<usize> {
    let r = rollout(step_limit);
    let b = &r.batch;
    let mut twin = EnvGroup::new(&Toy::new(step_limit), 0, ENVS, options()).unwrap();
    let mut stepped = VecStep::new(&twin);
    let mut truncated = Vec::new();
    let mut action = [0.0];
    for env in 0..ENVS {
        for t in 0..SEQUENCES * UNROLL {
            let i = env * SEQUENCES * UNROLL + t;
            let before = r.normalized(&twin.observations()[2 * env..][..2]);
            assert_eq!(
                b.observations[2 * b.dims.row(i)..][..2],
                before,
                "before transition {i}"
            );
            assert_eq!(b.values[b.dims.row(i)], r.value(&before));
            r.map.apply(&b.actions[i..=i], &mut action);
            let outcome = twin.step_env(env, &action, &mut stepped);
            assert_eq!(b.rewards[i], 3.0 * outcome.reward);
            match outcome.ended.map(|e| e.end) {
                None => assert_eq!(b.ends[i], StepEnd::Running),
                Some(StepEnd::Truncated) => {
                    assert_eq!(b.ends[i], StepEnd::Truncated);
                    assert_eq!(
                        b.final_values[i],
                        r.value(&r.normalized(stepped.final_observation(env)))
                    );
                    truncated.push(t % UNROLL);
                }
                Some(end) => panic!("{end:?}"),
            }
            if (t + 1) % UNROLL == 0 {
                let after = r.normalized(&twin.observations()[2 * env..][..2]);
                let row = b.dims.row(i) + 1;
                assert_eq!(
                    b.observations[2 * row..][..2],
                    after,
                    "after transition {i}"
                );
            }
        }
    }
    assert_eq!(
        r.worker.stats.moments.count,
        (ENVS * SEQUENCES * UNROLL) as u64
    );
    assert_eq!(r.worker.stats.episodes.len(), truncated.len());
    truncated
}

#[test]
fn every_entry_is_what_the_environments_did() {
    let cuts = [2, 3, 5].map(every_entry).concat();
    assert!(
        (0..UNROLL).all(|t| cuts.contains(&t)),
        "cut anywhere in a sequence: {cuts:?}"
    );
}

/// Episodes that the environment itself ends after three steps, in the middle of a sequence and at
/// its end.
#[test]
fn a_truncation_by_the_environment_bootstraps_and_a_termination_does_not() {
    const LENGTH: u32 = 3;
    let mut values_of_ends = Vec::new();
    for end in [StepEnd::Truncated, StepEnd::Terminated, StepEnd::Diverged] {
        let task = Toy::ending(LENGTH, end);
        let r = rollout_with(Method::Fpo, &task, 0.0, 0.0);
        let (b, gamma) = (&r.batch, r.config.advantage.gamma as f32);
        let mut twin = EnvGroup::new(&task, 0, ENVS, options()).unwrap();
        let mut stepped = VecStep::new(&twin);
        let mut action = [0.0];
        for env in 0..ENVS {
            for t in 0..SEQUENCES * UNROLL {
                let i = env * SEQUENCES * UNROLL + t;
                r.map.apply(&b.actions[i..=i], &mut action);
                let outcome = twin.step_env(env, &action, &mut stepped);
                if !(t + 1).is_multiple_of(LENGTH as usize) {
                    assert_eq!((outcome.ended, b.ends[i]), (None, StepEnd::Running));
                    continue;
                }
                assert_eq!((outcome.ended.unwrap().end, b.ends[i]), (end, end));
                // The true last observation, whose time is up, and not that of the next episode,
                // whose time is not.
                let last = stepped.final_observation(env);
                assert_eq!(last[1], 1.0);
                let follows = match end {
                    StepEnd::Truncated => r.value(&r.normalized(last)),
                    _ => 0.0,
                };
                let expected = b.rewards[i] + gamma * follows - b.values[b.dims.row(i)];
                assert!((b.advantages[i] - expected).abs() < 1e-6, "{end:?} at {t}");
                values_of_ends.push(follows);
            }
        }
    }
    assert!(values_of_ends.iter().any(|value| value.abs() > 1e-3));
}

/// A critic of actions judges the actions that were taken, also after the end of a sequence; where
/// the rollout or a time limit ends, fresh actions of the policy that acted.
#[test]
fn values_of_actions_are_those_of_actions_taken_or_to_be_taken() {
    const LENGTH: u32 = 3;
    let task = Toy::ending(LENGTH, StepEnd::Truncated);
    let r = rollout_with(Method::Qfm, &task, 1.0, 0.1);
    let (b, steps) = (&r.batch, SEQUENCES * UNROLL);
    let fresh = |observation: &[f32], env: usize, step: u64| {
        let key = Key::new(9, Stream::NextAction).index(env as u32).step(step);
        r.fresh(observation, key)
    };
    let mut twin = EnvGroup::new(&task, 0, ENVS, options()).unwrap();
    let mut stepped = VecStep::new(&twin);
    let (mut action, mut truncated) = ([0.0], 0);
    for env in 0..ENVS {
        for t in 0..steps {
            let i = env * steps + t;
            let row = b.dims.row(i);
            let observation = |row: usize| &b.observations[2 * row..][..2];
            let taken = &b.actions[i..=i];
            assert_eq!(b.values[row], r.value_of(observation(row), taken));
            r.map.apply(taken, &mut action);
            twin.step_env(env, &action, &mut stepped);
            if (t + 1) % UNROLL == 0 {
                let next = match t + 1 == steps {
                    true => fresh(observation(row + 1), env, 2 * steps as u64),
                    false => [b.actions[i + 1]],
                };
                assert_eq!(b.values[row + 1], r.value_of(observation(row + 1), &next));
            }
            if b.ends[i] == StepEnd::Truncated {
                let last = r.normalized(stepped.final_observation(env));
                let next = fresh(&last, env, 2 * t as u64 + 1);
                assert_eq!(b.final_values[i], r.value_of(&last, &next));
                truncated += 1;
            }
        }
    }
    assert!(truncated > ENVS, "{truncated}");
}

/// Where the anchor is weighted, advantages are over Q of a fresh action, and returns stay those of
/// the actions taken.
#[test]
fn advantages_of_a_critic_of_actions_are_over_another_action_of_the_policy() {
    let task = Toy::new(50);
    let mut config = Config::default();
    let plain = rollout_from(config.clone(), Method::Qfm, &task, 1.0, 0.1);
    config.objective.anchor_temperature = 1.0;
    let r = rollout_from(config, Method::Qfm, &task, 1.0, 0.1);
    assert_eq!(plain.batch.returns, r.batch.returns);
    let (b, steps) = (&r.batch, SEQUENCES * UNROLL);
    let mut differ = 0;
    for env in 0..ENVS {
        for t in 0..steps {
            let i = env * steps + t;
            let observation = &b.observations[2 * b.dims.row(i)..][..2];
            let key = Key::new(9, Stream::Baseline)
                .index(env as u32)
                .step(t as u64);
            let other = r.fresh(observation, key);
            let baseline = r.value_of(observation, &other);
            assert_eq!(b.advantages[i], b.returns[i] - baseline);
            let value = plain.batch.values[b.dims.row(i)];
            let own = plain.batch.returns[i] - value;
            assert!((plain.batch.advantages[i] - own).abs() < 1e-5);
            differ += usize::from(baseline != value);
        }
    }
    assert!(differ > ENVS * steps / 2, "{differ}");
}

#[test]
fn once_and_per_minibatch_estimate_alike_while_the_critic_stands_still() {
    let mut r = rollout(3);
    let (advantages, returns) = (r.batch.advantages.clone(), r.batch.returns.clone());
    let again = |config: &Config| {
        let networks = r.learner.state().clone();
        learner(config, &r.policy, &r.critic, networks)
    };
    let mut once = again(&r.config);
    r.config.advantage.recompute = Recompute::PerMinibatch;
    let mut per_minibatch = again(&r.config);

    let transitions: Vec<u32> = (0..r.batch.dims.transitions() as u32).collect();
    let sequences: Vec<u32> = (0..r.batch.dims.sequences as u32).collect();
    let first = once
        .differentiate(&mut r.batch, &transitions, Networks::Both, &Alone)
        .unwrap();
    let second = per_minibatch
        .differentiate(&mut r.batch, &sequences, Networks::Both, &Alone)
        .unwrap();
    assert_eq!((advantages, returns), (r.batch.advantages, r.batch.returns));
    assert!((first.value_loss - second.value_loss).abs() < 1e-6 * first.value_loss.abs());
    assert!(once.gradient().iter().any(|g| g.abs() > 1e-3));
    for (a, b) in once.gradient().iter().zip(per_minibatch.gradient()) {
        assert!((a - b).abs() < 1e-5, "{a} against {b}");
    }
}

/// The steps of a noisy sampler lead from the noise to the action, and each has the likelihood of
/// the noise it drew.
#[test]
fn stored_steps_are_those_of_the_sampler() {
    let r = rollout_of(Method::Dppo, 3, 0.0);
    let (b, steps) = (&r.batch, r.config.policy.flow_steps);
    let (h, sigma) = (1.0 / steps as f32, r.config.policy.step_noise);
    let mut z_of_all = Vec::new();
    for i in 0..b.dims.transitions() {
        for k in 0..steps {
            let sample = i * steps + k;
            let (x, u) = (
                b.sample_inputs[sample * b.dims.sample_input],
                b.sample_targets[sample],
            );
            let reached = if k + 1 < steps {
                b.sample_inputs[(sample + 1) * b.dims.sample_input]
            } else {
                b.actions[i]
            };
            assert!((x - h * u - reached).abs() < 1e-6);
            assert!((b.sample_times[sample] - (1.0 - k as f32 * h)).abs() < 1e-6);
            // ℓ − ln σ − ½·ln 2π = ½z².
            let constant = sigma.ln() + 0.5 * std::f32::consts::TAU.ln();
            z_of_all.push(2.0 * (b.old_losses[sample] - constant));
        }
    }
    assert!(z_of_all.iter().all(|square| *square > -1e-4));
    let mean = z_of_all.iter().sum::<f32>() / z_of_all.len() as f32;
    // 240 numbers: the mean square of a standard normal one has a standard error of 0.09.
    assert!((mean - 1.0).abs() < 0.45, "{mean} of {}", z_of_all.len());
}

/// A Gaussian's draw is judged by its own likelihood, whatever acts in its place; the flow's pairs
/// belong to what acts.
#[test]
fn only_a_flow_learns_from_the_cut_action() {
    const BOUND: f32 = 0.2;
    let beyond = |method| {
        let r = rollout_of(method, 3, BOUND);
        let actions = r.batch.actions.iter();
        (actions.filter(|a| a.abs() > BOUND).count(), r)
    };
    assert_eq!(beyond(Method::Fpo).0, 0);
    let (count, r) = beyond(Method::Ppo);
    assert!(count > 4, "{count} of {}", r.batch.actions.len());
    assert_eq!(r.batch.old_losses.len(), r.batch.actions.len());
    let mut scratch = r.policy.scratch(1);
    for (i, &action) in r.batch.actions.iter().enumerate() {
        let observation = &r.batch.observations[2 * r.batch.dims.row(i)..][..2];
        let [mean, one] = [0.0, 1.0].map(|z| {
            let (weights, mut x) = (r.learner.actor_weights(), [f32::NAN]);
            r.policy
                .sample(weights, observation, &[z], &mut x, &mut scratch);
            x
        });
        let std = one[0] - mean[0];
        let z = (action - mean[0]) / std;
        let expected = 0.5 * z * z + std.ln() + 0.5 * std::f32::consts::TAU.ln();
        assert!((r.batch.old_losses[i] - expected).abs() < 1e-5);
    }
}

/// The toy's observations do not depend on actions, so two rollouts differ by their noise alone.
#[test]
fn action_noise_is_part_of_what_is_learned_from() {
    const SIGMA: f32 = 0.1;
    let (plain, noisy) = (
        rollout(3),
        rollout_with(Method::Fpo, &Toy::new(3), 0.0, SIGMA),
    );
    let b = &noisy.batch;
    let actions = plain.batch.actions.iter().zip(&b.actions);
    let z: Vec<f32> = actions.map(|(a, noisy)| (noisy - a) / SIGMA).collect();
    let mean = |f: fn(f32) -> f32| z.iter().copied().map(f).sum::<f32>() / z.len() as f32;
    // 24 numbers: standard errors of 0.2 and 0.29.
    assert!(
        mean(|z| z).abs() < 0.8 && (mean(|z| z * z) - 1.0).abs() < 0.8,
        "{z:?}"
    );
    for (pair, row) in b
        .sample_inputs
        .chunks_exact(b.dims.sample_input)
        .enumerate()
    {
        let (t, action) = (b.sample_times[pair], b.actions[pair / b.dims.samples]);
        let x = t * b.sample_targets[pair] + (1.0 - t) * action;
        assert!((row[0] - x).abs() < 1e-6, "{} and {x}", row[0]);
    }
}
