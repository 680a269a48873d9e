//! The example of the help page (`docs/domain.md`), in two tenants of the same shape with the same ids of people.

use concenter_gateway::config::ServerSettings;
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::line_of_business_scope as lines;
use concenter_gateway::proto::v1::provider_scope as providers;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use concenter_gateway::proto::v1::{PersonKind, TargetKind, UserKind, person};
use tonic::{Response, Status};

use super::{Client, Service, request_id};

/// Calculator of the comparator; single-page, so the token stands in the fragment. Gets passwords.
pub const X: &str = "rechner-x";
/// Calculator of the comparator that takes only GET. Gets no password.
pub const Y: &str = "rechner-y";
/// Calculator of the insurer that takes a POST. Gets passwords.
pub const P: &str = "rechner-p";
/// Information portal of the insurer, for brokers. Gets no password.
pub const V: &str = "auskunft-v";
/// The insurer.
pub const INSURER: &str = "sicher";
/// The comparator.
pub const COMPARATOR: &str = "vergleich";
/// A registered return URL.
pub const RETURN_URL: &str = "https://portal.example/zurueck?von=rechner";
/// The broker of row 2.
pub const MEIER: &str = "m.meier";
/// The broker of row 3.
pub const SCHULZE: &str = "s.schulze";
/// Private customers.
pub const C1: &str = "c-1";
/// Private customers.
pub const C2: &str = "c-2";
/// A commercial customer.
pub const K1: &str = "k-1";

/// The service with the catalogue and both firms.
pub struct World {
    pub service: Service,
    pub a: Firm,
    pub b: Firm,
}

/// A firm: its people as callers, and the ids of what it has.
pub struct Firm {
    pub tenant: String,
    pub admin: Client,
    pub portal: Client,
    /// Row 1, `cloudtransfer`.
    pub standard: String,
    /// Row 2.
    pub meier: String,
    /// Row 3.
    pub schulze: String,
    /// Row 4, shared by private customers; the comparator only.
    pub private: String,
    /// Row 5, shared by commercial customers; comparator and insurer.
    pub commercial: String,
    /// `m.meier` -> row 2.
    pub meiers: String,
}

impl World {
    /// The whole example.
    pub async fn example() -> Self {
        Self::example_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn example_with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let service = Service::start_with(change).await;
        catalogue(&service.operator()).await;
        let (a, b) = (Firm::make(&service, "A").await, Firm::make(&service, "B").await);
        Self { service, a, b }
    }

    /// Redeems as the backend of `target`.
    pub async fn redeem(&self, target: &str, proof: Proof) -> Result<Response<v1::RedeemJumpResponse>, Status> {
        self.service.target(target).jumps().redeem_jump(redeem(proof)).await
    }

    /// Jumps through A's portal and redeems, both of which must go well.
    pub async fn arrive(&self, target: &str, person: v1::Person) -> v1::RedeemJumpResponse {
        let jump = self.a.jump(target, person).await.expect("a jump").into_inner();
        self.redeem(target, proof(&jump)).await.expect("a redemption").into_inner()
    }
}

impl Firm {
    /// Makes a firm by its own calls, as an administrator would.
    pub async fn make(service: &Service, letter: &str) -> Self {
        let new = admin::CreateTenantRequest {
            request_id: request_id(),
            display_name: format!("Firma {letter}"),
            create_standard_user: None,
        };
        let made = service.operator().tenants().create_tenant(new).await.expect("a tenant");
        let tenant = made.into_inner().tenant.expect("a tenant").tenant_id;
        let (admin, portal) = (service.admin(&tenant), service.portal(&tenant));

        let listed = admin.users().list_users(v1::ListUsersRequest::default()).await.expect("a list").into_inner();
        let standard = listed.users[0].user_id.clone();
        let meier = made_user(&admin, user(letter, "meier", UserKind::Broker, all())).await;
        let schulze = made_user(&admin, user(letter, "schulze", UserKind::Broker, all())).await;
        let private = user(letter, "privatkunden", UserKind::EndCustomer, only(&[COMPARATOR]));
        let private = made_user(&admin, private).await;
        let commercial = user(letter, "gewerbekunden", UserKind::EndCustomer, only(&[COMPARATOR, INSURER]));
        let commercial = made_user(&admin, commercial).await;

        let meiers = made_activation(&admin, MEIER, &meier).await;
        made_activation(&admin, SCHULZE, &schulze).await;
        let customers = vec![
            record(C1, v1::Segment::Private),
            record(C2, v1::Segment::Private),
            record(K1, v1::Segment::Commercial),
        ];
        let put = v1::PutCustomersRequest { request_id: request_id(), customers };
        portal.customers().put_customers(put).await.expect("records");

        let firm = Self { tenant, admin, portal, standard, meier, schulze, private, commercial, meiers };
        firm.share(Some(&firm.private), Some(&firm.commercial), None).await;
        firm
    }

