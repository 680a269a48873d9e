//! Quotes: what is offered, and whose they are.

use reqwest::{Method, StatusCode};

use super::fake::{broker, only, private_customer};
use super::harness::{Calculator, quote_form};

/// T05, at the calculator: customers who share a con:center user.
#[tokio::test]
async fn somebody_elses_quote_is_one_that_never_was() {
    let calculator = Calculator::start().await;
    let (mut one, mut other) = (calculator.customer("one").await, calculator.customer("other").await);
    let quote = one.saved().await;
    assert_eq!(one.get(&quote).await.status, StatusCode::OK);

    let list = other.get("/").await;
    assert!(list.body.contains("data-no-quotes") && !list.body.contains(&quote), "{}", list.body);
    let (theirs, nobodys) = (other.get(&quote).await, other.get("/quotes/nobodys").await);
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    assert_eq!((theirs.status, theirs.body), (nobodys.status, nobodys.body));
    assert_eq!(calculator.browser().get(&quote).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_person_finds_his_quotes_at_his_next_jump() {
    let calculator = Calculator::start().await;
    let quote = calculator.customer("s").await.saved().await;
    let mut later = calculator.customer("s").await;
    assert!(later.get("/").await.body.contains(&quote));
    let page = later.get_english(&quote).await;
    assert!(page.body.contains("€355.30") && page.body.contains("Vergleicher"), "{}", page.body);
}

#[tokio::test]
async fn ids_of_quotes_are_not_guessed() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let (one, other) = (browser.saved().await, browser.saved().await);
    assert_eq!((one.len(), other.len()), ("/quotes/".len() + 43, "/quotes/".len() + 43));
    assert_ne!(one, other);
}

#[tokio::test]
async fn only_what_the_jump_names_is_offered() {
    let calculator = Calculator::start().await;
    let mut customer = calculator.customer("s").await;
    let page = customer.get("/").await;
    assert!(page.body.contains(">Vergleicher<") && !page.body.contains("Sicher"), "{}", page.body);
    let refused = customer.save(&page.form_mark(), "sicher").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    let mut anybody = calculator.arrived(broker("b")).await;
    let page = anybody.get("/").await;
    assert!(page.body.contains(">Vergleicher<") && page.body.contains("Sicher &#60;AG&#62;"), "{}", page.body);
    assert_eq!(anybody.save(&page.form_mark(), "sicher").await.status, StatusCode::SEE_OTHER);
    // Not one that this calculator does not have.
    assert_eq!(anybody.save(&page.form_mark(), "andere").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn with_nothing_to_offer_there_is_no_form() {
    let calculator = Calculator::start().await;
    let mut jump = private_customer("s");
    jump.provider_scope = Some(only(&["andere"]));
    let mut browser = calculator.arrived(jump).await;
    let page = browser.get("/").await;
    assert!(page.body.contains("data-nothing") && !page.body.contains("data-quote-form"), "{}", page.body);
    assert_eq!(browser.save(&page.form_mark(), "vergleicher").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_that_is_not_of_this_session_saves_nothing() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let stale = browser.get("/").await.form_mark();
    calculator.arrive(&mut browser, private_customer("t")).await;
    assert_eq!(browser.save(&stale, "vergleicher").await.status, StatusCode::FORBIDDEN);
    let form_mark = browser.get("/").await.form_mark();
    let form = quote_form(&form_mark, "vergleicher");
    for origin in [None, Some("null"), Some("https://evil.example")] {
        let answer = browser.ask(Method::POST, "/quotes", origin, Some(&form), "de").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert!(browser.get("/").await.body.contains("data-no-quotes"));
}

#[tokio::test]
async fn entries_out_of_bounds_are_named_and_kept() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let form_mark = browser.get("/").await.form_mark();
    let wrong =
        [("km", "0"), ("km", "100001"), ("km", "<b>"), ("age", "16"), ("age", "100"), ("claim_free_years", "36")];
    for (field, value) in wrong {
        let form = quote_form(&form_mark, "vergleicher")
            .map(|(name, usual)| (name, if name == field { value } else { usual }));
        let answer = browser.post("/quotes", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}={value}");
        assert!(answer.body.contains(&format!("<a href=\"#{field}\">")), "{}", answer.body);
        assert!(!answer.body.contains("value=\"<b>\""), "{}", answer.body);
        assert!(answer.body.contains("aria-invalid=\"true\""), "{}", answer.body);
    }
    assert!(browser.get("/").await.body.contains("data-no-quotes"));
}

#[tokio::test]
async fn quotes_of_too_many_people_are_not_kept() {
    let calculator = Calculator::start_with(|site| site.most_people = 1).await;
    calculator.customer("one").await.saved().await;
    let mut other = calculator.customer("other").await;
    let form_mark = other.get("/").await.form_mark();
    assert_eq!(other.save(&form_mark, "vergleicher").await.status, StatusCode::SERVICE_UNAVAILABLE);
}
