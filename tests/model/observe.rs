//! Everything that can be read, of both tenants: it must be what the model says, row by row; and so must the audit log.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use tonic::Status;

use crate::call::Who;
use crate::harness::{AuditRow, Client, Engine, Service, Shell, Sql, reason};
use crate::play::Play;
use crate::state::{Model, SYSTEM, Tenant};

/// A page that takes everything.
pub const WHOLE: i32 = 500;

/// Every row of a tenant in the tables that reads answer from, and all that stands in it.
const ROWS: Sql = Sql {
    sqlite: "
        SELECT concat_ws('|', quote(display_name), quote(state), quote(config_version), quote(kek_id),
            quote(dek_version), quote(wrapped_dek), quote(sealed_mac_key), quote(version), quote(created_at),
            quote(updated_at), quote(deleted_at), quote(restored_at), quote(erased_jump_version))
        FROM tenant
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(jump_life), quote(customer_idle), quote(customer_absolute), quote(broker_idle),
            quote(broker_absolute), quote(import_change_limit), quote(default_mvp_user), quote(version))
        FROM tenant_settings
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(user_id), quote(user_name), quote(user_name_key), quote(kind), quote(state),
            quote(providers), quote(display_name), quote(notification_email), quote(reported_end_customer),
            quote(sealed_secret), quote(secret_version), quote(secret_set_at), quote(version), quote(created_at),
            quote(updated_at), quote(reported_at), quote(reported_source), quote(reported_by), quote(end_customer_at),
            quote(end_customer_by), quote(last_login_succeeded_at), quote(last_login_failed_at), quote(failed_logins),
            quote(credential_suspect_since))
        FROM concenter_user
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(activation_id), quote(display_name), quote(user_id), quote(user_kind),
            quote(state), quote(sharing_reason), quote(version), quote(created_at), quote(updated_at))
        FROM broker_activation
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(broker_id), quote(activation_id))
        FROM activation_broker
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(private_user_id), quote(private_user_kind), quote(commercial_user_id),
            quote(commercial_user_kind), quote(commercial_falls_back), quote(version))
        FROM customer_access
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(customer_id), quote(segment), quote(user_id), quote(user_kind),
            quote(jump_version), quote(version), quote(created_at), quote(updated_at))
        FROM customer
        WHERE tenant_id = $1
        UNION ALL
        SELECT concat_ws('|', quote(jump_id), quote(jti_hash), quote(handle_hash), quote(caller), quote(request_id),
            quote(content), quote(person_kind), quote(person_id), quote(stated_segment), quote(actor_role),
            quote(actor_id), quote(target_id), quote(wanted_kind), quote(activation_id), quote(customer_context),
            quote(line_of_business), quote(provider_id), quote(context), quote(nonce), quote(return_url),
            quote(user_id), quote(way), quote(segment), quote(subject), quote(actor_subject), quote(issued_at),
            quote(expires_at), quote(epoch), quote(config_version), quote(customer_version), quote(catalog_version),
            quote(redeemed_at), quote(redeem_attempt_id), quote(session_revoked_at), quote(revoked_at),
            quote(target_page), quote(redeemed_secret_version), quote(result), quote(result_at))
        FROM jump
        WHERE tenant_id = $1
        UNION ALL
        -- Whether a jump is open depends on these.
        SELECT concat_ws('|', quote(catalog_version), quote(epoch))
        FROM service
    ",
    postgres: "
        SELECT tenant::TEXT
        FROM tenant
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT tenant_settings::TEXT
        FROM tenant_settings
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT concenter_user::TEXT
        FROM concenter_user
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT broker_activation::TEXT
        FROM broker_activation
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT activation_broker::TEXT
        FROM activation_broker
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT customer_access::TEXT
        FROM customer_access
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT customer::TEXT
        FROM customer
        WHERE tenant_id = $1::UUID
        UNION ALL
        SELECT jump::TEXT
        FROM jump
        WHERE tenant_id = $1::UUID
        UNION ALL
        -- Whether a jump is open depends on these.
        SELECT concat_ws('|', catalog_version, epoch)
        FROM service
    ",
};

/// The tables that [`ROWS`] reads, on SQLite column by column.
const TABLES: [&str; 8] = [
    "tenant",
    "tenant_settings",
    "concenter_user",
    "broker_activation",
    "activation_broker",
    "customer_access",
    "customer",
    "jump",
];

/// Somebody who reads the database at a SQL shell.
pub struct Auditor {
    reader: Shell,
}

impl Auditor {
    pub async fn of(service: &Service) -> Self {
        let mut reader = service.reader().await;
        let by_column = TABLES.iter().filter(|_| Engine::under_test() == Engine::Sqlite);
        for table in by_column {
            let sql = "SELECT name FROM pragma_table_info($1) WHERE name <> 'tenant_id'";
            for column in reader.texts(sql, &[table]).await {
                assert!(ROWS.sqlite.contains(&format!("quote({column})")), "{table}.{column} is not looked at");
            }
        }
        Self { reader }
    }

