//! How fast the service answers with a landing page, in turns with a bare handler of the same framework.
//!
//! The floor answers every request with as many bytes as the page has, and does nothing else. Both are asked as browsers ask, over
//! connections that stay open; HTTP/1.1 has one request under way on each, so there are as many of them as calls in flight.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Plan;
use super::data::Data;
use super::figures::{Bounded, Limit, Report, Spread, Verdict};
use super::firm::{TARGET, set_up_catalogue};
use super::guard::{Guarded, Runs};
use super::service::{Service, connect_channel};

/// How fast the page is at least, as a ratio to the bare handler.
const AT_LEAST: f64 = 0.8;
/// Most bytes of a page.
const PAGE_BYTES: usize = 64 * 1024;
/// More than any run takes: one that hangs ends.
pub(crate) const MOST: Duration = Duration::from_mins(10);

/// Measures, prints, and judges.
pub(crate) async fn measure(plan: Plan) -> anyhow::Result<Verdict> {
    run(&plan).await?.tell(plan.json)
}

async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let service = Service::start(Data::in_directory()?, &[])?;
    set_up_catalogue(connect_channel(&service.grpc).await?, &service.data().issuer().await?).await?;
    let page = Asked { address: service.http_addr()?, path: format!("/j/{TARGET}") };
    let bytes = get(&mut page.connect().await?, &page).await?.len();
    let floor = RunningFloor::start(bytes)?;
    let bare = Asked { address: floor.address, path: "/".to_owned() };

    let mut bounds = Vec::new();
    let mut floor_swing = f64::NEG_INFINITY;
    for shape in &plan.in_flight {
        let connections = shape.in_flight();
        let (mut ratios, mut rates) = (Vec::new(), Vec::new());
        for round in 0..=plan.rounds {
            let [floor, page] = [bare.slice(connections, plan).await?, page.slice(connections, plan).await?];
            // The first round warms up.
            if round > 0 {
                rates.push(floor);
                ratios.push(page / floor);
            }
        }
        let (ratio, swing) = (Spread::of(ratios)?, Spread::of(rates)?);
        floor_swing = floor_swing.max(swing.most / swing.least);
        bounds.push(Bounded {
            what: format!(
                "landing pages a second / answers of a bare handler, {bytes} bytes, {connections} connections: {ratio}"
            ),
            unit: " x",
            measured: ratio.median,
            limit: Limit::AtLeast(AT_LEAST),
        });
    }
    Ok(Report { is_trial: plan.quick, runs: Vec::new(), floor_swing: Some(floor_swing), bounds, kept: Vec::new() })
}

/// What is asked for, and of whom.
struct Asked {
    address: SocketAddr,
    path: String,
}

impl Asked {
    async fn connect(&self) -> anyhow::Result<SendRequest<Body>> {
        let stream = TcpStream::connect(self.address).await.context("connect")?;
        stream.set_nodelay(true).context("connect")?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.context("connect")?;
        // It ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self) -> anyhow::Result<Request<Body>> {
        let request = Request::get(&self.path)
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .header(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
            .header(header::ACCEPT_LANGUAGE, "de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3")
            .header(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd");
        request.body(Body::empty()).context("a request")
    }

    /// Asks over so many new connections for the length of a slice; gives answers a second.
    async fn slice(&self, connections: usize, plan: &Plan) -> anyhow::Result<f64> {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(self.connect().await?);
        }
        let begun = Instant::now();
        let end = begun + plan.span();
        let mut browsers = JoinSet::new();
        for mut sender in open {
            let asked = Self { address: self.address, path: self.path.clone() };
            browsers.spawn(async move {
                let mut answers = 0_u32;
                while Instant::now() < end {
                    get(&mut sender, &asked).await?;
                    answers += 1;
                }
                anyhow::Ok(answers)
            });
        }
        let mut answers = 0_u32;
        while let Some(browser) = browsers.join_next().await {
            answers += browser.context("a browser")??;
        }
        Ok(f64::from(answers) / begun.elapsed().as_secs_f64())
    }
}

/// One request, and the body of its answer, which must be well.
async fn get(sender: &mut SendRequest<Body>, asked: &Asked) -> anyhow::Result<Bytes> {
    sender.ready().await.context("a connection was closed")?;
    let answer = sender.send_request(asked.request()?).await.context("no answer")?;
    ensure!(answer.status() == StatusCode::OK, "the answer is {}", answer.status());
    to_bytes(Body::new(answer.into_body()), PAGE_BYTES).await.context("no whole answer")
}

/// The floor, running as a child process.
struct RunningFloor {
    address: SocketAddr,
    _process: Guarded,
    _directory: TempDir,
}

impl RunningFloor {
    fn start(bytes: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("a directory")?;
        let program = std::env::current_exe().context("find this program")?;
        let arguments = ["page-floor", &bytes.to_string()];
        let mut process = Guarded::start(Runs::AsWe, &program, &arguments, &directory.path().join("log"))?;
        let address = process.line("HTTP")?.parse().context("an address")?;
        Ok(Self { address, _process: process, _directory: directory })
    }
}

/// The floor itself: serves until it is killed.
pub(crate) fn run_floor(bytes: usize) -> anyhow::Result<ExitCode> {
    let body = Bytes::from(vec![b'x'; bytes]);
    // As the service has it.
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen")?;
        writeln!(std::io::stdout(), "HTTP {}", listener.local_addr().context("listen")?).context("tell the address")?;
        let answer = axum::routing::get(async move || body.clone());
        axum::serve(listener, Router::new().route("/", answer)).await.context("serve")?;
        Ok(ExitCode::SUCCESS)
    })
}
