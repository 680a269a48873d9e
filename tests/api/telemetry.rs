//! What the service tells of itself: metrics, traces, and the line of a call in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use concenter_gateway::app::sealing::Reach;
use concenter_gateway::config::MetricsSwitch;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::proto::admin::v1::{CreateTenantRequest, ListTenantsRequest};
use concenter_gateway::proto::v1;
use serde_json::Value;
use tokio::time::Instant;
use tonic::transport::Endpoint;

use crate::canary::program::Program;
use crate::harness::*;
use crate::http::{Answer, request};
use crate::otlp::{Export, Receiver};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

/// The example, on a service that tells of itself, after a jump, a redemption and refusals of somebody and of nobody.
async fn lively() -> World {
    let world = World::example_with(|settings| settings.telemetry.metrics = MetricsSwitch::On).await;
    world.arrive(X, customer(C1)).await;
    // As the worker does each second.
    world.service.app().seal_audit_logs(Reach::Now).await.expect("seals");
    status_of(world.a.admin.jumps().redeem_jump(v1::RedeemJumpRequest::default()).await);
    status_of(world.service.anonymous().users().list_users(v1::ListUsersRequest::default()).await);
    world
}

async fn scrape(world: &World) -> String {
    let Answer { status, headers, body } = request(world.service.http_addr(), "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(headers.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{headers}");
    assert!(headers.contains("cache-control: no-store"), "{headers}");
    body
}

/// The series of a text, each with its value.
fn series(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').expect("a value")).collect()
}

/// A whole number; some are written with a fraction of 0.
fn whole(text: &str) -> u64 {
    text.trim_end_matches(".0").parse().expect("a whole number")
}

#[tokio::test]
async fn metrics_are_not_there_unless_they_are_switched_on() {
    let service = Service::start().await;
    let answer = request(service.http_addr(), "GET", "/metrics").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
}

#[tokio::test]
async fn metrics_tell_what_was_done() {
    let world = lively().await;
    let text = scrape(&world).await;
    let series = series(&text);
    let value = |name: &str| whole(series.get(name).unwrap_or_else(|| panic!("{name} is not in\n{text}")));
    let calls = |method: &str, code: &str| {
        value(&format!("concenter_calls_total{{method=\"/concenter.v1.{method}\",code=\"{code}\"}}"))
    };
    assert_eq!(calls("JumpService/JumpToTarif", "OK"), 1);
    assert_eq!(calls("JumpService/RedeemJump", "OK"), 1);
    assert_eq!(calls("JumpService/RedeemJump", "PERMISSION_DENIED"), 1);
    assert_eq!(calls("UserService/ListUsers", "UNAUTHENTICATED"), 1);
    let took = "concenter_call_duration_seconds_count{method=\"/concenter.v1.JumpService/RedeemJump\"}";
    assert_eq!(value(took), 2);
    assert_eq!(value("concenter_redeem_duration_seconds_count"), 1);
    assert_eq!(value("concenter_refusals_total{reason=\"ROLE\"}"), 1);
    assert_eq!(value("concenter_refusals_total{reason=\"CREDENTIAL_MISSING\"}"), 1);
    assert_eq!(value("concenter_anonymous_refusals_total{reason=\"CREDENTIAL_MISSING\"}"), 1);
    assert!(!text.contains("concenter_anonymous_refusals_total{reason=\"ROLE\"}"), "somebody known");
    assert!(value("concenter_caller_cache_lookups_total{result=\"hit\"}") > 0);
    assert!(value("concenter_caller_cache_lookups_total{result=\"miss\"}") > 0);
    assert_eq!(value("concenter_connections{listener=\"grpc\"}"), 1);
    assert_eq!(value("concenter_connections{listener=\"http\"}"), 1, "that of who asks");
    assert_eq!(value("concenter_calls_in_flight"), 0);
    assert!(value("concenter_store_batch_size_count") > 0);
    assert!(value("concenter_store_batch_size_sum") >= value("concenter_store_batch_size_count"));
    assert!(value("concenter_store_connections{state=\"idle\"}") > 0);
    assert_eq!(value("concenter_signing_key_age_seconds"), 0);
    world.service.clock.advance(60);
    let later = scrape(&world).await;
    assert!(later.contains("\nconcenter_signing_key_age_seconds 60.0\n"), "{later}");
}

