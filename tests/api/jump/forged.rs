//! Forgeries: one answer for all of them, without asking the database, and the jump can still be redeemed.

use std::io::ErrorKind;
use std::net::TcpListener;

use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use serde_json::{Value, json};
use tonic::Code;

use crate::harness::*;

/// A good jump of `c-1` into [`X`], and the means to forge others like it.
struct Bench {
    world: World,
    x: Client,
    jump: v1::JumpToTarifResponse,
    good: Token,
}

impl Bench {
    async fn set_up() -> Self {
        let world = World::example().await;
        let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
        let good = Token::read(&token(&jump));
        Self { x: world.service.target(X), world, jump, good }
    }

    /// Asserts that [`X`] gets nothing for this token, in the one way that tells nothing.
    async fn is_invalid(&self, forged: impl Into<String>) {
        self.is_invalid_proof(Proof::Token(forged.into())).await;
    }

    async fn is_invalid_proof(&self, forged: Proof) {
        let (Proof::Token(shown) | Proof::Handle(shown)) = forged.clone();
        let Err(status) = self.x.jumps().redeem_jump(redeem(forged)).await else { panic!("it redeemed: {shown}") };
        assert_eq!(reason(&status), (Code::PermissionDenied, "JUMP_INVALID".to_owned()), "{shown}");
        assert_eq!(fields(&status), Vec::<String>::new());
    }

    /// Asserts that nothing happened meanwhile: the good token still redeems its jump, and no forgery left a row.
    async fn stays_untouched(self) {
        let rows = self.world.service.audit().await;
        assert!(rows.iter().all(|row| row.action != "jump.redeem"), "a forger could fill the audit log");
        assert!(self.x.jumps().redeem_jump(redeem(proof(&self.jump))).await.is_ok(), "the jump was used up");
    }
}

/// J03
#[tokio::test]
async fn what_is_no_token_is_invalid() {
    let bench = Bench::set_up().await;
    let good = token(&bench.jump);
    for text in ["..", "a.b", "a.b.c.d", "a.b.c", "ä.b.c", ".", "null", "{}", "Bearer a.b.c"] {
        bench.is_invalid(text).await;
    }
    bench.is_invalid("x".repeat(8 * 1024)).await;
    bench.is_invalid(format!("{}.b.c", "a".repeat(8 * 1024))).await;
    for text in [format!("{good}."), format!(".{good}"), format!("{good}\n"), format!(" {good}"), format!("{good}=")] {
        bench.is_invalid(text).await;
    }
    for handle in ["..", "x", &good, &format!("{}.", bench.world.a.tenant), &format!("{}.a", bench.world.a.tenant)] {
        bench.is_invalid_proof(Proof::Handle(handle.to_owned())).await;
    }
    bench.stays_untouched().await;
}

/// J03: whose log it would be is what the forger says.
#[tokio::test]
async fn a_made_up_handle_leaves_no_row() {
    let bench = Bench::set_up().await;
    let code = "A".repeat(43);
    for tenant in [&bench.world.a.tenant, &bench.world.b.tenant, NOBODY, "00000000-0000-0000-0000-000000000000"] {
        bench.is_invalid_proof(Proof::Handle(format!("{tenant}.{code}"))).await;
    }
    bench.stays_untouched().await;
}

/// J03
#[tokio::test]
async fn an_empty_proof_is_refused() {
    let bench = Bench::set_up().await;
    bench.is_invalid("").await;
    bench.is_invalid_proof(Proof::Handle(String::new())).await;
    let none = v1::RedeemJumpRequest { proof: None, nonce: None };
    let status = status_of(bench.x.jumps().redeem_jump(none).await);
    assert_eq!(reason(&status), (Code::PermissionDenied, "JUMP_INVALID".to_owned()));
    bench.stays_untouched().await;
}

/// J03: with the tables gone whoever asks the database fails.
#[tokio::test]
async fn a_forged_token_costs_no_query() {
    let bench = Bench::set_up().await;
    let forged = bench.good.signed_by(&Attacker::new().key);
    let mut shell = bench.world.service.lawless_shell().await;
    for sql in [
        "ALTER TABLE jump RENAME TO jump_gone",
        "ALTER TABLE audit_entry RENAME TO audit_entry_gone",
        "ALTER TABLE person_salt RENAME TO person_salt_gone",
    ] {
        shell.execute(sql, &[]).await.expect(sql);
    }
    bench.is_invalid("a.b").await;
    bench.is_invalid("..").await;
    bench.is_invalid("x".repeat(8 * 1024)).await;
    bench.is_invalid(forged).await;
    let status = status_of(bench.x.jumps().redeem_jump(redeem(proof(&bench.jump))).await);
    assert_ne!(status.code(), Code::PermissionDenied, "a good token does ask");
    assert!(!everything(&status).contains("person_salt"), "the database's words are not for callers");
}

