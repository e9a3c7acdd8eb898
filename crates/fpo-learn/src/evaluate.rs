//! Evaluation: whole episodes with fixed parameters, from zero noise and from random noise.

mod exchange;

use crate::reduce::{Alone, Reduce, ReduceError, complete, share};
use crate::rollout::{NonFinite, Quantity};
use exchange::Group;
use fpo_env::{
    Env, EnvSpec, MakeError, StepEnd, StepError, Task, VecEnvOptions, VecStep, make_vec,
};
use fpo_policy::{NonFiniteAction, Policy};
use fpo_rng::{Key, Philox, Stream, fill_normal};
use rayon::prelude::*;
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// The noise from which actions are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Zeros: the deterministic action, a Gaussian's mean.
    Zero,
    /// N(0, I): a sample, as during training.
    Random,
}

/// Returns of some episodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Returns {
    /// Episodes run.
    pub episodes: usize,
    /// Mean of their returns.
    pub mean: f64,
    /// Standard deviation of their returns.
    pub std: f64,
    /// Smallest return.
    pub min: f64,
    /// Largest return.
    pub max: f64,
    /// Episodes whose simulation diverged.
    pub diverged: usize,
    /// Every episode, in order: number k begins in the same state whatever the noise.
    pub each: Vec<EpisodeResult>,
}

/// An episode of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EpisodeResult {
    /// Sum of its rewards.
    #[serde(rename = "return")]
    pub total_reward: f64,
    /// Its steps.
    pub length: u32,
    /// How it ended.
    #[serde(serialize_with = "end_word")]
    pub end: StepEnd,
}

fn end_word<S: serde::Serializer>(end: &StepEnd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(end.word())
}

/// An evaluation from zero noise and from random noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// From zero noise.
    pub zero_noise: Returns,
    /// From random noise.
    pub random_noise: Returns,
}

/// Why there is no evaluation; one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// An environment could not be created.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// A non-finite number appeared; [`NonFinite::env`] is the episode.
    #[error("{}", while_acting(.0))]
    Acting(NonFinite),
    /// The environments could not be stepped.
    #[error("{0}")]
    Environment(StepError),
    /// An episode of a task without a step limit does not end.
    #[error(
        "episode {episode} of the evaluation had not ended after {STEPS_MAX} steps, and `{task}` \
         has no step limit: its environment must end its episodes, or the task must set \
         `EnvSpec::step_limit`"
    )]
    Endless {
        /// The task.
        task: String,
        /// The episode.
        episode: u32,
    },
    /// A process of the run is gone.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
}

/// Bound on the steps of an evaluation episode of a task without a step limit, so that an
/// evaluation ends even if the policy never reaches a terminal state.
pub const STEPS_MAX: u32 = 1_000_000;

/// Steps after which an evaluation episode of `spec` is over.
fn most_steps(spec: &EnvSpec) -> u32 {
    spec.step_limit.unwrap_or(STEPS_MAX)
}

fn endless(spec: &EnvSpec, episode: u32) -> EvaluateError {
    EvaluateError::Endless {
        task: spec.name.clone(),
        episode,
    }
}

fn while_acting(NonFinite { what, env, step }: &NonFinite) -> String {
    let what = match what {
        Quantity::Action => {
            return format!(
                "the policy's action became non-finite in episode {env} of its evaluation at step \
                 {step}: its network overflows there, so the policy cannot be used; take an \
                 earlier checkpoint, or resume from one with a lower optimizer.learning_rate"
            );
        }
        Quantity::Reward => "reward",
        Quantity::Observation => "observation",
    };
    format!(
        "the environment gave a non-finite {what} in episode {env} of the evaluation at step \
         {step}: this is a bug in the task"
    )
}

/// Environments that one parallel task of an evaluation steps.
const GROUP: usize = 8;

/// Runs `episodes` whole episodes, in parallel on the current thread pool. The initial state and
/// noise of episode k depend on (seed, k) alone.
///
/// # Errors
/// If the environments cannot be created, a non-finite number appears, or an episode does not end
/// within [`STEPS_MAX`] steps.
///
/// # Panics
/// If the policy's observation and action sizes are not the task's.
pub fn evaluate(
    policy: &Policy,
    task: &dyn Task,
    seed: u64,
    episodes: usize,
    noise: Noise,
) -> Result<Returns, EvaluateError> {
    let returns = evaluate_until(policy, task, seed, episodes, noise, (&NEVER, &Alone))?;
    Ok(returns.expect("nothing sets the flag"))
}