    /// All rows of a tenant, as one text.
    async fn digest(&mut self, tenant: &str) -> String {
        let mut rows = self.reader.texts(ROWS, &[tenant]).await;
        // A server has no order of its own.
        rows.sort();
        rows.join("\n")
    }

    /// What somebody is to be told of, of a tenant; sorted.
    async fn notices(&mut self, tenant: &str) -> Vec<(String, String)> {
        let sql = Sql {
            sqlite: "SELECT cause, user_id FROM notice WHERE tenant_id = $1 AND sent_at IS NULL",
            postgres: "SELECT cause, user_id FROM notice WHERE tenant_id = $1::UUID AND sent_at IS NULL",
        };
        let rows = self.reader.rows(sql, &[tenant]).await;
        let mut notices: Vec<_> = rows.iter().map(|row| (row.text("cause"), row.text("user_id"))).collect();
        notices.sort();
        notices
    }

    /// The rows of both tenants' logs, and of the log that belongs to no tenant since `since`; sorted.
    async fn rows(&mut self, tenants: [&str; 2], since: i64) -> Vec<AuditRow> {
        let sql = Sql {
            sqlite: "
                SELECT tenant_id, role, action, object, reason
                FROM audit_entry
                WHERE tenant_id IN ($1, $2)
                   OR (tenant_id = $3 AND at >= CAST($4 AS INTEGER))
            ",
            postgres: "
                SELECT tenant_id, role, action, object, reason
                FROM audit_entry
                WHERE tenant_id IN ($1::UUID, $2::UUID)
                   OR (tenant_id = $3::UUID AND at >= $4::BIGINT)
            ",
        };
        let rows = self.reader.rows(sql, &[tenants[0], tenants[1], SYSTEM, &since.to_string()]).await;
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let (action, reason) = (row.text("action"), row.text_or_null("reason"));
                // The id of something that was never made is nobody's business.
                let is_nobodys = action.ends_with(".create") && reason.is_some();
                let object = row.text_or_null("object").filter(|_| !is_nobodys);
                AuditRow { tenant: row.text("tenant_id"), role: row.text("role"), action, object, reason }
            })
            .collect();
        rows.sort();
        rows
    }
}

/// Reads everything in pages of this size, and compares it with the model.
///
/// What is read of a tenant follows from its rows and the clock alone. So it is not read again where the rows, the clock and
/// what the model says are those of the last time.
pub async fn observe(play: &mut Play<'_>, page_size: i32) -> Result<(), String> {
    let is_last = page_size < WHOLE;
    for side in [0, 1] {
        let expected = &play.model.sides[side];
        let rows = play.stage.auditor.digest(&expected.id).await;
        let told = play.stage.auditor.notices(&expected.id).await;
        let notices: Vec<_> =
            expected.notices.iter().map(|(cause, user)| ((*cause).to_owned(), user.clone())).collect();
        same("what somebody is to be told of", &told, &notices)?;
        let looked = Some((play.model.now, rows, expected.clone()));
        if is_last || play.looked[side] != looked {
            tenant(play, side, page_size).await?;
            play.looked[side] = looked;
        }
    }
    if play.model.catalog.changed || is_last {
        let operator = play.caller(0, Who::Operator);
        catalog(&operator, &play.model, page_size).await?;
    }
    audit(play).await
}

async fn tenant(play: &mut Play<'_>, side: usize, page_size: i32) -> Result<(), String> {
    let (admin, operator) = (play.caller(side, Who::Admin), play.caller(side, Who::Operator));
    let expected = &play.model.sides[side];
    let get = admin::GetTenantRequest { tenant_id: expected.id.clone() };
    let told = operator.tenants().get_tenant(get).await.map_err(text)?.into_inner().tenant;
    one("the tenant", &told, &Some(expected.out()))?;
    standard(expected)?;
    if expected.deleted_at.is_some() {
        turned_away(play, side, &admin).await
    } else {
        lists(&admin, &play.model, side, page_size).await
    }
}

/// I9: one row for each change and each refusal of a known caller, and no other.
async fn audit(play: &mut Play<'_>) -> Result<(), String> {
    let model = &play.model;
    let tenants = [model.sides[0].id.as_str(), model.sides[1].id.as_str()];
    let rows = play.stage.auditor.rows(tenants, model.sides[0].created_at).await;
    let mut expected = model.log.clone();
    expected.sort();
    same("the audit log", &rows, &expected)
}

/// I3, of the model, which the service agrees with.
fn standard(tenant: &Tenant) -> Result<(), String> {
    let standard: Vec<_> = tenant
        .users
        .iter()
        .filter(|(_, user)| user.kind == v1::UserKind::Standard)
        .map(|(id, _)| Some(id.clone()))
        .collect();
    let is_shared = [&tenant.access.private, &tenant.access.commercial].into_iter().any(|slot| standard.contains(slot));
    match standard.len() {
        1 if !is_shared => Ok(()),
        _ => Err(format!("Standard is {standard:?}")),
    }
}

