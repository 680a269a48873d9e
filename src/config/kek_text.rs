//! The key-encryption keys that stand in the environment.

use std::fmt;

use zeroize::Zeroizing;

/// The variable.
const VARIABLE: &str = "CONCENTER_KEK";

/// What a person put into the environment as keys, not looked at yet. Wiped when it is dropped, never shown.
///
/// The variable itself stays where it is, and so does the copy that the operating system shows to this account in `/proc`: Rust
/// has no safe way to take a variable out of a process that may have threads.
#[derive(Clone)]
pub struct KekText(Zeroizing<String>);

impl KekText {
    /// Takes the text over; the caller must not have left other copies that he can wipe.
    #[must_use]
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// What the environment has; `None` if the variable is not set.
    pub(super) fn of_environment() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "a setting, and settings are read in this room")]
        let text = std::env::var_os(VARIABLE)?;
        // What is no text holds no key, and is refused like any other text that holds none.
        Some(Self(Zeroizing::new(text.into_string().unwrap_or_default())))
    }

    /// The text, for whoever reads the keys in it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KekText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KekText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_text() {
        assert_eq!(format!("{:?}", KekText::new(Zeroizing::new("geheim".to_owned()))), "KekText(..)");
    }
}
