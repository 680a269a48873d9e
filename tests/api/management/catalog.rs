//! Tenants and the catalogue, which operators keep and everybody reads.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use tonic::Code;

use crate::harness::*;

const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");

#[tokio::test]
async fn a_target_that_nothing_is_said_of_is_refused() {
    let world = World::example().await;
    let empty = admin::PutTargetRequest { request_id: request_id(), ..admin::PutTargetRequest::default() };
    let fields = [
        "accepted_persons",
        "delivery",
        "display_name",
        "hands_over_secret",
        "kind",
        "lines_of_business",
        "nonce_required",
        "product_provider_id",
        "target_id",
        "url",
    ];
    let operator = world.service.operator();
    world.service.refuses_fields(&fields, operator.catalog_admin().put_target(empty)).await;
}

#[tokio::test]
async fn an_insurers_portal_never_takes_customers() {
    let world = World::example().await;
    let target = admin::PutTargetRequest {
        accepted_persons: vec![v1::PersonKind::Broker.into(), v1::PersonKind::Customer.into()],
        ..insurer_portal("auskunft-neu")
    };
    let operator = world.service.operator();
    world.service.refuses_fields(&["accepted_persons"], operator.catalog_admin().put_target(target)).await;
}

/// T13, T14
#[tokio::test]
async fn a_url_that_no_browser_should_be_sent_to_is_refused() {
    let world = World::example().await;
    let operator = world.service.operator();
    for url in [
        "http://rechner.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//evil.example/",
        "https://user:geheim@rechner.example/",
        "https://rechner.example/#geheim",
        "https://rechner.example/\r\nX-Geheim: 1",
        "https://RECHNER.example/",
        "https://rechner.example",
        "https://rechner.example/{geheim}",
        "https://rechner.example/?user={geheim}&x=1",
        "https://{geheim}.example/",
        "https://rechner.example/%7Bgeheim}",
        "https://*.geheim.example/",
        "https://rechner.example;geheim/",
        "",
    ] {
        let target = admin::PutTargetRequest { url: url.to_owned(), ..calculator("rechner-neu") };
        let status = world.service.refuses_fields(&["url"], operator.catalog_admin().put_target(target)).await;
        assert!(!everything(&status).to_lowercase().contains("geheim"));
        let put = admin::PutReturnUrlRequest {
            request_id: request_id(),
            return_url_id: "neu".to_owned(),
            etag: String::new(),
            url: url.to_owned(),
        };
        world.service.refuses_fields(&["url"], operator.catalog_admin().put_return_url(put)).await;
    }
}

/// T13
#[tokio::test]
async fn an_origin_that_browsers_could_not_compare_is_refused() {
    let world = World::example().await;
    let operator = world.service.operator();
    for origin in [
        "https://login.example/",
        "https://login.example/geheim",
        "https://login.example?geheim",
        "https://login.example#geheim",
        "https://geheim@login.example",
        "https://LOGIN.example",
        "https://login.example:443",
        "https://*.example",
        "https://{geheim}.example",
        "https://login.example; script-src *",
        "https://login.example;script-src",
        "https://login.example https://geheim.example",
        "https://login.example\r\nx-geheim: 1",
        "http://login.example",
        "//login.example",
        "login.example",
        "*",
        "'self'",
        "data:",
        "null",
        "",
    ] {
        let redirect_origins = vec!["https://app.example".to_owned(), origin.to_owned()];
        let put = admin::PutTargetRequest { redirect_origins, target_id: "neu".to_owned(), ..calculator(P) };
        let status =
            world.service.refuses_fields(&["redirect_origins[1]"], operator.catalog_admin().put_target(put)).await;
        assert!(!everything(&status).to_lowercase().contains("geheim"), "{origin}");
    }
    let redirect_origins = (0..11).map(|number| format!("https://a{number}.example")).collect();
    let put = admin::PutTargetRequest { redirect_origins, target_id: "neu".to_owned(), ..calculator(P) };
    world.service.refuses_fields(&["redirect_origins"], operator.catalog_admin().put_target(put)).await;
}

