//! What holds whatever callers do, in whatever order, in two firms at once (`docs/catalogue.md#invariants`).
//!
//! Random sequences of calls are played against the running service. Beside them runs a small model that knows, for each
//! jump, what it was decided on has changed since; so each redemption has exactly one right answer. The model knows nothing of
//! how users are decided on: whom a jump led to is checked by what the API says of that user.

use std::collections::{BTreeMap, BTreeSet};

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use concenter_gateway::proto::v1::{Segment, State, UserKind};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tonic::{Code, Response, Status};

use crate::harness::*;

/// How many sequences are played.
const SEQUENCES: u32 = 24;
/// How many steps one has.
const STEPS: std::ops::Range<usize> = 30..80;

const BROKERS: [&str; 2] = [MEIER, SCHULZE];
const CUSTOMERS: [&str; 3] = [C1, C2, K1];
const TARGETS: [&str; 3] = [X, Y, P];
/// Users of both firms that a step may name: five of its own, then five of the other.
const USERS: usize = 10;

/// Who jumps.
#[derive(Debug, Clone, Copy)]
enum Who {
    Broker(usize),
    Customer(usize),
}

/// What becomes of a shared user.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Keep,
    Empty,
    User(usize),
}

/// What somebody does in a firm.
#[derive(Debug, Clone)]
enum Step {
    SetState {
        user: usize,
        active: bool,
    },
    SetSecret {
        user: usize,
    },
    SetEndCustomer {
        user: usize,
        end_customer: bool,
    },
    SetStandard {
        user: usize,
    },
    Activate {
        broker: usize,
        user: usize,
    },
    SetActivation {
        nth: usize,
        active: bool,
    },
    Record {
        customer: usize,
        commercial: bool,
    },
    Assign {
        customer: usize,
        user: Option<usize>,
    },
    Share {
        private: Slot,
        commercial: Slot,
        falls_back: Option<bool>,
    },
    Stop,
    Start,
    Wait,
    Jump {
        who: Who,
        target: usize,
    },
    /// The newest jump but `back`, by the backend of `target`, or of its own one.
    Redeem {
        back: usize,
        target: Option<usize>,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let user = || 0..USERS;
    let slot = || prop_oneof![Just(Slot::Keep), Just(Slot::Empty), (0..USERS).prop_map(Slot::User)];
    let who = prop_oneof![(0..BROKERS.len()).prop_map(Who::Broker), (0..CUSTOMERS.len()).prop_map(Who::Customer)];
    prop_oneof![
        2 => (user(), any::<bool>()).prop_map(|(user, active)| Step::SetState { user, active }),
        1 => user().prop_map(|user| Step::SetSecret { user }),
        2 => (user(), any::<bool>()).prop_map(|(user, end_customer)| Step::SetEndCustomer { user, end_customer }),
        1 => user().prop_map(|user| Step::SetStandard { user }),
        2 => (0..BROKERS.len(), user()).prop_map(|(broker, user)| Step::Activate { broker, user }),
        2 => (0..3_usize, any::<bool>()).prop_map(|(nth, active)| Step::SetActivation { nth, active }),
        2 => (0..CUSTOMERS.len(), any::<bool>())
            .prop_map(|(customer, commercial)| Step::Record { customer, commercial }),
        2 => (0..CUSTOMERS.len(), proptest::option::of(user()))
            .prop_map(|(customer, user)| Step::Assign { customer, user }),
        2 => (slot(), slot(), any::<Option<bool>>())
            .prop_map(|(private, commercial, falls_back)| Step::Share { private, commercial, falls_back }),
        1 => Just(Step::Stop),
        3 => Just(Step::Start),
        1 => Just(Step::Wait),
        20 => (who, 0..TARGETS.len()).prop_map(|(who, target)| Step::Jump { who, target }),
        20 => (0..3_usize, proptest::option::weighted(0.2, 0..TARGETS.len()))
            .prop_map(|(back, target)| Step::Redeem { back, target }),
    ]
}

/// A jump that was issued, and what it was decided on.
struct Open {
    person: String,
    target: &'static str,
    proof: Proof,
    expires_at: i64,
    /// The firm's and the customer's number of changes at the time.
    decided_on: (u64, u64),
    redeemed: bool,
}

/// One firm as the model sees it.
struct Side<'w> {
    firm: &'w Firm,
    /// Its own users, then the other firm's.
    users: Vec<String>,
    /// Changes that any decision may rest on.
    changes: u64,
    /// Changes of one customer.
    customer_changes: BTreeMap<String, u64>,
    /// Passwords, by user.
    passwords: BTreeMap<String, String>,
    jumps: Vec<Open>,
}

