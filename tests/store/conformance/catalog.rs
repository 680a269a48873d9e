//! The catalogue: providers, targets and return URLs.

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::ids::{LineOfBusiness, TenantId};
use concenter_gateway::domain::provider::{ProductProvider, ProviderKind, State};
use concenter_gateway::domain::target::{AcceptedPersons, Delivery, LineList, LineScope, ReturnUrl, Target};
use concenter_gateway::store::{Effect, Outcome, StoreError};

use crate::fixture::catalog::{new_calculator, new_portal, new_provider, new_return_url, redirect_origins};
use crate::fixture::{Harness, STALE, done, first, line, next, provider, reason, return_url, target, url, walks};

fn operator(h: &Harness, action: Action) -> Effect {
    h.effect(TenantId::SYSTEM, action)
}

async fn providers(h: &Harness) -> Vec<ProductProvider> {
    h.store.list_providers(&first(500)).await.expect("a page").rows
}

async fn return_urls(h: &Harness) -> Vec<ReturnUrl> {
    h.store.list_return_urls(&first(500)).await.expect("a page").rows
}

pub(crate) async fn a_new_provider_reads_back(h: &Harness) {
    h.service().await;
    let mut new = new_provider("sicher", ProviderKind::Insurer);
    new.state = State::Disabled;
    assert_eq!(h.put_provider(&new).await, new);
    assert_eq!(providers(h).await, [new]);
}

pub(crate) async fn a_changed_provider_keeps_its_state(h: &Harness) {
    h.service().await;
    let made = h.put_provider(&new_provider("sicher", ProviderKind::Insurer)).await;
    let change = ProductProvider {
        display_name: line("Sicher SE"),
        kind: ProviderKind::Comparator,
        state: State::Disabled,
        version: STALE,
        ..made.clone()
    };
    let changed = done(h.store.put_provider(&operator(h, Action::PutProvider), &change, Some(made.version)).await);
    let expected = ProductProvider { state: State::Active, version: next(made.version), ..change };
    assert_eq!(changed, expected);
    assert_eq!(providers(h).await, [expected]);
}

pub(crate) async fn a_provider_that_is_there_is_not_made_again(h: &Harness) {
    h.service().await;
    let new = h.put_provider(&new_provider("sicher", ProviderKind::Insurer)).await;
    let outcome = h.store.put_provider(&operator(h, Action::PutProvider), &new, None).await.expect("an answer");
    assert_eq!(outcome, Outcome::Refused(Refusal::etag_mismatch(Version::FIRST)));
}

pub(crate) async fn a_provider_that_changed_is_not_overwritten(h: &Harness) {
    h.service().await;
    let made = h.put_provider(&new_provider("sicher", ProviderKind::Insurer)).await;
    let change = ProductProvider { display_name: line("Sicher SE"), ..made.clone() };
    let outcome =
        h.store.put_provider(&operator(h, Action::PutProvider), &change, Some(STALE)).await.expect("an answer");
    assert_eq!(outcome, Outcome::Refused(Refusal::etag_mismatch(made.version)));
    assert_eq!(providers(h).await, [made]);
}

pub(crate) async fn a_provider_that_is_not_there_is_not_changed(h: &Harness) {
    h.service().await;
    let new = new_provider("sicher", ProviderKind::Insurer);
    let outcome = h.store.put_provider(&operator(h, Action::PutProvider), &new, Some(Version::FIRST)).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(providers(h).await, []);
}

pub(crate) async fn a_provider_is_disabled_and_enabled(h: &Harness) {
    h.service().await;
    let made = h.put_provider(&new_provider("sicher", ProviderKind::Insurer)).await;
    let set = async |version, state| {
        let effect = operator(h, Action::DisableProvider);
        done(h.store.set_provider_state(&effect, &made.provider_id, version, state).await)
    };
    let disabled = set(made.version, State::Disabled).await;
    assert_eq!(disabled, ProductProvider { state: State::Disabled, version: next(made.version), ..made.clone() });
    assert_eq!(set(disabled.version, State::Disabled).await, disabled, "no change, no version");
    let enabled = set(disabled.version, State::Active).await;
    assert_eq!(enabled, ProductProvider { version: next(disabled.version), ..made.clone() });
    assert_eq!(providers(h).await, [enabled]);
}

