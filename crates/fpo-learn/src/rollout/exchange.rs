//! What ranks exchange of a rollout: each group's transitions, and what else was seen.

use super::{BatchSlice, RolloutStats};
use crate::reduce::wire::{end_code, end_of_code, read_fault, read_text, write_fault};
use crate::reduce::{Part, Reader, ReduceError, put_f32s, put_f64s, put_u64s};
use fpo_env::{Episode, StepEnd, StepError};

// Fields are named one by one, so that one that is added is not forgotten here.

impl BatchSlice<'_> {
    /// All columns, in the order in which they travel: those of numbers, then the ends of steps.
    fn columns(&mut self) -> ([&mut [f32]; 14], &mut [StepEnd]) {
        let Self {
            dims: _,
            observations,
            critic_observations,
            actions,
            rewards,
            ends,
            final_values,
            values,
            advantages,
            returns,
            surprisals,
            sample_inputs,
            sample_targets,
            sample_times,
            old_losses,
            old_velocities,
        } = self;
        let numbers = [
            observations,
            critic_observations,
            actions,
            rewards,
            final_values,
            values,
            advantages,
            returns,
            surprisals,
            sample_inputs,
            sample_targets,
            sample_times,
            old_losses,
            old_velocities,
        ];
        (numbers.map(|column| &mut **column), ends)
    }
}

impl Part for BatchSlice<'_> {
    fn write(&mut self, out: &mut Vec<u8>) {
        let (numbers, ends) = self.columns();
        for column in numbers {
            put_f32s(out, column);
        }
        out.extend(ends.iter().map(|end| end_code(*end)));
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        let (numbers, ends) = self.columns();
        for column in numbers {
            bytes.f32s(column)?;
        }
        let codes = bytes.bytes(ends.len())?;
        for (end, code) in ends.iter_mut().zip(codes) {
            *end = end_of_code(*code)?;
        }
        Ok(())
    }
}

impl Part for RolloutStats {
    fn write(&mut self, out: &mut Vec<u8>) {
        let Self {
            episodes,
            moments,
            critic_moments,
            extras,
            saturation,
            entropy,
            fault,
            failed,
            // Each rank's own.
            inference: _,
            stepping: _,
            scoring: _,
        } = self;
        put_u64s(out, &[episodes.len() as u64, extras.sums().len() as u64]);
        for moments in [moments, critic_moments] {
            put_u64s(out, &[moments.count]);
            put_f64s(out, &moments.mean);
            put_f64s(out, &moments.m2);
        }
        put_f64s(out, &[*saturation, *entropy]);
        for episode in episodes {
            write_episode(episode, out);
        }
        for (name, sum, count) in extras.sums() {
            name.as_bytes().to_vec().write(out);
            put_f64s(out, &[sum]);
            put_u64s(out, &[count]);
        }
        write_fault(*fault, out);
        // An empty text where nothing failed.
        let failed = failed.as_ref().map_or("", |error| &error.0);
        failed.as_bytes().to_vec().write(out);
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        let [episodes, extras] = bytes.u64s()?;
        for moments in [&mut self.moments, &mut self.critic_moments] {
            [moments.count] = bytes.u64s()?;
            bytes.f64s(&mut moments.mean)?;
            bytes.f64s(&mut moments.m2)?;
        }
        let mut sums = [0.0; 2];
        bytes.f64s(&mut sums)?;
        [self.saturation, self.entropy] = sums;
        self.episodes.clear();
        for _ in 0..episodes {
            self.episodes.push(read_episode(bytes)?);
        }
        self.extras.clear();
        for _ in 0..extras {
            let name = read_text(bytes)?;
            let mut sum = [0.0];
            bytes.f64s(&mut sum)?;
            let [count] = bytes.u64s()?;
            self.extras.add_sum(name, sum[0], count);
        }
        self.fault = read_fault(bytes)?;
        let failed = read_text(bytes)?;
        self.failed = (!failed.is_empty()).then(|| StepError(failed.to_owned()));
        Ok(())
    }
}

fn write_episode(episode: &Episode, out: &mut Vec<u8>) {
    let Episode {
        total_reward,
        length,
        end,
        whole,
    } = *episode;
    put_f64s(out, &[total_reward]);
    out.extend(length.to_le_bytes());
    out.extend([end_code(end), u8::from(whole)]);
}

fn read_episode(bytes: &mut Reader) -> Result<Episode, ReduceError> {
    let total_reward = f64::from_le_bytes(bytes.array()?);
    let length = u32::from_le_bytes(bytes.array()?);
    let [end, whole] = bytes.array()?;
    Ok(Episode {
        total_reward,
        length,
        end: end_of_code(end)?,
        whole: whole == 1,
    })
}
