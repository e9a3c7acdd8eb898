//! What an episode is besides its simulation: actions, commands, and what is due when.

use super::plan::Plan;
use crate::random::uniform;
use fpo_rng::{Key, Philox, Stream};
use rand::RngExt;

/// The part of an environment's state that is not in its simulation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Episode {
    /// Seed of what is drawn during the episode.
    seed: u64,
    /// Draws so far.
    draws: u64,
    /// Steps so far.
    pub(crate) step: u64,
    /// The latest action and the one before it.
    pub(crate) action: Vec<f64>,
    pub(crate) previous_action: Vec<f64>,
    /// The numbers of all commands.
    pub(crate) commands: Vec<f64>,
    /// The step at which each command is drawn again.
    command_due: Vec<u64>,
    /// The step at which each push begins, and at which it ends.
    push_due: Vec<u64>,
    push_end: Vec<u64>,
}

/// Never.
const NEVER: u64 = u64::MAX;

impl Episode {
    pub(crate) fn new(plan: &Plan) -> Self {
        let numbers = plan
            .commands
            .iter()
            .map(|command| command.ranges.len())
            .sum();
        Self {
            seed: 0,
            draws: 0,
            step: 0,
            action: vec![0.0; plan.actuations.len()],
            previous_action: vec![0.0; plan.actuations.len()],
            commands: vec![0.0; numbers],
            command_due: vec![NEVER; plan.commands.len()],
            push_due: vec![NEVER; plan.pushes.len()],
            push_end: vec![NEVER; plan.pushes.len()],
        }
    }

    /// Begins anew: draws commands, and when what happens.
    pub(crate) fn begin(&mut self, plan: &Plan, rng: &mut Philox) {
        (self.draws, self.step) = (0, 0);
        self.action.fill(0.0);
        self.previous_action.fill(0.0);
        if plan.commands.is_empty() && plan.pushes.is_empty() {
            return;
        }
        self.seed = rng.random();
        for i in 0..plan.commands.len() {
            self.draw_command(plan, i);
        }
        for (i, push) in plan.pushes.iter().enumerate() {
            let mut rng = self.draw();
            self.push_due[i] = steps(&mut rng, push.every);
            self.push_end[i] = NEVER;
        }
    }

    /// Random numbers that no other draw of this episode has.
    fn draw(&mut self) -> Philox {
        let key = Key::new(self.seed, Stream::Event).step(self.draws & ((1 << 56) - 1));
        self.draws = self.draws.wrapping_add(1);
        Philox::new(key)
    }

    fn draw_command(&mut self, plan: &Plan, i: usize) {
        let mut rng = self.draw();
        let command = &plan.commands[i];
        let zero = command.zero > 0.0 && rng.random::<f64>() < command.zero;
        let numbers = &mut self.commands[command.start..][..command.ranges.len()];
        for (number, [low, high]) in numbers.iter_mut().zip(&command.ranges) {
            let drawn = uniform(&mut rng, *low, *high);
            *number = if zero { 0.0 } else { drawn };
        }
        self.command_due[i] = match command.resample {
            Some(every) => self.step.saturating_add(steps(&mut rng, every)),
            None => NEVER,
        };
    }

    /// Draws the commands that are due. Returns whether there were any.
    pub(crate) fn renew_commands(&mut self, plan: &Plan) -> bool {
        let mut renewed = false;
        for i in 0..plan.commands.len() {
            if self.step >= self.command_due[i] {
                self.draw_command(plan, i);
                renewed = true;
            }
        }
        renewed
    }

    /// Begins and ends pushes: forces on bodies, `[nbody, 6]`.
    pub(crate) fn push(&mut self, plan: &Plan, applied: &mut [f64]) {
        for (i, push) in plan.pushes.iter().enumerate() {
            let force = &mut applied[6 * push.body..][..6];
            if self.step >= self.push_end[i] {
                force.fill(0.0);
                self.push_end[i] = NEVER;
                let mut rng = self.draw();
                self.push_due[i] = self.step.saturating_add(steps(&mut rng, push.every));
            }
            if self.step >= self.push_due[i] {
                let mut rng = self.draw();
                let newtons = uniform(&mut rng, push.force[0], push.force[1]);
                let (sin, cos) = libm::sincos(uniform(&mut rng, 0.0, std::f64::consts::TAU));
                force[..2].copy_from_slice(&[newtons * cos, newtons * sin]);
                self.push_due[i] = NEVER;
                self.push_end[i] = self.step.saturating_add(push.duration);
            }
        }
    }

    /// Words of a saved state.
    pub(crate) fn words(&self) -> usize {
        3 + self.numbers().count() + self.times().count()
    }

    fn numbers(&self) -> impl Iterator<Item = &f64> {
        let actions = self.action.iter().chain(&self.previous_action);
        actions.chain(&self.commands)
    }

    fn times(&self) -> impl Iterator<Item = &u64> {
        let pushes = self.push_due.iter().chain(&self.push_end);
        self.command_due.iter().chain(pushes)
    }

    /// Appends it as words of 8 bytes.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        let counts = [self.seed, self.draws, self.step];
        let numbers = self.numbers().map(|number| number.to_bits());
        let words = counts
            .into_iter()
            .chain(numbers)
            .chain(self.times().copied());
        words.for_each(|word| out.extend(word.to_le_bytes()));
    }

    /// Takes over words that [`Episode::save`] wrote. Returns whether all numbers are finite; if
    /// not, nothing has changed.
    pub(crate) fn load(&mut self, words: &[u64]) -> bool {
        let mut loaded = self.clone();
        let mut words = words.iter().copied();
        let mut next = || words.next().unwrap_or(0);
        (loaded.seed, loaded.draws, loaded.step) = (next(), next(), next());
        let numbers = loaded.action.iter_mut().chain(&mut loaded.previous_action);
        for number in numbers.chain(&mut loaded.commands) {
            *number = f64::from_bits(next());
        }
        let pushes = loaded.push_due.iter_mut().chain(&mut loaded.push_end);
        for time in loaded.command_due.iter_mut().chain(pushes) {
            *time = next();
        }
        let finite = loaded.numbers().all(|number| number.is_finite());
        if finite {
            *self = loaded;
        }
        finite
    }
}

/// A number of steps, at least 1.
fn steps(rng: &mut Philox, [low, high]: [f64; 2]) -> u64 {
    uniform(rng, low, high).round().max(1.0) as u64
}
