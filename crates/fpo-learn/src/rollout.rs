//! Collecting experience: each worker steps its environments with the policy for a whole rollout,
//! then scores what it collected.

mod batch;
mod exchange;
mod pairs;
mod samples;
mod settings;

pub use batch::{Batch, BatchDims, BatchSlice};
pub use pairs::PairSampler;
pub use samples::{LossSample, SampleSource};
pub use settings::{EnvConfig, NormalizerConfig};

pub(crate) use samples::StoredSamples;

use crate::advantage::Gae;
use crate::learner::Learner;
use crate::objective::KnnEntropy;
use crate::stopwatch::Stopwatch;
use fpo_env::{Episode, Extras, StepEnd, StepError, VecEnv, VecStep};
use fpo_flow::embed_time;
use fpo_nn::{Moments, Normalizer, Weights};
use fpo_policy::{ActionMap, Model, PolicyScratch};
use fpo_rng::{Key, Stream, fill_normal};
use std::time::Duration;

/// What acts and scores during a rollout; the same for all workers, frozen until it ends.
pub struct RolloutContext<'a> {
    /// The policy.
    pub policy: &'a Model,
    /// Its weights.
    pub policy_weights: &'a Weights,
    /// What knows values of observations and losses of samples.
    pub learner: &'a dyn Learner,
    /// Statistics that observations are normalized with.
    pub normalizer: &'a Normalizer,
    /// Statistics that the critic's own observations are normalized with, if it has any.
    pub critic_normalizer: Option<&'a Normalizer>,
    /// From the policy's action to the environment's.
    pub action_map: &'a ActionMap,
    /// Standard deviation of the noise added to actions, with [`SampleSource::Pairs`].
    pub action_noise: f32,
    /// How the samples of an action come about.
    pub samples: SampleSource,
    /// The estimator of advantages; without one, values and advantages are left as they are, and
    /// the critic is not asked.
    pub gae: Option<Gae>,
    /// Whether the critic judges actions.
    pub judges_actions: bool,
    /// Whether advantages then are needed as well: over the value of another action of the policy.
    /// Without, they are over the value of the action itself, and say what came unexpected.
    pub baseline: bool,
    /// Factor on rewards.
    pub reward_scale: f32,
    /// Seed of the run.
    pub seed: u64,
    /// Steps each environment has made before this rollout.
    pub first_step: u64,
}

/// What an environment and a policy exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// What the policy put out.
    Action,
    /// What the environment gave for it.
    Reward,
    /// What the environment showed after it.
    Observation,
}

/// A non-finite number that appeared while acting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// What it was in.
    pub what: Quantity,
    /// The environment it appeared in.
    pub env: u32,
    /// Steps that environment had made.
    pub step: u64,
}

/// What a worker saw during a rollout, besides the transitions.
#[derive(Clone, Debug)]
pub struct RolloutStats {
    /// Episodes that ended, in order of time, then environment.
    pub episodes: Vec<Episode>,
    /// Moments of the raw observations acted on.
    pub moments: Moments,
    /// Moments of the critic's own raw observations, of no columns where it has none.
    pub critic_moments: Moments,
    /// Reward terms and metrics that the environments reported.
    pub extras: Extras,
    /// Σ [`ActionMap::saturation`] over the actions taken.
    pub saturation: f64,
    /// Σ of the policy's entropies, estimated where rare actions have a bonus.
    pub entropy: f64,
    /// Time spent in the policy.
    pub inference: Duration,
    /// Time spent in the environments.
    pub stepping: Duration,
    /// Time spent on values, samples and advantages.
    pub scoring: Duration,
    /// The first non-finite number, if any: the transitions then are not to be learned from.
    pub fault: Option<NonFinite>,
    /// Why the environments could not be stepped, if so: there are no transitions then.
    pub failed: Option<StepError>,
}

