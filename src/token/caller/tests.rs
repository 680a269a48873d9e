use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::jump::{JumpTokenError, JumpTokens};
use super::super::keyring::SigningKey;
use super::super::testing::{Counting, header, opened, ring, signed, twin, with};
use super::*;
use crate::domain::customer::Segment;
use crate::domain::jump::{Jti, JumpClaims, Subject};
use crate::token::{Callers, certificate_thumbprint};

const ISSUER: &str = "https://cc.example";
const AUDIENCE: &str = "https://cc.example/api";
const NOW: i64 = 1_700_000_000;
const TENANT: &str = "018bcfe5-6800-7000-8000-000000000001";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

/// A broker's grant of one hour.
fn grant() -> CallerGrant {
    CallerGrant {
        subject: SubjectId::parse("m.meier").unwrap(),
        roles: vec![Role::Broker],
        tenant: Some(tenant()),
        broker_id: Some(BrokerId::parse("b-1").unwrap()),
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: Duration::from_hours(1),
    }
}

/// A grant with nothing but roles.
fn bare(roles: &[Role]) -> CallerGrant {
    CallerGrant { roles: roles.to_vec(), tenant: None, broker_id: None, ..grant() }
}

/// The claims of [`grant`] as JSON.
fn payload() -> Value {
    json!({
        "iss": ISSUER, "exp": NOW + 3_600, "aud": AUDIENCE, "sub": "m.meier", "client_id": "concenter", "iat": NOW,
        "jti": base64url::encode([0; 24]), "tenant": TENANT, "roles": ["broker"], "broker_id": "b-1",
    })
}

fn tokens() -> (CallerTokens, SigningKey) {
    let (ring, key) = ring();
    (CallerTokens::new(ring, ISSUER.to_owned(), AUDIENCE.to_owned()), key)
}

fn mint(tokens: &CallerTokens, grant: &CallerGrant) -> Result<String, TokenError> {
    tokens.mint(grant, at(NOW), &Counting::from(1))
}

fn cause(tokens: &CallerTokens, token: &str) -> Option<InvalidCause> {
    match tokens.verify(token, at(NOW)) {
        Err(CallerTokenError::Invalid(cause)) => Some(cause),
        _ => None,
    }
}

/// What a token with this payload gets, correctly signed.
fn verify_payload(payload: &str) -> Result<VerifiedCaller, CallerTokenError> {
    let (tokens, key) = tokens();
    tokens.verify(&signed(&key, &header(&key, TYPE).to_string(), payload), at(NOW))
}

fn verify_with(claim: &str, value: Option<Value>) -> Result<VerifiedCaller, CallerTokenError> {
    verify_payload(&with(&payload(), claim, value).to_string())
}

const fn invalid(cause: InvalidCause) -> CallerTokenError {
    CallerTokenError::Invalid(cause)
}

#[test]
fn a_minted_token_verifies() {
    let (tokens, _) = tokens();
    let caller = tokens.verify(&mint(&tokens, &grant()).unwrap(), at(NOW)).unwrap();
    let expected = grant();
    assert_eq!(caller.subject, expected.subject);
    assert_eq!(caller.roles, expected.roles);
    assert_eq!(caller.tenants, Vec::from_iter(expected.tenant));
    assert_eq!(caller.broker_id, expected.broker_id);
    assert_eq!((&caller.customer_id, &caller.target_audience), (&None, &None));
    assert_eq!(caller.expires_at, at(NOW + 3_600));
}

#[test]
fn the_whole_form_of_a_token() {
    let (tokens, key) = tokens();
    let [header, payload] = opened(&mint(&tokens, &grant()).unwrap());
    assert_eq!(header, format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"{}"}}"#, key.kid()));
    assert_eq!(
        payload,
        concat!(
            r#"{"iss":"https://cc.example","exp":1700003600,"aud":"https://cc.example/api","sub":"m.meier","#,
            r#""client_id":"concenter","iat":1700000000,"jti":"AAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAB","#,
            r#""tenant":"018bcfe5-6800-7000-8000-000000000001","roles":["broker"],"broker_id":"b-1"}"#
        )
    );
}

