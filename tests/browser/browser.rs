//! The browser: Chromium, driven by a script of `visits/`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

use serde_json::Value;

/// Where Chromium may be.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// A browser that can be used here.
#[derive(Debug, Clone)]
pub struct Browser {
    chromium: &'static str,
}

impl Browser {
    /// Finds one; `None` where there is none.
    pub fn find() -> Option<Self> {
        for package in ["playwright-core", "axe-core"] {
            if !root().join("node_modules").join(package).is_dir() {
                return left_out("a package of npm is not installed: run `npm ci`");
            }
        }
        if !Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success()) {
            return left_out("Node is not installed");
        }
        match CHROMIUM.into_iter().find(|path| Path::new(path).exists()) {
            Some(chromium) => Some(Self { chromium }),
            None => left_out("Chromium is not installed"),
        }
    }

    /// Plays a visit, a script of `visits/`, with what it needs to know; gives what it saw. The thread of the services goes on
    /// meanwhile.
    ///
    /// # Panics
    /// Where something does not come as the script says.
    pub async fn visit(&self, name: &str, known: Value) -> Value {
        let mut command = Command::new("node");
        command
            .arg(root().join("tests/browser/visits").join(format!("{name}.mjs")))
            .env("CHROMIUM", self.chromium)
            .env("SCREENSHOTS", screenshots());
        let played = tokio::task::spawn_blocking(move || play(command, &known)).await.expect("a visit");
        let (out, err) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
        assert!(played.status.success(), "{name}: {out}{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{name}: {error}: {out}{err}"))
    }
}

/// Runs a script to its end, with one line of JSON on its standard input.
fn play(mut command: Command, known: &Value) -> Output {
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().expect("Node runs");
    // It may have ended already; then what it said tells why.
    let _ = writeln!(child.stdin.take().expect("its standard input"), "{known}");
    child.wait_with_output().expect("its end")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where pictures of the pages are put: `target/screenshots`.
fn screenshots() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    scratch.parent().unwrap_or(scratch).join("screenshots")
}

/// Says once that the tests with a browser are left out; past the capture of output, which a passing test never shows.
fn left_out<T>(reason: &str) -> Option<T> {
    static SAID: Once = Once::new();
    assert!(!must_run(), "there is no browser: {reason}");
    // Nothing to do about a closed stream.
    SAID.call_once(|| drop(writeln!(std::io::stderr(), "tests with a browser are left out: {reason}")));
    None
}

#[expect(clippy::disallowed_methods, reason = "whether a browser must be there is said by who runs the tests")]
fn must_run() -> bool {
    std::env::var("CONCENTER_TESTS_NEED_BROWSER").is_ok_and(|value| value == "1")
}
