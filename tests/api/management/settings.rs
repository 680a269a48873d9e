//! The settings of a tenant: their bounds, and what they do to jumps and sessions.

use concenter_gateway::proto::v1;
use prost_types::Duration;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
/// Each span of a session, with its longest minutes.
const SPANS: [(&str, i64); 4] = [
    ("customer_session_idle", 15),
    ("customer_session_absolute", 30),
    ("broker_session_idle", 30),
    ("broker_session_absolute", 480),
];

#[expect(clippy::unnecessary_wraps, reason = "a field that may be absent")]
const fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

const fn minutes(minutes: i64) -> Option<Duration> {
    seconds(minutes * 60)
}

/// Sets one span.
fn with_span(mut settings: v1::Settings, path: &str, span: Option<Duration>) -> v1::Settings {
    match path {
        "jump_ttl" => settings.jump_ttl = span,
        "customer_session_idle" => settings.customer_session_idle = span,
        "customer_session_absolute" => settings.customer_session_absolute = span,
        "broker_session_idle" => settings.broker_session_idle = span,
        _ => settings.broker_session_absolute = span,
    }
    settings
}

/// Changes A's settings, which must go well.
async fn changed(world: &World, settings: v1::Settings, paths: &[&str]) -> v1::Settings {
    let answer = world.a.update_settings(settings, paths).await.expect("changed").into_inner();
    let settings = answer.settings.expect("settings");
    assert_eq!(settings, world.a.settings().await);
    settings
}

/// S01
#[tokio::test]
async fn a_tenant_begins_with_the_longest_sessions_and_jumps_of_a_minute() {
    let world = World::example().await;
    let settings = world.a.settings().await;
    assert_ne!(settings.etag, "", "there is one before the first change");
    let initial = v1::Settings {
        jump_ttl: seconds(60),
        customer_session_idle: minutes(15),
        customer_session_absolute: minutes(30),
        broker_session_idle: minutes(30),
        broker_session_absolute: minutes(480),
        import_change_limit_percent: 20,
        default_mvp_user_id: String::new(),
        etag: settings.etag.clone(),
    };
    assert_eq!(settings, initial);
}

/// S01
#[tokio::test]
async fn every_setting_is_taken_up_to_its_bounds() {
    let world = World::example().await;
    for good in [10, 119, 120] {
        let wish = v1::Settings { jump_ttl: seconds(good), ..world.a.settings().await };
        assert_eq!(changed(&world, wish, &["jump_ttl"]).await.jump_ttl, seconds(good));
    }
    for (path, longest) in SPANS {
        for good in [1, longest - 1, longest] {
            let wish = with_span(world.a.settings().await, path, minutes(good));
            assert_eq!(
                changed(&world, wish.clone(), &[path]).await,
                v1::Settings { etag: world.a.settings().await.etag, ..wish }
            );
        }
    }
    for good in [1, 99, 100] {
        let wish = v1::Settings { import_change_limit_percent: good, ..world.a.settings().await };
        let paths = ["import_change_limit_percent"];
        assert_eq!(changed(&world, wish, &paths).await.import_change_limit_percent, good);
    }
    for good in ["m", &"x".repeat(128), "a.B_c:d@e-9"] {
        let wish = v1::Settings { default_mvp_user_id: good.to_owned(), ..world.a.settings().await };
        assert_eq!(changed(&world, wish, &["default_mvp_user_id"]).await.default_mvp_user_id, good);
    }
    let wish = v1::Settings { default_mvp_user_id: String::new(), ..world.a.settings().await };
    assert_eq!(changed(&world, wish, &["default_mvp_user_id"]).await.default_mvp_user_id, "", "cleared");
}

/// S02
#[tokio::test]
async fn a_setting_out_of_its_bounds_is_refused() {
    let world = World::example().await;
    let settings = world.a.settings().await;
    let span = |seconds, nanos| Some(Duration { seconds, nanos });
    let never = [
        span(-60, 0),
        span(0, 0),
        span(60, 1),
        span(60, -1),
        span(60, i32::MAX),
        span(i64::MAX, 0),
        span(i64::MIN, i32::MIN),
        None,
    ];
    let life = never.into_iter().chain([9, 121, 600].map(seconds));
    for bad in life {
        let call = world.a.update_settings(v1::Settings { jump_ttl: bad, ..settings.clone() }, &["jump_ttl"]);
        world.service.refuses_fields(&["settings.jump_ttl"], call).await;
    }
    for (path, longest) in SPANS {
        let spans = [1, 59, 61, longest * 60 - 1, longest * 60 + 1, longest * 60 + 60];
        for bad in never.into_iter().chain(spans.map(seconds)) {
            let paths = [path];
            let call = world.a.update_settings(with_span(settings.clone(), path, bad), &paths);
            world.service.refuses_fields(&[&format!("settings.{path}")], call).await;
        }
    }
    for bad in [i32::MIN, -1, 0, 101, 276, i32::MAX] {
        let wish = v1::Settings { import_change_limit_percent: bad, ..settings.clone() };
        let call = world.a.update_settings(wish, &["import_change_limit_percent"]);
        world.service.refuses_fields(&["settings.import_change_limit_percent"], call).await;
    }
    for bad in ["m m", "m\0", "ü", "' OR 1=1 --", &"x".repeat(129)] {
        let wish = v1::Settings { default_mvp_user_id: bad.to_owned(), ..settings.clone() };
        let call = world.a.update_settings(wish, &["default_mvp_user_id"]);
        let status = world.service.refuses_fields(&["settings.default_mvp_user_id"], call).await;
        assert!(!everything(&status).contains(bad));
    }
}

