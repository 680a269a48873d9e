//! The two floors: what a call costs before the service does anything, and before it does anything but sign.
//!
//! Both answer `JumpToTarif` with messages of the size that the service answers with. *Hello* is a bare call; the
//! *signing floor* adds one P-256 signature under a key that is parsed once. No service that hands out signed tokens is
//! faster than that.

use std::convert::Infallible;
use std::future::{self, Ready};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{self, Poll};

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use clap::ValueEnum;
use concenter_gateway::proto::v1;
use futures_core::future::BoxFuture;
use tempfile::TempDir;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::guard::{Guarded, Runs};
use super::service::Address;

/// Bytes of a jump's token, and of what is signed of it.
const TOKEN_BYTES: usize = 640;
const SIGNED_BYTES: usize = 550;

/// Which floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Floor {
    /// A bare call
    Hello,
    /// A bare call and a signature
    Signing,
}

/// A floor, running as a child process.
pub(crate) struct RunningFloor {
    /// Its address.
    pub(crate) grpc: Address,
    _process: Guarded,
    _directory: TempDir,
}

impl RunningFloor {
    /// Starts it.
    pub(crate) fn start(floor: Floor) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("a directory")?;
        let value = floor.to_possible_value().context("a floor without a name")?;
        let program = std::env::current_exe().context("find this program")?;
        let mut process =
            Guarded::start(Runs::AsWe, &program, &["floor", value.get_name()], &directory.path().join("log"))?;
        let grpc = Address::plain(process.line("gRPC")?);
        Ok(Self { grpc, _process: process, _directory: directory })
    }
}

/// The floor itself: serves until it is killed.
pub(crate) fn run(floor: Floor) -> anyhow::Result<ExitCode> {
    let signing_key = match floor {
        Floor::Hello => None,
        Floor::Signing => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| anyhow!("make a key"))?;
            Some(Arc::new(key))
        }
    };
    // As the service has it.
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("listen")?;
        let address = incoming.local_addr().context("listen")?;
        writeln!(std::io::stdout(), "gRPC http://{address}").context("tell the address")?;
        let router = Server::builder().add_service(Answers { signing_key });
        router.serve_with_incoming(incoming.with_nodelay(Some(true))).await.context("serve")?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Answers every call as if it were `JumpToTarif`.
#[derive(Clone)]
struct Answers {
    signing_key: Option<Arc<EcdsaKeyPair>>,
}

impl NamedService for Answers {
    const NAME: &'static str = "concenter.v1.JumpService";
}

impl Service<http::Request<Body>> for Answers {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answers = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(OneJump(answers), request).await) })
    }
}

/// One call, from message to message.
struct OneJump(Answers);

impl Service<Request<v1::JumpToTarifRequest>> for OneJump {
    type Response = Response<v1::JumpToTarifResponse>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<v1::JumpToTarifRequest>) -> Self::Future {
        if let Some(key) = &self.0.signing_key
            && key.sign(&SystemRandom::new(), &[b'x'; SIGNED_BYTES]).is_err()
        {
            return future::ready(Err(Status::internal("no signature")));
        }
        let v1::JumpToTarifRequest { request_id, .. } = request.into_inner();
        let token = "x".repeat(TOKEN_BYTES);
        future::ready(Ok(Response::new(v1::JumpToTarifResponse {
            jump_id: request_id,
            deep_link: format!("http://127.0.0.1:8080/j/{}#{token}", super::firm::TARGET),
            expires_at: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
            form_post: Some(v1::FormPost { action_url: super::firm::TARGET_URL.to_owned(), token }),
        })))
    }
}
