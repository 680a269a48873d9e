//! What may be tried, and random sequences of it.
//!
//! A command names things by their place among few, so that commands meet: the third user that was made, the other
//! tenant's first, one that nobody has. What it means is settled by [`crate::aim`], in the state that it is met with, so a
//! sequence stays playable when commands are dropped from it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::harness::{C1, C2, COMPARATOR, INSURER, K1, MEIER, P, SCHULZE, V, X, Y};

/// A calculator for brokers and one line of business, which demands a nonce.
pub const N: &str = "rechner-n";
pub const BROKERS: [&str; 3] = [MEIER, SCHULZE, "n.neu"];
/// The last one has no record to begin with.
pub const CUSTOMERS: [&str; 4] = [C1, C2, K1, "c-neu"];
pub const TARGETS: [&str; 5] = [X, Y, P, V, N];
pub const PROVIDERS: [&str; 2] = [INSURER, COMPARATOR];
/// The registered return URL.
pub const RETURN_URL_ID: &str = "zurueck";
/// Some of them are the same name.
pub const NAMES: [&str; 6] = ["meier", "Meier ", "Straße", "STRASSE", "privatkunden", "cloudTransfer"];

/// Which of some things.
#[derive(Debug, Clone, Copy)]
pub enum Pick {
    /// Of the tenant's own, the oldest first; deleted ones count.
    Own(usize),
    /// The tenant's own that was made last.
    Newest,
    /// Of the other tenant's.
    Foreign(usize),
    /// What nobody has.
    Nobody,
}

/// Which etag the caller knows.
#[derive(Debug, Clone, Copy)]
pub enum Known {
    Current,
    Stale,
}

/// Which product providers: bit 0 and 1 for the two of the catalogue, bit 2 for one that is not there; none is all.
#[derive(Debug, Clone, Copy)]
pub struct Scope(pub u8);

/// Who asks for a jump, and for whom.
#[derive(Debug, Clone, Copy)]
pub enum Jumper {
    /// The portal, for a broker.
    ForBroker(usize),
    /// The portal, for a customer of a stated segment: 1 is private, 2 commercial.
    ForCustomer(usize, Option<i32>),
    /// A broker, for himself.
    Broker(usize),
    /// A customer, for himself.
    Customer(usize),
    /// Staff of a customer.
    Staff(usize),
}

/// What a jump has beside target and person. Each of it by its place among few.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    pub actor: Option<u8>,
    pub activation: Option<Pick>,
    pub customer_context: Option<usize>,
    pub line: Option<bool>,
    pub provider: Option<u8>,
    pub context: bool,
    pub nonce: Option<u8>,
    pub return_url: Option<bool>,
    pub page: bool,
    pub ttl: Option<i64>,
}

/// Which jumps are revoked.
#[derive(Debug, Clone, Copy)]
pub enum Revoked {
    Jump(Pick),
    User(Pick),
    Broker(usize),
    Customer(usize),
}

/// What becomes of a shared user.
#[derive(Debug, Clone, Copy)]
pub enum Slot {
    Keep,
    Empty,
    User(Pick),
}

/// Which fields of settings change: seconds, per cent, or a name; `masked` names them in a mask as well.
#[derive(Debug, Clone, Copy)]
pub struct SettingsWish {
    pub jump_ttl: Option<i64>,
    pub customer_idle: Option<i64>,
    pub customer_absolute: Option<i64>,
    pub broker_absolute: Option<i64>,
    pub import_limit: Option<i32>,
    pub mvp_user: Option<bool>,
    pub masked: bool,
}

