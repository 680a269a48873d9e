//! How long sessions last, and who ends them.

use reqwest::StatusCode;
use tarifrechner::proto::{RedeemJumpResponse, SessionState};
use tonic::Code;

use super::fake::{Call, broker, limits, private_customer, standing};
use super::harness::{BACK, Calculator};

fn short(idle: u64, absolute: u64) -> RedeemJumpResponse {
    let mut jump = private_customer("s");
    jump.session_limits = Some(limits(idle, absolute));
    jump.return_url = Some(BACK.to_owned());
    jump
}

#[tokio::test]
async fn a_session_ends_without_a_click() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.arrived(short(60, 600)).await;
    for _ in 0..3 {
        calculator.clock.advance(59);
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }
    calculator.clock.advance(60);
    let ended = browser.get("/").await;
    assert_eq!(ended.status, StatusCode::FORBIDDEN);
    assert!(ended.body.contains("längere Zeit nicht aktiv"), "{}", ended.body);
    assert!(ended.body.contains(&format!("href=\"{BACK}\"")), "{}", ended.body);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_session_ends_with_its_time_whatever_is_clicked() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.arrived(short(60, 100)).await;
    calculator.clock.advance(50);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    calculator.clock.advance(50);
    let ended = browser.get_english("/").await;
    assert_eq!(ended.status, StatusCode::FORBIDDEN);
    assert!(ended.body.contains("Its time is over."), "{}", ended.body);
}

#[tokio::test]
async fn the_gateway_is_asked_every_15_seconds_and_before_each_quote() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let asked = || calculator.gateway.introspects().len();
    browser.get("/").await;
    calculator.clock.advance(14);
    browser.get("/").await;
    assert_eq!(asked(), 0);
    calculator.clock.advance(1);
    browser.get("/").await;
    browser.get("/").await;
    assert_eq!(calculator.gateway.introspects(), ["session-of-s"]);
    browser.saved().await;
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_revoked_session_ends_at_once() {
    let calculator = Calculator::start().await;
    let over = [Ok(SessionState::Revoked), Ok(SessionState::Ended), Ok(SessionState::Unspecified), Err(Code::NotFound)];
    for state in over {
        let mut browser = calculator.customer("s").await;
        let (cookies, form_mark) = (browser.cookies.clone(), browser.get("/").await.form_mark());
        let answer = state.map(|state| standing(state, 900, 1800)).map_err(|code| (code, Some("NOT_FOUND")));
        calculator.gateway.put_standing(answer);
        let refused = browser.save(&form_mark, "vergleicher").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{state:?}");
        assert!(refused.body.contains("vom Portal beendet"), "{}", refused.body);
        browser.cookies = cookies;
        assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN, "{state:?}");
    }
    assert!(calculator.customer("s").await.get("/").await.body.contains("data-no-quotes"));
}

/// T01, at the calculator: the session that the first use opened ends at its next click.
#[tokio::test]
async fn a_second_use_of_a_jump_ends_the_session_of_the_first() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    let (mut first, mut second) = (calculator.browser(), calculator.browser());
    first.jump("a.b.c").await;
    assert_eq!(first.get("/").await.status, StatusCode::OK);
    assert_eq!(second.refused("a.b.c").await.status, StatusCode::GONE);
    calculator.gateway.put_standing(Ok(standing(SessionState::Revoked, 900, 1800)));
    // Although the gateway's last word is no 15 s old.
    assert_eq!(first.get("/").await.status, StatusCode::FORBIDDEN);
}

/// The gateway's word is older than the second use, although it comes after it.
#[tokio::test]
async fn a_second_use_counts_while_the_gateway_is_being_asked() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    let (mut first, mut second) = (calculator.browser(), calculator.browser());
    first.jump("a.b.c").await;
    calculator.clock.advance(15);
    calculator.gateway.hold(Call::Introspect);
    let asking = async {
        first.get("/").await;
    };
    let using = async {
        calculator.gateway.until(Call::Introspect, 1).await;
        second.refused("a.b.c").await;
        calculator.gateway.let_go();
    };
    tokio::join!(asking, using);
    first.get("/").await;
    assert_eq!(calculator.gateway.introspects().len(), 2);
}

#[tokio::test]
async fn a_second_use_counts_while_the_first_is_being_answered() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    let (mut first, mut second) = (calculator.browser(), calculator.browser());
    calculator.gateway.hold(Call::Redeem);
    let arriving = async {
        first.jump("a.b.c").await;
    };
    let using = async {
        calculator.gateway.until(Call::Redeem, 1).await;
        second.refused("a.b.c").await;
        calculator.gateway.let_go();
    };
    tokio::join!(arriving, using);
    first.get("/").await;
    assert_eq!(calculator.gateway.introspects(), ["session-of-s"]);
}

#[tokio::test]
async fn while_nobody_knows_nothing_is_shown_and_nothing_ends() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    calculator.clock.advance(15);
    calculator.gateway.put_standing(Err((Code::Unavailable, None)));
    let answer = browser.get("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("gerade nicht prüfen"), "{}", answer.body);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn limits_that_became_shorter_hold_and_longer_ones_do_not() {
    let calculator = Calculator::start().await;
    let mut shortened = calculator.arrived(broker("b")).await;
    calculator.clock.advance(15);
    calculator.gateway.put_standing(Ok(standing(SessionState::Active, 30, 1800)));
    assert_eq!(shortened.get("/").await.status, StatusCode::OK);
    calculator.clock.advance(30);
    assert_eq!(shortened.get("/").await.status, StatusCode::FORBIDDEN);

    let mut short = calculator.arrived(short(60, 100)).await;
    calculator.clock.advance(15);
    calculator.gateway.put_standing(Ok(standing(SessionState::Active, 9000, 9000)));
    assert_eq!(short.get("/").await.status, StatusCode::OK);
    calculator.clock.advance(60);
    assert_eq!(short.get("/").await.status, StatusCode::FORBIDDEN);

    // By those that are told just now it may be over already.
    let mut over = calculator.arrived(broker("b")).await;
    calculator.clock.advance(15);
    calculator.gateway.put_standing(Ok(standing(SessionState::Active, 900, 10)));
    assert_eq!(over.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_pause_that_is_told_to_be_too_long_ends_the_session_at_once() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.arrived(broker("b")).await;
    calculator.clock.advance(60);
    // Nobody learned the limit at this click, so it is none.
    calculator.gateway.put_standing(Err((Code::Unavailable, None)));
    assert_eq!(browser.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    calculator.gateway.put_standing(Ok(standing(SessionState::Active, 30, 1800)));
    let ended = browser.get("/").await;
    assert_eq!(ended.status, StatusCode::FORBIDDEN);
    assert!(ended.body.contains("längere Zeit nicht aktiv"), "{}", ended.body);
}

#[tokio::test]
async fn without_a_session_one_is_sent_to_the_portal() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    for path in ["/", "/quotes", "/quotes/x"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(answer.body.contains("/begin?return="), "{}", answer.body);
    }
    browser.cookies.insert("tarifrechner".to_owned(), "made-up".to_owned());
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
    assert!(browser.cookies.is_empty());
}
