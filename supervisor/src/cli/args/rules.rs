//! `--instance-rules`: the file is read where it is named, so that what is wrong with it is said at once and with its line.

use std::{error::Error, fs::File, io::Read as _, path::PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Most bytes that are read of a file: one more than a table of rules may have.
const MOST: u64 = (64 << 10) + 1;

/// A table of rules that the window's cache can keep to, as the cache writes it.
#[derive(Clone, Debug)]
pub struct InstanceRules(pub String);

/// Reads the file that was named.
pub fn parser() -> impl TypedValueParser<Value = InstanceRules> {
    PathBufValueParser::new().try_map(read)
}

fn read(file: PathBuf) -> Result<InstanceRules, Box<dyn Error + Send + Sync>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
    Ok(InstanceRules(instance::read_rules(&text)?.to_string()))
}
