//! Workload: stepping many environments, with resets.

use crate::inputs::Inputs;
use crate::{SHARDS, Workload};
use anyhow::{Context, Result, ensure};
use fpo_env::{EnvGroup, VecEnv, VecEnvOptions, VecStep};
use fpo_rng::Stream;
use rayon::ThreadPool;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// Steps after the reset at which environments are compared.
const COMPARED: usize = 100;
/// Steps of an episode.
const EPISODE: usize = 1000;

#[derive(Deserialize)]
pub struct Options {
    task: String,
    envs: usize,
    /// Steps of every environment in one timed call.
    steps: usize,
    /// Whether all environments wait for each other after every step. In training they do not: a
    /// rollout worker steps its environments through the whole rollout independently.
    lockstep: bool,
    /// Whether episodes are staggered before the timing, so that resets are spread evenly.
    spread: bool,
}

/// Precomputed actions: `[rounds, environments, widest]`, of which a task uses the first entries.
struct Actions {
    numbers: Vec<f32>,
    rounds: usize,
    envs: usize,
    widest: usize,
    width: usize,
}

impl Actions {
    fn at(&self, round: usize, env: usize) -> &[f32] {
        &self.numbers[(round % self.rounds * self.envs + env) * self.widest..][..self.width]
    }
}

/// A group of environments, with buffers for their steps as in a rollout.
struct Walker {
    worker: EnvGroup,
    stepped: VecStep,
    /// Steps to store of each environment.
    steps: usize,
    /// `[environments, steps, observation]`
    observations: Vec<f32>,
    /// `[environments, steps]`
    rewards: Vec<f32>,
    ended: Vec<bool>,
    /// Rounds of actions used.
    round: usize,
}

impl Walker {
    /// Steps every environment once; the results go to column `t`.
    fn step(&mut self, actions: &Actions, t: usize) {
        let od = self.observations.len() / self.rewards.len();
        for i in 0..self.worker.len() {
            let action = actions.at(self.round, self.worker.first() as usize + i);
            let outcome = self.worker.step_env(i, action, &mut self.stepped);
            let at = i * self.steps + t;
            self.rewards[at] = outcome.reward;
            self.ended[at] = outcome.ended.is_some();
            let observation = &self.worker.observations()[i * od..][..od];
            self.observations[at * od..][..od].copy_from_slice(observation);
        }
        self.round += 1;
    }

    /// Sum of each environment's rewards over the first steps.
    fn compared(&mut self, actions: &Actions) -> Vec<f64> {
        let mut returns = vec![0.0; self.worker.len()];
        for _ in 0..COMPARED {
            self.step(actions, 0);
            for (sum, reward) in returns
                .iter_mut()
                .zip(self.rewards.iter().step_by(self.steps))
            {
                *sum += f64::from(*reward);
            }
        }
        returns
    }

    /// Steps environment i of n through i/n of an episode.
    fn spread(&mut self, actions: &Actions) {
        for i in 0..self.worker.len() {
            let env = self.worker.first() as usize + i;
            for round in 0..EPISODE * env / actions.envs {
                self.worker
                    .step_env(i, actions.at(round, env), &mut self.stepped);
            }
        }
    }
}

pub fn prepare(options: &Options, inputs: &Inputs, pool: ThreadPool) -> Result<Workload> {
    let task = fpo_mujoco::task(&options.task)
        .with_context(|| format!("there is no task `{}`", options.task))?;
    let (numbers, shape) = inputs.numbers("step.actions")?;
    let actions = Actions {
        numbers,
        rounds: shape[0],
        envs: shape[1],
        widest: shape[2],
        width: task.spec().action_dim(),
    };
    let (envs, steps) = (options.envs, options.steps);
    ensure!(
        envs <= actions.envs,
        "more environments than the inputs have actions for"
    );
    let od = task.spec().observation_dim();
    let count = envs.min(SHARDS);
    let mut walkers = pool.install(|| {
        (0..count)
            .into_par_iter()
            .map(|k| {
                let (first, end) = (envs * k / count, envs * (k + 1) / count);
                let options = VecEnvOptions {
                    seed: 1,
                    stream: Stream::Reset,
                    random_initial_length: false,
                    group: 1,
                };
                let n = end - first;
                let worker = EnvGroup::new(task.as_ref(), first as u32, n, options)?;
                Ok(Walker {
                    stepped: VecStep::new(&worker),
                    worker,
                    steps,
                    observations: vec![0.0; n * steps * od],
                    rewards: vec![0.0; n * steps],
                    ended: vec![false; n * steps],
                    round: 0,
                })
            })
            .collect::<Result<Vec<_>>>()
    })?;

    let returns: Vec<_> = pool.install(|| {
        walkers
            .par_iter_mut()
            .map(|w| w.compared(&actions))
            .collect()
    });
    let check = json!({
        "observation entries": od,
        "return": mean(&returns.concat()),
        "observation size": mean(&sizes(&walkers, od)),
    });
    if options.spread {
        each(&pool, &mut walkers, |walker| walker.spread(&actions));
    }

    let lockstep = options.lockstep;
    Ok(Workload::new(steps * envs, check, move || {
        if lockstep {
            for t in 0..steps {
                each(&pool, &mut walkers, |walker| walker.step(&actions, t));
            }
        } else {
            each(&pool, &mut walkers, |walker| {
                (0..steps).for_each(|t| walker.step(&actions, t));
            });
        }
    }))
}

/// Runs `work` on every group, on all threads, and waits for the last.
fn each(pool: &ThreadPool, walkers: &mut [Walker], work: impl Fn(&mut Walker) + Sync + Send) {
    pool.install(|| walkers.par_iter_mut().with_max_len(1).for_each(work));
}

/// Root mean square of each environment's current observation of `od` entries.
fn sizes(walkers: &[Walker], od: usize) -> Vec<f64> {
    let observations = walkers
        .iter()
        .flat_map(|w| w.worker.observations().chunks(od));
    let squares = observations.map(|o| o.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>());
    squares.map(|sum| (sum / od as f64).sqrt()).collect()
}

/// Mean and its standard error.
fn mean(x: &[f64]) -> Value {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    json!({ "mean": mean, "error": (variance / n).sqrt() })
}
