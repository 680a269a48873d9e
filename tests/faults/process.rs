//! `concenter serve` as a process of its own, which may be killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::gateway::{AT_MOST, channel_to};

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Asserts the code, and that standard error is one line that has all of `words` in it.
    #[track_caller]
    pub(crate) fn is_error(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self.err.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {self:?}"));
        assert_eq!(line.lines().count(), 1, "{line}");
        for word in words {
            assert!(line.contains(word), "does not say {word}: {line}");
        }
    }
}

/// A process that ends with its owner.
pub(crate) struct Process {
    child: Child,
    out: UnboundedReceiver<String>,
    err: UnboundedReceiver<String>,
}

impl Process {
    /// Starts the program with these words, the data directory and the database.
    pub(crate) fn start(words: &[&str], data_dir: &Path, url: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_concenter"));
        command.args(words).env_clear().env("CONCENTER_DATA_DIR", data_dir).env("CONCENTER_LOG", "warn");
        // Not an argument: those can be read in the list of processes.
        command.envs(url.map(|url| ("CONCENTER_DATABASE_URL", url)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let out = lines_of(child.stdout.take().expect("its output"));
        let err = lines_of(child.stderr.take().expect("its errors"));
        Self { child, out, err }
    }

    /// Starts a service on free ports.
    pub(crate) fn serve(data_dir: &Path, url: Option<&str>) -> Self {
        Self::start(&["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"], data_dir, url)
    }

    /// Runs the program to its end.
    pub(crate) async fn run(words: &[&str], data_dir: &Path, url: Option<&str>) -> Ended {
        Self::start(words, data_dir, url).ended().await
    }

    /// Waits for a line that has `word` in it, on standard output or among the errors.
    pub(crate) async fn said(&mut self, word: &str) -> String {
        let mut said = String::new();
        let found = timeout(AT_MOST, async {
            loop {
                let line = tokio::select! {
                    Some(line) = self.out.recv() => line,
                    Some(line) = self.err.recv() => line,
                    else => return None,
                };
                if line.contains(word) {
                    return Some(line);
                }
                said.push_str(&line);
                said.push('\n');
            }
        });
        let found = found.await;
        found.ok().flatten().unwrap_or_else(|| panic!("it never said {word}, or not in time: {said}"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let texts = timeout(AT_MOST, async { (rest_of(&mut self.out).await, rest_of(&mut self.err).await) });
        let (out, err) = texts.await.expect("it ends in time");
        let code = self.child.wait().expect("an end").code();
        Ended { code, out, err }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service in a process of its own, up.
pub(crate) struct Replica {
    process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
}

impl Replica {
    /// Starts it, and waits until it listens.
    pub(crate) async fn start(data_dir: &Path, url: &str) -> Self {
        let mut process = Process::serve(data_dir, Some(url));
        let line = process.said("gRPC  http://").await;
        let address = line.split_once("http://").expect("an address").1.trim().parse().expect("an address");
        Self { process, address, channel: channel_to(address) }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end; gives the code.
    pub(crate) async fn ended(self) -> Option<i32> {
        self.process.ended().await.code
    }
}

/// Reads the lines of a stream as they come, on a thread that ends with the stream.
fn lines_of(stream: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (lines, received) = unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody reads on where the test has ended.
            let _ = lines.send(line);
        }
    });
    received
}

async fn rest_of(lines: &mut UnboundedReceiver<String>) -> String {
    let mut text = String::new();
    while let Some(line) = lines.recv().await {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Gives a second replica the keys of the first one.
pub(crate) fn copy_keys(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    crate::stopped::chmod(to, 0o700);
    let keys = to.join("keys");
    fs::create_dir(&keys).expect("a directory");
    crate::stopped::chmod(&keys, 0o700);
    for file in fs::read_dir(from.join("keys")).expect("the keys") {
        let file = file.expect("a key");
        // With its rights.
        fs::copy(file.path(), keys.join(file.file_name())).expect("a copy");
    }
}
