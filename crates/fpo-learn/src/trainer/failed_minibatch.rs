//! The minibatch that a training failed in, as a file to look into.

use super::{TrainError, Trainer};
use crate::learner::shuffle;
use safetensors::tensor::{Dtype, TensorView};

/// Name, numbers, which rows of them, and the shape of a row.
type Column<'a> = (&'static str, &'a [f32], &'a [usize], &'a [usize]);

impl Trainer {
    /// The transitions of the minibatch whose gradient became non-finite, as the bytes of a
    /// safetensors file; none where no minibatch is to blame. To be asked for right after
    /// [`Trainer::iterate`] gave `error`.
    ///
    /// R transitions with N samples each: `transition` `[R]` (which of the batch), `observation`
    /// (normalized), `critic_observation` (normalized, if the critic has its own), `action`
    /// (unbounded), `reward` (scaled), `advantage` (not normalized over the minibatch), `return`,
    /// `sample_input`, `sample_target`, `sample_time` and `old_loss` `[R, N, …]`.
    ///
    /// # Errors
    /// None in practice: the container refuses no batch.
    pub fn offending_minibatch(&self, error: &TrainError) -> Result<Option<Vec<u8>>, TrainError> {
        let &TrainError::NonFiniteGradient {
            iteration,
            epoch,
            minibatch,
            ..
        } = error
        else {
            return Ok(None);
        };
        let (batch, dims) = (&self.batch, self.batch.dims);
        let settings = self.config.learner();
        let (count, length) = settings.indices(&dims);
        let mut order = vec![0; count];
        shuffle(&settings, iteration, epoch, &mut order);
        let per_minibatch = count / settings.minibatches;
        let indices = &order[minibatch * per_minibatch..][..per_minibatch];
        let rows: Vec<usize> = indices
            .iter()
            .flat_map(|unit| (0..length).map(move |k| *unit as usize * length + k))
            .collect();
        let samples = dims.samples;
        let observation_rows: Vec<usize> = rows.iter().map(|&i| dims.row(i)).collect();
        let parts: [Column; 10] = [
            (
                "observation",
                &batch.observations,
                &observation_rows,
                &[dims.observation],
            ),
            (
                "critic_observation",
                &batch.critic_observations,
                &observation_rows,
                &[dims.critic_observation],
            ),
            ("action", &batch.actions, &rows, &[dims.action]),
            ("reward", &batch.rewards, &rows, &[]),
            ("advantage", &batch.advantages, &rows, &[]),
            ("return", &batch.returns, &rows, &[]),
            (
                "sample_input",
                &batch.sample_inputs,
                &rows,
                &[samples, dims.sample_input],
            ),
            (
                "sample_target",
                &batch.sample_targets,
                &rows,
                &[samples, dims.target],
            ),
            ("sample_time", &batch.sample_times, &rows, &[samples]),
            ("old_loss", &batch.old_losses, &rows, &[samples]),
        ];
        let mut tensors = vec![(
            "transition",
            Dtype::U64,
            vec![rows.len()],
            rows.iter()
                .flat_map(|i| (*i as u64).to_le_bytes())
                .collect::<Vec<u8>>(),
        )];
        let is_there = |name: &str| name != "critic_observation" || dims.critic_observation > 0;
        for (name, numbers, rows, shape) in parts.into_iter().filter(|part| is_there(part.0)) {
            let width: usize = shape.iter().product();
            let of_row = |&i: &usize| {
                numbers[i * width..][..width]
                    .iter()
                    .flat_map(|x| x.to_le_bytes())
            };
            let shape = [rows.len()].iter().chain(shape).copied().collect();
            tensors.push((
                name,
                Dtype::F32,
                shape,
                rows.iter().flat_map(of_row).collect(),
            ));
        }
        let container = |e: safetensors::SafeTensorError| TrainError::State(e.to_string());
        let mut named = Vec::new();
        for (name, dtype, shape, bytes) in &tensors {
            named.push((
                *name,
                TensorView::new(*dtype, shape.clone(), bytes).map_err(container)?,
            ));
        }
        Ok(Some(
            safetensors::serialize(named, None).map_err(container)?,
        ))
    }
}
