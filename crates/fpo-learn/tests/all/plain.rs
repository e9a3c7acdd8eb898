//! A learner that is easy to read: one sample after another, on one thread, without tiles, packed
//! weights or parts. It shares losses and objectives with the one that trains, and nothing of how
//! they are carried through a network and into a gradient.

use fpo_learn::advantage::{AdvantageNormalization, STD_FLOOR, mean_std};
use fpo_learn::critic::Critic;
use fpo_learn::learner::{
    ActorCritic, GradientSteps, LearnPlan, LearnStats, Learner, LearnerSettings, MinibatchStats,
    Networks, run_epochs,
};
use fpo_learn::reduce::{Reduce, ReduceError};
use fpo_learn::rollout::{Batch, BatchDims, BatchSlice, LossSample};
use fpo_learn::trainer::TrainError;
use fpo_nn::{Activation, Mlp, clip_to_norm, global_norm};
use fpo_policy::Model;

/// Learns with minibatches of transitions; advantages per minibatch are not its business.
pub struct PlainLearner {
    pub settings: LearnerSettings,
    pub policy: Model,
    pub critic: Critic,
    pub networks: ActorCritic,
    /// Of the policy, of the critic.
    pub gradients: [Vec<f32>; 2],
}

impl PlainLearner {
    pub fn new(
        settings: LearnerSettings,
        policy: Model,
        critic: Critic,
        networks: ActorCritic,
    ) -> Self {
        assert!(settings.sequence.is_none() && settings.entropy.is_none());
        Self {
            settings,
            policy,
            critic,
            networks,
            gradients: [Vec::new(), Vec::new()],
        }
    }

    /// What the policy predicts for a sample with this observation and input.
    fn predict(&self, observation: &[f32], input: &[f32]) -> (Trace, Vec<f32>) {
        let parameters = &self.networks.policy.parameters;
        let input = [observation, input].concat();
        let trace = Trace::of(self.policy.network(), parameters, input);
        let mut prediction = vec![0.0; trace.output().len()];
        self.policy.predict(trace.output(), &mut prediction);
        (trace, prediction)
    }

    fn value(&self, observation: &[f32]) -> Trace {
        let parameters = &self.networks.critic.parameters;
        Trace::of(&self.critic.network, parameters, observation.to_vec())
    }

    /// What the objective sees of the transitions' advantages.
    fn advantages(&self, batch: &Batch, indices: &[u32]) -> Vec<f32> {
        let raw = indices.iter().map(|&i| batch.advantages[i as usize]);
        let (mean, std) = match self.settings.normalize {
            AdvantageNormalization::Minibatch => mean_std(raw.clone()),
            _ => (0.0, 1.0 - STD_FLOOR),
        };
        let scale = (1.0 / (std + STD_FLOOR)) as f32;
        raw.map(|a| (a - mean as f32) * scale).collect()
    }

    fn policy_pass(&mut self, batch: &Batch, indices: &[u32], stats: &mut MinibatchStats) {
        let (n, width) = (batch.dims.samples, batch.dims.sample_input);
        let samples: Vec<usize> = indices
            .iter()
            .flat_map(|&i| (0..n).map(move |k| i as usize * n + k))
            .collect();

        // Forward.
        let passes: Vec<_> = samples
            .iter()
            .map(|&s| {
                let input = &batch.sample_inputs[s * width..][..width];
                self.predict(observation(batch, s / n), input)
            })
            .collect();

        // Losses, and the objective's gradient at them.
        let loss = self.settings.loss;
        let of = |&s: &usize| sample(&batch.dims, batch, s);
        let mut losses = vec![0.0; samples.len()];
        for ((l, s), (_, prediction)) in losses.iter_mut().zip(&samples).zip(&passes) {
            loss.evaluate(prediction, |_| of(s), std::slice::from_mut(l));
        }
        let old: Vec<f32> = samples.iter().map(|&s| batch.old_losses[s]).collect();
        let advantages = self.advantages(batch, indices);
        stats.advantage = advantages.iter().map(|a| f64::from(a.abs())).sum();
        let lowest = advantages.iter().copied().fold(f32::INFINITY, f32::min);
        let mut d_losses = vec![0.0; samples.len()];
        let objective = self.settings.objective;
        let (ratio, d) = (&mut stats.ratio, &mut d_losses);
        objective.evaluate(&losses, &old, &advantages, lowest, d, ratio);

        // Backward.
        let (scale, gain) = (1.0 / indices.len() as f32, self.policy.gain());
        let (network, target) = (self.policy.network(), batch.dims.target);
        let mut gradient = vec![0.0; network.parameter_count()];
        for ((s, (trace, prediction)), d) in samples.iter().zip(&passes).zip(d_losses) {
            let mut at_output = vec![0.0; prediction.len()];
            let upstream = std::iter::once(d * scale * gain);
            loss.backward(prediction, |_| of(s), upstream, &mut at_output);
            stats.samples += 1;
            let velocity = &batch.old_velocities[s * target..][..target];
            stats.moved += loss.distance(prediction, |_| velocity, |_| of(s));
            if let Some(pull) = &self.settings.pull {
                let upstream = scale * gain / n as f32;
                let pulled = pull.evaluate(prediction, |_| of(s), upstream, &mut at_output);
                stats.pull_loss += pulled.loss / n as f64;
                stats.outside += pulled.outside;
            }
            self.policy.chain(prediction, &mut at_output);
            let parameters = &self.networks.policy.parameters;
            trace.backward(network, parameters, &at_output, &mut gradient);
        }
        self.policy.freeze(&mut gradient);
        self.gradients[0] = gradient;
    }

