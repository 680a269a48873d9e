//! `POST /jump`: what comes of a jump, and of what only looks like one.

use reqwest::{Method, StatusCode};
use tarifrechner::proto::JumpResult;
use tonic::Code;

use super::fake::{PASSWORD, USER, private_customer};
use super::harness::{Calculator, LANDING, Log, PORTAL};

#[tokio::test]
async fn a_jump_becomes_a_session_at_a_url_without_it() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    let answer = browser.jump("a.b.c").await;
    assert_eq!((answer.status, answer.location.as_deref()), (StatusCode::SEE_OTHER, Some("/")));
    assert_eq!(calculator.gateway.redeems(), [("a.b.c".to_owned(), None)]);
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Sie handeln als <strong>Privatkunde</strong>"), "{}", page.body);
    calculator.shutdown().await;
}

#[tokio::test]
async fn each_jump_gets_a_new_session_and_ends_the_earlier_one() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let earlier = browser.cookies.clone();
    calculator.arrive(&mut browser, private_customer("s")).await;
    assert_ne!(browser.cookies, earlier);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    browser.cookies = earlier;
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_session_id_that_the_browser_brought_is_not_taken() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    browser.cookies.insert("tarifrechner".to_owned(), "planted".to_owned());
    calculator.arrive(&mut browser, private_customer("s")).await;
    assert_ne!(browser.cookies["tarifrechner"], "planted");
    assert_eq!(browser.cookies["tarifrechner"].len(), 43);
}

#[tokio::test]
async fn cookies_are_kept_from_scripts_and_over_https_to_this_host() {
    let local = Calculator::start().await;
    local.gateway.put_jump("a.b.c", private_customer("s"));
    let set = local.browser().jump("a.b.c").await.set_cookies.remove(0);
    assert!(set.starts_with("tarifrechner=") && set.ends_with("; HttpOnly; SameSite=Lax; Path=/"), "{set}");

    let public = Calculator::start_with(|site| site.public_url = "https://rechner.example".parse().unwrap()).await;
    public.gateway.put_jump("a.b.c", private_customer("s"));
    let answer = public.browser().jump("a.b.c").await;
    let set = &answer.set_cookies[0];
    assert!(set.starts_with("__Host-tarifrechner="), "{set}");
    assert!(set.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{set}");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
}

#[tokio::test]
async fn a_form_from_an_unknown_place_is_not_redeemed() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    for origin in [None, Some("null"), Some("https://evil.example"), Some("https://gateway.example.evil.example")] {
        let answer = calculator.browser().jump_from(origin, "a.b.c").await;
        assert_eq!((answer.status, answer.set_cookies.len()), (StatusCode::FORBIDDEN, 0), "{origin:?}");
        assert!(answer.body.contains("unbekannten Seite"), "{}", answer.body);
    }
    assert_eq!(calculator.gateway.redeems(), []);
}

