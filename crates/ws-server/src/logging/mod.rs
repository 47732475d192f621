//! The log: text or JSON on standard error, filtered by `RUST_LOG` (default `info`).
//!
//! It harms nobody: whatever becomes of standard error, who logs goes on (see `queue`).

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

/// Lines that were not written: standard error took them too slowly, or not at all.
pub static LINES_DROPPED: Count = Count::new();

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts the log of the process, and lets panics go into it. A second call changes nothing.
///
/// # Errors
/// The system gives no thread or no file for it.
pub fn start(format: LogFormat, filter: Filter) -> io::Result<()> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    // Its own handle: nobody else waits for the lock that the standard one has.
    let to = File::from(stderr().as_fd().try_clone_to_owned()?);
    let queue = QUEUE.get_or_init(|| Queue::new(&LINES_DROPPED));
    let mut writer = Writer::new(queue, to);
    let lost = |lines| tracing::warn!(lines, "lines of the log were lost: it could not be written for a while");
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        loop {
            writer.turn(lost);
        }
    })?;
    let colors = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log =
        tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(move || Line(queue));
    // Only a second call fails.
    let _ = match format {
        LogFormat::Text => log.with_ansi(colors).finish().with(filter_fn(is_discreet)).try_init(),
        LogFormat::Json => log.json().flatten_event(true).finish().with(filter_fn(is_discreet)).try_init(),
    };
    panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Waits for the lines that are queued, for a bounded time: before the process ends.
pub fn flush() {
    QUEUE.get().into_iter().for_each(|queue| queue.flush(LOG_FLUSH_TIMEOUT));
}

/// The usual hook writes to standard error itself, and waits for it.
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

/// At `trace`, tungstenite writes down whole messages, with the tokens in them: that is left out, whatever the filter.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("tungstenite")
}
