//! An environment: a simulation and the rules of its task.

use super::Compiled;
use super::rules::{Observation, Rules, Transition};
use crate::model::Named;
use crate::physics::{Physics, PhysicsError};
use crate::render::Lens;
use fpo_env::{Env, EnvSpec, NoState, Picture, RenderError, StateError, Step, StepEnd};
use fpo_rng::Philox;
use std::sync::Arc;

/// Maximum number of draws of an initial state; a valid one has never taken more than a few.
const MAX_DRAWS: u32 = 100;

/// The first bytes of a saved state.
const MAGIC: &[u8; 8] = b"fposuit1";

pub(crate) struct ModelEnv {
    spec: Arc<EnvSpec>,
    rules: Arc<dyn Rules>,
    sub_steps: u32,
    pub(crate) physics: Physics,
    /// The current observation in full precision.
    pub(crate) observation: Observation,
    /// The last returned observation.
    last: Box<[f32]>,
    /// Whether the simulation diverged and waits for a reset.
    diverged: bool,
    lens: Lens,
}

impl ModelEnv {
    pub(super) fn new(spec: Arc<EnvSpec>, shared: &Compiled, physics: Physics) -> Self {
        let last = vec![0.0; spec.observation_dim()].into();
        Self {
            spec,
            rules: Arc::clone(&shared.rules),
            sub_steps: shared.sub_steps,
            physics,
            observation: Observation::default(),
            last,
            diverged: false,
            lens: Lens::default(),
        }
    }

    /// Steps with the control that is set, and derives the observation.
    pub(crate) fn advance(&mut self) -> Result<Transition, PhysicsError> {
        let transition = self.rules.step(&mut self.physics, self.sub_steps)?;
        self.observe();
        // It must be finite in the returned precision.
        if (transition.reward as f32).is_finite() {
            Ok(transition)
        } else {
            Err(PhysicsError::Diverged)
        }
    }

    /// Derives the observation from the simulation.
    pub(super) fn observe(&mut self) {
        self.observation.clear();
        self.rules.observe(&self.physics, &mut self.observation);
        assert_eq!(
            self.observation.values().len(),
            self.last.len(),
            "{}",
            self.spec.name
        );
    }

    /// Rounds the observation and writes it, unless it is non-finite.
    fn publish(&mut self, out: &mut [f32]) -> Result<(), PhysicsError> {
        let mut finite = true;
        for (out, &value) in out.iter_mut().zip(self.observation.values()) {
            *out = value as f32;
            finite &= out.is_finite();
        }
        if !finite {
            return Err(PhysicsError::Diverged);
        }
        self.last.copy_from_slice(out);
        Ok(())
    }

    /// Draws one initial state.
    fn draw(&mut self, rng: &mut Philox, out: &mut [f32]) -> Result<(), PhysicsError> {
        self.physics.reset()?;
        self.rules.reset(&mut self.physics, rng)?;
        self.physics.forward()?;
        self.observe();
        self.publish(out)
    }
}

impl Env for ModelEnv {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, rng: &mut Philox, observation: &mut [f32]) {
        assert_eq!(
            observation.len(),
            self.last.len(),
            "an observation of `{}`",
            self.spec.name
        );
        self.diverged = false;
        let mut outcome = Ok(());
        for _ in 0..MAX_DRAWS {
            outcome = self.draw(rng, observation);
            if outcome.is_ok() {
                return;
            }
        }
        panic!(
            "no initial state of `{}` can be simulated: {outcome:?}",
            self.spec.name
        );
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Step {
        assert_eq!(
            observation.len(),
            self.last.len(),
            "an observation of `{}`",
            self.spec.name
        );
        let ctrl = self.physics.ctrl_mut();
        assert_eq!(
            action.len(),
            ctrl.len(),
            "an action of `{}`",
            self.spec.name
        );
        for (ctrl, &action) in ctrl.iter_mut().zip(action) {
            *ctrl = f64::from(action);
        }
        if !self.diverged
            && let Ok(Transition { reward, terminal }) = self.advance()
            && self.publish(observation).is_ok()
        {
            let end = if terminal {
                StepEnd::Terminated
            } else {
                StepEnd::Running
            };
            return Step {
                reward: reward as f32,
                end,
            };
        }
        self.diverged = true;
        observation.copy_from_slice(&self.last);
        Step {
            reward: 0.0,
            end: StepEnd::Diverged,
        }
    }

    fn save_state(&self, out: &mut Vec<u8>) -> Result<(), NoState> {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(self.spec.name.len() as u32).to_le_bytes());
        out.extend_from_slice(self.spec.name.as_bytes());
        out.push(self.diverged.into());
        let mut state = Vec::with_capacity(self.physics.state_size());
        self.physics.save_state(&mut state);
        out.extend(state.iter().flat_map(|value| value.to_le_bytes()));
        out.extend(self.last.iter().flat_map(|value| value.to_le_bytes()));
        Ok(())
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let name = self.spec.name.clone();
        let error = |why: &str| StateError(format!("this is not a state of `{name}`: {why}"));
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| error("it does not begin like one"))?;
        let (length, rest) = rest
            .split_first_chunk()
            .ok_or_else(|| error("it is too short"))?;
        let (found, rest) = rest
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or_else(|| error("it is too short"))?;
        if found != name.as_bytes() {
            return Err(error(&format!(
                "it is one of `{}`",
                String::from_utf8_lossy(found).escape_debug()
            )));
        }
        let expected = 1 + 8 * self.physics.state_size() + 4 * self.last.len();
        if rest.len() != expected {
            return Err(error(&format!(
                "it has {} bytes instead of {expected}",
                rest.len()
            )));
        }
        let (state, last) = rest[1..].split_at(8 * self.physics.state_size());
        let state: Vec<f64> = state
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f64::from_le_bytes(bytes))
            .collect();
        let last: Vec<f32> = last
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        if rest[0] > 1
            || state.iter().any(|x| !x.is_finite())
            || last.iter().any(|x| !x.is_finite())
        {
            return Err(error("it holds numbers that are not finite or too large"));
        }
        // Until the state has been validated, there is none.
        self.diverged = true;
        self.physics
            .load_state(&state)
            .map_err(|why| error(&why.to_string()))?;
        self.diverged = rest[0] == 1;
        self.last.copy_from_slice(&last);
        Ok(())
    }

    fn cameras(&self) -> Vec<String> {
        self.physics.model().names(Named::Camera)
    }

    fn set_camera(&mut self, camera: usize) {
        self.lens.camera = Some(camera);
    }

    fn render(&mut self, width: u32, height: u32) -> Result<Picture, RenderError> {
        let named = camera(&self.spec.name);
        self.lens.draw(&mut self.physics, named, (width, height))
    }
}

/// The best camera for a task, if it is not the model's first one.
fn camera(task: &str) -> Option<&'static str> {
    match task.split_once('-') {
        Some(("humanoid", _)) => Some("side"),
        // From above the target is always in view.
        Some(("fish", "swim")) => Some("fixed_top"),
        Some(("fish", _)) => Some("tracking_x"),
        _ => None,
    }
}
