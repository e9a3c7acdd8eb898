//! One training iteration after another: rollout, advantages, learning, normalizer.

mod env_states;
mod error;
mod failed_minibatch;
mod make;
mod parts;
mod rollback;
mod row;
mod settings;
mod start;
mod state;
mod threads;

pub use error::TrainError;
pub use make::cpu_learner;
pub use parts::part_digests;
pub use rollback::ROLLBACK_LR_SCALE;
pub use row::{EXTRAS, OF_CRITIC, Row};
pub use settings::{EvalConfig, InitConfig, LearningPrecision, TrainConfig};
pub use start::{CriticStart, Networks, Start};

use crate::advantage::{AdvantageEstimator, mean_std};
use crate::config::Config;
use crate::critic::Critic;
use crate::evaluate::{Evaluation, evaluate_both, evaluate_both_until};
use crate::learner::{ActorCritic, LearnPlan, LearnStats, Learner, linear_fraction};
use crate::method::MethodParts;
use crate::reduce::{Alone, Reduce, check_equal, complete, share, share_of};
use crate::rollout::{Batch, RolloutContext, RolloutStats, RolloutWorker};
use crate::stopwatch::Stopwatch;
use fpo_env::{EnvSpec, Task};
use fpo_nn::{Ema, Normalizer, Precision};
use fpo_policy::{ActionMap, Model, Policy};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use threads::Threads;

/// Everything that changes while a policy is trained.
pub struct Trainer {
    config: Config,
    parts: MethodParts,
    task: Arc<dyn Task>,
    threads: Threads,
    policy: Model,
    critic: Critic,
    action_map: ActionMap,
    normalizer: Normalizer,
    /// Of the critic's own observations, if it has any.
    critic_normalizer: Option<Normalizer>,
    learner: Box<dyn Learner>,
    reduce: Arc<dyn Reduce>,
    /// Where the groups of environments begin, and where the last ends.
    bounds: Vec<usize>,
    /// Those of this rank.
    workers: Vec<RolloutWorker>,
    /// What all groups saw in the latest rollout.
    seen: Vec<RolloutStats>,
    /// Of all groups.
    batch: Batch,
    iteration: u64,
    /// What the adaptive learning rate has made of the policy's, if there is one: 1 at first.
    lr_scale: f64,
    /// The running mean of |∂Q/∂a| of an action's entry, where the policy follows it; 0 at first.
    q_slope: f64,
    /// The policy's parameters before the latest iteration.
    previous: Vec<f32>,
    /// The moving average of the policy's parameters, if it is what is evaluated and exported.
    average: Option<Ema>,
    /// What it began with, if not with what the seed gives.
    start: Option<Arc<Start>>,
    /// Times that training went back to an earlier state.
    rollbacks: u32,
    /// Environments that the latest state taken over could not continue.
    restarted_episodes: usize,
}

/// What an iteration did.
#[derive(Clone, Debug, PartialEq)]
pub struct Iteration {
    /// Its metrics.
    pub row: Row,
}

impl Trainer {
    /// A trainer before its first iteration, whose learner is [`cpu_learner`]. Numbers of `config`
    /// out of their range may panic; where they come from a user, `fpo_run::config::validate` tells
    /// first.
    ///
    /// # Errors
    /// If the environments, the networks or the threads cannot be made.
    pub fn new(config: &Config, task: Arc<dyn Task>, threads: usize) -> Result<Self, TrainError> {
        let learner = Box::new(cpu_learner(config, task.as_ref())?);
        Self::with_learner(config, task, threads, learner)
    }

    /// A trainer before its first iteration that learns with `learner`, whose networks are set to
    /// those that the seed gives.
    ///
    /// # Errors
    /// If the environments, the networks or the threads cannot be made.
    pub fn with_learner(
        config: &Config,
        task: Arc<dyn Task>,
        threads: usize,
        learner: Box<dyn Learner>,
    ) -> Result<Self, TrainError> {
        Self::with_reduce(config, task, threads, learner, Arc::new(Alone))
    }

