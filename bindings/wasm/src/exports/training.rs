//! Those of trainings. Input and output are in the same buffers as those of the flow.

use super::{PAGE, answer, exports};
use crate::page::Answer;
use crate::settings::Approach;
use crate::trainings::Trainings;
use fpo_learn::config::WeightKind;
use std::cell::RefCell;

thread_local! {
    static TRAININGS: RefCell<Trainings> = RefCell::default();
}

/// Does `operation` on the trainings, with the page's buffers.
fn run(operation: impl FnOnce(&mut Trainings) -> Answer) -> f64 {
    answer(|| {
        TRAININGS.with_borrow_mut(|trainings| {
            let swap = |trainings: &mut Trainings| {
                PAGE.with_borrow_mut(|page| {
                    std::mem::swap(&mut page.input, &mut trainings.input);
                    std::mem::swap(&mut page.output, &mut trainings.output);
                });
            };
            swap(trainings);
            let answer = operation(trainings);
            swap(trainings);
            answer
        })
    })
}

exports! {
    /// [`Trainings::bandit`]; see [`approach`] for `method`, `weight` and `temperature`.
    fn bandit(
        method: f64,
        weight: f64,
        temperature: f64,
        bonus: f64,
        dim: f64,
        points: f64,
        seed: f64
    ) -> f64 {
        run(|trainings| {
            let approach = approach(method, weight, temperature)?;
            let size = (dim as usize, points as usize);
            trainings.bandit(approach, bonus as f32, size, seed as u64)
        })
    }

    /// [`Trainings::gridworld`]; see [`approach`] for `method`.
    fn gridworld(method: f64, seed: f64) -> f64 {
        run(|trainings| trainings.gridworld(approach(method, 2.0, 1.0)?, seed as u64))
    }

    /// [`Trainings::end`].
    fn end(training: f64) -> f64 {
        run(|trainings| trainings.end(training as usize))
    }

    /// [`Trainings::draw`].
    fn draw(training: f64) -> f64 {
        run(|trainings| trainings.draw(training as usize))
    }

    /// [`Trainings::learn`].
    fn learn(training: f64, iterations: f64) -> f64 {
        run(|trainings| trainings.learn(training as usize, iterations as usize))
    }

    /// [`Trainings::ratios`].
    fn ratios(training: f64) -> f64 {
        run(|trainings| trainings.ratios(training as usize))
    }

    /// [`Trainings::weights`].
    fn weights(training: f64) -> f64 {
        run(|trainings| trainings.weights(training as usize))
    }

    /// [`Trainings::show`].
    fn show(training: f64, count: f64, seed: f64, before: f64) -> f64 {
        let (training, count) = (training as usize, count as usize);
        run(|trainings| trainings.show(training, count, seed as u64, before != 0.0))
    }

    /// [`Trainings::peaks`].
    fn peaks(training: f64, count: f64, seed: f64) -> f64 {
        run(|trainings| trainings.peaks(training as usize, count as usize, seed as u64))
    }

    /// [`Trainings::grid_layout`].
    fn grid_layout(index: f64) -> f64 {
        run(|trainings| trainings.grid_layout(index as usize))
    }

    /// [`Trainings::grid_moves`].
    fn grid_moves(training: f64, samples: f64, seed: f64) -> f64 {
        run(|trainings| trainings.grid_moves(training as usize, samples as usize, seed as u64))
    }

    /// [`Trainings::grid_walks`].
    fn grid_walks(training: f64, x: f64, y: f64, count: f64, seed: f64) -> f64 {
        run(|trainings| {
            let start = [x as f32, y as f32];
            trainings.grid_walks(training as usize, start, count as usize, seed as u64)
        })
    }

    /// [`Trainings::grid_success`].
    fn grid_success(training: f64, episodes: f64, seed: f64) -> f64 {
        run(|trainings| trainings.grid_success(training as usize, episodes as usize, seed as u64))
    }
}

/// What is trained. Methods: 0 advantage-weighted flow matching, 1 FPO, 2 FPO++, 3 Gaussian PPO.
/// Weights of the first: 0 shift, 1 softplus, 2 exp, the latter two with their temperature.
///
/// # Errors
/// If there is no such method or weight.
pub fn approach(method: f64, weight: f64, temperature: f64) -> Result<Approach, String> {
    let weight = match weight as u32 {
        0 => WeightKind::Shift,
        1 => WeightKind::Softplus,
        2 => WeightKind::Exp,
        other => return Err(format!("there is no weight {other}")),
    };
    match method as u32 {
        0 if temperature > 0.0 => Ok(Approach::Weighted(weight, temperature as f32)),
        0 => Err("a temperature is above 0".into()),
        1 => Ok(Approach::Fpo),
        2 => Ok(Approach::FpoPlusPlus),
        3 => Ok(Approach::Gaussian),
        other => Err(format!("there is no method {other}")),
    }
}