/// J04
#[tokio::test]
async fn a_token_with_any_byte_changed_is_invalid() {
    let bench = Bench::set_up().await;
    let good = token(&bench.jump);
    for (at, byte) in good.bytes().enumerate() {
        // Within the alphabet, and out of it.
        for other in [if byte == b'A' { b'B' } else { b'A' }, byte ^ 1] {
            let mut forged = good.clone().into_bytes();
            forged[at] = other;
            bench.is_invalid(String::from_utf8(forged).expect("ASCII")).await;
        }
    }
    bench.stays_untouched().await;
}

/// J04
#[tokio::test]
async fn a_token_whose_claims_were_changed_is_invalid() {
    let bench = Bench::set_up().await;
    let tenant_b = json!(bench.world.b.tenant);
    for (claim, value) in
        [("sub", json!("A".repeat(43))), ("aud", json!(P)), ("tid", tenant_b), ("ek", json!(false)), ("ep", json!(0))]
    {
        bench.is_invalid(bench.good.with_claim(claim, value).compact()).await;
    }
    bench.stays_untouched().await;
}

/// J05
#[tokio::test]
async fn a_token_without_an_algorithm_is_invalid() {
    let bench = Bench::set_up().await;
    let forge = Forge::of(&bench.world.service).await;
    for alg in ["none", "None", "nOnE", "NONE", "", "ES384", "es256", "EdDSA", "RS256"] {
        let forged = bench.good.with_header("alg", json!(alg));
        bench.is_invalid(forged.compact()).await;
        bench.is_invalid(Token { signature: String::new(), ..forged.clone() }.compact()).await;
        bench.is_invalid(forged.signed_by(&forge.jump)).await;
    }
    bench.stays_untouched().await;
}

/// J06
#[tokio::test]
async fn our_public_key_is_not_taken_for_a_shared_secret() {
    let bench = Bench::set_up().await;
    let answer = bench.x.jumps().get_jwks(v1::GetJwksRequest {}).await.expect("keys").into_inner();
    let jwks: Value = serde_json::from_str(&answer.jwks).expect("JSON");
    let jwk = &jwks["keys"][0];
    let point = [decode(jwk["x"].as_str().expect("x")), decode(jwk["y"].as_str().expect("y"))].concat();
    let der = spki(&point);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines(&STANDARD.encode(&der)));
    let secrets = [
        answer.jwks.clone().into_bytes(),
        jwk.to_string().into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        pem.into_bytes(),
        der,
        [vec![4], point.clone()].concat(),
        point,
        Vec::new(),
    ];
    let hs256 = bench.good.with_header("alg", json!("HS256"));
    for secret in secrets {
        bench.is_invalid(hs256.mac_with(&secret)).await;
        // And with the algorithm left as it was.
        bench.is_invalid(bench.good.mac_with(&secret)).await;
    }
    bench.stays_untouched().await;
}

/// A `SubjectPublicKeyInfo` of a P-256 key (RFC 5480, section 2): a fixed prefix before the point.
fn spki(point: &[u8]) -> Vec<u8> {
    const PREFIX: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    [PREFIX, point].concat()
}

/// Lines of 64 characters (RFC 7468, section 2).
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    lines.join("\n")
}

/// J07
#[tokio::test]
async fn a_key_that_a_token_brings_or_points_at_is_not_used() {
    let bench = Bench::set_up().await;
    let (attacker, forge) = (Attacker::new(), Forge::of(&bench.world.service).await);
    let sentinel = TcpListener::bind("127.0.0.1:0").expect("a port");
    sentinel.set_nonblocking(true).expect("a listener that does not wait");
    let url = json!(format!("http://{}/keys.json", sentinel.local_addr().expect("an address")));
    let members = [
        ("jwk", attacker.jwk.clone()),
        ("jku", url.clone()),
        ("x5u", url.clone()),
        ("x5c", json!([STANDARD.encode(spki(&attacker.key.public_key().as_ref()[1..]))])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("unknown", json!(1)),
    ];
    for (member, value) in members {
        let ours = bench.good.with_header(member, value);
        let theirs = ours.with_header("kid", json!(attacker.kid));
        bench.is_invalid(ours.signed_by(&attacker.key)).await;
        bench.is_invalid(theirs.signed_by(&attacker.key)).await;
        // Even under our own signature: the header has three members.
        bench.is_invalid(ours.signed_by(&forge.jump)).await;
    }
    let caller = sentinel.accept().map(|(_, address)| address);
    assert_eq!(caller.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "a connection went out");
    bench.stays_untouched().await;
}

/// J08
#[tokio::test]
async fn a_key_id_that_is_not_ours_is_invalid() {
    let bench = Bench::set_up().await;
    let (attacker, forge) = (Attacker::new(), Forge::of(&bench.world.service).await);
    let callers_kid = Token::read(&bench.world.service.mint(&grant(Role::Operator, "operator"))).header["kid"].clone();
    let kids = [
        json!(attacker.kid),
        json!("../../dev/null"),
        json!("x".repeat(1024)),
        json!("' OR 1=1"),
        json!(""),
        json!(null),
        json!(1),
        json!([bench.good.header["kid"]]),
        callers_kid,
    ];
    for kid in kids {
        let forged = bench.good.with_header("kid", kid);
        bench.is_invalid(forged.signed_by(&attacker.key)).await;
        bench.is_invalid(forged.signed_by(&forge.jump)).await;
        bench.is_invalid(forged.signed_by(&forge.caller)).await;
    }
    for member in ["kid", "alg", "typ"] {
        bench.is_invalid(bench.good.without_header(member).signed_by(&forge.jump)).await;
    }
    bench.stays_untouched().await;
}

/// J09
#[tokio::test]
async fn a_token_in_json_serialisation_is_invalid() {
    let bench = Bench::set_up().await;
    let good = token(&bench.jump);
    let parts: Vec<_> = good.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] });
    let general = json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] });
    for json in [flattened, general] {
        bench.is_invalid(json.to_string()).await;
        bench.is_invalid(encode(json.to_string().as_bytes())).await;
    }
    bench.stays_untouched().await;
}