pub(crate) async fn the_state_of_a_provider_needs_its_etag(h: &Harness) {
    h.service().await;
    let made = h.put_provider(&new_provider("sicher", ProviderKind::Insurer)).await;
    let effect = operator(h, Action::DisableProvider);
    let outcome = h.store.set_provider_state(&effect, &made.provider_id, STALE, State::Disabled).await;
    assert_eq!(outcome.expect("an answer"), Outcome::Refused(Refusal::etag_mismatch(made.version)));
    let effect = operator(h, Action::DisableProvider);
    let outcome = h.store.set_provider_state(&effect, &provider("nobody"), made.version, State::Disabled).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn providers_are_listed_by_key_page_by_page(h: &Harness) {
    h.service().await;
    for key in ["d", "a", "c-1", "b", "c"] {
        h.put_provider(&new_provider(key, ProviderKind::Insurer)).await;
    }
    let sorted = ["a", "b", "c", "c-1", "d"].map(|key| new_provider(key, ProviderKind::Insurer));
    for rows in [1, 2, 5] {
        walks(&sorted, rows, async |page| h.store.list_providers(&page).await.expect("a page")).await;
    }
}

pub(crate) async fn a_new_target_reads_back(h: &Harness) {
    h.catalogue().await;
    let lines = ["550", "050"].map(|code| LineOfBusiness::parse(code).expect("a line"));
    let full = Target {
        state: State::Disabled,
        delivery: Delivery::GetHandle,
        accepts: AcceptedPersons { brokers: false, customers: true },
        lines: LineScope::Only(LineList::new(lines.to_vec()).expect("two lines")),
        nonce_required: true,
        ..new_calculator("voll")
    };
    let posted = Target {
        redirect_origins: redirect_origins(&["https://b.example:8443", "https://a.example"]),
        ..new_portal("gepostet")
    };
    for new in [full, new_portal("portal"), posted] {
        assert_eq!(h.put_target(&new).await, new);
        assert_eq!(h.store.get_target(&new.target_id).await.expect("an answer"), Some(new));
    }
}

pub(crate) async fn an_unknown_target_is_absent(h: &Harness) {
    h.catalogue().await;
    assert_eq!(h.store.get_target(&target("nowhere")).await.expect("an answer"), None);
}

pub(crate) async fn a_changed_target_keeps_its_state(h: &Harness) {
    h.catalogue().await;
    let made = h.put_target(&new_calculator("neu")).await;
    let change = Target {
        provider_id: provider("sicher"),
        url: url("https://anders.example/"),
        delivery: Delivery::FormPost,
        redirect_origins: redirect_origins(&["https://login.example"]),
        hands_over_secret: false,
        state: State::Disabled,
        version: STALE,
        ..made.clone()
    };
    let changed = done(h.store.put_target(&operator(h, Action::PutTarget), &change, Some(made.version)).await);
    let expected = Target { state: State::Active, version: next(made.version), ..change };
    assert_eq!(changed, expected);
    assert_eq!(h.store.get_target(&made.target_id).await.expect("an answer"), Some(expected));
}

pub(crate) async fn a_target_of_an_unknown_provider_is_refused(h: &Harness) {
    h.catalogue().await;
    let stray = Target { provider_id: provider("nobody"), ..new_calculator("neu") };
    let outcome = h.store.put_target(&operator(h, Action::PutTarget), &stray, None).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    let moved = Target { provider_id: provider("nobody"), ..new_calculator("rechner") };
    let outcome = h.store.put_target(&operator(h, Action::PutTarget), &moved, Some(Version::FIRST)).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn putting_a_target_needs_its_etag(h: &Harness) {
    h.catalogue().await;
    let there = Refusal::etag_mismatch(Version::FIRST);
    let rechner = new_calculator("rechner");
    for known in [None, Some(STALE)] {
        let outcome = h.store.put_target(&operator(h, Action::PutTarget), &rechner, known).await.expect("an answer");
        assert_eq!(outcome, Outcome::Refused(there.clone()), "{known:?}");
    }
    let outcome = h.store.put_target(&operator(h, Action::PutTarget), &new_calculator("neu"), Some(STALE)).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn a_portal_that_takes_customers_never_gets_in(h: &Harness) {
    h.catalogue().await;
    let open = Target { accepts: AcceptedPersons { brokers: true, customers: true }, ..new_portal("offen") };
    let outcome = h.store.put_target(&operator(h, Action::PutTarget), &open, None).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.store.get_target(&open.target_id).await.expect("an answer"), None);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::PutTarget).await, 2, "those of the catalogue");
}

