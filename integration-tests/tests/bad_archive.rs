//! What becomes of an archive that was damaged, put in a wrong place or given no room: a clear sentence that says what to do,
//! the exit code for it, nothing made worse, and everything there again when the bad thing is taken away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use integration_tests::{chance::Chance, home::Home, rounds, serve::Serve, users::is_root};

/// The code for data that cannot be used.
const DATA: i32 = 9;

/// A home with a conversation, a file and their words.
fn kept() -> Home {
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    home.command(["vol", "write", "-", "user/note.md", "-m", "kept"]).input("what was written").run().good();
    home
}

#[track_caller]
fn assert_all_there(home: &Home) {
    assert!(home.run(["history"]).good().contains("5 miles in km"));
    assert_eq!(home.run(["vol", "cat", "user/note.md"]).good(), "what was written");
}

#[test]
fn flipped_bytes_are_named_or_do_no_harm() {
    let home = kept();
    let data = home.space().join("data.mdb");
    let whole = fs::read(&data).unwrap();
    let page = 4096;
    // The pages that say what the file is and where it begins, and places all over it.
    let heads = [8, 10, 16, 20, 24, 28, 32, 100, 130, 136, 144];
    let mut places: Vec<usize> = heads.iter().flat_map(|at| [*at, page + at]).collect();
    places.extend((0..8).map(|number| 2 * page + (whole.len() - 2 * page) * number / 8 + 7));
    let certain = places.len();
    // What a page is, and where in it what it has begins and ends: another choice of them in each run.
    let mut chance = Chance::new();
    let pages = (whole.len() / page) as u64;
    let mut below = |end: u64| chance.below(end) as usize;
    places.extend((0..rounds(16)).map(|_| (2 + below(pages - 2)) * page + [0, 10, 12, 14, 17][below(5)]));
    let (mut named, mut unharmed) = (0, 0);
    for (number, at) in places.into_iter().enumerate() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&data, &damaged).unwrap();
        let outcome = home.run(["history"]);
        if outcome.code == 0 {
            unharmed += 1;
            // The engine has no checksums, so a page that has become another right one is seen by `lamos verify` alone.
            assert!(number >= certain || outcome.out.contains("5 miles in km"), "byte {at}: {outcome:?}");
        } else {
            named += 1;
            let said = outcome.bad(DATA);
            let advised = said.contains("put back a copy") || (said.contains("--rebuild") && said.contains("--repair-from"));
            assert!(said.contains("damaged") && advised, "byte {at}: {said}");
        }
        home.assert_empty();
        fs::write(&data, &whole).unwrap();
    }
    println!("{named} were named, {unharmed} did no harm");
    assert!(named > 0);
    assert_all_there(&home);
    home.assert_empty();
}

#[test]
fn a_file_that_ends_too_soon_is_named() {
    let home = kept();
    let data = home.space().join("data.mdb");
    let whole = fs::read(&data).unwrap();
    for length in [0, 1, 100, 4096, 4097, 8192, whole.len() / 2, whole.len() * 3 / 4] {
        fs::write(&data, &whole[..length]).unwrap();
        let said = home.run(["history"]).bad(DATA);
        assert!(said.contains("damaged") && said.contains("put back a copy"), "{length}: {said}");
        assert_eq!(fs::read(&data).unwrap(), whole[..length], "what is damaged is not made worse");
        home.assert_empty();
    }
    fs::write(&data, &whole).unwrap();
    assert_all_there(&home);
}

