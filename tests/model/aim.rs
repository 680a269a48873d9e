//! From a command to a call: who and what is meant, in the state that the model is in.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof as Presented;
use concenter_gateway::proto::v1::revoke_jump_request::Jumps as Selection;
use concenter_gateway::proto::v1::{Segment, UserKind, list_jumps_request};
use prost_types::FieldMask;

use crate::call::{Call, Request, Who};
use crate::command::{
    BROKERS, CUSTOMERS, Command, Extras, Jumper, Known, NAMES, PROVIDERS, Pick, RETURN_URL_ID, Revoked, Scope,
    SettingsWish, Slot, Step, TARGETS, Twist,
};
use crate::harness::{NOBODY, RETURN_URL, broker, customer_of, request_id};
use crate::spoil::spoil;
use crate::state::{Model, Proof, Tenant, etag, instant, scope_out, span};

/// What every password begins with, so that it is found wherever it must not be.
pub const PASSWORD: &str = "geheim~";
/// What is long for every text of people.
const DISPLAYS: [&str; 3] = ["", "Büro Nord", "Büro Süd"];
/// What the catalogue does not have.
const NOWHERE: &str = "nirgends";

/// Makes a call of a step; `None` where there is nothing to try it on. `earlier` are the calls of the sequence so far.
pub fn aim(model: &mut Model, step: &Step, earlier: &[Call]) -> Option<Call> {
    if let Command::Repeat { back } = step.command {
        let effects: Vec<_> = earlier.iter().filter(|call| !call.request.request_id().is_empty()).collect();
        return effects.len().checked_sub(back + 1).map(|at| effects[at].clone());
    }
    let (who, request) = Aim { model, side: step.side }.request(&step.command)?;
    let mut call = Call { side: step.side, who, request, spoiled: Vec::new() };
    match step.twist {
        Twist::Plain => {}
        Twist::Spoiled(which) => call.spoiled = spoil(&mut call.request, which),
        Twist::As(at) => {
            let all = [Who::Admin, Who::Portal, Who::Broker(0), Who::Customer(0), Who::Target(0), Who::Operator];
            call.who = all[at % all.len()];
            if matches!((&call.request, call.who), (Request::RedeemJump(_), Who::Target(_))) {
                call.who = who;
            }
        }
        Twist::SameId(back) => {
            let same = |before: &&Call| before.who == call.who && before.side == call.side && before.spoiled.is_empty();
            let ids: Vec<_> = earlier.iter().filter(same).map(|before| before.request.request_id()).collect();
            let ids: Vec<_> = ids.into_iter().filter(|id| !id.is_empty()).collect();
            let id = ids.len().checked_sub(back + 1).map(|at| ids[at].clone());
            if let (Some(id), Some(place)) = (id, call.request.request_id_mut()) {
                *place = id;
            }
        }
    }
    Some(call)
}

struct Aim<'m> {
    model: &'m mut Model,
    side: usize,
}

/// Takes one of a list by its place, round and round.
fn nth<T: Clone>(all: &[T], at: usize) -> Option<T> {
    all.get(at.checked_rem(all.len())?).cloned()
}

fn mask(masked: bool, paths: &[(&str, bool)]) -> Option<FieldMask> {
    let chosen = paths.iter().filter(|(_, chosen)| *chosen).map(|(path, _)| (*path).to_owned());
    masked.then(|| FieldMask { paths: chosen.collect() })
}

fn scope_of(scope: Scope) -> v1::ProviderScope {
    let ids = [(1, PROVIDERS[0]), (2, PROVIDERS[1]), (4, NOWHERE)];
    let named = ids.iter().filter(|(bit, _)| scope.0 & bit != 0).map(|(_, id)| (*id).to_owned());
    let named: std::collections::BTreeSet<_> = named.collect();
    scope_out(Some(&named).filter(|named| !named.is_empty()))
}

fn brokers_of(bits: u8) -> Vec<String> {
    let named = BROKERS.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
    named.map(|(_, id)| (*id).to_owned()).collect()
}

fn target_id(at: usize) -> String {
    TARGETS.get(at).copied().unwrap_or(NOWHERE).to_owned()
}

