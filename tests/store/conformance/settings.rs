//! Settings of tenants.

use std::time::Duration;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::ids::{MvpUserId, TenantId};
use concenter_gateway::domain::jump::{PersonKind, TokenLife};
use concenter_gateway::domain::settings::{
    Percent, SessionChange, SessionSettings, SessionSpan, Settings, SettingsChange,
};

use crate::fixture::jump::for_broker;
use crate::fixture::{Harness, STALE, done, next, reason, refusal};

fn minutes(kind: PersonKind, minutes: u64) -> SessionSpan {
    SessionSpan::new(Duration::from_secs(minutes * 60), kind.session_limits().absolute).expect("a span")
}

fn idle(kind: PersonKind, minutes: u64) -> SessionSpan {
    SessionSpan::new(Duration::from_secs(minutes * 60), kind.session_limits().idle).expect("a span")
}

fn life(seconds: u64) -> TokenLife {
    TokenLife::parse(Duration::from_secs(seconds)).expect("a life")
}

fn mvp_user(id: &str) -> MvpUserId {
    MvpUserId::parse(id).expect("an MVP user")
}

/// A change of every field, each to a value that nothing else has.
fn everything() -> SettingsChange {
    SettingsChange {
        jump_life: Change::Set(life(11)),
        customer_session: SessionChange {
            idle: Change::Set(idle(PersonKind::Customer, 12)),
            absolute: Change::Set(minutes(PersonKind::Customer, 13)),
        },
        broker_session: SessionChange {
            idle: Change::Set(idle(PersonKind::Broker, 14)),
            absolute: Change::Set(minutes(PersonKind::Broker, 479)),
        },
        import_change_limit: Change::Set(Percent::parse(16).expect("a share")),
        default_mvp_user: Change::Set(Some(mvp_user("m.maier"))),
    }
}

pub(crate) async fn a_new_tenant_has_the_settings_that_all_begin_with(h: &Harness) {
    h.service().await;
    let tenant = h.empty_tenant().await;
    assert_eq!(h.settings(&tenant).await, Settings::INITIAL);
}

pub(crate) async fn an_unknown_tenant_has_no_settings(h: &Harness) {
    h.service().await;
    assert_eq!(h.store.get_settings(&h.id(TenantId::new)).await.expect("an answer"), None);
}

pub(crate) async fn changed_settings_read_back(h: &Harness) {
    let firm = h.example().await;
    let changed = h.change_settings(&firm, everything()).await;
    let expected = Settings {
        jump_life: life(11),
        customer_session: SessionSettings {
            idle: idle(PersonKind::Customer, 12),
            absolute: minutes(PersonKind::Customer, 13),
        },
        broker_session: SessionSettings {
            idle: idle(PersonKind::Broker, 14),
            absolute: minutes(PersonKind::Broker, 479),
        },
        import_change_limit: Percent::parse(16).expect("a share"),
        default_mvp_user: Some(mvp_user("m.maier")),
        version: next(Version::FIRST),
    };
    assert_eq!(changed, expected);
    assert_eq!(h.settings(&firm.tenant).await, expected);
    let taken_out = SettingsChange { default_mvp_user: Change::Set(None), ..SettingsChange::default() };
    let changed = h.change_settings(&firm, taken_out).await;
    assert_eq!(changed, Settings { default_mvp_user: None, version: next(expected.version), ..expected });
    assert_eq!(h.accepted(&firm.tenant, Action::UpdateSettings).await, 2);
}

