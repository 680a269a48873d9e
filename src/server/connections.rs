//! Connections of both listeners: how many there may be, and how long one may take to be of use.
//!
//! The library bounds what happens within a connection, but neither how many there are nor how long one may say nothing. At
//! the cap nobody is accepted: who comes then waits in the backlog of the operating system, where he costs no descriptor
//! and no memory of ours, and is served in his turn. A connection keeps its place until it is closed.
//!
//! [`Capped`] takes any stream of connections. TLS is between it and the sockets, so that a handshake counts towards the opening
//! of its connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_stream::Stream;
use tokio_util::sync::PollSemaphore;
use tonic::body::Body;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tower::util::MapRequestLayer;

use super::tls::WireInfo;

/// How many bytes every client sends before anything else, behind the handshake of TLS where there is one: the preface of HTTP/2 (RFC 9113, section 3.4), 24 bytes, and the
/// head of the SETTINGS frame behind it, 9.
const OPENING_BYTES: usize = 33;
/// After how long a connection of gRPC is asked to go: GOAWAY, and the calls in flight go on. Who comes back finds another
/// replica, too, and a certificate that is new.
pub(super) const AGE: Duration = Duration::from_secs(30 * 60);
/// For how long the calls in flight may go on then.
const AGE_GRACE: Duration = Duration::from_secs(30);
/// How long to wait when the operating system has no descriptor or memory for another connection. Asking again at once would
/// only burn the processor.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How long a connection may take, each counted from when it was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until its first [`OPENING_BYTES`] are there.
    pub(super) opening: Duration,
    /// Until its first call is there.
    pub(super) first_call: Duration,
    /// Until it is closed, whatever it does.
    pub(super) life: Duration,
}

impl Patience {
    /// With connections of gRPC. Who opens one ahead of his calls comes back by himself.
    pub(super) const GRPC: Self = Self {
        opening: Duration::from_secs(10),
        first_call: Duration::from_secs(60),
        life: AGE.saturating_add(AGE_GRACE),
    };

    /// With connections that end at the latest after `life`, by a protocol that has its own bounds before that.
    pub(super) const fn until(life: Duration) -> Self {
        Self { opening: life, first_call: life, life }
    }
}

/// How many connections a listener has. A clone is the same count.
#[derive(Debug, Clone, Default)]
pub(super) struct Open(Arc<AtomicU64>);

impl Open {
    pub(super) fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts a connection for as long as what this gives is kept.
    fn enter(&self) -> OneOpen {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneOpen(self.clone())
    }
}

/// A connection that is counted until it is dropped.
struct OneOpen(Open);

impl Drop for OneOpen {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream of connections, of which only so many are there at once.
pub(super) struct Capped<S> {
    listener: &'static str,
    incoming: S,
    places: PollSemaphore,
    most: u32,
    /// The place of the next one.
    place: Option<OwnedSemaphorePermit>,
    /// While all places are taken, so that the log says so once.
    is_full: bool,
    /// While the operating system has nothing to give.
    rest: Option<Pin<Box<Sleep>>>,
    patience: Patience,
    open: Open,
}

impl<S> Capped<S> {
    /// At most `most` of the connections that come in, at least one, each with this patience. `listener` is what the log calls it.
    pub(super) fn new(listener: &'static str, incoming: S, most: u32, patience: Patience) -> Self {
        let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self {
            listener,
            incoming,
            places: PollSemaphore::new(Arc::new(Semaphore::new(places))),
            most,
            place: None,
            is_full: false,
            rest: None,
            patience,
            open: Open::default(),
        }
    }

    /// How many of them there are.
    pub(super) fn open(&self) -> Open {
        self.open.clone()
    }

    /// A place for the next connection.
    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        if let Some(place) = self.place.take() {
            return Poll::Ready(Some(place));
        }
        let place = self.places.poll_acquire(cx);
        if place.is_pending() != self.is_full {
            self.is_full = place.is_pending();
            tracing::warn!(
                listener = self.listener,
                most = self.most,
                is_full = self.is_full,
                "server.connections.cap"
            );
        }
        place
    }
}