    fn critic_pass(&mut self, batch: &Batch, indices: &[u32], stats: &mut MinibatchStats) {
        let mut gradient = vec![0.0; self.critic.network.parameter_count()];
        let scale = 1.0 / indices.len() as f32;
        for &i in indices.iter().filter(|_| self.settings.critic) {
            let trace = self.value(observation(batch, i as usize));
            let target = [batch.returns[i as usize] / self.critic.unit];
            let (value, mut at_output) = (self.settings.value, [0.0]);
            stats.value_loss += value.evaluate(trace.output(), &target, scale, &mut at_output);
            let parameters = &self.networks.critic.parameters;
            trace.backward(&self.critic.network, parameters, &at_output, &mut gradient);
        }
        self.gradients[1] = gradient;
    }
}

impl GradientSteps for PlainLearner {
    /// Every rank does all of it, which is all the same.
    fn differentiate(
        &mut self,
        batch: &mut Batch,
        indices: &[u32],
        networks: Networks,
        _: &dyn Reduce,
    ) -> Result<MinibatchStats, ReduceError> {
        let mut stats = MinibatchStats {
            rows: indices.len() as u64,
            ..MinibatchStats::default()
        };
        self.gradients[0].fill(0.0);
        if networks == Networks::Both {
            stats.policy_rows = stats.rows;
            self.policy_pass(batch, indices, &mut stats);
        }
        self.critic_pass(batch, indices, &mut stats);
        let [policy, critic] = &self.gradients;
        stats.grad_norm = global_norm(&[policy, critic]);
        Ok(stats)
    }

    fn step(&mut self, norm: f64, networks: Networks, [policy_lr, critic_lr]: [f32; 2]) {
        let limit = f64::from(self.settings.max_grad_norm);
        let [for_policy, for_critic] = &mut self.gradients;
        if limit > 0.0 {
            clip_to_norm(for_policy, norm, limit);
            clip_to_norm(for_critic, norm, limit);
        }
        let ActorCritic { policy, critic } = &mut self.networks;
        if networks == Networks::Both {
            policy.step(self.policy.network(), for_policy, policy_lr);
        }
        critic.step(&self.critic.network, for_critic, critic_lr);
    }
}

impl Learner for PlainLearner {
    fn values(&self, observations: &[f32], _: &[f32], out: &mut [f32]) {
        let rows = observations.chunks_exact(self.critic.network.spec().input);
        for (value, observation) in out.iter_mut().zip(rows) {
            *value = self.critic.unit * self.value(observation).output()[0];
        }
    }

