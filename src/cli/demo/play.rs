//! The stage: plays the steps of the script by calls to the service, and remembers what later ones need.

use std::collections::HashMap;
use std::mem;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::Status;
use tonic::transport::Channel;
use url::Url;
use zeroize::Zeroizing;

use super::desk::Desk;
use super::script::{
    ACTIVATIONS, ADDED_ROWS, COMMERCIAL, Caller, Change, Deed, PRIVATE_1, PRIVATE_2, Person, RETURN_URL, ROW_4, ROW_5,
    STANDARD, Step, Target, Trip, UserRow,
};
use super::seen::{Explained, Issued, Password, Redeemed, Refused, Seen};
use super::table;
use crate::domain::ids::UserId;
use crate::proto::v1 as wire;
use crate::proto::v1::broker_activation_service_client::BrokerActivationServiceClient;
use crate::proto::v1::customer_service_client::CustomerServiceClient;
use crate::proto::v1::jump_service_client::JumpServiceClient;
use crate::proto::v1::provider_scope::{All, Only, Scope};
use crate::proto::v1::redeem_jump_request::Proof;
use crate::proto::v1::user_service_client::UserServiceClient;
use crate::proto::v1::{
    AttestEndCustomerRequest, ConcenterUser, CreateBrokerActivationRequest, CreateUserRequest, CustomerAccess,
    CustomerRecord, CustomerRef, ExplainJumpRequest, FormPost, GetCustomerAccessRequest, GetUserRequest,
    JumpToInsurerPortalRequest, JumpToTarifRequest, ListBrokerActivationsRequest, ListUsersRequest, ProviderScope,
    PutCustomersRequest, RedeemJumpRequest, RedeemJumpResponse, RemoteEndCustomer, Segment, TargetKind,
    UpdateCustomerAccessRequest, UserKind, explain_jump_response, person,
};

/// Random bytes of a password.
const PASSWORD_BYTES: usize = 18;

/// Plays steps and remembers.
pub(super) struct Stage<'a> {
    desk: &'a Desk,
    /// Rows that were added, by name.
    users: HashMap<&'static str, AddedUser>,
    /// What the browser would bring, by the step of the jump.
    tickets: HashMap<&'static str, Ticket>,
}

struct AddedUser {
    user_id: String,
    password: Zeroizing<String>,
}

struct Ticket {
    target: &'static Target,
    user: Option<&'static str>,
    proof: Proof,
}

/// The answer of either jump.
struct Passage {
    deep_link: String,
    form_post: Option<FormPost>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(desk: &'a Desk) -> Self {
        Self { desk, users: HashMap::new(), tickets: HashMap::new() }
    }

    /// Names of the rows that were added, with the passwords that were entered.
    pub(super) fn accounts(&self) -> HashMap<String, Zeroizing<String>> {
        self.users.iter().map(|(name, user)| ((*name).to_owned(), user.password.clone())).collect()
    }

    /// Makes the changes before the step, and plays it.
    ///
    /// # Errors
    /// If it cannot be played: a change before it failed, or an earlier step left nothing to go on with.
    pub(super) async fn play(&mut self, step: &Step) -> anyhow::Result<Seen> {
        if let Some(change) = step.before {
            self.make(change).await.context("the change before it failed")?;
        }
        match self.act(step).await {
            Ok(seen) => Ok(seen),
            // A status that nobody below looked at is the answer to the step.
            Err(error) => error.downcast::<Status>().map(|status| Seen::Refused(Refused::from(&status))),
        }
    }

    async fn act(&mut self, step: &Step) -> anyhow::Result<Seen> {
        match &step.deed {
            Deed::CreateUsers => self.create_users().await,
            Deed::ShowTable => self.show_table().await,
            Deed::Jump(trip) => self.jump(step.name, trip).await,
            Deed::Redeem(jump) => self.redeem(jump).await,
            Deed::ShareWithPrivate(row) => self.share_with_private(row).await,
            Deed::ReadFromOtherFirm(row) => self.read_from_other_firm(row).await,
        }
    }

    async fn make(&self, change: Change) -> anyhow::Result<()> {
        match change {
            Change::AssignPeople => {
                self.activate_brokers().await?;
                self.put_customers().await?;
                let private = Some(self.user_id(&ROW_4)?.to_owned());
                let commercial = Some(self.user_id(&ROW_5)?.to_owned());
                self.update_access(private, commercial, None).await?;
            }
            Change::FallBackToPrivate => {
                self.update_access(None, Some(String::new()), Some(true)).await?;
            }
        }
        Ok(())
    }
}

