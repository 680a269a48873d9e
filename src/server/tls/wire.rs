//! A connection as it comes from the network, with TLS or without.
//!
//! The handshake is made by whoever first reads or writes, in the task of the connection: the listener goes on accepting, and
//! the bounds of a connection (`connections.rs`) hold for its handshake, too.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpIncoming};

use super::Tls;
use crate::domain::caller::CertificateThumbprint;
use crate::token::certificate_thumbprint;

/// The connections of a listener as they come, with TLS if there is any.
pub(in crate::server) struct Wires {
    incoming: TcpIncoming,
    tls: Option<Arc<Tls>>,
}

impl Wires {
    pub(in crate::server) fn new(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        // An answer is small: it must not wait for more of it to come.
        Self { incoming: TcpIncoming::from(listener).with_nodelay(Some(true)), tls }
    }
}

impl Stream for Wires {
    type Item = io::Result<Wire<TcpStream>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.incoming).poll_next(cx));
        Poll::Ready(next.map(|accepted| accepted.map(|io| Wire::new(io, this.tls.as_deref()))))
    }
}

/// A connection. Reading and writing are for one task: a handshake wakes the one that asked last.
pub(in crate::server) enum Wire<IO> {
    /// In the clear.
    Plain(IO),
    /// With TLS.
    Tls(Box<Secured<IO>>),
}

/// A connection with TLS.
pub(in crate::server) struct Secured<IO> {
    listener: &'static str,
    state: State<IO>,
    /// The client's certificate, once the handshake is over and if there is one.
    certificate: Arc<OnceLock<CertificateThumbprint>>,
}

enum State<IO> {
    Handshake(Accept<IO>),
    Open(TlsStream<IO>),
    /// The handshake failed, and the connection below is closed.
    Failed,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    /// A connection of a listener with this TLS, or none.
    pub(in crate::server) fn new(io: IO, tls: Option<&Tls>) -> Self {
        match tls {
            None => Self::Plain(io),
            Some(tls) => Self::Tls(Box::new(Secured {
                listener: tls.listener,
                state: State::Handshake(tls.acceptor().accept(io)),
                certificate: Arc::default(),
            })),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Secured<IO> {
    /// The stream within, after the handshake.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TlsStream<IO>>>> {
        if let State::Handshake(accept) = &mut self.state {
            match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => {
                    self.note_certificate(&stream);
                    self.state = State::Open(stream);
                }
                Err(error) => {
                    self.state = State::Failed;
                    self.note_refusal(&error);
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.state {
            State::Open(stream) => Ok(Pin::new(stream)),
            State::Handshake(_) | State::Failed => Err(io::ErrorKind::NotConnected.into()),
        })
    }

    /// A line, as for a call without a credential: for who wonders why a client cannot connect. Who only looked whether
    /// somebody listens, as balancers do every second, is none.
    fn note_refusal(&self, error: &io::Error) {
        let only_looked = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        );
        if !only_looked {
            tracing::info!(listener = self.listener, error = error as &dyn std::error::Error, "server.tls.refused");
        }
    }

    fn note_certificate(&self, stream: &TlsStream<IO>) {
        let (_, session) = stream.get_ref();
        if let Some(own) = session.peer_certificates().and_then(|chain| chain.first()) {
            // Set here alone, and once.
            let _ = self.certificate.set(certificate_thumbprint(own));
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(secured) => ready!(secured.poll_open(cx))?.poll_read(cx, buffer),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(secured) => ready!(secured.poll_open(cx))?.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(secured) => ready!(secured.poll_open(cx))?.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(secured) => match &mut secured.state {
                State::Open(stream) => Pin::new(stream).poll_shutdown(cx),
                // Who wants to end it does not wait for the handshake first.
                State::Handshake(accept) => match accept.get_mut() {
                    Some(io) => Pin::new(io).poll_shutdown(cx),
                    None => Poll::Ready(Ok(())),
                },
                State::Failed => Poll::Ready(Ok(())),
            },
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Self::Tls(secured) => ready!(secured.poll_open(cx))?.poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            // As the library's own stream: it takes several pieces into one record.
            Self::Tls(_) => true,
        }
    }
}

impl<IO: Connected> Connected for Wire<IO> {
    type ConnectInfo = WireInfo<IO::ConnectInfo>;

    /// Asked before the handshake: the certificate comes later.
    fn connect_info(&self) -> Self::ConnectInfo {
        match self {
            Self::Plain(io) => WireInfo { within: Some(io.connect_info()), certificate: Arc::default() },
            Self::Tls(secured) => WireInfo {
                within: match &secured.state {
                    State::Handshake(accept) => accept.get_ref().map(Connected::connect_info),
                    State::Open(stream) => Some(stream.get_ref().0.connect_info()),
                    State::Failed => None,
                },
                certificate: Arc::clone(&secured.certificate),
            },
        }
    }
}

/// What a call knows of the network below its connection.
#[derive(Debug, Clone)]
pub(in crate::server) struct WireInfo<I> {
    within: Option<I>,
    certificate: Arc<OnceLock<CertificateThumbprint>>,
}

impl<I> WireInfo<I> {
    /// What is known of the socket, and the client's certificate, which is known with the first call.
    pub(in crate::server) fn into_parts(self) -> (Option<I>, Option<CertificateThumbprint>) {
        (self.within, self.certificate.get().copied())
    }
}