impl Aim<'_> {
    fn own(&self) -> &Tenant {
        &self.model.sides[self.side]
    }

    fn foreign(&self) -> &Tenant {
        &self.model.sides[1 - self.side]
    }

    fn pick(&self, pick: Pick, ids: impl Fn(&Tenant) -> &Vec<String>) -> String {
        let found = match pick {
            Pick::Own(at) => nth(ids(self.own()), at),
            Pick::Newest => ids(self.own()).last().cloned(),
            Pick::Foreign(at) => nth(ids(self.foreign()), at),
            Pick::Nobody => None,
        };
        found.unwrap_or_else(|| NOBODY.to_owned())
    }

    /// The user that is meant, and an etag of his.
    fn user(&self, pick: Pick, known: Known) -> (String, String) {
        let id = self.pick(pick, |tenant| &tenant.made.users);
        let found = [self.own(), self.foreign()].into_iter().find_map(|tenant| tenant.users.get(&id));
        let version = found.map(|user| user.version);
        (id, etag_of(version, known))
    }

    fn activation(&self, pick: Pick, known: Known) -> (String, String) {
        let id = self.pick(pick, |tenant| &tenant.made.activations);
        let found = [self.own(), self.foreign()].into_iter().find_map(|tenant| tenant.activations.get(&id));
        let version = found.map(|activation| activation.version);
        (id, etag_of(version, known))
    }

    fn password(&mut self) -> String {
        self.model.passwords += 1;
        format!("{PASSWORD}{}~{}", self.side, self.model.passwords)
    }

    fn request(&mut self, command: &Command) -> Option<(Who, Request)> {
        if let Some(request) = self.on_users(command).or_else(|| self.on_activations(command)) {
            return Some((Who::Admin, request));
        }
        if let Some((who, request)) = self.on_customers(command) {
            return Some((who, request));
        }
        self.on_jumps(command).or_else(|| self.by_operator(command))
    }

    #[expect(clippy::too_many_lines, reason = "a table: an arm for each command")]
    fn on_users(&mut self, command: &Command) -> Option<Request> {
        let request_id = request_id();
        Some(match command {
            Command::CreateUser { name, end_customer, scope, password, email } => {
                let kind = if *end_customer { UserKind::EndCustomer } else { UserKind::Broker };
                // An Endkunde user of all providers is out of bounds: that is for `spoil`.
                let scope = if *end_customer && scope.0 == 0 { Scope(2) } else { *scope };
                Request::CreateUser(v1::CreateUserRequest {
                    request_id,
                    user_name: NAMES[*name].to_owned(),
                    kind: kind.into(),
                    provider_scope: Some(scope_of(scope)),
                    display_name: String::new(),
                    notification_email: if *email { "post@makler.example".to_owned() } else { String::new() },
                    password: password.then(|| self.password()),
                })
            }
            Command::UpdateUser { user, known, name, scope, display, masked } => {
                let (user_id, etag) = self.user(*user, *known);
                let display_name = display.map(|at| DISPLAYS[usize::from(at)].to_owned());
                let none = name.is_none() && scope.is_none() && display_name.is_none();
                let user = v1::ConcenterUser {
                    user_id,
                    etag,
                    user_name: name.map(|at| NAMES[at].to_owned()).unwrap_or_default(),
                    provider_scope: scope.map(scope_of),
                    display_name: display_name.clone().unwrap_or_default(),
                    // One field at least, as nothing at all is out of bounds.
                    notification_email: if none { "neu@makler.example".to_owned() } else { String::new() },
                    ..v1::ConcenterUser::default()
                };
                let empties = display_name.as_deref() == Some("") && name.is_none() && scope.is_none();
                let update_mask = mask(
                    *masked || empties,
                    &[
                        ("user_name", name.is_some()),
                        ("provider_scope", scope.is_some()),
                        ("display_name", display_name.is_some()),
                        ("notification_email", none),
                    ],
                );
                Request::UpdateUser(v1::UpdateUserRequest { request_id, user: Some(user), update_mask })
            }
            Command::SetSecret { user, known } => {
                let (user_id, etag) = self.user(*user, *known);
                let password = self.password();
                Request::SetUserSecret(v1::SetUserSecretRequest { request_id, user_id, etag, password })
            }
            Command::SetStandard { user, known } => {
                let (user_id, etag) = self.user(*user, *known);
                Request::SetStandardUser(v1::SetStandardUserRequest { request_id, user_id, etag })
            }
            Command::SetEndCustomer { user, known, end_customer, scope } => {
                let (user_id, etag) = self.user(*user, *known);
                let (end_customer, provider_scope) = (Some(*end_customer), scope.map(scope_of));
                let request = v1::SetEndCustomerRequest { request_id, user_id, etag, end_customer, provider_scope };
                Request::SetEndCustomer(request)
            }
            Command::Attest { user, known, remote } => {
                let (user_id, etag) = self.user(*user, *known);
                let remote_end_customer = *remote;
                let request = v1::AttestEndCustomerRequest { request_id, user_id, etag, remote_end_customer };
                Request::AttestEndCustomer(request)
            }
            Command::SetUserState { user, known, active } => {
                let (user_id, etag) = self.user(*user, *known);
                if *active {
                    Request::EnableUser(v1::EnableUserRequest { request_id, user_id, etag })
                } else {
                    Request::DisableUser(v1::DisableUserRequest { request_id, user_id, etag })
                }
            }
            Command::DeleteUser { user, known } => {
                let (user_id, etag) = self.user(*user, *known);
                Request::DeleteUser(v1::DeleteUserRequest { request_id, user_id, etag })
            }
            Command::GetUser(user) => {
                Request::GetUser(v1::GetUserRequest { user_id: self.user(*user, Known::Current).0 })
            }
            _ => return None,
        })
    }

    #[expect(clippy::too_many_lines, reason = "a table: an arm for each command")]
    fn on_activations(&self, command: &Command) -> Option<Request> {
        let request_id = request_id();
        Some(match command {
            Command::CreateActivation { brokers, user, reason } => {
                Request::CreateActivation(v1::CreateBrokerActivationRequest {
                    request_id,
                    display_name: String::new(),
                    broker_ids: brokers_of(*brokers),
                    user_id: self.user(*user, Known::Current).0,
                    sharing_reason: if *reason { "Vertretung".to_owned() } else { String::new() },
                })
            }
            Command::UpdateActivation { activation, known, brokers, user, reason, display, masked } => {
                let (activation_id, etag) = self.activation(*activation, *known);
                let display_name = display.map(|at| DISPLAYS[usize::from(at)].to_owned());
                let reason = reason.map(|is_set| if is_set { "Vertretung".to_owned() } else { String::new() });
                let sets = brokers.is_some()
                    || user.is_some()
                    || [&display_name, &reason].iter().any(|text| text.as_deref().is_some_and(|text| !text.is_empty()));
                let none = !sets && display_name.is_none() && reason.is_none();
                let activation = v1::BrokerActivation {
                    activation_id,
                    etag,
                    display_name: if none { DISPLAYS[1].to_owned() } else { display_name.clone().unwrap_or_default() },
                    broker_ids: brokers.map(brokers_of).unwrap_or_default(),
                    user_id: user.map(|user| self.user(user, Known::Current).0).unwrap_or_default(),
                    sharing_reason: reason.clone().unwrap_or_default(),
                    ..v1::BrokerActivation::default()
                };
                let paths = [
                    ("display_name", none || display_name.is_some()),
                    ("broker_ids", brokers.is_some()),
                    ("user_id", user.is_some()),
                    ("sharing_reason", reason.is_some()),
                ];
                let update_mask = mask(*masked || !sets, &paths);
                Request::UpdateActivation(v1::UpdateBrokerActivationRequest {
                    request_id,
                    activation: Some(activation),
                    update_mask,
                })
            }
            Command::SetActivationState { activation, known, active } => {
                let (activation_id, etag) = self.activation(*activation, *known);
                if *active {
                    let request = v1::EnableBrokerActivationRequest { request_id, activation_id, etag };
                    Request::EnableActivation(request)
                } else {
                    let request = v1::DisableBrokerActivationRequest { request_id, activation_id, etag };
                    Request::DisableActivation(request)
                }
            }
            Command::DeleteActivation { activation, known } => {
                let (activation_id, etag) = self.activation(*activation, *known);
                Request::DeleteActivation(v1::DeleteBrokerActivationRequest { request_id, activation_id, etag })
            }
            Command::GetActivation(activation) => {
                let activation_id = self.activation(*activation, Known::Current).0;
                Request::GetActivation(v1::GetBrokerActivationRequest { activation_id })
            }
            _ => return None,
        })
    }

    fn on_customers(&self, command: &Command) -> Option<(Who, Request)> {
        let request_id = request_id();
        Some(match command {
            Command::PutCustomers { customers, commercial } => {
                let named = CUSTOMERS.iter().enumerate().filter(|(at, _)| customers & (1 << at) != 0);
                let customers = named.map(|(at, id)| {
                    let segment = if commercial & (1 << at) != 0 { Segment::Commercial } else { Segment::Private };
                    v1::CustomerRecord { customer_id: (*id).to_owned(), segment: segment.into() }
                });
                let customers = customers.collect();
                (Who::Portal, Request::PutCustomers(v1::PutCustomersRequest { request_id, customers }))
            }
            Command::AssignUser { customer, user, known } => {
                let customer_id = CUSTOMERS[*customer].to_owned();
                let etag = etag_of(self.own().customers.get(&customer_id).map(|one| one.version), *known);
                let user_id = user.map(|user| self.user(user, Known::Current).0);
                (Who::Admin, Request::AssignUser(v1::AssignUserRequest { request_id, customer_id, etag, user_id }))
            }
            Command::EraseCustomer { customer } => {
                let customer_id = CUSTOMERS[*customer].to_owned();
                (Who::Portal, Request::EraseCustomer(v1::EraseCustomerRequest { request_id, customer_id }))
            }
            Command::UpdateAccess { private, commercial, falls_back, known } => {
                let slot = |slot: Slot| match slot {
                    Slot::Keep => None,
                    Slot::Empty => Some(String::new()),
                    Slot::User(user) => Some(self.user(user, Known::Current).0),
                };
                let request = v1::UpdateCustomerAccessRequest {
                    request_id,
                    etag: etag_of(Some(self.own().access.version), *known),
                    private_user_id: slot(*private),
                    commercial_user_id: slot(*commercial),
                    commercial_falls_back_to_private: *falls_back,
                };
                (Who::Admin, Request::UpdateAccess(request))
            }
            Command::UpdateSettings { wish, known } => (Who::Admin, self.settings(request_id, *wish, *known)),
            Command::GetCustomer(customer) => {
                let customer_id = CUSTOMERS[*customer].to_owned();
                (Who::Portal, Request::GetCustomer(v1::GetCustomerRequest { customer_id }))
            }
            Command::ListCatalog { targets: true } => {
                (Who::Customer(0), Request::ListTargets(v1::ListTargetsRequest::default()))
            }
            Command::ListCatalog { targets: false } => {
                (Who::Portal, Request::ListProviders(v1::ListProductProvidersRequest::default()))
            }
            _ => return None,
        })
    }

    fn settings(&self, request_id: String, wish: SettingsWish, known: Known) -> Request {
        let mvp_user = wish.mvp_user.map(|is_set| if is_set { "mvp.meier" } else { "" });
        let none = wish.jump_ttl.is_none()
            && wish.customer_idle.is_none()
            && wish.customer_absolute.is_none()
            && wish.broker_absolute.is_none()
            && wish.import_limit.is_none();
        let paths = [
            ("jump_ttl", wish.jump_ttl.is_some()),
            ("customer_session_idle", wish.customer_idle.is_some()),
            ("customer_session_absolute", wish.customer_absolute.is_some()),
            ("broker_session_absolute", wish.broker_absolute.is_some()),
            ("import_change_limit_percent", wish.import_limit.is_some()),
            ("default_mvp_user_id", mvp_user.is_some() || none),
        ];
        let settings = v1::Settings {
            jump_ttl: wish.jump_ttl.and_then(span),
            customer_session_idle: wish.customer_idle.and_then(span),
            customer_session_absolute: wish.customer_absolute.and_then(span),
            broker_session_absolute: wish.broker_absolute.and_then(span),
            import_change_limit_percent: wish.import_limit.unwrap_or_default(),
            default_mvp_user_id: mvp_user.unwrap_or_default().to_owned(),
            etag: etag_of(Some(self.own().settings.version), known),
            ..v1::Settings::default()
        };
        let update_mask = mask(wish.masked || none, &paths);
        Request::UpdateSettings(v1::UpdateSettingsRequest { request_id, settings: Some(settings), update_mask })
    }

    #[expect(clippy::too_many_lines, reason = "a table: an arm for each command")]
    fn on_jumps(&self, command: &Command) -> Option<(Who, Request)> {
        Some(match command {
            Command::Jump { portal, jumper, target, extras } => {
                let (who, person) = jumper_of(*jumper);
                (who, self.jump(*portal, person, *target, *extras))
            }
            Command::Explain { jumper, target, extras } => {
                let named = match *jumper {
                    Jumper::Broker(at) => Jumper::ForBroker(at),
                    Jumper::Customer(at) | Jumper::Staff(at) => Jumper::ForCustomer(at, None),
                    named => named,
                };
                (Who::Portal, self.explain(jumper_of(named).1, *target, *extras))
            }
            Command::Redeem { back, target, wrong_nonce } => {
                let at = self.own().made.jumps.len().checked_sub(back + 1)?;
                let jump = &self.own().jumps[&self.own().made.jumps[at]];
                let its_own = TARGETS.iter().position(|id| *id == jump.target)?;
                let proof = match jump.proof.clone() {
                    Proof::Token(token) => Presented::Token(token),
                    Proof::Handle(handle) => Presented::Handle(handle),
                };
                let nonce = if *wrong_nonce { Some("anders".to_owned()) } else { jump.nonce.clone() };
                let request = v1::RedeemJumpRequest { proof: Some(proof), nonce };
                (Who::Target(target.unwrap_or(its_own)), Request::RedeemJump(request))
            }
            Command::RedeemRubbish { target, which } => {
                let proof = match which {
                    0 => None,
                    1 => Some(Presented::Token("a.b.c".to_owned())),
                    2 => Some(Presented::Handle(format!("{}.{}", self.own().id, "x".repeat(43)))),
                    _ => Some(Presented::Token(String::new())),
                };
                let request = v1::RedeemJumpRequest { proof, nonce: None };
                (Who::Target(*target), Request::RedeemJump(request))
            }
            Command::Report { back, target, failed } => {
                let (its_own, session) = self.session(*back)?;
                let result = if *failed { v1::JumpResult::LoginFailed } else { v1::JumpResult::LoginSucceeded };
                let request = v1::ReportJumpResultRequest { request_id: request_id(), session, result: result.into() };
                (Who::Target(target.unwrap_or(its_own)), Request::ReportJumpResult(request))
            }
            Command::Introspect { back, target } => {
                let (its_own, session) = self.session(*back)?;
                let request = v1::IntrospectJumpRequest { session };
                (Who::Target(target.unwrap_or(its_own)), Request::IntrospectJump(request))
            }
            Command::Revoke(revoked) => {
                let jumps = match *revoked {
                    Revoked::Jump(jump) => Selection::JumpId(self.pick(jump, |tenant| &tenant.made.jumps)),
                    Revoked::User(user) => Selection::UserId(self.user(user, Known::Current).0),
                    Revoked::Broker(at) => Selection::BrokerId(BROKERS[at].to_owned()),
                    Revoked::Customer(at) => Selection::CustomerId(CUSTOMERS[at].to_owned()),
                };
                let request = v1::RevokeJumpRequest { request_id: request_id(), jumps: Some(jumps) };
                (Who::Portal, Request::RevokeJump(request))
            }
            Command::GetJump { jump, jumper } => {
                let jump_id = self.pick(*jump, |tenant| &tenant.made.jumps);
                (jumper_of(*jumper).0, Request::GetJump(v1::GetJumpRequest { jump_id }))
            }
            Command::ListJumps { jumper, by, state, target, updated } => {
                let request = v1::ListJumpsRequest {
                    page_size: 500,
                    user_id: (*by == 1).then(|| self.user(Pick::Own(1), Known::Current).0),
                    person: match by {
                        2 => Some(list_jumps_request::Person::BrokerId(BROKERS[0].to_owned())),
                        3 => Some(list_jumps_request::Person::CustomerId(CUSTOMERS[0].to_owned())),
                        _ => None,
                    },
                    target_id: target.map(target_id),
                    state: *state,
                    updated_after: updated.and_then(|seconds| instant(self.model.now + seconds * 1_000_000)),
                    ..v1::ListJumpsRequest::default()
                };
                (jumper_of(*jumper).0, Request::ListJumps(request))
            }
            _ => return None,
        })
    }

    /// The newest jump but `back`: its target, and what its session is called, redeemed or not.
    fn session(&self, back: usize) -> Option<(usize, String)> {
        let tenant = self.own();
        let id = &tenant.made.jumps[tenant.made.jumps.len().checked_sub(back + 1)?];
        let its_own = TARGETS.iter().position(|target| *target == tenant.jumps[id].target)?;
        Some((its_own, format!("{}.{id}", tenant.id)))
    }

    fn jump(&self, portal: bool, person: Option<v1::Person>, target: usize, extras: Extras) -> Request {
        let texts = Texts::of(self, extras);
        let (request_id, target_id) = (request_id(), target_id(target));
        let Texts { actor_id, activation_id, customer_context_id, line_of_business, product_provider_id } = texts;
        let context = extras.context.then(|| "Vertrag 4711\nneu".to_owned());
        let nonce = extras.nonce.map(|at| format!("n-{at}"));
        let urls = [RETURN_URL, "https://portal.example/anders"];
        let return_url = extras.return_url.map(|is_registered| urls[usize::from(!is_registered)].to_owned());
        let target_page = extras.page.then(|| "kfz/antrag".to_owned());
        let ttl = extras.ttl.and_then(span);
        let tarif = v1::JumpToTarifRequest {
            request_id,
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
            context,
            nonce,
            return_url,
            ttl,
            target_page,
        };
        if !portal {
            return Request::JumpToTarif(tarif);
        }
        Request::JumpToPortal(v1::JumpToInsurerPortalRequest {
            request_id: tarif.request_id,
            target_id: tarif.target_id,
            person: tarif.person,
            actor_id: tarif.actor_id,
            activation_id: tarif.activation_id,
            customer_context_id: tarif.customer_context_id,
            line_of_business: tarif.line_of_business,
            product_provider_id: tarif.product_provider_id,
            context: tarif.context,
            nonce: tarif.nonce,
            return_url: tarif.return_url,
            ttl: tarif.ttl,
            target_page: tarif.target_page,
        })
    }

    fn explain(&self, person: Option<v1::Person>, target: usize, extras: Extras) -> Request {
        let texts = Texts::of(self, extras);
        let target_id = target_id(target);
        let Texts { actor_id, activation_id, customer_context_id, line_of_business, product_provider_id } = texts;
        Request::ExplainJump(v1::ExplainJumpRequest {
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
        })
    }

    fn by_operator(&self, command: &Command) -> Option<(Who, Request)> {
        let request_id = request_id();
        let request = match command {
            Command::Tenant { what, tenant, known } => {
                let (tenant_id, version) = match tenant {
                    Pick::Own(_) | Pick::Newest => (self.own().id.clone(), Some(self.own().version)),
                    Pick::Foreign(_) => (self.foreign().id.clone(), Some(self.foreign().version)),
                    Pick::Nobody => (NOBODY.to_owned(), None),
                };
                let etag = etag_of(version, *known);
                match what {
                    0 => {
                        let display_name = "Firma neu".to_owned();
                        let tenant = Some(admin::Tenant { tenant_id, etag, display_name, ..admin::Tenant::default() });
                        Request::UpdateTenant(admin::UpdateTenantRequest { request_id, tenant, update_mask: None })
                    }
                    1 => Request::StopTenant(admin::StopTenantRequest { request_id, tenant_id, etag }),
                    2 => Request::StartTenant(admin::StartTenantRequest { request_id, tenant_id, etag }),
                    3 => Request::DeleteTenant(admin::DeleteTenantRequest { request_id, tenant_id, etag }),
                    4 => Request::UndeleteTenant(admin::UndeleteTenantRequest { request_id, tenant_id, etag }),
                    _ => Request::GetTenant(admin::GetTenantRequest { tenant_id }),
                }
            }
            Command::Catalog { what, which, active, known } => self.catalog(*what, *which, *active, *known),
            _ => return None,
        };
        Some((Who::Operator, request))
    }

    fn catalog(&self, what: u8, which: usize, active: Option<bool>, known: Known) -> Request {
        let (request_id, catalog) = (request_id(), &self.model.catalog);
        match what {
            0 => {
                let product_provider_id = PROVIDERS.get(which).copied().unwrap_or(NOWHERE).to_owned();
                let etag = etag_of(catalog.providers.get(&product_provider_id).map(|one| one.version), known);
                match active {
                    None => Request::GetProvider(admin::GetProductProviderRequest { product_provider_id }),
                    Some(true) => {
                        let request = admin::EnableProductProviderRequest { request_id, product_provider_id, etag };
                        Request::EnableProvider(request)
                    }
                    Some(false) => {
                        let request = admin::DisableProductProviderRequest { request_id, product_provider_id, etag };
                        Request::DisableProvider(request)
                    }
                }
            }
            1 => {
                let target_id = target_id(which);
                let etag = etag_of(catalog.targets.get(&target_id).map(|one| one.version), known);
                match active {
                    None => Request::GetTarget(admin::GetTargetRequest { target_id }),
                    Some(true) => Request::EnableTarget(admin::EnableTargetRequest { request_id, target_id, etag }),
                    Some(false) => Request::DisableTarget(admin::DisableTargetRequest { request_id, target_id, etag }),
                }
            }
            _ => {
                let return_url_id = if which < 5 { RETURN_URL_ID } else { NOWHERE }.to_owned();
                let etag = etag_of(catalog.return_urls.get(&return_url_id).map(|one| one.version), known);
                match active {
                    None => Request::GetReturnUrl(admin::GetReturnUrlRequest { return_url_id }),
                    Some(true) => {
                        Request::EnableReturnUrl(admin::EnableReturnUrlRequest { request_id, return_url_id, etag })
                    }
                    Some(false) => {
                        Request::DisableReturnUrl(admin::DisableReturnUrlRequest { request_id, return_url_id, etag })
                    }
                }
            }
        }
    }
}