/// Something to try.
#[derive(Debug, Clone)]
pub enum Command {
    CreateUser {
        name: usize,
        end_customer: bool,
        scope: Scope,
        password: bool,
        email: bool,
    },
    UpdateUser {
        user: Pick,
        known: Known,
        name: Option<usize>,
        scope: Option<Scope>,
        display: Option<u8>,
        masked: bool,
    },
    SetSecret {
        user: Pick,
        known: Known,
    },
    SetStandard {
        user: Pick,
        known: Known,
    },
    SetEndCustomer {
        user: Pick,
        known: Known,
        end_customer: bool,
        scope: Option<Scope>,
    },
    /// What con:center says: 1 is that nobody knows, 2 yes, 3 no.
    Attest {
        user: Pick,
        known: Known,
        remote: i32,
    },
    SetUserState {
        user: Pick,
        known: Known,
        active: bool,
    },
    DeleteUser {
        user: Pick,
        known: Known,
    },
    CreateActivation {
        brokers: u8,
        user: Pick,
        reason: bool,
    },
    UpdateActivation {
        activation: Pick,
        known: Known,
        brokers: Option<u8>,
        user: Option<Pick>,
        reason: Option<bool>,
        display: Option<u8>,
        masked: bool,
    },
    SetActivationState {
        activation: Pick,
        known: Known,
        active: bool,
    },
    DeleteActivation {
        activation: Pick,
        known: Known,
    },
    PutCustomers {
        customers: u8,
        commercial: u8,
    },
    AssignUser {
        customer: usize,
        user: Option<Pick>,
        known: Known,
    },
    EraseCustomer {
        customer: usize,
    },
    UpdateAccess {
        private: Slot,
        commercial: Slot,
        falls_back: Option<bool>,
        known: Known,
    },
    UpdateSettings {
        wish: SettingsWish,
        known: Known,
    },
    /// Reads: a user, an activation, a customer, a jump; the lists with a filter.
    GetUser(Pick),
    GetActivation(Pick),
    GetCustomer(usize),
    GetJump {
        jump: Pick,
        jumper: Jumper,
    },
    ListJumps {
        jumper: Jumper,
        by: u8,
        state: Option<i32>,
        target: Option<usize>,
        updated: Option<i64>,
    },
    ListCatalog {
        targets: bool,
    },
    Jump {
        portal: bool,
        jumper: Jumper,
        target: usize,
        extras: Extras,
    },
    Explain {
        jumper: Jumper,
        target: usize,
        extras: Extras,
    },
    /// The newest jump but `back`, by another target than its own, or with another nonce than it was made with.
    Redeem {
        back: usize,
        target: Option<usize>,
        wrong_nonce: bool,
    },
    /// What was never a proof.
    RedeemRubbish {
        target: usize,
        which: u8,
    },
    /// How the login of the newest jump but `back` went, by another target than its own.
    Report {
        back: usize,
        target: Option<usize>,
        failed: bool,
    },
    /// Whether the session of the newest jump but `back` may go on, for another target than its own.
    Introspect {
        back: usize,
        target: Option<usize>,
    },
    Revoke(Revoked),
    /// The operator's, by what it is: 0 renames, 1 stops, 2 starts, 3 deletes, 4 takes that back, 5 reads.
    Tenant {
        what: u8,
        tenant: Pick,
        known: Known,
    },
    /// The operator's switches of a provider (0), a target (1), a return URL (2); or reads of them.
    Catalog {
        what: u8,
        which: usize,
        active: Option<bool>,
        known: Known,
    },
    /// A call that was made before, once more, byte for byte.
    Repeat {
        back: usize,
    },
    Wait {
        seconds: i64,
    },
}

/// What is wrong with a call beside what the command says.
#[derive(Debug, Clone, Copy)]
pub enum Twist {
    Plain,
    /// Fields are out of bounds: which, by a number.
    Spoiled(usize),
    /// Somebody else calls.
    As(usize),
    /// It has the request id of an earlier call.
    SameId(usize),
}

/// One step of a sequence.
#[derive(Debug, Clone)]
pub struct Step {
    pub side: usize,
    pub command: Command,
    pub twist: Twist,
}

impl Step {
    /// A step without a twist.
    pub const fn plain(side: usize, command: Command) -> Self {
        Self { side, command, twist: Twist::Plain }
    }

    /// A jump of the first private customer, through the portal.
    pub fn jump_of_a_customer() -> Self {
        let jumper = Jumper::ForCustomer(0, None);
        Self::plain(0, Command::Jump { portal: false, jumper, target: 0, extras: Extras::default() })
    }
}

/// A sequence: whether the tenants begin with users, an activation and customers, and the steps.
#[derive(Debug, Clone)]
pub struct Sequence {
    pub furnished: bool,
    pub steps: Vec<Step>,
}

fn pick() -> impl Strategy<Value = Pick> + Clone {
    prop_oneof![
        14 => (0..4_usize).prop_map(Pick::Own),
        6 => Just(Pick::Newest),
        2 => (0..4_usize).prop_map(Pick::Foreign),
        1 => Just(Pick::Nobody),
    ]
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![14 => Just(Known::Current), 1 => Just(Known::Stale)]
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![2 => Just(0), 3 => Just(3), 3 => Just(2), 2 => Just(1), 1 => Just(6)].prop_map(Scope)
}

