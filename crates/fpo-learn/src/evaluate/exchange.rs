//! What ranks exchange of an evaluation: how each group of episodes ended.

use super::{EpisodeResult, EvaluateError};
use crate::reduce::wire::{end_code, end_of_code, read_fault, read_text, write_fault};
use crate::reduce::{Part, Reader, ReduceError, put_f64s};
use fpo_env::{MakeError, StepError};

/// A group's episodes; none of one that was stopped.
pub(super) struct Group(pub(super) Result<Option<Vec<EpisodeResult>>, EvaluateError>);

/// One that another rank runs.
impl Default for Group {
    fn default() -> Self {
        Self(Ok(None))
    }
}

/// Codes of the outcomes.
const STOPPED: u8 = 0;
const FINISHED: u8 = 1;
const MAKE: u8 = 2;
const ACTING: u8 = 3;
const ENVIRONMENT: u8 = 4;
const ENDLESS: u8 = 5;

impl Part for Group {
    fn write(&mut self, out: &mut Vec<u8>) {
        match &self.0 {
            Ok(None) => out.push(STOPPED),
            Ok(Some(episodes)) => {
                out.push(FINISHED);
                out.extend((episodes.len() as u32).to_le_bytes());
                for episode in episodes {
                    put_f64s(out, &[episode.total_reward]);
                    out.extend(episode.length.to_le_bytes());
                    out.push(end_code(episode.end));
                }
            }
            Err(EvaluateError::Make(MakeError(why))) => {
                out.push(MAKE);
                why.as_bytes().to_vec().write(out);
            }
            Err(EvaluateError::Acting(fault)) => {
                out.push(ACTING);
                write_fault(Some(*fault), out);
            }
            Err(EvaluateError::Environment(StepError(why))) => {
                out.push(ENVIRONMENT);
                why.as_bytes().to_vec().write(out);
            }
            Err(EvaluateError::Endless { task, episode }) => {
                out.push(ENDLESS);
                out.extend(episode.to_le_bytes());
                task.as_bytes().to_vec().write(out);
            }
            // An evaluation's exchange is one of the ranks, and has not begun.
            Err(EvaluateError::Reduce(_)) => out.push(STOPPED),
        }
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        let unknown = || ReduceError("an evaluation ended in an unknown way".into());
        let [code] = bytes.array()?;
        self.0 = match code {
            STOPPED => Ok(None),
            FINISHED => {
                let count = u32::from_le_bytes(bytes.array()?);
                let episodes = (0..count).map(|_| read_episode(bytes));
                Ok(Some(episodes.collect::<Result<_, _>>()?))
            }
            MAKE => Err(MakeError(read_text(bytes)?.to_owned()).into()),
            ACTING => Err(EvaluateError::Acting(
                read_fault(bytes)?.ok_or_else(unknown)?,
            )),
            ENVIRONMENT => {
                let why = read_text(bytes)?.to_owned();
                Err(EvaluateError::Environment(StepError(why)))
            }
            ENDLESS => {
                let episode = u32::from_le_bytes(bytes.array()?);
                let task = read_text(bytes)?.to_owned();
                Err(EvaluateError::Endless { task, episode })
            }
            _ => return Err(unknown()),
        };
        Ok(())
    }
}

fn read_episode(bytes: &mut Reader) -> Result<EpisodeResult, ReduceError> {
    let total_reward = f64::from_le_bytes(bytes.array()?);
    let length = u32::from_le_bytes(bytes.array()?);
    let [end] = bytes.array()?;
    Ok(EpisodeResult {
        total_reward,
        length,
        end: end_of_code(end)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{NonFinite, Quantity};
    use fpo_env::StepEnd;

    #[test]
    fn groups_travel_whole() {
        let episode = EpisodeResult {
            total_reward: -0.1,
            length: 7,
            end: StepEnd::Truncated,
        };
        let fault = NonFinite {
            what: Quantity::Reward,
            env: 5,
            step: 1 << 40,
        };
        let outcomes = [
            Ok(None),
            Ok(Some(vec![])),
            Ok(Some(vec![episode; 3])),
            Err(MakeError("no model".into()).into()),
            Err(EvaluateError::Acting(fault)),
            Err(EvaluateError::Environment(StepError("gone".into()))),
            Err(EvaluateError::Endless {
                task: "walk".into(),
                episode: 3,
            }),
        ];
        for outcome in outcomes {
            let (mut bytes, mut read) = (Vec::new(), Group::default());
            Group(outcome.clone()).write(&mut bytes);
            let mut reader = Reader::new(&bytes);
            read.read(&mut reader).unwrap();
            reader.finish().unwrap();
            assert_eq!(read.0, outcome);
            for cut in 0..bytes.len() {
                assert!(
                    Group::default()
                        .read(&mut Reader::new(&bytes[..cut]))
                        .is_err()
                );
            }
        }
        assert!(Group::default().read(&mut Reader::new(&[9])).is_err());
    }
}
