//! Page tokens: where the next page of a list begins, sealed for the list that it came from.
//!
//! A token is base64url of a MAC of 16 bytes and the key of the last row. The MAC covers the tenant, the broker or customer
//! who lists, the list and its filter, so that a token of another list, or one that was made up, is told from ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::App;
use crate::domain::caller::{Caller, TenantRole};
use crate::domain::ids::TenantId;
use crate::secrets::MacKey;

/// Bytes of the MAC in a token.
const MAC_BYTES: usize = 16;
/// Most characters of a token: the longest key of a row has 128 bytes. Checked before anything is decoded.
const TOKEN_CHARACTERS: usize = 256;

/// A list, as its page tokens tell it from every other one.
#[derive(Clone, Copy)]
pub struct List<'a> {
    /// Who lists; tokens are bound to his tenant, and to him where he sees what is his own only.
    pub caller: &'a Caller,
    /// Which list: the path of its method.
    pub name: &'static str,
    /// What is left out of it; empty for the whole list.
    pub filter: &'a str,
}

impl List<'_> {
    /// The tenant that the list belongs to; one for everything that belongs to none.
    const fn scope(&self) -> TenantId {
        match self.caller {
            Caller::Tenant { tenant, .. } => *tenant,
            Caller::Anonymous | Caller::Operator { .. } | Caller::Target { .. } => TenantId::SYSTEM,
        }
    }

    /// The kind and the id of a broker or customer, whose lists are not those of another one; both empty for everybody
    /// else.
    fn person(&self) -> [&str; 2] {
        match self.caller {
            Caller::Tenant { role: TenantRole::Broker(broker), .. } => ["broker", broker.as_str()],
            Caller::Tenant { role: TenantRole::Customer(customer), .. } => ["customer", customer.as_str()],
            Caller::Tenant { role: TenantRole::Admin | TenantRole::Portal, .. }
            | Caller::Anonymous
            | Caller::Operator { .. }
            | Caller::Target { .. } => ["", ""],
        }
    }
}

impl App {
    /// Seals the key of a page's last row, at most 128 bytes, as the token of the page after it.
    pub fn seal_page_token(&self, list: &List<'_>, last: &str) -> String {
        seal(&self.system.mac, list, last)
    }

    /// Opens a token of the same list; `None` for a token of another tenant, list or filter and for anything else.
    pub fn open_page_token(&self, list: &List<'_>, token: &str) -> Option<String> {
        open(&self.system.mac, list, token)
    }
}

fn seal(key: &MacKey, list: &List<'_>, last: &str) -> String {
    let mut bytes = mac(key, list, last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(key: &MacKey, list: &List<'_>, token: &str) -> Option<String> {
    if token.len() > TOKEN_CHARACTERS {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (sealed, last) = bytes.split_first_chunk::<MAC_BYTES>()?;
    let last = std::str::from_utf8(last).ok()?;
    // Not in constant time: whoever finds a MAC this way begins a page of his own list where he likes, nothing more.
    (*sealed == mac(key, list, last)).then(|| last.to_owned())
}

fn mac(key: &MacKey, list: &List<'_>, last: &str) -> [u8; MAC_BYTES] {
    let scope = list.scope();
    let [kind, person] = list.person();
    let texts = [kind, person, list.name, list.filter, last].map(str::as_bytes);
    let [kind, person, name, filter, last] = texts;
    let whole = key.mac("page", &[scope.as_bytes(), kind, person, name, filter, last]);
    let mut short = [0; MAC_BYTES];
    short.iter_mut().zip(whole).for_each(|(short, whole)| *short = whole);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{BrokerId, CustomerId, Random, SubjectId};

    struct Bytes(u8);

    impl Random for Bytes {
        fn fill(&self, destination: &mut [u8]) {
            destination.fill(self.0);
        }
    }

    fn admin_of(tenant: &str) -> Caller {
        Caller::Tenant {
            tenant: TenantId::parse(tenant).unwrap(),
            role: TenantRole::Admin,
            subject: SubjectId::parse("admin").unwrap(),
        }
    }

    fn caller(role: TenantRole) -> Caller {
        let tenant = TenantId::parse("0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c").unwrap();
        Caller::Tenant { tenant, role, subject: SubjectId::parse("somebody").unwrap() }
    }

    fn broker(id: &str) -> Caller {
        caller(TenantRole::Broker(BrokerId::parse(id).unwrap()))
    }

    fn customer(id: &str) -> Caller {
        caller(TenantRole::Customer(CustomerId::parse(id).unwrap()))
    }

    fn admin() -> Caller {
        admin_of("0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c")
    }

    fn key() -> MacKey {
        MacKey::generate(&Bytes(7))
    }

    fn list(caller: &Caller) -> List<'_> {
        List { caller, name: "things", filter: "red" }
    }

    #[test]
    fn a_token_opens_for_the_list_that_it_came_from() {
        let caller = admin();
        let token = seal(&key(), &list(&caller), "row-7");
        assert_eq!(open(&key(), &list(&caller), &token).as_deref(), Some("row-7"));
    }

    #[test]
    fn a_token_does_not_open_for_another_tenant_list_filter_or_key() {
        let caller = admin();
        let token = seal(&key(), &list(&caller), "row-7");
        let stranger = admin_of("0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6d");
        for other in [
            list(&stranger),
            list(&Caller::Anonymous),
            List { name: "others", ..list(&caller) },
            List { filter: "blue", ..list(&caller) },
        ] {
            assert_eq!(open(&key(), &other, &token), None, "{} {}", other.name, other.filter);
        }
        assert_eq!(open(&MacKey::generate(&Bytes(8)), &list(&caller), &token), None);
    }

    #[test]
    fn a_token_of_a_broker_or_customer_opens_for_him_alone() {
        let callers = [broker("a"), broker("b"), customer("a"), customer("b"), admin()];
        for (place, whose) in callers.iter().enumerate() {
            let token = seal(&key(), &list(whose), "row-7");
            for (other, caller) in callers.iter().enumerate() {
                let opened = open(&key(), &list(caller), &token);
                assert_eq!(opened.is_some(), place == other, "{whose:?} {caller:?}");
            }
        }
    }

    #[test]
    fn administrator_and_portal_see_the_same_list() {
        let token = seal(&key(), &list(&caller(TenantRole::Admin)), "row-7");
        assert!(open(&key(), &list(&caller(TenantRole::Portal)), &token).is_some());
    }

    #[test]
    fn a_token_that_was_changed_or_made_up_does_not_open() {
        let caller = admin();
        let token = seal(&key(), &list(&caller), "row-7");
        let longer = format!("{token}AAAA");
        let padded = format!("{token}=");
        let huge = "A".repeat(10_000);
        for text in ["", "A", "AAAA", "row-7", "%", &token[1..], &longer, &padded, &huge] {
            assert_eq!(open(&key(), &list(&caller), text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_key_of_a_row_fits() {
        let caller = admin();
        let last = "x".repeat(128);
        let token = seal(&key(), &list(&caller), &last);
        assert_eq!(open(&key(), &list(&caller), &token), Some(last));
    }
}