/// Compares two lists; says what one has and the other has not.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, told: &[T], expected: &[T]) -> Result<(), String> {
    if told == expected {
        return Ok(());
    }
    let beyond: Vec<_> = told.iter().filter(|one| !expected.contains(one)).collect();
    let missing: Vec<_> = expected.iter().filter(|one| !told.contains(one)).collect();
    let (told, expected) = (told.len(), expected.len());
    Err(format!("{what}: {told} rows, {expected} expected\nonly there:    {beyond:?}\nonly expected: {missing:?}"))
}

fn one<T: PartialEq + std::fmt::Debug>(what: &str, told: &T, expected: &T) -> Result<(), String> {
    if told == expected { Ok(()) } else { Err(format!("{what}\ntold:     {told:?}\nexpected: {expected:?}")) }
}

/// A deleted tenant is as if it were not there, and whoever tries leaves a row.
async fn turned_away(play: &mut Play<'_>, side: usize, admin: &Client) -> Result<(), String> {
    let told = admin.settings().get_settings(v1::GetSettingsRequest {}).await;
    let status = told.err().ok_or("a deleted tenant was read")?;
    one("the refusal", &reason(&status), &(tonic::Code::PermissionDenied, "TENANT_MISMATCH".to_owned()))?;
    play.model.log.push(AuditRow {
        tenant: play.model.sides[side].id.clone(),
        role: "admin".to_owned(),
        action: "call".to_owned(),
        object: None,
        reason: Some("TENANT_MISMATCH".to_owned()),
    });
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn text(status: Status) -> String {
    format!("a read failed: {status:?}")
}

/// Reads a list to its end, page by page.
macro_rules! pages {
    ($page_size:expr, $rows:ident, |$request:ident| $list:expr, $empty:expr) => {
        async {
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let mut $request = $empty;
                ($request.page_size, $request.page_token) = ($page_size, page_token);
                let page = $list.await.map_err(text)?.into_inner();
                all.extend(page.$rows);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return Ok::<_, String>(all);
                }
            }
        }
    };
}

async fn lists(admin: &Client, model: &Model, side: usize, page_size: i32) -> Result<(), String> {
    let expected = &model.sides[side];
    let (mut users, mut activations, mut customers) = (admin.users(), admin.activations(), admin.customers());
    let (mut access, mut settings, mut jumps) = (admin.customers(), admin.settings(), admin.jumps());
    // At once: nothing changes meanwhile.
    let (users, activations, customers, access, settings, jumps) = tokio::join!(
        pages!(page_size, users, |request| users.list_users(request), v1::ListUsersRequest::default()),
        pages!(
            page_size,
            activations,
            |request| activations.list_broker_activations(request),
            v1::ListBrokerActivationsRequest::default()
        ),
        pages!(page_size, customers, |request| customers.list_customers(request), v1::ListCustomersRequest::default()),
        access.get_customer_access(v1::GetCustomerAccessRequest {}),
        settings.get_settings(v1::GetSettingsRequest {}),
        pages!(page_size, jumps, |request| jumps.list_jumps(request), v1::ListJumpsRequest::default()),
    );
    let name = &expected.name;
    same(&format!("users of {name}"), &users?, &expected.users_out())?;
    same(&format!("activations of {name}"), &activations?, &expected.activations_out())?;
    same(&format!("customers of {name}"), &customers?, &expected.customers_out())?;
    let access = access.map_err(text)?.into_inner().customer_access;
    one(&format!("customer access of {name}"), &access, &Some(expected.access_out()))?;
    let settings = settings.map_err(text)?.into_inner().settings;
    one(&format!("settings of {name}"), &settings, &Some(expected.settings.out()))?;
    same(&format!("jumps of {name}"), &jumps?, &expected.jumps_out(model.now))
}

async fn catalog(operator: &Client, model: &Model, page_size: i32) -> Result<(), String> {
    let (mut providers, mut targets, mut return_urls) =
        (operator.catalog_admin(), operator.catalog_admin(), operator.catalog_admin());
    let (providers, targets, return_urls) = tokio::join!(
        pages!(
            page_size,
            product_providers,
            |request| providers.list_product_providers(request),
            admin::ListProductProvidersRequest::default()
        ),
        pages!(page_size, targets, |request| targets.list_targets(request), admin::ListTargetsRequest::default()),
        pages!(
            page_size,
            return_urls,
            |request| return_urls.list_return_urls(request),
            admin::ListReturnUrlsRequest::default()
        ),
    );
    let catalog = &model.catalog;
    let expected: Vec<_> = catalog.providers.iter().map(|(id, one)| one.out(id)).collect();
    same("the providers", &providers?, &expected)?;
    let expected: Vec<_> = catalog.targets.iter().map(|(id, one)| one.out(id)).collect();
    same("the targets", &targets?, &expected)?;
    let expected: Vec<_> = catalog.return_urls.iter().map(|(id, one)| one.out(id)).collect();
    same("the return URLs", &return_urls?, &expected)
}