/// T14
#[tokio::test]
async fn only_a_target_that_is_posted_to_redirects() {
    let world = World::example().await;
    let operator = world.service.operator();
    let redirect_origins = vec!["https://app.example".to_owned()];
    for like in [X, Y] {
        let redirect_origins = redirect_origins.clone();
        let put = admin::PutTargetRequest { redirect_origins, target_id: "neu".to_owned(), ..calculator(like) };
        world.service.refuses_fields(&["redirect_origins"], operator.catalog_admin().put_target(put)).await;
    }
    let put = admin::PutTargetRequest { redirect_origins, target_id: "neu".to_owned(), ..calculator(P) };
    operator.catalog_admin().put_target(put).await.expect("a target");
    // Whoever takes a target from posting to another delivery takes its redirects along.
    let etag = world.target("neu").await.etag;
    let put = admin::PutTargetRequest { etag, target_id: "neu".to_owned(), ..calculator(X) };
    let put = operator.catalog_admin().put_target(put).await.expect("a changed target").into_inner();
    assert_eq!(put.target.expect("a target").redirect_origins, Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_that_exists_is_replaced_under_its_etag_only() {
    let world = World::example().await;
    let operator = world.service.operator();
    let put = admin::PutProductProviderRequest {
        request_id: request_id(),
        product_provider_id: INSURER.to_owned(),
        etag: String::new(),
        display_name: "Sicher AG".to_owned(),
        kind: v1::ProductProviderKind::Insurer.into(),
    };
    let state = world.service.state().await;
    let status = status_of(operator.catalog_admin().put_product_provider(put.clone()).await);
    let (code, why) = reason(&status);
    assert!(
        [(Code::AlreadyExists, "ALREADY_EXISTS"), (Code::Aborted, "ETAG_MISMATCH")].contains(&(code, why.as_str()))
    );
    assert_eq!(world.service.state().await, state, "an empty etag means that it is new");

    disable_provider(&world, INSURER).await;
    let mut catalog = operator.catalog_admin();
    let listed = catalog.list_product_providers(admin::ListProductProvidersRequest::default());
    let listed = listed.await.expect("a list").into_inner();
    let known = listed.product_providers.iter().find(|provider| provider.product_provider_id == INSURER);
    let etag = known.expect("the insurer").etag.clone();
    let renamed = admin::PutProductProviderRequest { request_id: request_id(), etag: etag.clone(), ..put };
    let renamed_to = operator.catalog_admin().put_product_provider(renamed.clone()).await.expect("put").into_inner();
    let entry = renamed_to.product_provider.expect("an entry");
    assert_eq!((entry.display_name.as_str(), entry.state()), ("Sicher AG", v1::State::Disabled), "it stays disabled");
    let stale = admin::PutProductProviderRequest { request_id: request_id(), ..renamed };
    world
        .service
        .refuses("provider.put", (Code::Aborted, "ETAG_MISMATCH"), operator.catalog_admin().put_product_provider(stale))
        .await;
}

#[tokio::test]
async fn a_target_of_an_unknown_provider_is_not_found() {
    let world = World::example().await;
    let target = admin::PutTargetRequest { product_provider_id: "fehlt".to_owned(), ..calculator("rechner-neu") };
    let operator = world.service.operator();
    world.service.refuses("target.put", NOT_FOUND, operator.catalog_admin().put_target(target)).await;
}

#[tokio::test]
async fn an_unknown_enum_of_the_catalogue_is_refused() {
    let world = World::example().await;
    let operator = world.service.operator();
    for value in [0, 99, -1] {
        let target = admin::PutTargetRequest { kind: value, delivery: value, ..calculator("rechner-neu") };
        world.service.refuses_fields(&["delivery", "kind"], operator.catalog_admin().put_target(target)).await;
        let provider = admin::PutProductProviderRequest {
            request_id: request_id(),
            product_provider_id: "neu".to_owned(),
            etag: String::new(),
            display_name: "Neu".to_owned(),
            kind: value,
        };
        world.service.refuses_fields(&["kind"], operator.catalog_admin().put_product_provider(provider)).await;
    }
}

#[tokio::test]
async fn a_disabled_return_url_is_not_taken() {
    let world = World::example().await;
    let operator = world.service.operator();
    let listed = operator
        .catalog_admin()
        .list_return_urls(admin::ListReturnUrlsRequest::default())
        .await
        .expect("a list")
        .into_inner();
    let entry = &listed.return_urls[0];
    let disable = admin::DisableReturnUrlRequest {
        request_id: request_id(),
        return_url_id: entry.return_url_id.clone(),
        etag: entry.etag.clone(),
    };
    operator.catalog_admin().disable_return_url(disable).await.expect("disabled");
    let wish = v1::JumpToTarifRequest { return_url: Some(RETURN_URL.to_owned()), ..to(X, Some(customer(C1))) };
    world.service.refuses_fields(&["return_url"], world.a.portal.jumps().jump_to_tarif(wish)).await;
}

#[tokio::test]
async fn tenants_read_the_same_catalogue_without_what_is_the_operators() {
    let world = World::example().await;
    let tenant = &world.a.tenant;
    let callers = [
        world.a.admin.clone(),
        world.a.portal.clone(),
        world.service.broker(tenant, MEIER, MEIER),
        world.service.customer(tenant, C1, C1),
    ];
    for caller in callers {
        let listed = caller.catalog().list_targets(v1::ListTargetsRequest::default()).await.expect("a list");
        let ids: Vec<_> = listed.into_inner().targets.into_iter().map(|target| target.target_id).collect();
        assert_eq!(ids, [V, P, X, Y]);
    }
    let providers = world
        .a
        .portal
        .catalog()
        .list_product_providers(v1::ListProductProvidersRequest::default())
        .await
        .expect("a list");
    let ids: Vec<_> = providers.into_inner().product_providers.into_iter().map(|one| one.product_provider_id).collect();
    assert_eq!(ids, [INSURER, COMPARATOR]);
}

#[tokio::test]
async fn a_tenant_that_is_not_there_is_not_found() {
    let world = World::example().await;
    let operator = world.service.operator();
    let stop =
        admin::StopTenantRequest { request_id: request_id(), tenant_id: NOBODY.to_owned(), etag: "v1".to_owned() };
    world.service.refuses("tenant.stop", NOT_FOUND, operator.tenants().stop_tenant(stop)).await;
    // The nil id is the service's own place, and no tenant.
    let get = admin::GetTenantRequest { tenant_id: uuid::Uuid::nil().to_string() };
    let status = status_of(operator.tenants().get_tenant(get).await);
    assert!([Code::NotFound, Code::InvalidArgument].contains(&status.code()));
}

#[tokio::test]
async fn a_tenant_can_begin_without_a_standard_user() {
    let world = World::example().await;
    let new = admin::CreateTenantRequest {
        request_id: request_id(),
        display_name: "Firma C".to_owned(),
        create_standard_user: Some(false),
    };
    let operator = world.service.operator();
    let made = operator.tenants().create_tenant(new.clone()).await.expect("a tenant").into_inner().tenant;
    let tenant = made.clone().expect("a tenant");
    let again = operator.tenants().create_tenant(new).await.expect("the same tenant").into_inner().tenant;
    assert_eq!(again, made, "the same request makes one tenant");
    let admin = world.service.admin(&tenant.tenant_id);
    let listed = admin.users().list_users(v1::ListUsersRequest::default()).await.expect("a list").into_inner();
    assert_eq!(listed.users, []);
    let tenants =
        operator.tenants().list_tenants(admin::ListTenantsRequest::default()).await.expect("a list").into_inner();
    assert_eq!(tenants.tenants.len(), 3);
}