    fn score(&self, part: &mut BatchSlice) {
        let dims = part.dims;
        let (od, width, target) = (dims.observation, dims.sample_input, dims.target);
        for s in 0..dims.transitions() * dims.samples {
            let row = dims.row(s / dims.samples);
            let observation = &part.observations[row * od..][..od];
            let input = &part.sample_inputs[s * width..][..width];
            let (_, prediction) = self.predict(observation, input);
            let of = LossSample {
                action: &part.actions[s / dims.samples * dims.action..][..dims.action],
                target: &part.sample_targets[s * target..][..target],
                time: part.sample_times[s],
            };
            let loss = &mut part.old_losses[s..=s];
            self.settings.loss.evaluate(&prediction, |_| of, loss);
            part.old_velocities[s * target..][..target].copy_from_slice(&prediction[..target]);
        }
    }

    fn learn(
        &mut self,
        batch: &mut Batch,
        plan: &LearnPlan,
        reduce: &dyn Reduce,
    ) -> Result<LearnStats, TrainError> {
        let settings = self.settings;
        run_epochs(self, &settings, batch, plan, reduce)
    }

    fn state(&self) -> &ActorCritic {
        &self.networks
    }

    fn load_state(&mut self, state: ActorCritic) {
        self.networks = state;
    }
}

fn observation(batch: &Batch, transition: usize) -> &[f32] {
    let od = batch.dims.observation;
    &batch.observations[batch.dims.row(transition) * od..][..od]
}

fn sample<'a>(dims: &BatchDims, batch: &'a Batch, s: usize) -> LossSample<'a> {
    LossSample {
        action: &batch.actions[s / dims.samples * dims.action..][..dims.action],
        target: &batch.sample_targets[s * dims.target..][..dims.target],
        time: batch.sample_times[s],
    }
}

/// A network's pass over one row: what entered each layer, what left the last, and the slopes of
/// the activations between.
struct Trace {
    values: Vec<Vec<f32>>,
    slopes: Vec<Vec<f32>>,
}

impl Trace {
    fn of(network: &Mlp, parameters: &[f32], input: Vec<f32>) -> Self {
        let (mut values, mut slopes) = (vec![input], Vec::new());
        for (k, layer) in network.layers().iter().enumerate() {
            let (weight, x) = (&parameters[layer.weight.clone()], &values[k]);
            let mut z = parameters[layer.bias.clone()].to_vec();
            for (x, row) in x.iter().zip(weight.chunks_exact(layer.outputs)) {
                z.iter_mut().zip(row).for_each(|(z, w)| *z += x * w);
            }
            if k + 1 < network.layers().len() {
                let applied = z.iter().map(|&z| activate(network.spec().activation, z));
                let (h, slope) = applied.unzip();
                (z, slopes) = (h, [slopes, vec![slope]].concat());
            }
            values.push(z);
        }
        Self { values, slopes }
    }

    fn output(&self) -> &[f32] {
        &self.values[self.values.len() - 1]
    }

    /// Adds the gradient at the parameters, given that at the output.
    fn backward(&self, network: &Mlp, parameters: &[f32], at_output: &[f32], total: &mut [f32]) {
        let mut at_z = at_output.to_vec();
        for (k, layer) in network.layers().iter().enumerate().rev() {
            for (i, x) in self.values[k].iter().enumerate() {
                let row = layer.weight.start + i * layer.outputs;
                for (j, d) in at_z.iter().enumerate() {
                    total[row + j] += x * d;
                }
            }
            for (j, d) in at_z.iter().enumerate() {
                total[layer.bias.start + j] += d;
            }
            if k == 0 {
                return;
            }
            let rows = parameters[layer.weight.clone()].chunks_exact(layer.outputs);
            let dot = |row: &[f32]| row.iter().zip(&at_z).map(|(w, d)| w * d).sum::<f32>();
            let slopes = &self.slopes[k - 1];
            at_z = rows
                .zip(slopes)
                .map(|(row, slope)| dot(row) * slope)
                .collect();
        }
    }
}

/// f(z) and f′(z).
fn activate(activation: Activation, z: f32) -> (f32, f32) {
    match activation {
        Activation::Silu => {
            let sigmoid = 1.0 / (1.0 + (-z).exp());
            (z * sigmoid, sigmoid * (1.0 + z * (1.0 - sigmoid)))
        }
        Activation::Elu if z > 0.0 => (z, 1.0),
        Activation::Elu => (z.exp() - 1.0, z.exp()),
        Activation::Relu => (z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }),
        Activation::Tanh => (z.tanh(), 1.0 - z.tanh() * z.tanh()),
    }
}