/// The flag of what is not to be stopped.
static NEVER: AtomicBool = AtomicBool::new(false);

/// As [`evaluate`], or nothing as soon as `stop` is set, here or on another rank. Ranks share the
/// groups of episodes, and all have all results.
fn evaluate_until(
    policy: &Policy,
    task: &dyn Task,
    seed: u64,
    episodes: usize,
    noise: Noise,
    (stop, reduce): (&AtomicBool, &dyn Reduce),
) -> Result<Option<Returns>, EvaluateError> {
    let first: Vec<_> = (0..episodes).step_by(GROUP).collect();
    let mut groups: Vec<_> = first.iter().map(|_| Group::default()).collect();
    let own = share(reduce, groups.len());
    // All results first: the error returned must not depend on the timing of threads.
    groups[own.clone()]
        .par_iter_mut()
        .zip(&first[own])
        .with_max_len(1)
        .for_each(|(group, &first)| {
            let count = GROUP.min(episodes - first);
            group.0 = run_group(policy, task, seed, first, count, noise, stop);
        });
    complete(reduce, groups.iter_mut())?;
    // Nor on when it was stopped: what failed will fail again.
    if groups.iter().any(|group| matches!(group.0, Ok(None))) {
        return Ok(None);
    }
    let finished = groups
        .into_iter()
        .map(|group| group.0)
        .collect::<Result<Vec<_>, _>>()?;
    let finished: Vec<_> = finished.into_iter().flatten().flatten().collect();
    let n = finished.len() as f64;
    let mean = finished.iter().map(|e| e.total_reward).sum::<f64>() / n;
    let variance = finished
        .iter()
        .map(|e| (e.total_reward - mean).powi(2))
        .sum::<f64>()
        / n;
    Ok(Some(Returns {
        episodes,
        mean,
        std: variance.sqrt(),
        min: finished
            .iter()
            .map(|e| e.total_reward)
            .fold(f64::INFINITY, f64::min),
        max: finished
            .iter()
            .map(|e| e.total_reward)
            .fold(f64::NEG_INFINITY, f64::max),
        diverged: finished
            .iter()
            .filter(|e| e.end == StepEnd::Diverged)
            .count(),
        each: finished,
    }))
}

/// Evaluates from zero noise and from random noise.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_both(
    policy: &Policy,
    task: &dyn Task,
    seed: u64,
    episodes: usize,
) -> Result<Evaluation, EvaluateError> {
    let evaluation = evaluate_both_until(policy, task, seed, episodes, &NEVER, &Alone)?;
    Ok(evaluation.expect("nothing sets the flag"))
}

/// As [`evaluate_both`], or nothing as soon as `stop` is set, here or on another of the ranks that
/// share the episodes. All of them call it alike.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_both_until(
    policy: &Policy,
    task: &dyn Task,
    seed: u64,
    episodes: usize,
    stop: &AtomicBool,
    reduce: &dyn Reduce,
) -> Result<Option<Evaluation>, EvaluateError> {
    let of = |noise| evaluate_until(policy, task, seed, episodes, noise, (stop, reduce));
    let Some(zero_noise) = of(Noise::Zero)? else {
        return Ok(None);
    };
    Ok(of(Noise::Random)?.map(|random_noise| Evaluation {
        zero_noise,
        random_noise,
    }))
}

