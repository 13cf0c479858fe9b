//! What a derivation costs in a new installation: as much as a person waits for without minding. Whoever has a copy of the
//! file pays the same for each guess.

#![expect(unsafe_code, reason = "the processor time of a thread is asked from the C library")]

use std::time::Duration;

use crate::{
    derive::{Cost, root},
    slots::SlotsError,
};

/// Of processor time: between 0.7 and 1 s, as larger memory is somewhat slower for its size.
const AIM: Duration = Duration::from_millis(750);

/// Memory is chosen in steps of this many KiB.
const STEP: u32 = 32 << 10;

/// The most memory, in KiB: within what the process may have, with room for the rest of it.
const MOST: u32 = 1 << 20;

/// The most passes: where memory is what is short, time makes up for it, to a degree.
const MOST_PASSES: u32 = 12;

/// Measures one derivation at the floor and reckons from it, for a machine with so many bytes of memory. Processor time and
/// not the clock: what else the machine does at this moment does not make guessing cheaper for ever.
pub(crate) fn calibrate(memory: u64) -> Result<Cost, SlotsError> {
    let failed = |_| SlotsError::Io(std::io::Error::other("a derivation failed"));
    // The first one also pays for what is loaded for it; the second counts if it is quicker.
    let mut floor = Duration::MAX;
    for _ in 0..2 {
        let before = thread_time();
        root("calibration", "calibration", &[0; 32], Cost::FLOOR).map_err(failed)?;
        floor = floor.min(thread_time().saturating_sub(before));
    }
    Ok(choose(floor, memory))
}

/// Memory first, and then passes, from what the floor took.
fn choose(floor: Duration, memory: u64) -> Cost {
    let times = AIM.as_secs_f64() / floor.as_secs_f64().max(0.001);
    let eighth = u32::try_from(memory / 8 / 1024).unwrap_or(u32::MAX);
    let most = MOST.min(eighth).max(Cost::FLOOR.memory);
    let wanted = (f64::from(Cost::FLOOR.memory) * times).min(f64::from(most)) as u32;
    let memory = (wanted / STEP * STEP).max(Cost::FLOOR.memory);
    // What memory cannot take any more.
    let left = times * f64::from(Cost::FLOOR.memory) / f64::from(memory);
    let passes = (f64::from(Cost::FLOOR.passes) * left) as u32;
    Cost { memory, passes: passes.clamp(Cost::FLOOR.passes, MOST_PASSES), lanes: Cost::FLOOR.lanes }
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call, which fills it.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed { Duration::ZERO } else { Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn memory_comes_first_and_then_passes() {
        let millis = Duration::from_millis;
        let chosen = |floor, memory| {
            let cost = choose(millis(floor), memory);
            assert!(cost.is_sane(), "{cost:?}");
            (cost.memory >> 10, cost.passes)
        };
        assert_eq!(chosen(168, 24 * GIB), (256, 3), "the machine this was measured on");
        assert_eq!(chosen(168, GIB), (128, 6), "a small machine gives an eighth of its memory");
        assert_eq!(chosen(20, 64 * GIB), (1024, 7), "a very quick one");
        assert_eq!(chosen(5000, 64 * GIB), (64, 3), "a slow one has the floor");
        assert_eq!(chosen(168, GIB / 4), (64, 12), "and so has one without memory, for longer");
        assert_eq!(chosen(0, 0), (64, 12));
    }

    #[test]
    fn what_is_measured_is_never_below_the_floor() {
        let cost = calibrate(8 * GIB).expect("measured");
        assert!(cost.is_sane() && cost.memory <= 1 << 20, "{cost:?}");
    }
}