impl RolloutStats {
    /// Nothing seen yet.
    pub fn new(dims: &BatchDims) -> Self {
        Self {
            episodes: Vec::new(),
            moments: Moments::new(dims.observation),
            critic_moments: Moments::new(dims.critic_observation),
            extras: Extras::default(),
            saturation: 0.0,
            entropy: 0.0,
            inference: Duration::ZERO,
            stepping: Duration::ZERO,
            scoring: Duration::ZERO,
            fault: None,
            failed: None,
        }
    }
}

/// What it takes to tell how rare an action is among others of the policy.
struct KnnBuffers {
    /// Further actions for each observation.
    samples: usize,
    entropy: KnnEntropy,
    /// The further actions of all environments `[n, action]`.
    actions: Vec<f32>,
    /// For each environment the action taken, then the others, squashed `[n, samples + 1, action]`.
    points: Vec<f32>,
    /// −ln p of one environment's points.
    surprisal: Vec<f32>,
}

impl KnnBuffers {
    fn new((samples, entropy): (usize, KnnEntropy), envs: usize, action: usize) -> Self {
        Self {
            samples,
            entropy,
            actions: vec![0.0; envs * action],
            points: vec![0.0; envs * (samples + 1) * action],
            surprisal: vec![0.0; samples + 1],
        }
    }

    /// Puts every environment's action in its place, as number `k` of its points.
    fn place(points: &mut [f32], k: usize, samples: usize, d: usize, actions: &[f32]) {
        let of_env = points.chunks_exact_mut((samples + 1) * d);
        for (points, action) in of_env.zip(actions.chunks_exact(d)) {
            points[k * d..][..d].copy_from_slice(action);
        }
    }
}

/// A batch of environments with all buffers that acting in them needs.
pub struct RolloutWorker {
    /// The environments.
    pub envs: Box<dyn VecEnv>,
    /// Global index of the first environment.
    first: u32,
    /// What the latest step gave.
    stepped: VecStep,
    policy_scratch: PolicyScratch,
    /// Normalized observations `[n, observation]`, and the critic's own
    /// `[n, critic_observation]`.
    observations: Vec<f32>,
    critic_observations: Vec<f32>,
    /// Noise `[n, noise_dim]`, and the actions made of it `[n, action]`.
    noise: Vec<f32>,
    actions: Vec<f32>,
    /// The embedding of a step's time.
    embedding: Vec<f32>,
    /// The actions in the environment's units `[n, action]`.
    env_actions: Vec<f32>,
    /// If rare actions have a bonus.
    neighbors: Option<KnnBuffers>,
    /// Normalized final observations of truncated episodes, as the critic sees them, their
    /// transitions and values.
    final_observations: Vec<f32>,
    final_transitions: Vec<usize>,
    final_values: Vec<f32>,
    /// Where the critic judges actions: actions taken and followed by those that would be taken
    /// next `[S, T + 1, action]`, and those at the final observations, as the policy sees them.
    value_actions: Vec<f32>,
    /// Q of fresh actions `[S, T + 1]`, where advantages need it.
    baselines: Vec<f32>,
    final_seen: Vec<f32>,
    final_actions: Vec<f32>,
    /// What the worker saw in the latest rollout.
    pub stats: RolloutStats,
}

impl RolloutWorker {
    /// Buffers for `envs`, of which the first has the global index `first`. `neighbors` is
    /// [`crate::objective::ObjectiveConfig::knn`].
    pub fn new(
        envs: Box<dyn VecEnv>,
        first: u32,
        policy: &Model,
        dims: &BatchDims,
        neighbors: Option<(usize, KnnEntropy)>,
    ) -> Self {
        let n = envs.len();
        Self {
            policy_scratch: policy.scratch(n),
            observations: vec![0.0; n * policy.observation_dim()],
            critic_observations: vec![0.0; envs.critic_observations().len()],
            noise: vec![0.0; n * policy.noise_dim()],
            actions: vec![0.0; n * policy.action_dim()],
            embedding: vec![0.0; policy.embedding()],
            env_actions: vec![0.0; n * policy.action_dim()],
            neighbors: neighbors.map(|settings| KnnBuffers::new(settings, n, policy.action_dim())),
            final_observations: Vec::new(),
            final_transitions: Vec::new(),
            final_values: Vec::new(),
            value_actions: Vec::new(),
            baselines: Vec::new(),
            final_seen: Vec::new(),
            final_actions: Vec::new(),
            stats: RolloutStats::new(dims),
            stepped: VecStep::new(envs.as_ref()),
            envs,
            first,
        }
    }

