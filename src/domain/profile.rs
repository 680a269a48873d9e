//! How strict a service is about what surrounds it.

/// What a service is for. In production it demands what a try on one's own machine does without: `docs/operations.md#production`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// To try, to develop and to test.
    Development,
    /// For real customers.
    Production,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Development, Self::Production];

    /// The profile as the settings spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }

    /// Reads a profile as the settings spell it; `None` if there is no such profile.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }

    /// Whether it is for real customers.
    #[must_use]
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}
