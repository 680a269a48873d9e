//! Callers with tokens of foreign issuers: of a real OpenID provider, and of those that misbehave.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concenter_gateway::proto::v1;
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::Code;

use super::auth::callers;
use crate::harness::*;
use crate::issuer::{Got, OpenIdProvider};

const INVALID: (Code, &str) = (Code::Unauthenticated, "CREDENTIAL_INVALID");
const TENANT_MISMATCH: (Code, &str) = (Code::PermissionDenied, "TENANT_MISMATCH");
const KEY_UNAVAILABLE: (Code, &str) = (Code::Unavailable, "KEY_UNAVAILABLE");
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that knows a foreign issuer, with the ids of the two firms.
struct Known {
    service: Service,
    a: String,
    b: String,
}

impl Known {
    /// The example with `issuer`, which may assert `roles` in the tenants that `tenants` makes of A and B.
    async fn of(issuer: &str, roles: Value, tenants: impl Fn(&str, &str) -> Value) -> Self {
        let World { service, a, b } = World::example().await;
        let (a, b) = (a.tenant, b.tenant);
        let entry = format!(
            "[[issuer]]\nname = \"login\"\nissuer = \"{issuer}\"\naudience = \"https://gateway.example.de\"\n\
             jwks_url = \"{issuer}/jwks\"\nroles = {roles}\ntenants = {}\n",
            tenants(&a, &b)
        );
        let file = service.directory().join("issuers.toml");
        fs::write(&file, entry).expect("a file");
        let service = service.restart(|settings| settings.issuers_file = Some(file)).await;
        Self { service, a, b }
    }

    /// Whoever has this token, at the second in which it was issued.
    fn bearer(&self, token: &str) -> Client {
        let payload = token.split('.').nth(1).expect("a payload");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
        self.service.clock.set(payload["iat"].as_i64().expect("an instant"));
        self.service.bearer(token)
    }
}

fn only_a(a: &str, _: &str) -> Value {
    json!([a])
}

async fn list(client: &Client) -> Result<(), (Code, String)> {
    let listed = client.catalog().list_targets(v1::ListTargetsRequest::default()).await;
    listed.map(drop).map_err(|status| reason(&status))
}

fn refused((code, reason): (Code, &str)) -> Result<(), (Code, String)> {
    Err((code, reason.to_owned()))
}

/// Calls until the answer is no more `refused`. An issuer is asked once a second at most.
async fn until_not(refused: (Code, &str), client: &Client) -> Result<(), (Code, String)> {
    let begun = Instant::now();
    loop {
        match list(client).await {
            Err((code, reason)) if (code, reason.as_str()) == refused => {
                assert!(begun.elapsed() < PATIENCE, "still {refused:?}");
                tokio::task::yield_now().await;
            }
            other => return other,
        }
    }
}

#[tokio::test]
async fn a_portal_jumps_with_a_token_of_its_own_provider() {
    let Some(mut provider) = OpenIdProvider::start("key-1") else { return };
    let known = Known::of(&provider.issuer(), json!(["portal"]), only_a).await;
    let token = provider.token(Got::ByClient, &json!({ "tenant": known.a, "roles": ["portal", "admin"] }));
    let portal = known.bearer(&token);
    let audit = known.service.audit().await;
    let jump = portal.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.expect("a jump").into_inner();
    let redeemed = known.service.target(X).jumps().redeem_jump(redeem(proof(&jump))).await.expect("a redemption");
    assert_eq!(redeemed.into_inner().tenant_id, known.a);
    let rows = known.service.audit_since(&audit).await;
    assert!(callers(&rows).contains(&("portal", known.a.as_str())), "{rows:?}");
    // It says that he is administrator as well, which it may not say.
    let users = status_of(portal.users().list_users(v1::ListUsersRequest::default()).await);
    assert_eq!(reason(&users), (Code::PermissionDenied, "ROLE".to_owned()));
}