    /// Steps every environment until `part` is full; what else happened is in
    /// [`RolloutWorker::stats`].
    pub fn collect(&mut self, context: &RolloutContext, part: &mut BatchSlice) {
        let stats = &mut self.stats;
        stats.episodes.clear();
        stats.moments = Moments::new(part.dims.observation);
        stats.critic_moments = Moments::new(part.dims.critic_observation);
        (stats.saturation, stats.entropy) = (0.0, 0.0);
        (stats.inference, stats.stepping, stats.scoring) = Default::default();
        (stats.fault, stats.failed) = (None, None);
        self.stepped.extras.clear();
        self.final_observations.clear();
        self.final_transitions.clear();
        self.final_seen.clear();

        // What a reset or a restored state shows; later ones are checked after each step.
        for i in 0..self.envs.len() {
            if !self.observes_finite(i) {
                self.fault(Quantity::Observation, i, context.first_step);
            }
        }
        for t in 0..part.dims.steps() {
            self.act(context, t, part);
            self.step(context, t, part);
            if self.stats.failed.is_some() {
                return;
            }
        }
        let start = Stopwatch::start();
        self.observe(context, part.dims.steps(), part);
        self.score(context, part);
        self.stats.scoring = start.elapsed();
        self.stats.extras.clear();
        self.stats.extras.merge(&self.stepped.extras);
    }

    /// Normalizes the current observations and stores them as those before step `t` of the
    /// environments.
    fn observe(&mut self, context: &RolloutContext, t: usize, part: &mut BatchSlice) {
        context
            .normalizer
            .normalize(self.envs.observations(), &mut self.observations);
        store_observations(&part.dims, t, &self.observations, part.observations);
        if let Some(normalizer) = context.critic_normalizer {
            let rows = &mut self.critic_observations;
            normalizer.normalize(self.envs.critic_observations(), rows);
            store_observations(&part.dims, t, rows, part.critic_observations);
        }
    }

    /// Draws an action for every environment.
    fn act(&mut self, context: &RolloutContext, t: usize, part: &mut BatchSlice) {
        let start = Stopwatch::start();
        self.stats
            .moments
            .add_rows(self.envs.observations(), part.dims.observation);
        if part.dims.critic_observation > 0 {
            let rows = self.envs.critic_observations();
            let moments = &mut self.stats.critic_moments;
            moments.add_rows(rows, part.dims.critic_observation);
        }
        self.observe(context, t, part);
        let width = context.policy.noise_dim();
        for (i, noise) in self.noise.chunks_exact_mut(width).enumerate() {
            fill_normal(key(context, self.first, Stream::Action, i, t), noise);
        }
        let (weights, scratch) = (context.policy_weights, &mut self.policy_scratch);
        let (observations, noise, actions) = (&self.observations, &self.noise, &mut self.actions);
        match (&context.samples, context.policy) {
            (&SampleSource::Steps { first }, Model::Flow(flow)) => {
                let embedding = &mut self.embedding;
                flow.sample(
                    weights,
                    observations,
                    noise,
                    actions,
                    scratch,
                    |k, time, x| {
                        embed_time(time, embedding);
                        let step = Step { k, time, embedding };
                        store_step(part, t, first, flow.steps, &step, x);
                    },
                );
            }
            _ => context
                .policy
                .sample(weights, observations, noise, actions, scratch),
        }
        if let SampleSource::Pairs(_) = context.samples {
            // Pairs are made of what acted, noise and all. A likelihood is that of what was drawn.
            if context.action_noise > 0.0 {
                self.disturb(context, t);
            }
            context.action_map.cut(&mut self.actions);
        }
        if self.neighbors.is_some() {
            self.score_surprisal(context, t, part);
        }
        self.stats.inference += start.elapsed();
    }

