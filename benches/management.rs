//! What managing many costs: the last page of a long list, a batch of customers, and the memory of a million of them.
//!
//! The real program serves on a directory of its own; this one calls it over gRPC. `cargo bench --bench management` prints
//! each figure beside its bound. What is compared is measured in turns, within one run: a shared machine swings by more than
//! what is measured.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up must stop")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock: that is what it is for")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use concenter_gateway::proto::admin::v1::CreateTenantRequest;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::customer_service_client::CustomerServiceClient;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Con:center users in the list that is paged through: ten times what a tenant may have.
const USERS: u32 = 100_000;
/// Rows of a page.
const PAGE: i32 = 500;
/// How often each page is read.
const READS: usize = 200;
/// Customers of a batch.
const BATCH: u32 = 1_000;
/// Batches and single records that are compared, in turns of one batch and this many single ones.
const TURNS: usize = 30;
const SINGLES_A_TURN: u32 = 100;
/// Customers that are put while the memory is watched.
const CUSTOMERS: u32 = 1_000_000;

/// The program as it serves.
struct Service {
    child: Child,
    grpc: String,
    directory: TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = program(directory.path(), &["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"])
                // What is measured is how fast it is, not how fast it lets itself be called.
                .args(["--rate-reads=1000000", "--rate-changes=1000000", "--rate-batches=1000000"])
                .stdout(Stdio::piped())
                .spawn()
                .expect("the service starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let grpc = out
            .lines()
            .map(|line| line.expect("a line"))
            .find_map(|line| line.trim().strip_prefix("gRPC").map(|url| url.trim().to_owned()))
            .expect("an address");
        Self { child, grpc, directory }
    }

    async fn caller(&self, words: &[&str]) -> Wire {
        let words = [&["token"], words].concat();
        let out = program(self.directory.path(), &words).output().expect("a token");
        let token = String::from_utf8(out.stdout).expect("text");
        let value = format!("Bearer {}", token.trim()).parse().expect("a metadata value");
        let channel =
            Channel::from_shared(self.grpc.clone()).expect("an address").connect().await.expect("a connection");
        InterceptedService::new(channel, Bearer(value))
    }

