//! The one binary. Its command line and its processes come with the next commits.

fn main() {}
