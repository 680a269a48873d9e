//! The sessions of browsers: who is at work here, what he may do, and until when.
//!
//! Kept in memory, at most as many as the settings say. They end with the program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::gateway::{Grant, Limits};
use crate::random::{NoRandom, random_word};

/// For how long the gateway's word that a session may go on is taken.
const TRUST: Duration = Duration::from_secs(15);

/// All sessions.
pub(crate) struct Sessions {
    most: usize,
    kept: Mutex<HashMap<String, Session>>,
}

struct Session {
    grant: Arc<Grant>,
    limits: Limits,
    form_mark: String,
    began: Duration,
    last_click: Duration,
    /// When the gateway last said that it may go on; `None` if it must be asked at the next click.
    asked: Option<Duration>,
}

/// What is known of a browser's session.
pub(crate) enum Found {
    /// It goes on.
    Live(Live),
    /// Its time is over.
    Over(Ended),
    /// There is none of this id: it ended a while ago, or never was.
    None,
}

/// A session that goes on.
pub(crate) struct Live {
    /// Its id, which the cookie holds.
    pub(crate) id: String,
    /// What it may do.
    pub(crate) grant: Arc<Grant>,
    /// What its forms carry, so that no other site can send one.
    pub(crate) form_mark: String,
    /// Whether the gateway must be asked before it goes on.
    pub(crate) is_due: bool,
}

/// A session that ended just now.
pub(crate) struct Ended {
    /// Why.
    pub(crate) why: Why,
    /// What it was.
    pub(crate) grant: Arc<Grant>,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Too long without a click.
    Idle,
    /// Too long in all.
    Absolute,
    /// The gateway says so.
    Revoked,
}

impl Sessions {
    /// None yet, and never more than `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Mutex::default() }
    }

    /// Tells whether one more may begin. Those whose time is over make room.
    pub(crate) fn have_room(&self, now: Duration) -> bool {
        let mut kept = self.lock();
        if kept.len() >= self.most {
            kept.retain(|_, session| session.over(now).is_none());
        }
        kept.len() < self.most
    }

    /// Begins a session; gives its id. What was known under another id is not taken over.
    pub(crate) fn begin(&self, grant: Grant, now: Duration) -> Result<String, NoRandom> {
        let id = random_word()?;
        let limits = grant.limits;
        let session = Session {
            grant: Arc::new(grant),
            limits,
            form_mark: random_word()?,
            began: now,
            last_click: now,
            asked: Some(now),
        };
        self.lock().insert(id.clone(), session);
        Ok(id)
    }

    /// Finds a session, which is a click. One whose time is over is gone afterwards.
    pub(crate) fn click(&self, id: &str, now: Duration) -> Found {
        let mut kept = self.lock();
        let Some(session) = kept.get_mut(id) else { return Found::None };
        if let Some(why) = session.over(now) {
            let grant = Arc::clone(&session.grant);
            kept.remove(id);
            return Found::Over(Ended { why, grant });
        }
        session.last_click = now;
        Found::Live(Live {
            id: id.to_owned(),
            grant: Arc::clone(&session.grant),
            form_mark: session.form_mark.clone(),
            is_due: session.asked.is_none_or(|asked| now.saturating_sub(asked) >= TRUST),
        })
    }

    /// Notes that the gateway lets a session go on, within limits that may be shorter than before.
    ///
    /// Its time may be over by those; then it ended.
    pub(crate) fn go_on(&self, id: &str, limits: Limits, now: Duration) -> Result<(), Option<Ended>> {
        let mut kept = self.lock();
        // Somebody may have ended it while the gateway was asked.
        let session = kept.get_mut(id).ok_or(None)?;
        session.limits = session.limits.shortened(limits);
        session.asked = Some(now);
        if let Some(why) = session.over(now) {
            let grant = Arc::clone(&session.grant);
            kept.remove(id);
            return Err(Some(Ended { why, grant }));
        }
        Ok(())
    }

    /// Ends a session. Nothing happens if there is none.
    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Has the gateway asked about every session at its next click: one of them may have been revoked just now.
    pub(crate) fn distrust_all(&self) {
        for session in self.lock().values_mut() {
            session.asked = None;
        }
    }

    /// No panic happens under the lock that could leave half a change.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn over(&self, now: Duration) -> Option<Why> {
        if now.saturating_sub(self.began) >= self.limits.absolute {
            return Some(Why::Absolute);
        }
        (now.saturating_sub(self.last_click) >= self.limits.idle).then_some(Why::Idle)
    }
}