/// The subject of each person at each target of each firm, as redeems told it.
type Subjects = BTreeMap<(String, &'static str, String), String>;

type Checked = Result<(), TestCaseError>;

#[test]
fn every_redemption_has_the_one_answer_that_the_calls_before_it_leave() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::example());
    let config = Config { cases: SEQUENCES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let steps = proptest::collection::vec((any::<bool>(), any_step()), STEPS);
    let played = TestRunner::new(config).run(&steps, |steps| runtime.block_on(play(&world, &steps)));
    if let Err(failed) = played {
        panic!("{failed}");
    }
    let redeemed = runtime.block_on(async {
        integer(&mut world.service.reader().await, "SELECT count(*) FROM jump WHERE redeemed_at IS NOT NULL").await
    });
    assert!(redeemed >= i64::from(SEQUENCES), "only {redeemed} redemptions went well: the sequences show too little");
}

/// Plays one sequence in two new firms.
async fn play(world: &World, steps: &[(bool, Step)]) -> Checked {
    let (a, b) = (Firm::make(&world.service, "A").await, Firm::make(&world.service, "B").await);
    let mut sides = [Side::new(&a, "A", &b), Side::new(&b, "B", &a)];
    let mut subjects = Subjects::new();
    for (in_b, step) in steps {
        let side = &mut sides[usize::from(*in_b)];
        side.step(world, step, &mut subjects).await?;
    }
    for side in &sides {
        side.every_redemption_is_in_the_log_once(world).await?;
    }
    Ok(())
}

impl<'w> Side<'w> {
    fn new(firm: &'w Firm, letter: &str, other: &Firm) -> Self {
        let own = [&firm.standard, &firm.meier, &firm.schulze, &firm.private, &firm.commercial];
        let foreign = [&other.standard, &other.meier, &other.schulze, &other.private, &other.commercial];
        let names = ["meier", "schulze", "privatkunden", "gewerbekunden"];
        let passwords = own[1..].iter().zip(names).map(|(user, name)| ((*user).clone(), password(letter, name)));
        Self {
            firm,
            users: own.into_iter().chain(foreign).cloned().collect(),
            changes: 0,
            customer_changes: BTreeMap::new(),
            passwords: passwords.collect(),
            jumps: Vec::new(),
        }
    }

    async fn step(&mut self, world: &World, step: &Step, subjects: &mut Subjects) -> Checked {
        match step {
            Step::Jump { who, target } => self.jump(world, *who, TARGETS[*target]).await,
            Step::Redeem { back, target } => self.redeem(world, *back, target.map(|at| TARGETS[at]), subjects).await,
            Step::Wait => {
                world.service.clock.advance(25);
                Ok(())
            }
            Step::Stop => self.set_tenant(world, false).await,
            Step::Start => self.set_tenant(world, true).await,
            Step::Record { customer, commercial } => self.record(CUSTOMERS[*customer], *commercial).await,
            Step::Assign { customer, user } => self.assign(CUSTOMERS[*customer], *user).await,
            Step::Share { private, commercial, falls_back } => self.share(*private, *commercial, *falls_back).await,
            Step::Activate { broker, user } => self.activate(BROKERS[*broker], *user).await,
            Step::SetActivation { nth, active } => self.set_activation(*nth, *active).await,
            Step::SetState { user, .. }
            | Step::SetSecret { user }
            | Step::SetEndCustomer { user, .. }
            | Step::SetStandard { user } => self.change_user(*user, step).await,
        }
    }