    /// One of several trainers of the same policy, which are to be made at the same time with the
    /// same settings, and called alike: each steps its share of the environments, and all have the
    /// same networks, metrics and state as a single one would have, to the byte
    /// ([`mod@crate::reduce`]).
    ///
    /// # Errors
    /// If the environments, the networks or the threads cannot be made, a rank is gone, or the
    /// settings differ, among them those that are left to the machine.
    pub fn with_reduce(
        config: &Config,
        task: Arc<dyn Task>,
        threads: usize,
        mut learner: Box<dyn Learner>,
        reduce: Arc<dyn Reduce>,
    ) -> Result<Self, TrainError> {
        let task = config.env.adaptation().apply(task)?;
        fpo_env::check_task(task.as_ref())?;
        let threads = Threads::new(threads)?;
        check_equal(reduce.as_ref(), "settings", settings(config)?)?;
        let spec = task.spec();
        check_groups(config, spec)?;
        let dims = make::dims(config, task.as_ref());
        let (policy, critic) = make::networks(config, task.as_ref())?;
        let initial = make::initial_networks(config, &policy, &critic);
        let bounds = make::group_bounds(config.env.num_envs, task.max_batches());
        let own = own_bounds(reduce.as_ref(), &bounds);
        let make = || make::rollout_workers(config, task.as_ref(), &policy, &bounds[own]);
        let workers = threads.install(make)?;
        let average = make::average(config, &initial.policy);
        learner.load_state(initial);
        Ok(Self {
            action_map: ActionMap::new(config.policy.squash, config.policy.action_bound, spec),
            normalizer: make::normalizer(config, dims.observation),
            critic_normalizer: (dims.critic_observation > 0)
                .then(|| make::normalizer(config, dims.critic_observation)),
            batch: Batch::new(dims),
            config: config.clone(),
            parts: config.parts(),
            iteration: 0,
            lr_scale: 1.0,
            q_slope: 0.0,
            previous: Vec::new(),
            average,
            start: None,
            rollbacks: 0,
            restarted_episodes: 0,
            task,
            threads,
            policy,
            critic,
            learner,
            reduce,
            seen: vec![RolloutStats::new(&dims); bounds.len() - 1],
            bounds,
            workers,
        })
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The task, with the changes of its episodes that the settings ask for.
    pub fn task(&self) -> &dyn Task {
        self.task.as_ref()
    }

    /// What the policy is made of, without its parameters.
    pub fn model(&self) -> &Model {
        &self.policy
    }

    /// The critic, without its parameters.
    pub fn critic(&self) -> &Critic {
        &self.critic
    }

    /// What the latest iteration learned from; zeros before the first.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What is learned, as it is now.
    pub fn networks(&self) -> &ActorCritic {
        self.learner.state()
    }

    /// Iterations done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Environments whose episode began anew when the latest state was taken over
    /// ([`Trainer::restore`], [`Trainer::roll_back`]), since they cannot save theirs
    /// ([`fpo_env::Env::save_state`], [`fpo_env::VecEnv::save_state`]). Everything else continues
    /// exactly. Of several ranks, each counts its own.
    pub fn restarted_episodes(&self) -> usize {
        self.restarted_episodes
    }

    /// The rank that steps environment `env`.
    pub fn rank_of(&self, env: usize) -> usize {
        let group = self.bounds.partition_point(|bound| *bound <= env).max(1) - 1;
        let (ranks, groups) = (self.reduce.ranks(), self.bounds.len() - 1);
        let of = |rank: &usize| share_of(*rank, ranks, groups).contains(&group);
        (0..ranks).find(of).unwrap_or(0)
    }

    /// Environment steps done.
    pub fn env_steps(&self) -> u64 {
        self.iteration * self.steps_per_iteration()
    }

    /// Iterations of the whole run.
    pub fn total_iterations(&self) -> u64 {
        self.config.train.steps.div_ceil(self.steps_per_iteration())
    }

    fn steps_per_iteration(&self) -> u64 {
        self.batch.dims.transitions() as u64
    }

    /// Collects a batch and learns from it.
    ///
    /// # Errors
    /// If a number stopped being finite, or a ratio is not 1 before the first step. The trainer's
    /// state then is not to be saved.
    pub fn iterate(&mut self) -> Result<Iteration, TrainError> {
        let clock = Stopwatch::start();
        self.collect()?;
        if let Some(error) = self.seen.iter().find_map(|seen| seen.failed.clone()) {
            return Err(TrainError::Environment(error));
        }
        if let Some(fault) = self.seen.iter().find_map(|seen| seen.fault) {
            return Err(TrainError::Acting(fault));
        }
        self.compare_groups()?;
        // Before the epochs, which may estimate targets anew with a critic that has moved on.
        let explained_variance = explained_variance(&self.batch);
        let collected = clock.elapsed();
        self.previous.clear();
        let before = &self.learner.state().policy.parameters;
        self.previous.extend(before);
        let plan = self.plan();
        let learned = self.learn(&plan)?;
        if let Some(rule) = self.config.optimizer.adaptive_lr() {
            self.lr_scale = rule.next(self.lr_scale, learned.approx_kl);
        }
        self.average_q_slope(&learned);
        if self.config.normalizer.enabled {
            // Only now: ℓ_old and the ratios belong to the statistics that the rollout used.
            for seen in &self.seen {
                self.normalizer.update(&seen.moments);
                if let Some(normalizer) = &mut self.critic_normalizer {
                    normalizer.update(&seen.critic_moments);
                }
            }
        }
        self.check_parameters()?;
        self.iteration += 1;
        self.average_parameters();
        let end = clock.elapsed();

        let threads = self.threads.count() as f64;
        let sum = |seconds: fn(&RolloutStats) -> f64| {
            self.seen.iter().map(seconds).sum::<f64>() / threads
        };
        let seconds = end.as_secs_f64();
        let timing = vec![
            ("iteration_seconds", seconds),
            (
                "steps_per_second",
                self.steps_per_iteration() as f64 / seconds,
            ),
            ("rollout_seconds", collected.as_secs_f64()),
            ("inference_seconds", sum(|s| s.inference.as_secs_f64())),
            ("env_seconds", sum(|s| s.stepping.as_secs_f64())),
            ("score_seconds", sum(|s| s.scoring.as_secs_f64())),
            ("learn_seconds", (end - collected).as_secs_f64()),
        ];
        Ok(Iteration {
            row: self.row(&plan, &learned, explained_variance, timing),
        })
    }

    /// Group-relative advantages, where the critic's do not count. A group may lie in several
    /// workers.
    fn compare_groups(&mut self) -> Result<(), TrainError> {
        // Without a limit there are no groups: `check_groups` refused them.
        let length = self.task.spec().step_limit;
        let Some(group) = length.and_then(|length| self.config.advantage.group(length as usize))
        else {
            return Ok(());
        };
        let (steps, batch) = (self.batch.dims.steps(), &mut self.batch);
        Ok(group.estimate(steps, &batch.rewards, &batch.ends, &mut batch.advantages)?)
    }

    /// Moves the mean slope of Q towards the latest one.
    fn average_q_slope(&mut self, learned: &LearnStats) {
        /// Share of the latest iteration.
        const SHARE: f64 = 0.1;
        if let Some(latest) = learned.minibatches.q.mean_slope() {
            self.q_slope = match self.q_slope {
                0.0 => latest,
                mean => mean + SHARE * (latest - mean),
            };
        }
    }

    /// Moves the average towards the policy, or keeps it at the policy until it is to begin.
    fn average_parameters(&mut self) {
        let Some(ema) = &mut self.average else { return };
        let parameters = &self.learner.state().policy.parameters;
        if self.iteration > self.config.train.ema_after {
            ema.update(parameters);
        } else {
            ema.average.copy_from_slice(parameters);
        }
    }

    /// Nothing that is not finite may be saved or act.
    fn check_parameters(&self) -> Result<(), TrainError> {
        let ActorCritic { policy, critic } = self.networks();
        for (network, trained) in [("policy", policy), ("critic", critic)] {
            if !trained.is_finite() {
                return Err(TrainError::NonFiniteParameter {
                    network,
                    iteration: self.iteration,
                });
            }
        }
        Ok(())
    }

    /// Fills the batch: this rank its groups' part of it, the others theirs.
    fn collect(&mut self) -> Result<(), TrainError> {
        let config = &self.config;
        let context = RolloutContext {
            policy: &self.policy,
            policy_weights: self.learner.actor_weights(),
            learner: self.learner.as_ref(),
            normalizer: &self.normalizer,
            critic_normalizer: self.critic_normalizer.as_ref(),
            action_map: &self.action_map,
            action_noise: self.action_noise(),
            samples: self.parts.samples,
            gae: config.advantage.gae(),
            judges_actions: self.parts.q.is_some(),
            baseline: self.parts.objective.uses_advantages(),
            reward_scale: config.env.reward_scale,
            seed: config.seed,
            first_step: self.iteration * self.batch.dims.steps() as u64,
        };
        let mut parts = self
            .batch
            .parts(self.bounds.windows(2).map(|w| w[1] - w[0]));
        let own = share(self.reduce.as_ref(), parts.len());
        let (workers, of_own) = (&mut self.workers, &mut parts[own.clone()]);
        self.threads.install(|| {
            workers
                .par_iter_mut()
                .zip(of_own)
                .with_max_len(1)
                .for_each(|(worker, part)| worker.collect(&context, part));
        });
        for (worker, seen) in self.workers.iter_mut().zip(&mut self.seen[own]) {
            std::mem::swap(&mut worker.stats, seen);
        }
        complete(self.reduce.as_ref(), parts.iter_mut())?;
        complete(self.reduce.as_ref(), self.seen.iter_mut())?;
        Ok(())
    }

    /// Standard deviation of the noise on the actions of the next iteration.
    fn action_noise(&self) -> f32 {
        let policy = &self.config.policy;
        let (iteration, iterations) = (self.iteration, self.total_iterations());
        let fraction = linear_fraction(policy.final_noise_fraction, iteration, iterations);
        policy.action_noise * fraction as f32
    }

    /// What the next iteration learns with.
    fn plan(&self) -> LearnPlan {
        let optimizer = &self.config.optimizer;
        let fraction = optimizer.lr_fraction(self.iteration, self.total_iterations()) as f32
            * self.rollback_lr_scale();
        let adaptive = optimizer.adaptive_lr();
        // A resumed run may have other bounds.
        let factor = adaptive.map_or(1.0, |rule| rule.bounded(self.lr_scale) as f32);
        LearnPlan {
            iteration: self.iteration,
            policy_lr: optimizer.learning_rate * fraction * factor,
            critic_lr: optimizer.critic_learning_rate * fraction,
            q_slope: self.q_slope,
        }
    }

    /// All epochs over the batch.
    fn learn(&mut self, plan: &LearnPlan) -> Result<LearnStats, TrainError> {
        let (learner, batch) = (&mut self.learner, &mut self.batch);
        let reduce = self.reduce.as_ref();
        self.threads.install(|| learner.learn(batch, plan, reduce))
    }

    /// The current policy, as it would be deployed: with `train.ema_decay`, of averaged parameters.
    pub fn policy(&self) -> Policy {
        let spec = self.task.spec();
        // Its outputs are the same bits; only a gradient would not be.
        let current = &self.networks().policy.parameters;
        let parameters = self.average.as_ref().map_or(current, |ema| &ema.average);
        let model = self.policy.clone().with_precision(Precision::F32);
        Policy::new(
            &spec.name,
            &spec.observation,
            model.expect("every machine has f32"),
            parameters.clone(),
            self.normalizer.clone(),
            self.action_map.clone(),
        )
        .with_adaptation(self.config.env.adaptation())
    }

    /// Whether the task's environments allow an evaluation ([`Task::can_evaluate`]).
    pub fn can_evaluate(&self) -> bool {
        self.task.can_evaluate()
    }

    /// Evaluates the current policy on `eval.episodes` episodes a column.
    ///
    /// # Errors
    /// If the environments cannot be made, or a number that is not finite appears.
    pub fn evaluate(&self) -> Result<Evaluation, TrainError> {
        let (policy, task) = (self.policy(), self.task.as_ref());
        let (seed, episodes) = (self.config.seed, self.config.eval.episodes);
        Ok(self
            .threads
            .install(|| evaluate_both(&policy, task, seed, episodes))?)
    }

    /// As [`Trainer::evaluate`], or nothing as soon as `stop` is set. Either way the trainer is as
    /// it was. Ranks share the episodes, so each has to call it; a stop on one of them counts for
    /// all.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub fn evaluate_until(&self, stop: &AtomicBool) -> Result<Option<Evaluation>, TrainError> {
        let (policy, task) = (self.policy(), self.task.as_ref());
        let (seed, episodes) = (self.config.seed, self.config.eval.episodes);
        let reduce = self.reduce.as_ref();
        Ok(self
            .threads
            .install(|| evaluate_both_until(&policy, task, seed, episodes, stop, reduce))?)
    }
}

