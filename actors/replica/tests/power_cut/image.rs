//! What is on a disk after the power went: what was synced, and of the rest whatever the disk got to.
//!
//! The rest is taken as unkindly as disks are: any sector has what was synced or any later content, whole writes are there
//! or not there in any combination, a file may have grown without having got what it grew for or may not have grown yet.
//! Names come and go in order, as in the journals of file systems.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{chance::Chance, record::Op};

const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// How what was not synced falls apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tearing {
    /// A call's bytes are there, or none of them.
    Writes,
    /// Pages of 4,096 bytes are each for themselves.
    Pages,
    /// Sectors of 512 bytes are each for themselves.
    Sectors,
}

/// Files by name.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// A file between memory and disk.
#[derive(Default)]
struct File<'o> {
    durable: Vec<u8>,
    /// What was not synced, by the number of the operation: where, and what.
    writes: BTreeMap<usize, (usize, &'o [u8])>,
    /// Sectors that are not on disk as they are in memory, with the writes that touched them.
    dirty: BTreeMap<usize, BTreeSet<usize>>,
    /// Lengths that are not on disk, by the number of the operation.
    lengths: BTreeMap<usize, usize>,
    length: usize,
    durable_length: usize,
}

impl<'o> File<'o> {
    fn grow(&mut self, op: usize, length: usize) {
        if length > self.length {
            self.length = length;
            self.lengths.insert(op, length);
        }
    }

    fn write(&mut self, op: usize, offset: usize, bytes: &'o [u8]) {
        self.writes.insert(op, (offset, bytes));
        for sector in sectors(offset, bytes.len()) {
            self.dirty.entry(sector).or_default().insert(op);
        }
        self.grow(op, offset + bytes.len());
    }

    /// Puts what a write has for a sector into `target`.
    fn put(&self, op: usize, sector: usize, target: &mut Vec<u8>) {
        let (offset, bytes) = self.writes[&op];
        let from = offset.max(sector * SECTOR);
        let to = (offset + bytes.len()).min((sector + 1) * SECTOR);
        if target.len() < to {
            target.resize(to, 0);
        }
        target[from..to].copy_from_slice(&bytes[from - offset..to - offset]);
    }

    /// These sectors are on disk as they were before the operation.
    fn settle(&mut self, which: &[usize], before: usize) {
        let mut durable = std::mem::take(&mut self.durable);
        for sector in which {
            let Some(mut ops) = self.dirty.remove(sector) else { continue };
            let later = ops.split_off(&before);
            ops.iter().for_each(|op| self.put(*op, *sector, &mut durable));
            if !later.is_empty() {
                self.dirty.insert(*sector, later);
            }
        }
        self.durable = durable;
    }

    fn sync(&mut self, before: usize) {
        let all: Vec<usize> = self.dirty.keys().copied().collect();
        self.settle(&all, before);
        self.writes = self.writes.split_off(&before);
        let later = self.lengths.split_off(&before);
        self.durable_length = self.lengths.values().copied().fold(self.durable_length, usize::max);
        self.lengths = later;
    }

    /// What the disk has of it.
    fn fall(&self, tearing: Tearing, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        // How likely it is that something got there differs from one cut to the next.
        let odds = 1 + chance.below(7);
        let whole: BTreeSet<usize> = self.writes.keys().copied().filter(|_| chance.below(8) < odds).collect();
        let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
        for (sector, ops) in &self.dirty {
            let unit = match tearing {
                Tearing::Pages => sector * SECTOR / PAGE,
                _ => *sector,
            };
            let newest = *newest.entry(unit).or_insert_with(|| match chance.below(8) < odds {
                // Any version that it had in memory may be the one that was being written.
                true => ops.iter().copied().nth(chance.below(ops.len() as u64) as usize).unwrap_or(0),
                false => 0,
            });
            for op in ops {
                let survives = match tearing {
                    Tearing::Writes => whole.contains(op),
                    Tearing::Pages | Tearing::Sectors => newest != 0 && *op <= newest,
                };
                if survives {
                    self.put(*op, *sector, &mut bytes);
                }
            }
        }
        let grown = chance.below(self.lengths.len() as u64 + 1) as usize;
        let length = self.lengths.values().copied().take(grown).fold(self.durable_length, usize::max);
        bytes.resize(length, 0);
        bytes
    }
}

