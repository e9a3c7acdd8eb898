//! The mechanism behind the collapse of long runs (docs/stability.md), on a task that trains in a
//! second: the best action lies at the bound, and a flow that learns it must not leave the box.

use crate::PUBLISHED_FPOPP;
use fpo_env::{Env, EnvSpec, MakeError, NoState, StateError, Step, StepEnd, Task};
use fpo_learn::trainer::Trainer;
use fpo_policy::Model;
use fpo_rng::{Key, Philox, Stream, fill_normal};
use fpo_run::config::resolve;
use std::sync::Arc;

/// The bound on actions of the preset `fast`.
const BOUND: f32 = 3.0;

/// The observation is a sign; the reward is sign·action plus noise of the same size, in an episode
/// of one step. The best action is the end of the range; once it is learned, advantages are noise,
/// as they are late in a long run.
struct Edge(EnvSpec);

impl Edge {
    fn new() -> Self {
        Self(EnvSpec {
            name: "edge".into(),
            summary: "as far as it goes".into(),
            observation: vec![("sign".into(), 1)],
            action_min: vec![-1.0],
            action_max: vec![1.0],
            control_timestep: 0.1,
            step_limit: Some(1),
        })
    }
}

impl Task for Edge {
    fn spec(&self) -> &EnvSpec {
        &self.0
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Ok(Box::new(EdgeEnv {
            spec: self.0.clone(),
            sign: 1.0,
            luck: 0.0,
        }))
    }
}

struct EdgeEnv {
    spec: EnvSpec,
    sign: f32,
    luck: f32,
}

impl Env for EdgeEnv {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        self.sign = if rng.unit() < 0.5 { -1.0 } else { 1.0 };
        self.luck = 2.0 * rng.unit() - 1.0;
        observation[0] = self.sign;
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        observation[0] = self.sign;
        Step {
            reward: self.sign * action[0] + self.luck,
            end: StepEnd::Running,
        }
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.extend(self.sign.to_le_bytes());
        out.extend(self.luck.to_le_bytes());
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let wrong = || StateError("not eight bytes".into());
        let (sign, luck) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
        self.sign = f32::from_le_bytes(*sign);
        self.luck = f32::from_le_bytes(luck.try_into().map_err(|_| wrong())?);
        Ok(())
    }
}

/// Trains with the preset `fast` and `sets`; returns the mean reward and the 95th percentile of |a|
/// of the flow's samples before clipping.
fn trained(sets: &[&str]) -> (f64, f32) {
    let small = [
        "env.num_envs=64",
        "env.num_steps=8",
        "policy.hidden=[32,32]",
        "critic.hidden=[32,32]",
        "optimizer.minibatches=4",
        "optimizer.learning_rate=4e-3",
        "optimizer.final_lr_fraction=1",
        "train.precision=f32",
        "train.steps=307200",
    ];
    let sets: Vec<String> = small.iter().chain(sets).map(|s| s.to_string()).collect();
    let config = resolve("edge", Some("fast"), None, &sets, Some(0)).unwrap();
    let mut trainer = Trainer::new(&config, Arc::new(Edge::new()), 2).unwrap();
    let mut reward = 0.0;
    while trainer.iteration() < trainer.total_iterations() {
        let row = trainer.iterate().unwrap().row;
        reward = row
            .values
            .iter()
            .find(|(name, _)| *name == "reward")
            .unwrap()
            .1;
    }
    let Model::Flow(flow) = trainer.model() else {
        panic!("a flow")
    };
    // Both signs, normalized as the trainer does: their mean is close to 0 and their standard
    // deviation close to 1.
    let rows = 2 * 256;
    let observations: Vec<f32> = (0..rows)
        .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let (mut noise, mut x) = (vec![0.0; rows], vec![0.0; rows]);
    fill_normal(Key::new(0, Stream::Test), &mut noise);
    let mut scratch = trainer.model().scratch(rows);
    let weights = &trainer.networks().policy.weights;
    flow.sample(
        weights,
        &observations,
        &noise,
        &mut x,
        &mut scratch,
        |_, _, _| {},
    );
    x.iter_mut().for_each(|x| *x = x.abs());
    x.sort_by(f32::total_cmp);
    (reward, x[rows * 95 / 100])
}

#[test]
fn a_flow_whose_best_action_is_the_bound_stays_in_its_box() {
    let (reward, reach) = trained(&PUBLISHED_FPOPP);
    println!("without the pull: reward {reward:.3}, samples reach {reach:.2}");
    assert!(
        reach > 2.0 * BOUND,
        "published FPO++ must leave the box: {reach}"
    );

    // Either alone keeps the flow in the box, and `fast` has both.
    let pull = [&PUBLISHED_FPOPP[..], &["objective.bound_pull=1"]].concat();
    let linear = [
        &PUBLISHED_FPOPP[..],
        &[
            "objective.ratio_form=linear",
            "objective.log_ratio_max=0",
            "objective.loss_max=0",
        ],
    ]
    .concat();
    for (name, sets) in [
        ("a pull", &pull[..]),
        ("a linear ratio", &linear),
        ("fast", &[]),
    ] {
        let (reward, reach) = trained(sets);
        println!("{name}: reward {reward:.3}, samples reach {reach:.2}");
        assert!(reward > 0.9, "{name} still learns: {reward}");
        assert!(reach < BOUND + 0.5, "{name}: {reach}");
    }
}