/// All settings, with what they leave to the machine.
fn settings(config: &Config) -> Result<Vec<u8>, TrainError> {
    let written = serde_json::to_vec(&config.clone().resolved());
    written.map_err(|e| TrainError::State(e.to_string()))
}

/// Which of the groups' bounds are those of this rank's.
fn own_bounds(reduce: &dyn Reduce, bounds: &[usize]) -> Range<usize> {
    let own = share(reduce, bounds.len() - 1);
    own.start..own.end + 1
}

/// Group-relative advantages need episodes of equal length that begin together and end within an
/// iteration.
fn check_groups(config: &Config, spec: &EnvSpec) -> Result<(), TrainError> {
    let steps = config.env.sequences * config.env.num_steps;
    let refused = |why| Err(TrainError::Groups(why));
    let length = match (spec.step_limit, config.advantage.estimator) {
        (Some(length), _) => length as usize,
        (None, AdvantageEstimator::Gae) => return Ok(()),
        (None, AdvantageEstimator::Group) => {
            return refused(format!(
                "compares episodes of equal length, and {} has no step limit: \
                 use advantage.estimator = \"gae\" for this task",
                spec.name
            ));
        }
    };
    match config.advantage.estimator {
        AdvantageEstimator::Group if length > 1 && config.env.random_initial_length => {
            refused(format!(
                "needs env.random_initial_length = false for episodes of {length} steps, so that \
                those of a group begin together"
            ))
        }
        AdvantageEstimator::Group if !steps.is_multiple_of(length) => refused(format!(
            "needs whole episodes in an iteration: env.sequences × env.num_steps = {steps} is no \
            multiple of {}'s {length} steps",
            spec.name
        )),
        _ => Ok(()),
    }
}

/// 1 − Var(target − value)/Var(target): 1 for a perfect critic, 0 for one that knows the mean only.
fn explained_variance(batch: &Batch) -> f64 {
    let values = |i: usize| batch.values[batch.dims.row(i)];
    let (_, total) = mean_std(batch.returns.iter().copied());
    let (_, rest) = mean_std(batch.returns.iter().enumerate().map(|(i, t)| t - values(i)));
    if total > 0.0 {
        1.0 - (rest / total).powi(2)
    } else {
        0.0
    }
}
