//! Shape, header and key: what is refused before a claim is looked at.

use super::super::super::caller::{CallerGrant, CallerTokens};
use super::*;
use crate::domain::caller::Role;
use crate::domain::ids::SubjectId;

#[test]
fn what_is_no_compact_token_is_refused() {
    let (tokens, _) = tokens();
    let good = tokens.issue(&claims(), at(NOW)).unwrap();
    for token in [
        String::new(),
        "a.b".to_owned(),
        "..".to_owned(),
        "a.b.c.d".to_owned(),
        "ä".repeat(10),
        "a".repeat(8_192),
        format!("{good}."),
        format!("{good}.a"),
        format!("{good}\n"),
        format!("{good}="),
        format!(" {good}"),
        format!("{}.b.c", "a".repeat(2_045)),
    ] {
        assert_eq!(cause(&tokens, &token), Some(InvalidCause::Format), "{token:?}");
    }
}

#[test]
fn the_json_serializations_are_refused() {
    let (tokens, _) = tokens();
    let good = tokens.issue(&claims(), at(NOW)).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] });
    let general = json!({
        "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }],
    });
    for token in [flattened, general] {
        assert_eq!(cause(&tokens, &token.to_string()), Some(InvalidCause::Format));
    }
}

#[test]
fn one_changed_character_anywhere_is_refused() {
    let (tokens, _) = tokens();
    let good = tokens.issue(&claims(), at(NOW)).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bytes).unwrap();
        assert!(matches!(open(&tokens, &bad), Err(JumpTokenError::Invalid(_))), "{at}");
    }
}

#[test]
fn trailing_bits_and_padding_are_refused() {
    let (tokens, _) = tokens();
    let good = tokens.issue(&claims(), at(NOW)).unwrap();
    // The last of 86 characters carries two bits of the signature and four that must be zero.
    let (rest, last) = good.split_at(good.len() - 1);
    let loose = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        _ => "x",
    };
    assert_eq!(cause(&tokens, &format!("{rest}{loose}")), Some(InvalidCause::Signature));
    assert_eq!(cause(&tokens, &format!("{good}==")), Some(InvalidCause::Format));
}

