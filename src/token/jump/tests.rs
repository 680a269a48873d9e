mod claims;
mod shape;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::keyring::{KeyHalves, RingKey, SigningKey};
use super::super::testing::{Counting, header, opened, ring, signed, twin, with};
use super::*;
use crate::domain::customer::Segment;
use crate::domain::ids::TenantId;
use crate::domain::jump::{ActorClaim, ActorRole, Jti, Nonce, Subject};
use crate::domain::signing::{KeyId, KeyPurpose, KeyTimes, lives};

const ISSUER: &str = "https://cc.example";
const NOW: i64 = 1_700_000_000;
const EPOCH: i64 = 3;
const TENANT: &str = "018bcfe5-6800-7000-8000-000000000001";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn target() -> TargetId {
    TargetId::parse("rechner-a").unwrap()
}

/// The claims of a customer's jump, issued at [`NOW`] for 60 s.
fn claims() -> JumpClaims {
    JumpClaims {
        tenant: TenantId::parse(TENANT).unwrap(),
        target: target(),
        subject: Subject::from_computed(base64url::encode([1; 32])),
        jti: Jti([2; 24]),
        issued_at: at(NOW),
        expires_at: at(NOW + 60),
        end_customer: true,
        segment: Some(Segment::Private),
        epoch: EPOCH,
        actor: None,
        nonce: None,
    }
}

/// The same as JSON.
fn payload() -> Value {
    json!({
        "iss": ISSUER, "aud": "rechner-a", "sub": base64url::encode([1; 32]), "jti": base64url::encode([2; 24]),
        "iat": NOW, "nbf": NOW, "exp": NOW + 60, "tid": TENANT, "ek": true, "seg": "private", "ep": EPOCH,
    })
}

fn tokens() -> (JumpTokens, SigningKey) {
    let (ring, key) = ring();
    (JumpTokens::new(ring, ISSUER.to_owned()), key)
}

fn open(tokens: &JumpTokens, token: &str) -> Result<JumpClaims, JumpTokenError> {
    tokens.open(token, &target(), EPOCH, at(NOW))
}

fn cause(tokens: &JumpTokens, token: &str) -> Option<InvalidCause> {
    match open(tokens, token) {
        Err(JumpTokenError::Invalid(cause)) => Some(cause),
        _ => None,
    }
}

/// Why a token with this payload is refused, correctly signed.
fn cause_of_payload(payload: &str) -> Option<InvalidCause> {
    let (tokens, key) = tokens();
    cause(&tokens, &signed(&key, &header(&key, TYPE).to_string(), payload))
}

/// Why a token with one claim changed or taken out is refused, correctly signed.
fn cause_with(claim: &str, value: Option<Value>) -> Option<InvalidCause> {
    cause_of_payload(&with(&payload(), claim, value).to_string())
}

#[test]
fn an_issued_token_opens() {
    let (tokens, _) = tokens();
    let broker = JumpClaims { end_customer: false, segment: None, ..claims() };
    for claims in [claims(), JumpClaims { segment: Some(Segment::Commercial), ..claims() }, broker] {
        assert_eq!(open(&tokens, &tokens.issue(&claims, at(NOW)).unwrap()), Ok(claims));
    }
}

#[test]
fn actor_and_nonce_travel_with_a_token() {
    let (tokens, _) = tokens();
    for role in [ActorRole::PortalUser, ActorRole::CustomerStaff, ActorRole::BrokerStaff] {
        let subject = Subject::from_computed(base64url::encode([3; 32]));
        let actor = Some(ActorClaim { subject, role });
        let claims = JumpClaims { actor, nonce: Some(Nonce::parse("n-1").unwrap()), ..claims() };
        assert_eq!(open(&tokens, &tokens.issue(&claims, at(NOW)).unwrap()), Ok(claims));
    }
}

#[test]
fn a_token_written_by_hand_opens() {
    let (tokens, key) = tokens();
    let token = signed(&key, &header(&key, TYPE).to_string(), &payload().to_string());
    assert_eq!(open(&tokens, &token), Ok(claims()));
}

