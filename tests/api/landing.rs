//! The landing page, which carries a jump to a target that is posted to: over HTTP, as browsers and others ask for it. What its
//! script does is tried in a browser.

use concenter_gateway::domain::target::{Origin, WebUrl};
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;

use crate::harness::*;
use crate::http::{Answer, request, request_with};

const IN_ENGLISH: &str = "Accept-Language: en\r\n";

async fn page(world: &World, target: &str) -> Answer {
    request(world.service.http_addr(), "GET", &format!("/j/{target}")).await
}

/// The value of a header that is there once.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut values = answer.headers.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let value = values.next();
    assert!(values.next().is_none(), "{name} is there twice: {}", answer.headers);
    value
}

/// What the policy says of `directive`.
fn policy<'a>(answer: &'a Answer, directive: &str) -> Option<&'a str> {
    let policy = header(answer, "content-security-policy").expect("a policy");
    policy.split("; ").find_map(|part| part.strip_prefix(directive)?.strip_prefix(' '))
}

/// Changes the target that is posted to.
async fn change(world: &World, change: impl FnOnce(&mut admin::PutTargetRequest)) {
    let etag = world.target(P).await.etag;
    let mut put = admin::PutTargetRequest { etag, ..calculator(P) };
    change(&mut put);
    world.service.operator().catalog_admin().put_target(put).await.expect("a changed target");
}

/// Asserts what every page has, whatever stands in it.
fn assert_hardened(answer: &Answer) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
        ("cross-origin-opener-policy", "same-origin"),
        ("referrer-policy", "strict-origin"),
        ("vary", "accept-language"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "deny"),
    ] {
        assert_eq!(header(answer, name), Some(value), "{name}");
    }
    for directive in ["default-src", "frame-ancestors", "base-uri"] {
        assert_eq!(policy(answer, directive), Some("'none'"), "{directive}");
    }
    for directive in ["script-src", "style-src"] {
        let allowed = policy(answer, directive).expect("a directive");
        assert!(allowed.starts_with("'sha256-") && !allowed.contains(' '), "{allowed}");
    }
}