    /// Counts a change if the call was answered and moved the etag.
    fn count(&mut self, before: &str, after: Result<String, Status>) -> Checked {
        match after {
            Ok(after) if after != before => self.changes += 1,
            Ok(_) => {}
            Err(status) => refused(&status)?,
        }
        Ok(())
    }

    async fn change_user(&mut self, user: usize, step: &Step) -> Checked {
        let user_id = self.users[user].clone();
        let mut users = self.firm.admin.users();
        let etag = match users.get_user(v1::GetUserRequest { user_id: user_id.clone() }).await {
            Ok(got) => got.into_inner().user.expect("a user").etag,
            // The other firm's: whatever is tried with it must find nothing.
            Err(status) => {
                prop_assert_eq!(status.code(), Code::NotFound);
                self.firm.access().await.etag
            }
        };
        let (request_id, before) = (request_id(), etag.clone());
        let after = match step {
            Step::SetState { active: true, .. } => {
                let answer = users.enable_user(v1::EnableUserRequest { request_id, user_id, etag }).await;
                answer.map(|answer| answer.into_inner().user)
            }
            Step::SetState { active: false, .. } => {
                let answer = users.disable_user(v1::DisableUserRequest { request_id, user_id, etag }).await;
                answer.map(|answer| answer.into_inner().user)
            }
            Step::SetSecret { .. } => {
                let password = format!("neu~{}", self.changes);
                let set = v1::SetUserSecretRequest { request_id, user_id: user_id.clone(), etag, password };
                let password = set.password.clone();
                let answer = users.set_user_secret(set).await;
                if answer.is_ok() {
                    self.passwords.insert(user_id, password);
                }
                answer.map(|answer| answer.into_inner().user)
            }
            Step::SetStandard { .. } => {
                let answer = users.set_standard_user(v1::SetStandardUserRequest { request_id, user_id, etag }).await;
                answer.map(|answer| answer.into_inner().user)
            }
            Step::SetEndCustomer { end_customer, .. } => {
                let set = v1::SetEndCustomerRequest {
                    request_id,
                    user_id,
                    etag,
                    end_customer: Some(*end_customer),
                    provider_scope: Some(only(&[COMPARATOR, INSURER])),
                };
                users.set_end_customer(set).await.map(|answer| answer.into_inner().user)
            }
            _ => unreachable!("{step:?} is not about a user"),
        };
        self.count(&before, after.map(|user| user.expect("a user").etag))
    }

    async fn activate(&mut self, broker: &str, user: usize) -> Checked {
        let new = v1::CreateBrokerActivationRequest {
            sharing_reason: "Vertretung".to_owned(),
            ..activation(broker, &self.users[user])
        };
        let made = self.firm.admin.activations().create_broker_activation(new).await;
        self.count("", made.map(|made| made.into_inner().activation.expect("an activation").etag))
    }

    async fn set_activation(&mut self, nth: usize, active: bool) -> Checked {
        let mut activations = self.firm.admin.activations();
        let listed = activations.list_broker_activations(v1::ListBrokerActivationsRequest::default()).await;
        let listed = listed.expect("a list").into_inner().activations;
        let chosen = listed[nth % listed.len()].clone();
        let (request_id, activation_id, etag) = (request_id(), chosen.activation_id, chosen.etag.clone());
        let after = if active {
            let enable = v1::EnableBrokerActivationRequest { request_id, activation_id, etag };
            activations.enable_broker_activation(enable).await.map(|answer| answer.into_inner().activation)
        } else {
            let disable = v1::DisableBrokerActivationRequest { request_id, activation_id, etag };
            activations.disable_broker_activation(disable).await.map(|answer| answer.into_inner().activation)
        };
        self.count(&chosen.etag, after.map(|activation| activation.expect("an activation").etag))
    }