#[tokio::test]
async fn a_broker_jumps_for_himself_with_a_token_that_he_got_by_logging_in() {
    let Some(mut provider) = OpenIdProvider::start("key-1") else { return };
    let known = Known::of(&provider.issuer(), json!(["broker"]), only_a).await;
    let claims = |broker: &str| json!({ "tenant": known.a, "roles": ["broker"], "broker_id": broker });
    let own = known.bearer(&provider.token(Got::ByUser, &claims("m.meier")));
    let jump = own.jumps().jump_to_tarif(to(X, None)).await.expect("a jump").into_inner();
    let redeemed = known.service.target(X).jumps().redeem_jump(redeem(proof(&jump))).await.expect("a redemption");
    // He logged in under another name than that of the broker: somebody acts for him.
    let role = redeemed.into_inner().actor.as_ref().map(v1::Actor::role);
    assert_eq!(role, Some(v1::ActorRole::BrokerStaff));
    let other = known.bearer(&provider.token(Got::ByUser, &claims("unbekannt")));
    let refused = status_of(other.jumps().jump_to_tarif(to(X, None)).await);
    assert_eq!(reason(&refused).0, Code::FailedPrecondition);
}

/// A07, A13
#[tokio::test]
async fn of_several_tenants_the_call_names_one_of_its_own() {
    let Some(mut provider) = OpenIdProvider::start("key-1") else { return };
    let known = Known::of(&provider.issuer(), json!(["portal"]), |a, b| json!([a, b])).await;
    let both = json!({ "tenants": [known.a, known.b], "roles": ["portal"] });
    let portal = known.bearer(&provider.token(Got::ByClient, &both));
    assert_eq!(list(&portal).await, refused(TENANT_MISMATCH), "which one is a guess");
    for tenant in [&known.a, &known.b] {
        let named = portal.clone().with("concenter-tenant", tenant);
        let jump = named.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.expect("a jump").into_inner();
        let redeemed = known.service.target(X).jumps().redeem_jump(redeem(proof(&jump))).await.expect("a redemption");
        assert_eq!(redeemed.into_inner().tenant_id, *tenant);
    }

    let only_a = known.bearer(&provider.token(Got::ByClient, &json!({ "tenant": known.a, "roles": ["portal"] })));
    let audit = known.service.audit().await;
    for other in [known.b.as_str(), NOBODY, "x"] {
        assert_eq!(list(&only_a.clone().with("concenter-tenant", other)).await, refused(TENANT_MISMATCH), "{other}");
    }
    let rows = known.service.audit_since(&audit).await;
    assert_eq!(callers(&rows), [("portal", known.a.as_str()); 3], "his own firm's log tells of it, and no other");
}

/// A04
#[tokio::test]
async fn an_issuer_says_nothing_that_its_entry_does_not_let_it() {
    let Some(mut provider) = OpenIdProvider::start("key-1") else { return };
    let known = Known::of(&provider.issuer(), json!(["portal"]), only_a).await;
    for claims in [
        json!({ "tenant": known.b, "roles": ["portal"] }),
        json!({ "tenant": known.a, "roles": ["admin"] }),
        json!({ "roles": ["operator"] }),
        json!({ "roles": ["portal"] }),
        json!({}),
    ] {
        let client = known.bearer(&provider.token(Got::ByClient, &claims));
        assert_eq!(list(&client).await, refused(INVALID), "{claims}");
    }
    let forged = provider.token(Got::ByClient, &json!({ "tenant": known.a, "roles": ["portal"] }));
    assert_eq!(list(&known.bearer(&forged)).await, Ok(()));
    let (signed, signature) = forged.rsplit_once('.').expect("a signature");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    assert_eq!(list(&known.bearer(&forged)).await, refused(INVALID));
}

