//! A place for data, and the program run on it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{self as postgres, TestDatabase};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Asserts the code, and that standard error is one line: `error: ` and what went wrong, which it gives.
    pub(crate) fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self.err.strip_suffix('\n').unwrap_or(&self.err);
        assert!(!line.contains('\n'), "more than one line: {line}");
        line.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {line}"))
    }
}

/// A place for data, which ends with the test.
pub(crate) struct Place {
    directory: TempDir,
    /// Where the data is but for the keys, if not in the directory.
    database: Option<TestDatabase>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), database: None }
    }

    /// A place with its data in PostgreSQL, where there is one.
    pub(crate) async fn on_postgres() -> Option<Self> {
        let database = Some(postgres::database().await?);
        Some(Self { database, ..Self::new() })
    }

    /// A place that was served from.
    pub(crate) fn served() -> Self {
        let place = Self::new();
        assert_eq!(place.serve().stop(), Some(0));
        place
    }

    /// The data directory; the program makes it.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The place itself.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The database of PostgreSQL.
    pub(crate) fn postgres(&self) -> &TestDatabase {
        self.database.as_ref().expect("it is a place on PostgreSQL")
    }

    /// The one key file.
    pub(crate) fn key_file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.data().join("keys")).expect("the keys");
        let file = files.next().expect("a key file").expect("a key file").path();
        assert!(files.next().is_none(), "one key file");
        file
    }

    /// The program with these words, told by its environment where the data is.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_concenter"));
        command.args(words).env_clear().env("TMPDIR", self.path()).stdin(Stdio::null());
        command.env("CONCENTER_DATA_DIR", self.data());
        if let Some(database) = &self.database {
            command.env("CONCENTER_DATABASE_URL", database.service_url());
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        Ended::of(self.command(words).output().expect("the program runs"))
    }

    /// Starts the service, and waits until it listens.
    pub(crate) fn serve(&self) -> Serving {
        let words = ["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--log", "warn"];
        self.stay_up(&words, "--role operator")
    }

    /// Starts a command that stays up, and waits until it has said `last`.
    pub(crate) fn stay_up(&self, words: &[&str], last: &str) -> Serving {
        let mut child = Killed(self.command(words).stdout(Stdio::piped()).spawn().expect("the program runs"));
        let mut out = BufReader::new(child.0.stdout.take().expect("its output"));
        let mut greeting = String::new();
        while !greeting.contains(last) {
            assert_ne!(out.read_line(&mut greeting).expect("a line"), 0, "it ended: {greeting}");
        }
        Serving { child, greeting }
    }
}

/// A process that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `concenter serve`, or another command that stays up.
pub(crate) struct Serving {
    child: Killed,
    /// What it said at its start.
    greeting: String,
}

impl Serving {
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Where gRPC listens, as it says itself.
    pub(crate) fn grpc(&self) -> String {
        self.url_of("gRPC").to_owned()
    }

    /// The URL that it said behind this word at its start.
    pub(crate) fn url_of(&self, thing: &str) -> &str {
        let words: Vec<_> = self.greeting.split_whitespace().collect();
        let is_it = |words: &&[&str]| words[0] == thing && words[1].starts_with("http");
        words.windows(2).find(is_it).expect("an address")[1]
    }

    /// Sends SIGTERM; gives the code that the service ends with.
    pub(crate) fn stop(self) -> Option<i32> {
        self.stop_by(Signal::TERM)
    }

    /// Sends a signal; gives the code that it ends with.
    pub(crate) fn stop_by(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child.0), signal).expect("a signal");
        self.child.0.wait().expect("an end").code()
    }
}