    /// Samples further actions for the same observations, and stores how much rarer than their mean
    /// the ones taken are.
    fn score_surprisal(&mut self, context: &RolloutContext, t: usize, part: &mut BatchSlice) {
        let Some(neighbors) = &mut self.neighbors else {
            return;
        };
        let KnnBuffers {
            samples,
            entropy,
            actions,
            points,
            surprisal,
        } = neighbors;
        let (samples, d, width) = (*samples, part.dims.action, context.policy.noise_dim());
        KnnBuffers::place(points, 0, samples, d, &self.actions);
        for k in 0..samples {
            for (i, noise) in self.noise.chunks_exact_mut(width).enumerate() {
                let at = key(context, self.first, Stream::Particles, i, t);
                fill_normal(at.step(at.step * samples as u64 + k as u64), noise);
            }
            let (weights, scratch) = (context.policy_weights, &mut self.policy_scratch);
            context
                .policy
                .sample(weights, &self.observations, &self.noise, actions, scratch);
            KnnBuffers::place(points, k + 1, samples, d, actions);
        }
        context.action_map.squash(points);
        for (i, points) in points.chunks_exact((samples + 1) * d).enumerate() {
            entropy.estimate(points, surprisal);
            let mean = surprisal.iter().sum::<f32>() / surprisal.len() as f32;
            part.surprisals[i * part.dims.steps() + t] = surprisal[0] - mean;
            self.stats.entropy += f64::from(mean);
        }
    }

    /// Adds noise to the actions.
    fn disturb(&mut self, context: &RolloutContext, t: usize) {
        // Of a flow without noisy steps, x₁ is as large as the action, and no longer needed.
        let width = context.policy.action_dim();
        for (i, noise) in self.noise.chunks_exact_mut(width).enumerate() {
            fill_normal(key(context, self.first, Stream::ActionNoise, i, t), noise);
        }
        for (a, z) in self.actions.iter_mut().zip(&self.noise) {
            *a += context.action_noise * z;
        }
    }

    /// Steps every environment with its action and stores what came of it.
    fn step(&mut self, context: &RolloutContext, t: usize, part: &mut BatchSlice) {
        let start = Stopwatch::start();
        self.prepare_actions(context, t, part);
        self.envs.step(&self.env_actions, &mut self.stepped);
        self.stats.failed = self.stepped.failed.take();
        if self.stats.failed.is_none() {
            self.store_outcomes(context, t, part);
        }
        self.stats.stepping += start.elapsed();
    }

    /// Stores the actions of step `t`, and puts them into the environment's units.
    fn prepare_actions(&mut self, context: &RolloutContext, t: usize, part: &mut BatchSlice) {
        let (ad, steps) = (part.dims.action, part.dims.steps());
        let actions = self.actions.chunks_exact(ad);
        let env_actions = self.env_actions.chunks_exact_mut(ad);
        for (i, (action, env_action)) in actions.zip(env_actions).enumerate() {
            part.actions[(i * steps + t) * ad..][..ad].copy_from_slice(action);
            if action.iter().all(|a| a.is_finite()) {
                context.action_map.apply(action, env_action);
            } else {
                let fault = NonFinite {
                    what: Quantity::Action,
                    env: self.first + i as u32,
                    step: context.first_step + t as u64,
                };
                self.stats.fault.get_or_insert(fault);
                // Never let it act.
                env_action.fill(0.0);
            }
            self.stats.saturation += context.action_map.saturation(env_action);
        }
    }

