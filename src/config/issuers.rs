//! The file that names the foreign issuers of callers' tokens: TOML, an `[[issuer]]` each.
//!
//! `docs/operations.md` shows one. A member that is not known is refused, so that a misspelt one does not leave a door open
//! or shut unseen; the default of what an issuer may assert is nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::domain::caller::Role;
use crate::domain::ids::TenantId;
use crate::domain::issuer::{
    AssertableTenants, ClaimNames, ClaimPath, IssuerEntry, IssuerName, IssuerProfile, KeySource, SignatureAlgorithm,
};

/// The setting, as messages name it.
const SETTING: &str = "--issuers-file";
/// Most bytes of the file, and most issuers in it.
const FILE_BYTES: u64 = 1024 * 1024;
const ISSUERS: usize = 64;
/// The kind of token that an access token is (RFC 9068) unless its issuer calls it otherwise.
const DEFAULT_TYPE: &str = "at+jwt";

/// The file of issuers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuersFileError {
    /// It does not read.
    #[error("the file {} of {SETTING} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not TOML, or has a member that is not known or of another type.
    #[error("the file {} of {SETTING} is not as it must be: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// An entry says something that cannot be.
    #[error("the file {} of {SETTING}, issuer {issuer}: `{member}` {problem}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The issuer: its number, the first being 1.
        issuer: usize,
        /// What of it.
        member: &'static str,
        /// What it must be.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWire {
    #[serde(default)]
    issuer: Vec<EntryWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryWire {
    name: String,
    issuer: String,
    audience: String,
    jwks_url: Option<String>,
    jwks_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    algorithms: Option<Vec<String>>,
    typ: Option<String>,
    #[serde(default)]
    tenants: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    role_names: BTreeMap<String, String>,
    #[serde(default)]
    claims: ClaimsWire,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimsWire {
    tenant: Option<String>,
    tenants: Option<String>,
    roles: Option<String>,
    broker_id: Option<String>,
    customer_id: Option<String>,
    target_audience: Option<String>,
}

/// What an entry says that cannot be: which member, and what it must be.
type Problem = (&'static str, &'static str);

/// Reads the issuers of a file. Its relative paths begin where the file is.
///
/// # Errors
/// [`IssuersFileError`].
pub(super) fn read_issuers(path: &Path) -> Result<Vec<IssuerEntry>, IssuersFileError> {
    let unread = |source| IssuersFileError::Read { path: path.to_owned(), source };
    let not_as_it_must_be = |problem: String| IssuersFileError::Format { path: path.to_owned(), problem };
    if fs::metadata(path).map_err(unread)?.len() > FILE_BYTES {
        return Err(not_as_it_must_be("it has more than 1 MiB".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(unread)?;
    let file: FileWire = toml::from_str(&text).map_err(|error| not_as_it_must_be(error.to_string()))?;
    if file.issuer.len() > ISSUERS {
        return Err(not_as_it_must_be("it has more than 64 issuers".to_owned()));
    }
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let mut entries: Vec<IssuerEntry> = Vec::with_capacity(file.issuer.len());
    for (index, wire) in file.issuer.iter().enumerate() {
        let entry = wire.read(directory).and_then(|entry| {
            let is_new = |other: &IssuerEntry| other.profile.name != entry.profile.name;
            if entries.iter().all(is_new) { Ok(entry) } else { Err(("name", "is that of another issuer")) }
        });
        entries.push(entry.map_err(|(member, problem)| IssuersFileError::Entry {
            path: path.to_owned(),
            issuer: index + 1,
            member,
            problem,
        })?);
    }
    Ok(entries)
}

impl EntryWire {
    fn read(&self, directory: &Path) -> Result<IssuerEntry, Problem> {
        Ok(IssuerEntry {
            profile: IssuerProfile {
                name: IssuerName::parse(&self.name).map_err(|problem| ("name", problem))?,
                issuer: visible("issuer", &self.issuer)?,
                audience: visible("audience", &self.audience)?,
                typ: self.typ.as_deref().map_or_else(|| Ok(DEFAULT_TYPE.to_owned()), |typ| visible("typ", typ))?,
                algorithms: self.algorithms()?,
                claims: self.claims.read()?,
                roles: self.roles()?,
                tenants: self.tenants()?,
            },
            keys: self.keys(directory)?,
        })
    }

    fn keys(&self, directory: &Path) -> Result<KeySource, Problem> {
        match (&self.jwks_url, &self.jwks_file, &self.ca_file) {
            (Some(url), None, ca_file) => {
                Ok(KeySource::Url { url: jwks_url(url)?, ca_file: ca_file.as_ref().map(|file| directory.join(file)) })
            }
            (None, Some(file), None) => Ok(KeySource::File(directory.join(file))),
            (None, Some(_), Some(_)) => Err(("ca_file", "has no meaning without `jwks_url`")),
            (Some(_), Some(_), _) | (None, None, _) => Err(("jwks_url", "or `jwks_file` must be there, and not both")),
        }
    }

    fn algorithms(&self) -> Result<BTreeSet<SignatureAlgorithm>, Problem> {
        const PROBLEM: Problem = ("algorithms", "must be some of ES256, EdDSA, PS256 and RS256");
        let Some(names) = &self.algorithms else {
            return Ok(BTreeSet::from([SignatureAlgorithm::Es256]));
        };
        let algorithms: Option<BTreeSet<_>> = names.iter().map(|name| SignatureAlgorithm::parse(name)).collect();
        algorithms.filter(|algorithms| !algorithms.is_empty()).ok_or(PROBLEM)
    }

    /// The roles that it may assert, by the names that it has for them: `role_names` where it stands there, else ours.
    fn roles(&self) -> Result<BTreeMap<String, Role>, Problem> {
        const PROBLEM: &str = "must be some of operator, admin, portal, broker, customer and target";
        let mut granted = BTreeSet::new();
        for name in &self.roles {
            granted.insert(Role::parse(name).ok_or(("roles", PROBLEM))?);
        }
        let mut named = BTreeMap::new();
        for (theirs, ours) in &self.role_names {
            let role = Role::parse(ours).ok_or(("role_names", PROBLEM))?;
            if !granted.contains(&role) {
                return Err(("role_names", "may only name roles that stand in `roles`"));
            }
            named.insert(theirs.clone(), role);
        }
        let renamed: BTreeSet<_> = named.values().copied().collect();
        named.extend(granted.difference(&renamed).map(|role| (role.as_str().to_owned(), *role)));
        Ok(named)
    }

    fn tenants(&self) -> Result<AssertableTenants, Problem> {
        const PROBLEM: Problem = ("tenants", r#"must be ids of tenants, or "*" alone for all of them"#);
        if matches!(self.tenants.as_slice(), [only] if only == "*") {
            return Ok(AssertableTenants::All);
        }
        let tenant = |text: &String| TenantId::parse(text).ok().filter(|tenant| *tenant != TenantId::SYSTEM);
        let tenants: Option<BTreeSet<_>> = self.tenants.iter().map(tenant).collect();
        tenants.map(AssertableTenants::Only).ok_or(PROBLEM)
    }
}

impl ClaimsWire {
    fn read(&self) -> Result<ClaimNames, Problem> {
        let path = |given: &Option<String>, usual: &str| {
            ClaimPath::parse(given.as_deref().unwrap_or(usual)).map_err(|problem| ("claims", problem))
        };
        Ok(ClaimNames {
            tenant: path(&self.tenant, "tenant")?,
            tenants: path(&self.tenants, "tenants")?,
            roles: path(&self.roles, "roles")?,
            broker_id: path(&self.broker_id, "broker_id")?,
            customer_id: path(&self.customer_id, "customer_id")?,
            target_audience: path(&self.target_audience, "target_audience")?,
        })
    }
}

/// Reads 1 to 512 visible characters of ASCII.
fn visible(member: &'static str, text: &str) -> Result<String, Problem> {
    if (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err((member, "must be 1 to 512 visible characters of ASCII"))
    }
}

/// Reads where keys are fetched: `https`, or `http` from this machine to itself, where nobody stands in between.
fn jwks_url(text: &str) -> Result<Url, Problem> {
    const PROBLEM: Problem =
        ("jwks_url", "must be an https URL without user and fragment, or http to 127.0.0.1, [::1] or localhost");
    let url = Url::parse(text).map_err(|_| PROBLEM)?;
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    let is_guarded = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if is_guarded && is_plain && url.host_str().is_some() { Ok(url) } else { Err(PROBLEM) }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const TENANT: &str = "019a0b6e-6a00-7000-8000-000000000001";
    const LEAST: &str = "[[issuer]]\nname = \"a\"\nissuer = \"https://a.example\"\naudience = \"us\"\n";

    fn read(text: &str) -> Result<Vec<IssuerEntry>, IssuersFileError> {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("issuers.toml");
        fs::write(&path, text).unwrap();
        read_issuers(&path)
    }

    fn only(text: &str) -> IssuerEntry {
        read(text).unwrap().pop().unwrap()
    }

    #[test]
    fn an_issuer_that_is_granted_nothing_may_say_nothing() {
        let IssuerEntry { profile, keys } = only(&format!("{LEAST}jwks_file = \"keys.json\"\n"));
        assert_eq!(profile.algorithms, BTreeSet::from([SignatureAlgorithm::Es256]));
        assert_eq!(profile.typ, "at+jwt");
        assert!(profile.roles.is_empty());
        assert_eq!(profile.tenants, AssertableTenants::Only(BTreeSet::new()));
        let KeySource::File(file) = keys else { panic!("a file") };
        assert!(file.is_absolute() && file.ends_with("keys.json"), "beside the file that names it");
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn everything_that_an_entry_can_say_is_read() {
        let IssuerEntry { profile, keys } = only(&format!(
            "{LEAST}jwks_url = \"https://a.example/jwks\"\nca_file = \"ca.pem\"\nalgorithms = [\"RS256\", \"EdDSA\"]\n\
             typ = \"JWT\"\ntenants = [\"{TENANT}\"]\nroles = [\"admin\", \"portal\"]\n\
             [issuer.role_names]\n\"cc-admin\" = \"admin\"\n[issuer.claims]\nroles = \"/realm_access/roles\"\n"
        ));
        let roles = BTreeMap::from([("cc-admin".to_owned(), Role::Admin), ("portal".to_owned(), Role::Portal)]);
        assert_eq!(profile.roles, roles, "a role with another name does not go by ours");
        assert_eq!(profile.claims.roles.as_str(), "/realm_access/roles");
        assert_eq!(profile.claims.tenant.as_str(), "tenant");
        assert!(profile.tenants.contains(&TenantId::parse(TENANT).unwrap()));
        assert!(matches!(keys, KeySource::Url { url, ca_file: Some(_) } if url.as_str() == "https://a.example/jwks"));
        let all = only(&format!("{LEAST}jwks_file = \"k\"\ntenants = [\"*\"]\n")).profile.tenants;
        assert_eq!(all, AssertableTenants::All);
    }

    #[test]
    fn what_cannot_be_names_file_issuer_and_member() {
        let file = "jwks_file = \"k\"\n";
        for (more, member) in [
            (String::new(), "jwks_url"),
            (format!("{file}jwks_url = \"https://a.example/jwks\"\n"), "jwks_url"),
            (format!("{file}ca_file = \"ca.pem\"\n"), "ca_file"),
            (format!("{file}algorithms = [\"none\"]\n"), "algorithms"),
            (format!("{file}algorithms = [\"HS256\"]\n"), "algorithms"),
            (format!("{file}algorithms = []\n"), "algorithms"),
            (format!("{file}typ = \"\"\n"), "typ"),
            (format!("{file}roles = [\"root\"]\n"), "roles"),
            (format!("{file}tenants = [\"*\", \"{TENANT}\"]\n"), "tenants"),
            (format!("{file}tenants = [\"{}\"]\n", TenantId::SYSTEM), "tenants"),
            (format!("{file}[issuer.role_names]\nx = \"admin\"\n"), "role_names"),
            (format!("{file}[issuer.claims]\nroles = \"\"\n"), "claims"),
        ] {
            let refused = read(&format!("{LEAST}{more}"));
            let Err(IssuersFileError::Entry { issuer: 1, member: named, .. }) = refused else {
                panic!("{more}: {refused:?}")
            };
            assert_eq!(named, member, "{more}");
        }
        let twice = format!("{LEAST}{file}{LEAST}{file}");
        assert!(matches!(read(&twice), Err(IssuersFileError::Entry { issuer: 2, member: "name", .. })));
    }

    #[test]
    fn what_is_misspelt_or_missing_is_refused() {
        for text in [
            format!("{LEAST}jwks_file = \"k\"\nrole = [\"admin\"]\n"),
            format!("{LEAST}jwks_file = \"k\"\n[issuer.claims]\ntennant = \"t\"\n"),
            "[[issuer]]\nname = \"a\"\n".to_owned(),
            "[[issuers]]\n".to_owned(),
            "not toml".to_owned(),
        ] {
            assert!(matches!(read(&text), Err(IssuersFileError::Format { .. })), "{text}");
        }
        assert!(matches!(read_issuers(Path::new("/nowhere/issuers.toml")), Err(IssuersFileError::Read { .. })));
    }

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for url in
            ["https://a.example/jwks?x=1", "http://127.0.0.1:8080/jwks", "http://[::1]/jwks", "http://localhost/j"]
        {
            assert!(jwks_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://a.example/jwks",
            "https://user@a.example/jwks",
            "https://:pass@a.example/jwks",
            "https://a.example/jwks#x",
            "http://localhost.a.example/jwks",
            "file:///etc/passwd",
            "ftp://127.0.0.1/jwks",
            "jwks",
            "",
        ] {
            assert!(jwks_url(url).is_err(), "{url}");
        }
    }
}
