//! Targets: the tariff calculators and insurers' portals that one jumps to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::error::Version;
use super::ids::{LineOfBusiness, ProviderId, ReturnUrlId, TargetId};
use super::provider::State;
use super::text::Line;

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A tariff calculator (Tarifrechner), for brokers and customers.
    TariffCalculator,
    /// An insurer's portal (VU-Auskunft), for brokers only.
    InsurerPortal,
}

/// How the browser carries the jump to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A form is posted to the target; the token is in its body.
    FormPost,
    /// The token is in the fragment of the target's own URL: for single-page calculators.
    Fragment,
    /// An opaque handle is in the query: for calculators that take nothing but GET.
    GetHandle,
}

/// The kinds of person that a target takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedPersons {
    /// It takes brokers.
    pub brokers: bool,
    /// It takes customers.
    pub customers: bool,
}

/// Most lines of business that a target names.
const MOST_LINES: usize = 100;

/// The lines of business that a target takes: all, or only those named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineScope {
    /// Every line of business.
    All,
    /// Only these.
    Only(LineList),
}

/// 1 to 100 lines of business, sorted and unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineList(Vec<LineOfBusiness>);

/// A list of lines of business is empty, or longer than 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name 1 to 100 lines of business")]
pub struct InvalidLineList;

impl LineList {
    /// Sorts the list; lines that are named twice count once.
    ///
    /// # Errors
    /// [`InvalidLineList`] if it is empty or names more than 100.
    pub fn new(mut lines: Vec<LineOfBusiness>) -> Result<Self, InvalidLineList> {
        lines.sort_unstable();
        lines.dedup();
        if lines.is_empty() || lines.len() > MOST_LINES {
            return Err(InvalidLineList);
        }
        Ok(Self(lines))
    }

    /// The lines, sorted and unique, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[LineOfBusiness] {
        &self.0
    }
}

impl LineScope {
    /// Tells whether the scope holds `line`.
    #[must_use]
    pub fn allows(&self, line: LineOfBusiness) -> bool {
        match self {
            Self::All => true,
            Self::Only(list) => list.0.binary_search(&line).is_ok(),
        }
    }
}

/// Most bytes of a URL in the catalogue.
const URL_BYTES: usize = 2_000;

/// Why a URL was refused. It never repeats the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// Not an absolute URL of at most 2 000 printable ASCII characters.
    #[error("is not an absolute URL of at most 2000 printable characters")]
    Malformed,
    /// Neither `https`, nor `http` to a loopback host.
    #[error("must begin with https:// (http:// only for a loopback host)")]
    NotHttps,
    /// A `*` in the host: it would look as if it stood for many (`docs/domain.md#return-urls`).
    #[error("must not carry a wildcard in its host")]
    Wildcard,
    /// A host with what no name on the Internet has. Parsers take `;` and the like, which in a header mean something else.
    #[error("must have a host of letters, digits, dots and hyphens")]
    Host,
    /// A `{` or `}`: there are no templates, and what a target needs is handed over at the redeem.
    #[error("must not carry a placeholder")]
    Placeholder,
    /// User name or password before the host.
    #[error("must not carry user information")]
    UserInformation,
    /// A fragment; the token may have to stand there.
    #[error("must not carry a fragment")]
    Fragment,
    /// A path or a query, where an origin is wanted.
    #[error("must be an origin: nothing behind host and port")]
    NotAnOrigin,
    /// Not spelled as a browser would spell it, so that equal URLs would not be equal text.
    #[error("must be spelled in its normal form")]
    NotNormal,
}

/// A URL that a browser may be sent to: `https`, or `http` for loopback in development.
///
/// It is compared as text, so it is kept in its normal form (RFC 9700, section 4.1: exact matching).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl(String);

