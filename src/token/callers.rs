//! Whose tokens are taken as callers': those of the embedded issuer, and those of the foreign ones in the configuration.
//!
//! The claim `iss` of a token, not yet verified, only says whose rules it is read by; those then check it, so that no issuer
//! can pass for another one.

mod verified;

use std::sync::Arc;

use serde::Deserialize;

pub use self::verified::CallerLookups;
use self::verified::VerifiedCallers;
use super::base64url;
use super::caller::{CallerTokenError, CallerTokens, VerifiedCaller};
use super::foreign::{FOREIGN_TOKEN_BYTES, ForeignTokens};
use super::front_door::{InvalidCause, read_object, split};
use crate::domain::time::Timestamp;

/// Every issuer whose tokens are taken.
#[derive(Debug)]
pub struct Callers {
    embedded: Arc<CallerTokens>,
    /// Whether tokens of the embedded issuer are taken.
    believes_embedded: bool,
    foreign: Vec<Arc<ForeignTokens>>,
    verified: VerifiedCallers,
}

/// Two issuers of the configuration have one `iss`, or one has that of the embedded issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two issuers have the same `issuer`")]
pub struct IssuerTwice;

#[derive(Deserialize)]
struct IssuerWire {
    iss: String,
}

impl Callers {
    /// Takes tokens of the embedded issuer and of these.
    ///
    /// # Errors
    /// [`IssuerTwice`].
    pub fn new(embedded: Arc<CallerTokens>, foreign: Vec<Arc<ForeignTokens>>) -> Result<Self, IssuerTwice> {
        let mut issuers: Vec<_> = foreign.iter().map(|one| one.issuer()).chain([embedded.issuer()]).collect();
        issuers.sort_unstable();
        if issuers.array_windows().any(|[one, next]| one == next) {
            return Err(IssuerTwice);
        }
        Ok(Self { embedded, believes_embedded: true, foreign, verified: VerifiedCallers::new() })
    }

    /// The same, but no token of the embedded issuer is taken. Its name stays its own.
    #[must_use]
    pub fn foreign_only(self) -> Self {
        Self { believes_embedded: false, ..self }
    }

    /// Verifies a token that somebody brings at `now`. No I/O. A token that was good within the last minute is believed
    /// without its signature being computed again, unless the embedded issuer lost a key since.
    ///
    /// # Errors
    /// [`CallerTokenError::Invalid`] if it is not authentic or not for us; [`CallerTokenError::Expired`] 5 s or more
    /// after its end; [`CallerTokenError::KeysMissing`] if its issuer's keys are not there. Whether the connection is the one
    /// that a token is bound to is asked by whoever knows the connection, with every call.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedCaller>, CallerTokenError> {
        let losses = self.embedded.ring().losses();
        self.verified.get_or_verify(token, now, losses, || match self.foreign_issuer_of(token) {
            Some(foreign) => foreign.verify(token, now),
            None if self.believes_embedded => self.embedded.verify(token, now),
            None => Err(InvalidCause::Issuer.into()),
        })
    }

    /// The key of the embedded issuer that a token names and that verifies nothing at `now`; `None` for every other token.
    #[must_use]
    pub fn unknown_kid(&self, token: &str, now: Timestamp) -> Option<String> {
        if claimed_issuer(token)? != self.embedded.issuer() {
            return None;
        }
        self.embedded.unknown_kid(token, now)
    }

    /// The foreign issuer that a token claims to be of, which nobody has verified.
    #[must_use]
    pub fn foreign_issuer_of(&self, token: &str) -> Option<&Arc<ForeignTokens>> {
        let issuer = claimed_issuer(token)?;
        self.foreign.iter().find(|foreign| foreign.issuer() == issuer)
    }

    /// How often a token was verified a moment ago, and how often not, since the start.
    #[must_use]
    pub fn lookups(&self) -> CallerLookups {
        self.verified.lookups()
    }

    /// Believes nobody who was verified before: a key that verified him may be gone.
    pub fn forget_verified(&self) {
        self.verified.forget_all();
    }
}

