//! What a jump costs beside its I/O, each part against one raw P-256 signature or verification of the
//! same run.
//!
//! `cargo bench` prints every figure; the last lines are the ratios of the medians. Only the ratios of one run count:
//! a shared machine swings by more than what is measured.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up must stop")]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom as RawRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::{
    ActivationId, BrokerId, JumpId, LineOfBusiness, ProviderId, Random as _, SubjectId, TargetId, TenantId, UserId,
};
use concenter_gateway::domain::jump::{JumpClaims, JumpOrder, Person};
use concenter_gateway::domain::provider::{ProviderList, ProviderScope, State};
use concenter_gateway::domain::resolve::{
    Assignments, CandidateActivation, CandidateTarget, CandidateUser, Candidates, resolve,
};
use concenter_gateway::domain::target::{AcceptedPersons, LineScope, TargetKind};
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::secrets::{DataKey, MacKey, Place, SystemRandom};
use concenter_gateway::token::{
    self, CallerGrant, CallerTokens, Callers, JumpTokens, KeyRing, SigningKey, SubjectKind,
};
use criterion::{BenchmarkId, Criterion, criterion_group};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// The units of measure: one signature under a key that is parsed once, and one verification.
fn raw_signature(c: &mut Criterion) {
    let random = RawRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("the same key");
    // As long as what a jump token signs.
    let message = [b'x'; 450];
    c.bench_function("raw_signature", |b| b.iter(|| key.sign(&random, black_box(&message)).expect("a signature")));
    let signature = key.sign(&random, &message).expect("a signature");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    c.bench_function("raw_verification", |b| {
        b.iter(|| public.verify(black_box(&message), signature.as_ref()).expect("a good signature"));
    });
}

/// A caller for the first time, and one who called a moment ago.
fn callers(c: &mut Criterion) {
    let (key, _) = SigningKey::generate().expect("a key");
    let ring = Arc::new(KeyRing::of(key));
    let issuer = Arc::new(CallerTokens::new(ring, "urn:test:issuer".to_owned(), "urn:test:service".to_owned()));
    let grant = CallerGrant {
        subject: SubjectId::parse("portal").expect("an id"),
        roles: vec![Role::Portal],
        tenant: Some(TenantId::new(NOW, &SystemRandom)),
        broker_id: None,
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: Duration::from_secs(3_600),
    };
    let token = issuer.mint(&grant, NOW, &SystemRandom).expect("a token");
    c.bench_function("new_caller", |b| {
        b.iter(|| issuer.verify(black_box(&token), NOW).expect("a good token"));
    });
    let callers = Callers::new(issuer, Vec::new()).expect("one issuer");
    c.bench_function("known_caller", |b| {
        b.iter(|| callers.verify(black_box(&token), NOW).expect("a good token"));
    });
}

/// Deciding for a broker in a tenant of `tenant_activations`, of which `own` are his and lead to one user.
fn candidates(tenant_activations: usize, own: usize) -> (JumpOrder, Candidates) {
    let provider = |n: usize| ProviderId::parse(&format!("provider-{n}")).expect("a key");
    let scope = ProviderScope::Only(ProviderList::new((0..50).map(provider).collect()).expect("50 providers"));
    let users: Vec<_> = (0..tenant_activations)
        .map(|_| CandidateUser {
            user_id: UserId::new(NOW, &SystemRandom),
            kind: UserKind::Broker,
            state: State::Active,
            has_secret: true,
            is_suspect: false,
            scope: scope.clone(),
            reported_end_customer: None,
        })
        .collect();
    // The user that is looked for stands last: the longest search.
    let user_id = users.last().expect("at least one user").user_id;
    let activation =
        |_| CandidateActivation { activation_id: ActivationId::new(NOW, &SystemRandom), user_id, state: State::Active };
    let order = JumpOrder {
        person: Person::Broker(BrokerId::parse("broker-1").expect("an id")),
        actor: None,
        target_id: TargetId::parse("calculator").expect("a key"),
        wanted: Some(TargetKind::TariffCalculator),
        activation_id: None,
        customer_context: None,
        line_of_business: Some(LineOfBusiness::parse("050").expect("a code")),
        provider_id: Some(provider(7)),
    };
    let candidates = Candidates {
        tenant: TenantState::Active,
        target: Some(CandidateTarget {
            kind: TargetKind::TariffCalculator,
            state: State::Active,
            provider_id: provider(0),
            provider_state: State::Active,
            accepts: AcceptedPersons { brokers: true, customers: true },
            lines: LineScope::All,
        }),
        named_provider: Some(State::Active),
        assignments: Assignments::Broker((0..own).map(activation).collect()),
        users,
    };
    (order, candidates)
}

