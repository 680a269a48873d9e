//! What a change would do, thought through by the rules of a real jump. Nothing is written but an audit row.

use tracing::{Instrument as _, debug_span};

use super::effects::{Deed, Introduced, Involved};
use super::{App, Call, Failure};
use crate::domain::audit::{Action, AuditObject, AuditOutcome};
use crate::domain::customer::Segment;
use crate::domain::error::Reason;
use crate::domain::simulation::{Simulated, SimulatedChange, SimulatedPage, SimulationQuery};

impl App {
    /// Tells who would get another con:center user after a change, or none. Each page is read afresh and written down.
    ///
    /// # Errors
    /// Refused: `TenantMismatch`, `NotFound` (the user, the product provider or the target). A change that the service would
    /// refuse is an answer. Overloaded: others go through their people already.
    pub async fn simulate_change(&self, call: &Call, query: &SimulationQuery) -> Result<SimulatedPage, Failure> {
        let tenant = *call.tenant()?;
        let place = self.walks.enter()?;
        let simulate = self.store.simulate_change(&tenant, query).instrument(debug_span!("store.change.simulate"));
        let simulated = simulate.await?;
        drop(place);
        let Some(simulated) = simulated else {
            return self.unknown_tenant(call).await;
        };
        let (action, object) = told(&query.change);
        let deed = Deed { action, object, at: self.now() };
        let involved = Involved::caller_of(call)?;
        let entry = self.audit_entry(&tenant, call, involved, deed, Introduced::CallersOnly).await?;
        match simulated {
            Simulated::Done(page) => {
                self.store.record_audit(&tenant, &entry, AuditOutcome::Accepted).await?;
                Ok(*page)
            }
            Simulated::NotFound => {
                self.store.record_audit(&tenant, &entry, AuditOutcome::Refused(Reason::NotFound)).await?;
                Err(Reason::NotFound.into())
            }
        }
    }
}

/// What the audit log says of a change that was thought through: what kind of change, and whom or what it names.
fn told(change: &SimulatedChange) -> (Action, Option<AuditObject>) {
    match change {
        SimulatedChange::Standard(user) => (Action::SimulateStandardUser, Some(AuditObject::new(user))),
        SimulatedChange::SharedUser { segment, user } => {
            let action = match segment {
                Segment::Private => Action::SimulatePrivateUser,
                Segment::Commercial => Action::SimulateCommercialUser,
            };
            (action, user.as_ref().map(AuditObject::new))
        }
        SimulatedChange::EndCustomerOff(user) => (Action::SimulateUnmarkEndCustomer, Some(AuditObject::new(user))),
        SimulatedChange::DisableUser(user) => (Action::SimulateDisableUser, Some(AuditObject::new(user))),
        SimulatedChange::RemoveProvider { user, .. } => (Action::SimulateRemoveProvider, Some(AuditObject::new(user))),
        SimulatedChange::DisableProvider(provider) => {
            (Action::SimulateDisableProvider, Some(AuditObject::new(provider)))
        }
    }
}
