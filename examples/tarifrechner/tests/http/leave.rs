//! `POST /leave`: the way back.

use reqwest::{Method, StatusCode};
use tarifrechner::proto::RedeemJumpResponse;
use tonic::Code;

use super::fake::private_customer;
use super::harness::{BACK, Calculator};

fn with_way_back(subject: &str) -> RedeemJumpResponse {
    let mut jump = private_customer(subject);
    jump.return_url = Some(BACK.to_owned());
    jump
}

#[tokio::test]
async fn leaving_ends_the_session_and_leads_where_the_jump_said() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.arrived(with_way_back("s")).await;
    let cookies = browser.cookies.clone();
    let page = browser.get("/").await;
    assert!(page.body.contains("Zurück zum Portal"), "{}", page.body);

    let form = [("form_mark", &*page.form_mark()), ("return_url", "https://evil.example/")];
    let answer = browser.post("/leave?return_url=https://evil.example/", &form).await;
    let left = answer.location.expect("a page");
    assert!(answer.status == StatusCode::SEE_OTHER && left.starts_with("/left/"), "{left}");
    assert!(browser.cookies.is_empty());
    // It may be looked at twice.
    for path in [&left, &format!("{left}?return_url=https://evil.example/")] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains(&format!("<a class=\"button\" href=\"{BACK}\" data-way>")), "{}", page.body);
        let by_itself = format!("<meta http-equiv=\"refresh\" content=\"0; url={BACK}\">");
        assert!(page.body.contains(&by_itself) && !page.body.contains("evil"), "{}", page.body);
    }
    browser.cookies = cookies;
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

/// Browsers hold what a form leads to, all redirects of the portal included, against this policy.
#[tokio::test]
async fn no_form_leads_out_of_the_calculator() {
    let calculator = Calculator::start().await;
    let page = calculator.arrived(with_way_back("s")).await.get("/").await;
    assert!(page.header("content-security-policy").contains("form-action 'self';"));
}

#[tokio::test]
async fn a_way_back_that_nobody_left_by_leads_nowhere() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.arrived(with_way_back("s")).await;
    for of in [&browser.cookies["tarifrechner"].clone(), &browser.cookies["tarifrechner-name"].clone(), "https:evil"] {
        let page = browser.get(&format!("/left/{of}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("data-way") && !page.body.contains("refresh"), "{}", page.body);
    }
}

#[tokio::test]
async fn without_a_way_back_one_leaves_all_the_same() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let form_mark = browser.get("/").await.form_mark();
    let answer = browser.post("/leave", &[("form_mark", &form_mark)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = browser.get(&answer.location.expect("a page")).await;
    assert!(page.body.contains("Sie haben den Tarifrechner verlassen."), "{}", page.body);
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

/// L12
#[tokio::test]
async fn one_leaves_while_the_gateway_does_not_answer() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let (form_mark, cookies) = (browser.get("/").await.form_mark(), browser.cookies.clone());
    calculator.clock.advance(15);
    calculator.gateway.put_standing(Err((Code::Unavailable, None)));
    assert_eq!(browser.post("/leave", &[("form_mark", &form_mark)]).await.status, StatusCode::SEE_OTHER);
    assert!(browser.cookies.is_empty() && calculator.gateway.introspects().is_empty());
    browser.cookies = cookies;
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn nobody_else_ends_a_session() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let form_mark = browser.get("/").await.form_mark();
    let form = [("form_mark", &*form_mark)];
    let foreign = browser.ask(Method::POST, "/leave", Some("https://evil.example"), Some(&form), "de").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/leave", &[("form_mark", "guessed")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/leave").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}