/// Setting up and looking at what is set.
impl Stage<'_> {
    async fn create_users(&mut self) -> anyhow::Result<Seen> {
        for row in &ADDED_ROWS {
            let password = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.desk.random_bytes::<PASSWORD_BYTES>()));
            let request = CreateUserRequest {
                request_id: self.desk.request_id(),
                user_name: row.name.to_owned(),
                kind: row.kind.into(),
                provider_scope: Some(scope(row)),
                display_name: String::new(),
                notification_email: String::new(),
                password: Some(password.to_string()),
            };
            let request = self.desk.signed(Caller::Admin, request)?;
            let answer = UserServiceClient::new(self.desk.channel()).create_user(request).await?.into_inner();
            let ConcenterUser { user_id, etag, .. } = answer.user.context("the answer names no user")?;
            if row.kind == UserKind::EndCustomer {
                self.attest(&user_id, etag).await?;
            }
            self.users.insert(row.name, AddedUser { user_id, password });
        }
        Ok(Seen::Done { shown: None, wrong: Vec::new() })
    }

    /// Says that Endkunde is ticked at con:center too.
    async fn attest(&self, user_id: &str, etag: String) -> anyhow::Result<()> {
        let request = AttestEndCustomerRequest {
            request_id: self.desk.request_id(),
            user_id: user_id.to_owned(),
            etag,
            remote_end_customer: RemoteEndCustomer::Yes.into(),
        };
        let request = self.desk.signed(Caller::Admin, request)?;
        UserServiceClient::new(self.desk.channel()).attest_end_customer(request).await?;
        Ok(())
    }

    async fn activate_brokers(&self) -> anyhow::Result<()> {
        for (broker, row) in ACTIVATIONS {
            let request = CreateBrokerActivationRequest {
                request_id: self.desk.request_id(),
                display_name: String::new(),
                broker_ids: vec![broker.to_owned()],
                user_id: self.user_id(row)?.to_owned(),
                sharing_reason: String::new(),
            };
            let request = self.desk.signed(Caller::Admin, request)?;
            BrokerActivationServiceClient::new(self.desk.channel()).create_broker_activation(request).await?;
        }
        Ok(())
    }

    async fn put_customers(&self) -> anyhow::Result<()> {
        let customers =
            [(PRIVATE_1, Segment::Private), (PRIVATE_2, Segment::Private), (COMMERCIAL, Segment::Commercial)];
        let customers = customers
            .map(|(id, segment)| CustomerRecord { customer_id: id.to_owned(), segment: segment.into() })
            .to_vec();
        let request = PutCustomersRequest { request_id: self.desk.request_id(), customers };
        let request = self.desk.signed(Caller::Portal, request)?;
        CustomerServiceClient::new(self.desk.channel()).put_customers(request).await?;
        Ok(())
    }

    async fn access(&self) -> anyhow::Result<CustomerAccess> {
        let request = self.desk.signed(Caller::Admin, GetCustomerAccessRequest {})?;
        let answer = CustomerServiceClient::new(self.desk.channel()).get_customer_access(request).await?.into_inner();
        answer.customer_access.context("the answer has no customer access")
    }

    /// Changes the customer access; `None` leaves a setting as it is, and an empty id takes a user out.
    async fn update_access(
        &self,
        private_user_id: Option<String>,
        commercial_user_id: Option<String>,
        commercial_falls_back_to_private: Option<bool>,
    ) -> anyhow::Result<()> {
        let request = UpdateCustomerAccessRequest {
            request_id: self.desk.request_id(),
            etag: self.access().await?.etag,
            private_user_id,
            commercial_user_id,
            commercial_falls_back_to_private,
        };
        let request = self.desk.signed(Caller::Admin, request)?;
        CustomerServiceClient::new(self.desk.channel()).update_customer_access(request).await?;
        Ok(())
    }

    async fn show_table(&self) -> anyhow::Result<Seen> {
        let page = ListUsersRequest { page_size: 0, page_token: String::new() };
        let page = self.desk.signed(Caller::Admin, page)?;
        let users = UserServiceClient::new(self.desk.channel()).list_users(page).await?.into_inner().users;
        let page = ListBrokerActivationsRequest { page_size: 0, page_token: String::new(), broker_id: None };
        let page = self.desk.signed(Caller::Admin, page)?;
        let mut activations = BrokerActivationServiceClient::new(self.desk.channel());
        let activations = activations.list_broker_activations(page).await?.into_inner().activations;

        let rows = table::rows(&users, &activations, &self.access().await?);
        let expected: Vec<&UserRow> = std::iter::once(&STANDARD).chain(&ADDED_ROWS).collect();
        Ok(Seen::Done { shown: Some(table::render(&rows)), wrong: table::differences(&expected, &rows) })
    }

    async fn share_with_private(&self, row: &UserRow) -> anyhow::Result<Seen> {
        self.update_access(Some(self.user_id(row)?.to_owned()), None, None).await?;
        Ok(Seen::Done { shown: None, wrong: Vec::new() })
    }

    async fn read_from_other_firm(&self, row: &UserRow) -> anyhow::Result<Seen> {
        let id = UserId::parse(self.user_id(row)?)?;
        let never_was = self.desk.request_id();
        let (Err(ours), Err(unknown)) =
            (self.get_as_other(&id.to_string()).await?, self.get_as_other(&never_was).await?)
        else {
            return Ok(Seen::Done { shown: None, wrong: Vec::new() });
        };
        let mut refused = Refused::from(&ours);
        let is_same =
            ours.code() == unknown.code() && ours.message() == unknown.message() && ours.details() == unknown.details();
        if !is_same {
            refused.wrong.push("the answer differs from that for an id that never was".to_owned());
        }
        Ok(Seen::Refused(refused))
    }

    async fn get_as_other(&self, user_id: &str) -> anyhow::Result<Result<(), Status>> {
        let request = self.desk.signed(Caller::OtherAdmin, GetUserRequest { user_id: user_id.to_owned() })?;
        Ok(UserServiceClient::new(self.desk.channel()).get_user(request).await.map(|_| ()))
    }

    fn user_id(&self, row: &UserRow) -> anyhow::Result<&str> {
        let user = self.users.get(row.name).with_context(|| format!("{} was not added", row.name))?;
        Ok(&user.user_id)
    }
}