#[test]
fn two_tokens_have_different_ids() {
    let (tokens, _) = tokens();
    let random = Counting::from(1);
    let ids: Vec<Value> = (0..2)
        .map(|_| {
            let [_, payload] = opened(&tokens.mint(&grant(), at(NOW), &random).unwrap());
            serde_json::from_str::<Value>(&payload).unwrap()["jti"].clone()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_life_is_1_s_to_24_h() {
    let (tokens, _) = tokens();
    for good in [Duration::from_secs(1), LONGEST_CALLER_LIFE] {
        let token = mint(&tokens, &CallerGrant { life: good, ..grant() }).unwrap();
        assert!(tokens.verify(&token, at(NOW)).is_ok());
    }
    for bad in [Duration::ZERO, Duration::from_millis(999), LONGEST_CALLER_LIFE + Duration::from_nanos(1)] {
        assert_eq!(mint(&tokens, &CallerGrant { life: bad, ..grant() }), Err(TokenError::Life));
    }
    assert!(verify_with("exp", Some(json!(NOW + 86_400))).is_ok());
    for exp in [NOW + 86_401, NOW, NOW - 1, i64::MAX, i64::MIN] {
        assert_eq!(verify_with("exp", Some(json!(exp))), Err(invalid(InvalidCause::Time)), "{exp}");
    }
}

#[test]
fn a_token_may_come_less_than_5_s_late() {
    let (tokens, _) = tokens();
    let token = mint(&tokens, &grant()).unwrap();
    assert!(tokens.verify(&token, at(NOW + 3_604)).is_ok());
    for late in [3_605, 3_606, 1_000_000] {
        assert_eq!(tokens.verify(&token, at(NOW + late)), Err(CallerTokenError::Expired), "{late}");
    }
}

#[test]
fn a_token_may_come_at_most_5_s_early() {
    for claim in ["iat", "nbf"] {
        assert!(verify_with(claim, Some(json!(NOW + 5))).is_ok(), "{claim}");
        assert_eq!(verify_with(claim, Some(json!(NOW + 6))), Err(invalid(InvalidCause::Time)), "{claim}");
    }
}

#[test]
fn a_missing_or_additional_claim_is_refused() {
    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti", "roles"] {
        assert_eq!(verify_with(claim, None), Err(invalid(InvalidCause::Claims)), "{claim}");
        assert_eq!(verify_with(claim, Some(json!(null))), Err(invalid(InvalidCause::Claims)), "{claim}");
    }
    for claim in ["nbf", "tenant", "broker_id", "customer_id", "target_audience"] {
        assert_eq!(verify_with(claim, Some(json!(null))), Err(invalid(InvalidCause::Claims)), "{claim}");
    }
    for claim in ["scope", "tenants", "role", "cnf"] {
        assert_eq!(verify_with(claim, Some(json!("x"))), Err(invalid(InvalidCause::Claims)), "{claim}");
    }
}

/// A06: what a token is bound to is read, and it is for the edge to compare.
#[test]
fn a_token_says_what_certificate_it_is_bound_to() {
    let (tokens, _) = tokens();
    let thumbprint = certificate_thumbprint(b"a certificate");
    let bound = mint(&tokens, &CallerGrant { bound_to: Some(thumbprint), ..grant() }).unwrap();
    assert_eq!(tokens.verify(&bound, at(NOW)).map(|caller| caller.bound_to), Ok(Some(thumbprint)));
    let unbound = mint(&tokens, &grant()).unwrap();
    assert_eq!(tokens.verify(&unbound, at(NOW)).map(|caller| caller.bound_to), Ok(None));
    let good = base64url::encode(thumbprint.0);
    for cnf in
        [json!(null), json!({}), json!([good]), json!({ "x5t#S256": "abc" }), json!({ "x5t#S256": good, "jkt": good })]
    {
        assert_eq!(verify_with("cnf", Some(cnf.clone())), Err(invalid(InvalidCause::Claims)), "{cnf}");
    }
}

#[test]
fn a_claim_of_another_type_or_form_is_refused() {
    for (claim, value) in [
        ("aud", json!([AUDIENCE])),
        ("aud", json!(42)),
        ("iss", json!([ISSUER])),
        ("exp", json!("x")),
        ("exp", json!(1_700_003_600.0)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!("never")),
        ("sub", json!("")),
        ("sub", json!("a b")),
        ("client_id", json!("")),
        ("jti", json!("x")),
        ("tenant", json!("7")),
        ("tenant", json!("00000000-0000-0000-0000-000000000000")),
        ("broker_id", json!("a/b")),
        ("customer_id", json!("")),
        ("target_audience", json!("Rechner")),
        ("roles", json!("broker")),
        ("roles", json!([])),
        ("roles", json!(["root"])),
        ("roles", json!(["Broker"])),
        ("roles", json!([7])),
        ("roles", json!(["broker", "broker"])),
        ("roles", json!(["broker", "admin", "portal", "customer", "target"])),
    ] {
        let refused = verify_with(claim, Some(value.clone()));
        assert_eq!(refused, Err(invalid(InvalidCause::Claims)), "{claim}: {value}");
    }
}

#[test]
fn a_claim_that_stands_twice_is_refused() {
    for claim in ["tenant", "roles", "aud"] {
        let (text, value) = (payload().to_string(), payload()[claim].clone());
        let doubled = format!(r#"{{"{claim}":{value},{}"#, &text[1..]);
        assert_eq!(verify_payload(&doubled), Err(invalid(InvalidCause::Claims)), "{claim}");
    }
}

#[test]
fn another_issuer_or_audience_is_refused() {
    assert_eq!(verify_with("iss", Some(json!("https://evil.example"))), Err(invalid(InvalidCause::Issuer)));
    assert_eq!(verify_with("aud", Some(json!("rechner-a"))), Err(invalid(InvalidCause::Audience)));
}

#[test]
fn a_signature_of_somebody_else_is_refused() {
    let (tokens, key) = tokens();
    let (_, attacker) = ring();
    let token = signed(&attacker, &header(&key, TYPE).to_string(), &payload().to_string());
    assert_eq!(cause(&tokens, &token), Some(InvalidCause::Signature));
    let token = signed(&attacker, &header(&attacker, TYPE).to_string(), &payload().to_string());
    assert_eq!(cause(&tokens, &token), Some(InvalidCause::UnknownKey));
}

#[test]
fn no_other_algorithm_or_header_member_is_accepted() {
    let (tokens, key) = tokens();
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("jwk", key.public().jwk()),
        ("jku", json!("https://127.0.0.1:9")),
        ("x5u", json!("https://127.0.0.1:9")),
        ("crit", json!(["x"])),
        ("b64", json!(false)),
    ] {
        let header = with(&header(&key, TYPE), member, Some(value)).to_string();
        let token = signed(&key, &header, &payload().to_string());
        assert_eq!(cause(&tokens, &token), Some(InvalidCause::Header), "{member}");
    }
}

#[test]
fn one_changed_character_anywhere_is_refused() {
    let (tokens, _) = tokens();
    let good = mint(&tokens, &grant()).unwrap();
    for at_byte in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bytes).unwrap();
        assert!(cause(&tokens, &bad).is_some(), "{at_byte}");
    }
}

