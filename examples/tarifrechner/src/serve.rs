//! How the calculator is put together and served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::{Clock, SystemClock};
use crate::concenter::ConCenter;
use crate::gateway::Gateway;
use crate::quotes::Quotes;
use crate::session::Sessions;
use crate::settings::{Site, SiteError};
use crate::web::{self, App};

/// How long answers in flight may take once it is told to stop. Browsers keep connections on which nothing happens.
const DRAIN: Duration = Duration::from_secs(5);

/// What the calculator takes from the world around it; tests bring their own.
pub struct Outside {
    /// What tells how long sessions last.
    pub clock: Arc<dyn Clock>,
    /// Where it logs in.
    pub concenter: Arc<dyn ConCenter>,
}

impl Outside {
    /// The clock of the operating system, and this con:center.
    #[must_use]
    pub fn system(concenter: Arc<dyn ConCenter>) -> Self {
        Self { clock: Arc::new(SystemClock::start()), concenter }
    }
}

/// The calculator, before it is served.
pub struct Tarifrechner(Arc<App>);

impl Tarifrechner {
    /// Puts it together.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn new(site: Site, gateway: Gateway, outside: Outside) -> Result<Self, SiteError> {
        site.check()?;
        let Outside { clock, concenter } = outside;
        let (sessions, quotes) = (Sessions::new(site.most_sessions), Quotes::new(site.most_people));
        Ok(Self(Arc::new(App { site, gateway, concenter, clock, sessions, quotes })))
    }

    /// Its pages.
    pub fn router(&self) -> Router {
        web::router(Arc::clone(&self.0))
    }
}

/// Pages that are being served.
pub struct Running {
    /// Where they listen.
    pub addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

/// Serves pages until it is told to stop.
///
/// # Errors
/// If the listener does not say where it listens.
pub fn serve(listener: TcpListener, router: Router) -> io::Result<Running> {
    let addr = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let served = axum::serve(listener, router).with_graceful_shutdown(async {
        // Whoever drops the other end wants it to stop, too.
        let _ = stopped.await;
    });
    let task = tokio::spawn(async { served.await });
    Ok(Running { addr, stop, task })
}

impl Running {
    /// Stops: nobody is let in, and answers in flight have 5 s.
    pub async fn shutdown(mut self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        if timeout(DRAIN, &mut self.task).await.is_err() {
            self.task.abort();
            // Aborted is what it is now.
            let _ = self.task.await;
        }
    }
}
