//! The run process. Its interpreter comes with a later commit.
