//! What every effect brings along: the request's key and the audit row, with people as pseudonyms.

use super::{App, Call, Failure};
use crate::domain::audit::{
    Action, AuditEntry, AuditObject, AuditOutcome, AuditedKind, AuditedPerson, Pseudonym, Salt,
};
use crate::domain::caller::{Caller, Role, TenantRole};
use crate::domain::error::Reason;
use crate::domain::ids::{AuditId, SubjectId, TenantId};
use crate::domain::jump::{Actor, Person, RequestKey};
use crate::domain::time::Timestamp;
use crate::secrets::person_pseudonym;
use crate::store::Effect;

/// The people whom an audit row names. All of them are pseudonyms there.
#[derive(Clone, Copy)]
pub(super) struct Involved<'a> {
    pub(super) role: Role,
    pub(super) caller: &'a SubjectId,
    pub(super) actor: Option<&'a SubjectId>,
    pub(super) person: Option<&'a Person>,
}

impl<'a> Involved<'a> {
    /// Somebody who acts on nobody in particular.
    pub(super) fn caller_of(call: &'a Call) -> Result<Self, Failure> {
        let (Some(role), Some(caller)) = (call.caller.role(), call.caller.subject()) else {
            return Err(Failure::CallerUnfit);
        };
        Ok(Self { role, caller, actor: None, person: None })
    }

    /// The same, for a person and by an actor.
    pub(super) fn with_people(self, person: &'a Person, actor: Option<&'a Actor>) -> Self {
        Self { person: Some(person), actor: actor.map(|actor| &actor.id), ..self }
    }

    /// Everybody, at most three, in the order caller, actor, person; absent ones are left out.
    pub(super) fn people(&self) -> Vec<AuditedPerson> {
        let subject = |id: &SubjectId| AuditedPerson { kind: AuditedKind::Subject, id: id.as_str().to_owned() };
        let person = self.person.map(|person| AuditedPerson {
            kind: match person {
                Person::Broker(_) => AuditedKind::Broker,
                Person::Customer { .. } => AuditedKind::Customer,
            },
            id: person.id().to_owned(),
        });
        [Some(subject(self.caller)), self.actor.map(subject), person].into_iter().flatten().collect()
    }
}

/// What an audit row tells beside who was involved.
pub(super) struct Deed {
    pub(super) action: Action,
    pub(super) object: Option<AuditObject>,
    pub(super) at: Timestamp,
}

impl App {
    /// Computes the key of a request: the same request of the same caller in the same tenant has the same one.
    pub(super) fn request_key(&self, scope: &TenantId, call: &Call) -> Result<RequestKey, Failure> {
        let (Some(request_id), Some(role), Some(subject)) =
            (call.request_id, call.caller.role(), call.caller.subject())
        else {
            return Err(Failure::CallerUnfit);
        };
        let mac = &self.system.mac;
        // One subject may act for several people, by a credential for each: their requests are not each other's.
        let acts_for = match &call.caller {
            Caller::Tenant { role: TenantRole::Broker(broker), .. } => broker.as_str(),
            Caller::Tenant { role: TenantRole::Customer(customer), .. } => customer.as_str(),
            Caller::Tenant { role: TenantRole::Admin | TenantRole::Portal, .. } => "",
            Caller::Anonymous | Caller::Operator { .. } | Caller::Target { .. } => "",
        };
        let who = [scope.as_bytes(), role.as_str().as_bytes(), subject.as_str().as_bytes(), acts_for.as_bytes()];
        let caller = mac.mac("request/caller", &who);
        // A keyed hash, never a plain one: the content may be a password that could be guessed.
        let content = mac.mac("request/content", &[scope.as_bytes(), &call.content]);
        Ok(RequestKey { caller, request_id, content })
    }

    /// Builds the effect of a management call within the caller's tenant.
    pub(super) async fn tenant_effect(
        &self,
        call: &Call,
        action: Action,
        object: Option<AuditObject>,
    ) -> Result<Effect, Failure> {
        self.caller_keys(call).await?;
        self.effect(call, call.tenant()?, Involved::caller_of(call)?, (action, object)).await
    }