    /// Reads a user.
    pub async fn user(&self, user: &str) -> v1::ConcenterUser {
        let get = v1::GetUserRequest { user_id: user.to_owned() };
        self.admin.users().get_user(get).await.expect("a user").into_inner().user.expect("a user")
    }

    /// Reads an activation.
    pub async fn activation(&self, activation: &str) -> v1::BrokerActivation {
        let get = v1::GetBrokerActivationRequest { activation_id: activation.to_owned() };
        let got = self.admin.activations().get_broker_activation(get).await.expect("an activation");
        got.into_inner().activation.expect("an activation")
    }

    /// Reads a customer's record.
    pub async fn customer(&self, customer: &str) -> v1::Customer {
        let get = v1::GetCustomerRequest { customer_id: customer.to_owned() };
        self.portal.customers().get_customer(get).await.expect("a record").into_inner().customer.expect("a record")
    }

    /// Reads the shared users.
    pub async fn access(&self) -> v1::CustomerAccess {
        let got = self.admin.customers().get_customer_access(v1::GetCustomerAccessRequest {}).await.expect("access");
        got.into_inner().customer_access.expect("access")
    }

    /// Changes the shared users; an empty id takes one out, `None` leaves it.
    pub async fn share(&self, private: Option<&str>, commercial: Option<&str>, falls_back: Option<bool>) {
        let change = v1::UpdateCustomerAccessRequest {
            request_id: request_id(),
            etag: self.access().await.etag,
            private_user_id: private.map(str::to_owned),
            commercial_user_id: commercial.map(str::to_owned),
            commercial_falls_back_to_private: falls_back,
        };
        self.admin.customers().update_customer_access(change).await.expect("access");
    }

    /// Makes one more user.
    pub async fn new_user(&self, new: v1::CreateUserRequest) -> String {
        made_user(&self.admin, new).await
    }

    /// Activates one broker for a user, beside the activations that it has.
    pub async fn activate(&self, broker: &str, user: &str) -> String {
        let new =
            v1::CreateBrokerActivationRequest { sharing_reason: "Vertretung".to_owned(), ..activation(broker, user) };
        let made = self.admin.activations().create_broker_activation(new).await.expect("an activation");
        made.into_inner().activation.expect("an activation").activation_id
    }

    /// Sets a password.
    pub async fn set_secret(&self, user: &str, password: &str) {
        let set = v1::SetUserSecretRequest {
            request_id: request_id(),
            user_id: user.to_owned(),
            etag: self.user(user).await.etag,
            password: password.to_owned(),
        };
        self.admin.users().set_user_secret(set).await.expect("a secret");
    }

    /// Disables a user.
    pub async fn disable(&self, user: &str) {
        let (user_id, etag) = (user.to_owned(), self.user(user).await.etag);
        let disable = v1::DisableUserRequest { request_id: request_id(), user_id, etag };
        self.admin.users().disable_user(disable).await.expect("a disabled user");
    }

    /// Enables a user.
    pub async fn enable(&self, user: &str) {
        let (user_id, etag) = (user.to_owned(), self.user(user).await.etag);
        let enable = v1::EnableUserRequest { request_id: request_id(), user_id, etag };
        self.admin.users().enable_user(enable).await.expect("an enabled user");
    }

    /// Gives a customer an own user, or with `None` takes it away.
    pub async fn assign(&self, customer: &str, user: Option<&str>) {
        let assign = v1::AssignUserRequest {
            request_id: request_id(),
            customer_id: customer.to_owned(),
            etag: self.customer(customer).await.etag,
            user_id: user.map(str::to_owned),
        };
        self.admin.customers().assign_user(assign).await.expect("an own user");
    }

    /// Asks for a jump through the portal.
    pub async fn jump(&self, target: &str, person: v1::Person) -> Result<Response<v1::JumpToTarifResponse>, Status> {
        self.portal.jumps().jump_to_tarif(to(target, Some(person))).await
    }
}

