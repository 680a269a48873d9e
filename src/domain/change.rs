//! Changes of single fields, as a mask of the API names them.

/// A change of one field: left alone, or set to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// Stays as it is.
    #[default]
    Keep,
    /// Becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// What the field is after the change of `current`.
    pub fn applied_to(self, current: T) -> T {
        match self {
            Self::Keep => current,
            Self::Set(new) => new,
        }
    }
}
