//! The HTTP listener: HTTP/1.1, for small questions without a body.
//!
//! `axum::serve` bounds neither how many connections there are nor how long one may take to ask, so connections are
//! served here, by the library beneath it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use tower::ServiceExt;

use super::connections::{Capped, Patience};
use super::tls::{Tls, Wires};
use super::told_to_stop;

/// How long the head of a request may take, that of the first with the handshake of TLS before it: who asks for nothing
/// meanwhile is closed.
const HEAD: Duration = Duration::from_secs(10);
/// How long somebody who was answered may take to ask again. A browser asks for one page and keeps its connection, which is a place
/// that the next person needs.
const IDLE: Duration = Duration::from_secs(2);
/// Most bytes of the head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// After how long a connection is closed behind the answer that it is at.
const AGE: Duration = Duration::from_secs(60);
/// How long that answer may take, until it is read.
const AGE_GRACE: Duration = Duration::from_secs(10);

/// The connections, at most `most` at once, with TLS if there is any.
pub(super) fn connections(listener: TcpListener, tls: Option<Arc<Tls>>, most: u32) -> Capped<Wires> {
    Capped::new("HTTP", Wires::new(listener, tls), most, Patience::until(AGE.saturating_add(AGE_GRACE)))
}

/// Serves HTTP until `stopped`, then until the requests in flight are answered.
pub(super) async fn serve(mut incoming: Capped<Wires>, router: Router, stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stop = pin!(told_to_stop(stopped.clone()));
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = incoming.next() => match accepted {
                Some(Ok(connection)) => {
                    connections.spawn(answer(connection, router.clone(), stopped.clone()));
                }
                // One that was gone again; the stream itself says if there is more to it.
                Some(Err(_)) => {}
                None => break,
            }
        }
    }
    // The socket closes, so that nobody waits there for an answer.
    drop(incoming);
    while connections.join_next().await.is_some() {}
}

/// Answers the requests of one connection.
async fn answer<IO>(connection: IO, router: Router, stopped: watch::Receiver<bool>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answers = Arc::new(Notify::new());
    let told = Arc::clone(&answers);
    let router = ServiceExt::<Request<Incoming>>::map_response(router, move |response: Response| {
        told.notify_one();
        response
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let mut served = pin!(http.serve_connection(TokioIo::new(connection), TowerToHyperService::new(router)));
    let is_over = async {
        tokio::select! {
            () = told_to_stop(stopped) => {}
            () = sleep(AGE) => {}
            () = idle(&answers) => {}
        }
    };
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = is_over => {
            // What is being answered is answered.
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "server.http.ended");
    }
}

/// Waits until an answer is [`IDLE`] old and no other one has followed.
async fn idle(answers: &Notify) {
    answers.notified().await;
    while timeout(IDLE, answers.notified()).await.is_ok() {}
}
