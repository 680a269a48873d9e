//! `GET /begin`: the nonce.

use reqwest::StatusCode;

use super::fake::private_customer;
use super::harness::{Calculator, PORTAL};

fn begin(portal: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(portal.as_bytes()).collect();
    format!("/begin?return={query}")
}

#[tokio::test]
async fn a_session_that_began_here_redeems_with_its_nonce_once() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    let answer = browser.get(&begin(PORTAL)).await;
    let nonce = browser.cookies["tarifrechner-nonce"].clone();
    assert_eq!(nonce.len(), 43);
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location, Some(format!("{PORTAL}&nonce={nonce}")));

    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    assert_eq!(browser.jump("a.b.c").await.status, StatusCode::SEE_OTHER);
    assert_eq!(calculator.gateway.redeems(), [("a.b.c".to_owned(), Some(nonce))]);
    assert!(!browser.cookies.contains_key("tarifrechner-nonce"));
}

#[tokio::test]
async fn a_planted_link_does_not_cost_the_nonce() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    browser.get(&begin(PORTAL)).await;
    assert_eq!(browser.refused("planted.b.c").await.status, StatusCode::FORBIDDEN);
    let nonce = browser.cookies["tarifrechner-nonce"].clone();
    assert_eq!(calculator.gateway.redeems(), [("planted.b.c".to_owned(), Some(nonce))]);
}

#[tokio::test]
async fn each_beginning_has_a_nonce_of_its_own() {
    let calculator = Calculator::start().await;
    let (mut one, mut other) = (calculator.browser(), calculator.browser());
    one.get(&begin(PORTAL)).await;
    other.get(&begin(PORTAL)).await;
    assert_ne!(one.cookies, other.cookies);
}

/// Two tabs of one browser, which has one cookie for both.
#[tokio::test]
async fn who_begins_twice_keeps_the_nonce() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    let (first, second) = (browser.get(&begin(PORTAL)).await, browser.get(&begin(PORTAL)).await);
    assert_eq!(first.location, second.location);
    assert_eq!(second.set_cookies.len(), 1, "and it lasts longer");
    for none in ["", "short", "a%20b", &"a".repeat(44)] {
        browser.cookies.insert("tarifrechner-nonce".to_owned(), none.to_owned());
        browser.get(&begin(PORTAL)).await;
        assert_eq!(browser.cookies["tarifrechner-nonce"].len(), 43, "{none}");
    }
}

#[tokio::test]
async fn only_registered_portals_are_gone_to() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.browser();
    let foreign = [
        "/begin".to_owned(),
        begin(""),
        begin("https://evil.example/"),
        begin(&format!("{PORTAL}&x=1")),
        begin("https://portal.example/start"),
        begin("//evil.example"),
    ];
    for path in foreign {
        let answer = browser.get(&path).await;
        assert_eq!(
            (answer.status, answer.location, answer.set_cookies.len()),
            (StatusCode::NOT_FOUND, None, 0),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_nonce_comes_along_from_another_site_for_ten_minutes() {
    let public = Calculator::start_with(|site| site.public_url = "https://rechner.example".parse().unwrap()).await;
    let set = public.browser().get(&begin(PORTAL)).await.set_cookies.remove(0);
    assert!(set.starts_with("__Host-tarifrechner-nonce="), "{set}");
    assert!(set.ends_with("; HttpOnly; SameSite=None; Secure; Path=/; Max-Age=600"), "{set}");
}

#[tokio::test]
async fn a_nonce_that_is_none_of_ours_is_not_left_out() {
    let calculator = Calculator::start().await;
    calculator.gateway.put_jump("a.b.c", private_customer("s"));
    let mut browser = calculator.browser();
    browser.cookies.insert("tarifrechner-nonce".to_owned(), "a%20b".to_owned());
    assert_eq!(browser.jump("a.b.c").await.status, StatusCode::FORBIDDEN);
    assert_eq!(calculator.gateway.redeems(), []);
}