#[tokio::test]
async fn a_new_key_of_an_issuer_is_learned_and_an_old_one_is_forgotten() {
    let Some(mut provider) = OpenIdProvider::start("key-1") else { return };
    let known = Known::of(&provider.issuer(), json!(["portal"]), only_a).await;
    let claims = json!({ "tenant": known.a, "roles": ["portal"] });
    let old = provider.token(Got::ByClient, &claims);
    assert_eq!(list(&known.bearer(&old)).await, Ok(()));
    let mut provider = provider.restart("key-2");
    let new = known.bearer(&provider.token(Got::ByClient, &claims));
    assert_eq!(until_not(INVALID, &new).await, Ok(()));
    assert_eq!(list(&known.service.bearer(&old)).await, refused(INVALID), "he was verified by a key that is gone");
}

#[tokio::test]
async fn an_issuer_that_is_away_stops_only_those_who_need_a_new_key() {
    let Some(mut provider) = OpenIdProvider::start("key-1") else { return };
    let known = Known::of(&provider.issuer(), json!(["portal"]), only_a).await;
    let claims = json!({ "tenant": known.a, "roles": ["portal"] });
    let [first, second] = [0, 1].map(|_| provider.token(Got::ByClient, &claims));
    assert_eq!(list(&known.bearer(&first)).await, Ok(()));
    let issuer = provider.issuer();
    drop(provider);
    assert_eq!(list(&known.bearer(&second)).await, Ok(()), "never seen before, by a key that is known");

    // A start without the issuer.
    let file = known.service.directory().join("issuers.toml");
    let service = known.service.restart(|settings| settings.issuers_file = Some(file)).await;
    assert_eq!(list(&service.bearer(&second)).await, refused(KEY_UNAVAILABLE), "it may be good");
    assert_eq!(list(&service.portal(&known.a)).await, Ok(()), "of the embedded issuer");
    assert!(issuer.starts_with("http://127.0.0.1:"));
}

/// An HTTP server that answers everything with `answer`, and counts.
fn answering(answer: String) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, asked) = (listener.local_addr().expect("an address"), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&asked);
    // Ends with the process: it waits for nobody and holds nothing.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4_096];
            // Whatever becomes of it, the next one is answered.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

/// A token of `issuer` by a key that nobody knows.
fn made_up(issuer: &str, kid: &str, tenant: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "ES256", "kid": kid, "typ": "at+jwt" }));
    let claims = part(json!({
        "iss": issuer, "aud": "https://gateway.example.de", "sub": "x", "iat": 1_800_000_000, "exp": 1_800_000_100,
        "tenant": tenant, "roles": ["portal"],
    }));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 64]))
}

#[tokio::test]
async fn an_issuer_is_asked_at_its_own_place_only_and_not_for_every_name_that_somebody_makes_up() {
    let (elsewhere, heard_elsewhere) =
        answering("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}".to_owned());
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/jwks\r\ncontent-length: 0\r\n\r\n");
    let (issuer, heard) = answering(redirect);
    let issuer = format!("http://{issuer}");
    let known = Known::of(&issuer, json!(["portal"]), only_a).await;
    let begun = Instant::now();
    for number in 0..50 {
        let client = known.bearer(&made_up(&issuer, &format!("kid-{number}"), &known.a));
        assert_eq!(list(&client).await, refused(KEY_UNAVAILABLE));
    }
    // The one at the start, the first, and one a second.
    let most = 3 + u32::try_from(begun.elapsed().as_secs()).expect("a short test");
    let asked = heard.load(Ordering::SeqCst);
    assert!((1..=most).contains(&asked), "{asked} times");
    assert_eq!(heard_elsewhere.load(Ordering::SeqCst), 0, "a redirect is not followed");
}

#[tokio::test]
async fn keys_that_are_no_key_set_are_not_taken() {
    let private = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA","d":"AA"}]}"#;
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(300_000));
    for body in ["", "<html>", r#"{"keys":[]}"#, private, &long] {
        let (issuer, _) = answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        let issuer = format!("http://{issuer}");
        let known = Known::of(&issuer, json!(["portal"]), only_a).await;
        let client = known.bearer(&made_up(&issuer, "k", &known.a));
        assert_eq!(list(&client).await, refused(KEY_UNAVAILABLE), "{}", &body[..body.len().min(40)]);
    }
}