#[test]
fn the_twin_of_a_token_says_the_same() {
    let (tokens, _) = tokens();
    let token = mint(&tokens, &grant()).unwrap();
    assert_eq!(tokens.verify(&twin(&token), at(NOW)), tokens.verify(&token, at(NOW)));
}

#[test]
fn a_jumps_token_is_no_callers() {
    let (jump_ring, jump_key) = ring();
    let jumps = JumpTokens::new(jump_ring, ISSUER.to_owned());
    let claims = JumpClaims {
        tenant: tenant(),
        target: TargetId::parse("rechner-a").unwrap(),
        subject: Subject::from_computed(base64url::encode([1; 32])),
        jti: Jti([2; 24]),
        issued_at: at(NOW),
        expires_at: at(NOW + 60),
        end_customer: true,
        segment: Some(Segment::Private),
        epoch: 1,
        actor: None,
        nonce: None,
    };
    let token = jumps.issue(&claims, at(NOW)).unwrap();
    let (tokens, key) = tokens();
    assert_eq!(cause(&tokens, &token), Some(InvalidCause::Type));

    // Nor do type, key and claims pass one by one.
    let [_, jump_payload] = opened(&token);
    let of_our_type = signed(&jump_key, &header(&jump_key, TYPE).to_string(), &payload().to_string());
    assert_eq!(cause(&tokens, &of_our_type), Some(InvalidCause::UnknownKey));
    let under_our_key = signed(&key, &header(&key, TYPE).to_string(), &jump_payload);
    assert_eq!(cause(&tokens, &under_our_key), Some(InvalidCause::Claims));
    let opened = jumps.open(&mint(&tokens, &grant()).unwrap(), &claims.target, 1, at(NOW));
    assert_eq!(opened, Err(JumpTokenError::Invalid(InvalidCause::Type)));
}

