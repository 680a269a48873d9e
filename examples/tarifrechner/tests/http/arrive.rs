//! `POST /jump`: what comes of a jump, and of what only looks like one.

use reqwest::{Method, StatusCode};
use tarifrechner::proto::JumpResult;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use super::fake::{Call, PASSWORD, USER, private_customer};
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

/// The form comes from another site, and browsers send no `SameSite=Lax` cookie along with it.
#[tokio::test]
async fn a_jump_over_https_ends_the_earlier_session() {
    let calculator = Calculator::start_with(|site| site.public_url = "https://rechner.example".parse().unwrap()).await;
    let mut browser = calculator.customer("s").await;
    let earlier = browser.cookies.clone();
    calculator.arrive(&mut browser, private_customer("t")).await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    browser.cookies = earlier;
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_ends_the_earlier_session_opens_none() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let earlier = browser.cookies["tarifrechner-name"].clone();
    browser.cookies.insert("tarifrechner".to_owned(), earlier);
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
    let answer = local.browser().jump("a.b.c").await;
    let set = answer.set_cookies.iter().find(|set| set.starts_with("tarifrechner=")).unwrap();
    assert!(set.ends_with("; HttpOnly; SameSite=Lax; Path=/"), "{set}");

    let public = Calculator::start_with(|site| site.public_url = "https://rechner.example".parse().unwrap()).await;
    public.gateway.put_jump("a.b.c", private_customer("s"));
    let answer = public.browser().jump("a.b.c").await;
    let cookies = [("__Host-tarifrechner=", "Lax"), ("__Host-tarifrechner-name=", "None")];
    for (start, same_site) in cookies {
        let set = answer.set_cookies.iter().find(|set| set.starts_with(start)).unwrap();
        assert!(set.ends_with(&format!("; HttpOnly; SameSite={same_site}; Secure; Path=/")), "{set}");
    }
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
            let posted = browser.ask(Method::POST, "/jump", Some(LANDING), Some(&form), language).await;
            assert_eq!((posted.status, posted.set_cookies.len()), (StatusCode::SEE_OTHER, 0), "{reason:?}");
            let page = posted.location.expect("a page");
            let answer = browser.ask(Method::GET, &page, None, None, language).await;
            assert_eq!(answer.status, status, "{reason:?}");
            assert_eq!(answer.header("content-language"), language);
            assert!(answer.body.contains(text), "{reason:?}: {}", answer.body);
            assert!(!answer.body.contains("secret.token.x") && answer.set_cookies.is_empty(), "{reason:?}");
        }
    }
}

/// L11: a reload of the answer to a form posts it again: to the gateway, a link that was copied.
#[tokio::test]
async fn the_page_of_a_refusal_can_be_reloaded() {
    let calculator = Calculator::start().await;
    let mut wrong = private_customer("s");
    wrong.password = Some("not the password".to_owned());
    calculator.gateway.put_jump("a.b.c", wrong);
    let mut browser = calculator.browser();
    let page = browser.jump("a.b.c").await.location.expect("a page");
    for _ in 0..2 {
        assert_eq!(browser.get(&page).await.status, StatusCode::CONFLICT);
    }
    assert_eq!(calculator.gateway.redeems().len(), 1);
    assert_eq!(browser.get("/jump/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told() {
    let mut calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    let gone = super::fake::FakeGateway::start().await;
    drop(std::mem::replace(&mut calculator.gateway, gone));
    assert_eq!(browser.refused("a.b.c").await.status, StatusCode::SERVICE_UNAVAILABLE);
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
        let answer = calculator.browser().refused(&token).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{index}");
    }
}

#[tokio::test]
async fn a_login_is_reported_once_as_it_went() {
    let calculator = Calculator::start().await;
    calculator.customer("good").await;
    calculator.gateway.until(Call::Report, 1).await;
    let mut wrong = private_customer("bad");
    wrong.password = Some("not the password".to_owned());
    calculator.gateway.put_jump("a.b.c", wrong);
    let answer = calculator.browser().refused("a.b.c").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body.contains("Bitte rufen Sie Ihren Vermittler an."), "{}", answer.body);
    calculator.gateway.until(Call::Report, 2).await;
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
async fn nobody_waits_for_a_report() {
    let calculator = Calculator::start().await;
    calculator.gateway.hold(Call::Report);
    let mut browser = calculator.customer("s").await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    calculator.gateway.until(Call::Report, 1).await;
}

#[tokio::test]
async fn a_report_that_does_not_arrive_is_tried_again_and_not_for_ever() {
    let calculator = Calculator::start().await;
    for (fails, tries) in [(1, 2), (100, 4)] {
        calculator.gateway.fail_reports(fails);
        let before = calculator.gateway.reports().len();
        calculator.customer("s").await;
        calculator.gateway.until(Call::Report, before + tries).await;
        let reports = calculator.gateway.reports().split_off(before);
        assert!(reports.iter().all(|report| *report == reports[0]), "under one request id: {reports:?}");
    }
    // By the order of the calls, one more try of the first two would have come before this.
    calculator.gateway.fail_reports(0);
    calculator.customer("t").await;
    calculator.gateway.until(Call::Report, 7).await;
    assert_eq!(calculator.gateway.reports()[6].session, "session-of-t");
}

/// A browser that hangs up ends what its request began.
#[tokio::test]
async fn a_login_is_reported_though_the_browser_hung_up() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    calculator.gateway.hold(Call::Redeem);
    let mut browser = TcpStream::connect(calculator.address()).await.unwrap();
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 11\r\n\r\ntoken=a.b.c";
    let request = format!("POST /jump HTTP/1.1\r\nhost: x\r\norigin: {LANDING}\r\n{form}");
    browser.write_all(request.as_bytes()).await.unwrap();
    calculator.gateway.until(Call::Redeem, 1).await;
    browser.shutdown().await.unwrap();
    // It answers nothing, and has noticed.
    assert_eq!(browser.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    calculator.gateway.let_go();
    calculator.gateway.until(Call::Report, 1).await;
    assert_eq!(calculator.gateway.reports()[0].result(), JumpResult::LoginSucceeded);
}

#[tokio::test]
async fn the_time_of_a_session_begins_before_its_redeem() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    calculator.gateway.hold(Call::Redeem);
    let mut browser = calculator.browser();
    let arriving = async {
        browser.jump("a.b.c").await;
    };
    let waiting = async {
        calculator.gateway.until(Call::Redeem, 1).await;
        calculator.clock.advance(10);
        calculator.gateway.let_go();
    };
    tokio::join!(arriving, waiting);
    calculator.clock.advance(890);
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

/// Credentials live for hours, and calculators for months.
#[tokio::test]
async fn a_renewed_credential_is_read_when_the_old_one_is_not_taken() {
    let log = Log::listen();
    let calculator = Calculator::start().await;
    calculator.customer("s").await;
    calculator.gateway.want_credential("renewed-canary");
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    assert_eq!(calculator.browser().refused("a.b.c").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let text = log.text();
    let told = text.lines().find(|line| line.contains("gateway.credential.refused")).expect("a line");
    assert!(told.contains("ERROR") && told.contains("CREDENTIAL_EXPIRED"), "{told}");

    "renewed-canary\n".clone_into(&mut calculator.credential.lock().unwrap());
    let answer = calculator.browser().jump("a.b.c").await;
    assert_eq!((answer.status, answer.location.as_deref()), (StatusCode::SEE_OTHER, Some("/")));
    assert!(!log.text().contains("canary"));
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
    let answer = calculator.browser().refused("a.b.c").await;
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