fn jumper() -> impl Strategy<Value = Jumper> {
    prop_oneof![
        4 => (0..BROKERS.len()).prop_map(Jumper::ForBroker),
        6 => ((0..CUSTOMERS.len()), option::weighted(0.25, 1..=2)).prop_map(|(at, stated)| Jumper::ForCustomer(at, stated)),
        2 => (0..BROKERS.len()).prop_map(Jumper::Broker),
        2 => (0..CUSTOMERS.len()).prop_map(Jumper::Customer),
        1 => (0..CUSTOMERS.len()).prop_map(Jumper::Staff),
    ]
}

fn extras() -> impl Strategy<Value = Extras> {
    let named = (
        option::weighted(0.1, 0..2_u8),
        option::weighted(0.1, pick()),
        option::weighted(0.15, 0..CUSTOMERS.len()),
        option::weighted(0.15, any::<bool>()),
        option::weighted(0.15, 0..3_u8),
    );
    let luggage = (
        any::<bool>(),
        option::weighted(0.3, 0..2_u8),
        option::weighted(0.15, any::<bool>()),
        any::<bool>(),
        option::weighted(0.3, 10..=120_i64),
    );
    let made = (named, luggage).prop_map(|(named, (context, nonce, return_url, page, ttl))| {
        let (actor, activation, customer_context, line, provider) = named;
        Extras { actor, activation, customer_context, line, provider, context, nonce, return_url, page, ttl }
    });
    prop_oneof![1 => Just(Extras::default()), 1 => made]
}

/// A target: mostly the calculators that take everybody.
fn target() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0_usize), 3 => Just(1), 3 => Just(2), 2 => Just(3), 2 => Just(4), 1 => Just(5)]
}

fn on_users() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..NAMES.len(), any::<bool>(), scope(), prop::bool::weighted(0.8), any::<bool>()).prop_map(
            |(name, end_customer, scope, password, email)| {
                Command::CreateUser { name, end_customer, scope, password, email }
            }
        ),
        4 => (pick(), known(), option::of(0..NAMES.len()), option::of(scope()), option::of(0..3_u8), any::<bool>())
            .prop_map(|(user, known, name, scope, display, masked)| {
                Command::UpdateUser { user, known, name, scope, display, masked }
            }),
        2 => (pick(), known()).prop_map(|(user, known)| Command::SetSecret { user, known }),
        3 => (pick(), known()).prop_map(|(user, known)| Command::SetStandard { user, known }),
        4 => (pick(), known(), any::<bool>(), option::of(scope())).prop_map(|(user, known, end_customer, scope)| {
            Command::SetEndCustomer { user, known, end_customer, scope }
        }),
        3 => (pick(), known(), prop_oneof![2 => Just(1), 2 => Just(2), 1 => Just(3)])
            .prop_map(|(user, known, remote)| Command::Attest { user, known, remote }),
        3 => (pick(), known(), any::<bool>())
            .prop_map(|(user, known, active)| Command::SetUserState { user, known, active }),
        4 => (pick(), known()).prop_map(|(user, known)| Command::DeleteUser { user, known }),
        1 => pick().prop_map(Command::GetUser),
    ]
}

fn on_activations() -> impl Strategy<Value = Command> {
    let update = (
        pick(),
        known(),
        option::of(1..8_u8),
        option::of(pick()),
        option::of(any::<bool>()),
        option::of(0..3_u8),
        any::<bool>(),
    );
    prop_oneof![
        4 => (1..8_u8, pick(), any::<bool>())
            .prop_map(|(brokers, user, reason)| Command::CreateActivation { brokers, user, reason }),
        4 => update.prop_map(|(activation, known, brokers, user, reason, display, masked)| {
            Command::UpdateActivation { activation, known, brokers, user, reason, display, masked }
        }),
        3 => (pick(), known(), any::<bool>())
            .prop_map(|(activation, known, active)| Command::SetActivationState { activation, known, active }),
        2 => (pick(), known()).prop_map(|(activation, known)| Command::DeleteActivation { activation, known }),
        1 => pick().prop_map(Command::GetActivation),
    ]
}