    /// Stores rewards and ends of step `t`.
    fn store_outcomes(&mut self, context: &RolloutContext, t: usize, part: &mut BatchSlice) {
        let envs = self.envs.as_ref();
        // All at once, which is faster; one by one only where something is wrong.
        let finite = all_finite(envs.observations()) && all_finite(envs.critic_observations());
        let at = context.first_step + t as u64;
        for i in 0..self.stepped.outcomes.len() {
            let outcome = self.stepped.outcomes[i];
            if !outcome.reward.is_finite() {
                self.fault(Quantity::Reward, i, at);
            } else if !(finite || self.observes_finite(i)) {
                self.fault(Quantity::Observation, i, at);
            }
            let transition = i * part.dims.steps() + t;
            part.rewards[transition] = outcome.reward * context.reward_scale;
            part.ends[transition] = outcome.end();
            if let Some(episode) = outcome.ended {
                self.store_end(context, i, transition, at, episode);
            }
        }
    }

    /// Keeps the account of the episode of environment `i` that ended with `transition`, and, if it
    /// was truncated, what the value of its final observation will be estimated from.
    fn store_end(
        &mut self,
        context: &RolloutContext,
        i: usize,
        transition: usize,
        at: u64,
        episode: Episode,
    ) {
        let (normalizer, last) = match context.critic_normalizer {
            Some(normalizer) => (normalizer, self.stepped.final_critic_observation(i)),
            None => (context.normalizer, self.stepped.final_observation(i)),
        };
        // Where the critic judges actions, the policy acts on its own last observation.
        let seen = self.stepped.final_observation(i);
        let finite = all_finite(last) && (!context.judges_actions || all_finite(seen));
        if episode.end == StepEnd::Truncated {
            let start = self.final_observations.len();
            self.final_observations.resize(start + last.len(), 0.0);
            normalizer.normalize(last, &mut self.final_observations[start..]);
            self.final_transitions.push(transition);
            if context.judges_actions {
                let seen = self.stepped.final_observation(i);
                let start = self.final_seen.len();
                self.final_seen.resize(start + seen.len(), 0.0);
                context
                    .normalizer
                    .normalize(seen, &mut self.final_seen[start..]);
            }
        }
        if !finite {
            self.fault(Quantity::Observation, i, at);
        }
        self.stats.episodes.push(episode);
    }

    /// Whether what environment `i` shows, to the policy and to the critic, is finite.
    fn observes_finite(&self, i: usize) -> bool {
        [self.envs.observations(), self.envs.critic_observations()]
            .iter()
            .all(|rows| {
                let width = rows.len() / self.envs.len();
                all_finite(&rows[i * width..(i + 1) * width])
            })
    }

    /// Records a number of environment `i` that is not finite, unless there was one before.
    fn fault(&mut self, what: Quantity, i: usize, step: u64) {
        let env = self.first + i as u32;
        let fault = NonFinite { what, env, step };
        self.stats.fault.get_or_insert(fault);
    }

    /// Values, advantages, samples and their losses under the policy that acted.
    fn score(&mut self, context: &RolloutContext, part: &mut BatchSlice) {
        if let Some(gae) = &context.gae {
            self.estimate_advantages(context, gae, part);
        }
        if let SampleSource::Pairs(sampler) = &context.samples {
            self.draw_pairs(context, sampler, part);
        }
        context.learner.score(part);
    }

    /// Values, and the advantages that follow from them.
    fn estimate_advantages(&mut self, context: &RolloutContext, gae: &Gae, part: &mut BatchSlice) {
        let dims = part.dims;
        let learner = context.learner;
        self.judged_actions(context, part);
        let observations = dims.seen_by_critic(part.observations, part.critic_observations);
        learner.values(observations, &self.value_actions, part.values);
        self.final_values.resize(self.final_transitions.len(), 0.0);
        let out = &mut self.final_values;
        learner.values(&self.final_observations, &self.final_actions, out);
        for (&transition, &value) in self.final_transitions.iter().zip(out.iter()) {
            part.final_values[transition] = value;
        }
        for s in 0..dims.sequences {
            let (steps, rows) = (
                dims.num_steps * s..dims.num_steps * (s + 1),
                (dims.num_steps + 1) * s,
            );
            let final_values = &part.final_values[steps.clone()];
            gae.estimate(
                &part.rewards[steps.clone()],
                &part.values[rows..][..dims.num_steps + 1],
                &part.ends[steps.clone()],
                |t| final_values[t],
                &mut part.advantages[steps.clone()],
                &mut part.returns[steps],
            );
        }
        if context.judges_actions && context.baseline {
            self.compare_with_baseline(context, part);
        }
    }

