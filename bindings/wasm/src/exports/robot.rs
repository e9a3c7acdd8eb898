//! Those of a robot. There is one at a time. Numbers are in the same buffers as those of the flow.

use super::{PAGE, answer, exports};
use crate::page::Answer;
use crate::robot::Robot;
use std::cell::RefCell;

thread_local! {
    static ROBOT: RefCell<Option<Robot>> = const { RefCell::new(None) };
    /// A policy file, and texts.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Does `operation` on the robot.
fn run(operation: impl FnOnce(&mut Robot) -> Answer) -> f64 {
    answer(|| ROBOT.with_borrow_mut(|robot| operation(robot.as_mut().ok_or("there is no robot")?)))
}

/// Leaves numbers in the output.
fn put<'a>(numbers: impl IntoIterator<Item = &'a f32>) {
    PAGE.with_borrow_mut(|page| {
        page.output.clear();
        page.output.extend(numbers);
    });
}

exports! {
    /// Makes room for `length` bytes; where they are to be written.
    fn bytes(length: usize) -> *mut u8 {
        BYTES.with_borrow_mut(|bytes| {
            bytes.clear();
            bytes.resize(length, 0);
            bytes.as_mut_ptr()
        })
    }

    /// Where the latest text is, in UTF-8.
    fn text() -> *const u8 {
        BYTES.with_borrow(|bytes| bytes.as_ptr())
    }

    /// Its length in bytes.
    fn text_length() -> usize {
        BYTES.with_borrow(Vec::len)
    }

    /// [`Robot::new`] of the bytes; the one before is gone then, but stays if there is an error.
    /// Leaves the name of the task as the text.
    fn robot(seed: f64) -> f64 {
        answer(|| {
            let bytes = BYTES.take();
            let robot = Robot::new(&bytes, seed as u64)?;
            BYTES.set(robot.task().spec().name.clone().into_bytes());
            ROBOT.set(Some(robot));
            Ok(0.0)
        })
    }

    /// Leaves numbers of the robot: entries of an observation and of an action, seconds per action,
    /// actions of an episode (0: no limit) and the steps of its flow (0: a Gaussian); and what the
    /// task is about as the text.
    fn robot_facts() -> f64 {
        run(|robot| {
            let spec = robot.task().spec();
            put(&[
                spec.observation_dim() as f32,
                spec.action_dim() as f32,
                spec.control_timestep as f32,
                spec.step_limit.unwrap_or(0) as f32,
                robot.policy().flow_steps().unwrap_or(0) as f32,
            ]);
            BYTES.set(spec.summary.clone().into_bytes());
            Ok(0.0)
        })
    }

    /// [`Robot::reset`]; leaves the observation.
    fn robot_reset(episode: f64) -> f64 {
        run(|robot| {
            robot.reset(episode as u32);
            put(robot.observation());
            Ok(0.0)
        })
    }

    /// [`Robot::set_flow_steps`].
    fn robot_flow_steps(steps: f64) -> f64 {
        run(|robot| robot.set_flow_steps(steps as usize).map(|()| 0.0))
    }

    /// [`Robot::act`]; leaves the action and the next observation.
    fn robot_act(noise: f64) -> f64 {
        run(|robot| {
            let reward = robot.act(noise as f32)?;
            put(robot.action().iter().chain(robot.observation()));
            Ok(reward.into())
        })
    }

    /// [`Robot::step`] with the input; leaves the next observation.
    fn robot_step() -> f64 {
        run(|robot| {
            let action = PAGE.with_borrow(|page| page.input.clone());
            let reward = robot.step(&action)?;
            put(robot.observation());
            Ok(reward.into())
        })
    }

    /// [`Robot::cloud`].
    fn robot_cloud(count: f64, noise: f64, seed: f64) -> f64 {
        run(|robot| {
            put(&robot.cloud(count as usize, noise as f32, seed as u64)?);
            Ok(0.0)
        })
    }
}