/// What a jump and an explanation name alike.
struct Texts {
    actor_id: Option<String>,
    activation_id: Option<String>,
    customer_context_id: Option<String>,
    line_of_business: Option<String>,
    product_provider_id: Option<String>,
}

impl Texts {
    fn of(aim: &Aim<'_>, extras: Extras) -> Self {
        let providers = [PROVIDERS[0], PROVIDERS[1], NOWHERE];
        Self {
            // The first of them may be the person himself.
            actor_id: extras.actor.map(|at| [BROKERS[0], "p.portal"][usize::from(at)].to_owned()),
            activation_id: extras.activation.map(|activation| aim.activation(activation, Known::Current).0),
            customer_context_id: extras.customer_context.map(|at| CUSTOMERS[at].to_owned()),
            line_of_business: extras.line.map(|is_motor| if is_motor { "050" } else { "010" }.to_owned()),
            product_provider_id: extras.provider.map(|at| providers[usize::from(at)].to_owned()),
        }
    }
}

/// Who calls, and whom he names.
fn jumper_of(jumper: Jumper) -> (Who, Option<v1::Person>) {
    match jumper {
        Jumper::ForBroker(at) => (Who::Portal, Some(broker(BROKERS[at]))),
        Jumper::ForCustomer(at, stated) => {
            let stated = stated.and_then(|segment| Segment::try_from(segment).ok());
            (Who::Portal, Some(customer_of(CUSTOMERS[at], stated)))
        }
        Jumper::Broker(at) => (Who::Broker(at), None),
        Jumper::Customer(at) => (Who::Customer(at), None),
        Jumper::Staff(at) => (Who::Staff(at), None),
    }
}

/// An etag of something in this version; any for what is not there.
fn etag_of(version: Option<i64>, known: Known) -> String {
    match (version, known) {
        (None, _) => etag(1),
        (Some(version), Known::Current) => etag(version),
        (Some(version), Known::Stale) => etag(if version > 1 { version - 1 } else { version + 1 }),
    }
}
