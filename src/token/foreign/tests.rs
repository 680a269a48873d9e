use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::domain::caller::{Caller, CertificateThumbprint, TenantRole};
use crate::domain::issuer::{AssertableTenants, ClaimNames, ClaimPath};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const ISSUER: &str = "https://login.example.de";
const AUDIENCE: &str = "https://gateway.example.de";
const A: &str = "019a0b6e-6a00-7000-8000-00000000000a";
const B: &str = "019a0b6e-6a00-7000-8000-00000000000b";
const KID: &str = "key 1";

/// A key of the issuer's, with what its set says of it.
struct Key {
    encoding: EncodingKey,
    algorithm: Algorithm,
    jwk: Value,
}

impl Key {
    fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        Self {
            encoding: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
            algorithm: Algorithm::ES256,
            jwk: json!({ "kty": "EC", "crv": "P-256", "kid": KID, "x": base64url::encode(x), "y": base64url::encode(y) }),
        }
    }

    fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = base64url::encode(pair.public_key().as_ref());
        Self {
            encoding: EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()),
            algorithm: Algorithm::EdDSA,
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "kid": KID, "x": x }),
        }
    }

    fn rsa(algorithm: Algorithm) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
        let pkcs8: Pkcs8V1Der<'static> = pair.as_der().unwrap();
        // The library reads PKCS#1: the sequence within.
        Self {
            encoding: EncodingKey::from_rsa_der(pkcs1_of(pkcs8.as_ref())),
            algorithm,
            jwk: json!({
                "kty": "RSA", "kid": KID, "n": base64url::encode(&public.n), "e": base64url::encode(&public.e),
            }),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(claims.to_string()));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

/// The private key within a PKCS#8 document: its last member, an octet string.
fn pkcs1_of(pkcs8: &[u8]) -> &[u8] {
    // SEQUENCE, version, algorithm (rsaEncryption), OCTET STRING with a length of two bytes.
    let begin = pkcs8.windows(2).position(|two| two == [0x04, 0x82]).unwrap() + 4;
    &pkcs8[begin..]
}

fn path(text: &str) -> ClaimPath {
    ClaimPath::parse(text).unwrap()
}

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

/// An issuer of tenant A that may assert every role but operator.
fn profile() -> IssuerProfile {
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Operator);
    IssuerProfile {
        name: IssuerName::parse("login").unwrap(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        typ: "at+jwt".to_owned(),
        algorithms: BTreeSet::from(SignatureAlgorithm::ALL),
        claims: ClaimNames {
            tenant: path("tenant"),
            tenants: path("tenants"),
            roles: path("roles"),
            broker_id: path("broker_id"),
            customer_id: path("customer_id"),
            target_audience: path("target_audience"),
        },
        roles: roles.map(|role| (role.as_str().to_owned(), role)).collect(),
        tenants: AssertableTenants::Only(BTreeSet::from([tenant(A)])),
    }
}

fn issuer(profile: IssuerProfile, key: &Key) -> ForeignTokens {
    let tokens = ForeignTokens::new(profile);
    tokens.replace_keys(keys(&json!([key.jwk])).unwrap(), NOW);
    tokens
}

fn keys(keys: &Value) -> Result<ForeignKeys, JwkSetError> {
    ForeignKeys::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn header(key: &Key) -> Value {
    json!({ "alg": format!("{:?}", key.algorithm), "kid": KID, "typ": "at+jwt" })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "portal-1", "iat": NOW.unix_seconds(), "exp": NOW.unix_seconds() + 300,
        "tenant": A, "roles": ["portal"], "scope": "whatever",
    })
}

/// `object` with a member more, or another one.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

fn invalid(cause: InvalidCause) -> Result<VerifiedCaller, CallerTokenError> {
    Err(CallerTokenError::Invalid(cause))
}

#[test]
fn a_token_of_each_algorithm_says_who_calls() {
    for key in [Key::es256(), Key::ed25519(), Key::rsa(Algorithm::PS256), Key::rsa(Algorithm::RS256)] {
        let caller = issuer(profile(), &key).verify(&key.sign(&header(&key), &claims()), NOW).unwrap();
        let subject = SubjectId::parse("login:portal-1").unwrap();
        let expected = Caller::Tenant { tenant: tenant(A), role: TenantRole::Portal, subject };
        assert_eq!(caller.as_caller(Role::Portal, Some(tenant(A))), Some(expected), "{:?}", key.algorithm);
        assert_eq!(caller.as_caller(Role::Admin, Some(tenant(A))), None);
        assert_eq!(caller.expires_at, NOW.plus(Duration::from_secs(300)));
    }
}

