//! The commands that work on the data directory themselves.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use concenter_gateway::proto::admin::v1::ListTenantsRequest;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use tonic::Request;
use tonic::transport::Channel;

use super::place::Place;

/// What `check` looks at.
pub(crate) const CHECKS: [&str; 7] = [
    "the database opens",
    "its schema is that of this program",
    "nothing of it is damaged",
    "it holds the keys of a service",
    "the key file is whole and private",
    "the key file is that of this database",
    "the keys of the service open",
];

/// The steps of the demonstration, with what comes of each.
const STORY: [(&str, &str); 20] = [
    ("create_users", "ok"),
    ("table", "ok"),
    ("broker_jump", "issued"),
    ("broker_redeem", "redeemed vm.meier"),
    ("broker_portal_jump", "issued"),
    ("broker_portal_redeem", "redeemed vm.schulz"),
    ("private_1_jump", "issued"),
    ("private_1_redeem", "redeemed privatkunden"),
    ("private_2_jump", "issued"),
    ("private_2_redeem", "redeemed privatkunden"),
    ("commercial_jump", "issued"),
    ("commercial_redeem", "redeemed gewerbekunden"),
    ("fallback_jump", "issued"),
    ("fallback_redeem", "redeemed privatkunden"),
    ("refuse_insurer_portal", "refused INSURER_PORTAL_FORBIDDEN"),
    ("refuse_no_activation", "refused NO_USER_ASSIGNED"),
    ("refuse_not_end_customer", "refused ENDKUNDE_REQUIRED"),
    ("refuse_provider", "refused PROVIDER_NOT_ALLOWED"),
    ("refuse_second_redeem", "refused JUMP_ALREADY_REDEEMED"),
    ("refuse_foreign_tenant", "refused NOT_FOUND"),
];

#[test]
fn sigterm_ends_the_service_in_order() {
    assert_eq!(Place::new().serve().stop(), Some(0));
}

