//! The log: where it goes, how loud it is, and what never gets into it. Beside it, numbers ([`metrics`]) and [`traces`].
//!
//! The log goes to standard error. Secrets are kept out where they are: their types show nothing of themselves. Two things
//! are held here: libraries are heard from `info` upwards only, because below that they print what passes through
//! them (frames, statements); and a panic leaves its place in the log and nothing of its message, which may quote
//! what it failed on.
//!
//! Uses nothing else of this crate, so that whoever has something to tell may use it.

pub mod metrics;
pub mod traces;

use std::panic;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt, registry};

use self::traces::{Collector, Traces};

/// How the targets of our own events begin.
const OUR_TARGETS: &str = "concenter";

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, without colours.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is neither a level nor a list of directives.
    #[error(
        "the log filter does not read: give a level like `info`, or directives like `warn,concenter_gateway=debug`: {0}"
    )]
    // Not a source: it tells its own sources already.
    Filter(ParseError),
    /// The collector cannot be called by the address that was given.
    #[error("--otlp-endpoint must be like http://HOST:PORT or https://HOST:PORT")]
    Collector,
    /// There is a log already.
    #[error("the log was started before")]
    Started(#[source] TryInitError),
}

/// Starts the log for the whole process, and keeps panics out of standard error but for their place. With a collector
/// also traces, which need a Tokio runtime.
///
/// # Errors
/// [`TelemetryError::Filter`] if `filter` does not read, [`TelemetryError::Collector`] if the collector has no good address,
/// [`TelemetryError::Started`] if the process has a log already.
pub fn start(format: Format, filter: &str, collector: Option<&Collector>) -> Result<Option<Traces>, TelemetryError> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::OFF.into())
        .parse(filter)
        .map_err(TelemetryError::Filter)?
        .and(filter_fn(|event| is_fit_for_the_log(event.target(), *event.level())));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let traces = collector.map(Traces::to).transpose()?;
    let log = registry().with(lines.with_filter(filter)).with(traces.as_ref().map(Traces::layer));
    log.try_init().map_err(TelemetryError::Started)?;
    panic::set_hook(Box::new(note_panic));
    Ok(traces)
}

/// Tells whether an event may be written: ours at every level, those of libraries from `info` upwards.
fn is_fit_for_the_log(target: &str, level: tracing::Level) -> bool {
    target.starts_with(OUR_TARGETS) || level <= tracing::Level::INFO
}

/// One line for a panic: where, and never what it said.
fn note_panic(panic: &panic::PanicHookInfo<'_>) {
    let (file, line) = panic.location().map_or(("unknown", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "panic");
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_not_heard_below_info() {
        assert!(is_fit_for_the_log("h2::codec", Level::INFO));
        assert!(!is_fit_for_the_log("h2::codec", Level::DEBUG));
        assert!(!is_fit_for_the_log("sqlx::query", Level::TRACE));
        assert!(is_fit_for_the_log("concenter_gateway::edge::gate", Level::TRACE));
    }

    #[test]
    fn a_filter_that_does_not_read_is_refused() {
        assert!(matches!(start(Format::Text, "concenter_gateway=loud", None), Err(TelemetryError::Filter(_))));
    }
}