/// T17
#[tokio::test]
async fn no_label_is_anything_but_a_word_of_ours() {
    let world = lively().await;
    let strange = "/concenter.v1.JumpService/b-1";
    status_of(world.a.portal.send(strange, Vec::new()).await);
    status_of(world.a.portal.send("/evil%22%7d.Service/Method", Vec::new()).await);
    let text = scrape(&world).await;
    let mut known: BTreeSet<String> = methods().map(|method| path_of(&method)).collect();
    known.insert("unknown".to_owned());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = line.split_once('{') else { continue };
        for label in labels.rsplit_once('}').expect("an end").0.split("\",") {
            let (name, value) = label.split_once("=\"").expect("a label");
            let value = value.trim_end_matches('"');
            let is_ours = match name {
                "method" => known.contains(value),
                "code" | "reason" => value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'),
                "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                "listener" => ["grpc", "http"].contains(&value),
                "queue" => ["reads", "writes"].contains(&value),
                "result" => ["hit", "miss"].contains(&value),
                "state" => ["idle", "in_use"].contains(&value),
                "version" => value == env!("CARGO_PKG_VERSION"),
                _ => false,
            };
            assert!(is_ours, "{line}");
        }
    }
    assert!(text.contains("method=\"unknown\",code=\"UNIMPLEMENTED\""), "{text}");
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_there() {
    let text = scrape(&lively().await).await;
    let told: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let told: BTreeSet<_> = told.iter().map(|line| line.split(' ').collect::<Vec<_>>()).collect();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let document = std::fs::read_to_string(document).expect("the document");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `concenter_"));
    let documented: BTreeSet<_> = rows
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
            vec![cells.next().expect("a name").to_owned(), cells.next().expect("a type").to_owned()]
        })
        .collect();
    let told: BTreeSet<_> = told
        .into_iter()
        .map(|row| vec![row[0].trim_start_matches("concenter_").to_owned(), row[1].to_owned()])
        .collect();
    assert_eq!(told, documented);
}

#[tokio::test]
async fn prometheus_has_nothing_to_say_against_the_metrics() {
    let Some(promtool) = promtool() else { return };
    let text = scrape(&lively().await).await;
    let mut checker = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    checker.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let told = checker.wait_with_output().expect("an end");
    let said = [told.stdout, told.stderr].concat();
    assert!(told.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}

/// What checks metrics as Prometheus reads them: that of the clone, or of the machine. Where there is none this is said once,
/// and it is a failure where `CONCENTER_TESTS_NEED_PROMTOOL=1`.
fn promtool() -> Option<String> {
    static SAID: Once = Once::new();
    let of_the_clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/promtool");
    let places = [of_the_clone.to_str().expect("a path"), "promtool"];
    let runs = |place: &&&str| Command::new(place).arg("--version").output().is_ok_and(|told| told.status.success());
    let found = places.iter().find(runs).map(|place| (*place).to_owned());
    if found.is_none() {
        assert!(!must_have_promtool(), "there is no promtool");
        SAID.call_once(|| drop(writeln!(std::io::stderr(), "the test with promtool is left out: it is not installed")));
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "whether promtool must be there is said by who runs the tests")]
fn must_have_promtool() -> bool {
    std::env::var("CONCENTER_TESTS_NEED_PROMTOOL").is_ok_and(|value| value == "1")
}

/// T18
#[tokio::test]
async fn the_line_of_a_call_names_the_request_the_tenant_and_the_reason() {
    let world = World::example().await;
    let log = Log::listen();
    let id = request_id();
    let wish = v1::JumpToTarifRequest { request_id: id.clone(), ..to("nirgends", Some(customer(C1))) };
    status_of(world.a.portal.jumps().jump_to_tarif(wish).await);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("edge.call.done")).expect("the line");
    for part in [
        format!("request_id={id}"),
        format!("tenant={}", world.a.tenant),
        "role=\"portal\"".to_owned(),
        "method=\"/concenter.v1.JumpService/JumpToTarif\"".to_owned(),
        "status=\"NOT_FOUND\"".to_owned(),
        "reason=\"NOT_FOUND\"".to_owned(),
    ] {
        assert!(line.contains(&part), "{part} is not in {line}");
    }
}

/// T18
#[tokio::test]
async fn every_line_of_the_log_is_one_object_whatever_somebody_sends() {
    let program = Program::start().await;
    let channel = Endpoint::from_shared(program.grpc()).expect("an address").connect().await.expect("a connection");
    let (token, _) = program.mint(&grant(Role::Operator, "operator"));
    let evil = "\u{1b}[2J\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}";
    for text in [evil, "\u{2028}forged", "forged"] {
        let operator = Client::over(channel.clone()).with("authorization", &format!("Bearer {token}"));
        let operator = operator.with("traceparent", "forged\"}\\n").with("concenter-tenant", "forged");
        let method = methods().find(|method| method.name() == "CreateTenant").expect("a method");
        let wish = format!("{{\"requestId\":{0},\"displayName\":{0}}}", Value::from(text));
        let mut read = serde_json::Deserializer::from_str(&wish);
        let wish = prost_reflect::DynamicMessage::deserialize(method.input(), &mut read).expect("a message");
        status_of(operator.send_dynamic(&path_of(&method), &wish).await);
        status_of(operator.send(&format!("/forged.{}/x", text.len()), Vec::new()).await);
    }
    drop(channel);
    let (_program, said) = tokio::task::spawn_blocking(|| program.stop()).await.expect("an end");
    let log = String::from_utf8(said.log).expect("text");
    assert!(log.lines().count() > 5, "{log}");
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
        assert!(!line.contains("forged"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

/// The spans that the program sends, after these calls and its end.
async fn traced(work: impl AsyncFnOnce(&Program, &Client, &str)) -> Option<(Vec<Export>, Vec<u8>)> {
    let receiver = Receiver::start()?;
    let program = Program::start_with(&["--otlp-endpoint", &receiver.endpoint()]).await;
    let channel = Endpoint::from_shared(program.grpc()).expect("an address").connect().await.expect("a connection");
    let (token, _) = program.mint(&grant(Role::Operator, "operator"));
    let operator = Client::over(channel.clone()).with("authorization", &format!("Bearer {token}"));
    work(&program, &operator, &token).await;
    drop((channel, operator));
    let (_program, said) = tokio::task::spawn_blocking(|| program.stop()).await.expect("an end");
    Some((receiver.end(), said.log))
}

fn spans(exports: &[Export]) -> Vec<&Value> {
    exports.iter().flat_map(|export| &export.spans).collect()
}

#[tokio::test]
async fn the_last_calls_are_traced_within_the_traces_of_their_callers() {
    let traced = traced(async |_, operator, _| {
        let within = operator.clone().with("traceparent", &format!("00-{TRACE}-{CALLERS_SPAN}-01"));
        within.tenants().list_tenants(ListTenantsRequest::default()).await.expect("a list");
        let refused = operator.nobody().tenants().list_tenants(ListTenantsRequest::default()).await;
        status_of(refused);
    });
    let Some((exports, log)) = traced.await else { return };
    let spans = spans(&exports);
    let listed: Vec<_> =
        spans.iter().filter(|span| span["name"] == "concenter.admin.v1.TenantService/ListTenants").collect();
    let [well, refused] = listed.as_slice() else { panic!("{spans:?}") };
    assert_eq!((&well["trace_id"], &well["parent_span_id"]), (&TRACE.into(), &CALLERS_SPAN.into()));
    assert_eq!((&well["kind"], &well["status"]), (&"SPAN_KIND_SERVER".into(), &"STATUS_CODE_UNSET".into()));
    assert_eq!(well["attributes"]["code"], "OK");
    assert_eq!(well["attributes"]["role"], "operator");
    assert_ne!(refused["trace_id"], TRACE);
    assert_eq!(refused["attributes"]["code"], "UNAUTHENTICATED");
    assert_eq!(refused["attributes"]["reason"], "CREDENTIAL_MISSING");
    assert_eq!(exports[0].resource["service.name"], "concenter");
    assert!(!String::from_utf8_lossy(&log).contains("telemetry."), "the collector was there all the time");
}

/// T17
#[tokio::test]
async fn no_span_has_more_than_the_allowed_attributes() {
    let traced = traced(async |_, operator, _| {
        let new = CreateTenantRequest {
            request_id: request_id(),
            display_name: "Firma".to_owned(),
            create_standard_user: None,
        };
        operator.tenants().create_tenant(new).await.expect("a tenant");
    });
    let Some((exports, _)) = traced.await else { return };
    let allowed = ["call", "code", "method", "reason", "request_id", "role", "rpc.system", "tenant"];
    let mut seen = BTreeSet::new();
    for span in spans(&exports) {
        assert_eq!((&span["events"], &span["links"]), (&0.into(), &0.into()), "{span}");
        let attributes = span["attributes"].as_object().expect("attributes");
        assert!(attributes.keys().all(|name| allowed.contains(&name.as_str())), "{span}");
        seen.extend(attributes.keys().cloned());
    }
    assert!(seen.contains("request_id"), "{seen:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_or_never_answers_costs_nobody_anything() {
    let bound = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let port_of = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    // Where nobody is any more, and one that takes the connection and says nothing.
    let (deserted, mute) = (port_of(&bound()), bound());
    for port in [deserted, port_of(&mute)] {
        let program = Program::start_with(&["--otlp-endpoint", &format!("http://127.0.0.1:{port}")]).await;
        let channel = Endpoint::from_shared(program.grpc()).expect("an address").connect().await.expect("a connection");
        let (token, _) = program.mint(&grant(Role::Operator, "operator"));
        let operator = Client::over(channel.clone()).with("authorization", &format!("Bearer {token}"));
        let begun = Instant::now();
        for _ in 0..200 {
            operator.tenants().list_tenants(ListTenantsRequest::default()).await.expect("a list");
        }
        // No call waited for the collector, which has 5 s for each of its own.
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        drop((channel, operator));
        let begun = Instant::now();
        let (_program, said) = tokio::task::spawn_blocking(|| program.stop()).await.expect("an end");
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
        let log = String::from_utf8_lossy(&said.log).into_owned();
        assert!(log.contains("serve.stopped") && !log.contains("panic"), "{log}");
        if port == deserted {
            let told = log.lines().filter(|line| line.contains("telemetry.collector.changed")).count();
            assert_eq!(told, 1, "once, not for each attempt: {log}");
        }
    }
}
