//! Tenants, as the operator switches them (`docs/domain.md#open-jumps`).

use concenter_gateway::proto::admin::v1 as admin;

use super::{Deed, Done, Refused, check_etag, not_found};
use crate::call::{Answer, Call, Request};
use crate::state::{Model, SECOND, Tenant, Thing, etag, instant};

/// How long a deleted tenant is kept: 30 days.
const GRACE: i64 = 30 * 24 * 60 * 60 * SECOND;

/// The tenant that an operator's request names.
pub(super) fn named(request: &Request) -> Option<String> {
    Some(match request {
        Request::GetTenant(request) => request.tenant_id.clone(),
        Request::UpdateTenant(request) => request.tenant.as_ref()?.tenant_id.clone(),
        Request::StopTenant(request) => request.tenant_id.clone(),
        Request::StartTenant(request) => request.tenant_id.clone(),
        Request::DeleteTenant(request) => request.tenant_id.clone(),
        Request::UndeleteTenant(request) => request.tenant_id.clone(),
        _ => return None,
    })
}

impl Tenant {
    pub fn out(&self) -> admin::Tenant {
        let state = match (self.deleted_at, self.stopped) {
            (Some(_), _) => admin::TenantState::Deleted,
            (None, true) => admin::TenantState::Stopped,
            (None, false) => admin::TenantState::Active,
        };
        admin::Tenant {
            tenant_id: self.id.clone(),
            display_name: self.name.clone(),
            state: state.into(),
            created_at: instant(self.created_at),
            updated_at: instant(self.updated_at),
            etag: etag(self.version),
            destroyed_after: self.deleted_at.and_then(|at| instant(at + GRACE)),
            restored_at: None,
        }
    }

    const fn touch(&mut self, now: i64) {
        self.version += 1;
        self.updated_at = now;
    }

    fn rename(&mut self, now: i64, wish: &admin::Tenant) -> Done {
        check_etag(self.version, &wish.etag)?;
        if self.name != wish.display_name {
            self.name.clone_from(&wish.display_name);
            self.touch(now);
        }
        Ok(Thing::Tenant)
    }

    fn set_stopped(&mut self, now: i64, etag: &str, stopped: bool) -> Done {
        check_etag(self.version, etag)?;
        if self.deleted_at.is_some() && !stopped {
            return Err(Refused::plain("TENANT_DELETED"));
        }
        if self.stopped != stopped {
            self.stopped = stopped;
            self.touch(now);
            self.kill_jumps();
        }
        Ok(Thing::Tenant)
    }

    fn set_deleted(&mut self, now: i64, etag: &str, deleted: bool) -> Done {
        check_etag(self.version, etag)?;
        if self.deleted_at.is_some() != deleted {
            self.deleted_at = deleted.then_some(now);
            // Either way it does not jump: whoever takes a deletion back starts it by himself.
            self.stopped = true;
            self.touch(now);
            self.kill_jumps();
        }
        Ok(Thing::Tenant)
    }
}

impl Model {
    pub(super) fn change_tenant(&mut self, request: &Request) -> Done {
        let now = self.now;
        let id = named(request);
        let tenant = self.sides.iter_mut().find(|side| Some(&side.id) == id.as_ref()).ok_or_else(not_found)?;
        match request {
            Request::UpdateTenant(request) => tenant.rename(now, request.tenant.as_ref().expect("a tenant")),
            Request::StopTenant(request) => tenant.set_stopped(now, &request.etag, true),
            Request::StartTenant(request) => tenant.set_stopped(now, &request.etag, false),
            Request::DeleteTenant(request) => tenant.set_deleted(now, &request.etag, true),
            Request::UndeleteTenant(request) => tenant.set_deleted(now, &request.etag, false),
            other => panic!("{other:?} has no rule"),
        }
    }

    pub(super) fn tenants_deed(request: &Request) -> Deed {
        let action = match request {
            Request::UpdateTenant(_) => "tenant.update",
            Request::StopTenant(_) => "tenant.stop",
            Request::StartTenant(_) => "tenant.start",
            Request::DeleteTenant(_) => "tenant.delete",
            Request::UndeleteTenant(_) => "tenant.undelete",
            other => panic!("{other:?} has no name in the log"),
        };
        Deed { action, object: named(request) }
    }

    /// The answer to an effect on tenants.
    pub(super) fn answer_on_tenant(&self, call: &Call) -> Option<Answer> {
        let tenant = Some(self.sides[self.named_side(call)].out());
        Some(match &call.request {
            Request::UpdateTenant(_) => Answer::UpdateTenant(admin::UpdateTenantResponse { tenant }),
            Request::StopTenant(_) => Answer::StopTenant(admin::StopTenantResponse { tenant }),
            Request::StartTenant(_) => Answer::StartTenant(admin::StartTenantResponse { tenant }),
            Request::DeleteTenant(_) => Answer::DeleteTenant(admin::DeleteTenantResponse { tenant }),
            Request::UndeleteTenant(_) => Answer::UndeleteTenant(admin::UndeleteTenantResponse { tenant }),
            _ => return None,
        })
    }
}