#[tokio::test]
async fn get_and_head_redeem_nothing() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    for path in ["/jump", "/jump?token=a.b.c"] {
        assert_eq!(browser.get(path).await.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(browser.head(path).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(calculator.gateway.redeems(), []);
}

#[tokio::test]
async fn every_refusal_has_its_page_in_both_languages() {
    let calculator = Calculator::start().await;
    let cases: [(Code, Option<&str>, StatusCode, &str, &str); 9] = [
        (
            Code::PermissionDenied,
            Some("JUMP_INVALID"),
            StatusCode::FORBIDDEN,
            "funktioniert hier nicht",
            "does not work here",
        ),
        (
            Code::FailedPrecondition,
            Some("JUMP_ALREADY_REDEEMED"),
            StatusCode::GONE,
            "wurde schon benutzt",
            "link was used",
        ),
        (Code::FailedPrecondition, Some("JUMP_EXPIRED"), StatusCode::GONE, "ist abgelaufen", "has expired"),
        (Code::FailedPrecondition, Some("JUMP_REVOKED"), StatusCode::GONE, "gilt nicht mehr", "no longer valid"),
        (Code::FailedPrecondition, Some("SECRET_CORRUPT"), StatusCode::CONFLICT, "Vermittler an", "call your broker"),
        (
            Code::FailedPrecondition,
            Some("CREDENTIAL_SUSPECT"),
            StatusCode::CONFLICT,
            "Vermittler an",
            "call your broker",
        ),
        (Code::Unavailable, None, StatusCode::SERVICE_UNAVAILABLE, "im Portal erneut", "again in the portal"),
        (Code::DeadlineExceeded, None, StatusCode::SERVICE_UNAVAILABLE, "im Portal erneut", "again in the portal"),
        (
            Code::PermissionDenied,
            Some("ROLE"),
            StatusCode::SERVICE_UNAVAILABLE,
            "im Portal erneut",
            "again in the portal",
        ),
    ];
    for (code, reason, status, german, english) in cases {
        calculator.gateway.put_refusal("secret.token.x", code, reason);
        let mut browser = calculator.browser();
        let form = [("token", "secret.token.x")];
        for (language, text) in [("de", german), ("en", english)] {
            let answer = browser.ask(Method::POST, "/jump", Some(LANDING), Some(&form), language).await;
            assert_eq!(answer.status, status, "{reason:?}");
            assert_eq!(answer.header("content-language"), language);
            assert!(answer.body.contains(text), "{reason:?}: {}", answer.body);
            assert!(!answer.body.contains("secret.token.x") && answer.set_cookies.is_empty(), "{reason:?}");
        }
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told() {
    let mut calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    let gone = super::fake::FakeGateway::start().await;
    drop(std::mem::replace(&mut calculator.gateway, gone));
    let answer = browser.jump("a.b.c").await;
    assert_eq!((answer.status, answer.set_cookies.len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_carried_further() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    let long = "a".repeat(2049);
    for token in ["", "a b", "a\r\nb", "<script>", "ä", &long] {
        assert_eq!(browser.jump(token).await.status, StatusCode::FORBIDDEN, "{token}");
    }
    let too_much = "a".repeat(4096);
    assert_eq!(browser.jump(&too_much).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for form in [&[("other", "x")][..], &[("token", "a.b.c"), ("token", "d.e.f")]] {
        let answer = browser.ask(Method::POST, "/jump", Some(LANDING), Some(form), "de").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let without_a_form = browser.ask(Method::POST, "/jump", Some(LANDING), None, "de").await;
    assert_eq!(without_a_form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(calculator.gateway.redeems(), []);
}

#[tokio::test]
async fn an_answer_without_what_a_session_needs_opens_none() {
    let calculator = Calculator::start().await;
    let spoilt: [fn(&mut tarifrechner::proto::RedeemJumpResponse); 6] = [
        |answer| answer.subject.clear(),
        |answer| answer.session.clear(),
        |answer| answer.provider_scope = None,
        |answer| answer.session_limits = None,
        |answer| answer.person_kind = 0,
        |answer| answer.return_url = Some("javascript:alert(1)".to_owned()),
    ];
    for (index, spoil) in spoilt.into_iter().enumerate() {
        let (token, mut answer) = (format!("a.{index}.c"), private_customer("s"));
        spoil(&mut answer);
        calculator.gateway.put_jump(&token, answer);
        let answer = calculator.browser().jump(&token).await;
        assert_eq!((answer.status, answer.set_cookies.len()), (StatusCode::SERVICE_UNAVAILABLE, 0), "{index}");
    }
}

#[tokio::test]
async fn a_login_is_reported_once_as_it_went() {
    let calculator = Calculator::start().await;
    calculator.customer("good").await;
    let mut wrong = private_customer("bad");
    wrong.password = Some("not the password".to_owned());
    calculator.gateway.put_jump("a.b.c", wrong);
    let answer = calculator.browser().jump("a.b.c").await;
    assert_eq!((answer.status, answer.set_cookies.len()), (StatusCode::CONFLICT, 0));
    assert!(answer.body.contains("Bitte rufen Sie Ihren Vermittler an."), "{}", answer.body);
    let reports = calculator.gateway.reports();
    let told: Vec<_> = reports.iter().map(|report| (report.session.as_str(), report.result())).collect();
    let expected = [("session-of-good", JumpResult::LoginSucceeded), ("session-of-bad", JumpResult::LoginFailed)];
    assert_eq!(told, expected);
    assert!(reports.iter().all(|report| report.request_id.len() == 36));
    assert_ne!(reports[0].request_id, reports[1].request_id);
}

#[tokio::test]
async fn a_target_without_passwords_logs_nobody_in() {
    let calculator = Calculator::start().await;
    let mut jump = private_customer("s");
    jump.password = None;
    calculator.arrived(jump).await;
    assert_eq!(calculator.gateway.reports(), []);
}

#[tokio::test]
async fn a_report_that_does_not_arrive_keeps_nobody_out() {
    let calculator = Calculator::start().await;
    calculator.gateway.fail_reports();
    let mut browser = calculator.customer("s").await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_full_calculator_uses_no_jump_up() {
    let calculator = Calculator::start_with(|site| site.most_sessions = 1).await;
    calculator.customer("s").await;
    let redeemed = calculator.gateway.redeems().len();
    assert_eq!(calculator.browser().jump("a.b.c").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(calculator.gateway.redeems().len(), redeemed);
    // Sessions whose time is over make room.
    calculator.clock.advance(900);
    calculator.customer("t").await;
}

#[tokio::test]
async fn a_refused_person_learns_where_to_start() {
    let calculator = Calculator::start().await;
    let answer = calculator.browser().jump("a.b.c").await;
    let query: String = url::form_urlencoded::byte_serialize(PORTAL.as_bytes()).collect();
    assert!(answer.body.contains(&format!("href=\"/begin?return={query}\"")), "{}", answer.body);
}

#[tokio::test]
async fn no_log_shows_a_secret() {
    let log = Log::listen();
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    browser.get(&format!("/begin?return={PORTAL}")).await;
    let nonce = browser.cookies["tarifrechner-nonce"].clone();
    calculator.gateway.put_jump("canary-token.b.c", private_customer("canary-subject"));
    browser.jump("canary-token.b.c").await;
    browser.jump("canary-token.b.c").await;
    let session = browser.cookies["tarifrechner"].clone();
    let quote = browser.saved().await;
    browser.get(&quote).await;
    browser.get("/canary-path?token=canary-query").await;
    let text = log.text();
    assert!(text.contains("web.answered") && text.contains("/quotes/{id}"), "nobody listened: {text}");
    let secrets = ["canary", &nonce, &session, &quote["/quotes/".len()..], PASSWORD, USER, super::fake::CREDENTIAL];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
