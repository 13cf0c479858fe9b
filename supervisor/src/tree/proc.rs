//! What the kernel says of a process: its parent, its memory, the time it has used.

use std::fs;

use serde::{Deserialize, Serialize};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Its share: pages shared by n processes count 1/n. `None` where the kernel does not let us look.
    pub pss: Option<u64>,
}

/// The parent of a process; `None` if it is gone.
pub fn parent(pid: i32) -> Option<i32> {
    field(pid, 4)?.parse().ok()
}

/// Milliseconds of a processor that all threads of a process have used, in the kernel's steps of a clock tick.
pub fn cpu_ms(pid: i32) -> u64 {
    let ticks = |number| field(pid, number).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    (ticks(14) + ticks(15)) * 1000 / rustix::param::clock_ticks_per_second().max(1)
}

/// A field of `/proc/PID/stat`, numbered as in proc(5).
fn field(pid: i32, number: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from the last one.
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}

/// The memory of a process.
pub fn memory(pid: i32) -> Memory {
    let pss = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    let pages = fs::read_to_string(format!("/proc/{pid}/statm"))
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    Memory { rss: pages * rustix::param::page_size() as u64, pss: pss.map(|kib| kib << 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_what_the_kernel_says() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(parent(pid), rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get()));
        assert!(memory(pid).rss > 0);
        let before = cpu_ms(pid);
        let mut sum = 0u64;
        while cpu_ms(pid) < before + 20 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!((parent(i32::MAX), cpu_ms(i32::MAX), memory(i32::MAX).rss), (None, 0, 0));
    }
}
