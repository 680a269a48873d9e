//! Standard output, which is for answers alone.

use std::io::{self, Write as _};

/// Whoever read standard output has closed it: he has seen enough, and nothing went wrong.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(super) struct OutputClosed;

/// Prints an answer.
///
/// # Errors
/// Those of [`not_printed`].
pub(super) fn print(answer: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(answer.as_bytes()).and_then(|()| out.flush()).map_err(not_printed)
}

/// Why an answer was not printed: [`OutputClosed`], or what is wrong with standard output.
pub(super) fn not_printed(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => anyhow::Error::new(error).context("write the answer"),
    }
}