impl WebUrl {
    /// Reads a URL in its normal form that is about to be registered.
    ///
    /// # Errors
    /// A [`UrlProblem`] that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlProblem> {
        check_new(text, &parse_absolute(text)?)?;
        Self::parse_known(text)
    }

    /// Reads a URL that was registered, by whatever rules there were then: [`UrlProblem::Placeholder`] and [`UrlProblem::Host`] came
    /// later. Whoever refused to read such a one could not list, replace or redeem what holds it.
    ///
    /// # Errors
    /// A [`UrlProblem`] that says what is wrong with it.
    pub fn parse_known(text: &str) -> Result<Self, UrlProblem> {
        if parse_absolute(text)?.as_str() != text {
            return Err(UrlProblem::NotNormal);
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL, in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its origin: the scheme, the host, and the port unless that is the usual one. `None` if the host is one that is not registered
    /// any more: in a header it would mean something else.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        // In the normal form a path follows, and it begins with the first slash behind the host.
        let host = self.0.find("://").map_or(0, |at| at + "://".len());
        let end = self.0.get(host..).and_then(|rest| rest.find('/')).map_or(self.0.len(), |length| host + length);
        Origin::parse(self.0.get(..end)?).ok()
    }

    /// The URL with `token` in its fragment. `token` must be of `[A-Za-z0-9_.-]`.
    #[must_use]
    pub fn with_fragment(&self, token: &str) -> String {
        format!("{}#token={token}", self.0)
    }

    /// The URL with the query parameter `j` set to `handle`, beside those that it has.
    #[must_use]
    pub fn with_handle(&self, handle: &str) -> String {
        let separator = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{separator}j={handle}", self.0)
    }
}

/// Reads an absolute URL that a browser may be sent to, in whatever spelling.
fn parse_absolute(text: &str) -> Result<Url, UrlProblem> {
    if text.len() > URL_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UrlProblem::Malformed);
    }
    let url = Url::parse(text).map_err(|_| UrlProblem::Malformed)?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(UrlProblem::NotHttps),
    };
    if !(url.scheme() == "https" || (url.scheme() == "http" && loopback)) {
        return Err(UrlProblem::NotHttps);
    }
    if url.host_str().is_some_and(|host| host.contains('*')) {
        return Err(UrlProblem::Wildcard);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlProblem::UserInformation);
    }
    if url.fragment().is_some() {
        return Err(UrlProblem::Fragment);
    }
    Ok(url)
}

/// Checks what is asked of a URL beside that since some were registered without it.
fn check_new(text: &str, url: &Url) -> Result<(), UrlProblem> {
    if text.contains(['{', '}']) {
        return Err(UrlProblem::Placeholder);
    }
    if let Some(Host::Domain(name)) = url.host()
        && !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    {
        return Err(UrlProblem::Host);
    }
    Ok(())
}

/// An origin (RFC 6454): scheme, host, and the port unless it is the usual one; `https`, or `http` for loopback in development.
///
/// Of characters that mean nothing in a header and in HTML, `:` and the brackets of an address excepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin in its normal form, which has no slash at its end.
    ///
    /// # Errors
    /// A [`UrlProblem`] that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlProblem> {
        let url = parse_absolute(text)?;
        check_new(text, &url)?;
        if url.path() != "/" || url.query().is_some() {
            return Err(UrlProblem::NotAnOrigin);
        }
        if url.as_str().strip_suffix('/') != Some(text) {
            return Err(UrlProblem::NotNormal);
        }
        Ok(Self(text.to_owned()))
    }

    /// Where a listener at `address` is reached by browsers of its own network, for development.
    ///
    /// One that listens everywhere is reached at this machine.
    #[must_use]
    pub fn of_listener(address: SocketAddr, has_tls: bool) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let (scheme, usual) = if has_tls { ("https", 443) } else { ("http", 80) };
        let address = SocketAddr::new(ip, address.port());
        if address.port() == usual {
            let host = address.to_string();
            let host = host.strip_suffix(&format!(":{usual}")).unwrap_or(&host);
            return Self(format!("{scheme}://{host}"));
        }
        Self(format!("{scheme}://{address}"))
    }

    /// The origin, in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether browsers reach it over TLS alone.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The page at this origin that carries a jump to `target`, with `token` in its fragment, which no server gets to see. `token`
    /// must be of `[A-Za-z0-9_.-]`.
    #[must_use]
    pub fn landing_page(&self, target: &TargetId, token: &str) -> String {
        format!("{}/j/{target}#{token}", self.0)
    }
}

