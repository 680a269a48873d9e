//! The key-encryption key changes while people jump, and what goes wrong about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use concenter_gateway::config::ServerSettings;
use concenter_gateway::domain::ids::{Random, TenantId};
use concenter_gateway::domain::kek::KekId;
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::admin::v1::key_service_client::KeyServiceClient;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::secrets::{DataKey, Kek, KekError, KekProvider, SystemRandom, kek_file};
use concenter_gateway::server::{Outside, Server, SystemClock};
use rustix::process::Signal;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::firm::{Callers, Firm, PASSWORD, reason, request_id};
use crate::gateway::{Gateway, channel_to, until};
use crate::key_file::another_key;
use crate::postgres::{self, TestDatabase};
use crate::process::{Process, Replica, copy_keys};
use crate::stopped::{chmod, data_in};

/// A person gets 30 jumps a minute.
const JUMPS: usize = 25;

/// The calls of an operator about key-encryption keys.
impl Firm {
    async fn keks(&self, channel: &Channel) -> Vec<admin::Kek> {
        let request = self.as_operator(admin::ListKeksRequest::default());
        KeyServiceClient::new(channel.clone()).list_keks(request).await.expect("a list").into_inner().keks
    }

    async fn kek(&self, channel: &Channel, kek_id: &str) -> admin::Kek {
        self.keks(channel).await.into_iter().find(|kek| kek.kek_id == kek_id).expect("the key")
    }

    async fn active_kek(&self, channel: &Channel) -> String {
        let keks = self.keks(channel).await;
        keks.into_iter().find(|kek| kek.state() == admin::KekState::Active).expect("an active key").kek_id
    }

    async fn add_kek(&self, channel: &Channel, kek_id: &str) -> Result<(), Status> {
        let request = admin::AddKekRequest { request_id: request_id(), kek_id: kek_id.to_owned() };
        KeyServiceClient::new(channel.clone()).add_kek(self.as_operator(request)).await.map(drop)
    }

    async fn activate_kek(&self, channel: &Channel, kek_id: &str) -> Result<(), Status> {
        let request = admin::ActivateKekRequest { request_id: request_id(), kek_id: kek_id.to_owned() };
        KeyServiceClient::new(channel.clone()).activate_kek(self.as_operator(request)).await.map(drop)
    }

    async fn retire_kek(&self, channel: &Channel, kek_id: &str) -> Result<(), Status> {
        let request = admin::RetireKekRequest { request_id: request_id(), kek_id: kek_id.to_owned() };
        KeyServiceClient::new(channel.clone()).retire_kek(self.as_operator(request)).await.map(drop)
    }

    async fn more_tenants(&self, channel: &Channel, number: usize) {
        for _ in 0..number {
            let request = admin::CreateTenantRequest {
                request_id: request_id(),
                display_name: "Firma".to_owned(),
                create_standard_user: None,
            };
            TenantServiceClient::new(channel.clone()).create_tenant(self.as_operator(request)).await.expect("a tenant");
        }
    }
}

/// Makes a key file where a service on this data directory finds it; gives the id.
fn new_key(data_dir: &Path) -> String {
    kek_file::create(data_dir, &SystemRandom).expect("a key").id().to_owned()
}

fn file_of(data_dir: &Path, kek_id: &str) -> PathBuf {
    data_dir.join("keys").join(format!("kek-{kek_id}.key"))
}

async fn until_nothing_is_under(firm: &Firm, channel: &Channel, kek_id: &str) {
    until("everything is wrapped anew", async || firm.kek(channel, kek_id).await.data_keys == 0).await;
}

#[track_caller]
fn is_key_unavailable(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unavailable, "KEY_UNAVAILABLE"), "{status:?}");
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
}

