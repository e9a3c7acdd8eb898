//! An environment of a task file: a simulation, an episode, and the registers of a program.

mod begin;

use super::episode::Episode;
use super::expression::{Arrays, Source};
use super::fault::Fault;
use super::plan::Plan;
use crate::model::Named;
use crate::physics::{Physics, PhysicsError};
use crate::random::normal;
use crate::render::Lens;
use fpo_env::{
    Env, EnvSpec, Extras, MakeError, NoState, Picture, RenderError, StateError, Step, StepEnd,
};
use fpo_rng::Philox;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of draws of an initial state.
const MAX_DRAWS: u32 = 100;

/// The first bytes of a saved state.
const MAGIC: &[u8; 8] = b"fpotask1";

/// The first term of a task that was not finite, with its place in the file.
pub(crate) type FirstFault = Mutex<Option<Fault>>;

pub(crate) struct FileEnv {
    pub(crate) plan: Arc<Plan>,
    fault: Arc<FirstFault>,
    pub(crate) physics: Physics,
    pub(crate) episode: Episode,
    pub(crate) registers: Vec<f64>,
    mover: Vec<f64>,
    /// The last returned observation, and the critic's.
    last: Box<[f32]>,
    last_of_critic: Box<[f32]>,
    /// Whether the latest step ended the episode by a termination.
    ended: bool,
    /// Whether the simulation diverged and waits for a reset.
    diverged: bool,
    lens: Lens,
}

/// The arrays of a simulation and its episode.
struct Quantities<'a> {
    physics: &'a Physics,
    episode: &'a Episode,
}

impl Arrays for Quantities<'_> {
    #[inline]
    fn array(&self, source: Source) -> &[f64] {
        let Self { physics, episode } = self;
        match source {
            Source::Positions => physics.qpos(),
            Source::Velocities => physics.qvel(),
            Source::Controls => physics.ctrl(),
            Source::Sensors => physics.sensordata(),
            Source::ActuatorForces => physics.actuator_force(),
            Source::BodyPositions => physics.xpos(),
            Source::BodyRotations => physics.xmat(),
            Source::BodyQuaternions => physics.xquat(),
            Source::BodyVelocities => physics.cvel(),
            Source::SubtreeCenters => physics.subtree_com(),
            Source::GeomPositions => physics.geom_xpos(),
            Source::GeomRotations => physics.geom_xmat(),
            Source::SitePositions => physics.site_xpos(),
            Source::SiteRotations => physics.site_xmat(),
            Source::Time => physics.clock(),
            Source::Action => &episode.action,
            Source::PreviousAction => &episode.previous_action,
            Source::Commands => &episode.commands,
        }
    }
}

impl FileEnv {
    pub(crate) fn new(plan: Arc<Plan>, fault: Arc<FirstFault>) -> Result<Self, MakeError> {
        let physics = Physics::new(Arc::clone(&plan.model), plan.own)?;
        Ok(Self {
            fault,
            physics,
            episode: Episode::new(&plan),
            registers: plan.program.registers(),
            mover: plan.mover.registers(),
            last: vec![0.0; plan.spec.observation_dim()].into(),
            last_of_critic: vec![0.0; plan.critic.iter().map(|(_, n)| n).sum()].into(),
            ended: false,
            diverged: false,
            lens: Lens::default(),
            plan,
        })
    }

    /// Runs instructions of the program.
    #[inline]
    fn compute(&mut self, instructions: Range<usize>) {
        let Self {
            plan,
            physics,
            episode,
            registers,
            ..
        } = self;
        plan.program
            .run(instructions, &Quantities { physics, episode }, registers);
    }

    /// Moves the bodies that are moved from outside.
    fn move_bodies(&mut self) {
        let Self {
            plan,
            physics,
            episode,
            mover,
            ..
        } = self;
        if plan.moved.is_empty() {
            return;
        }
        let all = 0..plan.mover.instructions.len();
        plan.mover.run(all, &Quantities { physics, episode }, mover);
        for (body, position) in &plan.moved {
            let position = &mover[position.clone()];
            // What is not finite is found in what depends on it, or by MuJoCo.
            physics.mocap_pos_mut()[3 * body..][..3].copy_from_slice(position);
        }
    }