/// Jumps and redeems.
impl Stage<'_> {
    fn jumps(&self) -> JumpServiceClient<Channel> {
        JumpServiceClient::new(self.desk.channel())
    }

    async fn jump(&mut self, step: &'static str, trip: &Trip) -> anyhow::Result<Seen> {
        let explained = self.explain(trip).await.context("ExplainJump failed")?;
        let answer = match trip.target.kind {
            TargetKind::InsurerPortal => self.jump_to_portal(trip).await?,
            TargetKind::TariffCalculator | TargetKind::Unspecified => self.jump_to_tarif(trip).await?,
        };
        let passage = match answer {
            Ok(passage) => passage,
            Err(status) => {
                return Ok(Seen::Refused(Refused { explained: Some(explained), ..Refused::from(&status) }));
            }
        };
        let user = match &explained {
            Explained::Resolved(_, name) => ADDED_ROWS.iter().map(|row| row.name).find(|row| row == name),
            Explained::Refused(_) => None,
        };
        self.tickets.insert(step, Ticket { target: trip.target, user, proof: proof_of(&passage)? });
        Ok(Seen::Issued(Issued { passage: passage.to_string(), explained }))
    }

    async fn jump_to_tarif(&self, trip: &Trip) -> anyhow::Result<Result<Passage, Status>> {
        let request = JumpToTarifRequest {
            request_id: self.desk.request_id(),
            target_id: trip.target.id.to_owned(),
            person: named_person(trip),
            line_of_business: Some("050".to_owned()),
            return_url: Some(RETURN_URL.1.to_owned()),
            ..Default::default()
        };
        let answer = self.jumps().jump_to_tarif(self.desk.signed(trip.caller, request)?).await;
        Ok(answer.map(|answer| {
            let answer = answer.into_inner();
            Passage { deep_link: answer.deep_link, form_post: answer.form_post }
        }))
    }

    async fn jump_to_portal(&self, trip: &Trip) -> anyhow::Result<Result<Passage, Status>> {
        let request = JumpToInsurerPortalRequest {
            request_id: self.desk.request_id(),
            target_id: trip.target.id.to_owned(),
            person: named_person(trip),
            return_url: Some(RETURN_URL.1.to_owned()),
            ..Default::default()
        };
        let answer = self.jumps().jump_to_insurer_portal(self.desk.signed(trip.caller, request)?).await;
        Ok(answer.map(|answer| {
            let answer = answer.into_inner();
            Passage { deep_link: answer.deep_link, form_post: answer.form_post }
        }))
    }

    /// Asks as the administrator what would become of the trip.
    async fn explain(&self, trip: &Trip) -> anyhow::Result<Explained> {
        let request = ExplainJumpRequest {
            target_id: trip.target.id.to_owned(),
            person: Some(person(trip.person)),
            ..Default::default()
        };
        let request = self.desk.signed(Caller::Admin, request)?;
        let answer = self.jumps().explain_jump(request).await.map_err(|status| {
            // Not the answer to the step: it must not be taken for the refusal that a step may expect.
            anyhow::anyhow!("{}: {}", status.code(), status.message())
        })?;
        match answer.into_inner().result.context("the explanation is empty")? {
            explain_jump_response::Result::Resolved(resolved) => {
                Ok(Explained::Resolved(resolved.way(), resolved.user_name))
            }
            explain_jump_response::Result::Refusal(refusal) => Ok(Explained::Refused(refusal.reason())),
        }
    }

    async fn redeem(&self, jump: &str) -> anyhow::Result<Seen> {
        let ticket = self.tickets.get(jump).with_context(|| format!("{jump} left nothing to redeem"))?;
        let request = RedeemJumpRequest { proof: Some(ticket.proof.clone()), nonce: None };
        let request = self.desk.signed(Caller::Target(ticket.target.id), request)?;
        let answer = self.jumps().redeem_jump(request).await?.into_inner();
        let password = self.compare_password(ticket.user, answer.password.as_deref());
        Ok(Seen::Redeemed(redeemed(answer, password)))
    }

    fn compare_password(&self, user: Option<&str>, handed_over: Option<&str>) -> Password {
        let entered = user.and_then(|name| self.users.get(name)).map(|user| user.password.as_str());
        match handed_over {
            None => Password::None,
            Some(_) if handed_over == entered => Password::AsEntered,
            Some(_) => Password::Other,
        }
    }
}