    /// What the process holds in memory: resident KiB.
    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

fn program(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concenter"));
    command.args(words).arg("--data-dir").arg(data.join("data")).env_clear().stderr(Stdio::null());
    command
}

/// A connection on which every call has a caller's token.
type Wire = InterceptedService<Channel, Bearer>;

/// Sends a caller's token with every call.
#[derive(Clone)]
struct Bearer(AsciiMetadataValue);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

fn request_id(number: u32) -> String {
    uuid::Uuid::from_u128(u128::from(number)).to_string()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let service = Service::start();
    let mut tenants = TenantServiceClient::new(service.caller(&["--role", "operator"]).await);
    let [of_users, of_customers] = [new_tenant(&mut tenants, 1).await, new_tenant(&mut tenants, 2).await];
    let admin = service.caller(&["--role", "admin", "--tenant", &of_users]).await;
    fill_with_users(&service, &of_users).await;
    paging(UserServiceClient::new(admin).max_decoding_message_size(4 << 20)).await;

    let portal = service.caller(&["--role", "portal", "--tenant", &of_customers]).await;
    let mut put = Put { customers: CustomerServiceClient::new(portal), next: 0, requests: 10 };
    batches(&mut put).await;
    memory(&service, &mut put).await;
}

async fn new_tenant(tenants: &mut TenantServiceClient<Wire>, number: u32) -> String {
    let new = CreateTenantRequest {
        request_id: request_id(number),
        display_name: format!("Firma {number}"),
        create_standard_user: Some(false),
    };
    tenants.create_tenant(new).await.expect("a tenant").into_inner().tenant.expect("a tenant").tenant_id
}

/// Adds [`USERS`] by SQL: the service itself takes no more than 10 000 of one tenant.
async fn fill_with_users(service: &Service, tenant: &str) {
    let path = service.directory.path().join("data").join("concenter.db");
    let mut shell = SqliteConnectOptions::new().filename(path).connect().await.expect("the database");
    let fill = "
        WITH RECURSIVE number (n) AS (
            SELECT 1
            UNION ALL
            SELECT n + 1
            FROM number
            WHERE n < ?2
        )
        INSERT INTO concenter_user (
            tenant_id, user_id, user_name, user_name_key, kind, state, secret_version, version, created_at, updated_at
        )
        SELECT
            ?1, printf('0190f5fe-7c00-7a8d-8d2e-%012x', n), 'vm.' || n, 'vm.' || n, 'broker', 'active', 0, 1, n, n
        FROM number
    ";
    sqlx::query(fill).bind(tenant).bind(USERS).execute(&mut shell).await.expect("users");
}

/// The first page against the last one.
async fn paging(mut users: UserServiceClient<Wire>) {
    let list = |page_token: &str| v1::ListUsersRequest { page_size: PAGE, page_token: page_token.to_owned() };
    let mut last = String::new();
    let mut seen = 0;
    loop {
        let page = users.list_users(list(&last)).await.expect("a page").into_inner();
        seen += page.users.len();
        if page.next_page_token.is_empty() {
            break;
        }
        last = page.next_page_token;
    }
    assert_eq!(u32::try_from(seen), Ok(USERS), "every user is on one page");

    let (mut first_times, mut last_times) = (Vec::new(), Vec::new());
    for _ in 0..READS {
        for (token, times) in [("", &mut first_times), (last.as_str(), &mut last_times)] {
            let begun = Instant::now();
            let page = users.list_users(list(token)).await.expect("a page").into_inner();
            times.push(begun.elapsed());
            assert_eq!(page.users.len(), 500, "a whole page");
        }
    }
    let (first, last) = (median(first_times), median(last_times));
    println!(
        "ListUsers, 500 of {USERS}: last page {:.2} x the first one ({first:.0?}), at most 1.5 x",
        last.as_secs_f64() / first.as_secs_f64()
    );
}

/// Somebody who puts customers, each a new one.
struct Put {
    customers: CustomerServiceClient<Wire>,
    next: u32,
    requests: u32,
}

impl Put {
    async fn new_customers(&mut self, count: u32) -> Duration {
        let customers = (self.next..self.next + count)
            .map(|number| v1::CustomerRecord {
                customer_id: format!("kunde-{number}"),
                segment: v1::Segment::Private.into(),
            })
            .collect();
        self.next += count;
        self.requests += 1;
        let request = v1::PutCustomersRequest { request_id: request_id(self.requests), customers };
        let begun = Instant::now();
        let put = self.customers.put_customers(request).await.expect("records").into_inner();
        let took = begun.elapsed();
        assert_eq!(u32::try_from(put.created), Ok(count), "every record is new");
        took
    }
}

/// Rows a second of batches against those of single records, by one caller.
async fn batches(put: &mut Put) {
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        let mut singles = Duration::ZERO;
        for _ in 0..SINGLES_A_TURN {
            singles += put.new_customers(1).await;
        }
        let batch = put.new_customers(BATCH).await;
        let rate = |rows: u32, took: Duration| f64::from(rows) / took.as_secs_f64();
        ratios.push(rate(BATCH, batch) / rate(SINGLES_A_TURN, singles));
    }
    ratios.sort_by(f64::total_cmp);
    let least = ratios.first().copied().unwrap_or_default();
    let median = ratios.get(TURNS / 2).copied().unwrap_or_default();
    println!(
        "PutCustomers, {BATCH} a call: {median:.1} x the rows a second of single calls (least {least:.1}), at least 20 x"
    );
}

/// What the process grows by while [`CUSTOMERS`] are put, after it has taken what it needs for the first ones.
async fn memory(service: &Service, put: &mut Put) {
    let before = service.resident_kib();
    let mut most = before;
    for _ in 0..CUSTOMERS / BATCH {
        put.new_customers(BATCH).await;
        most = most.max(service.resident_kib());
    }
    println!(
        "{CUSTOMERS} customers put: resident memory grew by {:.1} MB at most ({:.1} MB before), at most 20 MB",
        megabytes(most - before),
        megabytes(before)
    );
}

fn megabytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1_024.0 / 1e6
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