/// L01
#[tokio::test]
async fn the_page_of_a_target_posts_to_its_url_and_says_its_name() {
    let world = World::example().await;
    change(&world, |target| target.display_name = "Rechner der Sicher AG".to_owned()).await;
    let answer = page(&world, P).await;
    assert_eq!(answer.status, 200);
    assert_hardened(&answer);
    assert_eq!(policy(&answer, "form-action"), Some(url_of(P).trim_end_matches("/start")));
    assert_eq!(header(&answer, "strict-transport-security"), None, "nobody reaches it by https");
    let action = format!(r#"<form id="jump" method="post" action="{}" data-now="{}">"#, url_of(P), world.service.now());
    assert!(answer.body.contains(&action), "{}", answer.body);
    assert!(answer.body.contains(r#"<input type="hidden" id="token" name="token" value="">"#), "{}", answer.body);
    assert!(answer.body.contains("<h1 id=\"heading\">Weiter zu Rechner der Sicher AG</h1>"), "{}", answer.body);
    assert_eq!(answer.body.matches("<script").count(), 1, "{}", answer.body);
    assert_eq!(answer.body.matches("http").count(), 1, "nothing is loaded from elsewhere: {}", answer.body);
}

/// T16: the part of the service; it never gets to see the fragment that the token stands in.
#[tokio::test]
async fn a_deep_link_leads_to_the_page_and_has_the_token_in_its_fragment() {
    let public_url = Origin::parse("https://jump.example").expect("an origin");
    let world = World::example_with(|settings| settings.browsers.public_url = Some(public_url)).await;
    let jump = world.a.jump(P, customer(K1)).await.expect("a jump").into_inner();
    let token = token(&jump);
    assert_eq!(jump.deep_link, format!("https://jump.example/j/{P}#{token}"));
    assert_eq!(jump.form_post.expect("a form").action_url, url_of(P));
    let answer = page(&world, P).await;
    assert_eq!(header(&answer, "strict-transport-security"), Some("max-age=31536000"));
}

/// J21: a link is what was registered, and a proof that needs no escaping anywhere; what a target needs is handed over at the redeem.
#[tokio::test]
async fn nothing_of_a_jump_gets_into_a_url() {
    let world = World::example().await;
    for (target, person) in [(X, customer(C1)), (Y, customer(C1)), (P, customer(K1)), (X, broker(MEIER))] {
        let wish = v1::JumpToTarifRequest {
            context: Some("&admin=1#/../\"><script>{context}".to_owned()),
            nonce: Some("n".repeat(64)),
            return_url: Some(RETURN_URL.to_owned()),
            ..to(target, Some(person))
        };
        let jump = world.a.portal.jumps().jump_to_tarif(wish).await.expect("a jump").into_inner();
        let (Proof::Token(proof) | Proof::Handle(proof)) = proof(&jump);
        assert!(proof.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{target}");
        let (place, carried) = jump.deep_link.split_once(['#', '?']).expect("a link that carries something");
        assert_eq!(carried.trim_start_matches("token=").trim_start_matches("j="), proof, "{target}");
        let expected = if target == P { format!("{}/j/{P}", world.service.public_url()) } else { url_of(target) };
        assert_eq!(place, expected);
        let posted = jump.form_post.as_ref().map(|form| (form.action_url.clone(), form.token.clone()));
        assert_eq!(posted, (target == P).then(|| (url_of(P), proof.clone())), "{target}");
    }
}

/// L01
#[tokio::test]
async fn the_page_is_in_the_language_that_is_asked_for() {
    let world = World::example().await;
    let path = format!("/j/{P}");
    for (wish, language, text) in [
        ("", "de", "Sie werden weitergeleitet"),
        ("Accept-Language: de-CH\r\n", "de", "Sie werden weitergeleitet"),
        ("Accept-Language: fr, *;q=0.1\r\n", "de", "Sie werden weitergeleitet"),
        (IN_ENGLISH, "en", "You are being forwarded"),
        ("Accept-Language: de;q=0.8\r\nAccept-Language: en-GB\r\n", "en", "You are being forwarded"),
    ] {
        let answer = request_with(world.service.http_addr(), "GET", &path, wish).await;
        assert_eq!(header(&answer, "content-language"), Some(language), "{wish}");
        assert!(answer.body.contains(&format!("<html lang=\"{language}\"")), "{}", answer.body);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
}

/// L01
#[tokio::test]
async fn whoever_asks_for_the_head_gets_what_the_page_would_have() {
    let world = World::example().await;
    for target in [P, "nirgends"] {
        let [get, head] = ["GET", "HEAD"]
            .map(|method| async { request(world.service.http_addr(), method, &format!("/j/{target}")).await });
        let (get, head) = (get.await, head.await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""));
        assert_hardened(&head);
        assert_eq!(header(&head, "content-length"), Some(get.body.len().to_string().as_str()));
        assert_eq!(policy(&head, "form-action"), policy(&get, "form-action"));
    }
}

/// T13: every step of the chain is named, and none besides; browsers stop the others.
#[tokio::test]
async fn the_answer_of_the_target_may_redirect_where_it_is_registered_for() {
    let world = World::example().await;
    let origins = ["https://login.example:8443", "https://rechner-p.example", "https://app.example"];
    change(&world, |target| {
        target.redirect_origins = origins.map(str::to_owned).to_vec();
    })
    .await;
    let kept = world.target(P).await.redirect_origins;
    assert_eq!(kept, ["https://app.example", "https://login.example:8443", "https://rechner-p.example"]);
    let answer = page(&world, P).await;
    let own = url_of(P);
    let own = own.trim_end_matches("/start");
    assert_eq!(own, "https://rechner-p.example");
    let expected = format!("{own} https://app.example https://login.example:8443");
    assert_eq!(policy(&answer, "form-action"), Some(expected.as_str()), "its own once");
}

/// L02
#[tokio::test]
async fn a_page_that_is_not_there_says_so_and_tells_no_two_reasons_apart() {
    let world = World::example().await;
    let missing = page(&world, "nirgends").await;
    assert_eq!(missing.status, 404);
    assert_hardened(&missing);
    assert_eq!(policy(&missing, "form-action"), Some("'none'"));
    assert!(missing.body.contains("Diese Seite gibt es nicht"), "{}", missing.body);
    assert!(!missing.body.contains("<form"), "{}", missing.body);
    let without_date = |answer: &Answer| {
        let lines = answer.headers.lines().filter(|line| !line.starts_with("date: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let long = "x".repeat(65);
    let queried = format!("nirgends?{P}");
    for other in [X, Y, "Rechner", "%00", "%ff", "rechner%2fp", "%3Cscript%3E", &long, &queried] {
        let answer = page(&world, other).await;
        assert_eq!((answer.status, &answer.body), (404, &missing.body), "{other}");
        assert_eq!(without_date(&answer), without_date(&missing), "{other}");
    }
}

/// L03, O01
#[tokio::test]
async fn a_target_that_is_switched_off_is_named_and_not_posted_to() {
    for switch_off_provider in [false, true] {
        let world = World::example().await;
        if switch_off_provider {
            disable_provider(&world, INSURER).await;
        } else {
            disable_target(&world, P).await;
        }
        let answer = page(&world, P).await;
        assert_eq!(answer.status, 403);
        assert_hardened(&answer);
        assert_eq!(policy(&answer, "form-action"), Some("'none'"));
        assert!(answer.body.contains(&format!("<h1 id=\"heading\">{P}</h1>")), "{}", answer.body);
        assert!(answer.body.contains("abgeschaltet") && !answer.body.contains("<form"), "{}", answer.body);
    }
}

/// L03
#[tokio::test]
async fn a_page_is_at_most_five_seconds_old() {
    let world = World::example().await;
    assert_eq!((page(&world, P).await.status, page(&world, "neu").await.status), (200, 404));
    disable_target(&world, P).await;
    let put = admin::PutTargetRequest { target_id: "neu".to_owned(), ..calculator(P) };
    world.service.operator().catalog_admin().put_target(put).await.expect("a target");
    world.service.clock.advance(5);
    assert_eq!((page(&world, P).await.status, page(&world, "neu").await.status), (403, 200));
    // A clock that was set back makes nothing young again.
    let etag = world.target(P).await.etag;
    let enable = admin::EnableTargetRequest { request_id: request_id(), target_id: P.to_owned(), etag };
    world.service.operator().catalog_admin().enable_target(enable).await.expect("an enabled target");
    world.service.clock.advance(-1);
    assert_eq!(page(&world, P).await.status, 200);
}

/// L04, I5: whoever looks at a link, a scanner of mails or a browser that is ahead of its user, uses nothing up.
#[tokio::test]
async fn looking_at_the_page_uses_nothing_up_and_writes_nothing() {
    let world = World::example().await;
    let jump = world.a.jump(P, customer(K1)).await.expect("a jump").into_inner();
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    for _ in 0..50 {
        assert_eq!(page(&world, P).await.status, 200);
        assert_eq!(request(world.service.http_addr(), "HEAD", &format!("/j/{P}")).await.status, 200);
        assert_eq!(page(&world, "nirgends").await.status, 404);
        world.service.clock.advance(1);
    }
    assert_eq!(world.service.state().await, state);
    assert_eq!(world.service.audit().await, audit);
    world.redeem(P, proof(&jump)).await.expect("the jump is still good");
}

/// T16: a token that somebody puts where it does not belong is not passed on from there.
#[tokio::test]
async fn a_token_in_the_query_is_neither_repeated_nor_logged() {
    let world = World::example().await;
    let token = token(&world.a.jump(P, customer(K1)).await.expect("a jump").into_inner());
    let log = Log::listen();
    for path in [format!("/j/{P}?token={token}"), format!("/j/{token}"), format!("/j/nirgends?{token}")] {
        for headers in ["", IN_ENGLISH, &format!("Referer: https://portal.example/?{token}\r\n")] {
            let answer = request_with(world.service.http_addr(), "GET", &path, headers).await;
            assert!(!answer.body.contains(&token) && !answer.headers.contains(&token.to_lowercase()), "{path}");
        }
    }
    let (_, signature) = token.rsplit_once('.').expect("a token");
    assert!(!log.text().contains(signature), "{}", log.text());
}

/// L05
#[tokio::test]
async fn a_name_that_is_markup_stays_a_name() {
    let world = World::example().await;
    change(&world, |target| target.display_name = r#"<img src=x onerror="alert(1)">&'{{7*7}}"#.to_owned()).await;
    let answer = page(&world, P).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("<img"), "{}", answer.body);
    assert!(answer.body.contains("&#60;img src=x onerror=&#34;alert(1)&#34;&#62;&#38;&#39;{{7*7}}"), "{}", answer.body);
    let url = "https://rechner-p.example/it's?a=1&b=%22%3E%3Cscript%3E";
    change(&world, |target| url.clone_into(&mut target.url)).await;
    world.service.clock.advance(5);
    let answer = page(&world, P).await;
    let action = r#"action="https://rechner-p.example/it&#39;s?a=1&#38;b=%22%3E%3Cscript%3E""#;
    assert!(answer.body.contains(action), "{}", answer.body);
    assert_eq!(answer.body.matches("<script").count(), 1, "{}", answer.body);
}

/// L03, T14: a host that would mean something else in the policy; it was registered before that was refused.
#[tokio::test]
async fn a_target_whose_host_no_policy_can_name_is_posted_to_once_it_is_put_anew() {
    let world = World::example().await;
    let known = "UPDATE target SET url = 'https://a;script-src.example/' WHERE target_id = $1";
    assert_eq!(world.service.shell().await.execute(known, &[P]).await.expect("a URL of earlier rules"), 1);
    let answer = page(&world, P).await;
    assert_eq!(answer.status, 403);
    assert_hardened(&answer);
    assert_eq!(policy(&answer, "form-action"), Some("'none'"));
    assert!(!answer.body.contains("<form") && !answer.body.contains("script-src.example"), "{}", answer.body);
    change(&world, |target| url_of(P).clone_into(&mut target.url)).await;
    world.service.clock.advance(5);
    assert_eq!(page(&world, P).await.status, 200);
}

#[tokio::test]
async fn the_way_back_leads_to_the_portal_where_there_is_one() {
    let world = World::example().await;
    for target in [P, "nirgends"] {
        let answer = page(&world, target).await;
        assert!(answer.body.contains(r#"<button id="back" type="button" hidden>Zurück</button>"#), "{}", answer.body);
        assert!(!answer.body.contains("<a "), "{}", answer.body);
    }
    let portal = WebUrl::parse("https://portal.example/start?a=1&b=2").expect("a URL");
    let world = World::example_with(|settings| settings.browsers.portal_url = Some(portal)).await;
    for target in [P, "nirgends"] {
        let answer = page(&world, target).await;
        let link = r#"<a id="portal" href="https://portal.example/start?a=1&#38;b=2">Zurück zum Portal</a>"#;
        assert!(answer.body.contains(link), "{}", answer.body);
        assert!(!answer.body.contains("<button id=\"back\""), "{}", answer.body);
    }
}