pub(crate) async fn a_target_that_nobody_posts_to_redirects_nobody(h: &Harness) {
    h.catalogue().await;
    let origins = redirect_origins(&["https://a.example"]);
    let stray = Target { redirect_origins: origins.clone(), ..new_calculator("neu") };
    let outcome = h.store.put_target(&operator(h, Action::PutTarget), &stray, None).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.store.get_target(&stray.target_id).await.expect("an answer"), None);
    let posted = h.put_target(&Target { delivery: Delivery::FormPost, ..stray }).await;
    let changed = Target { delivery: Delivery::Fragment, ..posted.clone() };
    let outcome = h.store.put_target(&operator(h, Action::PutTarget), &changed, Some(posted.version)).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.store.get_target(&posted.target_id).await.expect("an answer"), Some(posted));
}

pub(crate) async fn a_target_is_disabled_and_enabled(h: &Harness) {
    h.catalogue().await;
    let made = h.put_target(&new_calculator("neu")).await;
    let set = async |version, state| {
        let effect = operator(h, Action::DisableTarget);
        done(h.store.set_target_state(&effect, &made.target_id, version, state).await)
    };
    let disabled = set(made.version, State::Disabled).await;
    assert_eq!(disabled, Target { state: State::Disabled, version: next(made.version), ..made.clone() });
    assert_eq!(set(disabled.version, State::Disabled).await, disabled, "no change, no version");
    let enabled = set(disabled.version, State::Active).await;
    assert_eq!(enabled, Target { version: next(disabled.version), ..made.clone() });
    assert_eq!(h.store.get_target(&made.target_id).await.expect("an answer"), Some(enabled));
}