/// T35: what is sealed stays as it is, and so does everybody's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_encryption_key_changes_under_load_and_no_jump_and_no_redemption_fails() {
    let database = postgres::database().await;
    for url in [None, database.as_ref().map(TestDatabase::service_url)] {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let data_dir = data_in(&directory);
        let gateway = Gateway::start_in(Arc::clone(&directory), url.as_deref()).await;
        let firm = gateway.firm().await;
        let channel = gateway.channel.clone();
        firm.more_tenants(&channel, 20).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for broker in 0..4 {
            let (firm, channel, is_over) = (firm.clone(), channel.clone(), Arc::clone(&is_over));
            clients.spawn(async move { jump_until(&firm, &channel, broker * 20, &is_over).await });
        }
        let first = firm.active_kek(&channel).await;
        let mut old = first.clone();
        for _ in 0..2 {
            let new = new_key(&data_dir);
            firm.add_kek(&channel, &new).await.expect("known");
            firm.activate_kek(&channel, &new).await.expect("active");
            gateway.app().keep_keks().await.expect("wrapped anew");
            until_nothing_is_under(&firm, &channel, &old).await;
            firm.retire_kek(&channel, &old).await.expect("retired");
            fs::remove_file(file_of(&data_dir, &old)).expect("destroyed");
            gateway.app().keep_keks().await.expect("nothing to do");
            old = new;
        }
        is_over.store(true, Ordering::Relaxed);
        let ended = clients.join_all().await;
        let done: usize = ended.iter().map(|(done, _)| done).sum();
        let failed: Vec<_> = ended.into_iter().flat_map(|(_, failed)| failed).collect();
        assert_eq!(failed, Vec::<String>::new(), "of {done} jumps");
        assert!(done > 0);
        assert_eq!(firm.kek(&channel, &old).await.data_keys, 22, "that of the service, the firm and 20 more");
        gateway.stop().await;

        // Nobody misses the old ones.
        let gateway = Gateway::start_in(directory, url.as_deref()).await;
        let token = firm.jump(&gateway.channel, &request_id(), 99).await.expect("a jump");
        assert_eq!(firm.redeem(&gateway.channel, &token).await.expect("a redemption"), PASSWORD);
        gateway.stop().await;
    }
}

