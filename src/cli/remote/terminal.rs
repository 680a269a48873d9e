//! The person at the terminal, if there is one.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use zeroize::Zeroizing;

use super::failure::Failure;

/// Where a person can be asked.
pub(super) trait Terminal {
    /// Tells whether somebody sits there.
    fn is_attended(&self) -> bool;
    /// Asks for a line; what is typed can be seen. The line has no end.
    fn ask(&mut self, question: &str) -> io::Result<String>;
    /// Asks for a line; what is typed cannot be seen.
    fn ask_hidden(&mut self, question: &str) -> io::Result<Zeroizing<String>>;
}

/// Standard input, if that is a terminal.
pub(super) struct StandardTerminal;

impl Terminal for StandardTerminal {
    fn is_attended(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn ask(&mut self, question: &str) -> io::Result<String> {
        // Standard output is for answers.
        let mut notes = io::stderr().lock();
        write!(notes, "{question}")?;
        notes.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn ask_hidden(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        rpassword::prompt_password(question).map(Zeroizing::new)
    }
}

/// Has a person type the id of what is to go for good, unless he said `--yes`.
///
/// # Errors
/// [`Failure::NobodyToConfirm`] without a terminal, [`Failure::NotConfirmed`] if something else was typed.
pub(in crate::cli) fn confirm(what: &str, id: &str, yes: bool) -> anyhow::Result<()> {
    confirm_at(&mut StandardTerminal, what, id, yes)
}

fn confirm_at(terminal: &mut dyn Terminal, what: &str, id: &str, yes: bool) -> anyhow::Result<()> {
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

        fn ask_hidden(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
            self.ask(question).map(Zeroizing::new)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Typist;
    use super::*;

    fn confirmed(terminal: &mut dyn Terminal, id: &str, yes: bool) -> Result<(), String> {
        confirm_at(terminal, "x", id, yes).map_err(|error| error.to_string())
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