#[test]
fn each_role_becomes_its_caller() {
    let (tokens, _) = tokens();
    let subject = grant().subject;
    let customer_id = CustomerId::parse("k-1").unwrap();
    let audience = TargetId::parse("rechner-a").unwrap();
    let within = |role| Caller::Tenant { tenant: tenant(), role, subject: subject.clone() };
    let of = |role: Role| CallerGrant { tenant: Some(tenant()), ..bare(&[role]) };
    let cases = [
        (bare(&[Role::Operator]), Caller::Operator { subject: subject.clone() }),
        (of(Role::Admin), within(TenantRole::Admin)),
        (of(Role::Portal), within(TenantRole::Portal)),
        (grant(), within(TenantRole::Broker(BrokerId::parse("b-1").unwrap()))),
        (
            CallerGrant { customer_id: Some(customer_id.clone()), ..of(Role::Customer) },
            within(TenantRole::Customer(customer_id)),
        ),
        (
            CallerGrant { target_audience: Some(audience.clone()), ..bare(&[Role::Target]) },
            Caller::Target { audience, subject: subject.clone() },
        ),
    ];
    for (grant, caller) in cases {
        let verified = tokens.verify(&mint(&tokens, &grant).unwrap(), at(NOW)).unwrap();
        for role in Role::ALL {
            let expected = (grant.roles == [role]).then(|| caller.clone());
            assert_eq!(verified.as_caller(role, grant.tenant), expected, "{role:?} of {grant:?}");
        }
    }
}

#[test]
fn a_role_without_what_it_needs_is_no_caller() {
    let needs_more = [
        (Role::Admin, bare(&[Role::Admin])),
        (Role::Portal, bare(&[Role::Portal])),
        (Role::Broker, CallerGrant { broker_id: None, ..grant() }),
        (Role::Broker, CallerGrant { tenant: None, ..grant() }),
        (Role::Customer, CallerGrant { roles: vec![Role::Customer], ..grant() }),
        (Role::Target, bare(&[Role::Target])),
    ];
    let has_too_much = [
        (Role::Operator, CallerGrant { tenant: Some(tenant()), ..bare(&[Role::Operator]) }),
        (
            Role::Target,
            CallerGrant {
                tenant: Some(tenant()),
                target_audience: Some(TargetId::parse("rechner-a").unwrap()),
                ..bare(&[Role::Target])
            },
        ),
    ];
    let (tokens, key) = tokens();
    for (role, grant) in needs_more.into_iter().chain(has_too_much) {
        assert_eq!(mint(&tokens, &grant), Err(TokenError::Unfit(role)), "{grant:?}");
        // Signed all the same, it is authentic and nobody.
        let [_, payload] = opened(&tokens.sign(&key, &grant, at(NOW), &Counting::from(1)).unwrap());
        let token = signed(&key, &header(&key, TYPE).to_string(), &payload);
        assert_eq!(tokens.verify(&token, at(NOW)).unwrap().as_caller(role, grant.tenant), None, "{grant:?}");
    }
}