    /// Builds the effect of a management call that is about a person: the log must tell about whom.
    pub(super) async fn tenant_effect_on(
        &self,
        call: &Call,
        person: &Person,
        action: Action,
        object: Option<AuditObject>,
    ) -> Result<Effect, Failure> {
        self.caller_keys(call).await?;
        let involved = Involved::caller_of(call)?.with_people(person, None);
        self.effect(call, call.tenant()?, involved, (action, object)).await
    }

    /// Builds the effect of an operator's call.
    pub(super) async fn operator_effect(
        &self,
        call: &Call,
        action: Action,
        object: Option<AuditObject>,
    ) -> Result<Effect, Failure> {
        match &call.caller {
            Caller::Operator { .. } => {
                self.effect(call, &TenantId::SYSTEM, Involved::caller_of(call)?, (action, object)).await
            }
            Caller::Anonymous | Caller::Tenant { .. } | Caller::Target { .. } => Err(Failure::CallerUnfit),
        }
    }

    async fn effect(
        &self,
        call: &Call,
        scope: &TenantId,
        involved: Involved<'_>,
        (action, object): (Action, Option<AuditObject>),
    ) -> Result<Effect, Failure> {
        let request = self.request_key(scope, call)?;
        let at = self.now();
        let audit = self.audit_entry(scope, call, involved, Deed { action, object, at }).await?;
        Ok(Effect { at, scope: *scope, request, audit })
    }

    /// Builds an audit row; whoever is seen for the first time gets his salt.
    pub(super) async fn audit_entry(
        &self,
        tenant: &TenantId,
        call: &Call,
        involved: Involved<'_>,
        deed: Deed,
    ) -> Result<AuditEntry, Failure> {
        let people = involved.people();
        let salts = self.salts(tenant, &people).await?;
        self.audit_entry_with(call, involved, deed, &people, &salts)
    }

    /// Reads the salts of `people`, in their order; makes those that are missing.
    pub(super) async fn salts(&self, tenant: &TenantId, people: &[AuditedPerson]) -> Result<Vec<Salt>, Failure> {
        let offered: Vec<_> = people.iter().map(|person| (person.clone(), self.new_salt())).collect();
        Ok(self.store.ensure_salts(tenant, &offered).await?)
    }

    fn new_salt(&self) -> Salt {
        let mut salt = Salt([0; 32]);
        self.random.fill(&mut salt.0);
        salt
    }

    /// Builds an audit row from salts that were read already; `people` is what [`Involved::people`] gave.
    pub(super) fn audit_entry_with(
        &self,
        call: &Call,
        involved: Involved<'_>,
        deed: Deed,
        people: &[AuditedPerson],
        salts: &[Salt],
    ) -> Result<AuditEntry, Failure> {
        let mut pseudonyms = people.iter().zip(salts).map(|(person, salt)| person_pseudonym(salt, person));
        let mut next = |wanted: bool| -> Result<Option<Pseudonym>, Failure> {
            if wanted { pseudonyms.next().map(Some).ok_or(Failure::CallerUnfit) } else { Ok(None) }
        };
        let caller = next(true)?.ok_or(Failure::CallerUnfit)?;
        let actor = next(involved.actor.is_some())?;
        let person = next(involved.person.is_some())?;
        Ok(AuditEntry {
            audit_id: AuditId::new(deed.at, &*self.random),
            at: deed.at,
            role: involved.role,
            caller,
            actor,
            person,
            action: deed.action,
            object: deed.object,
            request_id: call.request_id,
        })
    }

    /// Writes down that a known caller was refused before any use case began.
    ///
    /// # Errors
    /// [`Failure::Store`] if it cannot be written; then the caller must not learn more than that.
    pub async fn record_denial(&self, caller: &Caller, reason: Reason) -> Result<(), Failure> {
        let tenant = match caller {
            Caller::Tenant { tenant, .. } => *tenant,
            Caller::Anonymous => return Ok(()),
            Caller::Operator { .. } | Caller::Target { .. } => TenantId::SYSTEM,
        };
        let call = Call { caller: caller.clone(), request_id: None, content: zeroize::Zeroizing::default() };
        let deed = Deed { action: Action::Call, object: None, at: self.now() };
        let entry = self.audit_entry(&tenant, &call, Involved::caller_of(&call)?, deed).await?;
        Ok(self.store.record_audit(&tenant, &entry, AuditOutcome::Refused(reason)).await?)
    }
}