#[test]
fn the_whole_form_of_a_token() {
    let (tokens, key) = tokens();
    let [header, payload] = opened(&tokens.issue(&claims(), at(NOW)).unwrap());
    assert_eq!(header, format!(r#"{{"alg":"ES256","kid":"{}","typ":"cc-jump+jwt"}}"#, key.kid()));
    assert_eq!(
        payload,
        concat!(
            r#"{"iss":"https://cc.example","aud":"rechner-a","sub":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","#,
            r#""jti":"AgICAgICAgICAgICAgICAgICAgICAgIC","iat":1700000000,"nbf":1700000000,"exp":1700000060,"#,
            r#""tid":"018bcfe5-6800-7000-8000-000000000001","ek":true,"seg":"private","ep":3}"#
        )
    );

    let actor =
        ActorClaim { subject: Subject::from_computed(base64url::encode([3; 32])), role: ActorRole::BrokerStaff };
    let nonce = Some(Nonce::parse("n-1").unwrap());
    let broker = JumpClaims { end_customer: false, segment: None, actor: Some(actor), nonce, ..claims() };
    let [_, payload] = opened(&tokens.issue(&broker, at(NOW)).unwrap());
    let rest = concat!(
        r#","ek":false,"ep":3,"act":{"sub":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM","role":"broker_staff"},"#,
        r#""n":"n-1"}"#
    );
    assert!(payload.ends_with(rest), "{payload}");
}

#[test]
fn a_token_has_room_for_every_claim_at_its_longest() {
    let tokens = JumpTokens::new(ring_of_one(), "i".repeat(64));
    let actor =
        ActorClaim { subject: Subject::from_computed(base64url::encode([3; 32])), role: ActorRole::CustomerStaff };
    let longest = JumpClaims {
        segment: Some(Segment::Commercial),
        epoch: 1_000_000,
        actor: Some(actor),
        nonce: Some(Nonce::parse(&"n".repeat(64)).unwrap()),
        target: TargetId::parse(&"t".repeat(64)).unwrap(),
        ..claims()
    };
    let token = tokens.issue(&longest, at(NOW)).unwrap();
    assert!(token.len() <= JUMP_TOKEN_BYTES, "{}", token.len());

    let tokens = JumpTokens::new(ring_of_one(), "i".repeat(300));
    assert_eq!(tokens.issue(&longest, at(NOW)), Err(TokenError::TooLong));
}

#[test]
fn a_usual_token_has_less_than_600_bytes() {
    let (tokens, _) = tokens();
    let token = tokens.issue(&claims(), at(NOW)).unwrap();
    assert!(token.len() < 600, "{}", token.len());
}

fn ring_of_one() -> Arc<KeyRing> {
    Arc::new(KeyRing::of(SigningKey::generate().unwrap().0))
}

#[test]
fn what_the_front_door_would_refuse_is_not_issued() {
    let (tokens, _) = tokens();
    let broker_with_segment = JumpClaims { end_customer: false, ..claims() };
    let customer_without = JumpClaims { segment: None, ..claims() };
    let fraction = JumpClaims { issued_at: at(NOW).plus(Duration::from_millis(1)), ..claims() };
    let no_subject = JumpClaims { subject: Subject::from_computed("x".to_owned()), ..claims() };
    let of_nobody = JumpClaims { tenant: TenantId::SYSTEM, ..claims() };
    for claims in [broker_with_segment, customer_without, fraction, no_subject, of_nobody] {
        assert_eq!(tokens.issue(&claims, at(NOW)), Err(TokenError::Refused(InvalidCause::Claims)), "{claims:?}");
    }
    for life in [-1, 0, 121] {
        let claims = JumpClaims { expires_at: at(NOW + life), ..claims() };
        assert_eq!(tokens.issue(&claims, at(NOW)), Err(TokenError::Refused(InvalidCause::Time)), "{life}");
    }
}

#[test]
fn a_token_for_one_target_is_none_for_another() {
    let (tokens, _) = tokens();
    let token = tokens.issue(&claims(), at(NOW)).unwrap();
    let other = TargetId::parse("rechner-b").unwrap();
    let refused = tokens.open(&token, &other, EPOCH, at(NOW));
    assert_eq!(refused, Err(JumpTokenError::Invalid(InvalidCause::Audience)));
    // Also when it is over: only its own audience is told so.
    let refused = tokens.open(&token, &other, EPOCH, at(NOW + 600));
    assert_eq!(refused, Err(JumpTokenError::Invalid(InvalidCause::Audience)));
    assert!(open(&tokens, &token).is_ok());
}

#[test]
fn a_token_may_come_less_than_5_s_late() {
    let (tokens, _) = tokens();
    let token = tokens.issue(&claims(), at(NOW)).unwrap();
    let end = at(NOW + 65);
    let before = Timestamp::from_unix_micros(end.unix_micros() - 1);
    for good in [at(NOW), at(NOW + 60), at(NOW + 64), before] {
        assert_eq!(tokens.open(&token, &target(), EPOCH, good), Ok(claims()));
    }
    for late in [end, at(NOW + 66), at(NOW + 1_000_000)] {
        let refused = tokens.open(&token, &target(), EPOCH, late);
        assert_eq!(refused, Err(JumpTokenError::Expired(Box::new(claims()))));
    }
}

#[test]
fn a_token_may_come_at_most_5_s_early() {
    for claim in ["iat", "nbf"] {
        let early = |seconds: i64| {
            let changed = with(&payload(), claim, Some(json!(NOW + seconds)));
            cause_of_payload(&changed.to_string())
        };
        assert_eq!(early(5), None, "{claim}");
        assert_eq!(early(6), Some(InvalidCause::Time), "{claim}");
        assert_eq!(early(3_600), Some(InvalidCause::Time), "{claim}");
    }
}

#[test]
fn a_life_is_1_to_120_s() {
    let lives = |exp: i64| cause_with("exp", Some(json!(exp)));
    assert_eq!(lives(NOW + 1), None);
    assert_eq!(lives(NOW + 120), None);
    for exp in [NOW, NOW - 1, NOW + 121, i64::MAX, i64::MIN, 0] {
        assert_eq!(lives(exp), Some(InvalidCause::Time), "{exp}");
    }
}

#[test]
fn an_expired_forgery_is_a_forgery() {
    let (tokens, _) = tokens();
    let (_, attacker) = ring();
    let (ours, _) = token_parts(&tokens);
    let forged = signed(&attacker, &ours, &with(&payload(), "iat", Some(json!(NOW - 600))).to_string());
    assert_eq!(cause(&tokens, &forged), Some(InvalidCause::Signature));
}

fn token_parts(tokens: &JumpTokens) -> (String, String) {
    let [header, payload] = opened(&tokens.issue(&claims(), at(NOW)).unwrap());
    (header, payload)
}

#[test]
fn an_old_epoch_is_closed_and_a_newer_one_is_for_the_database_to_judge() {
    let (tokens, _) = tokens();
    let token = tokens.issue(&claims(), at(NOW)).unwrap();
    let at_epoch = |epoch: i64, now: i64| tokens.open(&token, &target(), epoch, at(now));
    assert_eq!(at_epoch(EPOCH, NOW), Ok(claims()));
    assert_eq!(at_epoch(EPOCH - 1, NOW), Ok(claims()));
    assert_eq!(at_epoch(EPOCH + 1, NOW), Err(JumpTokenError::OldEpoch(Box::new(claims()))));
    assert_eq!(at_epoch(EPOCH + 1, NOW + 66), Err(JumpTokenError::Expired(Box::new(claims()))));
}

#[test]
fn the_twin_of_a_token_is_the_same_jump() {
    let (tokens, _) = tokens();
    let token = tokens.issue(&claims(), at(NOW)).unwrap();
    let twin = twin(&token);
    assert_ne!(token, twin);
    // Both pass: whoever replays must be stopped by the row of the `jti`, which both share, never by a token's hash.
    let (first, second) = (open(&tokens, &token).unwrap(), open(&tokens, &twin).unwrap());
    assert!(first.jti == second.jti);
}

/// Two keys, of which the second one takes the place of the first at this second.
fn ring_of_two(replaced_at: i64) -> (Arc<KeyRing>, [String; 2]) {
    let keys = [(); 2].map(|()| Arc::new(SigningKey::generate().unwrap().0));
    let ids = keys.each_ref().map(|key| KeyId::parse(key.kid()).unwrap());
    let times = [0, replaced_at].map(|second| KeyTimes::new(at(0), at(second)));
    let rows: Vec<_> = ids.iter().zip(times).collect();
    let lives = lives(KeyPurpose::Jump, &rows);
    let keys =
        keys.into_iter().zip(lives).map(|(key, life)| RingKey { halves: KeyHalves::Both(key), made_at: None, life });
    (Arc::new(KeyRing::new(keys.collect())), ids.map(|id| id.to_string()))
}

#[test]
fn a_retired_key_opens_and_does_not_sign() {
    let (ring, [old, new]) = ring_of_two(NOW + 1);
    let tokens = JumpTokens::new(ring, ISSUER.to_owned());
    let token = tokens.issue(&claims(), at(NOW)).unwrap();
    assert!(opened(&token)[0].contains(&old));
    assert_eq!(tokens.open(&token, &target(), EPOCH, at(NOW + 1)), Ok(claims()));
    // A repeated request gets the same jump again, under the key of now.
    let again = tokens.issue(&claims(), at(NOW + 1)).unwrap();
    assert!(opened(&again)[0].contains(&new));
    assert_eq!(tokens.open(&again, &target(), EPOCH, at(NOW + 1)), Ok(claims()));
}

#[test]
fn a_key_that_does_not_sign_yet_opens_nothing_and_is_named() {
    let (ring, [_, next]) = ring_of_two(NOW + 600);
    let tokens = JumpTokens::new(Arc::clone(&ring), ISSUER.to_owned());
    let early = tokens.issue(&claims(), at(NOW + 600)).unwrap();
    assert_eq!(cause(&tokens, &early), Some(InvalidCause::UnknownKey));
    assert_eq!(tokens.unknown_kid(&early, at(NOW)), Some(next));
    assert_eq!(tokens.unknown_kid(&early, at(NOW + 600)), None);
    assert_eq!(tokens.unknown_kid("a.b.c", at(NOW)), None);
}

#[test]
fn without_a_key_nothing_is_issued() {
    let tokens = JumpTokens::new(Arc::new(KeyRing::new(Vec::new())), ISSUER.to_owned());
    assert_eq!(tokens.issue(&claims(), at(NOW)), Err(TokenError::NoKey));
}

#[test]
fn without_the_signature_everything_else_is_checked() {
    let (tokens, key) = tokens();
    let check = |token: &str| tokens.check_without_signature(token, &target(), EPOCH, at(NOW));
    let good = tokens.issue(&claims(), at(NOW)).unwrap();
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    assert_eq!(check(&format!("{signed_part}.{}", base64url::encode([1; 64]))), Ok(claims()));
    let short = format!("{signed_part}.{}", base64url::encode([1; 63]));
    assert_eq!(check(&short), Err(JumpTokenError::Invalid(InvalidCause::Signature)));
    let foreign = with(&payload(), "iss", Some(json!("https://evil.example"))).to_string();
    let foreign = signed(&key, &header(&key, TYPE).to_string(), &foreign);
    assert_eq!(check(&foreign), Err(JumpTokenError::Invalid(InvalidCause::Issuer)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,300}", compact in "[A-Za-z0-9_-]{0,120}\\.[A-Za-z0-9_-]{0,300}\\.[A-Za-z0-9_-]{0,90}") {
        let (tokens, _) = tokens();
        prop_assert!(matches!(open(&tokens, &text), Err(JumpTokenError::Invalid(_))));
        prop_assert!(matches!(open(&tokens, &compact), Err(JumpTokenError::Invalid(_))));
    }

    #[test]
    fn no_mutation_of_a_token_passes(cut in any::<prop::sample::Index>(), take in 0_usize..20, insert in "[A-Za-z0-9_.={} -]{0,20}") {
        let (tokens, _) = tokens();
        let good = tokens.issue(&claims(), at(NOW)).unwrap();
        let start = cut.index(good.len());
        let end = (start + take).min(good.len());
        let bad = format!("{}{insert}{}", &good[..start], &good[end..]);
        prop_assume!(bad != good);
        prop_assert!(matches!(open(&tokens, &bad), Err(JumpTokenError::Invalid(_))));
    }

    #[test]
    fn no_signed_payload_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let (tokens, key) = tokens();
        let token = signed(&key, &header(&key, TYPE).to_string(), &String::from_utf8_lossy(&payload));
        prop_assert!(matches!(open(&tokens, &token), Err(JumpTokenError::Invalid(_))));
    }
}