#[test]
fn no_other_algorithm_is_accepted() {
    let (tokens, key) = tokens();
    for alg in ["none", "None", "nOnE", "", "HS256", "es256", "ES384", "RS256", "EdDSA", "Ed25519"] {
        let header = with(&header(&key, TYPE), "alg", Some(json!(alg))).to_string();
        let kept = signed(&key, &header, &payload().to_string());
        assert_eq!(cause(&tokens, &kept), Some(InvalidCause::Header), "{alg}");
        let emptied = format!("{}.", kept.rsplit_once('.').unwrap().0);
        assert_eq!(cause(&tokens, &emptied), Some(InvalidCause::Format), "{alg}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let (tokens, key) = tokens();
    let (x, y) = key.public().coordinates();
    let point: Vec<u8> = [x, y].into_iter().flat_map(|part| base64url::decode(part).unwrap()).collect();
    // SubjectPublicKeyInfo of an uncompressed point on P-256 (RFC 5480).
    let mut der =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"
            .to_vec();
    der.extend_from_slice(&point);
    let lines = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &lines[..64], &lines[64..]);
    let secrets = [key.public().jwk().to_string().into_bytes(), pem.into_bytes(), der, point];

    for alg in ["HS256", "ES256"] {
        for secret in &secrets {
            let header = with(&header(&key, TYPE), "alg", Some(json!(alg))).to_string();
            let signed = format!("{}.{}", base64url::encode(header), base64url::encode(payload().to_string()));
            let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
            let code = aws_lc_rs::hmac::sign(&hmac_key, signed.as_bytes());
            // Once as it is, once stretched to the length of a signature.
            for code in [code.as_ref().to_vec(), code.as_ref().repeat(2)] {
                let token = format!("{signed}.{}", base64url::encode(code));
                let refused = cause(&tokens, &token);
                assert!(matches!(refused, Some(InvalidCause::Header | InvalidCause::Signature)), "{alg} {refused:?}");
            }
        }
    }
}

#[test]
fn a_key_in_the_header_is_refused() {
    let (tokens, key) = tokens();
    let attacker = SigningKey::generate().unwrap().0;
    for (member, value) in [
        ("jwk", attacker.public().jwk()),
        ("jku", json!("https://127.0.0.1:9/jwks")),
        ("x5u", json!("https://127.0.0.1:9/cert")),
        ("x5c", json!(["AA=="])),
        ("crit", json!(["x"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
    ] {
        let header = with(&header(&key, TYPE), member, Some(value)).to_string();
        for signer in [&attacker, &key] {
            let token = signed(signer, &header, &payload().to_string());
            assert_eq!(cause(&tokens, &token), Some(InvalidCause::Header), "{member}");
        }
    }
    let by_attacker = signed(&attacker, &header(&key, TYPE).to_string(), &payload().to_string());
    assert_eq!(cause(&tokens, &by_attacker), Some(InvalidCause::Signature));
}

#[test]
fn only_a_known_kid_is_accepted() {
    let (tokens, key) = tokens();
    let long = "k".repeat(1_024);
    let unknown = SigningKey::generate().unwrap().0;
    for kid in [unknown.kid(), "", "../../dev/null", "' OR 1=1", &long] {
        let header = with(&header(&key, TYPE), "kid", Some(json!(kid))).to_string();
        let refused = cause(&tokens, &signed(&key, &header, &payload().to_string()));
        assert_eq!(refused, Some(InvalidCause::UnknownKey).filter(|_| kid.len() < 1_024).or(refused), "{kid}");
        assert!(matches!(refused, Some(InvalidCause::UnknownKey | InvalidCause::Format)), "{kid}");
    }
    for kid in [None, Some(json!(null)), Some(json!(7)), Some(json!([key.kid()]))] {
        let header = with(&header(&key, TYPE), "kid", kid).to_string();
        assert_eq!(cause(&tokens, &signed(&key, &header, &payload().to_string())), Some(InvalidCause::Header));
    }
}

#[test]
fn a_header_has_each_member_once_and_is_an_object() {
    let (tokens, key) = tokens();
    let kid = key.kid();
    for header in [
        format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"{TYPE}","typ":"{TYPE}"}}"#),
        format!(r#"{{"alg":"none","alg":"ES256","kid":"{kid}","typ":"{TYPE}"}}"#),
        format!(r#"["ES256","{kid}","{TYPE}"]"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        "x".to_owned(),
    ] {
        let refused = cause(&tokens, &signed(&key, &header, &payload().to_string()));
        assert_eq!(refused, Some(InvalidCause::Header), "{header}");
    }
}

#[test]
fn another_type_is_refused() {
    let (tokens, key) = tokens();
    for typ in ["at+jwt", "JWT", "jwt", "cc-subj+jwt", "", "text/cc-jump+jwt"] {
        let token = signed(&key, &header(&key, typ).to_string(), &payload().to_string());
        assert_eq!(cause(&tokens, &token), Some(InvalidCause::Type), "{typ}");
    }
    for typ in ["CC-Jump+JWT", "application/cc-jump+jwt", "APPLICATION/cc-jump+jwt"] {
        let token = signed(&key, &header(&key, typ).to_string(), &payload().to_string());
        assert_eq!(open(&tokens, &token), Ok(claims()), "{typ}");
    }
}

#[test]
fn a_callers_token_is_no_jump() {
    let (caller_ring, caller_key) = ring();
    let callers = CallerTokens::new(caller_ring, ISSUER.to_owned(), "rechner-a".to_owned());
    let grant = CallerGrant {
        subject: SubjectId::parse("s").unwrap(),
        roles: vec![Role::Operator],
        tenant: None,
        broker_id: None,
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: Duration::from_mins(1),
    };
    let token = callers.mint(&grant, at(NOW), &Counting::from(1)).unwrap();
    let (tokens, key) = tokens();
    assert_eq!(cause(&tokens, &token), Some(InvalidCause::Type));

    // Nor do type, key and claims pass one by one.
    let [_, caller_payload] = opened(&token);
    let of_our_type = signed(&caller_key, &header(&caller_key, TYPE).to_string(), &payload().to_string());
    assert_eq!(cause(&tokens, &of_our_type), Some(InvalidCause::UnknownKey));
    let under_our_key = signed(&key, &header(&key, TYPE).to_string(), &caller_payload);
    assert_eq!(cause(&tokens, &under_our_key), Some(InvalidCause::Claims));
}