#[test]
fn an_algorithm_counts_if_the_entry_and_the_key_have_it() {
    let key = Key::es256();
    let only_rsa = IssuerProfile { algorithms: BTreeSet::from([SignatureAlgorithm::Rs256]), ..profile() };
    let token = key.sign(&header(&key), &claims());
    assert_eq!(issuer(only_rsa, &key).verify(&token, NOW), invalid(InvalidCause::Header));
    // Signed with the one key, said to be signed with the other's algorithm.
    for alg in ["EdDSA", "PS256", "RS256"] {
        let token = key.sign(&with(header(&key), "alg", json!(alg)), &claims());
        assert_eq!(issuer(profile(), &key).verify(&token, NOW), invalid(InvalidCause::UnknownKey), "{alg}");
    }
    for alg in ["none", "None", "HS256", "ES384", "es256", ""] {
        let token = key.sign(&with(header(&key), "alg", json!(alg)), &claims());
        assert_eq!(issuer(profile(), &key).verify(&token, NOW), invalid(InvalidCause::Header), "{alg}");
    }
    let bound = Key { jwk: with(key.jwk.clone(), "alg", json!("ES384")), ..Key::es256() };
    assert_eq!(keys(&json!([bound.jwk])).unwrap_err(), JwkSetError::Empty, "bound to an algorithm that we do not take");
}

#[test]
fn a_header_brings_no_key_and_no_extension() {
    let key = Key::es256();
    let tokens = issuer(profile(), &key);
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", key.jwk.clone()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
    ] {
        let token = key.sign(&with(header(&key), member, value), &claims());
        assert_eq!(tokens.verify(&token, NOW), invalid(InvalidCause::Header), "{member}");
    }
    let harmless = key.sign(&with(header(&key), "x5t", json!("abc")), &claims());
    assert!(tokens.verify(&harmless, NOW).is_ok());
    for kid in [json!(""), json!("x".repeat(129)), json!("a\nb"), json!(null), json!(1)] {
        let token = key.sign(&with(header(&key), "kid", kid.clone()), &claims());
        assert_eq!(tokens.verify(&token, NOW), invalid(InvalidCause::Header), "{kid}");
    }
    let other = key.sign(&with(header(&key), "kid", json!("../../dev/null")), &claims());
    assert_eq!(tokens.verify(&other, NOW), invalid(InvalidCause::UnknownKey));
    for typ in [json!("JWT"), json!("cc-jump+jwt"), json!("")] {
        let token = key.sign(&with(header(&key), "typ", typ.clone()), &claims());
        assert_eq!(tokens.verify(&token, NOW), invalid(InvalidCause::Type), "{typ}");
    }
}

#[test]
fn a_signature_of_somebody_else_is_none() {
    let (key, other) = (Key::es256(), Key::es256());
    let tokens = issuer(profile(), &key);
    assert_eq!(tokens.verify(&other.sign(&header(&other), &claims()), NOW), invalid(InvalidCause::Signature));
    let token = key.sign(&header(&key), &claims());
    let (signed, _) = token.rsplit_once('.').unwrap();
    for signature in ["AA", "A", "AA=="] {
        assert!(tokens.verify(&format!("{signed}.{signature}"), NOW).is_err(), "{signature}");
    }
    let long = key.sign(&header(&key), &with(claims(), "filler", json!("x".repeat(FOREIGN_TOKEN_BYTES))));
    assert_eq!(tokens.verify(&long, NOW), invalid(InvalidCause::Format));
}

#[test]
fn a_token_is_from_its_issuer_and_for_us() {
    let key = Key::es256();
    let tokens = issuer(profile(), &key);
    let verify = |claims: Value| tokens.verify(&key.sign(&header(&key), &claims), NOW);
    assert!(verify(with(claims(), "aud", json!(["https://other.example", AUDIENCE]))).is_ok());
    for aud in [json!("https://other.example"), json!([]), json!([AUDIENCE, 1]), json!(42), json!(null)] {
        assert_eq!(verify(with(claims(), "aud", aud.clone())), invalid(InvalidCause::Audience), "{aud}");
    }
    for iss in [json!("https://evil.example"), json!([ISSUER]), json!(42)] {
        assert_eq!(verify(with(claims(), "iss", iss.clone())), invalid(InvalidCause::Issuer), "{iss}");
    }
    for name in ["iss", "aud"] {
        assert!(verify(without(claims(), name)).is_err(), "{name}");
    }
}

