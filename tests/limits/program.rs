//! The program, serving as a child process, and somebody who uses it as he should.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use concenter_gateway::proto::admin::v1::ListTenantsRequest;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// In which everything is over that has an end.
pub(crate) const AT_MOST: Duration = Duration::from_secs(120);

/// The program, which ends with the value.
pub(crate) struct Program {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    token: String,
    child: Child,
    // Last: it is removed after the process has ended.
    _directory: TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts it with arguments beyond those that say where.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_within("ulimit -S -n", more)
    }

    /// The same after this command of the shell, which sets limits.
    pub(crate) fn start_within(limits: &str, more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let program = |words: &[&str]| {
            let mut program = Command::new("sh");
            let script = format!("{limits} >/dev/null && exec \"$0\" \"$@\"");
            program.args(["-c", &script, env!("CARGO_BIN_EXE_concenter")]).args(words);
            program.arg("--data-dir").arg(directory.path().join("data"));
            program
        };
        let mut child = program(&["serve", "--grpc-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--log=error"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines =
            BufReader::new(child.stdout.take().expect("its output")).lines().map(|line| line.expect("a line"));
        let mut address = |name: &str| -> SocketAddr {
            let line = lines.find(|line| line.trim().starts_with(name)).expect("an address");
            let (_, url) = line.split_once("http://").expect("a URL");
            url.split('/').next().expect("an authority").parse().expect("an address")
        };
        let (grpc, http) = (address("gRPC"), address("HTTP"));
        let token = program(&["token", "--role", "operator"]).output().expect("a token").stdout;
        let token = String::from_utf8(token).expect("text").trim().to_owned();
        Self { grpc, http, token, child, _directory: directory }
    }

    /// Somebody on a connection of his own, which is made with his first call.
    pub(crate) fn client(&self) -> Client {
        let channel = Endpoint::from_shared(format!("http://{}", self.grpc)).expect("an address").connect_lazy();
        Client { token: self.token.clone(), channel }
    }

    /// What it holds in memory, in MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1_024
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the process").count()
    }
}

/// Somebody who uses the service as he should.
#[derive(Clone)]
pub(crate) struct Client {
    token: String,
    pub(crate) channel: Channel,
}

impl Client {
    /// Calls it, which must go well; gives how long that took.
    pub(crate) async fn call(&self) -> Duration {
        let begun = Instant::now();
        let mut request = Request::new(ListTenantsRequest::default());
        request.metadata_mut().insert("authorization", self.authorization().parse().expect("a value"));
        let call = TenantServiceClient::new(self.channel.clone()).list_tenants(request).await;
        assert!(call.is_ok(), "{call:?}");
        begun.elapsed()
    }

    /// The same within a time.
    pub(crate) async fn call_within(&self, most: Duration) -> Duration {
        timeout(most, self.call()).await.expect("an answer in time")
    }

    /// The value of the metadata of the same name.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

/// Lets this process open so many sockets.
pub(crate) fn allow_descriptors(number: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < number) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(number), maximum }).expect("a higher limit of open files");
    }
}
