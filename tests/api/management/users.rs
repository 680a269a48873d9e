//! Con:center users: what they are made of, and that a password goes in and never comes out.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use prost::Message as _;
use tonic::Code;

use crate::harness::*;

/// A new user of A's that nothing is wrong with.
fn new_user() -> v1::CreateUserRequest {
    user("A", "neu", UserKind::Broker, all())
}

/// Asserts that A's administrator cannot make this user, because of these fields.
async fn cannot_make(world: &World, fields: &[&str], new: v1::CreateUserRequest) -> tonic::Status {
    world.service.refuses_fields(fields, world.a.admin.users().create_user(new)).await
}

/// U17, I8
#[tokio::test]
async fn no_answer_of_the_management_holds_a_password() {
    let world = World::example().await;
    let (admin, canary) = (&world.a.admin, "KANARIENVOGEL-1");
    let new = v1::CreateUserRequest { password: Some(canary.to_owned()), ..new_user() };
    let made = admin.users().create_user(new.clone()).await.expect("a user").into_inner();
    let made_user = made.user.clone().expect("a user");
    assert_eq!(made_user.secret_version, 1);
    assert!(made_user.secret_set_at.is_some());
    let (user_id, etag) = (made_user.user_id, made_user.etag);
    let set = v1::SetUserSecretRequest {
        request_id: request_id(),
        user_id: user_id.clone(),
        etag,
        password: canary.to_owned(),
    };
    let set = admin.users().set_user_secret(set).await.expect("a secret").into_inner();
    let list = v1::ListUsersRequest::default();
    let listed = admin.users().list_users(list).await.expect("a list").into_inner();
    let got = admin.users().get_user(v1::GetUserRequest { user_id }).await.expect("a user").into_inner();
    let stale = v1::SetUserSecretRequest {
        request_id: request_id(),
        user_id: world.a.meier.clone(),
        etag: got.user.as_ref().expect("a user").etag.clone(),
        password: canary.to_owned(),
    };
    let refusal = status_of(admin.users().set_user_secret(stale).await);

    for answer in [made.encode_to_vec(), set.encode_to_vec(), listed.encode_to_vec(), got.encode_to_vec()] {
        assert!(!String::from_utf8_lossy(&answer).contains(canary));
    }
    assert!(!everything(&refusal).contains(canary));
    assert_eq!(set.user.map(|user| user.secret_version), Some(2));
}

#[tokio::test]
async fn a_new_tenant_has_cloudtransfer_as_standard_without_a_password() {
    let world = World::example().await;
    let standard = world.a.user(&world.a.standard).await;
    assert_eq!(standard.user_name, "cloudtransfer");
    assert_eq!(standard.kind(), UserKind::Standard);
    assert_eq!(standard.state(), v1::State::Active);
    assert_eq!((standard.secret_version, standard.secret_set_at), (0, None));
}

/// U03, U04
#[tokio::test]
async fn a_user_name_is_unique_in_its_tenant_however_it_is_spelled() {
    let world = World::example().await;
    // Case, white space around it, and compatibility forms: fullwidth and ligature.
    for name in ["meier", "MEIER", "  Meier ", "ｍｅｉｅｒ"] {
        let status = world
            .service
            .refuses(
                "user.create",
                (Code::AlreadyExists, "ALREADY_EXISTS"),
                world.a.admin.users().create_user(user("A", name, UserKind::Broker, all())),
            )
            .await;
        assert!(!everything(&status).contains(name.trim()));
    }
    let elsewhere = world.b.new_user(user("B", "nur-hier", UserKind::Broker, all())).await;
    let here = world.a.new_user(user("A", "nur-hier", UserKind::Broker, all())).await;
    assert_ne!(here, elsewhere, "what another tenant has is nobody's business");
}

/// U18
#[tokio::test]
async fn sql_in_a_name_is_a_name() {
    let world = World::example().await;
    for name in ["' OR 1=1 --", "\"; DROP TABLE concenter_user", "%_", "Robert'); --"] {
        let made = world.a.new_user(user("A", name, UserKind::Broker, all())).await;
        assert_eq!(world.a.user(&made).await.user_name, name);
    }
}