#[test]
fn a_token_has_a_life_of_a_day_at_most() {
    let key = Key::es256();
    let tokens = issuer(profile(), &key);
    let now = NOW.unix_seconds();
    let verify = |name: &str, value: Value| tokens.verify(&key.sign(&header(&key), &with(claims(), name, value)), NOW);
    assert!(verify("exp", json!(now + 86_400)).is_ok());
    for (name, value) in [
        ("exp", json!(now + 86_401)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(now + 6)),
        ("nbf", json!(now + 6)),
        ("exp", json!(now)),
    ] {
        assert_eq!(verify(name, value.clone()), invalid(InvalidCause::Time), "{name} {value}");
    }
    for (name, value) in [("exp", json!("soon")), ("exp", json!(1.5)), ("nbf", json!(null)), ("iat", json!("x"))] {
        assert_eq!(verify(name, value.clone()), invalid(InvalidCause::Claims), "{name} {value}");
    }
    let token = key.sign(&header(&key), &claims());
    assert!(tokens.verify(&token, NOW.plus(Duration::from_secs(304))).is_ok());
    assert_eq!(tokens.verify(&token, NOW.plus(Duration::from_secs(305))), Err(CallerTokenError::Expired));
}

#[test]
fn a_token_is_bound_to_a_certificate_or_not_taken() {
    let key = Key::es256();
    let verify = |cnf: Value| {
        let bound = with(claims(), "cnf", cnf);
        issuer(profile(), &key).verify(&key.sign(&header(&key), &bound), NOW)
    };
    let thumbprint = CertificateThumbprint([7; 32]);
    let text = base64url::encode(thumbprint.0);
    let bound_to = verify(json!({ "x5t#S256": text })).map(|caller| caller.bound_to);
    assert_eq!(bound_to, Ok(Some(thumbprint)));
    for cnf in
        [json!({ "x5t#S256": "abc" }), json!({ "jkt": text }), json!({ "x5t#S256": text, "jkt": text }), json!(null)]
    {
        assert_eq!(verify(cnf.clone()), invalid(InvalidCause::Binding), "{cnf}");
    }
}

#[test]
fn an_issuer_speaks_for_its_own_tenants_only() {
    let key = Key::es256();
    let tokens = issuer(profile(), &key);
    let verify = |claims: Value| tokens.verify(&key.sign(&header(&key), &claims), NOW);
    assert_eq!(verify(with(claims(), "tenant", json!(B))), invalid(InvalidCause::Claims));
    let both = with(without(claims(), "tenant"), "tenants", json!([B, A, A]));
    assert_eq!(verify(both).unwrap().tenants, [tenant(A)], "what it may not say counts for nothing");
    let twice = with(claims(), "tenants", json!([A]));
    assert_eq!(verify(twice), invalid(InvalidCause::Claims), "which one counts would be a guess");
    for bad in [json!("x"), json!([A]), json!(TenantId::SYSTEM.to_string()), json!(null)] {
        assert_eq!(verify(with(claims(), "tenant", bad.clone())), invalid(InvalidCause::Claims), "{bad}");
    }
    let nothing = IssuerProfile { tenants: AssertableTenants::Only(BTreeSet::new()), ..profile() };
    let verified = issuer(nothing, &key).verify(&key.sign(&header(&key), &claims()), NOW);
    assert_eq!(verified, invalid(InvalidCause::Claims));
    let all = issuer(IssuerProfile { tenants: AssertableTenants::All, ..profile() }, &key);
    assert_eq!(
        all.verify(&key.sign(&header(&key), &with(claims(), "tenant", json!(B))), NOW).unwrap().tenants,
        [tenant(B)]
    );
}

#[test]
fn an_issuer_asserts_its_own_roles_only_and_by_its_own_names() {
    let key = Key::es256();
    let renamed = IssuerProfile { roles: BTreeMap::from([("cc-admin".to_owned(), Role::Admin)]), ..profile() };
    let nested = IssuerProfile { claims: ClaimNames { roles: path("/realm/roles"), ..profile().claims }, ..profile() };
    for (profile, claims, roles) in [
        (profile(), claims(), Some(vec![Role::Portal])),
        (profile(), with(claims(), "roles", json!("portal")), Some(vec![Role::Portal])),
        (profile(), with(claims(), "roles", json!(["offline_access", "portal", "portal"])), Some(vec![Role::Portal])),
        (profile(), with(claims(), "roles", json!(["operator"])), None),
        (profile(), with(claims(), "roles", json!([])), None),
        (profile(), without(claims(), "roles"), None),
        (profile(), with(claims(), "roles", json!([["portal"]])), None),
        (renamed.clone(), with(claims(), "roles", json!(["cc-admin"])), Some(vec![Role::Admin])),
        (renamed, with(claims(), "roles", json!(["admin"])), None),
        (nested, with(claims(), "realm", json!({ "roles": ["admin"] })), Some(vec![Role::Admin])),
    ] {
        let verified = issuer(profile, &key).verify(&key.sign(&header(&key), &claims), NOW);
        assert_eq!(verified.ok().map(|caller| caller.roles), roles, "{claims}");
    }
}

