//! Claims as they stand in a token: names, types, form and size of each.
//!
//! Text is borrowed from the decoded payload, so a text with an escape sequence in it is refused: our tokens have
//! none. An optional claim is absent or has a value; `null` is neither.

use serde::{Deserialize, Deserializer, Serialize};

use super::base64url;
use super::binding::ConfirmationWire;
use super::front_door::{Object, Parties, Times};
use crate::domain::customer::Segment;
use crate::domain::ids::{InvalidId, TargetId, TenantId};
use crate::domain::jump::{ActorClaim, ActorRole, Jti, JumpClaims, Nonce, Subject};
use crate::domain::time::Timestamp;

/// The claims of a jump's token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JumpWire<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    jti: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    tid: &'a str,
    ek: bool,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    seg: Option<&'a str>,
    ep: i64,
    #[serde(borrow, default, deserialize_with = "present_object", skip_serializing_if = "Option::is_none")]
    act: Option<ActWire<'a>>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    n: Option<&'a str>,
}

/// Who acts (RFC 8693, section 4.1), with his role.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActWire<'a> {
    sub: &'a str,
    role: &'a str,
}

impl<'a> JumpWire<'a> {
    /// The claims of `issuer` in their wire form; `jti` and `tenant` are the texts of those in `claims`.
    pub(super) fn new(issuer: &'a str, claims: &'a JumpClaims, jti: &'a str, tenant: &'a str) -> Self {
        let issued_at = claims.issued_at.unix_seconds();
        Self {
            iss: issuer,
            aud: claims.target.as_str(),
            sub: claims.subject.as_str(),
            jti,
            iat: issued_at,
            nbf: issued_at,
            exp: claims.expires_at.unix_seconds(),
            tid: tenant,
            ek: claims.end_customer,
            seg: claims.segment.map(segment_name),
            ep: claims.epoch,
            act: claims
                .actor
                .as_ref()
                .map(|actor| ActWire { sub: actor.subject.as_str(), role: actor_role_name(actor.role) }),
            n: claims.nonce.as_ref().map(Nonce::as_str),
        }
    }

    pub(super) const fn parties(&self) -> Parties<'a> {
        Parties { issuer: self.iss, audience: self.aud }
    }

    pub(super) const fn times(&self) -> Times {
        Times { issued_at: self.iat, not_before: self.nbf, expires_at: self.exp }
    }

    /// What the claims mean; `None` if one has not its form or size, or they contradict each other.
    pub(super) fn read(&self) -> Option<JumpClaims> {
        let segment = match self.seg {
            Some(name) => Some(parse_segment(name)?),
            None => None,
        };
        // A customer has a segment, a broker has none.
        if self.ek != segment.is_some() {
            return None;
        }
        let actor = match &self.act {
            Some(act) => Some(ActorClaim { subject: read_subject(act.sub)?, role: parse_actor_role(act.role)? }),
            None => None,
        };
        let nonce = match self.n {
            Some(text) => Some(Nonce::parse(text).ok()?),
            None => None,
        };
        Some(JumpClaims {
            tenant: read_tenant(self.tid).ok()?,
            target: TargetId::parse(self.aud).ok()?,
            subject: read_subject(self.sub)?,
            jti: Jti(base64url::decode_exact(self.jti)?),
            issued_at: Timestamp::from_unix_seconds(self.iat),
            expires_at: Timestamp::from_unix_seconds(self.exp),
            end_customer: self.ek,
            segment,
            epoch: self.ep,
            actor,
            nonce,
        })
    }
}

/// The claims of a caller's token: those of RFC 9068, section 2.2, and ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerWire<'a> {
    pub(super) iss: &'a str,
    pub(super) exp: i64,
    pub(super) aud: &'a str,
    pub(super) sub: &'a str,
    pub(super) client_id: &'a str,
    pub(super) iat: i64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
    pub(super) jti: &'a str,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<&'a str>,
    #[serde(borrow)]
    pub(super) roles: Vec<&'a str>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) broker_id: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) target_audience: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "present_object", skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<ConfirmationWire<'a>>,
}

impl<'a> CallerWire<'a> {
    pub(super) const fn parties(&self) -> Parties<'a> {
        Parties { issuer: self.iss, audience: self.aud }
    }

    pub(super) fn times(&self) -> Times {
        Times { issued_at: self.iat, not_before: self.nbf.unwrap_or(self.iat), expires_at: self.exp }
    }
}

/// Reads a claim that is there, so that `null` is not taken for an absent one.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn present_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Object::deserialize(deserializer).map(|object| Some(object.0))
}

/// A tenant that somebody can belong to: the service's own is nobody's.
pub(super) fn read_tenant(text: &str) -> Result<TenantId, InvalidId> {
    let tenant = TenantId::parse(text)?;
    if tenant == TenantId::SYSTEM { Err(InvalidId) } else { Ok(tenant) }
}

/// A pairwise name: 43 characters, which are 32 bytes.
fn read_subject(text: &str) -> Option<Subject> {
    base64url::decode_exact::<32>(text).map(|_| Subject::from_computed(text.to_owned()))
}

const fn segment_name(segment: Segment) -> &'static str {
    match segment {
        Segment::Private => "private",
        Segment::Commercial => "commercial",
    }
}

fn parse_segment(text: &str) -> Option<Segment> {
    [Segment::Private, Segment::Commercial].into_iter().find(|segment| segment_name(*segment) == text)
}

const fn actor_role_name(role: ActorRole) -> &'static str {
    match role {
        ActorRole::PortalUser => "portal_user",
        ActorRole::CustomerStaff => "customer_staff",
        ActorRole::BrokerStaff => "broker_staff",
    }
}

fn parse_actor_role(text: &str) -> Option<ActorRole> {
    [ActorRole::PortalUser, ActorRole::CustomerStaff, ActorRole::BrokerStaff]
        .into_iter()
        .find(|role| actor_role_name(*role) == text)
}