impl std::fmt::Display for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.form_post {
            Some(form) => write!(f, "POST {} with the form field token={}", form.action_url, form.token),
            None => f.write_str(&self.deep_link),
        }
    }
}

/// What the target gets from the browser: out of the form, the fragment or the query.
fn proof_of(passage: &Passage) -> anyhow::Result<Proof> {
    if let Some(form) = &passage.form_post {
        return Ok(Proof::Token(form.token.clone()));
    }
    let link = Url::parse(&passage.deep_link).context("the deep link is not a URL")?;
    if let Some(token) = link.fragment().and_then(|fragment| fragment.strip_prefix("token=")) {
        return Ok(Proof::Token(token.to_owned()));
    }
    let handle = link.query_pairs().find(|(name, _)| name == "j").map(|(_, handle)| handle.into_owned());
    handle.map(Proof::Handle).context("the deep link carries neither token nor handle")
}

fn redeemed(mut answer: RedeemJumpResponse, password: Password) -> Redeemed {
    let only = match answer.provider_scope.take().and_then(|scope| scope.scope) {
        Some(Scope::All(All {})) => None,
        Some(Scope::Only(only)) => Some(only.product_provider_ids),
        // Nothing said is nothing allowed.
        None => Some(Vec::new()),
    };
    Redeemed {
        user_name: mem::take(&mut answer.concenter_user_name),
        subject: mem::take(&mut answer.subject),
        end_customer: answer.end_customer,
        password,
        only,
        has_actor: answer.actor.is_some(),
    }
}

/// The person in the request: named by a portal, and by nobody else.
fn named_person(trip: &Trip) -> Option<wire::Person> {
    matches!(trip.caller, Caller::Portal).then(|| person(trip.person))
}

pub(super) fn person(person: Person) -> wire::Person {
    let person = match person {
        Person::Broker(id) => person::Person::BrokerId(id.to_owned()),
        Person::Customer(id) => person::Person::Customer(CustomerRef { customer_id: id.to_owned(), segment: None }),
    };
    wire::Person { person: Some(person) }
}

fn scope(row: &UserRow) -> ProviderScope {
    let scope = if row.only.is_empty() {
        Scope::All(All {})
    } else {
        Scope::Only(Only { product_provider_ids: row.only.iter().map(|id| (*id).to_owned()).collect() })
    };
    ProviderScope { scope: Some(scope) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(deep_link: &str) -> Option<Proof> {
        proof_of(&Passage { deep_link: deep_link.to_owned(), form_post: None }).ok()
    }

    #[test]
    fn the_proof_is_found_wherever_the_delivery_puts_it() {
        assert_eq!(link("https://a.example/x#token=a.b.c"), Some(Proof::Token("a.b.c".to_owned())));
        assert_eq!(link("https://a.example/x?y=1&j=t.h"), Some(Proof::Handle("t.h".to_owned())));
        let form = FormPost { action_url: "https://a.example/".to_owned(), token: "a.b.c".to_owned() };
        let passage = Passage { deep_link: String::new(), form_post: Some(form) };
        assert_eq!(proof_of(&passage).ok(), Some(Proof::Token("a.b.c".to_owned())));
    }

    #[test]
    fn a_link_without_a_proof_is_noticed() {
        for text in ["", "https://a.example/", "https://a.example/?token=a.b.c", "https://a.example/#a.b.c"] {
            assert_eq!(link(text), None, "{text}");
        }
    }
}