/// Providers, targets and a return URL.
async fn catalogue(operator: &Client) {
    put_provider(operator, INSURER, v1::ProductProviderKind::Insurer).await;
    put_provider(operator, COMPARATOR, v1::ProductProviderKind::Comparator).await;
    for target in [calculator(X), calculator(Y), calculator(P), insurer_portal(V)] {
        operator.catalog_admin().put_target(target).await.expect("a target");
    }
    let put = admin::PutReturnUrlRequest {
        request_id: request_id(),
        return_url_id: "zurueck".to_owned(),
        etag: String::new(),
        url: RETURN_URL.to_owned(),
    };
    operator.catalog_admin().put_return_url(put).await.expect("a return URL");
}

/// Disables a target.
pub async fn disable_target(world: &World, id: &str) {
    let operator = world.service.operator();
    let list = admin::ListTargetsRequest::default();
    let targets = operator.catalog_admin().list_targets(list).await.expect("a list").into_inner().targets;
    let etag = targets.into_iter().find(|target| target.target_id == id).expect("the target").etag;
    let disable = admin::DisableTargetRequest { request_id: request_id(), target_id: id.to_owned(), etag };
    operator.catalog_admin().disable_target(disable).await.expect("a disabled target");
}

/// Disables a provider.
pub async fn disable_provider(world: &World, id: &str) {
    let operator = world.service.operator();
    let list = admin::ListProductProvidersRequest::default();
    let listed = operator.catalog_admin().list_product_providers(list).await.expect("a list").into_inner();
    let found = listed.product_providers.into_iter().find(|provider| provider.product_provider_id == id);
    let (product_provider_id, etag) = (id.to_owned(), found.expect("the provider").etag);
    let disable = admin::DisableProductProviderRequest { request_id: request_id(), product_provider_id, etag };
    operator.catalog_admin().disable_product_provider(disable).await.expect("a disabled provider");
}

/// Puts a new provider.
pub async fn put_provider(operator: &Client, id: &str, kind: v1::ProductProviderKind) {
    let put = admin::PutProductProviderRequest {
        request_id: request_id(),
        product_provider_id: id.to_owned(),
        etag: String::new(),
        display_name: id.to_owned(),
        kind: kind.into(),
    };
    operator.catalog_admin().put_product_provider(put).await.expect("a provider");
}

/// A new calculator: [`X`], [`Y`] and [`P`] differ in delivery, whose they are, and whether they get passwords; any other
/// is like [`X`].
pub fn calculator(id: &str) -> admin::PutTargetRequest {
    let (provider, delivery) = match id {
        Y => (COMPARATOR, admin::Delivery::GetHandle),
        P => (INSURER, admin::Delivery::FormPost),
        _ => (COMPARATOR, admin::Delivery::Fragment),
    };
    admin::PutTargetRequest {
        request_id: request_id(),
        target_id: id.to_owned(),
        etag: String::new(),
        product_provider_id: provider.to_owned(),
        kind: TargetKind::TariffCalculator.into(),
        display_name: id.to_owned(),
        url: url_of(id),
        delivery: delivery.into(),
        accepted_persons: vec![PersonKind::Broker.into(), PersonKind::Customer.into()],
        lines_of_business: Some(every_line()),
        hands_over_secret: Some(id != Y),
        nonce_required: Some(false),
        redirect_origins: Vec::new(),
    }
}

/// A new information portal of the insurer.
pub fn insurer_portal(id: &str) -> admin::PutTargetRequest {
    admin::PutTargetRequest {
        product_provider_id: INSURER.to_owned(),
        kind: TargetKind::InsurerPortal.into(),
        accepted_persons: vec![PersonKind::Broker.into()],
        hands_over_secret: Some(false),
        ..calculator(id)
    }
}

/// Where a target of the example is.
pub fn url_of(target: &str) -> String {
    format!("https://{target}.example/start")
}

/// The password of a user of the example.
pub fn password(letter: &str, name: &str) -> String {
    format!("geheim~{letter}~{name}")
}

/// A new user with the password of the example.
pub fn user(letter: &str, name: &str, kind: UserKind, scope: v1::ProviderScope) -> v1::CreateUserRequest {
    v1::CreateUserRequest {
        request_id: request_id(),
        user_name: name.to_owned(),
        kind: kind.into(),
        provider_scope: Some(scope),
        display_name: String::new(),
        notification_email: String::new(),
        password: Some(password(letter, name)),
    }
}