#[test]
fn a_second_service_on_the_same_data_is_told_who_has_it() {
    let place = Place::new();
    let first = place.serve();
    let second = place.run(&["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
    assert!(second.error(78).contains(&format!("process {}", first.pid())), "{second:?}");
    assert_eq!(second.out, "");
}

#[test]
fn an_address_in_use_may_be_free_later() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    let ended = Place::new().run(&["serve", "--grpc-addr", &address, "--http-addr", "127.0.0.1:0"]);
    assert!(ended.error(1).contains(&address), "{ended:?}");
}

/// F20
#[test]
fn a_service_without_its_key_file_ends_with_78() {
    let place = Place::served();
    let file = place.key_file();
    fs::remove_file(&file).expect("no key file");
    let ended = place.run(&["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
    let error = ended.error(78);
    assert!(error.contains(&*file.to_string_lossy()) && error.contains("restore it from its backup"), "{error}");
    assert_eq!(ended.out, "");
}

/// F21
#[test]
fn a_service_whose_key_file_is_damaged_ends_with_78() {
    let place = Place::served();
    let file = place.key_file();
    let damaged = fs::read_to_string(&file).expect("the key file").replace("cckek1", "cckek2");
    fs::write(&file, damaged).expect("a damaged file");
    let ended = place.run(&["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
    let error = ended.error(78);
    assert!(error.contains(&*file.to_string_lossy()) && error.contains("damaged"), "{error}");
}

#[test]
fn an_issuers_file_that_cannot_be_used_ends_with_78_and_is_named() {
    let place = Place::new();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("issuers.toml");
    let (name, keys) = (file.to_string_lossy().into_owned(), directory.path().join("keys.json"));
    let run =
        || place.run(&["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--issuers-file", &name]);
    let missing = run();
    assert!(missing.error(78).contains(&name) && missing.err.contains("--issuers-file"), "{missing:?}");

    let entry =
        "[[issuer]]\nname = \"login\"\nissuer = \"https://a.example\"\naudience = \"us\"\njwks_file = \"keys.json\"\n";
    for (text, told) in [
        ("[[issuer]]\nnane = \"login\"\n".to_owned(), "nane"),
        (format!("{entry}algorithms = [\"none\"]\n"), "`algorithms`"),
        (entry.to_owned(), "keys.json"),
        (entry.replace("https://a.example", "urn:concenter:embedded-issuer"), "keys.json"),
    ] {
        fs::write(&file, text).expect("a file");
        let refused = run();
        assert!(refused.error(78).contains(told), "{told}: {refused:?}");
    }
    fs::write(&keys, r#"{"keys":[{"kty":"oct","kid":"k","k":"AA"}]}"#).expect("a file");
    let refused = run();
    assert!(refused.error(78).contains("issuer login"), "{refused:?}");
    let key = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
    fs::write(&keys, key).expect("a file");
    fs::write(&file, entry.replace("https://a.example", "urn:concenter:embedded-issuer")).expect("a file");
    let refused = run();
    assert!(refused.error(78).contains("two issuers have the same `issuer`"), "{refused:?}");
    assert!(place.run(&["serve", "--issuers-file", ""]).code != Some(0));
}

#[tokio::test]
async fn a_token_minted_beside_the_service_is_taken_by_it() {
    let place = Place::new();
    let service = place.serve();
    let minted = place.run(&["token", "--role", "operator"]);
    assert_eq!((minted.code, minted.err.as_str()), (Some(0), ""));
    let token = minted.out.strip_suffix('\n').expect("one line");

    let channel = Channel::from_shared(service.grpc()).expect("an address").connect().await.expect("a connection");
    let mut tenants = TenantServiceClient::new(channel);
    let refused = tenants.list_tenants(ListTenantsRequest::default()).await.expect_err("no credential");
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let mut request = Request::new(ListTenantsRequest::default());
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().expect("a token and nothing else"));
    tenants.list_tenants(request).await.expect("a list");
}

#[test]
fn a_token_without_the_claims_of_its_role_is_wrong_usage() {
    let ended = Place::new().run(&["token", "--role", "broker"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.starts_with("error: a token of role broker needs --tenant\n"), "{}", ended.err);
}

#[test]
fn a_token_of_an_unknown_tenant_is_wrong_usage() {
    let unknown = "99999999-0000-7000-8000-000000000009";
    let ended = Place::served().run(&["token", "--role", "portal", "--tenant", unknown]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("the database has no such tenant: `concenter tenant list` shows"), "{}", ended.err);
    let ended = Place::new().run(&["token", "--role", "portal", "--tenant", "Makler Nord"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("must be a UUID like 0190f5fe-"), "{}", ended.err);
}

#[test]
fn a_wrong_flag_is_wrong_usage() {
    for words in [["serve", "--fly"], ["token", "--fly"], ["migrate", "--fly"], ["check", "--fly"], ["demo", "--fly"]] {
        let ended = Place::new().run(&words);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(ended.err.contains("--fly") && ended.err.contains("Usage: concenter "), "{}", ended.err);
    }
}

#[test]
fn a_bad_password_file_is_told_with_the_flag_that_names_it() {
    // Nobody is asked: the file is read before.
    const URL: &str = "postgres://me@127.0.0.1:1/makler";
    let place = Place::new();
    let (gone, long) = (place.path().join("gone"), place.path().join("long"));
    fs::write(&long, "geheim\ngeheimer\n").expect("a file");
    for (flag, words) in [
        ("--database-password-file", &["check", "--database-url", URL][..]),
        ("--role-password-file", &["migrate", "--database-url", URL, "--create-role", "concenter"]),
        ("--to-password-file", &["migrate", "--from", "elsewhere", "--to", URL]),
    ] {
        for file in [&gone, &long] {
            let file = file.to_str().expect("a path");
            let ended = place.run(&[words, &[flag, file]].concat());
            assert!(ended.error(78).contains(&format!("{file} ({flag})")), "{words:?}: {ended:?}");
            assert!(!ended.err.contains("geheim"), "the password is told: {}", ended.err);
        }
    }
}

#[test]
fn migrate_makes_a_database_and_says_so() {
    let place = Place::new();
    let made = place.run(&["migrate"]);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    assert!(made.out.ends_with(" was made\n"), "{}", made.out);
    let again = place.run(&["migrate"]);
    assert_eq!(again.code, Some(0));
    assert!(again.out.ends_with(" was up to date\n"), "{}", again.out);
}

#[test]
fn migrate_beside_a_service_is_told_who_has_the_data() {
    let place = Place::new();
    let service = place.serve();
    let ended = place.run(&["migrate"]);
    assert!(ended.error(78).contains(&format!("process {}", service.pid())), "{ended:?}");
    assert_eq!(ended.out, "");
}

#[test]
fn check_says_of_each_thing_that_it_is_in_order() {
    let ended = Place::served().run(&["check"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), CHECKS.map(|check| format!("ok      {check}")));
}

#[test]
fn check_stops_at_a_missing_key_file() {
    let place = Place::served();
    let file = place.key_file();
    fs::remove_file(&file).expect("no key file");
    let ended = place.run(&["check"]);
    assert!(ended.error(78).contains(&*file.to_string_lossy()), "{ended:?}");
    let mut lines: Vec<_> = CHECKS[..4].iter().map(|check| format!("ok      {check}")).collect();
    lines.push(format!("FAILED  {}", CHECKS[4]));
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn the_demonstration_tells_its_story_and_leaves_nothing_behind() {
    let place = Place::new();
    let ended = place.run(&["demo", "--once", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told: Vec<_> = ended.out.lines().map(told).collect();
    assert_eq!(told, STORY.map(|(step, outcome)| (step.to_owned(), outcome.to_owned())));
    assert!(is_empty(place.path()), "its data is still there");
}

/// A line of the demonstration: the step, and its outcome with the con:center user or the reason.
fn told(line: &str) -> (String, String) {
    let object: serde_json::Value = serde_json::from_str(line).expect("an object");
    let text = |name: &str| object.get(name).map(|value| value.as_str().expect("a text").to_owned());
    let outcome = [text("outcome"), text("concenter_user"), text("reason")];
    (text("step").expect("a step"), outcome.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}
