//! Changes of con:center users: which fields, by which mask, and what becomes of open jumps.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
const TAKEN: (Code, &str) = (Code::AlreadyExists, "ALREADY_EXISTS");

/// Sends an update of a user of A's as it is.
async fn sent(
    world: &World,
    user: v1::ConcenterUser,
    paths: Option<&[&str]>,
) -> Result<v1::ConcenterUser, tonic::Status> {
    let update_mask = paths.and_then(mask);
    let update = v1::UpdateUserRequest { request_id: request_id(), user: Some(user), update_mask };
    let answer = world.a.admin.users().update_user(update).await?;
    Ok(answer.into_inner().user.expect("a user"))
}

/// What a change must not touch: all but the fields that it may, and what moves with every change.
fn rest(user: &v1::ConcenterUser) -> v1::ConcenterUser {
    v1::ConcenterUser {
        user_name: String::new(),
        provider_scope: None,
        display_name: String::new(),
        notification_email: String::new(),
        updated_at: None,
        etag: String::new(),
        ..user.clone()
    }
}

/// U19
#[tokio::test]
async fn a_change_of_a_user_changes_the_fields_of_the_mask_and_no_others() {
    let world = World::example().await;
    let known = world.a.user(&world.a.meier).await;
    let wish = v1::ConcenterUser {
        user_name: "Meier-Lang".to_owned(),
        provider_scope: Some(only(&[COMPARATOR])),
        display_name: "Frau Meier".to_owned(),
        notification_email: "meier@firma.example".to_owned(),
        ..known.clone()
    };
    let mut before = known;
    for (path, wished) in [
        ("user_name", v1::ConcenterUser { user_name: wish.user_name.clone(), ..before.clone() }),
        ("provider_scope", v1::ConcenterUser { provider_scope: wish.provider_scope.clone(), ..before.clone() }),
        ("display_name", v1::ConcenterUser { display_name: wish.display_name.clone(), ..before.clone() }),
        (
            "notification_email",
            v1::ConcenterUser { notification_email: wish.notification_email.clone(), ..before.clone() },
        ),
    ] {
        world.service.clock.advance(1);
        // Everything is sent, one field is named.
        let all = v1::ConcenterUser { etag: before.etag.clone(), ..wish.clone() };
        let after = sent(&world, all, Some(&[path])).await.expect("changed");
        let now = world.a.user(&world.a.meier).await;
        assert_eq!(after, now, "{path}");
        assert_eq!(rest(&after), rest(&before), "{path}");
        assert_ne!(after.etag, before.etag, "{path}");
        assert_ne!(after.updated_at, before.updated_at, "{path}");
        let changed = |user: &v1::ConcenterUser| match path {
            "user_name" => user.user_name.clone(),
            "provider_scope" => format!("{:?}", user.provider_scope),
            "display_name" => user.display_name.clone(),
            _ => user.notification_email.clone(),
        };
        assert_eq!(changed(&after), changed(&wished), "{path}");
        before = after;
    }
    assert_eq!(before.user_name, wish.user_name);
    assert_eq!(before.provider_scope, wish.provider_scope);
    assert_eq!((before.display_name, before.notification_email), (wish.display_name, wish.notification_email));
}

/// U19
#[tokio::test]
async fn without_a_mask_what_is_set_is_changed_and_nothing_is_cleared() {
    let world = World::example().await;
    let known = world.a.user(&world.a.meier).await;
    let bare = v1::ConcenterUser { user_id: known.user_id.clone(), etag: known.etag.clone(), ..Default::default() };
    let wish = v1::ConcenterUser {
        display_name: "Frau Meier".to_owned(),
        notification_email: "meier@firma.example".to_owned(),
        ..bare.clone()
    };
    let first = sent(&world, wish, None).await.expect("changed");
    assert_eq!((first.user_name.as_str(), first.provider_scope.clone()), ("meier", Some(all())));
    let only_name = v1::ConcenterUser { user_name: "meier-2".to_owned(), etag: first.etag, ..bare.clone() };
    let second = sent(&world, only_name, None).await.expect("changed");
    assert_eq!(second.user_name, "meier-2");
    assert_eq!(
        (second.display_name.as_str(), second.notification_email.as_str()),
        ("Frau Meier", "meier@firma.example")
    );

    let nothing = v1::ConcenterUser { etag: second.etag, ..bare };
    for paths in [None, Some([].as_slice())] {
        let update = v1::UpdateUserRequest {
            request_id: request_id(),
            user: Some(nothing.clone()),
            update_mask: paths.and_then(mask),
        };
        world.service.refuses_fields(&["update_mask"], world.a.admin.users().update_user(update)).await;
    }
}

