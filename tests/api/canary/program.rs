//! The real program on data of its own, with everything that it says kept.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use concenter_gateway::domain::caller::Role;
use concenter_gateway::token::CallerGrant;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Place;

/// A process that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything that a command said.
pub struct Said {
    /// On standard output.
    pub out: Vec<u8>,
    /// On standard error.
    pub log: Vec<u8>,
}

/// `concenter serve`, as loud as it can be asked for.
pub struct Program {
    out: BufReader<ChildStdout>,
    greeting: Vec<u8>,
    service: Killed,
    // Last, so that it is removed after the process let go of it.
    place: Place,
}

impl Program {
    /// Starts the service, and waits until it listens.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments.
    pub async fn start_with(more: &[&str]) -> Self {
        let place = Place::new().await;
        let words = [&["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"], more].concat();
        let log = File::create(place.path().join("log")).expect("a file");
        let mut command = command(&place, &words);
        let child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program runs");
        let mut service = Killed(child);
        let mut out = BufReader::new(service.0.stdout.take().expect("its output"));
        let mut greeting = Vec::new();
        while !String::from_utf8_lossy(&greeting).contains("--role operator") {
            assert_ne!(out.read_until(b'\n', &mut greeting).expect("a line"), 0, "the service ended");
        }
        Self { out, greeting, service, place }
    }

    /// Where gRPC listens, as it says itself.
    pub fn grpc(&self) -> String {
        self.told("gRPC")
    }

    /// Where HTTP listens, likewise.
    pub fn http(&self) -> SocketAddr {
        let url = self.told("HTTP");
        url.split('/').nth(2).and_then(|address| address.parse().ok()).expect("an address")
    }

    /// The URL behind the name of a listener.
    fn told(&self, listener: &str) -> String {
        let greeting = String::from_utf8_lossy(&self.greeting).into_owned();
        let mut words = greeting.split_whitespace().skip_while(|word| *word != listener);
        words.nth(1).expect("an address").to_owned()
    }

    /// Mints a caller's token beside the service; gives it, as that is what the command is for, and what else it said.
    pub fn mint(&self, grant: &CallerGrant) -> (String, Said) {
        let role = grant.roles.first().copied().expect("a role");
        let mut words = vec!["token".to_owned(), "--role".to_owned(), role.as_str().to_owned()];
        let mut claim =
            |flag: &str, value: Option<String>| words.extend(value.into_iter().flat_map(|v| [flag.to_owned(), v]));
        claim("--tenant", grant.tenant.map(|tenant| tenant.to_string()));
        claim("--broker-id", grant.broker_id.as_ref().map(ToString::to_string).filter(|_| role == Role::Broker));
        claim("--customer-id", grant.customer_id.as_ref().map(ToString::to_string));
        claim("--target", grant.target_audience.as_ref().map(ToString::to_string));
        let Said { out, log } = self.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let out = String::from_utf8(out).expect("text");
        (out.strip_suffix('\n').expect("one line").to_owned(), Said { out: Vec::new(), log })
    }

    /// Runs another command on the same data, which must go well.
    pub fn run(&self, words: &[&str]) -> Said {
        let output = command(&self.place, words).output().expect("the program runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Said { out: output.stdout, log: output.stderr }
    }

    /// Runs a command that calls the service with a token, and with this on its standard input; tells whether it went well.
    pub fn run_as(&self, token: &str, words: &[&str], input: &str) -> (bool, Said) {
        let mut command = command(&self.place, words);
        command.env("CONCENTER_SERVER", self.grpc()).env("CONCENTER_TOKEN", token);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        // A command that does not read it may have ended by now.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("an end");
        (output.status.success(), Said { out: output.stdout, log: output.stderr })
    }

    /// The key-encryption key, as the key file spells it.
    pub fn key(&self) -> String {
        let mut files = fs::read_dir(self.place.data().join("keys")).expect("the keys");
        let line = fs::read_to_string(files.next().expect("a key file").expect("a key file").path()).expect("a line");
        line.split(':').nth(2).expect("a key").to_owned()
    }

    /// Stops the service by SIGTERM and waits for its end; gives everything that it said.
    pub fn stop(mut self) -> (Self, Said) {
        kill_process(Pid::from_child(&self.service.0), Signal::TERM).expect("a signal");
        let mut out = self.greeting.clone();
        self.out.read_to_end(&mut out).expect("the rest");
        assert_eq!(self.service.0.wait().expect("an end").code(), Some(0), "the service ends in order");
        let log = fs::read(self.place.path().join("log")).expect("the log");
        (self, Said { out, log })
    }

    /// Where its data is.
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

/// The program with these words, told by its environment where the data is, and that it may say all.
fn command(place: &Place, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concenter"));
    command.args(words).args(["--log", "trace", "--log-format", "json"]).env_clear();
    place.tell(&mut command);
    command.env("TMPDIR", place.path()).stdin(Stdio::null());
    command
}
