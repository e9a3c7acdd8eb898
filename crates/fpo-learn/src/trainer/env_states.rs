//! The states of all environments in a training state.

use crate::reduce::{Part, Reader, ReduceError};
use crate::rollout::RolloutWorker;
use fpo_env::{NoState, Resumed, StateError};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// The tensor of the states, one after the other, and that of their sizes in bytes.
pub(super) const TENSORS: [&str; 2] = ["environments", "environment_sizes"];

/// The size of what an environment that gives no state gives. No state is this large.
const NO_STATE: u64 = u64::MAX;

/// The states of all environments, one after the other.
#[derive(Default)]
pub(super) struct EnvStates {
    bytes: Vec<u8>,
    /// Size of each in bytes, u64.
    sizes: Vec<u8>,
}

impl EnvStates {
    /// The states of a worker's environments.
    pub(super) fn of(worker: &RolloutWorker) -> Self {
        let mut states = Self::default();
        for i in 0..worker.envs.len() {
            let before = states.bytes.len();
            let size = match worker.envs.save_state(i, &mut states.bytes) {
                Ok(()) => (states.bytes.len() - before) as u64,
                Err(NoState) => {
                    states.bytes.truncate(before);
                    NO_STATE
                }
            };
            states.sizes.extend(size.to_le_bytes());
        }
        states
    }

    /// The states of several groups in one.
    pub(super) fn concat(groups: &[Self]) -> Self {
        let all = |of: fn(&Self) -> &[u8]| groups.iter().flat_map(of).copied().collect();
        Self {
            bytes: all(|group| &group.bytes),
            sizes: all(|group| &group.sizes),
        }
    }

    /// Name, type, length and bytes of the tensors.
    pub(super) fn tensors(&self) -> [(&'static str, Dtype, usize, &[u8]); 2] {
        let [bytes, sizes] = TENSORS;
        [
            (bytes, Dtype::U8, self.bytes.len(), &self.bytes),
            (sizes, Dtype::U64, self.sizes.len() / 8, &self.sizes),
        ]
    }
}

impl Part for EnvStates {
    fn write(&mut self, out: &mut Vec<u8>) {
        self.bytes.write(out);
        self.sizes.write(out);
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        self.bytes.read(bytes)?;
        self.sizes.read(bytes)
    }
}

/// The state of each environment in `file`; none of one that gave none.
///
/// # Errors
/// If the tensors are no such states.
pub(super) fn read<'a>(file: &SafeTensors<'a>) -> Result<Vec<Option<&'a [u8]>>, StateError> {
    let tensor = |name| file.tensor(name).map_err(|e| StateError(e.to_string()));
    let [bytes, sizes] = TENSORS;
    let (mut bytes, sizes) = (tensor(bytes)?.data(), tensor(sizes)?);
    let wrong = || StateError("the sizes of environments' states are not those".into());
    if sizes.dtype() != Dtype::U64 {
        return Err(wrong());
    }
    let sizes = sizes.data().as_chunks().0.iter();
    let states = sizes.map(|size| match u64::from_le_bytes(*size) {
        NO_STATE => Ok(None),
        size => {
            let size = usize::try_from(size).map_err(|_| wrong())?;
            Ok(Some(bytes.split_off(..size).ok_or_else(wrong)?))
        }
    });
    let states = states.collect::<Result<Vec<_>, _>>()?;
    if bytes.is_empty() {
        Ok(states)
    } else {
        Err(wrong())
    }
}

/// Restores the workers' environments from `states`, or begins new episodes where a batch gave
/// none, in training that is resumed after `steps` steps of each. Returns the number of those that
/// begin anew.
///
/// # Errors
/// If one is not a state of its environment.
pub(super) fn load(
    workers: &mut [RolloutWorker],
    states: &[Option<&[u8]>],
    steps: u64,
) -> Result<usize, StateError> {
    let (mut anew, mut rest) = (0, states);
    for worker in workers {
        let (states, others) = rest.split_at(worker.envs.len());
        rest = others;
        // A batch gives all of its states or none.
        let Some(states) = states.iter().copied().collect::<Option<Vec<_>>>() else {
            worker.envs.restart(steps);
            anew += states.len();
            continue;
        };
        for (i, state) in states.into_iter().enumerate() {
            anew += usize::from(worker.envs.load_state(i, state)? == Resumed::NewEpisode);
        }
    }
    Ok(anew)
}
