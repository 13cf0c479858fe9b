//! Writing the flight recorder. The file is mapped into memory, so that a record costs 64 bytes of copying and no system
//! call, and what was written is there whatever becomes of this process: the kernel holds the pages.
//!
//! **Architecture Invariant:** only what the hub notes of headers comes here (`hub/passed.rs`), and which processes came
//! up and ended. A recorder that cannot be made is none: nothing else depends on it.

use std::{
    fs::{File, OpenOptions, rename},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    slice,
    time::{SystemTime, UNIX_EPOCH},
};

use ipc::{Instance, Role, id::TraceId, refusal::Death};
use rustix::{
    fs::{FallocateFlags, fallocate},
    mm::{MapFlags, ProtFlags, mmap},
};

use crate::{
    flight::{self, FILE, Record, What},
    hub::{Passed, Place, SUPERVISOR},
    places::Places,
};

/// Writes records.
pub struct Recorder {
    map: &'static mut [u8],
    last: u64,
}

impl Recorder {
    /// Begins a file in the state directory. The one before is kept beside it.
    pub fn begin(places: &Places) -> io::Result<Recorder> {
        let [now, before] = places.flights();
        match rename(&now, &before) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = Recorder::make(&now);
        if made.is_err() {
            // Half a file would be taken for a recorder. There may be none.
            let _ = std::fs::remove_file(&now);
        }
        made
    }

    fn make(path: &Path) -> io::Result<Recorder> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        // Every page has its place on the disk before it is written: one that had none would end this process (SIGBUS) when
        // the disk is full.
        fallocate(&file, FallocateFlags::empty(), 0, FILE as u64)?;
        let map = map(&file)?;
        map[..flight::RECORD].copy_from_slice(&flight::head(micros(), std::process::id()));
        Ok(Recorder { map, last: 0 })
    }

    /// A frame has passed the hub.
    pub fn passed(&mut self, passed: &Passed) {
        self.write(Record {
            number: 0,
            micros: 0,
            what: What::Frame(passed.kind),
            from: passed.from,
            to: passed.to,
            call: passed.call.0,
            trace: passed.trace,
            length: passed.length,
            streamed: passed.streamed,
            method: passed.method,
            outcome: passed.outcome,
        });
    }

    /// A process is ready.
    pub fn ready(&mut self, place: Place, pid: i32) {
        self.process(What::Ready, place, pid, 0);
    }

    /// A process has ended.
    pub fn ended(&mut self, place: Place, pid: i32, death: Death) {
        let signal = death.signal.map(|signal| 256 + signal);
        let how = signal.or(death.exit).and_then(|how| u16::try_from(how).ok()).unwrap_or(0);
        self.process(What::Ended, place, pid, how);
    }

    fn process(&mut self, what: What, place: (Role, Instance), pid: i32, outcome: u16) {
        self.write(Record {
            number: 0,
            micros: 0,
            what,
            from: place,
            to: SUPERVISOR,
            call: u64::try_from(pid).unwrap_or(0),
            trace: TraceId::default(),
            length: 0,
            streamed: 0,
            method: 0,
            outcome,
        });
    }

    /// Numbers a record, says when, and writes it over the oldest.
    fn write(&mut self, record: Record) {
        self.last += 1;
        let record = Record { number: self.last, micros: micros(), ..record };
        let at = flight::place(self.last);
        if let Some(slot) = self.map.get_mut(at..at + flight::RECORD) {
            slot.copy_from_slice(&record.encode());
        }
    }
}

/// Maps the whole file, for as long as this process lives.
fn map(file: &File) -> io::Result<&'static mut [u8]> {
    // SAFETY: the kernel chooses the place, so nothing is mapped over. The mapping has FILE bytes, which the file has too
    // (fallocate succeeded), is never unmapped, and is made once for each file, so that this is the only reference to it.
    // The file lies in a directory that only this person can enter; other processes of ours read it through the file
    // system and never map it, and every pattern of bits is a byte.
    #[expect(unsafe_code, reason = "memory that outlives a crash is a mapped file, and rustix maps as the kernel does")]
    unsafe {
        let start = mmap(std::ptr::null_mut(), FILE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)?;
        Ok(slice::from_raw_parts_mut(start.cast::<u8>(), FILE))
    }
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use ipc::header::Kind;

    use super::*;

    #[test]
    fn what_is_written_is_in_the_file_and_the_file_before_is_kept() {
        let directory = std::env::temp_dir().join(format!("lamos-flight-{}", std::process::id()));
        let places = Places::find(Some(directory.clone())).expect("a place");
        places.make().expect("directories");
        let mut recorder = Recorder::begin(&places).expect("a recorder");
        recorder.ready((Role::Llm, Instance(1)), 77);
        let passed = Passed {
            kind: Kind::Call,
            from: (Role::Cli, Instance(2)),
            to: (Role::Llm, Instance(1)),
            method: 2,
            call: ipc::id::CallId(9),
            trace: TraceId([3; 16]),
            length: 12,
            streamed: 0,
            outcome: 0,
        };
        for _ in 0..flight::RECORDS {
            recorder.passed(&passed);
        }
        recorder.ended((Role::Llm, Instance(1)), 77, Death { generation: 1, exit: None, signal: Some(9) });
        let [now, before] = places.flights();
        // The mapping stands; the file says the same.
        let records = flight::read(&now).expect("records");
        assert_eq!(records.len(), flight::RECORDS as usize);
        assert_eq!((records[0].number, records[0].call, records[0].trace), (3, 9, TraceId([3; 16])));
        let last = records.last().expect("one");
        assert_eq!((last.what, last.call, last.outcome), (What::Ended, 77, 256 + 9));
        assert_eq!(now.metadata().expect("a file").permissions().mode() & 0o777, 0o600);

        let _next = Recorder::begin(&places).expect("another");
        assert_eq!(flight::read(&before).expect("the one before"), records);
        assert_eq!(flight::read(&now).expect("the new one"), []);
        std::fs::write(&now, b"nonsense").expect("a file");
        assert!(flight::read(&now).is_err());
        let _ = std::fs::remove_dir_all(directory);
    }
}
