//! Random choices that can be had again: the seed is printed, and `LIAISON_SEED` sets it.

use std::env;
use std::ops::Range;
use std::time::Duration;

/// Environment variable with the seed of a run that is to be repeated.
pub const SEED_VARIABLE: &str = "LIAISON_SEED";

/// Environment variable with the number of rounds of a torture; tests have a small default.
pub const ROUNDS_VARIABLE: &str = "LIAISON_TORTURE_ROUNDS";
/// Environment variable with the number of messages.
pub const MESSAGES_VARIABLE: &str = "LIAISON_TORTURE_MESSAGES";

/// A sequence of choices, the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// From `LIAISON_SEED`, else from the clock. Prints the seed, which a failing test shows.
    ///
    /// # Panics
    /// If `LIAISON_SEED` is no number.
    pub fn from_env() -> Chance {
        let clock = || jiff::Timestamp::now().as_nanosecond().unsigned_abs() as u64;
        let seed = number_from_env(SEED_VARIABLE).unwrap_or_else(clock);
        eprintln!("{SEED_VARIABLE}={seed}");
        Chance::seeded(seed)
    }

    /// From a fixed seed.
    pub fn seeded(seed: u64) -> Chance {
        Chance { state: seed }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in the range, which must not be empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.draw() % (range.end - range.start)
    }

    /// A span of so many milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }
}

/// Rounds of a torture: `LIAISON_TORTURE_ROUNDS`, else `usual`.
///
/// # Panics
/// If the variable is no number.
pub fn rounds(usual: u64) -> u64 {
    number_from_env(ROUNDS_VARIABLE).unwrap_or(usual)
}

/// Messages of a torture: `LIAISON_TORTURE_MESSAGES`, else `usual`.
///
/// # Panics
/// If the variable is no number.
pub fn messages(usual: u64) -> u64 {
    number_from_env(MESSAGES_VARIABLE).unwrap_or(usual)
}

/// Whether the folders of firms and servers stay when a test ends, to be looked into:
/// `LIAISON_KEEP=1`.
#[must_use]
pub fn keeps_files() -> bool {
    env::var_os("LIAISON_KEEP").is_some()
}

fn number_from_env(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value:?} is no number")),
    )
}