/// Most origins that a target names.
const MOST_ORIGINS: usize = 10;

/// Origins that a target's answer to the posted form may redirect through or to: at most 10, sorted, each once.
///
/// The origin of the target's own URL need not be among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedirectOrigins(Vec<Origin>);

/// A target names more than 10 origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name at most 10 origins")]
pub struct TooManyOrigins;

impl RedirectOrigins {
    /// Sorts the list; origins that are named twice count once.
    ///
    /// # Errors
    /// [`TooManyOrigins`] if it names more than 10.
    pub fn new(mut origins: Vec<Origin>) -> Result<Self, TooManyOrigins> {
        origins.sort_unstable();
        origins.dedup();
        if origins.len() > MOST_ORIGINS {
            return Err(TooManyOrigins);
        }
        Ok(Self(origins))
    }

    /// The origins, sorted and unique; often none.
    #[must_use]
    pub fn as_slice(&self) -> &[Origin] {
        &self.0
    }
}

/// A target of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The operator's key; the audience of the target's tokens.
    pub target_id: TargetId,
    /// Whose target it is.
    pub provider_id: ProviderId,
    /// Calculator or portal.
    pub kind: TargetKind,
    /// For people.
    pub display_name: Line,
    /// A disabled target takes no jump.
    pub state: State,
    /// Where the browser is sent.
    pub url: WebUrl,
    /// How the browser carries the jump.
    pub delivery: Delivery,
    /// Whom it takes. A portal never takes customers.
    pub accepts: AcceptedPersons,
    /// The lines of business that it takes.
    pub lines: LineScope,
    /// Whether a redeem hands the password over.
    pub hands_over_secret: bool,
    /// Whether every jump must carry a nonce of the target.
    pub nonce_required: bool,
    /// Where its answer to the posted form may redirect. None unless the delivery is [`Delivery::FormPost`].
    pub redirect_origins: RedirectOrigins,
    /// The etag.
    pub version: Version,
}

