//! The log: text or JSON on standard error, filtered by `RUST_LOG` (default `info`).
//!
//! Logging never blocks, whatever happens to standard error (see `queue`).

mod filter;
mod queue;

use std::fs::File;
use std::io::{self, IsTerminal, stderr};
use std::os::fd::AsFd;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::thread;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use ws_core::Count;

pub use self::filter::{Filter, filter};
use self::queue::{Line, Queue, Writer};
use crate::config::LogFormat;
use crate::limits::LOG_FLUSH_TIMEOUT;

/// Lines that were dropped because standard error took them too slowly, or not at all.
pub static LINES_DROPPED: Count = Count::new();

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts the log of the process, and logs panics too. A second call changes nothing.
///
/// # Errors
/// When the system has no thread or file descriptor for it.
pub fn start(format: LogFormat, filter: Filter) -> io::Result<()> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    // A handle of its own, so that nobody else waits for the lock of the standard one.
    let to = File::from(stderr().as_fd().try_clone_to_owned()?);
    let queue = QUEUE.get_or_init(|| Queue::new(&LINES_DROPPED));
    let mut writer = Writer::new(queue, to);
    let lost = |lines| tracing::warn!(lines, "log lines were lost because the log could not be written for a while");
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        loop {
            writer.write_batch(lost);
        }
    })?;
    let colors = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log =
        tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(move || Line(queue));
    // Only a second call fails.
    let _ = match format {
        LogFormat::Text => log.with_ansi(colors).finish().with(filter_fn(is_loggable)).try_init(),
        LogFormat::Json => log.json().flatten_event(true).finish().with(filter_fn(is_loggable)).try_init(),
    };
    panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Waits for a bounded time until the queued lines are written, before the process ends.
pub fn flush() {
    QUEUE.get().into_iter().for_each(|queue| queue.flush(LOG_FLUSH_TIMEOUT));
}

/// Logs a panic. The default hook would write to standard error itself, and could block.
fn panicked(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => {
            tracing::error!(place, thread = thread.name(), %backtrace, "panic: {message}");
        }
        _ => tracing::error!(place, thread = thread.name(), "panic: {message}"),
    }
}

/// Whether it may be logged at all: at `trace`, tungstenite logs whole messages, which may contain tokens.
fn is_loggable(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("tungstenite")
}
