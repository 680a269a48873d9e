//! A data directory with one firm in it, and a jump of its broker that waits to be redeemed.
//!
//! A jump that still hands the password over shows that every key is whole: the key file opens the tenant's keys, those
//! the password, and the signing key knows its token again.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use concenter_gateway::app::startup::UnlockError;
use concenter_gateway::config::ServerSettings;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::{BrokerId, SubjectId, TargetId, TenantId};
use concenter_gateway::domain::time::{Clock, Timestamp};
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::broker_activation_service_client::BrokerActivationServiceClient;
use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use concenter_gateway::proto::v1::{line_of_business_scope as lines, provider_scope as providers};
use concenter_gateway::secrets::SystemRandom;
use concenter_gateway::server::{Outside, Running, Server, StartError};
use concenter_gateway::token::CallerGrant;
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::Channel;

const PROVIDER: &str = "vergleich";
const TARGET: &str = "rechner";
const BROKER: &str = "m.meier";
const PASSWORD: &str = "geheim~meier";

/// A clock that stands still at 2026-03-02T09:00:00Z, so that no jump ends however slow the machine is.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_772_442_000)
    }
}

/// The data of a service that was stopped in order.
pub(crate) struct Stopped {
    directory: TempDir,
    /// What the broker's browser holds.
    token: String,
}

/// Every entry below a directory: its mode, and a file's content or a link's aim.
type Entries = BTreeMap<PathBuf, (u32, Vec<u8>)>;

impl Stopped {
    /// A firm on a new data directory.
    pub(crate) async fn after_a_jump() -> Self {
        Self::after_a_jump_in(tempfile::tempdir().expect("a directory")).await
    }

    /// A firm on the data directory that [`data_in`] names in `directory`.
    pub(crate) async fn after_a_jump_in(directory: TempDir) -> Self {
        let running = start(&data_in(&directory)).await.expect("the service starts");
        let token = jump(&running).await;
        running.shutdown().await;
        Self { directory, token }
    }

    /// Where the keys are.
    pub(crate) fn keys(&self) -> PathBuf {
        data_in(&self.directory).join("keys")
    }

    /// The one key file.
    pub(crate) fn key_file(&self) -> PathBuf {
        let files: Vec<_> = entries(&self.keys()).into_keys().collect();
        let [file] = files.as_slice() else { panic!("one key file: {files:?}") };
        file.clone()
    }

    /// A place outside the data directory, which ends with it.
    pub(crate) fn elsewhere(&self) -> PathBuf {
        self.directory.path().join("elsewhere")
    }

    /// Asserts that the service does not start, for its keys, and that the attempt left every byte and every mode of the
    /// data directory as it was; no entry came or went. Gives why it does not start.
    pub(crate) async fn refuses_to_start(&self) -> UnlockError {
        let data_dir = data_in(&self.directory);
        let before = entries(&data_dir);
        let error = match start(&data_dir).await {
            Ok(_) => panic!("the service started"),
            Err(StartError::Unlock(error)) => error,
            Err(error) => panic!("not for its keys: {error}"),
        };
        assert!(entries(&data_dir) == before, "the refused start changed something: {:?}", entries(&data_dir).keys());
        error
    }

    /// Asserts that the service starts, and that the jump from before still hands the password over.
    pub(crate) async fn starts_and_redeems(&self) {
        let running = start(&data_in(&self.directory)).await.expect("the service starts");
        let target_audience = Some(TargetId::parse(TARGET).expect("a target"));
        let target = CallerGrant { target_audience, ..grant(Role::Target, TARGET) };
        let redeem = v1::RedeemJumpRequest { proof: Some(Proof::Token(self.token.clone())), nonce: None };
        let redeem = signed(&running, &target, redeem);
        let redeemed = JumpServiceClient::new(connect(&running).await).redeem_jump(redeem).await;
        assert_eq!(redeemed.expect("a redemption").into_inner().password.as_deref(), Some(PASSWORD));
        running.shutdown().await;
    }
}

/// The data directory in a temporary one. The service makes it, so that nobody else may enter it.
pub(crate) fn data_in(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

/// Sets the rights of a file or directory.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("other rights");
}

async fn start(data_dir: &Path) -> Result<Running, StartError> {
    let outside = Outside { clock: Arc::new(StoppedClock), random: Arc::new(SystemRandom) };
    Server::start_with(ServerSettings::local(data_dir.to_owned()), outside).await
}

fn entries(directory: &Path) -> Entries {
    let mut found = Entries::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("an entry");
        let content = if metadata.is_dir() {
            found.extend(entries(&path));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).expect("a file")
        };
        found.insert(path, (metadata.permissions().mode(), content));
    }
    found
}

