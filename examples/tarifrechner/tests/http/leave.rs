//! `POST /leave`: the way back.

use reqwest::{Method, StatusCode};

use super::fake::private_customer;
use super::harness::{BACK, Calculator};

#[tokio::test]
async fn leaving_ends_the_session_and_leads_where_the_jump_said() {
    let calculator = Calculator::start().await;
    let mut jump = private_customer("s");
    jump.return_url = Some(BACK.to_owned());
    let mut browser = calculator.arrived(jump).await;
    let cookies = browser.cookies.clone();
    let page = browser.get("/").await;
    assert!(page.body.contains("Zurück zum Portal"), "{}", page.body);
    assert!(page.header("content-security-policy").contains("form-action 'self' https://portal.example;"));

    let form = [("form_mark", &*page.form_mark()), ("return_url", "https://evil.example/")];
    let answer = browser.post("/leave?return_url=https://evil.example/", &form).await;
    assert_eq!((answer.status, answer.location.as_deref()), (StatusCode::SEE_OTHER, Some(BACK)));
    assert!(browser.cookies.is_empty());
    browser.cookies = cookies;
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_a_way_back_one_leaves_all_the_same() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let form_mark = browser.get("/").await.form_mark();
    let answer = browser.post("/leave", &[("form_mark", &form_mark)]).await;
    assert_eq!((answer.status, answer.location), (StatusCode::OK, None));
    assert!(answer.body.contains("Sie haben den Tarifrechner verlassen."), "{}", answer.body);
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
