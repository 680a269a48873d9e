//! `SettingsService`: the settings of a tenant.

use prost_types::Duration;
use tonic::Request;

use super::convert::{Fields, Mask, Read, Resource, duration, etag, non_empty, parse_duration, token_life, update};
use super::desk::{Answer, Desk};
use crate::domain::error::Version;
use crate::domain::ids::MvpUserId;
use crate::domain::jump::PersonKind;
use crate::domain::settings::{
    InvalidSessionSpan, Percent, SessionChange, SessionSettings, SessionSpan, Settings, SettingsChange,
};
use crate::proto::v1;
use crate::proto::v1::settings_service_server::SettingsService;

/// The service.
pub(super) struct TenantSettings {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl SettingsService for TenantSettings {
    async fn get_settings(&self, request: Request<v1::GetSettingsRequest>) -> Answer<v1::GetSettingsResponse> {
        let (call, _) = self.desk.open(request)?;
        let found = self.desk.checked(self.desk.app.get_settings(&call).await)?;
        Ok(v1::GetSettingsResponse { settings: Some(settings_out(&found)) }.into())
    }

    async fn update_settings(&self, request: Request<v1::UpdateSettingsRequest>) -> Answer<v1::UpdateSettingsResponse> {
        let (call, (version, change)) = self.desk.effect(request, |fields, message| {
            update(fields, message.settings.as_ref(), message.update_mask.as_ref(), change)
        })?;
        let changed = self.desk.checked(self.desk.app.update_settings(&call, version, &change).await)?;
        Ok(v1::UpdateSettingsResponse { settings: Some(settings_out(&changed)) }.into())
    }
}

impl Resource for v1::Settings {
    const NAME: &'static str = "settings";

    fn updatable(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("jump_ttl", self.jump_ttl.is_some()),
            ("customer_session_idle", self.customer_session_idle.is_some()),
            ("customer_session_absolute", self.customer_session_absolute.is_some()),
            ("broker_session_idle", self.broker_session_idle.is_some()),
            ("broker_session_absolute", self.broker_session_absolute.is_some()),
            ("import_change_limit_percent", self.import_change_limit_percent != 0),
            ("default_mvp_user_id", !self.default_mvp_user_id.is_empty()),
        ]
    }
}

fn change(fields: &mut Fields, mask: &Mask, settings: &v1::Settings) -> Read<(Version, SettingsChange)> {
    let version = fields.etag(&settings.etag);
    let jump_life = mask.change(fields, "jump_ttl", |fields, path| {
        let ttl = set(fields, path, settings.jump_ttl)?;
        fields.keep(path, token_life(ttl))
    });
    let mut span = |path, wire, longest: SessionSpan| {
        mask.change(fields, path, |fields, path| session_span(fields, path, wire, longest))
    };
    let customer = SessionSettings::longest(PersonKind::Customer);
    let customer_idle = span("customer_session_idle", settings.customer_session_idle, customer.idle);
    let customer_absolute = span("customer_session_absolute", settings.customer_session_absolute, customer.absolute);
    let broker = SessionSettings::longest(PersonKind::Broker);
    let broker_idle = span("broker_session_idle", settings.broker_session_idle, broker.idle);
    let broker_absolute = span("broker_session_absolute", settings.broker_session_absolute, broker.absolute);
    let import_change_limit = mask.change(fields, "import_change_limit_percent", |fields, path| {
        fields.keep(path, Percent::parse(settings.import_change_limit_percent))
    });
    let default_mvp_user = mask.change(fields, "default_mvp_user_id", |fields, path| {
        let text = non_empty(&settings.default_mvp_user_id);
        fields.optional(text, |fields, text| fields.portal_id(path, MvpUserId::parse(text)))
    });
    let change = SettingsChange {
        jump_life: jump_life?,
        customer_session: SessionChange { idle: customer_idle?, absolute: customer_absolute? },
        broker_session: SessionChange { idle: broker_idle?, absolute: broker_absolute? },
        import_change_limit: import_change_limit?,
        default_mvp_user: default_mvp_user?,
    };
    Ok((version?, change))
}

fn session_span(
    fields: &mut Fields,
    path: &'static str,
    wire: Option<Duration>,
    longest: SessionSpan,
) -> Read<SessionSpan> {
    let span = parse_duration(set(fields, path, wire)?).ok_or(InvalidSessionSpan);
    fields.keep(path, span.and_then(|span| SessionSpan::new(span, longest.span())))
}

/// Keeps a span that a mask must not clear: every tenant has one.
fn set(fields: &mut Fields, path: &'static str, wire: Option<Duration>) -> Read<Duration> {
    fields.needed(path, wire, "must be set")
}