    /// Advantages of returns over Q of a fresh action of the policy at the same observation, an
    /// unbiased sample of V.
    fn compare_with_baseline(&mut self, context: &RolloutContext, part: &mut BatchSlice) {
        let dims = part.dims;
        let length = dims.num_steps + 1;
        // The row after a sequence's last step is not needed, and costs little.
        let keys = (0..dims.sequences * length).map(|row| {
            let (s, k) = (row / length, row % length);
            let t = s % dims.sequences_per_env * dims.num_steps + k;
            Key::new(context.seed, Stream::Baseline)
                .index(self.first + (s / dims.sequences_per_env) as u32)
                .step(context.first_step + t as u64)
        });
        let (actions, scratch) = (&mut self.value_actions, &mut self.policy_scratch);
        draw_actions(context, keys, part.observations, actions, scratch);
        self.baselines.resize(dims.sequences * length, 0.0);
        let observations = dims.seen_by_critic(part.observations, part.critic_observations);
        let learner = context.learner;
        learner.values(observations, &self.value_actions, &mut self.baselines);
        for (i, advantage) in part.advantages.iter_mut().enumerate() {
            *advantage = part.returns[i] - self.baselines[dims.row(i)];
        }
    }

    /// The actions that a critic of actions judges: those taken, and after the last step, and at
    /// the final observations of truncated episodes, actions of the policy that acted.
    fn judged_actions(&mut self, context: &RolloutContext, part: &BatchSlice) {
        if !context.judges_actions {
            return;
        }
        let dims = part.dims;
        let (d, steps) = (dims.action, dims.steps());
        let last = context.first_step + steps as u64;
        let next =
            |env: usize| Key::new(context.seed, Stream::NextAction).index(self.first + env as u32);
        let keys = (0..dims.envs()).map(|env| next(env).step(2 * last));
        draw_actions(
            context,
            keys,
            &self.observations,
            &mut self.actions,
            &mut self.policy_scratch,
        );
        self.value_actions
            .resize((dims.transitions() + dims.sequences) * d, 0.0);
        for (s, actions) in self
            .value_actions
            .chunks_exact_mut((dims.num_steps + 1) * d)
            .enumerate()
        {
            let (first, env) = (s * dims.num_steps, s / dims.sequences_per_env);
            let (taken, after) = actions.split_at_mut(dims.num_steps * d);
            taken.copy_from_slice(&part.actions[first * d..][..dims.num_steps * d]);
            // What followed, unless the rollout ended there.
            let following = first + dims.num_steps;
            after.copy_from_slice(match following % steps {
                0 => &self.actions[env * d..][..d],
                _ => &part.actions[following * d..][..d],
            });
        }

        let keys = self.final_transitions.iter().map(|transition| {
            let (env, t) = (transition / steps, transition % steps);
            next(env).step(2 * (context.first_step + t as u64) + 1)
        });
        self.final_actions
            .resize(self.final_transitions.len() * d, 0.0);
        draw_actions(
            context,
            keys,
            &self.final_seen,
            &mut self.final_actions,
            &mut self.policy_scratch,
        );
    }

    /// The (t, ε) pairs of all transitions.
    fn draw_pairs(&self, context: &RolloutContext, sampler: &PairSampler, part: &mut BatchSlice) {
        let dims = part.dims;
        let (d, n) = (dims.action, dims.samples);
        for i in 0..dims.transitions() {
            let key = key(
                context,
                self.first,
                Stream::PairTime,
                i / dims.steps(),
                i % dims.steps(),
            );
            sampler.draw(
                key,
                &part.actions[i * d..][..d],
                &mut part.sample_targets[i * n * d..][..n * d],
                &mut part.sample_times[i * n..][..n],
                &mut part.sample_inputs[i * n * dims.sample_input..][..n * dims.sample_input],
            );
        }
    }
}

