//! A real OpenID provider for tests: npm `oidc-provider`, run by Node on loopback (`provider.mjs`).
//!
//! Where Node or the package is missing the tests with it say once that they are left out; with `CONCENTER_TESTS_NEED_NODE=1`
//! that is a failure instead. The package comes with `npm ci`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Once;

use serde_json::Value;

/// The provider, running. It ends when this is dropped.
pub struct OpenIdProvider {
    process: Child,
    wishes: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

/// How a token is got.
#[derive(Debug, Clone, Copy)]
pub enum Got {
    /// By the client's own credentials; its subject is `portal`.
    ByClient,
    /// By the user `b-1`, who logs in and consents.
    ByUser,
}

impl OpenIdProvider {
    /// Starts one with a new signing key of this name, on any free port; `None` where there is none.
    pub fn start(key: &str) -> Option<Self> {
        Self::start_on(0, key)
    }

    /// The same provider after a restart, with another key.
    ///
    /// # Panics
    /// Where it does not start again.
    #[must_use]
    pub fn restart(self, key: &str) -> Self {
        let port = self.port;
        drop(self);
        Self::start_on(port, key).expect("it ran before")
    }

    fn start_on(port: u16, key: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !root.join("node_modules/oidc-provider").is_dir() {
            return left_out("npm's oidc-provider is not installed: run `npm ci`");
        }
        let program = root.join("tests/support/issuer/provider.mjs");
        let spawned = Command::new("node")
            .arg(program)
            .args([&port.to_string(), key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut process) = spawned else {
            return left_out("Node is not installed");
        };
        let wishes = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().expect("its standard output"));
        let begun: Value = serde_json::from_str(&line(&mut answers)).expect("a line of JSON");
        let port = begun["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("its port");
        Some(Self { process, wishes, answers, port })
    }

    /// Its claim `iss`.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An access token with these claims more.
    ///
    /// # Panics
    /// Where the provider gives none.
    pub fn token(&mut self, got: Got, claims: &Value) -> String {
        let kind = match got {
            Got::ByClient => "client",
            Got::ByUser => "user",
        };
        let wishes = self.wishes.as_mut().expect("its standard input");
        writeln!(wishes, "{kind} {claims}").expect("it runs");
        line(&mut self.answers)
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        drop(self.wishes.take());
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(answers: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("a line");
    assert!(!line.is_empty(), "the provider ended: run tests/support/issuer/provider.mjs by hand");
    line.trim_end().to_owned()
}

/// Says once that the tests with a provider are left out; past the capture of output, which a passing test never shows.
fn left_out<T>(reason: &str) -> Option<T> {
    static SAID: Once = Once::new();
    assert!(!must_run(), "there is no OpenID provider: {reason}");
    // Nothing to do about a closed stream.
    SAID.call_once(|| drop(writeln!(std::io::stderr(), "tests with an OpenID provider are left out: {reason}")));
    None
}

#[expect(clippy::disallowed_methods, reason = "whether a provider must be there is said by who runs the tests")]
fn must_run() -> bool {
    std::env::var("CONCENTER_TESTS_NEED_NODE").is_ok_and(|value| value == "1")
}
