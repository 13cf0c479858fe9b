//! Computes the schema hash from the definitions of the message types, so that two processes whose messages differ in
//! a single field refuse each other at Hello.

use std::{env, error::Error, fs, path::Path};

#[path = "src/schema_hash.rs"]
mod schema_hash;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    let mut text = String::new();
    for file in schema_hash::sources(Path::new("."))? {
        text.push_str(&schema_hash::shape(&fs::read_to_string(&file)?)?);
    }
    let out = Path::new(&env::var("OUT_DIR")?).join("schema_hash_value.rs");
    fs::write(out, format!("{:#018x}", schema_hash::fnv1a(&text)))?;
    Ok(())
}
