//! The terminal on which a password is typed: what it shows meanwhile, and that it is given back.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::client::{Caller, Firm, Office, PASSWORD, field};

/// A terminal: what somebody types at one end is what the program reads at the other.
struct Terminal {
    keyboard: File,
    line: OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("its other end");
        unlockpt(&keyboard).expect("its other end, open");
        let name = ptsname(&keyboard, Vec::new()).expect("its name");
        // As a terminal of nobody: a signal is sent to the one process, not to all of this test.
        let line = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
        Self { keyboard: keyboard.into(), line }
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("keys");
    }

    fn modes(&self) -> LocalModes {
        tcgetattr(&self.line).expect("its modes").local_modes
    }

    fn shows_keys(&self) -> bool {
        self.modes().contains(LocalModes::ECHO)
    }
}

/// The program at a terminal.
struct Seated {
    child: Child,
    err: ChildStderr,
    /// What it said on standard error.
    said: String,
}

impl Seated {
    /// Starts the program with its standard input at the terminal.
    fn at(terminal: &Terminal, caller: &Caller<'_>, words: &[&str]) -> Self {
        let mut command = caller.command(words);
        command.stdin(terminal.line.try_clone().expect("the terminal")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let err = child.stderr.take().expect("its errors");
        Self { child, err, said: String::new() }
    }

    /// Waits until it has asked this.
    fn asks(&mut self, question: &str) {
        let mut byte = [0];
        while !self.said.ends_with(question) {
            assert_ne!(self.err.read(&mut byte).expect("what it says"), 0, "it ended: {}", self.said);
            self.said.push(char::from(byte[0]));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Waits for the end; gives how it ended and what it said.
    fn end(mut self) -> (ExitStatus, String) {
        self.err.read_to_string(&mut self.said).expect("what it says");
        (self.child.wait().expect("an end"), std::mem::take(&mut self.said))
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_password_is_typed_twice_and_not_shown() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    let mut terminal = Terminal::open();
    let mut program = Seated::at(&terminal, &firm.admin, &["user", "set-secret", &id]);
    for question in ["Password: ", "The same again: "] {
        program.asks(question);
        assert!(!terminal.shows_keys(), "{question}");
        terminal.type_keys(PASSWORD.as_bytes());
        terminal.type_keys(b"\n");
    }
    let (status, said) = program.end();
    assert_eq!((status.code(), said.as_str()), (Some(0), "Password: The same again: "));
    assert!(terminal.shows_keys());
    assert_eq!(field(&firm.admin.json(&["user", "get", &id]), "secretVersion"), "2");
}

#[test]
fn a_signal_at_the_prompt_gives_the_terminal_back() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::QUIT, 131), (Signal::HUP, 129)] {
        let mut terminal = Terminal::open();
        assert!(terminal.shows_keys());
        let mut program = Seated::at(&terminal, &firm.admin, &["user", "set-secret", &id]);
        program.asks("Password: ");
        assert!(!terminal.shows_keys());
        // So that Ctrl-C is SIGINT.
        assert!(terminal.modes().contains(LocalModes::ISIG));
        terminal.type_keys(b"half of i");
        program.signal(signal);
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(code), "{said}");
        assert_eq!(said, "Password: \nerror: stopped by a signal\n");
        assert!(terminal.shows_keys(), "{signal:?}");
    }
    assert_eq!(field(&firm.admin.json(&["user", "get", &id]), "secretVersion"), "1");
}

#[test]
fn the_end_of_the_input_at_the_prompt_is_told_what_to_do() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let mut terminal = Terminal::open();
    let words = ["user", "create", "vm.meier", "--kind", "broker", "--all-providers", "--ask-password"];
    let mut program = Seated::at(&terminal, &firm.admin, &words);
    program.asks("Password: ");
    // Ctrl-D.
    terminal.type_keys(&[4]);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("Password: \nerror: no password was typed: ") && said.contains("--password-file"),
        "{said}"
    );
    assert!(terminal.shows_keys());
    assert_eq!(firm.admin.objects(&["user", "list"]).len(), 1);
}
