//! What the service writes into its log while a test runs.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::sync::Once;

use tracing_subscriber::EnvFilter;

/// Everything of ours at every level, and what libraries may say in production: the loudest log that can be asked for.
const LOUDEST: &str = "info,concenter_gateway=trace";

thread_local! {
    /// What was written on this thread since somebody began to listen.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread, which in a test of one thread is that of the service. It ends with the value.
///
/// The subscriber is that of the process: with one for each thread, an event that a deaf thread meets first is taken for
/// one that nobody wants, by the others too.
pub struct Log {
    // What it hears belongs to one thread, so it stays there.
    _here: PhantomData<*const ()>,
}

impl Log {
    /// Begins to listen.
    pub fn listen() -> Self {
        static START: Once = Once::new();
        START.call_once(|| {
            let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LOUDEST)).with_ansi(false);
            lines.with_writer(|| Ear).init();
        });
        HEARD.set(Some(Vec::new()));
        Self { _here: PhantomData }
    }

    /// What was written so far, one line for each event.
    #[expect(clippy::unused_self, reason = "the value is the proof that somebody listens")]
    pub fn text(&self) -> String {
        HEARD.with_borrow(|heard| String::from_utf8(heard.clone().unwrap_or_default()).expect("text"))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

/// Writes for who listens on this thread.
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| {
            if let Some(heard) = heard {
                heard.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
