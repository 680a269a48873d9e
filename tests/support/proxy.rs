//! A network that fails on demand: a proxy on loopback between the service and its database.
//!
//! It may be slow, stand still, and cut connections, all of them or one that is about to commit. A test binary takes it in
//! by `#[path = "../support/proxy.rs"] pub mod proxy`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// Most bytes that are passed on at once; what the tests send and get is smaller.
const CHUNK: usize = 64 * 1024;
/// What the message begins with that begins a transaction, as the driver sends it.
const BEGIN: &[u8] = b"BEGIN ";
/// The message that commits a transaction, as the driver sends it.
const COMMIT: &[u8] = b"COMMIT\0";

/// Where a connection that commits is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitCut {
    /// The server never hears of the COMMIT.
    Before,
    /// The server has committed, and nobody hears of it.
    After,
}

/// What becomes of the others when a connection that commits is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They go on.
    GoOn,
    /// They are cut too, and nobody is let in until [`Proxy::resume`].
    AreCut,
}

/// What happens to everything that passes.
#[derive(Debug, Clone)]
struct Weather {
    /// How long each message takes.
    delay: Duration,
    /// Nothing passes; connections stay open, and new ones are made and hear nothing.
    is_still: bool,
    /// Every connection from before the last change of this number is cut.
    cuts: u64,
    /// Nobody is let in.
    is_closed: bool,
}

/// The proxy. It ends with its owner, and its connections with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    aim: Arc<Mutex<Option<Aim>>>,
    messages: watch::Sender<u64>,
    task: JoinHandle<()>,
}

/// A COMMIT that is to be cut.
#[derive(Debug)]
struct Aim {
    /// What its transaction has sent before.
    sent: Vec<u8>,
    cut: CommitCut,
    others: Others,
}

/// What the two directions of a connection share.
#[derive(Clone)]
struct Line {
    weather: watch::Sender<Weather>,
    aim: Arc<Mutex<Option<Aim>>>,
    messages: watch::Sender<u64>,
    /// The answer to a COMMIT is not to pass.
    drops_answer: Arc<watch::Sender<Option<Others>>>,
}

impl Proxy {
    /// Starts one in front of the server that a URL names.
    ///
    /// # Panics
    /// If that is no URL of a server, or there is no port for it.
    pub async fn in_front_of(url: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (weather, _) =
            watch::channel(Weather { delay: Duration::ZERO, is_still: false, cuts: 0, is_closed: false });
        let (aim, messages) = (Arc::default(), watch::Sender::new(0));
        let line = Line {
            weather: weather.clone(),
            aim: Arc::clone(&aim),
            messages: messages.clone(),
            drops_answer: Arc::new(watch::Sender::new(None)),
        };
        let url = Url::parse(url).expect("a URL");
        let server = format!("{}:{}", url.host_str().expect("it has a host"), url.port().unwrap_or(5432));
        let task = tokio::spawn(serve(listener, server, line));
        Self { address, weather, aim, messages, task }
    }

    /// The same database, by way of this proxy.
    ///
    /// # Panics
    /// If it is no URL of a server.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("a URL");
        url.set_ip_host(self.address.ip()).expect("it has a host");
        url.set_port(Some(self.address.port())).expect("it has a port");
        url.into()
    }

    /// Makes each message take so long, in either direction.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Lets nothing pass, as a network that is split: no connection ends.
    pub fn pause(&self) {
        self.weather.send_modify(|weather| weather.is_still = true);
    }

    /// Lets everything pass again, what was held back first, and lets connections in again.
    pub fn resume(&self) {
        self.weather.send_modify(|weather| (weather.is_still, weather.is_closed) = (false, false));
    }

    /// Cuts the connection that commits the next transaction in which these bytes are sent. Whatever else is committed
    /// meanwhile, by somebody in the background, passes.
    ///
    /// # Panics
    /// Never: nobody panics while he holds the lock.
    pub fn cut_commit_of(&self, sent: &str, cut: CommitCut, others: Others) {
        *self.aim.lock().expect("nobody panics") = Some(Aim { sent: sent.into(), cut, others });
    }

    /// Tells whether the connection that [`Self::cut_commit_of`] was about has been cut.
    ///
    /// # Panics
    /// Never: nobody panics while he holds the lock.
    pub fn has_cut_commit(&self) -> bool {
        self.aim.lock().expect("nobody panics").is_none()
    }

    /// Waits until so many more messages have come by, in either direction.
    ///
    /// # Panics
    /// Never: this proxy counts them.
    pub async fn passes(&self, messages: u64) {
        let mut passed = self.messages.subscribe();
        let until = *passed.borrow() + messages;
        passed.wait_for(|passed| *passed >= until).await.expect("it counts");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: String, line: Line) {
    // Aborted with this task.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if line.weather.borrow().is_closed {
            continue;
        }
        let line = Line { drops_answer: Arc::new(watch::Sender::new(None)), ..line.clone() };
        connections.spawn(carry(client, server.clone(), line));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries both directions until one ends or both are cut.
async fn carry(client: TcpStream, server: String, line: Line) {
    let mut weather = line.weather.subscribe();
    let cuts = weather.borrow().cuts;
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Small messages must not wait for more.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump_to_server(from_client, to_server, &line) => {}
        () = pump_to_client(from_server, to_client, &line) => {}
        _ = weather.wait_for(|weather| weather.cuts != cuts) => {}
    }
}

async fn pump_to_server(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) {
    let mut chunk = vec![0; CHUNK];
    // All of the transaction, whose messages may come in pieces.
    let mut transaction = Vec::new();
    while let Some(message) = line.next(&mut from, &mut chunk).await {
        if contains(message, BEGIN) {
            transaction.clear();
        }
        transaction.extend_from_slice(message);
        let aim = if contains(message, COMMIT) { line.aimed_at(&transaction) } else { None };
        match aim {
            Some(Aim { cut: CommitCut::Before, others, .. }) => return line.cut(others),
            Some(Aim { cut: CommitCut::After, others, .. }) => drop(line.drops_answer.send_replace(Some(others))),
            None => {}
        }
        if to.write_all(message).await.is_err() {
            return;
        }
    }
}

async fn pump_to_client(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) {
    let mut chunk = vec![0; CHUNK];
    while let Some(message) = line.next(&mut from, &mut chunk).await {
        let drops = *line.drops_answer.borrow();
        if let Some(others) = drops {
            return line.cut(others);
        }
        if to.write_all(message).await.is_err() {
            return;
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

impl Line {
    /// Takes the aim, if it is at this transaction.
    fn aimed_at(&self, transaction: &[u8]) -> Option<Aim> {
        self.aim.lock().expect("nobody panics").take_if(|aim| contains(transaction, &aim.sent))
    }

    /// Cuts the others too, if that is wanted. This connection ends by itself.
    fn cut(&self, others: Others) {
        if others == Others::AreCut {
            self.weather.send_modify(|weather| (weather.cuts, weather.is_closed) = (weather.cuts + 1, true));
        }
    }

    /// Reads what comes next, and holds it back as the weather says. `None` at the end.
    async fn next<'a>(&self, from: &mut OwnedReadHalf, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = from.read(chunk).await.ok().filter(|length| *length > 0)?;
        self.messages.send_modify(|messages| *messages += 1);
        let mut weather = self.weather.subscribe();
        let delay = weather.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        weather.wait_for(|weather| !weather.is_still).await.ok()?;
        chunk.get(..length)
    }
}
