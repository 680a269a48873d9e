//! The program: its flags, its start and its end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

use reqwest::header::LOCATION;
use rustix::process::{Pid, Signal, kill_process};

use super::fake::{CREDENTIAL, FakeGateway, private_customer};
use super::harness::LANDING;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tarifrechner"));
    command.env_clear();
    command
}

fn ended(words: &[&str]) -> Output {
    program().args(words).output().expect("it runs")
}

fn token_file(credential: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{credential}").expect("it is written");
    file
}

#[test]
fn help_tells_every_flag() {
    let help = ended(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for flag in
        ["--listen", "--public-url", "--gateway", "--token-file", "--ca-file", "--origin", "--portal", "--provider"]
    {
        assert!(text.contains(flag), "{flag}: {text}");
    }
    assert!(!text.contains("--token "), "a credential is no argument: {text}");
}

#[test]
fn wrong_flags_are_refused_without_repeating_a_secret() {
    let file = token_file("canary");
    let token = file.path().to_str().unwrap();
    let good =
        ["--listen", "127.0.0.1:0", "--token-file", token, "--origin", "http://127.0.0.1:1", "--provider", "a=A"];
    let cases: [(&[&str], &str); 7] = [
        (&["--fly"], "unexpected argument"),
        (&["--gateway", "http://gateway.example"], "use https"),
        (&["--gateway", "https://user:canary-password@gateway.example"], "address is none"),
        (&["--gateway", "ftp://127.0.0.1/canary"], "address is none"),
        (&["--public-url", "http://rechner.example"], "must be https"),
        (&["--portal", "https://portal.example/#x"], "a portal must be"),
        (&["--client-key", "x"], "--client-certificate"),
    ];
    for (words, tells) in cases {
        let ended = ended(&[&good, words].concat());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && said.contains(tells), "{words:?}: {said}");
        assert!(!said.contains("canary"), "{words:?}: {said}");
    }
    let ended = ended(&["--origin", "http://127.0.0.1:1", "--provider", "a=A"]);
    assert!(!ended.status.success() && String::from_utf8(ended.stderr).unwrap().contains("--token-file"));
}

#[test]
fn it_serves_until_a_signal_and_keeps_its_credential_to_itself() {
    for signal in [Signal::INT, Signal::TERM] {
        let (is_well, said) = Program::start(&[]).stop_by(signal);
        assert!(is_well && said.contains("tarifrechner.stopped"), "{said}");
        assert!(!said.contains(CREDENTIAL), "{said}");
    }
}

#[tokio::test]
async fn a_token_file_that_was_replaced_is_read_again() {
    let gateway = FakeGateway::start().await;
    let program = Program::start(&["--gateway", &gateway.url]);
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    for (credential, token) in [(CREDENTIAL, "a.b.1"), ("another-credential", "a.b.2")] {
        gateway.want_credential(credential);
        gateway.put_jump(token, private_customer("s"));
        fs::write(program.token.path(), credential).expect("it is written");
        let request = http.post(format!("{}/jump", program.url())).header("origin", LANDING).form(&[("token", token)]);
        assert_eq!(request.send().await.expect("an answer").headers()[LOCATION], "/", "{token}");
    }
}

/// The program, running; it ends with its owner.
pub struct Program {
    process: Child,
    greeting: String,
    token: tempfile::NamedTempFile,
}

impl Program {
    /// Starts it with more flags, and waits until it listens.
    pub fn start(words: &[&str]) -> Self {
        let token = token_file(CREDENTIAL);
        let mut process = program()
            .args(["--listen", "127.0.0.1:0", "--origin", LANDING, "--provider", "vergleicher=Vergleicher"])
            .arg("--token-file")
            .arg(token.path())
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut greeting = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut greeting).expect("a line");
        assert!(greeting.starts_with("tarifrechner  http://127.0.0.1:"), "{greeting}");
        Self { process, greeting, token }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        self.greeting.split_whitespace().nth(1).expect("a URL").trim_end_matches('/')
    }

    /// Sends a signal; tells whether it ended well, and what its log says.
    fn stop_by(mut self, signal: Signal) -> (bool, String) {
        kill_process(Pid::from_child(&self.process), signal).expect("a signal");
        let (status, mut said) = (self.process.wait().expect("its end"), String::new());
        self.process.stderr.take().expect("its log").read_to_string(&mut said).expect("text");
        (status.success(), said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