fn on_customers() -> impl Strategy<Value = Command> {
    let slot = || prop_oneof![10 => Just(Slot::Keep), 3 => Just(Slot::Empty), 7 => pick().prop_map(Slot::User)];
    prop_oneof![
        4 => (1..16_u8, 0..16_u8)
            .prop_map(|(customers, commercial)| Command::PutCustomers { customers, commercial }),
        5 => (0..CUSTOMERS.len(), option::weighted(0.8, pick()), known())
            .prop_map(|(customer, user, known)| Command::AssignUser { customer, user, known }),
        3 => (0..CUSTOMERS.len()).prop_map(|customer| Command::EraseCustomer { customer }),
        5 => (slot(), slot(), option::of(any::<bool>()), known()).prop_map(
            |(private, commercial, falls_back, known)| {
                Command::UpdateAccess { private, commercial, falls_back, known }
            }
        ),
        1 => (0..CUSTOMERS.len()).prop_map(Command::GetCustomer),
    ]
}

fn on_settings() -> impl Strategy<Value = Command> {
    let minutes = |most: i64| option::of((1..=most).prop_map(|minutes| minutes * 60));
    let wish = (
        option::of(10..=120_i64),
        minutes(15),
        minutes(30),
        minutes(480),
        option::of(1..=100_i32),
        option::of(any::<bool>()),
        any::<bool>(),
    );
    (wish, known()).prop_map(|(wish, known)| {
        let (jump_ttl, customer_idle, customer_absolute, broker_absolute, import_limit, mvp_user, masked) = wish;
        let wish = SettingsWish {
            jump_ttl,
            customer_idle,
            customer_absolute,
            broker_absolute,
            import_limit,
            mvp_user,
            masked,
        };
        Command::UpdateSettings { wish, known }
    })
}

fn on_jumps() -> impl Strategy<Value = Command> {
    let revoked = prop_oneof![
        pick().prop_map(Revoked::Jump),
        pick().prop_map(Revoked::User),
        (0..BROKERS.len()).prop_map(Revoked::Broker),
        (0..CUSTOMERS.len()).prop_map(Revoked::Customer),
    ];
    let listed = (
        jumper(),
        0..5_u8,
        option::weighted(0.3, 1..=4_i32),
        option::weighted(0.2, 0..TARGETS.len()),
        option::weighted(0.2, -60..60_i64),
    );
    prop_oneof![
        14 => (prop::bool::weighted(0.15), jumper(), target(), extras())
            .prop_map(|(portal, jumper, target, extras)| Command::Jump { portal, jumper, target, extras }),
        3 => (jumper(), target(), extras())
            .prop_map(|(jumper, target, extras)| Command::Explain { jumper, target, extras }),
        12 => (0..3_usize, option::weighted(0.1, 0..TARGETS.len()), prop::bool::weighted(0.1))
            .prop_map(|(back, target, wrong_nonce)| Command::Redeem { back, target, wrong_nonce }),
        1 => (0..TARGETS.len(), 0..4_u8).prop_map(|(target, which)| Command::RedeemRubbish { target, which }),
        3 => (0..3_usize, option::weighted(0.1, 0..TARGETS.len()), any::<bool>())
            .prop_map(|(back, target, failed)| Command::Report { back, target, failed }),
        3 => (0..3_usize, option::weighted(0.1, 0..TARGETS.len()))
            .prop_map(|(back, target)| Command::Introspect { back, target }),
        5 => revoked.prop_map(Command::Revoke),
        2 => (pick(), jumper()).prop_map(|(jump, jumper)| Command::GetJump { jump, jumper }),
        3 => listed.prop_map(|(jumper, by, state, target, updated)| {
            Command::ListJumps { jumper, by, state, target, updated }
        }),
    ]
}

fn by_operator() -> impl Strategy<Value = Command> {
    let tenant = prop_oneof![12 => Just(Pick::Own(0)), 1 => Just(Pick::Foreign(0)), 1 => Just(Pick::Nobody)];
    prop_oneof![
        6 => (prop_oneof![1 => Just(0_u8), 2 => Just(1), 4 => Just(2), 1 => Just(3), 3 => Just(4), 1 => Just(5)], tenant, known())
            .prop_map(|(what, tenant, known)| Command::Tenant { what, tenant, known }),
        1 => (0..3_u8, 0..6_usize, option::weighted(0.8, any::<bool>()), known())
            .prop_map(|(what, which, active, known)| Command::Catalog { what, which, active, known }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        20 => on_users(),
        12 => on_activations(),
        16 => on_customers(),
        3 => on_settings(),
        32 => on_jumps(),
        5 => by_operator(),
        1 => any::<bool>().prop_map(|targets| Command::ListCatalog { targets }),
        4 => (0..6_usize).prop_map(|back| Command::Repeat { back }),
        3 => prop_oneof![Just(1_i64), Just(20), Just(59), Just(65), Just(130)]
            .prop_map(|seconds| Command::Wait { seconds }),
    ]
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        40 => Just(Twist::Plain),
        4 => any::<usize>().prop_map(Twist::Spoiled),
        1 => any::<usize>().prop_map(Twist::As),
        1 => (0..4_usize).prop_map(Twist::SameId),
    ]
}

