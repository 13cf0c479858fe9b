//! What lies in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Every regular file below a folder, sorted. Sockets and links are none.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The same with what is in each. What is gone before it is read, as what is written beside its place is, was not there.
pub fn read_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => Some((path, read.unwrap())),
    };
    below(folder).into_iter().filter_map(read).collect()
}