/// U01
#[tokio::test]
async fn a_user_name_that_cannot_be_read_is_refused() {
    let world = World::example().await;
    let long = "x".repeat(257);
    for name in ["", "  ", "a\0b", "a\r\nb", "a\n", "\u{1b}[2J", "a\u{202e}b", "a\u{200b}b", &long] {
        let new = v1::CreateUserRequest { user_name: name.to_owned(), ..new_user() };
        let status = cannot_make(&world, &["user_name"], new).await;
        assert!(name.trim().is_empty() || !everything(&status).contains(name));
    }
}

/// U02
#[tokio::test]
async fn a_password_out_of_bounds_is_refused_and_not_echoed() {
    let world = World::example().await;
    let long = "geheim".repeat(100);
    for password in ["", "geheim\0", &long] {
        let new = v1::CreateUserRequest { password: Some(password.to_owned()), ..new_user() };
        let status = cannot_make(&world, &["password"], new).await;
        assert!(!everything(&status).contains("geheim"));
        let set = v1::SetUserSecretRequest {
            request_id: request_id(),
            user_id: world.a.meier.clone(),
            etag: world.a.user(&world.a.meier).await.etag,
            password: password.to_owned(),
        };
        let status = world.service.refuses_fields(&["password"], world.a.admin.users().set_user_secret(set)).await;
        assert!(!everything(&status).contains("geheim"));
    }
    let longest = v1::CreateUserRequest { password: Some("x".repeat(512)), ..new_user() };
    world.a.new_user(longest).await;
}

/// U15
#[tokio::test]
async fn a_notification_address_is_one_address() {
    let world = World::example().await;
    let long = format!("{}@b.de", "a".repeat(300));
    for address in ["a@b.de\r\nBcc: x@y.de", "a@b.de,c@d.de", "Meier <a@b.de>", "a", "a@b.de ", &long] {
        let new = v1::CreateUserRequest { notification_email: address.to_owned(), ..new_user() };
        cannot_make(&world, &["notification_email"], new).await;
    }
    let good = v1::CreateUserRequest { notification_email: "notdienst@meier.example".to_owned(), ..new_user() };
    let made = world.a.new_user(good).await;
    assert_eq!(world.a.user(&made).await.notification_email, "notdienst@meier.example");
}