/// The episodes `first..first + count`; nothing if `stop` is set before they have ended.
fn run_group(
    policy: &Policy,
    task: &dyn Task,
    seed: u64,
    first: usize,
    count: usize,
    noise: Noise,
    stop: &AtomicBool,
) -> Result<Option<Vec<EpisodeResult>>, EvaluateError> {
    let options = VecEnvOptions {
        seed,
        stream: Stream::EvalReset,
        random_initial_length: false,
        group: 1,
    };
    let mut envs = make_vec(task, first as u32, count, options)?;
    let mut stepped = VecStep::new(envs.as_ref());
    let mut actor = policy.actor(count);
    let (od, ad, width) = (
        policy.observation_dim(),
        policy.action_dim(),
        policy.noise_dim(),
    );
    let mut observations = vec![0.0; count * od];
    let mut noises = vec![0.0; count * width];
    // Those of running environments, and those of all.
    let mut actions = vec![0.0; count * ad];
    let mut all_actions = vec![0.0; count * ad];
    let mut finished = vec![None; count];
    // Environments whose episode is not over.
    let mut running: Vec<usize> = (0..count).collect();
    for step in 0..u64::from(most_steps(task.spec())) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let fault = |what, i: usize| {
            EvaluateError::Acting(NonFinite {
                what,
                env: (first + i) as u32,
                step,
            })
        };
        let rows = running.len();
        for (row, &i) in running.iter().enumerate() {
            let observation = &envs.observations()[i * od..][..od];
            if !observation.iter().all(|x| x.is_finite()) {
                return Err(fault(Quantity::Observation, i));
            }
            observations[row * od..][..od].copy_from_slice(observation);
            draw(
                noise,
                seed,
                (first + i) as u32,
                step,
                &mut noises[row * width..][..width],
            );
        }
        actor
            .act(
                &observations[..rows * od],
                &noises[..rows * width],
                &mut actions[..rows * ad],
            )
            .map_err(|NonFiniteAction { row }| fault(Quantity::Action, running[row]))?;
        for (&i, action) in running.iter().zip(actions.chunks_exact(ad)) {
            all_actions[i * ad..][..ad].copy_from_slice(action);
        }
        envs.step(&all_actions, &mut stepped);
        if let Some(error) = stepped.failed.take() {
            return Err(EvaluateError::Environment(error));
        }
        for &i in &running {
            let outcome = stepped.outcomes[i];
            if !outcome.reward.is_finite() {
                return Err(fault(Quantity::Reward, i));
            }
            finished[i] = outcome.ended.map(|e| EpisodeResult {
                total_reward: e.total_reward,
                length: e.length,
                end: e.end,
            });
            if outcome.ended.is_some() {
                envs.retire(i);
            }
        }
        running.retain(|&i| finished[i].is_none());
        if running.is_empty() {
            break;
        }
    }
    if let Some(i) = running.first() {
        return Err(endless(task.spec(), (first + i) as u32));
    }
    Ok(Some(finished.into_iter().flatten().collect()))
}

fn draw(noise: Noise, seed: u64, episode: u32, step: u64, x: &mut [f32]) {
    match noise {
        Noise::Zero => x.fill(0.0),
        Noise::Random => fill_normal(
            Key::new(seed, Stream::EvalAction).index(episode).step(step),
            x,
        ),
    }
}

/// Plays episode number `episode` of an evaluation under `seed` and calls `show(env, reward, step)`
/// with the initial state (reward 0, step 0) and after every step. Ends with the episode or when
/// `show` breaks; returns the sum of rewards.
///
/// # Errors
/// If a non-finite number appears, or the episode does not end within [`STEPS_MAX`] steps.
pub fn play<B>(
    policy: &Policy,
    env: &mut dyn Env,
    seed: u64,
    episode: u32,
    noise: Noise,
    mut show: impl FnMut(&mut dyn Env, f32, u32) -> ControlFlow<B>,
) -> Result<(f64, Option<B>), EvaluateError> {
    let mut observation = vec![0.0; policy.observation_dim()];
    let mut numbers = vec![0.0; policy.noise_dim()];
    let mut action = vec![0.0; policy.action_dim()];
    let mut actor = policy.actor(1);
    env.reset(
        &mut Philox::new(Key::new(seed, Stream::EvalReset).index(episode)),
        &mut observation,
    );
    let mut total = 0.0;
    if let ControlFlow::Break(b) = show(env, 0.0, 0) {
        return Ok((total, Some(b)));
    }
    let most = most_steps(env.spec());
    for step in 0..most {
        draw(noise, seed, episode, u64::from(step), &mut numbers);
        let fault = |what| {
            EvaluateError::Acting(NonFinite {
                what,
                env: episode,
                step: step.into(),
            })
        };
        if !observation.iter().all(|x| x.is_finite()) {
            return Err(fault(Quantity::Observation));
        }
        actor
            .act(&observation, &numbers, &mut action)
            .map_err(|_| fault(Quantity::Action))?;
        let outcome = env.step(&action, &mut observation);
        if !outcome.reward.is_finite() {
            return Err(fault(Quantity::Reward));
        }
        total += f64::from(outcome.reward);
        if let ControlFlow::Break(b) = show(env, outcome.reward, step + 1) {
            return Ok((total, Some(b)));
        }
        if outcome.end != StepEnd::Running {
            return Ok((total, None));
        }
    }
    match env.spec().step_limit {
        Some(_) => Ok((total, None)),
        None => Err(endless(env.spec(), episode)),
    }
}
