//! What a process says about itself: lines of JSON on its standard error, which the supervisor reads.
//!
//! **Architecture Invariant:** only our own crates are heard. What a library would log may hold what it was given, a
//! question or a name, and nobody here can vouch for it.

use std::{io, sync::OnceLock};

use ipc::messages::start::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Registry, filter::Targets, fmt, layer::SubscriberExt as _, reload};

/// The crates that are heard.
const OURS: &[&str] = &["agent", "code", "crypto", "instance", "ipc", "lamos", "llm", "replica", "storage"];

static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Begins to log. Called once, by the one line of a new process that does it.
pub fn start(level: LogLevel) {
    let (filter, handle) = reload::Layer::new(targets(level));
    // The supervisor says when and who, so that no process can say otherwise.
    let lines = fmt::layer()
        .json()
        .with_writer(io::stderr)
        .without_time()
        .with_target(false)
        .with_current_span(false)
        .with_span_list(true);
    let _ = FILTER.set(handle);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(lines));
}

/// From now on this much is logged.
pub fn set(level: LogLevel) {
    if let Some(filter) = FILTER.get() {
        // It fails only if there is no log, and then there is nothing to be changed.
        let _ = filter.reload(targets(level));
        tracing::info!(level = crate::levels::name(level), "logs from now on");
    }
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_targets(OURS.iter().map(|name| (*name, level)))
}