pub(crate) async fn the_bounds_of_settings_can_be_kept(h: &Harness) {
    let firm = h.example().await;
    let (customer, broker) = (PersonKind::Customer, PersonKind::Broker);
    let longest = h.settings(&firm.tenant).await;
    let shortest = SettingsChange {
        jump_life: Change::Set(TokenLife::SHORTEST),
        customer_session: SessionChange {
            idle: Change::Set(idle(customer, 1)),
            absolute: Change::Set(minutes(customer, 1)),
        },
        broker_session: SessionChange { idle: Change::Set(idle(broker, 1)), absolute: Change::Set(minutes(broker, 1)) },
        import_change_limit: Change::Set(Percent::parse(1).expect("a share")),
        default_mvp_user: Change::Set(Some(mvp_user(&"m".repeat(128)))),
    };
    let changed = h.change_settings(&firm, shortest).await;
    assert_eq!((changed.jump_life, changed.broker_session.absolute), (TokenLife::SHORTEST, minutes(broker, 1)));
    let back = SettingsChange {
        jump_life: Change::Set(TokenLife::LONGEST),
        customer_session: SessionChange {
            idle: Change::Set(longest.customer_session.idle),
            absolute: Change::Set(longest.customer_session.absolute),
        },
        broker_session: SessionChange {
            idle: Change::Set(longest.broker_session.idle),
            absolute: Change::Set(longest.broker_session.absolute),
        },
        import_change_limit: Change::Set(Percent::parse(100).expect("a share")),
        default_mvp_user: Change::Keep,
    };
    let changed = h.change_settings(&firm, back).await;
    assert_eq!((changed.jump_life, changed.broker_session), (TokenLife::LONGEST, longest.broker_session));
    assert_eq!(changed.customer_session, longest.customer_session);
}

pub(crate) async fn settings_that_stay_the_same_move_nothing(h: &Harness) {
    let firm = h.example().await;
    let changed = h.change_settings(&firm, everything()).await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    assert_eq!(h.change_settings(&firm, everything()).await, changed);
    assert_eq!(h.change_settings(&firm, SettingsChange::default()).await, changed);
    jumps.are_open(h).await;
}

pub(crate) async fn changing_settings_needs_their_tenant_and_their_etag(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::UpdateSettings);
    let outcome = h.store.update_settings(&firm.tenant, &effect, STALE, &everything()).await;
    assert_eq!(refusal(outcome), Refusal::etag_mismatch(Version::FIRST));
    assert_eq!(h.refused(&firm.tenant, Action::UpdateSettings, Reason::EtagMismatch).await, 1);
    let nobody = h.id(TenantId::new);
    let effect = h.effect(firm.tenant, Action::UpdateSettings);
    let outcome = h.store.update_settings(&nobody, &effect, Version::FIRST, &everything()).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(h.settings(&firm.tenant).await, Settings::INITIAL);
}

pub(crate) async fn a_setting_that_a_decision_rests_on_revokes_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let (customer, broker) = (PersonKind::Customer, PersonKind::Broker);
    let untouched = h.open_jumps(&other, for_broker("m.meier")).await;
    for change in [
        SettingsChange { jump_life: Change::Set(life(30)), ..SettingsChange::default() },
        SettingsChange {
            customer_session: SessionChange { idle: Change::Set(idle(customer, 5)), absolute: Change::Keep },
            ..SettingsChange::default()
        },
        SettingsChange {
            customer_session: SessionChange { idle: Change::Keep, absolute: Change::Set(minutes(customer, 5)) },
            ..SettingsChange::default()
        },
        SettingsChange {
            broker_session: SessionChange { idle: Change::Set(idle(broker, 5)), absolute: Change::Keep },
            ..SettingsChange::default()
        },
        SettingsChange {
            broker_session: SessionChange { idle: Change::Keep, absolute: Change::Set(minutes(broker, 5)) },
            ..SettingsChange::default()
        },
    ] {
        let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
        h.change_settings(&firm, change).await;
        jumps.are_revoked(h).await;
    }
    untouched.are_open(h).await;
}

pub(crate) async fn a_setting_that_no_decision_rests_on_leaves_open_jumps_alone(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    let change = SettingsChange {
        import_change_limit: Change::Set(Percent::parse(50).expect("a share")),
        default_mvp_user: Change::Set(Some(mvp_user("m.maier"))),
        ..SettingsChange::default()
    };
    assert_eq!(h.change_settings(&firm, change).await.version, next(Version::FIRST));
    jumps.are_open(h).await;
}

pub(crate) async fn settings_are_of_one_tenant(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let effect = h.effect(firm.tenant, Action::UpdateSettings);
    done(h.store.update_settings(&firm.tenant, &effect, Version::FIRST, &everything()).await);
    assert_eq!(h.settings(&other.tenant).await, Settings::INITIAL);
}
