//! `concenter demo`, as somebody looks at it who has just cloned the repository.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;

#[tokio::test]
async fn the_demonstration_can_be_clicked_through() {
    let Some(browser) = Browser::find() else { return };
    let demo = Demo::start();
    let known = json!({ "calculator": demo.url_of("Tarifrechner"), "portal": demo.url_of("portal") });
    browser.visit("demo", known).await;
}

/// The program; it ends with its owner.
struct Demo {
    process: Child,
    said: String,
    // Last, so that it is removed after the program let go of it.
    _directory: TempDir,
}

impl Demo {
    /// Starts it, and waits until it has said everything.
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let free = "127.0.0.1:0";
        let mut process = Command::new(env!("CARGO_BIN_EXE_concenter"))
            .args(["demo", "--log", "error", "--grpc-addr", free, "--http-addr", free])
            .args(["--calculator-addr", free, "--portal-addr", free])
            .env_clear()
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut out = BufReader::new(process.stdout.take().expect("its output"));
        let mut said = String::new();
        while !said.contains("  Tarifrechner  http://") {
            assert_ne!(out.read_line(&mut said).expect("a line"), 0, "it ended: {said}");
        }
        Self { process, said, _directory: directory }
    }

    /// The origin that it said of something.
    fn url_of(&self, thing: &str) -> &str {
        let words: Vec<_> = self.said.split_whitespace().collect();
        let is_it = |words: &&[&str]| words[0] == thing && words[1].starts_with("http");
        words.windows(2).find(is_it).expect("a URL")[1].trim_end_matches('/')
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