impl<S, IO> Stream for Capped<S>
where
    S: Stream<Item = io::Result<IO>> + Unpin,
{
    type Item = io::Result<Connection<IO>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(rest) = &mut this.rest {
            ready!(rest.as_mut().poll(cx));
            this.rest = None;
        }
        let Some(place) = ready!(this.poll_place(cx)) else { return Poll::Ready(None) };
        match Pin::new(&mut this.incoming).poll_next(cx) {
            Poll::Ready(Some(Ok(io))) => {
                let connection = Connection::new(io, (place, this.open.enter()), this.patience);
                Poll::Ready(Some(Ok(connection)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.place = Some(place);
                if is_exhaustion(&error) {
                    tracing::warn!(
                        listener = this.listener,
                        error = &error as &dyn std::error::Error,
                        "server.accept.failed"
                    );
                    this.rest = Some(Box::pin(sleep(EXHAUSTED)));
                }
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                this.place = Some(place);
                Poll::Pending
            }
        }
    }
}

/// Tells whether there was no descriptor or no memory, rather than a peer that was gone again.
fn is_exhaustion(error: &io::Error) -> bool {
    Errno::from_io_error(error)
        .is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// A connection that keeps its place until it is closed, and is closed when its time is over.
pub(super) struct Connection<IO> {
    io: IO,
    accepted: Instant,
    patience: Patience,
    /// How many bytes came, up to [`OPENING_BYTES`].
    received: usize,
    has_called: Arc<AtomicBool>,
    timer: Pin<Box<Sleep>>,
    _place: (OwnedSemaphorePermit, OneOpen),
}

impl<IO> Connection<IO> {
    fn new(io: IO, place: (OwnedSemaphorePermit, OneOpen), patience: Patience) -> Self {
        let accepted = Instant::now();
        Self {
            io,
            accepted,
            patience,
            received: 0,
            has_called: Arc::new(AtomicBool::new(false)),
            timer: Box::pin(sleep_until(accepted + patience.opening)),
            _place: place,
        }
    }

    /// When it is over, by what it has done so far.
    fn ends(&self) -> Instant {
        let Patience { opening, first_call, life } = self.patience;
        self.accepted
            + if self.received < OPENING_BYTES {
                opening
            } else if self.has_called.load(Ordering::Relaxed) {
                life
            } else {
                first_call
            }
    }

    /// Fails once its time is over; until then the task is woken when that may be.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let ends = self.ends();
            if ends <= self.timer.deadline() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(ends);
        }
        Ok(())
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        if this.received < OPENING_BYTES {
            this.received += buffer.filled().len().saturating_sub(before);
        }
        Poll::Ready(Ok(()))
    }
}

/// A peer that reads nothing must not hold a connection either, so writing looks at the time, too.
impl<IO: AsyncWrite + Unpin> AsyncWrite for Connection<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<IO: Connected> Connected for Connection<IO> {
    type ConnectInfo = ConnectionInfo<IO::ConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        ConnectionInfo { within: self.io.connect_info(), has_called: Arc::clone(&self.has_called) }
    }
}

/// What a call knows of its connection.
#[derive(Debug, Clone)]
pub(super) struct ConnectionInfo<I> {
    within: I,
    has_called: Arc<AtomicBool>,
}

/// The layer that tells a connection of its calls, and leaves in each what is known of the socket, and the certificate of the
/// client if it has one ([`crate::domain::caller::CertificateThumbprint`]).
pub(super) fn note_calls() -> MapRequestLayer<fn(Request<Body>) -> Request<Body>> {
    MapRequestLayer::new(note_call)
}

