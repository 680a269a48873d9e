//! A real receiver of OTLP for tests: Python with `grpcio` and the published `opentelemetry-proto` (`receiver.py`).
//!
//! Where its environment is missing, which is `target/tools/venv`, the tests with it say once that they are left out; with
//! `CONCENTER_TESTS_NEED_PYTHON=1` that is a failure instead. `.ci/run` makes it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The receiver, running. It ends when this is dropped.
pub struct Receiver {
    process: Child,
    until_closed: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    port: u64,
}

/// What came in one request.
pub struct Export {
    /// The request as it was on the wire.
    pub raw: Vec<u8>,
    /// The attributes of who sent it.
    pub resource: Value,
    /// Its spans.
    pub spans: Vec<Value>,
}

impl Receiver {
    /// Starts one on any free port; `None` where there is no environment for it.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/tools/venv/bin/python");
        if !python.is_file() {
            return left_out("target/tools/venv is not there: `.ci/run` makes it");
        }
        let mut process = Command::new(python)
            .arg(root.join("tests/support/otlp/receiver.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python runs");
        let until_closed = process.stdin.take();
        let mut lines = BufReader::new(process.stdout.take().expect("its standard output"));
        let begun = line(&mut lines).expect("the receiver starts: run receiver.py by hand");
        let port = begun["port"].as_u64().expect("its port");
        Some(Self { process, until_closed, lines, port })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it, and gives everything that it received, in order.
    pub fn end(mut self) -> Vec<Export> {
        drop(self.until_closed.take());
        std::iter::from_fn(|| line(&mut self.lines)).map(export).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The next line; `None` at the end.
fn line(lines: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    (!line.is_empty()).then(|| serde_json::from_str(&line).expect("a line of JSON"))
}

fn export(mut line: Value) -> Export {
    let raw = STANDARD.decode(line["raw"].as_str().expect("a request")).expect("base64");
    let Value::Array(spans) = line["spans"].take() else { panic!("no spans: {line}") };
    Export { raw, resource: line["resource"].take(), spans }
}

/// Says once that the tests with a receiver are left out; past the capture of output, which a passing test never shows.
fn left_out<T>(reason: &str) -> Option<T> {
    static SAID: Once = Once::new();
    assert!(!must_run(), "there is no receiver of traces: {reason}");
    // Nothing to do about a closed stream.
    SAID.call_once(|| drop(writeln!(std::io::stderr(), "tests with a receiver of traces are left out: {reason}")));
    None
}

#[expect(clippy::disallowed_methods, reason = "whether a receiver must be there is said by who runs the tests")]
fn must_run() -> bool {
    std::env::var("CONCENTER_TESTS_NEED_PYTHON").is_ok_and(|value| value == "1")
}