/// U19
#[tokio::test]
async fn what_is_named_and_empty_is_cleared_where_it_may_be() {
    let world = World::example().await;
    let known = world.a.user(&world.a.meier).await;
    let full = v1::ConcenterUser {
        display_name: "Frau Meier".to_owned(),
        notification_email: "meier@firma.example".to_owned(),
        ..known
    };
    let full = sent(&world, full, Some(&["display_name", "notification_email"])).await.expect("changed");
    let empty = v1::ConcenterUser {
        user_name: String::new(),
        provider_scope: None,
        display_name: String::new(),
        notification_email: String::new(),
        ..full
    };
    let call = world.a.update_user(empty.clone(), &["user_name", "provider_scope", "display_name"]);
    world.service.refuses_fields(&["user.provider_scope", "user.user_name"], call).await;
    let cleared = sent(&world, empty, Some(&["display_name", "notification_email"])).await.expect("cleared");
    assert_eq!((cleared.display_name.as_str(), cleared.notification_email.as_str()), ("", ""));
    assert_eq!((cleared.user_name.as_str(), cleared.provider_scope), ("meier", Some(all())));
}

/// U01, U15
#[tokio::test]
async fn a_change_is_bound_by_what_a_new_user_is_bound_by() {
    let world = World::example().await;
    let known = world.a.user(&world.a.meier).await;
    for name in ["", "  ", "a\0b", "a\r\nb", "\u{1b}[2J", "a\u{202e}b", &"x".repeat(257)] {
        let user = v1::ConcenterUser { user_name: name.to_owned(), ..known.clone() };
        let status = world.service.refuses_fields(&["user.user_name"], world.a.update_user(user, &["user_name"])).await;
        assert!(name.trim().is_empty() || !everything(&status).contains(name));
    }
    for address in ["a@b.de\r\nBcc: x@y.de", "a@b.de,c@d.de", "a", &format!("{}@b.de", "a".repeat(300))] {
        let user = v1::ConcenterUser { notification_email: address.to_owned(), ..known.clone() };
        let call = world.a.update_user(user, &["notification_email"]);
        let status = world.service.refuses_fields(&["user.notification_email"], call).await;
        assert!(address == "a" || !everything(&status).contains(address));
    }
    let user = v1::ConcenterUser { display_name: "x".repeat(201), ..known.clone() };
    world.service.refuses_fields(&["user.display_name"], world.a.update_user(user, &["display_name"])).await;
    let user = v1::ConcenterUser {
        user_id: "x".to_owned(),
        user_name: "\0".to_owned(),
        etag: "x".to_owned(),
        notification_email: "x".to_owned(),
        ..known
    };
    let update = v1::UpdateUserRequest {
        request_id: "x".to_owned(),
        user: Some(user),
        update_mask: mask(&["user_name", "notification_email", "password"]),
    };
    let fields = [
        "request_id",
        "update_mask.paths[2]",
        "user.etag",
        "user.notification_email",
        "user.user_id",
        "user.user_name",
    ];
    world.service.refuses_fields(&fields, world.a.admin.users().update_user(update)).await;
    let nobody = v1::UpdateUserRequest { request_id: request_id(), user: None, update_mask: mask(&["user_name"]) };
    world.service.refuses_fields(&["user"], world.a.admin.users().update_user(nobody)).await;
}

/// U03
#[tokio::test]
async fn a_user_does_not_get_the_name_of_another_however_it_is_spelled() {
    let world = World::example().await;
    for name in ["schulze", "SCHULZE", "  Schulze ", "ｓｃｈｕｌｚｅ"] {
        let known = world.a.user(&world.a.meier).await;
        let user = v1::ConcenterUser { user_name: name.to_owned(), ..known };
        let status = world.service.refuses("user.update", TAKEN, world.a.update_user(user, &["user_name"])).await;
        assert!(!everything(&status).contains(name.trim()));
    }
    // His own, spelled in another way, is his.
    let known = world.a.user(&world.a.meier).await;
    let user = v1::ConcenterUser { user_name: "MEIER".to_owned(), ..known };
    assert_eq!(sent(&world, user, Some(&["user_name"])).await.expect("changed").user_name, "MEIER");
    // Of another tenant, it is free.
    let bs = world.b.new_user(user_of_b("nur-bei-b")).await;
    assert_eq!(world.b.user(&bs).await.user_name, "nur-bei-b");
    let known = world.a.user(&world.a.meier).await;
    let user = v1::ConcenterUser { user_name: "nur-bei-b".to_owned(), ..known };
    sent(&world, user, Some(&["user_name"])).await.expect("changed");
}

fn user_of_b(name: &str) -> v1::CreateUserRequest {
    user("B", name, UserKind::Broker, all())
}