#[test]
fn roles_of_one_token_must_all_fit() {
    let (tokens, _) = tokens();
    let both = CallerGrant { roles: vec![Role::Admin, Role::Portal], ..grant() };
    let verified = tokens.verify(&mint(&tokens, &both).unwrap(), at(NOW)).unwrap();
    assert!([Role::Admin, Role::Portal].iter().all(|role| verified.as_caller(*role, both.tenant).is_some()));
    let unfit = CallerGrant { roles: vec![Role::Admin, Role::Operator], ..grant() };
    assert_eq!(mint(&tokens, &unfit), Err(TokenError::Unfit(Role::Operator)));
}

#[test]
fn a_grant_has_1_to_4_roles_each_once() {
    let (tokens, _) = tokens();
    for roles in [vec![], vec![Role::Admin, Role::Admin], Role::ALL[..5].to_vec()] {
        let refused = mint(&tokens, &CallerGrant { roles, ..grant() });
        assert_eq!(refused, Err(TokenError::Refused(InvalidCause::Claims)));
    }
}

#[test]
fn the_longest_claims_fit() {
    let (tokens, _) = tokens();
    let longest = CallerGrant {
        subject: SubjectId::parse(&"s".repeat(128)).unwrap(),
        roles: vec![Role::Admin, Role::Portal, Role::Broker, Role::Customer],
        tenant: Some(tenant()),
        broker_id: Some(BrokerId::parse(&"b".repeat(128)).unwrap()),
        customer_id: Some(CustomerId::parse(&"c".repeat(128)).unwrap()),
        target_audience: Some(TargetId::parse(&"t".repeat(64)).unwrap()),
        bound_to: None,
        life: LONGEST_CALLER_LIFE,
    };
    assert!(mint(&tokens, &longest).is_ok());
    let (ring, _) = ring();
    let wordy = CallerTokens::new(ring, "i".repeat(1_500), AUDIENCE.to_owned());
    assert_eq!(mint(&wordy, &grant()), Err(TokenError::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_mutation_of_a_token_passes(cut in any::<prop::sample::Index>(), take in 0_usize..20, insert in "[A-Za-z0-9_.={} -]{0,20}") {
        let (tokens, _) = tokens();
        let good = mint(&tokens, &grant()).unwrap();
        let start = cut.index(good.len());
        let end = (start + take).min(good.len());
        let bad = format!("{}{insert}{}", &good[..start], &good[end..]);
        prop_assume!(bad != good);
        prop_assert!(cause(&tokens, &bad).is_some());
    }

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,300}") {
        let (tokens, _) = tokens();
        prop_assert!(cause(&tokens, &text).is_some());
    }
}

#[test]
fn a_token_that_was_believed_is_not_believed_with_another_signature() {
    let (tokens, _) = tokens();
    let token = mint(&tokens, &grant()).unwrap();
    let callers = Callers::new(Arc::new(tokens), Vec::new()).unwrap();
    for _ in 0..2 {
        assert!(callers.verify(&token, at(NOW)).is_ok());
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    assert_eq!(callers.verify(&forged, at(NOW)), Err(invalid(InvalidCause::Signature)));
    assert_eq!(callers.verify(&token, at(NOW + 3_605)), Err(CallerTokenError::Expired), "believed or not");
}
