//! The person at the terminal, if there is one.

use std::fs::File;
use std::future::Future;
use std::io::{self, BufRead as _, IsTerminal as _, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use super::connection::standard_input;
use super::failure::Failure;

/// More bytes than a terminal gives for a line, its end among them.
const LINE_BYTES: usize = 4_096;

/// Where a person can be asked.
pub(super) trait Terminal {
    /// Tells whether somebody sits there.
    fn is_attended(&self) -> bool;
    /// Asks for a line; what is typed can be seen. The line has no end.
    fn ask(&mut self, question: &str) -> io::Result<String>;
    /// Asks for a line; what is typed cannot be seen. The line has no end.
    ///
    /// # Errors
    /// [`Failure::NothingTyped`] where the input ends first, [`Failure::PasswordForm`] for what is no text.
    async fn ask_hidden(&mut self, question: &str) -> Result<Zeroizing<String>, Failure>;
}

/// Standard input, if that is a terminal.
pub(super) struct StandardTerminal;

impl Terminal for StandardTerminal {
    fn is_attended(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn ask(&mut self, question: &str) -> io::Result<String> {
        note(question);
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn ask_hidden(&mut self, question: &str) -> Result<Zeroizing<String>, Failure> {
        let unreadable = |source| Failure::Unreadable { path: standard_input().to_owned(), source };
        let input = io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?;
        // Given back when this is dropped, which a signal does, too: see `unless_signalled`.
        let mut silence = Silence::begin(input.try_clone().map_err(unreadable)?).map_err(unreadable)?;
        note(question);
        // A signal must not wait for the line. Past the buffer of `Stdin`, which would keep a copy.
        let line = tokio::task::spawn_blocking(move || read_line(File::from(input)));
        let line = line.await.map_err(io::Error::other).and_then(|line| line).map_err(unreadable)?;
        let line = line.ok_or(Failure::NothingTyped)?;
        silence.is_answered = true;
        let text = std::str::from_utf8(&line).map_err(|_| Failure::PasswordForm)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// Says something beside the answer. Nothing is left to tell anybody if standard error is closed.
fn note(text: &str) {
    let mut notes = io::stderr().lock();
    let _ = notes.write_all(text.as_bytes()).and_then(|()| notes.flush());
}

/// Reads a line, without its end; `None` where there is none. What stands behind it is left for the next question.
fn read_line(mut input: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // With room for all of it: a buffer that grows would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES));
    let mut byte = Zeroizing::new([0]);
    loop {
        match input.read(byte.as_mut_slice()) {
            Ok(0) => return Ok((!line.is_empty()).then_some(line)),
            Ok(_) if *byte == *b"\n" => return Ok(Some(line)),
            Ok(_) if line.len() < LINE_BYTES => line.extend_from_slice(byte.as_slice()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence {
    terminal: OwnedFd,
    before: Termios,
    is_answered: bool,
}

impl Silence {
    fn begin(terminal: OwnedFd) -> io::Result<Self> {
        let before = termios::tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line is seen.
        hidden.local_modes.insert(LocalModes::ECHONL);
        termios::tcsetattr(&terminal, OptionalActions::Now, &hidden)?;
        Ok(Self { terminal, before, is_answered: false })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // It fails only for a terminal that has gone.
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        if !self.is_answered {
            note("\n");
        }
    }
}

/// Does the work, unless a signal comes that means: stop. The work is dropped then, so that what it has changed about
/// the terminal is given back before the process ends.
///
/// # Errors
/// Those of the work, [`Failure::Signalled`] after a signal.
pub(in crate::cli) async fn unless_signalled<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let [mut hangup, mut interrupt, mut quit, mut terminate] = listen()?;
    let kind = tokio::select! {
        outcome = work => return outcome,
        _ = hangup.recv() => SignalKind::hangup(),
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = quit.recv() => SignalKind::quit(),
        _ = terminate.recv() => SignalKind::terminate(),
    };
    Err(Failure::Signalled(kind).into())
}

/// The signals that mean: stop.
fn listen() -> io::Result<[Signal; 4]> {
    Ok([
        signal(SignalKind::hangup())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::quit())?,
        signal(SignalKind::terminate())?,
    ])
}

/// Has a person type the id of what is to go for good, unless he said `--yes`.
///
/// # Errors
/// [`Failure::NobodyToConfirm`] without a terminal, [`Failure::NotConfirmed`] if something else was typed.
pub(in crate::cli) fn confirm(what: &str, id: &str, yes: bool) -> anyhow::Result<()> {
    confirm_at(&mut StandardTerminal, what, id, yes)
}

fn confirm_at(terminal: &mut impl Terminal, what: &str, id: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !terminal.is_attended() {
        return Err(Failure::NobodyToConfirm.into());
    }
    let typed = terminal.ask(&format!("{what}. Type the id to confirm: "))?;
    // An empty id would be confirmed by a slip of the enter key.
    if typed != id || id.is_empty() {
        return Err(Failure::NotConfirmed.into());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod testing {
    use std::collections::VecDeque;

    use super::*;

    /// Somebody who types these lines, one after the other; `None` is nobody.
    pub(in super::super) struct Typist(pub(in super::super) Option<VecDeque<&'static str>>);

    impl Typist {
        pub(in super::super) fn of<const N: usize>(lines: [&'static str; N]) -> Self {
            Self(Some(lines.into()))
        }

        pub(in super::super) const fn nobody() -> Self {
            Self(None)
        }
    }

    impl Terminal for Typist {
        fn is_attended(&self) -> bool {
            self.0.is_some()
        }

        fn ask(&mut self, _: &str) -> io::Result<String> {
            Ok(self.0.as_mut().expect("somebody").pop_front().expect("a line").to_owned())
        }

        async fn ask_hidden(&mut self, _: &str) -> Result<Zeroizing<String>, Failure> {
            let line = self.0.as_mut().expect("somebody").pop_front();
            line.map(|line| Zeroizing::new(line.to_owned())).ok_or(Failure::NothingTyped)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Typist;
    use super::*;

    fn confirmed(terminal: &mut impl Terminal, id: &str, yes: bool) -> Result<(), String> {
        confirm_at(terminal, "x", id, yes).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_read_alone_and_without_its_end() {
        let mut input = &b"geheim\n\nrest"[..];
        let mut next = || read_line(&mut input).unwrap().map(|line| String::from_utf8(line.to_vec()).unwrap());
        assert_eq!(next().as_deref(), Some("geheim"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("rest"));
        assert_eq!(next(), None);
        let long = read_line(&*vec![b'x'; LINE_BYTES + 1]).unwrap().unwrap();
        assert_eq!((long.len(), long.capacity()), (LINE_BYTES, LINE_BYTES));
    }

    #[tokio::test]
    async fn work_that_no_signal_disturbs_comes_to_its_end() {
        assert_eq!(unless_signalled(async { Ok(7) }).await.unwrap(), 7);
    }

    #[test]
    fn only_the_id_confirms() {
        assert!(confirmed(&mut Typist::of(["u-1"]), "u-1", false).is_ok());
        for typed in ["", "y", "yes", "u-2", "u-1 "] {
            assert_eq!(confirmed(&mut Typist::of([typed]), "u-1", false), Err(Failure::NotConfirmed.to_string()));
        }
        assert!(confirmed(&mut Typist::of([""]), "", false).is_err());
    }

    #[test]
    fn where_nobody_can_be_asked_yes_is_needed() {
        assert_eq!(confirmed(&mut Typist::nobody(), "u-1", false), Err(Failure::NobodyToConfirm.to_string()));
        assert!(confirmed(&mut Typist::nobody(), "u-1", true).is_ok());
        // Somebody who said yes is not asked.
        assert!(confirmed(&mut Typist::of([]), "u-1", true).is_ok());
    }
}