#[test]
fn an_archive_in_the_place_of_another_person_is_not_opened() {
    let home = Home::new();
    let as_anna =
        |words: &[&'static str]| home.command(words.iter().copied()).signed_in("anna", "one password\none password\n").run();
    as_anna(&["ask", "5 miles in km"]).good();
    let annas = home.space();
    home.run(["ask", "7 miles in km"]).good();
    let spaces: Vec<PathBuf> = fs::read_dir(home.data().join("spaces")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let demos = spaces.into_iter().find(|space| *space != annas).unwrap();
    let swap = || {
        let aside = home.data().join("aside");
        fs::rename(&annas, &aside).unwrap();
        fs::rename(&demos, &annas).unwrap();
        fs::rename(&aside, &demos).unwrap();
    };
    swap();
    for said in [home.run(["history"]).bad(DATA), as_anna(&["history"]).bad(DATA)] {
        assert!(said.contains("belongs to another space") && said.contains("put the directory back"), "{said}");
        assert!(!said.contains("miles"), "{said}");
    }
    home.assert_empty();
    swap();
    assert!(home.run(["history"]).good().contains("7 miles in km"));
    assert!(as_anna(&["history"]).good().contains("5 miles in km"));
    home.assert_empty();
}

#[test]
fn two_supervisors_do_not_have_one_archive() {
    let home = kept();
    // Another data directory that leads to the same archive, as a copied installation with a linked folder does.
    let other = Home::new();
    fs::create_dir_all(other.data()).unwrap();
    fs::copy(home.data().join("slots"), other.data().join("slots")).unwrap();
    symlink(home.data().join("spaces"), other.data().join("spaces")).unwrap();
    let serve = Serve::start(&home);
    home.run(["history"]).good();
    let said = other.run(["history"]).bad(DATA);
    assert!(said.contains("another process") && said.contains("end the other"), "{said}");
    home.run(["ask", "6 miles in km"]).good();
    home.run(["stop"]).good();
    drop(serve);
    home.assert_empty();
    // The first has gone, so the second may.
    assert!(other.run(["history"]).good().contains("6 miles in km"));
    other.assert_empty();
    assert_all_there(&home);
}

#[test]
fn a_folder_that_others_copy_is_warned_of_and_used() {
    let home = Home::new();
    for (folder, program) in
        [("OneDrive - Firma/lamos", "OneDrive"), ("Dropbox/deep/down", "Dropbox"), ("shared/lamos", "Syncthing")]
    {
        if program == "Syncthing" {
            fs::create_dir_all(home.path("shared/.stfolder")).unwrap();
        }
        let data = home.path(folder);
        let outcome = home.run(["--data-dir", data.to_str().unwrap(), "ask", "5 miles in km"]);
        assert!(outcome.err.contains(program) && outcome.err.contains("--data-dir"), "{outcome:?}");
        assert!(outcome.good().contains("8.0"));
        home.assert_empty();
    }
    let outcome = home.run(["ask", "5 miles in km"]);
    assert!(!outcome.err.contains("copied by"), "{outcome:?}");
}

/// A file system that is a program; with a number that says so, and nothing in it.
mod fuse {
    use std::{
        fs::File,
        io::{Read as _, Write as _},
        os::fd::AsRawFd as _,
        path::{Path, PathBuf},
        thread,
    };

    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

    const INIT: u32 = 26;
    const GETATTR: u32 = 3;
    const STATFS: u32 = 17;
    const LOOKUP: u32 = 1;

    /// Mounted, until it is dropped.
    pub(super) struct Mounted(PathBuf);

    impl Mounted {
        /// `None` where this may not be done.
        pub(super) fn at(folder: &Path) -> Option<Mounted> {
            let device = File::options().read(true).write(true).open("/dev/fuse").ok()?;
            let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
            let options = std::ffi::CString::new(options).unwrap();
            mount("test", folder, "fuse", MountFlags::NOSUID | MountFlags::NODEV, &*options).ok()?;
            thread::spawn(move || answer(device));
            Some(Mounted(folder.to_owned()))
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            // It goes with the machine otherwise.
            let _ = unmount(&self.0, UnmountFlags::DETACH);
        }
    }

    /// Answers what is needed to be there at all (linux/fuse.h).
    fn answer(mut device: File) {
        let mut request = vec![0; 1 << 17];
        while let Ok(length) = device.read(&mut request) {
            let number = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
            assert!(length >= 40);
            let mut body = match number(4) {
                // Version 7.31, and as much in one write as there must be.
                INIT => {
                    let mut body = vec![0; 64];
                    (body[0], body[4]) = (7, 31);
                    body[20..24].copy_from_slice(&4096_u32.to_le_bytes());
                    body
                }
                // Two seconds of nothing, then a directory that is the root.
                GETATTR => {
                    let mut body = vec![0; 104];
                    body[16] = 1;
                    body[76..80].copy_from_slice(&0o040_755_u32.to_le_bytes());
                    body[80] = 2;
                    body
                }
                STATFS => vec![0; 80],
                _ => Vec::new(),
            };
            let error: i32 = match number(4) {
                LOOKUP => -2,
                INIT | GETATTR | STATFS => 0,
                _ => -38,
            };
            let mut reply = (16 + body.len() as u32).to_le_bytes().to_vec();
            reply.extend(error.to_le_bytes());
            reply.extend_from_slice(&request[8..16]);
            reply.append(&mut body);
            // Who asked may have gone.
            let _ = device.write_all(&reply);
        }
    }
}

#[test]
fn a_folder_behind_a_network_or_a_program_is_refused() {
    let home = Home::new();
    let folder = home.path("far");
    fs::create_dir(&folder).unwrap();
    let Some(mounted) = is_root().then(|| fuse::Mounted::at(&folder)).flatten() else {
        eprintln!("not tried: no file system can be mounted here");
        return;
    };
    let data = folder.join("lamos");
    let words = ["--data-dir", data.to_str().unwrap(), "history"];
    let said = home.run(words).bad(DATA);
    assert!(said.contains("lies on FUSE") && said.contains("--data-dir") && said.contains("--allow-network-dir"), "{said}");
    // Who wants it all the same is let; here nothing can be written, which is another sentence.
    let said = home.run([&["--allow-network-dir"], &words[..]].concat()).bad(DATA);
    assert!(!said.contains("lies on"), "{said}");
    drop(mounted);
    home.assert_empty();
}

/// Runs a script where the data directory may only be read.
fn on_read_only(home: &Home, script: &str) -> Option<(i32, String)> {
    let script = format!(
        "mount --bind {data} {data} && mount -o remount,ro,bind {data} || exit 99\nexport LAMOS_DATA_DIR={data} HOME={home}\nlamos={lamos}\n{script}",
        data = home.data().display(),
        home = home.path("").display(),
        lamos = home.lamos().display(),
    );
    let flags = if is_root() { "-m" } else { "-rm" };
    let output = Command::new("unshare").args([flags, "sh", "-c", &script]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or(-1);
    if code == 99 || text.contains("unshare:") {
        eprintln!("not tried: no mount namespace can be made here: {text}");
        return None;
    }
    Some((code, text))
}

#[test]
fn a_folder_that_may_only_be_read_is_named() {
    let home = kept();
    let picture = |folder: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let before = picture(&home.space());
    let Some((code, text)) = on_read_only(&home, "$lamos ask '6 miles in km'") else { return };
    assert_eq!(code, DATA, "{text}");
    assert!(text.contains("ead-only") && text.contains(home.data().to_str().unwrap()), "{text}");
    assert_eq!(picture(&home.space()), before);
    home.assert_empty();
    assert_all_there(&home);
}

#[test]
fn paths_that_lead_out_are_refused_in_words() {
    let home = kept();
    let outside = home.file("outside", "secret");
    let before = fs::read(&outside).unwrap();
    for path in ["user/../../outside", "../outside", "/etc/passwd", "user/./a", "user//a", "user/..", "user"] {
        for words in [&["vol", "cat", path][..], &["vol", "rm", path]] {
            let outcome = home.run(words.iter().copied());
            assert!(outcome.code != 0 && !outcome.out.contains("secret") && !outcome.out.contains("root:"), "{outcome:?}");
            assert!(!outcome.err.trim().is_empty() && !outcome.err.contains("panicked"), "{outcome:?}");
        }
        let outcome = home.command(["vol", "write", "-", path, "-m", "x"]).input("overwritten").run();
        assert!(outcome.code != 0, "{path}: {outcome:?}");
    }
    assert_eq!(fs::read(&outside).unwrap(), before);
    assert_all_there(&home);
}