/// The claim `iss` as it stands there.
fn claimed_issuer(token: &str) -> Option<String> {
    let (_, payload, _) = split(token, FOREIGN_TOKEN_BYTES)?;
    let payload = base64url::decode(payload)?;
    read_object::<IssuerWire>(&payload).map(|claims| claims.iss)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::domain::caller::Role;
    use crate::domain::ids::SubjectId;
    use crate::domain::issuer::{AssertableTenants, ClaimNames, ClaimPath, IssuerName, IssuerProfile};
    use crate::token::CallerGrant;
    use crate::token::testing::{Counting, header, ring, signed};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
    const OURS: &str = "urn:test:issuer";

    fn embedded() -> Arc<CallerTokens> {
        Arc::new(CallerTokens::new(ring().0, OURS.to_owned(), "urn:test:service".to_owned()))
    }

    /// A foreign issuer of this `iss`, without keys.
    fn foreign(issuer: &str) -> Arc<ForeignTokens> {
        let path = || ClaimPath::parse("x").unwrap();
        Arc::new(ForeignTokens::new(IssuerProfile {
            name: IssuerName::parse("login").unwrap(),
            issuer: issuer.to_owned(),
            audience: "us".to_owned(),
            typ: "at+jwt".to_owned(),
            algorithms: BTreeSet::from(crate::domain::issuer::SignatureAlgorithm::ALL),
            claims: ClaimNames {
                tenant: path(),
                tenants: path(),
                roles: path(),
                broker_id: path(),
                customer_id: path(),
                target_audience: path(),
            },
            roles: BTreeMap::new(),
            tenants: AssertableTenants::All,
        }))
    }

    #[test]
    fn a_token_is_read_by_the_rules_of_the_issuer_that_it_names() {
        let callers =
            Callers::new(embedded(), vec![foreign("https://a.example"), foreign("https://b.example")]).unwrap();
        let (_, key) = ring();
        let token = |iss: serde_json::Value| {
            signed(&key, &header(&key, "at+jwt").to_string(), &json!({ "iss": iss }).to_string())
        };
        let issuer = |iss| callers.foreign_issuer_of(&token(iss)).map(|foreign| foreign.issuer().to_owned());
        assert_eq!(issuer(json!("https://b.example")).as_deref(), Some("https://b.example"));
        for iss in [json!(OURS), json!("https://c.example"), json!(["https://a.example"]), json!(null)] {
            assert_eq!(issuer(iss.clone()), None, "{iss}");
            let verified = callers.verify(&token(iss.clone()), NOW);
            assert_eq!(verified, Err(InvalidCause::UnknownKey.into()), "the embedded issuer's rules: {iss}");
        }
        let verified = callers.verify(&token(json!("https://a.example")), NOW);
        assert_eq!(verified, Err(CallerTokenError::KeysMissing));
        let twice = signed(&key, &header(&key, "at+jwt").to_string(), r#"{"iss":"https://a.example","iss":"x"}"#);
        assert!(callers.foreign_issuer_of(&twice).is_none());
    }

    #[test]
    fn where_only_foreign_issuers_count_the_embedded_one_is_not_believed_and_keeps_its_name() {
        let tokens = embedded();
        let grant = CallerGrant {
            subject: SubjectId::parse("ops").unwrap(),
            roles: vec![Role::Operator],
            tenant: None,
            broker_id: None,
            customer_id: None,
            target_audience: None,
            bound_to: None,
            life: Duration::from_secs(60),
        };
        let token = tokens.mint(&grant, NOW, &Counting::from(1)).unwrap();
        let callers = Callers::new(Arc::clone(&tokens), vec![foreign("https://a.example")]).unwrap();
        assert!(callers.verify(&token, NOW).is_ok());
        let callers = Callers::new(tokens, vec![foreign("https://a.example")]).unwrap().foreign_only();
        assert_eq!(callers.verify(&token, NOW), Err(InvalidCause::Issuer.into()));
        assert_eq!(Callers::new(embedded(), vec![foreign(OURS)]).err(), Some(IssuerTwice));
    }

    #[test]
    fn no_two_issuers_are_the_same() {
        let twice = || vec![foreign("https://a.example"), foreign("https://a.example")];
        assert_eq!(Callers::new(embedded(), twice()).err(), Some(IssuerTwice));
        assert_eq!(Callers::new(embedded(), vec![foreign(OURS)]).err(), Some(IssuerTwice));
    }
}