/// Jumps and redeems; gives how often, and what failed.
async fn jump_until(firm: &Firm, channel: &Channel, first_broker: usize, is_over: &AtomicBool) -> (usize, Vec<String>) {
    let mut failed = Vec::new();
    for number in 0..20 * JUMPS {
        if is_over.load(Ordering::Relaxed) {
            return (number, failed);
        }
        let redeemed = match firm.jump(channel, &request_id(), first_broker + number % 20).await {
            Ok(token) => firm.redeem(channel, &token).await,
            Err(status) => Err(status),
        };
        failed.extend(redeemed.err().map(|status| status.to_string()));
    }
    (20 * JUMPS, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_wrap_anew_at_once_do_no_harm() {
    let Some(database) = postgres::database().await else { return };
    let one = Gateway::start(&database.service_url()).await;
    let other = one.start_replica(&database.service_url()).await;
    let firm = one.firm().await;
    firm.more_tenants(&one.channel, 30).await;
    let old = firm.active_kek(&one.channel).await;
    let new = new_key(&one.data_dir());
    firm.add_kek(&one.channel, &new).await.expect("known");
    firm.activate_kek(&other.channel, &new).await.expect("active");
    let (first, second) = tokio::join!(one.app().keep_keks(), other.app().keep_keks());
    assert!(first.expect("wrapped anew") + second.expect("wrapped anew") <= 32, "each once");
    until_nothing_is_under(&firm, &one.channel, &old).await;
    assert_eq!(firm.kek(&other.channel, &new).await.data_keys, 32);
    for [issues, redeems] in [[&one, &other], [&other, &one]] {
        let token = firm.jump(&issues.channel, &request_id(), 0).await.expect("a jump");
        assert_eq!(firm.redeem(&redeems.channel, &token).await.expect("a redemption"), PASSWORD);
    }
    one.stop().await;
    other.stop().await;
}

/// T35: a process that is killed in the middle leaves each data key under the one or under the other, and the next one goes on.
#[tokio::test]
async fn who_is_killed_while_it_wraps_anew_leaves_nothing_half() {
    let Some(database) = postgres::database().await else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (data_dir, url) = (data_in(&directory), database.service_url());
    let replica = Replica::start(&data_dir, &url).await;
    let firm = Firm::make(&replica.channel, Callers::of(&url, &data_dir).await).await;
    firm.more_tenants(&replica.channel, 120).await;
    let old = firm.active_kek(&replica.channel).await;
    let new = new_key(&data_dir);
    firm.add_kek(&replica.channel, &new).await.expect("known");

    // The last of all tenants is held: the second batch waits for it.
    let mut shell = database.admin().await;
    let hold =
        "BEGIN; SELECT 1 FROM tenant WHERE tenant_id = (SELECT max(tenant_id::TEXT)::UUID FROM tenant) FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut shell).await.expect("held");
    firm.activate_kek(&replica.channel, &new).await.expect("active");
    until("the first batch is done", async || firm.kek(&replica.channel, &new).await.data_keys == 101).await;
    replica.signal(Signal::KILL);
    assert_eq!(replica.ended().await, None);
    sqlx::raw_sql("COMMIT").execute(&mut shell).await.expect("free");

    let replica = Replica::start(&data_dir, &url).await;
    let refused = firm.retire_kek(&replica.channel, &old).await;
    assert!(refused.is_ok() || refused.is_err_and(|status| reason(&status) == "KEK_IN_USE"));
    until_nothing_is_under(&firm, &replica.channel, &old).await;
    assert_eq!(firm.kek(&replica.channel, &new).await.data_keys, 122);
    firm.retire_kek(&replica.channel, &old).await.expect("retired");
    let token = firm.jump(&replica.channel, &request_id(), 0).await.expect("a jump");
    assert_eq!(firm.redeem(&replica.channel, &token).await.expect("a redemption"), PASSWORD);
    replica.signal(Signal::TERM);
    assert_eq!(replica.ended().await, Some(0));
}

/// F20
#[tokio::test]
async fn a_replica_that_lacks_the_active_key_is_not_ready_until_it_has_its_file() {
    let Some(database) = postgres::database().await else { return };
    let (url, one) = (database.service_url(), Gateway::start(&database.service_url()).await);
    let firm = one.firm().await;
    let elsewhere = Arc::new(tempfile::tempdir().expect("a directory"));
    copy_keys(&one.data_dir(), &data_in(&elsewhere));
    let other = Gateway::start_in(Arc::clone(&elsewhere), Some(&url)).await;
    let new = new_key(&one.data_dir());
    is_key_unavailable(&firm.add_kek(&other.channel, &new).await.expect_err("it does not have it"));
    firm.add_kek(&one.channel, &new).await.expect("known");
    other.app().keep_keks().await.expect("looked at");
    other.until_ready(true).await;
    assert!(!firm.kek(&other.channel, &new).await.available && firm.kek(&one.channel, &new).await.available);

    firm.activate_kek(&one.channel, &new).await.expect("active");
    other.until_ready(false).await;
    one.until_ready(true).await;
    let file = file_of(&data_in(&elsewhere), &new);
    fs::copy(file_of(&one.data_dir(), &new), &file).expect("distributed");
    chmod(&file, 0o600);
    other.until_ready(true).await;
    let token = firm.jump(&other.channel, &request_id(), 0).await.expect("a jump");
    assert_eq!(firm.redeem(&other.channel, &token).await.expect("a redemption"), PASSWORD);
    one.stop().await;
    other.stop().await;
}

/// A firm on an embedded database that was stopped, with a second key that is known, and the ids of both.
struct Prepared {
    directory: Arc<TempDir>,
    firm: Firm,
    old: String,
    new: String,
}

impl Prepared {
    async fn new() -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let gateway = Gateway::start_in(Arc::clone(&directory), None).await;
        let firm = gateway.firm().await;
        let old = firm.active_kek(&gateway.channel).await;
        let new = new_key(&data_in(&directory));
        firm.add_kek(&gateway.channel, &new).await.expect("known");
        gateway.stop().await;
        Self { directory, firm, old, new }
    }

    fn data(&self) -> PathBuf {
        data_in(&self.directory)
    }

    /// Makes the new key the active one, with nothing wrapped anew yet.
    async fn activate_by_hand(&self) {
        let options = SqliteConnectOptions::new().filename(self.data().join("concenter.db"));
        let mut shell = options.connect().await.expect("the database");
        let set = sqlx::query("UPDATE service SET active_kek_id = ?1").bind(&self.new);
        set.execute(&mut shell).await.expect("active");
        shell.close().await.expect("closed");
    }

    /// Asserts that the service does not start, for the key of this id.
    async fn refuses_to_start_for(&self, kek_id: &str, words: &[&str]) {
        let ended = Process::serve(&self.data(), None).ended().await;
        ended.is_error(78, &[&[kek_id], words].concat());
    }
}

/// F20: the operator has thrown a key away that something is under, or has not brought the one that is active.
#[tokio::test]
async fn a_key_file_that_is_gone_too_early_is_named_by_its_id() {
    let prepared = Prepared::new().await;
    prepared.activate_by_hand().await;
    let elsewhere = prepared.directory.path().join("elsewhere");
    for kek_id in [&prepared.old, &prepared.new] {
        let file = file_of(&prepared.data(), kek_id);
        fs::rename(&file, &elsewhere).expect("gone");
        prepared.refuses_to_start_for(kek_id, &["is missing", "restore it from its backup"]).await;
        fs::rename(&elsewhere, &file).expect("back");
    }
    let gateway = Gateway::start_in(Arc::clone(&prepared.directory), None).await;
    gateway.app().keep_keks().await.expect("wrapped anew");
    gateway.stop().await;
    fs::remove_file(file_of(&prepared.data(), &prepared.old)).expect("not needed any more");
    Gateway::start_in(Arc::clone(&prepared.directory), None).await.stop().await;
}

/// F21
#[tokio::test]
async fn a_wrong_key_under_the_name_of_the_new_one_is_found_before_anything_is_under_it() {
    let prepared = Prepared::new().await;
    let file = file_of(&prepared.data(), &prepared.new);
    let right = fs::read(&file).expect("the key file");
    fs::write(&file, another_key(&prepared.new)).expect("another key");
    let gateway = Gateway::start_in(Arc::clone(&prepared.directory), None).await;
    let firm = &prepared.firm;
    is_key_unavailable(&firm.activate_kek(&gateway.channel, &prepared.new).await.expect_err("it is another key"));
    assert!(!firm.kek(&gateway.channel, &prepared.new).await.available);
    assert_eq!(firm.active_kek(&gateway.channel).await, prepared.old);
    gateway.stop().await;

    prepared.activate_by_hand().await;
    prepared.refuses_to_start_for(&prepared.new, &["restore the right one"]).await;
    fs::write(&file, right).expect("the right key");
    Gateway::start_in(Arc::clone(&prepared.directory), None).await.stop().await;
}

/// T35, F20, F26
#[tokio::test]
async fn a_backup_from_before_needs_the_old_key_and_says_so_by_its_id() {
    let prepared = Prepared::new().await;
    let backup = prepared.directory.path().join("backup.db");
    let backup = backup.to_str().expect("a path");
    assert_eq!(Process::run(&["backup", backup], &prepared.data(), None).await.code, Some(0));
    let gateway = Gateway::start_in(Arc::clone(&prepared.directory), None).await;
    let firm = &prepared.firm;
    firm.activate_kek(&gateway.channel, &prepared.new).await.expect("active");
    gateway.app().keep_keks().await.expect("wrapped anew");
    until_nothing_is_under(firm, &gateway.channel, &prepared.old).await;
    firm.retire_kek(&gateway.channel, &prepared.old).await.expect("retired");
    gateway.stop().await;
    let (file, safe) = (file_of(&prepared.data(), &prepared.old), prepared.directory.path().join("safe"));
    fs::rename(&file, &safe).expect("in the safe");

    let restore = ["restore", backup, "--replace"];
    let refused = Process::run(&restore, &prepared.data(), None).await;
    refused.is_error(78, &[&prepared.old, "restore it from its backup"]);
    fs::rename(&safe, &file).expect("out of the safe");
    assert_eq!(Process::run(&restore, &prepared.data(), None).await.code, Some(0));
    Gateway::start_in(Arc::clone(&prepared.directory), None).await.stop().await;
}

/// A key management system with one key, which can be down.
#[derive(Debug)]
struct Remote {
    kek: Kek,
    is_down: AtomicBool,
}

impl Remote {
    fn reached(&self) -> Result<&Kek, KekError> {
        if !self.is_down.load(Ordering::Relaxed) {
            return Ok(&self.kek);
        }
        let source = Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        Err(KekError::Unreachable { kek_id: self.kek.id().to_owned(), place: "kms.example".to_owned(), source })
    }
}

#[async_trait]
impl KekProvider for Remote {
    async fn first(&self, random: &dyn Random) -> Result<KekId, KekError> {
        self.reached()?.first(random).await
    }

    async fn wrap(
        &self,
        kek_id: &str,
        tenant: TenantId,
        data_key: &DataKey,
        random: &dyn Random,
    ) -> Result<Vec<u8>, KekError> {
        KekProvider::wrap(self.reached()?, kek_id, tenant, data_key, random).await
    }

    async fn unwrap_key(&self, kek_id: &str, tenant: TenantId, version: u32, blob: &[u8]) -> Result<DataKey, KekError> {
        KekProvider::unwrap_key(self.reached()?, kek_id, tenant, version, blob).await
    }

    async fn canary(&self, kek_id: &str, random: &dyn Random) -> Result<Vec<u8>, KekError> {
        KekProvider::canary(self.reached()?, kek_id, random).await
    }

    async fn check_canary(&self, kek_id: &str, blob: &[u8]) -> Result<(), KekError> {
        KekProvider::check_canary(self.reached()?, kek_id, blob).await
    }

    fn forget(&self, _kek_id: &str) {}

    fn place_of(&self, _kek_id: &str) -> String {
        "kms.example".to_owned()
    }
}

/// I11: whose keys are open goes on, whose are not gets nothing and is told to come back, and nobody gets in without a key.
#[tokio::test]
async fn while_a_key_management_system_is_down_opened_keys_serve_and_others_fail_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    let remote = Arc::new(Remote { kek: Kek::generate(&SystemRandom), is_down: AtomicBool::new(false) });
    let outside = Outside { keks: Some(Arc::clone(&remote) as _), ..Outside::system() };
    let settings = ServerSettings::local(data_in(&directory));
    let running = Server::start_with(settings.clone(), outside.clone()).await.expect("the service starts");
    let channel = channel_to(running.grpc_addr);
    let firm = Firm::make(&channel, Callers::new(&running.caller_tokens, Arc::new(SystemClock))).await;
    firm.more_tenants(&channel, 1).await;
    remote.is_down.store(true, Ordering::Relaxed);
    running.app.keep_keks().await.expect("the store answers");

    let token = firm.jump(&channel, &request_id(), 0).await.expect("a jump");
    assert_eq!(firm.redeem(&channel, &token).await.expect("a redemption"), PASSWORD);
    assert!(running.app.is_ready().await, "what is open serves for an hour");
    let new = admin::CreateTenantRequest { request_id: request_id(), ..admin::CreateTenantRequest::default() };
    let new = admin::CreateTenantRequest { display_name: "Firma".to_owned(), ..new };
    let refused = TenantServiceClient::new(channel.clone()).create_tenant(firm.as_operator(new)).await;
    is_key_unavailable(&refused.expect_err("nothing wraps its keys"));
    drop(channel);
    running.shutdown().await;

    let refused = Server::start_with(settings.clone(), outside.clone()).await.err().expect("nothing is open");
    assert!(refused.to_string().contains("cannot be reached"), "{refused}");
    remote.is_down.store(false, Ordering::Relaxed);
    let running = Server::start_with(settings, outside).await.expect("it is back");
    let channel = channel_to(running.grpc_addr);
    remote.is_down.store(true, Ordering::Relaxed);
    is_key_unavailable(&firm.jump(&channel, &request_id(), 0).await.expect_err("its keys are not open"));
    remote.is_down.store(false, Ordering::Relaxed);
    let token = firm.jump(&channel, &request_id(), 0).await.expect("a jump");
    assert_eq!(firm.redeem(&channel, &token).await.expect("a redemption"), PASSWORD);
    drop(channel);
    running.shutdown().await;
}