#[test]
fn a_subject_is_its_issuers_own_unless_it_is_the_person_himself() {
    let key = Key::es256();
    let tokens = issuer(profile(), &key);
    let subject = |claims: Value| {
        let caller = tokens.verify(&key.sign(&header(&key), &claims), NOW).unwrap();
        caller.subject.as_str().to_owned()
    };
    let broker = with(with(claims(), "roles", json!(["broker"])), "broker_id", json!("b-1"));
    assert_eq!(subject(with(broker.clone(), "sub", json!("b-1"))), "b-1", "whoever vouches for him");
    assert_eq!(subject(with(broker.clone(), "sub", json!("staff"))), "login:staff");
    let portal = with(with(claims(), "broker_id", json!("b-1")), "sub", json!("b-1"));
    assert_eq!(subject(portal), "login:b-1", "a portal is no broker");

    let odd = subject(with(claims(), "sub", json!("auth0|7 ä")));
    assert!(odd.starts_with("login:sha256:"), "{odd}");
    let hash = odd.strip_prefix("login:").unwrap();
    assert_ne!(subject(with(claims(), "sub", json!(hash))), odd, "nobody can name himself after a hash");
    for sub in [json!(""), json!("x".repeat(256)), json!(1), json!(null)] {
        let token = key.sign(&header(&key), &with(claims(), "sub", sub.clone()));
        assert_eq!(tokens.verify(&token, NOW), invalid(InvalidCause::Claims), "{sub}");
    }
}

#[test]
fn without_keys_of_the_last_day_no_token_is_judged() {
    let key = Key::es256();
    let token = key.sign(&header(&key), &claims());
    let tokens = ForeignTokens::new(profile());
    assert_eq!(tokens.verify(&token, NOW), Err(CallerTokenError::KeysMissing));
    assert_eq!(tokens.unknown_kid(&token, NOW).as_deref(), Some(KID));
    tokens.replace_keys(keys(&json!([key.jwk])).unwrap(), NOW.minus(Duration::from_hours(24)));
    assert_eq!(tokens.verify(&token, NOW), Err(CallerTokenError::KeysMissing), "a day old");
    tokens.replace_keys(keys(&json!([key.jwk])).unwrap(), NOW.minus(Duration::from_hours(23)));
    assert!(tokens.verify(&token, NOW).is_ok());
    assert_eq!(tokens.unknown_kid(&token, NOW), None);
    assert_eq!(tokens.unknown_kid("a.b.c", NOW), None, "not a token of the issuer's kind");
}

#[test]
fn a_key_set_is_public_and_names_each_key_once() {
    let jwk = Key::es256().jwk;
    assert!(keys(&json!([jwk, with(Key::ed25519().jwk, "kid", json!("2"))])).is_ok());
    for member in ["d", "k", "p", "q"] {
        assert_eq!(
            keys(&json!([with(jwk.clone(), member, json!("AA"))])).unwrap_err(),
            JwkSetError::Private,
            "{member}"
        );
    }
    assert_eq!(keys(&json!([jwk, Key::es256().jwk])).unwrap_err(), JwkSetError::Twice);
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("kid", json!("")),
        ("crv", json!("P-384")),
        ("x", json!("AA")),
        ("kty", json!("oct")),
    ] {
        let left_out = keys(&json!([with(jwk.clone(), name, value.clone())])).unwrap_err();
        assert_eq!(left_out, JwkSetError::Empty, "{name} {value}");
    }
    assert!(keys(&json!([jwk, { "kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB" }])).unwrap().has(KID));
    assert!(!keys(&json!([jwk, { "kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB" }])).unwrap().has("weak"));
    for json in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#] {
        assert_eq!(ForeignKeys::parse(json.as_bytes()).unwrap_err(), JwkSetError::Format, "{json}");
    }
    assert_eq!(ForeignKeys::parse(&vec![b' '; JWK_SET_BYTES + 1]).unwrap_err(), JwkSetError::TooLarge);
    assert_eq!(keys(&json!(vec![jwk; 65])).unwrap_err(), JwkSetError::TooLarge);
}
