//! Randomness: the operating system's, fetched in blocks.

use std::sync::Mutex;

use countersign_core::Time;
use countersign_core::ids::IdSource;
use zeroize::Zeroize as _;

/// Fills an array with random bytes of the operating system.
///
/// # Panics
/// If the operating system has none to give: nothing that follows could be trusted.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    #[cfg(feature = "simulation")]
    if seeded::fill(&mut bytes) {
        return bytes;
    }
    #[expect(clippy::expect_used, reason = "without randomness no key, salt or id can be trusted")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Bytes that a seed decides, on the thread that set it.
#[cfg(feature = "simulation")]
pub mod seeded {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From now on this thread's random bytes follow from `seed`; `None` = they are random again.
    pub fn set(seed: Option<u64>) {
        STATE.set(seed);
    }

    /// `SplitMix64`, as Java's `SplittableRandom` has it.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        let Some(mut state) = STATE.get() else { return false };
        for chunk in bytes.chunks_mut(8) {
            let word = next(&mut state).to_be_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        STATE.set(Some(state));
        true
    }
}

/// 32-byte salts from blocks of randomness: a call to the system for each would cost more than hashing with it.
#[derive(Default)]
pub struct Salts {
    block: Mutex<Vec<u8>>,
}

impl Salts {
    /// The next salt.
    pub fn next(&self) -> [u8; 32] {
        let mut block = crate::lock(&self.block);
        if block.len() < 32 {
            block.zeroize();
            block.extend_from_slice(&bytes::<4096>());
        }
        let mut salt = [0_u8; 32];
        let from = block.len() - 32;
        salt.copy_from_slice(&block[from..]);
        block.truncate(from);
        salt
    }
}

/// UUIDv7 (RFC 9562): 48 bits of milliseconds, then randomness with a counter that keeps ids of one thread in order.
#[derive(Default)]
pub struct Uuid7 {
    salts: Salts,
    last_ms: u64,
    counter: u16,
}

impl IdSource for Uuid7 {
    fn next(&mut self, now: Time) -> u128 {
        let ms = u64::try_from(now.0 / 1000).unwrap_or_default().max(self.last_ms);
        if ms > self.last_ms {
            (self.last_ms, self.counter) = (ms, 0);
        } else if self.counter == 0xFFF {
            (self.last_ms, self.counter) = (ms + 1, 0);
        } else {
            self.counter += 1;
        }
        let salt = self.salts.next();
        let mut low = [0_u8; 8];
        low.copy_from_slice(&salt[..8]);
        let random = u64::from_be_bytes(low) & 0x3FFF_FFFF_FFFF_FFFF;
        (u128::from(self.last_ms & 0xFFFF_FFFF_FFFF) << 80)
            | (0x7_u128 << 76)
            | (u128::from(self.counter) << 64)
            | (0x2_u128 << 62)
            | u128::from(random)
    }
}