fn side() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => Just(1)]
}

fn step() -> impl Strategy<Value = Step> {
    (side(), command(), twist()).prop_map(|(side, command, twist)| Step { side, command, twist })
}

/// A jump that a furnished tenant allows, unless something was changed.
fn easy_jump() -> impl Strategy<Value = Command> {
    let jumper = prop_oneof![
        Just(Jumper::ForBroker(0)),
        Just(Jumper::Broker(0)),
        (0..3_usize).prop_map(|at| Jumper::ForCustomer(at, None)),
        (0..3_usize).prop_map(Jumper::Customer),
        (0..3_usize).prop_map(Jumper::Staff),
    ];
    let luggage = (option::of(0..CUSTOMERS.len()), any::<bool>(), option::of(0..2_u8), option::of(Just(true)));
    (jumper, 0..6_usize, luggage).prop_map(|(jumper, target, (customer_context, context, nonce, return_url))| {
        let (is_broker, target) = (matches!(jumper, Jumper::ForBroker(_) | Jumper::Broker(_)), target % TARGETS.len());
        // What the person may not have is left out.
        let target = if is_broker || target < 3 { target } else { 0 };
        let line = (target == 4).then_some(true);
        let nonce = if target == 4 { Some(nonce.unwrap_or(0)) } else { nonce };
        let customer_context = customer_context.filter(|_| is_broker);
        let extras = Extras { customer_context, line, context, nonce, return_url, ..Extras::default() };
        Command::Jump { portal: target == 3, jumper, target, extras }
    })
}

/// Steps that belong together: a jump, something in between, and its redemption (I6); a user that is made and deleted; a
/// broker who gets a user, with or without a password, and jumps; or just any step.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let jump = (side(), easy_jump(), vec(step(), 0..=2), on_jumps()).prop_map(|(side, jump, between, after)| {
        let redeem = Command::Redeem { back: 0, target: None, wrong_nonce: false };
        let mut steps = vec![Step::plain(side, jump)];
        steps.extend(between);
        steps.extend([Step::plain(side, redeem), Step::plain(side, after)]);
        steps
    });
    let user = (side(), on_users(), known()).prop_map(|(side, command, known)| {
        vec![Step::plain(side, command), Step::plain(side, Command::DeleteUser { user: Pick::Newest, known })]
    });
    // In a furnished tenant the first broker has an activation already: then it is ambiguous.
    let broker =
        (side(), 0..NAMES.len(), any::<bool>(), 0..BROKERS.len()).prop_map(|(side, name, password, broker)| {
            let (jumper, extras) = (Jumper::ForBroker(broker), Extras::default());
            vec![
                Step::plain(
                    side,
                    Command::CreateUser { name, end_customer: false, scope: Scope(0), password, email: false },
                ),
                Step::plain(
                    side,
                    Command::CreateActivation { brokers: 1 << broker, user: Pick::Newest, reason: false },
                ),
                Step::plain(side, Command::Jump { portal: false, jumper, target: 0, extras }),
            ]
        });
    // One person again and again, whose logins fail: the third makes the password suspect.
    let failing = (side(), 0..3_usize, 2..=4_usize, command()).prop_map(|(side, at, times, after)| {
        let (jumper, extras) = (Jumper::ForCustomer(at, None), Extras::default());
        let one = [
            Command::Jump { portal: false, jumper, target: 0, extras },
            Command::Redeem { back: 0, target: None, wrong_nonce: false },
            Command::Report { back: 0, target: None, failed: true },
        ];
        let mut steps: Vec<_> = (0..times).flat_map(|_| one.clone()).collect();
        steps.extend([after, one[0].clone(), Command::Introspect { back: 1, target: None }]);
        steps.into_iter().map(|command| Step::plain(side, command)).collect()
    });
    prop_oneof![20 => step().prop_map(|step| vec![step]), 6 => jump, 2 => user, 2 => broker, 1 => failing]
}

/// Sequences of so many groups of steps, one to five each.
pub fn sequence(groups: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Sequence> {
    (prop::bool::weighted(0.85), vec(steps(), groups))
        .prop_map(|(furnished, groups)| Sequence { furnished, steps: groups.concat() })
}