    /// Steps with `action`, and computes everything.
    pub(crate) fn advance(
        &mut self,
        action: impl ExactSizeIterator<Item = f64>,
    ) -> Result<(f64, bool), PhysicsError> {
        let plan = Arc::clone(&self.plan);
        let Episode {
            action: latest,
            previous_action,
            ..
        } = &mut self.episode;
        previous_action.copy_from_slice(latest);
        latest
            .iter_mut()
            .zip(action)
            .for_each(|(to, from)| *to = from);
        let controls = self.physics.ctrl_mut();
        for (actuation, action) in plan.actuations.iter().zip(latest) {
            let control = actuation.default + actuation.scale * *action;
            if control.is_nan() {
                return Err(PhysicsError::Diverged);
            }
            controls[actuation.actuator] = control.clamp(actuation.low, actuation.high);
        }
        if !plan.pushes.is_empty() {
            self.episode.push(&plan, self.physics.applied_mut());
        }
        self.move_bodies();
        self.physics.step(plan.sub_steps)?;
        self.episode.step += 1;
        self.compute(0..plan.program.instructions.len());
        let reward = plan
            .rewards
            .iter()
            .map(|term| term.weight * self.registers[term.register])
            .sum::<f64>();
        let mut ends = plan.terminations.iter();
        self.ended = ends.any(|end| self.registers[end.register] != 0.0);
        if !reward.is_finite() {
            self.note_fault();
        }
        if self.episode.renew_commands(&plan) {
            self.compute(0..plan.observing);
        }
        Ok((reward, self.ended))
    }

    /// The current observation in full precision.
    #[cfg(test)]
    pub(crate) fn observation(&self) -> impl Iterator<Item = f64> + '_ {
        let ranges = self.plan.observation.iter();
        ranges.flat_map(|range| self.registers[range.clone()].iter().copied())
    }

    /// Rounds the observation and writes it. One that is not finite is a fault of the file, which
    /// the caller must see.
    fn publish(&mut self, out: &mut [f32]) {
        let mut finite = true;
        let ranges = self.plan.observation.iter();
        let values = ranges.flat_map(|range| &self.registers[range.clone()]);
        for (out, value) in out.iter_mut().zip(values) {
            *out = *value as f32;
            finite &= out.is_finite();
        }
        let ranges = self.plan.critic_observation.iter();
        let values = ranges.flat_map(|range| &self.registers[range.clone()]);
        for (out, value) in self.last_of_critic.iter_mut().zip(values) {
            *out = *value as f32;
            finite &= out.is_finite();
        }
        match finite {
            true => self.last.copy_from_slice(out),
            false => self.note_fault(),
        }
    }

    /// The first term that is not finite, with what it is.
    pub(crate) fn find_fault(&self) -> Option<Fault> {
        let mut terms = self.plan.terms.iter();
        terms.find_map(|explained| {
            let values = &self.registers[explained.value.range()];
            let bad = values.iter().find(|x| !(**x as f32).is_finite())?;
            let term = &explained.term;
            let why = format!(
                "this became {bad} in step {} of an episode, not a finite number",
                self.episode.step
            );
            Some(Fault::new(term.expression.at, &term.path, why))
        })
    }

    /// Keeps the first fault of all environments, for the message of whoever stops.
    fn note_fault(&self) {
        let Some(found) = self.find_fault() else {
            return;
        };
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(found);
    }

    fn check_sizes(&self, observation: &[f32]) {
        let name = &self.plan.spec.name;
        assert_eq!(
            observation.len(),
            self.last.len(),
            "an observation of `{name}`"
        );
    }
}