fn settings_out(settings: &Settings) -> v1::Settings {
    let span = |span: SessionSpan| Some(duration(span.span()));
    v1::Settings {
        jump_ttl: Some(duration(settings.jump_life.span())),
        customer_session_idle: span(settings.customer_session.idle),
        customer_session_absolute: span(settings.customer_session.absolute),
        broker_session_idle: span(settings.broker_session.idle),
        broker_session_absolute: span(settings.broker_session.absolute),
        import_change_limit_percent: settings.import_change_limit.number().into(),
        default_mvp_user_id: settings.default_mvp_user.as_ref().map(ToString::to_string).unwrap_or_default(),
        etag: etag(settings.version),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;
    use crate::app::Failure;
    use crate::domain::change::Change;
    use crate::domain::jump::TokenLife;

    /// Every field that an update can change.
    const PATHS: [&str; 7] = [
        "jump_ttl",
        "customer_session_idle",
        "customer_session_absolute",
        "broker_session_idle",
        "broker_session_absolute",
        "import_change_limit_percent",
        "default_mvp_user_id",
    ];

    fn seconds(seconds: i64) -> Duration {
        Duration { seconds, nanos: 0 }
    }

    /// Settings of which nothing would change.
    fn bare() -> v1::Settings {
        v1::Settings { etag: "v3".to_owned(), ..Default::default() }
    }

    /// Settings of which everything would change.
    fn full() -> v1::Settings {
        v1::Settings {
            jump_ttl: Some(seconds(30)),
            customer_session_idle: Some(seconds(5 * 60)),
            customer_session_absolute: Some(seconds(30 * 60)),
            broker_session_idle: Some(seconds(60)),
            broker_session_absolute: Some(seconds(480 * 60)),
            import_change_limit_percent: 7,
            default_mvp_user_id: "m.meier".to_owned(),
            ..bare()
        }
    }

    fn read(settings: Option<&v1::Settings>, paths: &[&str]) -> Result<SettingsChange, Vec<String>> {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let mut fields = Fields::default();
        let read = update(&mut fields, settings, Some(&mask), change);
        let (version, change) = fields.finish(read).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>(),
            other => panic!("{other}"),
        })?;
        assert_eq!(version, Version::from_number(3));
        Ok(change)
    }

    fn minutes(minutes: u64) -> Change<SessionSpan> {
        let span = std::time::Duration::from_secs(minutes * 60);
        Change::Set(SessionSpan::new(span, std::time::Duration::from_secs(480 * 60)).unwrap())
    }

    /// The change that [`full`] makes, field by field in the order of [`PATHS`].
    fn changes() -> [SettingsChange; 7] {
        let none = SettingsChange::default;
        let life = TokenLife::parse(std::time::Duration::from_secs(30)).unwrap();
        let session = |idle, absolute| SessionChange { idle, absolute };
        [
            SettingsChange { jump_life: Change::Set(life), ..none() },
            SettingsChange { customer_session: session(minutes(5), Change::Keep), ..none() },
            SettingsChange { customer_session: session(Change::Keep, minutes(30)), ..none() },
            SettingsChange { broker_session: session(minutes(1), Change::Keep), ..none() },
            SettingsChange { broker_session: session(Change::Keep, minutes(480)), ..none() },
            SettingsChange { import_change_limit: Change::Set(Percent::parse(7).unwrap()), ..none() },
            SettingsChange { default_mvp_user: Change::Set(MvpUserId::parse("m.meier").ok()), ..none() },
        ]
    }

    #[test]
    fn each_setting_changes_alone() {
        for (path, expected) in PATHS.into_iter().zip(changes()) {
            assert_eq!(read(Some(&full()), &[path]), Ok(expected), "{path}");
        }
    }

    #[test]
    fn without_a_mask_all_changes_that_is_set() {
        let [life, customer_idle, customer_absolute, broker_idle, broker_absolute, limit, mvp_user] = changes();
        let session = |idle: SessionChange, absolute: SessionChange| SessionChange {
            idle: idle.idle,
            absolute: absolute.absolute,
        };
        let expected = SettingsChange {
            jump_life: life.jump_life,
            customer_session: session(customer_idle.customer_session, customer_absolute.customer_session),
            broker_session: session(broker_idle.broker_session, broker_absolute.broker_session),
            import_change_limit: limit.import_change_limit,
            default_mvp_user: mvp_user.default_mvp_user,
        };
        assert_eq!(read(Some(&full()), &[]), Ok(expected));
        assert_eq!(read(Some(&v1::Settings { jump_ttl: Some(seconds(30)), ..bare() }), &[]), Ok(changes()[0].clone()));
        assert_eq!(read(Some(&bare()), &[]), Err(vec!["update_mask".to_owned()]));
    }

    #[test]
    fn a_mask_clears_the_default_mvp_user_and_nothing_else() {
        let cleared = SettingsChange { default_mvp_user: Change::Set(None), ..SettingsChange::default() };
        assert_eq!(read(Some(&bare()), &["default_mvp_user_id"]), Ok(cleared));
        let required = &PATHS[..6];
        let expected: Vec<_> = required.iter().map(|path| format!("settings.{path}")).collect();
        assert_eq!(read(Some(&bare()), required), Err(expected));
    }

    #[test]
    fn every_other_field_of_settings_is_refused() {
        for path in ["etag", "tenant_id", "jumpTtl", "jump_ttl.seconds", "settings.jump_ttl", "*", ""] {
            let expected = Err(vec!["update_mask.paths[1]".to_owned()]);
            assert_eq!(read(Some(&full()), &["jump_ttl", path]), expected, "{path:?}");
        }
    }

    #[test]
    fn a_session_is_whole_minutes_up_to_the_longest_of_its_kind() {
        type Field = fn(&mut v1::Settings) -> &mut Option<Duration>;
        let sessions: [(&str, Field, i64); 4] = [
            ("customer_session_idle", |settings| &mut settings.customer_session_idle, 15),
            ("customer_session_absolute", |settings| &mut settings.customer_session_absolute, 30),
            ("broker_session_idle", |settings| &mut settings.broker_session_idle, 30),
            ("broker_session_absolute", |settings| &mut settings.broker_session_absolute, 480),
        ];
        for (path, field, most) in sessions {
            let with = |span: Duration| {
                let mut settings = bare();
                *field(&mut settings) = Some(span);
                read(Some(&settings), &[path]).err()
            };
            for good in [60, most * 60] {
                assert_eq!(with(seconds(good)), None, "{path} {good}");
            }
            for bad in [
                seconds(0),
                seconds(-60),
                seconds(59),
                seconds(61),
                seconds((most + 1) * 60),
                seconds(i64::MAX),
                Duration { seconds: 60, nanos: 1 },
                Duration { seconds: 60, nanos: -1 },
                Duration { seconds: 0, nanos: i32::MAX },
                Duration { seconds: 59, nanos: 1_000_000_000 },
                Duration { seconds: 61, nanos: -1_000_000_000 },
            ] {
                assert_eq!(with(bad), Some(vec![format!("settings.{path}")]), "{path} {bad:?}");
            }
        }
    }

    #[test]
    fn every_bad_setting_is_named() {
        let bad = v1::Settings {
            jump_ttl: Some(seconds(9)),
            customer_session_idle: Some(seconds(1)),
            customer_session_absolute: Some(seconds(1)),
            broker_session_idle: Some(seconds(1)),
            broker_session_absolute: Some(seconds(1)),
            import_change_limit_percent: 101,
            default_mvp_user_id: "a b".to_owned(),
            etag: String::new(),
        };
        let mut expected = vec!["settings.etag".to_owned()];
        expected.extend(PATHS.map(|path| format!("settings.{path}")));
        assert_eq!(read(Some(&bad), &[]), Err(expected));
        let negative = v1::Settings { import_change_limit_percent: -1, ..bare() };
        assert_eq!(read(Some(&negative), &[]), Err(vec!["settings.import_change_limit_percent".to_owned()]));
        assert_eq!(read(None, &[]), Err(vec!["settings".to_owned()]));
    }

    #[test]
    fn initial_settings_are_told_as_the_contract_says() {
        let expected = v1::Settings {
            jump_ttl: Some(seconds(60)),
            customer_session_idle: Some(seconds(15 * 60)),
            customer_session_absolute: Some(seconds(30 * 60)),
            broker_session_idle: Some(seconds(30 * 60)),
            broker_session_absolute: Some(seconds(480 * 60)),
            import_change_limit_percent: 20,
            default_mvp_user_id: String::new(),
            etag: "v1".to_owned(),
        };
        assert_eq!(settings_out(&Settings::INITIAL), expected);
    }

    #[test]
    fn changed_settings_read_back() {
        let change = read(Some(&full()), &[]).unwrap();
        let settings = Settings { version: Version::from_number(3), ..Settings::INITIAL }.changed_by(change);
        assert_eq!(settings_out(&settings), full());
    }
}