pub(crate) async fn the_state_of_a_target_needs_its_etag(h: &Harness) {
    h.catalogue().await;
    let effect = operator(h, Action::DisableTarget);
    let outcome = h.store.set_target_state(&effect, &target("rechner"), STALE, State::Disabled).await;
    assert_eq!(outcome.expect("an answer"), Outcome::Refused(Refusal::etag_mismatch(Version::FIRST)));
    let effect = operator(h, Action::DisableTarget);
    let outcome = h.store.set_target_state(&effect, &target("nowhere"), Version::FIRST, State::Disabled).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn targets_are_listed_by_key_page_by_page(h: &Harness) {
    h.catalogue().await;
    h.put_target(&new_calculator("zuletzt")).await;
    h.put_target(&new_calculator("anfang")).await;
    let sorted =
        [new_calculator("anfang"), new_portal("auskunft"), new_calculator("rechner"), new_calculator("zuletzt")];
    for rows in [1, 3, 4] {
        walks(&sorted, rows, async |page| h.store.list_targets(&page).await.expect("a page")).await;
    }
}

pub(crate) async fn a_new_return_url_reads_back(h: &Harness) {
    h.service().await;
    let new = new_return_url("zurueck", "https://portal.example/zurueck");
    assert_eq!(h.put_return_url(&new).await, new);
    assert_eq!(return_urls(h).await, [new]);
}

pub(crate) async fn a_changed_return_url_keeps_its_state(h: &Harness) {
    h.service().await;
    let made = h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    let change = ReturnUrl { url: url("https://portal.example/neu"), state: State::Disabled, ..made.clone() };
    let changed = done(h.store.put_return_url(&operator(h, Action::PutReturnUrl), &change, Some(made.version)).await);
    let expected = ReturnUrl { state: State::Active, version: next(made.version), ..change };
    assert_eq!(changed, expected);
    assert_eq!(return_urls(h).await, [expected]);
}

pub(crate) async fn a_return_url_under_another_key_is_refused(h: &Harness) {
    h.service().await;
    h.put_return_url(&new_return_url("eins", "https://portal.example/eins")).await;
    let two = h.put_return_url(&new_return_url("zwei", "https://portal.example/zwei")).await;
    let taken = new_return_url("drei", "https://portal.example/eins");
    let outcome = h.store.put_return_url(&operator(h, Action::PutReturnUrl), &taken, None).await;
    assert_eq!(reason(outcome), Reason::AlreadyExists);
    let taken = ReturnUrl { url: url("https://portal.example/eins"), ..two.clone() };
    let outcome = h.store.put_return_url(&operator(h, Action::PutReturnUrl), &taken, Some(two.version)).await;
    assert_eq!(reason(outcome), Reason::AlreadyExists);
}

pub(crate) async fn putting_a_return_url_needs_its_etag(h: &Harness) {
    h.service().await;
    let made = h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    for known in [None, Some(STALE)] {
        let outcome =
            h.store.put_return_url(&operator(h, Action::PutReturnUrl), &made, known).await.expect("an answer");
        assert_eq!(outcome, Outcome::Refused(Refusal::etag_mismatch(Version::FIRST)), "{known:?}");
    }
    let new = new_return_url("neu", "https://portal.example/neu");
    let outcome = h.store.put_return_url(&operator(h, Action::PutReturnUrl), &new, Some(Version::FIRST)).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn a_return_url_is_disabled_and_enabled(h: &Harness) {
    h.service().await;
    let made = h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    let set = async |version, state| {
        let effect = operator(h, Action::DisableReturnUrl);
        done(h.store.set_return_url_state(&effect, &made.return_url_id, version, state).await)
    };
    let disabled = set(made.version, State::Disabled).await;
    assert_eq!(disabled, ReturnUrl { state: State::Disabled, version: next(made.version), ..made.clone() });
    assert_eq!(set(disabled.version, State::Disabled).await, disabled, "no change, no version");
    let enabled = set(disabled.version, State::Active).await;
    assert_eq!(enabled, ReturnUrl { version: next(disabled.version), ..made.clone() });
    assert_eq!(return_urls(h).await, [enabled]);
}

pub(crate) async fn the_state_of_a_return_url_needs_its_etag(h: &Harness) {
    h.service().await;
    let made = h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    let effect = operator(h, Action::DisableReturnUrl);
    let outcome = h.store.set_return_url_state(&effect, &made.return_url_id, STALE, State::Disabled).await;
    assert_eq!(outcome.expect("an answer"), Outcome::Refused(Refusal::etag_mismatch(made.version)));
    let effect = operator(h, Action::DisableReturnUrl);
    let outcome = h.store.set_return_url_state(&effect, &return_url("nobody"), made.version, State::Disabled).await;
    assert_eq!(reason(outcome), Reason::NotFound);
}

pub(crate) async fn return_urls_are_listed_by_key_page_by_page(h: &Harness) {
    h.service().await;
    let urls = ["a", "b", "c"].map(|key| new_return_url(key, &format!("https://portal.example/{key}")));
    for index in [2, 0, 1] {
        h.put_return_url(&urls[index]).await;
    }
    for rows in [1, 2, 3] {
        walks(&urls, rows, async |page| h.store.list_return_urls(&page).await.expect("a page")).await;
    }
}

pub(crate) async fn a_provider_is_read_by_its_key(h: &Harness) {
    h.service().await;
    let sicher = h.put_provider(&new_provider("sicher", ProviderKind::Insurer)).await;
    h.put_provider(&new_provider("vergleich", ProviderKind::Comparator)).await;
    assert_eq!(h.store.get_provider(&provider("sicher")).await.expect("an answer"), Some(sicher));
    assert_eq!(h.store.get_provider(&provider("nobody")).await.expect("an answer"), None);
}

pub(crate) async fn a_return_url_is_read_by_its_key(h: &Harness) {
    h.service().await;
    let zurueck = h.put_return_url(&new_return_url("zurueck", "https://portal.example/zurueck")).await;
    h.put_return_url(&new_return_url("ende", "https://portal.example/ende")).await;
    assert_eq!(h.store.get_return_url(&return_url("zurueck")).await.expect("an answer"), Some(zurueck));
    assert_eq!(h.store.get_return_url(&return_url("nobody")).await.expect("an answer"), None);
}

/// What is put anew has to keep to the rules of today; what is there reads, or nobody could see it, and put it anew.
pub(crate) async fn what_was_registered_by_earlier_rules_is_read_listed_and_put_anew(h: &Harness) {
    h.catalogue().await;
    h.put_return_url(&new_return_url("zurueck", "https://portal.example/")).await;
    for host in ["UPDATE target SET url = 'https://{x}.example/'", "UPDATE target SET url = 'https://a;b.example/?{y}'"]
    {
        assert_eq!(h.inspect.change_by_hand(host).await, 2);
        let listed = h.store.list_targets(&first(500)).await.expect("a page").rows;
        assert!(listed.iter().all(|target| host.contains(target.url.as_str())), "{listed:?}");
    }
    assert_eq!(h.inspect.change_by_hand("UPDATE return_url SET url = 'https://portal.example/?{z}'").await, 1);
    assert_eq!(return_urls(h).await[0].url.as_str(), "https://portal.example/?{z}");
    let known = h.store.get_target(&target("rechner")).await.expect("an answer").expect("a target");
    let mended = Target { url: url("https://rechner.example/"), ..known.clone() };
    let effect = operator(h, Action::PutTarget);
    let put = done(h.store.put_target(&effect, &mended, Some(known.version)).await);
    assert_eq!(put.url, mended.url);
}