/// S02
#[tokio::test]
async fn all_settings_that_cannot_be_taken_are_named_at_once() {
    let world = World::example().await;
    let bad = v1::Settings {
        jump_ttl: seconds(9),
        customer_session_idle: minutes(16),
        customer_session_absolute: minutes(31),
        broker_session_idle: minutes(31),
        broker_session_absolute: minutes(481),
        import_change_limit_percent: 101,
        default_mvp_user_id: "m m".to_owned(),
        etag: "x".to_owned(),
    };
    let update = v1::UpdateSettingsRequest { request_id: "x".to_owned(), settings: Some(bad), update_mask: None };
    let fields = [
        "request_id",
        "settings.broker_session_absolute",
        "settings.broker_session_idle",
        "settings.customer_session_absolute",
        "settings.customer_session_idle",
        "settings.default_mvp_user_id",
        "settings.etag",
        "settings.import_change_limit_percent",
        "settings.jump_ttl",
    ];
    world.service.refuses_fields(&fields, world.a.admin.settings().update_settings(update)).await;
    let none = v1::UpdateSettingsRequest { request_id: request_id(), settings: None, update_mask: None };
    world.service.refuses_fields(&["settings"], world.a.admin.settings().update_settings(none)).await;
    let etag = world.a.settings().await.etag;
    let nothing = Some(v1::Settings { etag, ..v1::Settings::default() });
    let nothing = v1::UpdateSettingsRequest { request_id: request_id(), settings: nothing, update_mask: None };
    world.service.refuses_fields(&["update_mask"], world.a.admin.settings().update_settings(nothing)).await;
}

/// S03
#[tokio::test]
async fn a_jump_that_names_no_life_has_that_of_the_settings_of_its_tenant() {
    let world = World::example().await;
    let wish = v1::Settings { jump_ttl: seconds(20), ..world.a.settings().await };
    changed(&world, wish, &["jump_ttl"]).await;
    let life = async |caller: &Client, ttl: Option<Duration>| {
        let wish = v1::JumpToTarifRequest { ttl, ..to(X, Some(customer(C1))) };
        let jump = caller.jumps().jump_to_tarif(wish).await.expect("a jump").into_inner();
        let claims = Token::read(&token(&jump)).payload;
        let life = claims["exp"].as_i64().expect("an end") - claims["iat"].as_i64().expect("a beginning");
        assert_eq!(jump.expires_at.map(|at| at.seconds), claims["exp"].as_i64());
        life
    };
    assert_eq!(life(&world.a.portal, None).await, 20);
    assert_eq!(life(&world.a.portal, seconds(120)).await, 120, "what is named counts");
    assert_eq!(life(&world.b.portal, None).await, 60, "another tenant has its own");
}

/// S03
#[tokio::test]
async fn a_target_is_told_the_sessions_of_the_settings() {
    let world = World::example().await;
    let limits = async |person: v1::Person| world.arrive(X, person).await.session_limits.expect("limits");
    let is = |idle, absolute| v1::SessionLimits { idle: minutes(idle), absolute: minutes(absolute) };
    assert_eq!(limits(customer(C1)).await, is(15, 30));
    assert_eq!(limits(broker(MEIER)).await, is(30, 480));
    let wish = v1::Settings {
        customer_session_idle: minutes(5),
        customer_session_absolute: minutes(10),
        broker_session_idle: minutes(20),
        broker_session_absolute: minutes(60),
        ..world.a.settings().await
    };
    let paths = SPANS.map(|(path, _)| path);
    changed(&world, wish, &paths).await;
    assert_eq!(limits(customer(C1)).await, is(5, 10));
    assert_eq!(limits(broker(MEIER)).await, is(20, 60));
    // Idle is never told longer than the whole session, whatever was set.
    let wish = v1::Settings {
        customer_session_idle: minutes(15),
        customer_session_absolute: minutes(3),
        ..world.a.settings().await
    };
    changed(&world, wish, &["customer_session_idle", "customer_session_absolute"]).await;
    assert_eq!(limits(customer(C1)).await, is(3, 3));
    let strangers = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let strangers = world.redeem(X, proof(&strangers)).await.expect("a redemption").into_inner();
    assert_eq!(strangers.session_limits, Some(is(15, 30)), "another tenant has its own");
}

/// S04
#[tokio::test]
async fn what_a_jump_rests_on_of_the_settings_revokes_open_ones_and_the_rest_does_not() {
    let world = World::example().await;
    let open = async || world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    for path in ["jump_ttl"].into_iter().chain(SPANS.map(|(path, _)| path)) {
        let (jump, known) = (open().await, world.a.settings().await);
        let strangers = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
        let shorter = if path == "jump_ttl" { seconds(30) } else { minutes(2) };
        let after = changed(&world, with_span(known.clone(), path, shorter), &[path]).await;
        // Taken back, it revives nothing.
        changed(&world, v1::Settings { etag: after.etag, ..known }, &[path]).await;
        world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
        assert!(world.redeem(X, proof(&strangers)).await.is_ok(), "{path} of A revoked a jump of B");
    }
    let (jump, known) = (open().await, world.a.settings().await);
    let wish = v1::Settings { import_change_limit_percent: 50, default_mvp_user_id: "m-1".to_owned(), ..known };
    let all = ["jump_ttl", "import_change_limit_percent", "default_mvp_user_id", "broker_session_idle"];
    let after = changed(&world, wish, &all).await;
    assert_eq!(changed(&world, after.clone(), &all).await, after, "nothing differs, nothing moves");
    assert!(world.redeem(X, proof(&jump)).await.is_ok());
}
