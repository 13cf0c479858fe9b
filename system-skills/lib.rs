//! The skills that ship, embedded once: the agent reads them as skills, the archive gives them out as the volume `system`.
//!
//! Bytes and names alone: what a skill is, who may read it and under which name it is found is decided by who asks.

use std::{collections::BTreeMap, sync::OnceLock};

use include_dir::{Dir, include_dir};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR");

/// Every file of every skill by its path, as in `plan/SKILL.md`. What lies beside the folders is no skill's.
pub fn files() -> &'static BTreeMap<&'static str, &'static [u8]> {
    static FILES: OnceLock<BTreeMap<&'static str, &'static [u8]>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = BTreeMap::new();
        SHIPPED.dirs().for_each(|folder| collect(folder, &mut files));
        files
    })
}

fn collect(folder: &'static Dir<'static>, files: &mut BTreeMap<&'static str, &'static [u8]>) {
    // The names are those of this repository, so they are text.
    files.extend(folder.files().filter_map(|file| Some((file.path().to_str()?, file.contents()))));
    folder.dirs().for_each(|folder| collect(folder, files));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_skill_is_there_and_nothing_else() {
        let files = files();
        let skills = files.keys().filter(|path| path.ends_with("/SKILL.md")).count();
        assert!(skills >= 10, "{skills}");
        assert!(files.contains_key("loan-plan/SKILL.md") && files.contains_key("loan-plan/scripts/main.py"));
        let others: Vec<_> = files.keys().filter(|path| path.ends_with(".rs") || path.ends_with("Cargo.toml")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}