/// A return URL that a jump may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl {
    /// The operator's key.
    pub return_url_id: ReturnUrlId,
    /// The URL, matched exactly.
    pub url: WebUrl,
    /// A disabled entry matches nothing.
    pub state: State,
    /// The etag.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_for_browsers_is_https_and_plain() {
        for text in [
            "https://rechner.example/start",
            "https://a.example/?x=1",
            "http://127.0.0.1:9000/",
            "http://[::1]/",
            "http://localhost:3000/x",
        ] {
            assert_eq!(WebUrl::parse(text).map(|url| url.as_str().to_owned()), Ok(text.to_owned()));
        }
        for (text, problem) in [
            ("", UrlProblem::Malformed),
            ("/relative", UrlProblem::Malformed),
            ("//evil.example", UrlProblem::Malformed),
            ("https://a.example/\r\nX: y", UrlProblem::Malformed),
            ("http://rechner.example/", UrlProblem::NotHttps),
            ("javascript:alert(1)", UrlProblem::NotHttps),
            ("file:///etc/passwd", UrlProblem::NotHttps),
            ("https://*.example/", UrlProblem::Wildcard),
            ("https://a*.example/x", UrlProblem::Wildcard),
            ("https://%2a.example/", UrlProblem::Wildcard),
            ("https://a;script-src.example/", UrlProblem::Host),
            ("https://a'b.example/", UrlProblem::Host),
            ("https://a.example/{user}", UrlProblem::Placeholder),
            ("https://a.example/?u={user}", UrlProblem::Placeholder),
            ("https://{host}.example/", UrlProblem::Placeholder),
            ("https://a.example/}", UrlProblem::Placeholder),
            ("https://user:pw@a.example/", UrlProblem::UserInformation),
            ("https://a.example/#x", UrlProblem::Fragment),
            ("https://A.example/", UrlProblem::NotNormal),
            ("https://a.example/x/../y", UrlProblem::NotNormal),
            ("https://a.example", UrlProblem::NotNormal),
        ] {
            assert_eq!(WebUrl::parse(text), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn what_was_registered_by_earlier_rules_still_reads_and_has_no_origin_where_its_host_is_none() {
        for (text, has_origin) in [
            ("https://a.example/?u={user}", true),
            ("https://{host}.example/", false),
            ("https://a;script-src.example/", false),
            ("https://a'b.example/x", false),
        ] {
            assert!(WebUrl::parse(text).is_err(), "{text:?}");
            let known = WebUrl::parse_known(text).unwrap();
            assert_eq!((known.as_str(), known.origin().is_some()), (text, has_origin));
        }
        for text in ["", "http://a.example/", "https://*.example/", "https://u@a.example/", "https://a.example/{user}"]
        {
            assert!(WebUrl::parse_known(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_origin_has_nothing_behind_its_port() {
        for text in ["https://a.example", "https://a.example:8443", "http://127.0.0.1:9000", "http://[::1]:9000"] {
            assert_eq!(Origin::parse(text).map(|origin| origin.as_str().to_owned()), Ok(text.to_owned()));
        }
        for (text, problem) in [
            ("", UrlProblem::Malformed),
            ("a.example", UrlProblem::Malformed),
            ("null", UrlProblem::Malformed),
            ("https:", UrlProblem::Malformed),
            ("*", UrlProblem::Malformed),
            ("'self'", UrlProblem::Malformed),
            ("https://a.example b.example", UrlProblem::Malformed),
            ("https://*.example", UrlProblem::Wildcard),
            ("https://a.example;script-src", UrlProblem::Host),
            ("http://a.example", UrlProblem::NotHttps),
            ("data:text", UrlProblem::NotHttps),
            ("https://u@a.example", UrlProblem::UserInformation),
            ("https://a.example#x", UrlProblem::Fragment),
            ("https://a.example/x", UrlProblem::NotAnOrigin),
            ("https://a.example?x", UrlProblem::NotAnOrigin),
            ("https://a.example/", UrlProblem::NotNormal),
            ("https://a.example:443", UrlProblem::NotNormal),
            ("https://A.example", UrlProblem::NotNormal),
        ] {
            assert_eq!(Origin::parse(text), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn the_origin_of_a_url_is_one_that_could_have_been_named() {
        for (url, origin) in [
            ("https://a.example/", "https://a.example"),
            ("https://a.example:8443/x/?y=//z/", "https://a.example:8443"),
            ("http://[::1]:9000/x", "http://[::1]:9000"),
        ] {
            let own = WebUrl::parse(url).unwrap().origin();
            assert_eq!(own, Some(Origin::parse(origin).unwrap()));
        }
    }

    #[test]
    fn a_listener_is_reached_where_browsers_can() {
        for (address, has_tls, origin) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:8080", false, "http://127.0.0.1:8080"),
            ("[::]:8443", true, "https://[::1]:8443"),
            ("[::1]:443", true, "https://[::1]"),
            ("127.0.0.1:80", false, "http://127.0.0.1"),
            ("127.0.0.1:80", true, "https://127.0.0.1:80"),
        ] {
            assert_eq!(Origin::of_listener(address.parse().unwrap(), has_tls).as_str(), origin);
            assert_eq!(Origin::parse(origin).map(|origin| origin.as_str().to_owned()), Ok(origin.to_owned()));
        }
    }

    #[test]
    fn origins_are_sorted_and_count_once() {
        let origin = |number: usize| Origin::parse(&format!("https://a{number}.example")).unwrap();
        let origins = RedirectOrigins::new(vec![origin(2), origin(1), origin(2)]).unwrap();
        assert_eq!(origins.as_slice(), [origin(1), origin(2)]);
        assert!(RedirectOrigins::new((0..10).chain(0..10).map(origin).collect()).is_ok());
        assert_eq!(RedirectOrigins::new((0..11).map(origin).collect()), Err(TooManyOrigins));
        assert_eq!(RedirectOrigins::default().as_slice(), []);
    }

    #[test]
    fn a_handle_joins_the_query_that_is_there() {
        let with_handle = |text| WebUrl::parse(text).map(|url| url.with_handle("h"));
        assert_eq!(with_handle("https://a.example/x"), Ok("https://a.example/x?j=h".to_owned()));
        assert_eq!(with_handle("https://a.example/?x=1"), Ok("https://a.example/?x=1&j=h".to_owned()));
    }
}