#[tokio::test]
async fn tokens_of_another_kind_are_invalid() {
    let bench = Bench::set_up().await;
    let forge = Forge::of(&bench.world.service).await;
    let service = &bench.world.service;
    bench.is_invalid(service.mint(&within(&bench.world.a.tenant, grant(Role::Admin, "admin")))).await;
    for typ in ["at+jwt", "JWT", "", "cc-subj+jwt"] {
        bench.is_invalid(bench.good.with_header("typ", json!(typ)).signed_by(&forge.jump)).await;
    }
    bench.is_invalid(bench.good.signed_by(&forge.caller)).await;
    bench.stays_untouched().await;
}

/// Claims of another type or size, each under our own signature: only the front door stands in the way.
#[tokio::test]
async fn claims_that_we_never_write_are_invalid_even_if_we_signed_them() {
    let bench = Bench::set_up().await;
    let forge = Forge::of(&bench.world.service).await;
    let now = bench.world.service.now();
    let claims = [
        ("aud", json!([X])),
        ("aud", json!(42)),
        ("iss", json!([bench.good.payload["iss"]])),
        ("iss", json!("https://issuer.example")),
        ("exp", json!("soon")),
        ("exp", json!(u64::MAX)),
        ("exp", json!(now + 3600)),
        ("exp", json!(60.5)),
        ("nbf", json!(now + 3600)),
        ("iat", json!(now + 6)),
        ("jti", json!("AAAA")),
        ("tid", json!("A")),
        ("act", json!(["a", "b"])),
        ("admin", json!(true)),
    ];
    for (claim, value) in claims {
        bench.is_invalid(bench.good.with_claim(claim, value).signed_by(&forge.jump)).await;
    }
    bench.stays_untouched().await;
}

/// An epoch that this replica has not heard of may have begun; the row knows in which one the jump was issued.
#[tokio::test]
async fn a_token_of_another_epoch_than_its_row_is_invalid() {
    let bench = Bench::set_up().await;
    let forge = Forge::of(&bench.world.service).await;
    bench.is_invalid(bench.good.with_claim("ep", json!(2)).signed_by(&forge.jump)).await;
}

/// A token that we signed for a jump that was never recorded: the row decides, not the signature.
#[tokio::test]
async fn a_signature_without_a_row_is_invalid() {
    let bench = Bench::set_up().await;
    let forge = Forge::of(&bench.world.service).await;
    let tenant_b = json!(bench.world.b.tenant);
    for (claim, value) in
        [("jti", json!("A".repeat(32))), ("tid", tenant_b), ("tid", json!(NOBODY)), ("sub", json!("A".repeat(43)))]
    {
        bench.is_invalid(bench.good.with_claim(claim, value).signed_by(&forge.jump)).await;
    }
    assert!(bench.x.jumps().redeem_jump(redeem(proof(&bench.jump))).await.is_ok(), "the jump was used up");
}

/// T02: from every ECDSA signature anybody can compute a second one that verifies too.
#[tokio::test]
async fn the_twin_of_a_signature_does_not_redeem_a_second_time() {
    let bench = Bench::set_up().await;
    let good = token(&bench.jump);
    let (signed, signature) = good.rsplit_once('.').expect("a compact token");
    let twin = format!("{signed}.{}", twin(signature));
    assert_ne!(good, twin);
    bench.x.jumps().redeem_jump(redeem(Proof::Token(twin))).await.expect("the twin is authentic");
    let status = status_of(bench.x.jumps().redeem_jump(redeem(Proof::Token(good))).await);
    assert_eq!(reason(&status), (Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED".to_owned()));
}

/// (r, n - s) for (r, s), where n is the order of P-256.
fn twin(signature: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut bytes = decode(signature);
    let mut borrow = 0;
    for (digit, order) in bytes[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    encode(&bytes)
}
