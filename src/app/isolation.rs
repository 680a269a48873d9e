//! The isolation report. Nothing is written but an audit row.

use tracing::{Instrument as _, debug_span};

use super::effects::{Deed, Introduced, Involved};
use super::{App, Call, Failure};
use crate::domain::audit::{Action, AuditOutcome};
use crate::domain::isolation::IsolationReport;
use crate::domain::page::PageRequest;

impl App {
    /// Reports how the tenant's customers are kept apart. Each page is read afresh and written down.
    ///
    /// # Errors
    /// Refused: `TenantMismatch`. Overloaded: others go through their people already.
    pub async fn isolation_report(&self, call: &Call, page: &PageRequest) -> Result<IsolationReport, Failure> {
        let tenant = *call.tenant()?;
        let place = self.walks.enter()?;
        let report = self.store.isolation_report(&tenant, page).instrument(debug_span!("store.isolation.report"));
        let report = report.await?;
        drop(place);
        let Some(report) = report else {
            return self.unknown_tenant(call).await;
        };
        let deed = Deed { action: Action::ReportIsolation, object: None, at: self.now() };
        let involved = Involved::caller_of(call)?;
        let entry = self.audit_entry(&tenant, call, involved, deed, Introduced::CallersOnly).await?;
        self.store.record_audit(&tenant, &entry, AuditOutcome::Accepted).await?;
        Ok(report)
    }
}
