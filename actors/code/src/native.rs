//! The module `_lamos`: the few things a script's world has from ours. What it reaches is set once, by the one run of the
//! process.

use std::sync::{Mutex, OnceLock, PoisonError};

use ipc::messages::code::Output;
use tokio::sync::mpsc;

/// Text that goes out at once: a frame is not made for every print.
const TOGETHER: usize = 4 << 10;

/// What the one run of this process has.
pub(crate) struct World {
    out: Mutex<Out>,
    random: Mutex<u64>,
}

struct Out {
    pieces: mpsc::Sender<Output>,
    stdout: Stream,
    stderr: Stream,
}

/// One of the two streams.
#[derive(Default)]
struct Stream {
    waiting: String,
    written: usize,
    most: usize,
}

static WORLD: OnceLock<World> = OnceLock::new();

/// The script wrote more than it may.
pub(crate) struct TooMuch;

impl World {
    /// Sets the world of this process, once.
    pub(crate) fn set(pieces: mpsc::Sender<Output>, most: usize, seed: u64) {
        let stream = || Stream { most, ..Stream::default() };
        let out = Mutex::new(Out { pieces, stdout: stream(), stderr: stream() });
        // A process has one run, so there is nothing to set a second time.
        let _ = WORLD.set(World { out, random: Mutex::new(seed) });
    }

    /// Sends what waits.
    pub(crate) fn flush() {
        if let Some(world) = WORLD.get() {
            world.out.lock().unwrap_or_else(PoisonError::into_inner).flush();
        }
    }
}

impl Out {
    fn write(&mut self, error: bool, text: &str) -> Result<(), TooMuch> {
        let stream = if error { &mut self.stderr } else { &mut self.stdout };
        let room = stream.most.saturating_sub(stream.written);
        let end = (0..=text.len().min(room)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        stream.waiting.push_str(&text[..end]);
        stream.written += end;
        let (full, too_much) = (stream.waiting.len() >= TOGETHER, end < text.len());
        if full || too_much {
            self.flush();
        }
        if too_much { Err(TooMuch) } else { Ok(()) }
    }

    fn flush(&mut self) {
        for (stream, make) in [(&mut self.stdout, Output::Stdout as fn(String) -> Output), (&mut self.stderr, Output::Stderr)] {
            let mut text = std::mem::take(&mut stream.waiting);
            while !text.is_empty() {
                let end = (0..=text.len().min(PIECE)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
                let rest = text.split_off(end);
                // Who reads too slowly makes the script wait; who is gone makes its words go nowhere.
                let _ = self.pieces.blocking_send(make(text));
                text = rest;
            }
        }
    }
}

/// Bytes in one piece of output.
const PIECE: usize = 32 << 10;

/// The next 8 bytes of the run's randomness: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014). It must be the same in every run with the same seed, and is no secret.
fn next_random(state: &mut u64) -> [u8; 8] {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).to_le_bytes()
}

/// Most random bytes given at once.
const MAX_RANDOM: usize = 1 << 20;

#[rustpython_vm::pymodule(name = "_lamos")]
#[allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "written by the macro")]
pub(crate) mod lamos {
    use std::sync::PoisonError;

    use rustpython_vm::{PyResult, VirtualMachine, builtins::PyStrRef};

    use super::{MAX_RANDOM, WORLD, next_random};

    /// Writes to standard output (1) or standard error (2).
    #[pyfunction]
    fn write(number: u32, text: PyStrRef, vm: &VirtualMachine) -> PyResult<()> {
        let Some(world) = WORLD.get() else { return Ok(()) };
        let text = text.to_string_lossy();
        let result = world.out.lock().unwrap_or_else(PoisonError::into_inner).write(number == 2, &text);
        result.map_err(|_| {
            crate::watch::too_much_output();
            vm.new_runtime_error("the script wrote more than it may".to_owned())
        })
    }

    /// Bytes that look random and are the same for the same seed.
    #[pyfunction]
    fn urandom(length: usize, vm: &VirtualMachine) -> PyResult<Vec<u8>> {
        if length > MAX_RANDOM {
            return Err(vm.new_value_error(format!("at most {MAX_RANDOM} random bytes at once")));
        }
        let mut fallback = 0;
        let mut guard = WORLD.get().map(|world| world.random.lock().unwrap_or_else(PoisonError::into_inner));
        let state = guard.as_deref_mut().unwrap_or(&mut fallback);
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(next_random(state));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}