fn sectors(offset: usize, length: usize) -> std::ops::Range<usize> {
    offset / SECTOR..(offset + length).div_ceil(SECTOR)
}

/// What is there when the power goes after `cut` operations. The sync or written-through write `lie` was answered and not
/// done.
pub(crate) fn after_cut(ops: &[Op], cut: usize, lie: Option<usize>, tearing: Tearing, chance: &mut Chance) -> Image {
    let mut files: BTreeMap<usize, File<'_>> = BTreeMap::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut renames: Vec<(usize, &Op)> = Vec::new();
    for (index, op) in ops[..cut].iter().enumerate() {
        let lied = lie == Some(index);
        match op {
            Op::Create { file, .. } => {
                files.insert(*file, File::default());
                renames.push((index, op));
            }
            Op::Rename { .. } | Op::Remove { .. } | Op::Directory { .. } => renames.push((index, op)),
            Op::Write { file, offset, bytes, through } => {
                let file = files.get_mut(file).unwrap();
                file.write(index, *offset, bytes);
                if *through && !lied {
                    let touched: Vec<usize> = sectors(*offset, bytes.len()).collect();
                    file.settle(&touched, index + 1);
                    file.durable_length = file.durable_length.max(offset + bytes.len());
                }
            }
            Op::Length { file, length } => {
                let file = files.get_mut(file).unwrap();
                assert!(*length >= file.length, "a file that shrinks is not thought of here");
                file.grow(index, *length);
            }
            Op::Sync { file, before } if !lied => files.get_mut(file).unwrap().sync(*before),
            Op::SyncNames { before, of } if !lied => renames.retain(|(index, op)| {
                let settled = index < before && directory_of(op) == of;
                if settled {
                    rename(&mut names, op);
                }
                !settled
            }),
            Op::Sync { .. } | Op::SyncNames { .. } | Op::Acknowledged => {}
        }
    }
    let reached = chance.below(renames.len() as u64 + 1) as usize;
    renames[..reached].iter().for_each(|(_, op)| rename(&mut names, op));
    there(names).map(|(name, file)| (name, files[&file].fall(tearing, chance))).collect()
}

/// The files whose directory is there too.
fn there(names: BTreeMap<String, usize>) -> impl Iterator<Item = (String, usize)> {
    let directories: BTreeSet<String> = names.keys().filter(|name| name.ends_with('/')).cloned().collect();
    names.into_iter().filter(move |(name, _)| {
        let directory = directory_of_name(name);
        !name.ends_with('/') && (directory.is_empty() || directories.contains(directory))
    })
}

/// The directory whose names an operation changes.
fn directory_of(op: &Op) -> &str {
    match op {
        Op::Create { name, .. } | Op::Remove { name } | Op::Rename { to: name, .. } => directory_of_name(name),
        _ => "",
    }
}

fn directory_of_name(name: &str) -> &str {
    name.rfind('/').map_or("", |end| &name[..=end])
}

/// What is there when nothing was lost.
pub(crate) fn complete(ops: &[Op]) -> Image {
    let mut files: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for op in ops {
        match op {
            Op::Write { file, offset, bytes, .. } => {
                let target = files.entry(*file).or_default();
                target.resize(target.len().max(offset + bytes.len()), 0);
                target[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Op::Length { file, length } => files.entry(*file).or_default().resize(*length, 0),
            other => rename(&mut names, other),
        }
    }
    there(names).map(|(name, file)| (name, files.remove(&file).unwrap_or_default())).collect()
}

fn rename(names: &mut BTreeMap<String, usize>, op: &Op) {
    match op {
        Op::Create { file, name } => {
            names.insert(name.clone(), *file);
        }
        Op::Rename { from, to } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Op::Remove { name } => {
            names.remove(name);
        }
        // A directory has no content but the names in it.
        Op::Directory { name } => {
            names.insert(name.clone(), usize::MAX);
        }
        _ => {}
    }
}

/// Puts the files into an empty directory.
pub(crate) fn lay_out(image: &Image, directory: &Path) {
    for (name, bytes) in image {
        fs::create_dir_all(directory.join(name).parent().unwrap()).unwrap();
        fs::write(directory.join(name), bytes).unwrap();
    }
}
