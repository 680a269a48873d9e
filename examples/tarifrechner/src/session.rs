//! The sessions of browsers: who is at work here, what he may do, and until when.
//!
//! Kept in memory, at most as many as the settings say. They end with the program.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use crate::gateway::{Grant, Limits};
use crate::random::{NoRandom, name_of, random_word};

/// For how long the gateway's word that a session may go on is taken.
const TRUST: Duration = Duration::from_secs(15);

/// Of how many sessions that were left the way back is kept: until the browser has gone it.
const MOST_LEFT: usize = 1000;

/// All sessions.
pub(crate) struct Sessions {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By name, which is the hash of what opens it.
    sessions: HashMap<String, Session>,
    /// Those that were left: the name and the way back of each, the newest first, at most [`MOST_LEFT`].
    left: VecDeque<(String, Url)>,
    /// How often all of them were distrusted.
    distrusted: u64,
}

struct Session {
    grant: Arc<Grant>,
    limits: Limits,
    form_mark: String,
    began: Duration,
    last_click: Duration,
    /// From when the gateway's last word is that it may go on.
    asked: Moment,
}

/// A point in time, before or after sessions were last distrusted. Taken before the gateway is asked, so that its word is not
/// taken for younger than what happened meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    distrusted: u64,
    at: Duration,
}

/// A session that began.
pub(crate) struct Begun {
    /// Opens it: for a cookie that no other site's request carries.
    pub(crate) id: String,
    /// Names it, and opens nothing.
    pub(crate) name: String,
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
    /// Its name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) grant: Arc<Grant>,
    /// What its forms carry, so that no other site can send one.
    pub(crate) form_mark: String,
    /// Whether the gateway must be asked before it goes on.
    pub(crate) is_due: bool,
    found: Moment,
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

    /// This moment.
    pub(crate) fn moment(&self, now: Duration) -> Moment {
        self.lock().moment(now)
    }

    /// Tells whether one more may begin. Those whose time is over make room.
    pub(crate) fn have_room(&self, now: Duration) -> bool {
        let sessions = &mut self.lock().sessions;
        if sessions.len() >= self.most {
            sessions.retain(|_, session| session.over(now).is_none());
        }
        sessions.len() < self.most
    }

    /// Begins a session, as of the moment before its redeem. What was known under another id is not taken over.
    pub(crate) fn begin(&self, grant: Grant, moment: Moment) -> Result<Begun, NoRandom> {
        let id = random_word()?;
        let name = name_of(&id);
        let session = Session {
            limits: grant.limits,
            grant: Arc::new(grant),
            form_mark: random_word()?,
            began: moment.at,
            last_click: moment.at,
            asked: moment,
        };
        self.lock().sessions.insert(name.clone(), session);
        Ok(Begun { id, name })
    }

    /// Finds the session that an id opens. One whose time is over is gone afterwards.
    pub(crate) fn find(&self, id: &str, now: Duration) -> Found {
        let (name, mut kept) = (name_of(id), self.lock());
        let found = kept.moment(now);
        let Some(session) = kept.sessions.get(&name) else { return Found::None };
        if let Some(why) = session.over(now) {
            let grant = Arc::clone(&session.grant);
            kept.sessions.remove(&name);
            return Found::Over(Ended { why, grant });
        }
        Found::Live(Live {
            name,
            grant: Arc::clone(&session.grant),
            form_mark: session.form_mark.clone(),
            is_due: session.asked.distrusted < found.distrusted || found.at.saturating_sub(session.asked.at) >= TRUST,
            found,
        })
    }

    /// Notes a click, in a session that was found, and the gateway's word if it was asked: limits that may be shorter than
    /// before.
    ///
    /// By those its time may have been over when it was found; then it ended.
    pub(crate) fn go_on(&self, live: &Live, told: Option<Limits>) -> Result<(), Option<Ended>> {
        let mut kept = self.lock();
        // Somebody may have ended it while the gateway was asked.
        let session = kept.sessions.get_mut(&live.name).ok_or(None)?;
        if let Some(limits) = told {
            session.limits = session.limits.shortened(limits);
            session.asked = session.asked.max(live.found);
        }
        // Before the click counts: it is the time without one that the limits bound.
        if let Some(why) = session.over(live.found.at) {
            let grant = Arc::clone(&session.grant);
            kept.sessions.remove(&live.name);
            return Err(Some(Ended { why, grant }));
        }
        session.last_click = session.last_click.max(live.found.at);
        Ok(())
    }

    /// Ends the session of this name. Nothing happens if there is none.
    pub(crate) fn end(&self, name: &str) {
        self.lock().sessions.remove(name);
    }

    /// Ends a session, and keeps the way back.
    pub(crate) fn leave(&self, live: &Live) {
        let mut kept = self.lock();
        kept.sessions.remove(&live.name);
        if let Some(return_url) = &live.grant.return_url {
            kept.left.push_front((live.name.clone(), return_url.clone()));
            kept.left.truncate(MOST_LEFT);
        }
    }

    /// The way back from the session of this name, which was left.
    pub(crate) fn way_back(&self, name: &str) -> Option<Url> {
        self.lock().left.iter().find(|(left, _)| left == name).map(|(_, return_url)| return_url.clone())
    }

    /// Has the gateway asked about every session at its next click: one of them may have been revoked just now.
    pub(crate) fn distrust_all(&self) {
        self.lock().distrusted += 1;
    }

    /// No panic happens under the lock that could leave half a change.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    const fn moment(&self, at: Duration) -> Moment {
        Moment { distrusted: self.distrusted, at }
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
