//! What a foreign token says: the registered claims, and ours under the names that its issuer has for them.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use crate::domain::caller::CertificateThumbprint;
use crate::domain::issuer::ClaimPath;
use crate::token::binding::read_confirmation;
use crate::token::front_door::Times;

/// The claims of a foreign token. Whatever else stands there, no object in it has a member twice.
pub(super) struct ForeignClaims(Map<String, Value>);

impl ForeignClaims {
    /// Reads the claims; `None` if they are not one JSON object, or if an object in them has a member twice.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Unambiguous>(json).ok()?.0 {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// A claim that must be one text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Whether a claim is there at all.
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The certificate that the token is bound to: `Ok(None)` without `cnf`, an error with one that asks for anything else.
    pub(super) fn bound_to(&self) -> Result<Option<CertificateThumbprint>, NotOfItsType> {
        self.0.get("cnf").map(|claim| read_confirmation(claim).ok_or(NotOfItsType)).transpose()
    }

    /// Whether the token is for `audience`: `aud` is that text, or a list of texts with it.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(many)) => {
                many.iter().all(Value::is_string) && many.iter().any(|one| one.as_str() == Some(audience))
            }
            _ => false,
        }
    }

    /// The times: `iat` and `exp` must be there and whole seconds, `nbf` may.
    pub(super) fn times(&self) -> Option<Times> {
        let seconds = |name: &str| self.0.get(name).and_then(Value::as_i64);
        let issued_at = seconds("iat")?;
        let not_before = if self.has("nbf") { seconds("nbf")? } else { issued_at };
        Some(Times { issued_at, not_before, expires_at: seconds("exp")? })
    }

    /// A claim of ours: `Ok(None)` if it is not there, an error if it is there and no text.
    pub(super) fn ours(&self, path: &ClaimPath) -> Result<Option<&str>, NotOfItsType> {
        match self.find(path) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(NotOfItsType),
        }
    }

    /// A claim of ours that may be several: texts, or one text; none if it is not there.
    pub(super) fn several(&self, path: &ClaimPath) -> Result<Vec<&str>, NotOfItsType> {
        match self.find(path) {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(many)) => many.iter().map(|one| one.as_str().ok_or(NotOfItsType)).collect(),
            Some(_) => Err(NotOfItsType),
        }
    }

    fn find(&self, path: &ClaimPath) -> Option<&Value> {
        match path.as_str().strip_prefix('/') {
            None => self.0.get(path.as_str()),
            Some(rest) => {
                let mut steps = rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
                let first = self.0.get(&steps.next()?)?;
                steps.try_fold(first, |value, step| value.as_object()?.get(&step))
            }
        }
    }
}

/// A claim is there, and not of the type that it must have.
pub(super) struct NotOfItsType;

/// Any JSON, in which no object has a member twice: of two tenants another reader may see the other one.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyVisitor;

        impl<'de> Visitor<'de> for AnyVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON without a member twice")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::String(value.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut values = Vec::new();
                while let Some(Unambiguous(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Value::Array(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
                let mut members = Map::new();
                while let Some((name, Unambiguous(value))) = object.next_entry::<String, Unambiguous>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Value::Object(members))
            }
        }

        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> ForeignClaims {
        ForeignClaims::read(json.as_bytes()).unwrap()
    }

    fn path(text: &str) -> ClaimPath {
        ClaimPath::parse(text).unwrap()
    }

    #[test]
    fn no_object_has_a_member_twice_at_any_depth() {
        assert!(ForeignClaims::read(br#"{"a":{"x":1},"b":{"x":1}}"#).is_some());
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":{"x":1,"x":2}}"#, r#"{"a":[{"x":1,"x":2}]}"#, r#"{"a":1,"\u0061":2}"#]
        {
            assert!(ForeignClaims::read(json.as_bytes()).is_none(), "{json}");
        }
        for json in ["", "[]", "null", "{}x", r#"{"a":}"#] {
            assert!(ForeignClaims::read(json.as_bytes()).is_none(), "{json}");
        }
    }

    #[test]
    fn an_audience_is_one_text_or_a_list_of_texts() {
        for json in [r#"{"aud":"us"}"#, r#"{"aud":["us"]}"#, r#"{"aud":["they","us"]}"#] {
            assert!(claims(json).is_for("us"), "{json}");
        }
        for json in
            ["{}", r#"{"aud":"they"}"#, r#"{"aud":[]}"#, r#"{"aud":["us",1]}"#, r#"{"aud":{"us":1}}"#, r#"{"aud":42}"#]
        {
            assert!(!claims(json).is_for("us"), "{json}");
        }
    }

    #[test]
    fn times_are_whole_seconds() {
        assert!(claims(r#"{"iat":1,"exp":2}"#).times().is_some());
        for json in [
            r#"{"iat":1}"#,
            r#"{"exp":2}"#,
            r#"{"iat":"1","exp":2}"#,
            r#"{"iat":1,"exp":2.5}"#,
            r#"{"iat":1,"exp":18446744073709551615}"#,
            r#"{"iat":1,"exp":2,"nbf":"never"}"#,
            r#"{"iat":1,"exp":2,"nbf":null}"#,
        ] {
            assert!(claims(json).times().is_none(), "{json}");
        }
    }

    #[test]
    fn a_claim_is_found_by_name_or_by_pointer() {
        let claims = claims(r#"{"a/b":"name","realm":{"r/o":["x","y"],"one":"z"},"n":1}"#);
        assert_eq!(claims.ours(&path("a/b")).ok(), Some(Some("name")));
        assert_eq!(claims.several(&path("/realm/r~1o")).ok(), Some(vec!["x", "y"]));
        assert_eq!(claims.several(&path("/realm/one")).ok(), Some(vec!["z"]));
        assert_eq!(claims.ours(&path("/realm/none")).ok(), Some(None));
        assert_eq!(claims.ours(&path("/n/x")).ok(), Some(None));
        assert!(claims.ours(&path("n")).is_err());
        assert!(claims.several(&path("n")).is_err());
        assert!(claims.several(&path("realm")).is_err());
    }
}
