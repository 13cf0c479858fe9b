//! The one binary.
mod hub;
mod lockdown;

fn main() {}
