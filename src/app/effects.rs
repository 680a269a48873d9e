//! What every effect brings along: the request's key and the audit row, with people as pseudonyms.

use super::{App, Call, Failure};
use crate::domain::audit::{
    Action, AuditEntry, AuditObject, AuditOutcome, AuditedKind, AuditedPerson, AuditedRole, Pseudonym, Salt,
};
use crate::domain::caller::{Caller, Role, TenantRole};
use crate::domain::error::Reason;
use crate::domain::ids::{AuditId, SubjectId, TenantId};
use crate::domain::jump::{Actor, Person, PersonId, PersonKind, RequestKey, SeenCustomer};
use crate::domain::time::Timestamp;
use crate::secrets::person_pseudonym;
use crate::store::Effect;

/// The people whom an audit row names. All of them are pseudonyms there.
#[derive(Clone, Copy)]
pub(super) struct Involved<'a> {
    pub(super) role: Role,
    pub(super) caller: &'a SubjectId,
    /// The customer whose own credential it is, by the subject of which he is recorded: himself, and not another name of
    /// him that would outlive his erasure.
    pub(super) is_customer: bool,
    pub(super) actor: Option<&'a SubjectId>,
    pub(super) person: Option<PersonName<'a>>,
}

/// A person by his kind and id.
#[derive(Clone, Copy)]
pub(super) struct PersonName<'a> {
    kind: AuditedKind,
    id: &'a str,
}

impl<'a> From<&'a Person> for PersonName<'a> {
    fn from(person: &'a Person) -> Self {
        Self::new(person.kind(), person.id())
    }
}

impl<'a> From<&'a PersonId> for PersonName<'a> {
    fn from(person: &'a PersonId) -> Self {
        Self::new(person.kind(), person.as_str())
    }
}

impl<'a> PersonName<'a> {
    fn new(kind: PersonKind, id: &'a str) -> Self {
        Self { kind: kind.into(), id }
    }
}

impl<'a> Involved<'a> {
    /// Somebody who acts on nobody in particular.
    pub(super) fn caller_of(call: &'a Call) -> Result<Self, Failure> {
        let (Some(role), Some(caller)) = (call.caller.role(), call.caller.subject()) else {
            return Err(Failure::CallerUnfit);
        };
        let is_customer = match &call.caller {
            Caller::Tenant { role: TenantRole::Customer(customer), .. } => customer.as_str() == caller.as_str(),
            Caller::Tenant { .. } | Caller::Anonymous | Caller::Operator { .. } | Caller::Target { .. } => false,
        };
        Ok(Self { role, caller, is_customer, actor: None, person: None })
    }

    /// The same, for a person and by an actor.
    pub(super) fn with_people(self, person: impl Into<PersonName<'a>>, actor: Option<&'a Actor>) -> Self {
        Self { person: Some(person.into()), actor: actor.map(|actor| &actor.id), ..self }
    }

    /// Everybody, at most three, in the order caller, actor, person; absent ones are left out.
    pub(super) fn people(&self) -> Vec<AuditedPerson> {
        let named = |kind: AuditedKind, id: &str| AuditedPerson { kind, id: id.to_owned() };
        let caller_kind = if self.is_customer { AuditedKind::Customer } else { AuditedKind::Subject };
        let caller = named(caller_kind, self.caller.as_str());
        let actor = self.actor.map(|id| named(AuditedKind::Subject, id.as_str()));
        let person = self.person.map(|PersonName { kind, id }| named(kind, id));
        [Some(caller), actor, person].into_iter().flatten().collect()
    }
}