impl Env for FileEnv {
    fn spec(&self) -> &EnvSpec {
        &self.plan.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        self.check_sizes(observation);
        (self.diverged, self.ended) = (false, false);
        if (0..MAX_DRAWS).any(|_| self.draw(rng).is_ok()) {
            return self.publish(observation);
        }
        // The file was tried when it was loaded, so this is rare: the episode ends at once.
        observation.copy_from_slice(&self.last);
        self.diverged = true;
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        self.check_sizes(observation);
        let name = &self.plan.spec.name;
        assert_eq!(
            action.len(),
            self.plan.actuations.len(),
            "an action of `{name}`"
        );
        if !self.diverged
            && let Ok((reward, ended)) = self.advance(action.iter().map(|&x| f64::from(x)))
        {
            self.publish(observation);
            return Step {
                reward: reward as f32,
                end: match ended {
                    true => StepEnd::Terminated,
                    false => StepEnd::Running,
                },
            };
        }
        (self.diverged, self.ended) = (true, false);
        observation.copy_from_slice(&self.last);
        Step {
            reward: 0.0,
            end: StepEnd::Diverged,
        }
    }

    fn extras(&self, extras: &mut Extras) {
        if self.diverged {
            return;
        }
        for term in &self.plan.rewards {
            let value = term.weight * self.registers[term.register];
            extras.add(&term.metric, value as f32);
        }
        if self.ended {
            for end in &self.plan.terminations {
                extras.add(&end.metric, self.registers[end.register] as f32);
            }
        }
    }

    fn critic_observation(&self, out: &mut [f32]) {
        out.copy_from_slice(&self.last_of_critic);
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.extend_from_slice(MAGIC);
        out.push(self.diverged.into());
        let mut state = Vec::with_capacity(self.physics.state_size());
        self.physics.save_state(&mut state);
        out.extend(state.iter().flat_map(|value| value.to_le_bytes()));
        self.episode.save(out);
        let observations = self.last.iter().chain(&self.last_of_critic);
        out.extend(observations.flat_map(|value| value.to_le_bytes()));
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let name = self.plan.spec.name.clone();
        let error = |why: &str| StateError(format!("this is not a state of `{name}`: {why}"));
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| error("it does not begin like one"))?;
        let (numbers, words) = (self.physics.state_size(), self.episode.words());
        let observed = self.last.len() + self.last_of_critic.len();
        let expected = 1 + 8 * (numbers + words) + 4 * observed;
        if rest.len() != expected {
            let why = format!("it has {} bytes instead of {expected}", rest.len());
            return Err(error(&why));
        }
        let (state, last) = rest[1..].split_at(8 * (numbers + words));
        let state: Vec<u64> = state
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| u64::from_le_bytes(bytes))
            .collect();
        let (simulation, episode) = state.split_at(numbers);
        let simulation: Vec<f64> = simulation
            .iter()
            .map(|&bits| f64::from_bits(bits))
            .collect();
        let last: Vec<f32> = last
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        let not_finite = "it holds numbers that are not finite or too large";
        if rest[0] > 1
            || simulation.iter().any(|x| !x.is_finite())
            || last.iter().any(|x| !x.is_finite())
            || !self.episode.load(episode)
        {
            return Err(error(not_finite));
        }
        // Until the state has been validated, there is none.
        self.diverged = true;
        self.physics
            .load_state(&simulation)
            .map_err(|why| error(&why.to_string()))?;
        self.diverged = rest[0] == 1;
        let (last, of_critic) = last.split_at(self.last.len());
        self.last.copy_from_slice(last);
        self.last_of_critic.copy_from_slice(of_critic);
        Ok(())
    }

    fn cameras(&self) -> Vec<String> {
        self.physics.model().names(Named::Camera)
    }

    fn set_camera(&mut self, camera: usize) {
        self.lens.camera = Some(camera);
    }

    fn render(&mut self, width: u32, height: u32) -> Result<Picture, RenderError> {
        let named = self.plan.camera.as_deref();
        self.lens.draw(&mut self.physics, named, (width, height))
    }
}

/// A random action for trials, normal about the middle of its range.
pub(crate) fn random_action(rng: &mut Philox, spec: &EnvSpec, out: &mut [f32]) {
    let bounds = spec.action_min.iter().zip(&spec.action_max);
    for (out, (&min, &max)) in out.iter_mut().zip(bounds) {
        let middle = f64::from(min) + 0.5 * (f64::from(max) - f64::from(min));
        let width = 0.25 * (f64::from(max) - f64::from(min));
        *out = ((middle + width * normal(rng)) as f32).clamp(min, max);
    }
}
