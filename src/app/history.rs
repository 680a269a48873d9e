//! The history of jumps, and revoking them.
//!
//! A broker or customer sees what was made for him, and nothing else: another one's jump looks like one that never was.

use super::{App, Call, Failure, done};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::caller::TenantRole;
use crate::domain::error::Reason;
use crate::domain::ids::JumpId;
use crate::domain::jump::{JumpFilter, JumpRecord, JumpSelection, PersonId, RevokedCounts};
use crate::domain::page::{Page, PageRequest};

impl App {
    /// Reads a jump.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_jump(&self, call: &Call, jump: &JumpId) -> Result<JumpRecord, Failure> {
        let tenant = self.known_tenant(call).await?;
        let found = self.store.get_jump(tenant, jump, self.now()).await?;
        let own = own_person(call)?;
        let visible = found.filter(|jump| own.is_none() || jump.person == own);
        Ok(seen_by(own.as_ref(), self.found(call, visible).await?))
    }

    /// Lists jumps, the newest first.
    ///
    /// # Errors
    /// Refused: `Role` for a broker or customer who names a person or a con:center user.
    pub async fn list_jumps(
        &self,
        call: &Call,
        filter: JumpFilter,
        page: &PageRequest,
    ) -> Result<Page<JumpRecord>, Failure> {
        let tenant = self.known_tenant(call).await?;
        let own = own_person(call)?;
        if own.is_some() && (filter.person.is_some() || filter.user_id.is_some()) {
            // He is the person by his credential; naming anybody, even himself, is not his to do.
            self.record_denial(&call.caller, Reason::Role).await?;
            return Err(Reason::Role.into());
        }
        let filter = JumpFilter { person: own.clone().or(filter.person), ..filter };
        let jumps = self.store.list_jumps(tenant, &filter, page, self.now()).await?;
        Ok(jumps.map(|jump| seen_by(own.as_ref(), jump)))
    }

    /// Revokes one jump, or all of a con:center user or a person.
    ///
    /// # Errors
    /// Refused: `NotFound` (the jump or the user).
    pub async fn revoke_jumps(&self, call: &Call, selection: &JumpSelection) -> Result<RevokedCounts, Failure> {
        let effect = match selection {
            JumpSelection::Jump(jump) => {
                self.tenant_effect(call, Action::RevokeJumps, Some(AuditObject::new(jump))).await?
            }
            JumpSelection::User(user) => {
                self.tenant_effect(call, Action::RevokeJumps, Some(AuditObject::new(user))).await?
            }
            JumpSelection::Person(person) => {
                self.tenant_effect_leaving_no_trace_of(call, person, Action::RevokeJumps, None).await?
            }
        };
        done(self.store.revoke_jumps(call.tenant()?, &effect, selection).await?)
    }
}

/// Whom a caller sees the jumps of; `None` for one who sees them all.
fn own_person(call: &Call) -> Result<Option<PersonId>, Failure> {
    let (_, role, _) = call.tenant_caller()?;
    Ok(match role {
        TenantRole::Admin | TenantRole::Portal => None,
        TenantRole::Broker(broker) => Some(PersonId::Broker(broker.clone())),
        TenantRole::Customer(customer) => Some(PersonId::Customer(customer.clone())),
    })
}

/// A jump as its reader sees it: which con:center user it was is not for the person that it was made for.
fn seen_by(own: Option<&PersonId>, jump: JumpRecord) -> JumpRecord {
    if own.is_some() { JumpRecord { user_id: None, ..jump } } else { jump }
}