/// U13
#[tokio::test]
async fn a_kind_or_scope_that_is_not_said_is_refused() {
    let world = World::example().await;
    for kind in [0, 99, -1, UserKind::Standard.into()] {
        cannot_make(&world, &["kind"], v1::CreateUserRequest { kind, ..new_user() }).await;
    }
    let unsaid = v1::ProviderScope { scope: None };
    let too_many: Vec<_> = (0..201).map(|n| format!("p-{n}")).collect();
    let too_many = only(&too_many.iter().map(String::as_str).collect::<Vec<_>>());
    for scope in [None, Some(unsaid)] {
        cannot_make(&world, &["provider_scope"], v1::CreateUserRequest { provider_scope: scope, ..new_user() }).await;
    }
    for scope in [only(&[]), too_many] {
        let new = v1::CreateUserRequest { provider_scope: Some(scope), ..new_user() };
        let status = status_of(world.a.admin.users().create_user(new).await);
        assert_eq!(reason(&status), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
        assert!(fields(&status)[0].starts_with("provider_scope"), "{:?}", fields(&status));
    }
}

#[tokio::test]
async fn an_endkunde_user_is_not_made_for_every_provider() {
    let world = World::example().await;
    cannot_make(&world, &["provider_scope"], user("A", "neu", UserKind::EndCustomer, all())).await;
}

#[tokio::test]
async fn a_user_names_only_providers_of_the_catalogue() {
    let world = World::example().await;
    let new = user("A", "neu", UserKind::EndCustomer, only(&[COMPARATOR, "fehlt"]));
    let not_found = (Code::NotFound, "NOT_FOUND");
    let status = world.service.refuses("user.create", not_found, world.a.admin.users().create_user(new)).await;
    assert!(!everything(&status).contains("fehlt"));
}

#[tokio::test]
async fn all_fields_that_cannot_be_taken_are_named_at_once() {
    let world = World::example().await;
    let new = v1::CreateUserRequest {
        request_id: String::new(),
        user_name: "\0".to_owned(),
        kind: 99,
        provider_scope: None,
        display_name: "x".repeat(201),
        notification_email: "KANARIENVOGEL".to_owned(),
        password: Some("KANARIENVOGEL\0".to_owned()),
    };
    let fields =
        ["display_name", "kind", "notification_email", "password", "provider_scope", "request_id", "user_name"];
    let status = cannot_make(&world, &fields, new).await;
    assert!(!everything(&status).contains("KANARIENVOGEL"));
}

#[tokio::test]
async fn an_id_that_is_none_is_a_field_and_not_a_search() {
    let world = World::example().await;
    for id in ["", "x", "' OR 1=1 --", "{00000000-0000-7000-8000-000000000001}"] {
        let get = v1::GetUserRequest { user_id: id.to_owned() };
        let status = world.service.refuses_fields(&["user_id"], world.a.admin.users().get_user(get)).await;
        assert!(id.is_empty() || id == "x" || !everything(&status).contains(id));
    }
}

/// U18
#[tokio::test]
async fn what_sql_takes_for_a_pattern_finds_itself_only() {
    let world = World::example().await;
    for (n, id) in ["b_1", "bx1", "b.1"].into_iter().enumerate() {
        let spare = world.a.new_user(user("A", &format!("neu-{n}"), UserKind::Broker, all())).await;
        world.a.activate(id, &spare).await;
        world.a.jump(X, broker(id)).await.expect("a jump");
    }
    for id in ["b_1", "bx1", "b.1"] {
        let list = v1::ListBrokerActivationsRequest { broker_id: Some(id.to_owned()), ..Default::default() };
        let listed = world.a.admin.activations().list_broker_activations(list).await.expect("a list").into_inner();
        assert_eq!(listed.activations.iter().flat_map(|one| &one.broker_ids).collect::<Vec<_>>(), [id]);
        let of = Some(v1::list_jumps_request::Person::BrokerId(id.to_owned()));
        let list = v1::ListJumpsRequest { person: of, ..Default::default() };
        let listed = world.a.admin.jumps().list_jumps(list).await.expect("a list").into_inner();
        assert_eq!(listed.jumps.iter().map(|jump| jump.person_id.as_str()).collect::<Vec<_>>(), [id]);
    }
    for bad in ["' OR 1=1 --", "\"; DROP TABLE concenter_user", "\0", "%", "b%"] {
        let list = v1::ListBrokerActivationsRequest { broker_id: Some(bad.to_owned()), ..Default::default() };
        let mut activations = world.a.admin.activations();
        world.service.refuses_fields(&["broker_id"], activations.list_broker_activations(list)).await;
    }
}

/// U17, I8: what stands in the log and in the database, whoever has read since.
#[tokio::test]
async fn a_password_is_in_no_log_and_in_no_file() {
    let log = Log::listen();
    let world = World::example().await;
    let canary = "KANARIENVOGEL-2";
    world.a.set_secret(&world.a.private, canary).await;
    world.a.set_secret(&world.a.meier, canary).await;
    let new = v1::CreateUserRequest { password: Some(canary.to_owned()), ..new_user() };
    world.a.new_user(new).await;
    world.a.user(&world.a.private).await;
    assert_eq!(world.arrive(X, customer(C1)).await.password.as_deref(), Some(canary), "it is the password");
    world.a.jump(X, broker(MEIER)).await.expect("a jump");
    world.a.delete_activation(&world.a.meiers).await.expect("deleted");
    world.a.delete_user(&world.a.meier).await.expect("deleted");

    let kept = world.service.place().kept().await;
    for (name, bytes) in &kept {
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{name}");
    }
    let searched = match Engine::under_test() {
        Engine::Sqlite => ["concenter.db", "concenter.db-wal"],
        Engine::Postgres => ["concenter_user", "jump"],
    };
    for part in searched {
        assert!(kept.iter().any(|(name, bytes)| name == part && !bytes.is_empty()), "{part} was not searched");
    }
    assert!(log.text().contains("SetUserSecret"), "the log was heard");
    assert!(!log.text().contains(canary));
}