fn note_call(mut request: Request<Body>) -> Request<Body> {
    let extensions = request.extensions_mut();
    if let Some(ConnectionInfo { within, has_called }) = extensions.remove::<ConnectionInfo<WireInfo<TcpConnectInfo>>>()
    {
        has_called.store(true, Ordering::Relaxed);
        let (socket, certificate) = within.into_parts();
        if let Some(socket) = socket {
            extensions.insert(socket);
        }
        if let Some(certificate) = certificate {
            extensions.insert(certificate);
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_stream::StreamExt as _;
    use tonic::transport::Channel;
    use tonic_health::ServingStatus;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus as Reported;
    use tonic_health::pb::health_client::HealthClient;

    use super::super::tls::Wires;
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(3_600);

    /// Connections of which `most` may be there, and their peers.
    fn capped(most: u32, number: usize) -> (Capped<impl Stream<Item = io::Result<DuplexStream>>>, Vec<DuplexStream>) {
        let (ours, peers): (Vec<_>, Vec<_>) = (0..number).map(|_| duplex(64)).unzip();
        let incoming = tokio_stream::iter(ours.into_iter().map(Ok));
        (Capped::new("test", incoming, most, Patience::until(LONG)), peers)
    }

    /// A connection with a patience, and its peer.
    fn connection(patience: Patience) -> (Connection<DuplexStream>, DuplexStream) {
        let (ours, peer) = duplex(64);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        (Connection::new(ours, (place, Open::default().enter()), patience), peer)
    }

    /// Whether somebody is let in at once.
    async fn next_at_once<S>(capped: &mut Capped<S>) -> Option<Connection<DuplexStream>>
    where
        S: Stream<Item = io::Result<DuplexStream>> + Unpin,
    {
        tokio::select! {
            biased;
            next = capped.next() => next.map(|next| next.unwrap()),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn at_the_cap_the_next_one_waits_until_another_is_closed() {
        let (mut capped, _peers) = capped(2, 3);
        let first = next_at_once(&mut capped).await.unwrap();
        let second = next_at_once(&mut capped).await.unwrap();
        assert!(next_at_once(&mut capped).await.is_none(), "a third one of two");
        assert_eq!(capped.open().number(), 2);
        drop(first);
        assert_eq!(capped.open().number(), 1);
        assert!(next_at_once(&mut capped).await.is_some());
        drop(second);
    }

    #[tokio::test]
    async fn an_accept_that_fails_takes_no_place() {
        let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let (ours, _peer) = duplex(64);
        let incoming = tokio_stream::iter([Err(gone()), Err(gone()), Ok(ours)]);
        let mut capped = Capped::new("test", incoming, 1, Patience::until(LONG));
        assert!(capped.next().await.unwrap().is_err());
        assert!(capped.next().await.unwrap().is_err());
        assert!(capped.next().await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn without_descriptors_the_next_accept_waits() {
        let none = io::Error::from(Errno::MFILE);
        let (ours, _peer) = duplex(64);
        let mut capped = Capped::new("test", tokio_stream::iter([Err(none), Ok(ours)]), 1, Patience::until(LONG));
        let begun = Instant::now();
        assert!(capped.next().await.unwrap().is_err());
        assert!(capped.next().await.unwrap().is_ok());
        assert!(begun.elapsed() >= EXHAUSTED);
    }

    /// What a read gives after the first of its times is over, of a connection that has received and done this much.
    async fn read_late(patience: Patience, received: usize, has_called: bool) -> io::Result<usize> {
        let (mut connection, mut peer) = connection(patience);
        connection.received = received;
        connection.has_called.store(has_called, Ordering::Relaxed);
        peer.write_all(b"x").await.unwrap();
        connection.timer.as_mut().await;
        connection.read(&mut [0; 64]).await
    }

    #[tokio::test]
    async fn who_does_not_open_in_time_is_closed() {
        let patience = Patience { opening: NOW, first_call: LONG, life: LONG };
        for received in [0, OPENING_BYTES - 1] {
            let refused = read_late(patience, received, false).await;
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(read_late(patience, OPENING_BYTES, false).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn who_opens_and_does_not_call_in_time_is_closed() {
        let patience = Patience { opening: NOW, first_call: NOW, life: LONG };
        let refused = read_late(patience, OPENING_BYTES, false).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(read_late(patience, OPENING_BYTES, true).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn who_calls_is_closed_at_the_end_of_its_life() {
        let patience = Patience { opening: NOW, first_call: NOW, life: NOW };
        let refused = read_late(patience, OPENING_BYTES, true).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_arrives_counts_towards_the_opening() {
        let (mut connection, mut peer) = connection(Patience { opening: LONG, first_call: LONG, life: LONG });
        for _ in 0..2 {
            peer.write_all(&[0; OPENING_BYTES - 1]).await.unwrap();
            assert_eq!(connection.read(&mut [0; 64]).await.unwrap(), OPENING_BYTES - 1);
        }
        assert!(connection.received >= OPENING_BYTES);
    }

    #[tokio::test]
    async fn a_call_keeps_its_connection_beyond_the_time_for_the_first_one() {
        let soon = Duration::from_secs(2);
        let patience = Patience { opening: soon, first_call: soon, life: LONG };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let capped = Capped::new("test", Wires::new(listener, None), 2, patience);
        let (reporter, health) = tonic_health::server::health_reporter();
        let server = tonic::transport::Server::builder().layer(note_calls()).add_service(health);
        tokio::spawn(server.serve_with_incoming(capped));

        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let request = HealthCheckRequest { service: String::new() };
        let mut watch = HealthClient::new(channel).watch(request).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), Reported::Serving);
        // This one comes later, opens and does not call. When it is closed the other one has been there for longer.
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // What it is told before that, or how it ends, does not matter.
        let _ = idle.read_to_end(&mut Vec::new()).await;
        reporter.set_service_status("", ServingStatus::NotServing).await;
        assert_eq!(watch.message().await.unwrap().unwrap().status(), Reported::NotServing);
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_closed_as_well() {
        let (mut connection, _peer) = connection(Patience::until(Duration::from_millis(20)));
        let filled = connection.write_all(&[0; 1_024]).await;
        assert_eq!(filled.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
