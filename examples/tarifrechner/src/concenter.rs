//! con:center, where a calculator logs in with the con:center user of the jump. Simulated: nothing leaves the program.

use std::collections::HashMap;

use async_trait::async_trait;
use zeroize::Zeroizing;

/// The account system that a calculator logs in at.
#[async_trait]
pub trait ConCenter: Send + Sync {
    /// Logs in with the name and the password of a con:center user; tells whether they were taken.
    ///
    /// The password is used here and nowhere else: an implementation neither keeps nor logs it.
    async fn log_in(&self, user_name: &str, password: &str) -> bool;
}

/// A simulated con:center: takes the accounts that it was told of.
#[derive(Default)]
pub struct SimulatedConCenter {
    /// Passwords by the name of the user; `None` takes every one.
    accounts: Option<HashMap<String, Zeroizing<String>>>,
}

impl SimulatedConCenter {
    /// Takes every name with every password.
    #[must_use]
    pub fn taking_everything() -> Self {
        Self { accounts: None }
    }

    /// Takes these names with their passwords, and nothing else.
    #[must_use]
    pub fn with_accounts(accounts: HashMap<String, Zeroizing<String>>) -> Self {
        Self { accounts: Some(accounts) }
    }

    /// Takes the accounts of a text: one a line, the name, `=` and the password. Empty lines count for nothing.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        let mut accounts = HashMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let (name, password) = line.split_once('=').ok_or(AccountsError { line: index + 1 })?;
            accounts.insert(name.to_owned(), Zeroizing::new(password.to_owned()));
        }
        Ok(Self::with_accounts(accounts))
    }
}

#[async_trait]
impl ConCenter for SimulatedConCenter {
    async fn log_in(&self, user_name: &str, password: &str) -> bool {
        let Some(accounts) = &self.accounts else { return true };
        accounts.get(user_name).is_some_and(|known| known.as_str() == password)
    }
}

/// A line of the accounts is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no account: a name, `=` and a password")]
pub struct AccountsError {
    /// Number of the line, from 1. What stands there is not repeated: it may be a password.
    pub line: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_known_accounts_get_in() {
        let concenter = SimulatedConCenter::parse("vm.meier=a=b\n\nprivatkunden=c\n").unwrap();
        assert!(concenter.log_in("vm.meier", "a=b").await);
        assert!(!concenter.log_in("vm.meier", "c").await);
        assert!(!concenter.log_in("nobody", "").await);
        assert!(SimulatedConCenter::taking_everything().log_in("nobody", "x").await);
    }

    #[test]
    fn a_line_without_a_password_is_named_by_its_number_alone() {
        let error = SimulatedConCenter::parse("a=b\nsecret").err().unwrap();
        assert_eq!(error, AccountsError { line: 2 });
        assert!(!error.to_string().contains("secret"));
    }
}
