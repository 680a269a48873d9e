//! Where a password comes from: never from an argument, which can be read in the list of processes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::connection::{open, read_secret, standard_input, warn_if_readable_by_others};
use super::failure::Failure;
use super::terminal::{StandardTerminal, Terminal};

/// More than any password may have (512 bytes), with its line break.
const MOST_BYTES: usize = 1_023;

/// Where the password comes from.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(in crate::cli) struct PasswordArgs {
    /// Ask for the password on the terminal, twice, without showing it
    #[arg(long)]
    ask_password: bool,

    /// File that holds the password; one line break at its end is dropped
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,

    /// Read the password from standard input; one line break at its end is dropped
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// Tells whether the password stands on standard input.
    pub(in crate::cli) const fn reads_input(&self) -> bool {
        self.password_stdin
    }

    /// The password, if the arguments say where it comes from.
    ///
    /// # Errors
    /// [`Failure`] for a password that cannot be had or taken.
    pub(in crate::cli) async fn read(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        self.read_with(&mut StandardTerminal, &mut io::stdin()).await
    }

    /// The password; a person is asked if the arguments say nothing.
    ///
    /// # Errors
    /// [`Failure`] for a password that cannot be had or taken.
    pub(in crate::cli) async fn read_or_ask(&self) -> anyhow::Result<Zeroizing<String>> {
        self.read_or_ask_with(&mut StandardTerminal, &mut io::stdin()).await
    }

    async fn read_or_ask_with(
        &self,
        terminal: &mut impl Terminal,
        input: &mut dyn Read,
    ) -> anyhow::Result<Zeroizing<String>> {
        match self.read_with(terminal, input).await? {
            Some(password) => Ok(password),
            None => ask_twice(terminal).await,
        }
    }

    async fn read_with(
        &self,
        terminal: &mut impl Terminal,
        input: &mut dyn Read,
    ) -> anyhow::Result<Option<Zeroizing<String>>> {
        if let Some(path) = &self.password_file {
            warn_if_readable_by_others(path);
            return Ok(Some(from(&mut open(path)?, path)?));
        }
        if self.password_stdin {
            return Ok(Some(from(input, standard_input())?));
        }
        if self.ask_password {
            return ask_twice(terminal).await.map(Some);
        }
        Ok(None)
    }
}

async fn ask_twice(terminal: &mut impl Terminal) -> anyhow::Result<Zeroizing<String>> {
    if !terminal.is_attended() {
        return Err(Failure::NobodyToAsk.into());
    }
    let first = terminal.ask_hidden("Password: ").await?;
    if first.is_empty() {
        return Err(Failure::PasswordEmpty.into());
    }
    let second = terminal.ask_hidden("The same again: ").await?;
    if first != second {
        return Err(Failure::PasswordsDiffer.into());
    }
    Ok(first)
}

/// Reads a password, without one line break at its end. Other white space belongs to it.
fn from(source: &mut dyn Read, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_secret(source, path, MOST_BYTES)?.ok_or(Failure::PasswordForm)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::PasswordForm)?;
    let password = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() {
        return Err(Failure::PasswordEmpty);
    }
    Ok(Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::terminal::testing::Typist;
    use super::*;

    fn args(ask_password: bool, password_stdin: bool) -> PasswordArgs {
        PasswordArgs { ask_password, password_file: None, password_stdin }
    }

    fn outcome(read: anyhow::Result<Zeroizing<String>>) -> Result<String, String> {
        read.map(|password| password.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_line_break_is_dropped_and_nothing_else() {
        let read = |text: &str| from(&mut text.as_bytes(), standard_input()).map(|password| password.to_string());
        for (text, password) in [
            ("geheim", "geheim"),
            ("geheim\n", "geheim"),
            ("geheim\r\n", "geheim"),
            (" a \n\n", " a \n"),
            ("a\r", "a\r"),
        ] {
            assert_eq!(read(text).unwrap(), password, "{text:?}");
        }
        for text in ["", "\n", "\r\n"] {
            assert!(matches!(read(text), Err(Failure::PasswordEmpty)), "{text:?}");
        }
    }

    #[test]
    fn what_can_be_no_password_is_refused() {
        let long = "x".repeat(MOST_BYTES + 1);
        assert!(matches!(from(&mut long.as_bytes(), standard_input()), Err(Failure::PasswordForm)));
        assert!(matches!(from(&mut &b"\xff\xfe"[..], standard_input()), Err(Failure::PasswordForm)));
        assert_eq!(from(&mut &long.as_bytes()[1..], standard_input()).unwrap().len(), MOST_BYTES);
    }

    #[tokio::test]
    async fn a_person_types_it_twice() {
        let ask =
            async |mut typist: Typist| outcome(args(true, false).read_or_ask_with(&mut typist, &mut io::empty()).await);
        assert_eq!(ask(Typist::of(["geheim", "geheim"])).await, Ok("geheim".to_owned()));
        assert_eq!(ask(Typist::of(["geheim", "geheim "])).await, Err(Failure::PasswordsDiffer.to_string()));
        assert_eq!(ask(Typist::of([""])).await, Err(Failure::PasswordEmpty.to_string()));
        for typist in [Typist::of([]), Typist::of(["geheim"])] {
            assert_eq!(ask(typist).await, Err(Failure::NothingTyped.to_string()));
        }
        assert_eq!(ask(Typist::nobody()).await, Err(Failure::NobodyToAsk.to_string()));
    }

    #[tokio::test]
    async fn nobody_is_asked_for_a_password_that_may_be_absent() {
        let read = args(false, false).read_with(&mut Typist::of([]), &mut io::empty()).await.unwrap();
        assert!(read.is_none());
    }

    #[tokio::test]
    async fn without_a_word_a_password_that_must_be_there_is_asked_for() {
        let read =
            async |mut typist: Typist| outcome(args(false, false).read_or_ask_with(&mut typist, &mut &b"x"[..]).await);
        assert_eq!(read(Typist::of(["geheim", "geheim"])).await, Ok("geheim".to_owned()));
        assert_eq!(read(Typist::nobody()).await, Err(Failure::NobodyToAsk.to_string()));
    }

    #[tokio::test]
    async fn standard_input_is_read_only_where_that_was_said() {
        let read = outcome(args(false, true).read_or_ask_with(&mut Typist::of([]), &mut &b"geheim\n"[..]).await);
        assert_eq!(read, Ok("geheim".to_owned()));
    }
}