/// Whom an audit row makes known, by a salt that is kept where he has none yet.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Introduced {
    /// Everybody in it: it tells of something that is kept about them.
    Everybody,
    /// Everybody in it, but the customer only if he was not erased meanwhile: it tells of his jump, which is not kept then.
    WhoeverIsNotErased(SeenCustomer),
    /// Whoever called or acted, and no broker or customer: it tells of a refusal, a look or a farewell. One without a salt
    /// stands there by one that nobody keeps, so that he is not known again after he was erased.
    CallersOnly,
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
        let tenant = self.known_tenant(call).await?;
        self.effect(call, tenant, Involved::caller_of(call)?, (action, object), Introduced::Everybody).await
    }

    /// Builds the effect of a management call that is about a person: the log must tell about whom.
    pub(super) async fn tenant_effect_on(
        &self,
        call: &Call,
        person: &PersonId,
        action: Action,
        object: Option<AuditObject>,
    ) -> Result<Effect, Failure> {
        let tenant = self.known_tenant(call).await?;
        let involved = Involved::caller_of(call)?.with_people(person, None);
        self.effect(call, tenant, involved, (action, object), Introduced::Everybody).await
    }

    /// The same, for a call that must not make anybody known who was not: a person without a salt stands in the row by one
    /// that nobody keeps.
    pub(super) async fn tenant_effect_leaving_no_trace_of(
        &self,
        call: &Call,
        person: &PersonId,
        action: Action,
        object: Option<AuditObject>,
    ) -> Result<Effect, Failure> {
        let tenant = self.known_tenant(call).await?;
        let involved = Involved::caller_of(call)?.with_people(person, None);
        self.effect(call, tenant, involved, (action, object), Introduced::CallersOnly).await
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
                let involved = Involved::caller_of(call)?;
                self.effect(call, &TenantId::SYSTEM, involved, (action, object), Introduced::Everybody).await
            }
            Caller::Anonymous | Caller::Tenant { .. } | Caller::Target { .. } => Err(Failure::CallerUnfit),
        }
    }

    /// Builds the effect of a target's call, about a jump of a tenant who knows the target.
    pub(super) async fn target_effect(
        &self,
        call: &Call,
        tenant: &TenantId,
        action: Action,
        object: AuditObject,
    ) -> Result<Effect, Failure> {
        self.effect(call, tenant, Involved::caller_of(call)?, (action, Some(object)), Introduced::CallersOnly).await
    }

    async fn effect(
        &self,
        call: &Call,
        scope: &TenantId,
        involved: Involved<'_>,
        (action, object): (Action, Option<AuditObject>),
        introduced: Introduced,
    ) -> Result<Effect, Failure> {
        let request = self.request_key(scope, call)?;
        let at = self.now();
        let deed = Deed { action, object, at };
        let by = involved.caller.clone();
        let audit = self.audit_entry(scope, call, involved, deed, introduced).await?;
        Ok(Effect { at, scope: *scope, request, by, audit })
    }

    /// Builds an audit row that makes people known as `introduced` says.
    pub(super) async fn audit_entry(
        &self,
        tenant: &TenantId,
        call: &Call,
        involved: Involved<'_>,
        deed: Deed,
        introduced: Introduced,
    ) -> Result<AuditEntry, Failure> {
        let people = involved.people();
        let known = self.store.known_salts(tenant, &people).await?;
        let salts = self.salts_of(tenant, &people, &known, introduced).await?;
        self.audit_entry_with(tenant, call, involved, deed, (&people, &salts))
    }

    /// The salts of `people`, in their order; `known` are those that were read. Makes those that are missing, and keeps them
    /// as `introduced` says.
    pub(super) async fn salts_of(
        &self,
        tenant: &TenantId,
        people: &[AuditedPerson],
        known: &[Option<Salt>],
        introduced: Introduced,
    ) -> Result<Vec<Salt>, Failure> {
        let is_kept = |person: &AuditedPerson| match &introduced {
            Introduced::Everybody | Introduced::WhoeverIsNotErased(_) => true,
            Introduced::CallersOnly => person.kind == AuditedKind::Subject,
        };
        let missing = people.iter().zip(known).filter(|(person, known)| known.is_none() && is_kept(person));
        let offered: Vec<_> = missing.map(|(person, _)| (person.clone(), self.new_salt())).collect();
        let kept = match &introduced {
            _ if offered.is_empty() => Vec::new(),
            Introduced::WhoeverIsNotErased(seen) => self.store.ensure_salts_of_jump(tenant, &offered, seen).await?,
            Introduced::Everybody | Introduced::CallersOnly => self.store.ensure_salts(tenant, &offered).await?,
        };
        let mut kept = kept.into_iter();
        let salts = people.iter().zip(known).map(|(person, known)| match known {
            Some(salt) => *salt,
            None if is_kept(person) => kept.next().unwrap_or_else(|| self.new_salt()),
            None => self.new_salt(),
        });
        Ok(salts.collect())
    }

    fn new_salt(&self) -> Salt {
        let mut salt = Salt([0; 32]);
        self.random.fill(&mut salt.0);
        salt
    }

    /// Builds an audit row for the log of `tenant` from salts that were read already: those of the people that
    /// [`Involved::people`] gave, in their order.
    pub(super) fn audit_entry_with(
        &self,
        tenant: &TenantId,
        call: &Call,
        involved: Involved<'_>,
        deed: Deed,
        (people, salts): (&[AuditedPerson], &[Salt]),
    ) -> Result<AuditEntry, Failure> {
        let mut pseudonyms = people.iter().zip(salts).map(|(person, salt)| person_pseudonym(salt, person));
        let mut next = |wanted: bool| -> Result<Option<Pseudonym>, Failure> {
            if wanted { pseudonyms.next().map(Some).ok_or(Failure::CallerUnfit) } else { Ok(None) }
        };
        let caller = next(true)?.ok_or(Failure::CallerUnfit)?;
        let actor = next(involved.actor.is_some())?;
        let person = next(involved.person.is_some())?;
        self.written.note(*tenant);
        Ok(AuditEntry {
            audit_id: AuditId::new(deed.at, &*self.random),
            at: deed.at,
            role: AuditedRole::Caller(involved.role),
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
        let involved = Involved::caller_of(&call)?;
        let entry = self.audit_entry(&tenant, &call, involved, deed, Introduced::CallersOnly).await?;
        Ok(self.store.record_audit(&tenant, &entry, AuditOutcome::Refused(reason)).await?)
    }
}