    async fn share(&mut self, private: Slot, commercial: Slot, falls_back: Option<bool>) -> Checked {
        let named = |slot| match slot {
            Slot::Keep => None,
            Slot::Empty => Some(String::new()),
            Slot::User(user) => Some(self.users[user].clone()),
        };
        let before = self.firm.access().await.etag;
        let change = v1::UpdateCustomerAccessRequest {
            request_id: request_id(),
            etag: before.clone(),
            private_user_id: named(private),
            commercial_user_id: named(commercial),
            commercial_falls_back_to_private: falls_back,
        };
        let after = self.firm.admin.customers().update_customer_access(change).await;
        self.count(&before, after.map(|after| after.into_inner().customer_access.expect("access").etag))
    }

    async fn record(&mut self, customer: &str, commercial: bool) -> Checked {
        let segment = if commercial { Segment::Commercial } else { Segment::Private };
        let put = v1::PutCustomersRequest { request_id: request_id(), customers: vec![record(customer, segment)] };
        let before = self.firm.customer(customer).await.etag;
        self.firm.portal.customers().put_customers(put).await.expect("a record");
        self.count_customer(customer, &before).await;
        Ok(())
    }

    async fn assign(&mut self, customer: &str, user: Option<usize>) -> Checked {
        let before = self.firm.customer(customer).await.etag;
        let assign = v1::AssignUserRequest {
            request_id: request_id(),
            customer_id: customer.to_owned(),
            etag: before.clone(),
            user_id: user.map(|user| self.users[user].clone()),
        };
        match self.firm.admin.customers().assign_user(assign).await {
            Ok(_) => self.count_customer(customer, &before).await,
            Err(status) => refused(&status)?,
        }
        Ok(())
    }

    async fn count_customer(&mut self, customer: &str, before: &str) {
        if self.firm.customer(customer).await.etag != before {
            *self.customer_changes.entry(customer.to_owned()).or_default() += 1;
        }
    }

    async fn set_tenant(&mut self, world: &World, active: bool) -> Checked {
        let mut tenants = world.service.operator().tenants();
        let tenant_id = self.firm.tenant.clone();
        let got = tenants.get_tenant(admin::GetTenantRequest { tenant_id: tenant_id.clone() }).await.expect("a tenant");
        let etag = got.into_inner().tenant.expect("a tenant").etag;
        let (request_id, before) = (request_id(), etag.clone());
        let after = if active {
            let start = admin::StartTenantRequest { request_id, tenant_id, etag };
            tenants.start_tenant(start).await.map(|answer| answer.into_inner().tenant)
        } else {
            let stop = admin::StopTenantRequest { request_id, tenant_id, etag };
            tenants.stop_tenant(stop).await.map(|answer| answer.into_inner().tenant)
        };
        self.count(&before, after.map(|tenant| tenant.expect("a tenant").etag))
    }

    fn decided_on(&self, person: &str) -> (u64, u64) {
        (self.changes, self.customer_changes.get(person).copied().unwrap_or_default())
    }

    async fn jump(&mut self, _world: &World, who: Who, target: &'static str) -> Checked {
        let (id, person) = match who {
            Who::Broker(at) => (BROKERS[at], broker(BROKERS[at])),
            Who::Customer(at) => (CUSTOMERS[at], customer(CUSTOMERS[at])),
        };
        match self.firm.jump(target, person).await {
            Ok(answer) => {
                let jump = answer.into_inner();
                self.jumps.push(Open {
                    person: id.to_owned(),
                    target,
                    proof: proof(&jump),
                    expires_at: jump.expires_at.expect("an end").seconds,
                    decided_on: self.decided_on(id),
                    redeemed: false,
                });
            }
            Err(status) => refused(&status)?,
        }
        Ok(())
    }