/// U19, I1: the rule stands in the way of a change, too.
#[tokio::test]
async fn an_endkunde_user_never_gets_every_provider() {
    let world = World::example().await;
    let required = (Code::FailedPrecondition, "PROVIDER_SCOPE_REQUIRED");
    for user in [&world.a.private, &world.a.commercial] {
        let known = world.a.user(user).await;
        let wish = v1::ConcenterUser { provider_scope: Some(all()), ..known.clone() };
        world.service.refuses("user.update", required, world.a.update_user(wish, &["provider_scope"])).await;
        let wish = v1::ConcenterUser { provider_scope: Some(only(&[])), ..known.clone() };
        let status = status_of(world.a.update_user(wish, &["provider_scope"]).await);
        assert_eq!(reason(&status), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
        let wish = v1::ConcenterUser { provider_scope: Some(only(&[INSURER])), ..known };
        let changed = sent(&world, wish, Some(&["provider_scope"])).await.expect("changed");
        assert_eq!(changed.provider_scope, Some(only(&[INSURER])));
    }
}

/// U19
#[tokio::test]
async fn a_change_names_only_providers_of_the_catalogue() {
    let world = World::example().await;
    let known = world.a.user(&world.a.meier).await;
    let wish = v1::ConcenterUser { provider_scope: Some(only(&[COMPARATOR, "fehlt"])), ..known };
    let call = world.a.update_user(wish, &["provider_scope"]);
    let status = world.service.refuses("user.update", (Code::NotFound, "NOT_FOUND"), call).await;
    assert!(!everything(&status).contains("fehlt"));
}

/// U20
#[tokio::test]
async fn another_name_or_scope_revokes_the_tenants_open_jumps() {
    let world = World::example().await;
    for path in ["user_name", "provider_scope"] {
        let (his, others) = (world.a.jump(X, broker(MEIER)).await, world.a.jump(X, customer(C1)).await);
        let strangers = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
        let known = world.a.user(&world.a.meier).await;
        let wish = v1::ConcenterUser {
            user_name: "meier-neu".to_owned(),
            provider_scope: Some(only(&[COMPARATOR])),
            ..known.clone()
        };
        let changed = sent(&world, wish, Some(&[path])).await.expect("changed");
        // Taken back, it revives nothing.
        sent(&world, v1::ConcenterUser { etag: changed.etag, ..known }, Some(&[path])).await.expect("changed back");
        for jump in [his, others] {
            let proof = proof(jump.expect("a jump").get_ref());
            world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof)).await;
        }
        assert!(world.redeem(X, proof(&strangers)).await.is_ok(), "a change of A revoked a jump of B");
    }
}

/// U20
#[tokio::test]
async fn another_address_or_display_name_and_what_is_no_change_revoke_nothing() {
    let world = World::example().await;
    let jump = world.a.jump(X, broker(MEIER)).await.expect("a jump").into_inner();
    let known = world.a.user(&world.a.meier).await;
    let wish = v1::ConcenterUser {
        display_name: "Frau Meier".to_owned(),
        notification_email: "meier@firma.example".to_owned(),
        ..known
    };
    let changed = sent(&world, wish, Some(&["display_name", "notification_email"])).await.expect("changed");
    let all = ["user_name", "provider_scope", "display_name", "notification_email"];
    let same = sent(&world, changed.clone(), Some(&all)).await.expect("the same");
    assert_eq!(same, changed, "nothing differs, nothing moves");
    assert!(world.redeem(X, proof(&jump)).await.is_ok());
}

/// U20
#[tokio::test]
async fn the_next_jump_takes_the_name_and_the_scope_of_now() {
    let world = World::example().await;
    let known = world.a.user(&world.a.private).await;
    let wish = v1::ConcenterUser {
        user_name: "privat-neu".to_owned(),
        provider_scope: Some(only(&[COMPARATOR, INSURER])),
        ..known
    };
    sent(&world, wish, Some(&["user_name", "provider_scope"])).await.expect("changed");
    let arrived = world.arrive(X, customer(C1)).await;
    assert_eq!(arrived.concenter_user_name, "privat-neu");
    assert_eq!(arrived.provider_scope, Some(only(&[INSURER, COMPARATOR])));
    assert_eq!(arrived.password, Some(password("A", "privatkunden")), "the password is that of before");
    let known = world.a.user(&world.a.private).await;
    let wish = v1::ConcenterUser { provider_scope: Some(only(&[INSURER])), ..known };
    sent(&world, wish, Some(&["provider_scope"])).await.expect("changed");
    let refused = (Code::FailedPrecondition, "PROVIDER_NOT_ALLOWED");
    world.service.refuses("jump.issue", refused, world.a.jump(X, customer(C1))).await;
}
