//! The portal: a page that leads on to a link, and one to come back to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use axum::routing::get;
use serde::Deserialize;
use tarifrechner::{Running, serve};
use tokio::net::TcpListener;

/// The portal, running.
pub struct Portal {
    running: Running,
    links: Arc<Mutex<Vec<String>>>,
}

impl Portal {
    /// Starts it on any free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let links = Arc::new(Mutex::new(Vec::new()));
        let pages = Router::new()
            .route("/", get(|| async { Html("<!doctype html><title>Portal</title><h1>Portal</h1>") }))
            .route("/zurueck", get(|| async { Html("<!doctype html><title>Portal</title><h1>Willkommen zurück</h1>") }))
            .route("/go", get(go))
            .with_state(Arc::clone(&links));
        let home = home(listener.local_addr().expect("an address"));
        let pages = pages.route("/heim", get(async move || Redirect::to(&home)));
        Self { running: serve(listener, pages).expect("it listens"), links }
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.running.addr)
    }

    /// A page that sends the browser on to [`Self::home`].
    pub fn way_home(&self) -> String {
        format!("{}/heim", self.origin())
    }

    /// A page at another origin of the portal.
    pub fn home(&self) -> String {
        home(self.running.addr)
    }

    /// A page of the portal that leads on to this link: what a person clicks.
    pub fn door_to(&self, link: String) -> String {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.push(link);
        format!("{}/go?to={}", self.origin(), links.len() - 1)
    }

    /// Stops it.
    pub async fn shutdown(self) {
        self.running.shutdown().await;
    }
}

/// The same place under another name is another origin.
fn home(addr: SocketAddr) -> String {
    format!("http://localhost:{}/zurueck", addr.port())
}

#[derive(Deserialize)]
struct Door {
    to: usize,
}

async fn go(State(links): State<Arc<Mutex<Vec<String>>>>, Query(door): Query<Door>) -> Redirect {
    let links = links.lock().unwrap_or_else(PoisonError::into_inner);
    Redirect::to(links.get(door.to).expect("a link"))
}