    /// I5 and I6: a jump is redeemed at most once, and never after a change of what it was decided on, even one that was
    /// taken back. Otherwise it is redeemed.
    async fn redeem(
        &mut self,
        world: &World,
        back: usize,
        by: Option<&'static str>,
        subjects: &mut Subjects,
    ) -> Checked {
        let Some(at) = self.jumps.len().checked_sub(back + 1) else {
            return Ok(());
        };
        let open = &self.jumps[at];
        let (target, by) = (open.target, by.unwrap_or(open.target));
        let expired = world.service.now() >= open.expires_at + 5;
        let expected = if by != target {
            Some("JUMP_INVALID")
        } else if open.redeemed {
            Some("JUMP_ALREADY_REDEEMED")
        } else if expired {
            Some("JUMP_EXPIRED")
        } else if open.decided_on != self.decided_on(&open.person) {
            Some("JUMP_REVOKED")
        } else {
            None
        };
        let person = open.person.clone();
        let answer = world.redeem(by, open.proof.clone()).await;
        prop_assert_eq!(reason_of(&answer), expected.map(str::to_owned));
        if let Ok(answer) = answer {
            self.jumps[at].redeemed = true;
            self.check_login(&person, target, &answer.into_inner(), subjects).await?;
        }
        Ok(())
    }

    /// I1, I2 and I12, of what a target was handed.
    async fn check_login(
        &self,
        person: &str,
        target: &'static str,
        login: &v1::RedeemJumpResponse,
        subjects: &mut Subjects,
    ) -> Checked {
        let listed = self.firm.admin.users().list_users(v1::ListUsersRequest::default()).await.expect("a list");
        let listed = listed.into_inner().users;
        let user = listed.iter().find(|user| user.user_name == login.concenter_user_name);
        let user = user.ok_or_else(|| TestCaseError::fail("the login is none of the firm's"))?;
        prop_assert_eq!(user.state(), State::Active);
        if target == Y {
            prop_assert_eq!(&login.password, &None);
        } else {
            prop_assert_eq!(login.password.as_ref(), self.passwords.get(&user.user_id));
        }
        if BROKERS.contains(&person) {
            prop_assert!(!login.end_customer);
            prop_assert_eq!(user.kind(), UserKind::Broker);
            let his = v1::ListBrokerActivationsRequest { broker_id: Some(person.to_owned()), ..Default::default() };
            let his = self.firm.admin.activations().list_broker_activations(his).await.expect("a list").into_inner();
            let mut his = his.activations.iter().filter(|activation| activation.state() == State::Active);
            prop_assert!(his.any(|activation| activation.user_id == user.user_id), "not of his own activations");
        } else {
            prop_assert!(login.end_customer);
            prop_assert_eq!(user.kind(), UserKind::EndCustomer);
        }

        let key = (self.firm.tenant.clone(), target, person.to_owned());
        let known = subjects.entry(key).or_insert_with(|| login.subject.clone());
        prop_assert_eq!(&*known, &login.subject, "a person has one subject at a target");
        let distinct: BTreeSet<_> = subjects.values().collect();
        prop_assert_eq!(distinct.len(), subjects.len(), "two people, or one at two targets, share a subject");
        Ok(())
    }

    /// I5 in the log: as many accepted redemptions as jumps were redeemed.
    async fn every_redemption_is_in_the_log_once(&self, world: &World) -> Checked {
        let accepted = world
            .service
            .audit()
            .await
            .into_iter()
            .filter(|row| row.tenant == self.firm.tenant && row.action == "jump.redeem" && row.reason.is_none());
        prop_assert_eq!(accepted.count(), self.jumps.iter().filter(|jump| jump.redeemed).count());
        Ok(())
    }
}

/// A refusal is one that the rules know; anything else is a defect.
fn refused(status: &Status) -> Checked {
    let by_rule = matches!(status.code(), Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists);
    prop_assert!(by_rule, "{:?}", status);
    reason(status);
    Ok(())
}

fn reason_of<T>(answer: &Result<Response<T>, Status>) -> Option<String> {
    answer.as_ref().err().map(|status| reason(status).1)
}
