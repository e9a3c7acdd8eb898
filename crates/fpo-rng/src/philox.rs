//! Philox4x32-10, for one block or sixteen blocks at a time.

use crate::Key;
use std::convert::Infallible;

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Blocks computed together by [`blocks`]; a multiple of every SIMD width in use.
pub(crate) const LANES: usize = 16;

/// Philox4x32-10 of `LANES` consecutive counters `first_block + lane`; `[word][lane]`.
#[inline(always)]
pub(crate) fn blocks(key: [u32; 2], counter: [u32; 3], first_block: u32) -> [[u32; LANES]; 4] {
    let mut c = [
        [0u32; LANES],
        [counter[0]; LANES],
        [counter[1]; LANES],
        [counter[2]; LANES],
    ];
    for lane in 0..LANES {
        c[0][lane] = first_block.wrapping_add(lane as u32);
    }
    let mut k = key;
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let product0 = u64::from(MULTIPLIER[0]) * u64::from(c[0][lane]);
            let product1 = u64::from(MULTIPLIER[1]) * u64::from(c[2][lane]);
            let next0 = (product1 >> 32) as u32 ^ c[1][lane] ^ k[0];
            let next2 = (product0 >> 32) as u32 ^ c[3][lane] ^ k[1];
            c[0][lane] = next0;
            c[1][lane] = product1 as u32;
            c[2][lane] = next2;
            c[3][lane] = product0 as u32;
        }
        k[0] = k[0].wrapping_add(WEYL[0]);
        k[1] = k[1].wrapping_add(WEYL[1]);
    }
    c
}

fn block(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let mut k = key;
    for _ in 0..ROUNDS {
        let product0 = u64::from(MULTIPLIER[0]) * u64::from(c0);
        let product1 = u64::from(MULTIPLIER[1]) * u64::from(c2);
        c0 = (product1 >> 32) as u32 ^ c1 ^ k[0];
        c1 = product1 as u32;
        c2 = (product0 >> 32) as u32 ^ c3 ^ k[1];
        c3 = product0 as u32;
        k[0] = k[0].wrapping_add(WEYL[0]);
        k[1] = k[1].wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3]
}

/// The numbers at one [`Key`], in order, as a generator for the `rand` crates.
///
/// ```
/// use fpo_rng::{Key, Philox, Stream};
/// use rand::RngExt;
///
/// let key = Key::new(7, Stream::Reset).index(3).step(12);
/// let x: f64 = Philox::new(key).random_range(-1.0..1.0);
/// let y: f64 = Philox::new(key).random_range(-1.0..1.0);
/// assert_eq!(x, y);
/// ```
#[derive(Clone, Debug)]
pub struct Philox {
    key: [u32; 2],
    counter: [u32; 3],
    next_block: u32,
    words: [u32; 4],
    used: usize,
}

impl Philox {
    /// The generator of the numbers at `key`, at its start.
    pub fn new(key: Key) -> Self {
        let (key, counter) = key.words();
        Self {
            key,
            counter,
            next_block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            let [c1, c2, c3] = self.counter;
            self.words = block(self.key, [self.next_block, c1, c2, c3]);
            self.next_block = self.next_block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

impl rand_core::TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.word());
        Ok(low | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors that come with the authors' Random123 library.
    #[test]
    fn known_answers() {
        assert_eq!(
            block([0; 2], [0; 4]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            block([!0; 2], [!0; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            block(
                [0xa409_3822, 0x299f_31d0],
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn many_blocks_equal_one_by_one() {
        let (key, counter) = ([3, 9], [5, 6, 7]);
        let many = blocks(key, counter, u32::MAX - 3);
        for lane in 0..LANES {
            let first = (u32::MAX - 3).wrapping_add(lane as u32);
            let one = block(key, [first, counter[0], counter[1], counter[2]]);
            assert_eq!(
                one,
                [many[0][lane], many[1][lane], many[2][lane], many[3][lane]]
            );
        }
    }
}
