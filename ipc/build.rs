//! Computes the schema hash from the definitions of the message types, so that two processes whose messages differ in
//! a single field refuse each other at Hello.

include!("src/schema_hash.rs");

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let messages = Path::new("src/messages");
    println!("cargo::rerun-if-changed={}", messages.display());
    println!("cargo::rerun-if-changed=src/schema_hash.rs");
    let mut files: Vec<_> = fs::read_dir(messages)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut text = String::new();
    for file in files {
        text.push_str(&shape(&fs::read_to_string(&file)?)?);
    }
    let out = Path::new(&env::var("OUT_DIR")?).join("schema_hash_value.rs");
    fs::write(out, format!("{:#018x}", fnv1a(&text)))?;
    Ok(())
}