/// Actions of the policy for normalized `observations`, one a row, from noise with these keys, into
/// `out`; as many at once as `scratch` was made for environments.
fn draw_actions(
    context: &RolloutContext,
    keys: impl Iterator<Item = Key>,
    observations: &[f32],
    out: &mut [f32],
    scratch: &mut PolicyScratch,
) {
    let policy = context.policy;
    let (od, ad, width) = (
        policy.observation_dim(),
        policy.action_dim(),
        policy.noise_dim(),
    );
    let mut noise = vec![0.0; out.len() / ad * width];
    for (noise, key) in noise.chunks_exact_mut(width).zip(keys) {
        fill_normal(key, noise);
    }
    let rows = scratch.capacity();
    let pieces = out
        .chunks_mut(rows * ad)
        .zip(observations.chunks(rows * od));
    for ((out, observations), noise) in pieces.zip(noise.chunks(rows * width)) {
        policy.sample(context.policy_weights, observations, noise, out, scratch);
    }
    context.action_map.cut(out);
}

/// Whether all numbers are finite; without a branch a number.
fn all_finite(x: &[f32]) -> bool {
    x.iter().fold(true, |all, x| all & x.is_finite())
}

/// Stores one row of each environment, `rows` `[n, width]`, in `out` `[S, T + 1, width]` as those
/// before step `t` of the environments.
fn store_observations(dims: &BatchDims, t: usize, rows: &[f32], out: &mut [f32]) {
    let (width, length) = (rows.len() / dims.envs(), dims.num_steps + 1);
    for (i, observation) in rows.chunks_exact(width).enumerate() {
        let mut store = |row: usize| out[row * width..][..width].copy_from_slice(observation);
        let sequence = i * dims.sequences_per_env + t / dims.num_steps;
        if t < dims.steps() {
            store(sequence * length + t % dims.num_steps);
        }
        // Between two sequences it is both the last observation of one and the first of the next.
        if t > 0 && t.is_multiple_of(dims.num_steps) {
            store(sequence * length - 1);
        }
    }
}

/// A point on the way of a sampler.
struct Step<'a> {
    /// Its number, 0 for the noise.
    k: usize,
    time: f32,
    /// Of its time.
    embedding: &'a [f32],
}

/// Stores the point `x` `[n, action]` that all environments' samplers have reached at step `t` of
/// the rollout: as the input of the step that begins there, and in the velocity of the one that
/// ends there. Steps before `first` are not stored.
fn store_step(part: &mut BatchSlice, t: usize, first: usize, steps: usize, step: &Step, x: &[f32]) {
    let dims = part.dims;
    let (d, sample_input) = (dims.action, dims.sample_input);
    for (i, x) in x.chunks_exact(d).enumerate() {
        let samples = (i * dims.steps() + t) * dims.samples;
        if step.k > first {
            let sample = samples + step.k - 1 - first;
            let before = &part.sample_inputs[sample * sample_input..][..d];
            let velocity = &mut part.sample_targets[sample * d..][..d];
            for ((u, from), to) in velocity.iter_mut().zip(before).zip(x) {
                *u = (from - to) * steps as f32;
            }
        }
        if (first..steps).contains(&step.k) {
            let sample = samples + step.k - first;
            let (input, rest) =
                part.sample_inputs[sample * sample_input..][..sample_input].split_at_mut(d);
            input.copy_from_slice(x);
            rest.copy_from_slice(step.embedding);
            part.sample_times[sample] = step.time;
        }
    }
}

/// The key of what environment `first + env` draws at step `t` of the rollout.
fn key(context: &RolloutContext, first: u32, stream: Stream, env: usize, t: usize) -> Key {
    Key::new(context.seed, stream)
        .index(first + env as u32)
        .step(context.first_step + t as u64)
}