fn resolving(c: &mut Criterion) {
    let mut group = c.benchmark_group("resolve");
    // The broker has one of the tenant's 1 000 activations; then the worst case, as many as one broker may have.
    for own in [1, 100] {
        let (order, candidates) = candidates(1_000, own);
        assert!(resolve(&order, &candidates).outcome.is_ok(), "the bench measures a jump that is allowed");
        group.bench_function(BenchmarkId::new("own_of_1000", own), |b| {
            b.iter(|| resolve(black_box(&order), black_box(&candidates)));
        });
    }
    group.finish();
}

fn tokens(c: &mut Criterion) {
    let (key, _) = SigningKey::generate().expect("a key");
    let tokens = JumpTokens::new(Arc::new(KeyRing::of(key)), "urn:concenter:gateway".to_owned());
    let mac = MacKey::generate(&SystemRandom);
    let code = |label, parts: &[&[u8]]| mac.mac(label, parts);
    let tenant = TenantId::new(NOW, &SystemRandom);
    let target = TargetId::parse("calculator").expect("a key");
    let claims = |jump: JumpId| JumpClaims {
        tenant,
        target: target.clone(),
        subject: token::subject(&code, tenant, &target, SubjectKind::Broker, "broker-1"),
        jti: token::jti(&code, tenant, jump),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(60)),
        end_customer: false,
        segment: None,
        epoch: 1,
        actor: None,
        nonce: None,
    };
    let jump = JumpId::new(NOW, &SystemRandom);
    // With all that is computed for it: pairwise subject, jti, signature, and our own front door at the end.
    c.bench_function("issue_token", |b| b.iter(|| tokens.issue(&claims(black_box(jump)), NOW).expect("a token")));

    let text = tokens.issue(&claims(jump), NOW).expect("a token");
    c.bench_function("front_door_without_signature", |b| {
        b.iter(|| tokens.check_without_signature(black_box(&text), &target, 1, NOW).expect("a good token"));
    });
    c.bench_function("front_door", |b| {
        b.iter(|| tokens.open(black_box(&text), &target, 1, NOW).expect("a good token"));
    });
}

fn envelope(c: &mut Criterion) {
    let key = DataKey::generate(1, &SystemRandom);
    let tenant = TenantId::new(NOW, &SystemRandom);
    let place = Place { tenant, row: "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c", field: "password", version: 1 };
    let mut password = [0_u8; 16];
    SystemRandom.fill(&mut password);
    c.bench_function("seal_and_open_a_secret", |b| {
        b.iter(|| {
            let blob = key.seal(&place, black_box(&password), &SystemRandom).expect("sealed");
            key.open(&place, &blob).expect("opened")
        });
    });
}

criterion_group!(benches, raw_signature, callers, resolving, tokens, envelope);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    print_ratios();
}

/// What is bounded, by how many of what.
const BOUNDS: [(&str, &str, f64); 5] = [
    ("known_caller", "raw_verification", 0.1),
    ("resolve/own_of_1000/1", "raw_signature", 0.15),
    ("resolve/own_of_1000/100", "raw_signature", 0.15),
    ("issue_token", "raw_signature", 2.0),
    ("front_door_without_signature", "raw_signature", 0.25),
];

/// Prints each bounded median as a multiple of its unit's; nothing where this run measured nothing.
fn print_ratios() {
    for unit in ["raw_signature", "raw_verification"] {
        if let Some(median) = median(unit) {
            println!("{unit}: {:.1} us (median)", median / 1_000.0);
        }
    }
    for (bench, unit, bound) in BOUNDS {
        if let Some((median, raw)) = median(bench).zip(median(unit)) {
            println!("{bench}: {:.3} x {unit}, at most {bound} x", median / raw);
        }
    }
}

/// The median that criterion measured last, in nanoseconds.
fn median(bench: &str) -> Option<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion").join(bench).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    estimates.pointer("/median/point_estimate")?.as_f64()
}