/// Makes a firm whose broker may jump, and jumps. Gives the token in the link.
async fn jump(running: &Running) -> String {
    let channel = connect(running).await;
    let operator = grant(Role::Operator, "operator");
    let mut catalog = CatalogAdminServiceClient::new(channel.clone());
    catalog.put_product_provider(signed(running, &operator, provider())).await.expect("a provider");
    catalog.put_target(signed(running, &operator, target())).await.expect("a target");
    let made = TenantServiceClient::new(channel.clone()).create_tenant(signed(running, &operator, firm())).await;
    let tenant = made.expect("a tenant").into_inner().tenant.expect("a tenant").tenant_id;
    let tenant = Some(TenantId::parse(&tenant).expect("a tenant"));

    let admin = CallerGrant { tenant, ..grant(Role::Admin, "admin") };
    let made = UserServiceClient::new(channel.clone()).create_user(signed(running, &admin, user())).await;
    let user = made.expect("a user").into_inner().user.expect("a user").user_id;
    let activation = signed(running, &admin, activation(user));
    let mut activations = BrokerActivationServiceClient::new(channel.clone());
    activations.create_broker_activation(activation).await.expect("an activation");

    let broker_id = Some(BrokerId::parse(BROKER).expect("a broker"));
    let broker = CallerGrant { tenant, broker_id, ..grant(Role::Broker, BROKER) };
    let (request_id, target_id) = (request_id(), TARGET.to_owned());
    let wish = v1::JumpToTarifRequest { request_id, target_id, ..v1::JumpToTarifRequest::default() };
    let jump = JumpServiceClient::new(channel).jump_to_tarif(signed(running, &broker, wish)).await;
    let link = jump.expect("a jump").into_inner().deep_link;
    link.split_once("#token=").expect("a token in the link").1.to_owned()
}

async fn connect(running: &Running) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", running.grpc_addr)).expect("an address");
    endpoint.connect().await.expect("the service listens")
}

fn grant(role: Role, subject: &str) -> CallerGrant {
    CallerGrant {
        subject: SubjectId::parse(subject).expect("a subject"),
        roles: vec![role],
        tenant: None,
        broker_id: None,
        customer_id: None,
        target_audience: None,
        life: Duration::from_secs(60),
    }
}

fn signed<T>(running: &Running, caller: &CallerGrant, message: T) -> Request<T> {
    let token = running.caller_tokens.mint(caller, StoppedClock.now(), &SystemRandom).expect("a token");
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a credential"));
    request
}

fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    uuid::Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed))).to_string()
}

fn provider() -> admin::PutProductProviderRequest {
    admin::PutProductProviderRequest {
        request_id: request_id(),
        product_provider_id: PROVIDER.to_owned(),
        etag: String::new(),
        display_name: "Vergleicher".to_owned(),
        kind: v1::ProductProviderKind::Comparator.into(),
    }
}

/// A calculator that finds its token in the fragment of its URL, and gets passwords.
fn target() -> admin::PutTargetRequest {
    admin::PutTargetRequest {
        request_id: request_id(),
        target_id: TARGET.to_owned(),
        etag: String::new(),
        product_provider_id: PROVIDER.to_owned(),
        kind: v1::TargetKind::TariffCalculator.into(),
        display_name: "Tarifrechner".to_owned(),
        url: "https://rechner.example/start".to_owned(),
        delivery: admin::Delivery::Fragment.into(),
        accepted_persons: vec![v1::PersonKind::Broker.into()],
        lines_of_business: Some(v1::LineOfBusinessScope { scope: Some(lines::Scope::All(lines::All {})) }),
        hands_over_secret: Some(true),
        nonce_required: Some(false),
    }
}

fn firm() -> admin::CreateTenantRequest {
    admin::CreateTenantRequest {
        request_id: request_id(),
        display_name: "Firma A".to_owned(),
        create_standard_user: None,
    }
}

fn user() -> v1::CreateUserRequest {
    v1::CreateUserRequest {
        request_id: request_id(),
        user_name: "vm.meier".to_owned(),
        kind: v1::UserKind::Broker.into(),
        provider_scope: Some(v1::ProviderScope { scope: Some(providers::Scope::All(providers::All {})) }),
        display_name: String::new(),
        notification_email: String::new(),
        password: Some(PASSWORD.to_owned()),
    }
}

fn activation(user_id: String) -> v1::CreateBrokerActivationRequest {
    v1::CreateBrokerActivationRequest {
        request_id: request_id(),
        display_name: String::new(),
        broker_ids: vec![BROKER.to_owned()],
        user_id,
        sharing_reason: String::new(),
    }
}
