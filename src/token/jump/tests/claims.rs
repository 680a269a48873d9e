//! Claims that are not exactly those of a jump, each in a correctly signed token.

use super::*;

#[test]
fn a_missing_or_additional_claim_is_refused() {
    for claim in ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "tid", "ek", "seg", "ep"] {
        assert_eq!(cause_with(claim, None), Some(InvalidCause::Claims), "{claim}");
        assert_eq!(cause_with(claim, Some(json!(null))), Some(InvalidCause::Claims), "{claim}");
    }
    for claim in ["crit", "azp", "user", "Aud", "cnf"] {
        assert_eq!(cause_with(claim, Some(json!("x"))), Some(InvalidCause::Claims), "{claim}");
    }
}

#[test]
fn a_claim_of_another_type_is_refused() {
    for (claim, value) in [
        ("aud", json!(42)),
        ("aud", json!({})),
        ("aud", json!(["rechner-b", "rechner-a"])),
        ("aud", json!(["rechner-a"])),
        ("iss", json!(42)),
        ("iss", json!(["https://evil", ISSUER])),
        ("nbf", json!("never")),
        ("exp", json!("x")),
        ("exp", json!(1_700_000_060.0)),
        ("exp", json!(u64::MAX)),
        ("iat", json!(1.7e9)),
        ("iat", json!(true)),
        ("sub", json!(7)),
        ("ek", json!("true")),
        ("ek", json!(1)),
        ("seg", json!({ "private": null })),
        ("ep", json!("3")),
        ("act", json!(null)),
        ("act", json!("x")),
        ("act", json!([base64url::encode([3; 32]), "portal_user"])),
        ("act", json!({ "sub": base64url::encode([3; 32]) })),
        ("act", json!({ "sub": base64url::encode([3; 32]), "role": "portal_user", "act": {} })),
        ("n", json!(null)),
        ("n", json!(7)),
    ] {
        assert_eq!(cause_with(claim, Some(value.clone())), Some(InvalidCause::Claims), "{claim}: {value}");
    }
}

#[test]
fn a_claim_of_another_form_is_refused() {
    let name = base64url::encode([3; 32]);
    for (claim, value) in [
        ("sub", json!("")),
        ("sub", json!("x".repeat(42))),
        ("sub", json!("x".repeat(43))),
        ("sub", json!(format!("{name}="))),
        ("jti", json!("x".repeat(31))),
        ("jti", json!("x".repeat(33))),
        ("jti", json!(" ".repeat(32))),
        ("tid", json!("7")),
        ("tid", json!("018bcfe568007000800000000000000")),
        ("tid", json!("00000000-0000-0000-0000-000000000000")),
        ("seg", json!("Private")),
        ("seg", json!("")),
        ("aud", json!("Rechner A")),
        ("act", json!({ "sub": "x", "role": "portal_user" })),
        ("act", json!({ "sub": name, "role": "admin" })),
        ("n", json!("")),
        ("n", json!("a b")),
        ("n", json!("x".repeat(65))),
    ] {
        assert_eq!(cause_with(claim, Some(value.clone())), Some(InvalidCause::Claims), "{claim}: {value}");
    }
}

#[test]
fn a_claim_that_stands_twice_is_refused() {
    for claim in ["aud", "tid", "exp", "ek"] {
        let (text, value) = (payload().to_string(), payload()[claim].clone());
        let doubled = format!(r#"{{"{claim}":{value},{}"#, &text[1..]);
        assert_eq!(cause_of_payload(&doubled), Some(InvalidCause::Claims), "{claim}");
    }
}

#[test]
fn a_payload_that_is_no_object_is_refused() {
    let values: Vec<Value> = payload().as_object().unwrap().values().cloned().collect();
    for payload in [json!(values).to_string(), "null".to_owned(), "x".to_owned(), format!("{} x", payload())] {
        assert_eq!(cause_of_payload(&payload), Some(InvalidCause::Claims), "{payload}");
    }
}

#[test]
fn a_broker_with_a_segment_is_refused() {
    assert_eq!(cause_with("ek", Some(json!(false))), Some(InvalidCause::Claims));
}

#[test]
fn another_issuer_or_audience_is_refused() {
    assert_eq!(cause_with("iss", Some(json!("https://evil.example"))), Some(InvalidCause::Issuer));
    assert_eq!(cause_with("iss", Some(json!("https://cc.example/"))), Some(InvalidCause::Issuer));
    assert_eq!(cause_with("aud", Some(json!("rechner-b"))), Some(InvalidCause::Audience));
}
