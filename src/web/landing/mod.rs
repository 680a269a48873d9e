//! `GET /j/{target_id}`: the page that carries a jump from the portal to a target that is posted to.
//!
//! The token is in the fragment of the link, which browsers keep to themselves: neither this service nor a proxy ever sees it. The
//! script of the page posts it to the target. So asking for the page reads nothing, writes nothing and uses nothing up, however often
//! it is done, and the page is the same for everybody.
//!
//! It is therefore rendered once and kept for [`MOST_AGE`]. One more text: a field in `texts.rs`.

mod language;
mod page;
mod texts;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use moka::sync::Cache;
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::language::Language;
use self::page::{Layout, Page};
use crate::app::App;
use crate::app::landing::Entrance;
use crate::domain::ids::TargetId;
use crate::domain::target::WebUrl;
use crate::domain::time::Timestamp;

/// How old a page may be: so long may one of a target go on that was disabled or changed meanwhile. The page is no decision; whoever is
/// let through by it is refused by the redeem.
const MOST_AGE: Duration = Duration::from_secs(5);
/// Most targets whose pages are kept, of about 24 KiB each. The one least asked for makes room.
const MOST_PAGES: u64 = 512;
/// How long the store may take; people do not wait for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The landing pages of all targets.
pub(super) struct LandingPages {
    app: Arc<App>,
    layout: Layout,
    missing: Arc<Page>,
    unavailable: Arc<Page>,
    kept: Cache<TargetId, Kept>,
    /// Whoever looks up a target. One at a time: anybody may ask, for targets that are not there, and must not take the store from
    /// those who jump.
    turn: Mutex<()>,
}

/// A page, and when it was true.
#[derive(Clone)]
struct Kept {
    page: Arc<Page>,
    at: Timestamp,
}

impl LandingPages {
    pub(super) fn new(app: Arc<App>, portal_url: Option<WebUrl>) -> Self {
        let layout = Layout::new(app.public_url(), portal_url);
        let (missing, unavailable) = (Arc::new(layout.missing()), Arc::new(layout.unavailable()));
        let kept = Cache::builder().max_capacity(MOST_PAGES).build();
        Self { app, layout, missing, unavailable, kept, turn: Mutex::new(()) }
    }

    /// The page of a target.
    async fn page_of(&self, target: &TargetId) -> Arc<Page> {
        if let Some(page) = self.kept(target) {
            return page;
        }
        match timeout(PATIENCE, self.look_up(target)).await {
            Ok(Some(page)) => page,
            Ok(None) => Arc::clone(&self.unavailable),
            Err(_) => {
                tracing::warn!(patience_seconds = PATIENCE.as_secs(), "web.landing.slow");
                Arc::clone(&self.unavailable)
            }
        }
    }

    /// The page that is kept of a target, unless it is too old.
    fn kept(&self, target: &TargetId) -> Option<Arc<Page>> {
        let Kept { page, at } = self.kept.get(target)?;
        let now = self.app.now();
        // After a clock that was set back it is of the future, and nobody knows how old.
        (at <= now && now.since(at) < MOST_AGE).then_some(page)
    }

    /// Asks the store, in turn. `None` if it fails; why stands in the log alone.
    async fn look_up(&self, target: &TargetId) -> Option<Arc<Page>> {
        let _turn = self.turn.lock().await;
        // Who came before may have asked for the same.
        if let Some(page) = self.kept(target) {
            return Some(page);
        }
        let at = self.app.now();
        let page = match self.app.entrance(target).await {
            Ok(Entrance::Nowhere) => Arc::clone(&self.missing),
            Ok(entrance) => Arc::new(self.layout.page(&entrance, at)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "web.landing.failed");
                return None;
            }
        };
        self.kept.insert(target.clone(), Kept { page: Arc::clone(&page), at });
        Some(page)
    }
}

/// Answers with the page of a target: 200 with the form, 403 if the target is disabled, 404 if there is no such page, 503 if nobody
/// knows. A query is not looked at.
pub(super) async fn landing(
    State(pages): State<Arc<LandingPages>>,
    target: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let language = Language::accepted(request.headers());
    let page = match target.ok().and_then(|Path(target)| TargetId::parse(&target).ok()) {
        Some(target) => pages.page_of(&target).await,
        None => Arc::clone(&pages.missing),
    };
    page.answer(language)
}
