//! Quotes that people saved, kept apart by `subject`.
//!
//! In memory, with bounds: at most [`MOST_OF_A_PERSON`] of one person, of whom the oldest goes for a new one, and as many
//! people as the settings say. They end with the program.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::premium::Risk;

/// Most quotes of one person.
pub(crate) const MOST_OF_A_PERSON: usize = 20;

/// A saved quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    /// 256 random bits, so that nobody guesses it; who has it must still be the person.
    pub(crate) id: String,
    /// Product provider.
    pub(crate) provider: String,
    /// What it was made for.
    pub(crate) risk: Risk,
    /// Cents a year.
    pub(crate) premium: u32,
}

/// Everybody's quotes.
pub(crate) struct Quotes {
    most_people: usize,
    kept: Mutex<HashMap<String, VecDeque<Quote>>>,
}

/// There are quotes of too many people already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Quotes {
    /// None yet, and never of more than `most_people`.
    pub(crate) fn new(most_people: usize) -> Self {
        Self { most_people, kept: Mutex::default() }
    }

    /// Keeps a quote of this person.
    pub(crate) fn save(&self, subject: &str, quote: Quote) -> Result<(), Full> {
        let mut kept = self.lock();
        if !kept.contains_key(subject) && kept.len() >= self.most_people {
            return Err(Full);
        }
        let own = kept.entry(subject.to_owned()).or_default();
        own.push_front(quote);
        own.truncate(MOST_OF_A_PERSON);
        Ok(())
    }

    /// Finds a quote of this person. Somebody else's is looked up nowhere.
    pub(crate) fn find(&self, subject: &str, id: &str) -> Option<Quote> {
        self.lock().get(subject)?.iter().find(|quote| quote.id == id).cloned()
    }

    /// This person's quotes, the newest first, at most [`MOST_OF_A_PERSON`].
    pub(crate) fn of(&self, subject: &str) -> Vec<Quote> {
        self.lock().get(subject).map(|own| own.iter().cloned().collect()).unwrap_or_default()
    }

    /// No panic happens under the lock that could leave half a change.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Quote>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(id: usize) -> Quote {
        let risk = Risk { km: 1, age: 40, claim_free_years: 0 };
        Quote { id: id.to_string(), provider: "p".to_owned(), risk, premium: 1 }
    }

    #[test]
    fn a_person_finds_his_own_quotes_alone() {
        let quotes = Quotes::new(2);
        quotes.save("a", quote(1)).unwrap();
        quotes.save("b", quote(2)).unwrap();
        assert_eq!(quotes.find("a", "1"), Some(quote(1)));
        assert_eq!(quotes.find("a", "2"), None);
        assert_eq!(quotes.of("b"), [quote(2)]);
        assert_eq!(quotes.of("c"), []);
    }

    #[test]
    fn there_are_never_more_than_the_bounds() {
        let quotes = Quotes::new(1);
        for id in 0..=MOST_OF_A_PERSON {
            quotes.save("a", quote(id)).unwrap();
        }
        assert_eq!(quotes.of("a").len(), MOST_OF_A_PERSON);
        assert_eq!(quotes.find("a", "0"), None);
        assert_eq!(quotes.save("b", quote(1)), Err(Full));
    }
}
