//! The operator's kill switches, and single entries of the catalogue.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");

/// O01
#[tokio::test]
async fn a_disabled_target_refuses_the_very_next_redeem_and_stays_so_for_jumps_of_before() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    disable_target(&world, X).await;
    let status = world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    assert!(!everything(&status).contains("geheim"));
    let refused = (Code::FailedPrecondition, "TARGET_DISABLED");
    world.service.refuses("jump.issue", refused, world.a.jump(X, customer(C1))).await;

    let admin::Target { target_id, etag, .. } = world.target(X).await;
    let enable = admin::EnableTargetRequest { request_id: request_id(), target_id, etag };
    let enabled = world.service.operator().catalog_admin().enable_target(enable).await.expect("enabled").into_inner();
    assert_eq!(enabled.target.map(|target| target.state()), Some(v1::State::Active));
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
    assert_eq!(world.arrive(X, customer(C1)).await.concenter_user_name, "privatkunden");
}

/// O01
#[tokio::test]
async fn a_disabled_provider_refuses_the_very_next_redeem_at_all_its_targets() {
    let world = World::example().await;
    let jump = async |target| world.a.jump(target, customer(C1)).await.expect("a jump").into_inner();
    let (at_x, at_y) = (jump(X).await, jump(Y).await);
    disable_provider(&world, COMPARATOR).await;
    let refused = (Code::FailedPrecondition, "PROVIDER_DISABLED");
    for (target, jump) in [(X, &at_x), (Y, &at_y)] {
        world.service.refuses("jump.redeem", REVOKED, world.redeem(target, proof(jump))).await;
        world.service.refuses("jump.issue", refused, world.a.jump(target, customer(C1))).await;
    }
    assert!(world.a.jump(P, customer(K1)).await.is_ok(), "the insurer's own goes on");

    let admin::ProductProvider { product_provider_id, etag, .. } = world.provider(COMPARATOR).await;
    let enable = admin::EnableProductProviderRequest { request_id: request_id(), product_provider_id, etag };
    world.service.operator().catalog_admin().enable_product_provider(enable).await.expect("enabled");
    for (target, jump) in [(X, &at_x), (Y, &at_y)] {
        world.service.refuses("jump.redeem", REVOKED, world.redeem(target, proof(jump))).await;
        assert!(world.a.jump(target, customer(C1)).await.is_ok());
    }
}

/// O02
#[tokio::test]
async fn an_entry_is_read_as_the_list_has_it_disabled_or_not() {
    let world = World::example().await;
    disable_target(&world, P).await;
    disable_provider(&world, INSURER).await;
    let operator = world.service.operator();
    let mut catalog = operator.catalog_admin();
    let targets =
        catalog.list_targets(admin::ListTargetsRequest::default()).await.expect("a list").into_inner().targets;
    assert_eq!(targets.len(), 4);
    for target in targets {
        assert_eq!(world.target(&target.target_id).await, target);
    }
    let list = admin::ListProductProvidersRequest::default();
    let providers = catalog.list_product_providers(list).await.expect("a list").into_inner().product_providers;
    assert_eq!(providers.len(), 2);
    for provider in providers {
        assert_eq!(world.provider(&provider.product_provider_id).await, provider);
    }
    let list = admin::ListReturnUrlsRequest::default();
    let urls = catalog.list_return_urls(list).await.expect("a list").into_inner().return_urls;
    assert_eq!(urls.iter().map(|entry| entry.url.as_str()).collect::<Vec<_>>(), [RETURN_URL]);
    assert_eq!(world.return_url(&urls[0].return_url_id).await, urls[0]);
}

/// O02
#[tokio::test]
async fn an_entry_that_is_not_there_is_not_found_and_one_without_a_key_is_a_field() {
    let world = World::example().await;
    let operator = world.service.operator();
    let mut catalog = operator.catalog_admin();
    let target = |id: &str| admin::GetTargetRequest { target_id: id.to_owned() };
    let provider = |id: &str| admin::GetProductProviderRequest { product_provider_id: id.to_owned() };
    let url = |id: &str| admin::GetReturnUrlRequest { return_url_id: id.to_owned() };
    let not_found = (NOT_FOUND.0, NOT_FOUND.1.to_owned());
    let statuses = [
        status_of(catalog.get_target(target("fehlt")).await),
        status_of(catalog.get_product_provider(provider("fehlt")).await),
        status_of(catalog.get_return_url(url("fehlt")).await),
    ];
    for status in statuses {
        assert_eq!(reason(&status), not_found);
        assert!(!everything(&status).contains("fehlt"));
    }
    for bad in ["", "Groß", "a b", "../x", "' OR 1=1 --", &"x".repeat(65)] {
        world.service.refuses_fields(&["target_id"], catalog.get_target(target(bad))).await;
        world.service.refuses_fields(&["product_provider_id"], catalog.get_product_provider(provider(bad))).await;
        world.service.refuses_fields(&["return_url_id"], catalog.get_return_url(url(bad))).await;
    }
}
