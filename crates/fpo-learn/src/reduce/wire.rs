//! Parts as bytes, to the bit, in the same order of bytes on every machine.

use super::ReduceError;
use crate::rollout::{NonFinite, Quantity};
use fpo_env::StepEnd;

/// One of the parts that work is cut into, as it travels between ranks.
pub trait Part {
    /// Appends what the rank that computed the part has found. It changes nothing; with `&mut self`
    /// one list of what travels can serve both directions.
    fn write(&mut self, out: &mut Vec<u8>);

    /// Takes over what [`Part::write`] of an equal part appended.
    ///
    /// # Errors
    /// If the bytes are of another part.
    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError>;
}

/// Reads what was written, from front to back.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], ReduceError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReduceError> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(*head)
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// If there are fewer numbers.
    pub fn f32s(&mut self, out: &mut [f32]) -> Result<(), ReduceError> {
        let words = self.words(out.len())?;
        for (to, from) in out.iter_mut().zip(words) {
            *to = f32::from_le_bytes(*from);
        }
        Ok(())
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// If there are fewer numbers.
    pub fn f64s(&mut self, out: &mut [f64]) -> Result<(), ReduceError> {
        let words = self.words(out.len())?;
        for (to, from) in out.iter_mut().zip(words) {
            *to = f64::from_le_bytes(*from);
        }
        Ok(())
    }

    /// The next numbers.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn u64s<const N: usize>(&mut self) -> Result<[u64; N], ReduceError> {
        let mut out = [0; N];
        for (to, from) in out.iter_mut().zip(self.words(N)?) {
            *to = u64::from_le_bytes(*from);
        }
        Ok(out)
    }

    /// A length, and as many bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn sized(&mut self) -> Result<Reader<'a>, ReduceError> {
        let [length] = self.u64s()?;
        let length = usize::try_from(length).map_err(|_| short())?;
        Ok(Reader(self.bytes(length)?))
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Makes sure that nothing is left.
    ///
    /// # Errors
    /// If something is.
    pub fn finish(self) -> Result<(), ReduceError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ReduceError("a message has more than was expected".into()))
    }

    fn words<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], ReduceError> {
        let bytes = self.bytes(count.checked_mul(N).ok_or_else(short)?)?;
        Ok(bytes.as_chunks().0)
    }
}

fn short() -> ReduceError {
    ReduceError("a message is cut short".into())
}

/// Appends `numbers`.
pub fn put_f32s(out: &mut Vec<u8>, numbers: &[f32]) {
    put(out, numbers, |x| x.to_le_bytes());
}

/// Appends `numbers`.
pub fn put_f64s(out: &mut Vec<u8>, numbers: &[f64]) {
    put(out, numbers, |x| x.to_le_bytes());
}

/// Appends `numbers`.
pub fn put_u64s(out: &mut Vec<u8>, numbers: &[u64]) {
    put(out, numbers, |x| x.to_le_bytes());
}

/// Appends each number's bytes, as fast as memory is copied: gradients travel every minibatch.
fn put<T: Copy, const N: usize>(out: &mut Vec<u8>, numbers: &[T], bytes: impl Fn(T) -> [u8; N]) {
    let at = out.len();
    out.resize(at + N * numbers.len(), 0);
    let (words, _) = out[at..].as_chunks_mut();
    for (word, x) in words.iter_mut().zip(numbers) {
        *word = bytes(*x);
    }
}

/// How a step ended, as a byte.
pub(crate) fn end_code(end: StepEnd) -> u8 {
    match end {
        StepEnd::Running => 0,
        StepEnd::Terminated => 1,
        StepEnd::Truncated => 2,
        StepEnd::Diverged => 3,
    }
}

/// How a step ended, from its byte.
pub(crate) fn end_of_code(code: u8) -> Result<StepEnd, ReduceError> {
    Ok(match code {
        0 => StepEnd::Running,
        1 => StepEnd::Terminated,
        2 => StepEnd::Truncated,
        3 => StepEnd::Diverged,
        _ => return Err(ReduceError("a step ended in an unknown way".into())),
    })
}

/// The next bytes with their size in front, as text.
pub(crate) fn read_text<'a>(bytes: &mut Reader<'a>) -> Result<&'a str, ReduceError> {
    let text = str::from_utf8(bytes.sized()?.rest());
    text.map_err(|_| ReduceError("a name is not text".into()))
}

/// What a non-finite number was in, as a byte; 0 where there was none.
const QUANTITIES: [Quantity; 3] = [Quantity::Action, Quantity::Reward, Quantity::Observation];

/// Appends a fault, or that there was none.
pub(crate) fn write_fault(fault: Option<NonFinite>, out: &mut Vec<u8>) {
    let (code, env, step) = fault.map_or((0, 0, 0), |NonFinite { what, env, step }| {
        let at = QUANTITIES.iter().position(|q| *q == what);
        (at.map_or(0, |at| at + 1), env, step)
    });
    out.push(code as u8);
    out.extend(env.to_le_bytes());
    put_u64s(out, &[step]);
}

/// What [`write_fault`] appended.
pub(crate) fn read_fault(bytes: &mut Reader) -> Result<Option<NonFinite>, ReduceError> {
    let [code] = bytes.array()?;
    let env = u32::from_le_bytes(bytes.array()?);
    let [step] = bytes.u64s()?;
    let Some(k) = usize::from(code).checked_sub(1) else {
        return Ok(None);
    };
    let unknown = || ReduceError("a fault of an unknown kind".into());
    let what = *QUANTITIES.get(k).ok_or_else(unknown)?;
    Ok(Some(NonFinite { what, env, step }))
}

impl Part for Vec<u8> {
    fn write(&mut self, out: &mut Vec<u8>) {
        put_u64s(out, &[self.len() as u64]);
        out.extend_from_slice(self);
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        *self = bytes.sized()?.rest().to_vec();
        Ok(())
    }
}

/// Any number of numbers.
impl Part for Vec<f32> {
    fn write(&mut self, out: &mut Vec<u8>) {
        put_u64s(out, &[4 * self.len() as u64]);
        put_f32s(out, self);
    }

    fn read(&mut self, bytes: &mut Reader) -> Result<(), ReduceError> {
        let mut numbers = bytes.sized()?;
        self.resize(numbers.rest().len() / 4, 0.0);
        numbers.f32s(self)?;
        numbers.finish()
    }
}