/// A new activation of one broker.
pub fn activation(broker: &str, user: &str) -> v1::CreateBrokerActivationRequest {
    v1::CreateBrokerActivationRequest {
        request_id: request_id(),
        display_name: String::new(),
        broker_ids: vec![broker.to_owned()],
        user_id: user.to_owned(),
        sharing_reason: String::new(),
    }
}

/// What a portal tells of a customer.
pub fn record(customer: &str, segment: v1::Segment) -> v1::CustomerRecord {
    v1::CustomerRecord { customer_id: customer.to_owned(), segment: segment.into() }
}

/// Every product provider.
pub fn all() -> v1::ProviderScope {
    v1::ProviderScope { scope: Some(providers::Scope::All(providers::All {})) }
}

/// These product providers.
pub fn only(ids: &[&str]) -> v1::ProviderScope {
    let product_provider_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    v1::ProviderScope { scope: Some(providers::Scope::Only(providers::Only { product_provider_ids })) }
}

/// Every line of business.
pub fn every_line() -> v1::LineOfBusinessScope {
    v1::LineOfBusinessScope { scope: Some(lines::Scope::All(lines::All {})) }
}

/// These lines of business.
pub fn only_lines(codes: &[&str]) -> v1::LineOfBusinessScope {
    let lines_of_business = codes.iter().map(|code| (*code).to_owned()).collect();
    v1::LineOfBusinessScope { scope: Some(lines::Scope::Only(lines::Only { lines_of_business })) }
}

/// A broker, as a portal names him.
pub fn broker(id: &str) -> v1::Person {
    v1::Person { person: Some(person::Person::BrokerId(id.to_owned())) }
}

/// A customer, as a portal names him.
pub fn customer(id: &str) -> v1::Person {
    customer_of(id, None)
}

/// A customer whose segment the portal states.
pub fn customer_of(id: &str, segment: Option<v1::Segment>) -> v1::Person {
    let customer_id = id.to_owned();
    let reference = v1::CustomerRef { customer_id, segment: segment.map(Into::into) };
    v1::Person { person: Some(person::Person::Customer(reference)) }
}

/// A jump into a calculator with nothing but what it needs.
pub fn to(target: &str, person: Option<v1::Person>) -> v1::JumpToTarifRequest {
    v1::JumpToTarifRequest {
        request_id: request_id(),
        target_id: target.to_owned(),
        person,
        ..v1::JumpToTarifRequest::default()
    }
}

/// A jump into an insurer's portal, likewise.
pub fn into_portal(target: &str, person: Option<v1::Person>) -> v1::JumpToInsurerPortalRequest {
    v1::JumpToInsurerPortalRequest {
        request_id: request_id(),
        target_id: target.to_owned(),
        person,
        ..v1::JumpToInsurerPortalRequest::default()
    }
}

/// A redemption without a nonce.
pub fn redeem(proof: Proof) -> v1::RedeemJumpRequest {
    v1::RedeemJumpRequest { proof: Some(proof), nonce: None }
}

/// What the browser brings to the target after this answer.
pub fn proof(jump: &v1::JumpToTarifResponse) -> Proof {
    if let Some(form) = &jump.form_post {
        return Proof::Token(form.token.clone());
    }
    if let Some((_, token)) = jump.deep_link.split_once("#token=") {
        return Proof::Token(token.to_owned());
    }
    let (_, handle) = jump.deep_link.split_once("?j=").expect("a handle in the link");
    Proof::Handle(handle.to_owned())
}

/// The compact token in this answer.
pub fn token(jump: &v1::JumpToTarifResponse) -> String {
    match proof(jump) {
        Proof::Token(token) => token,
        Proof::Handle(_) => panic!("this target gets a handle"),
    }
}

async fn made_user(admin: &Client, new: v1::CreateUserRequest) -> String {
    admin.users().create_user(new).await.expect("a user").into_inner().user.expect("a user").user_id
}

async fn made_activation(admin: &Client, broker: &str, user: &str) -> String {
    let made = admin.activations().create_broker_activation(activation(broker, user)).await.expect("an activation");
    made.into_inner().activation.expect("an activation").activation_id
}
