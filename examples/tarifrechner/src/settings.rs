//! What the calculator is told at its start, checked once.

use url::{Origin, Url};

use crate::gateway::is_loopback;

/// Most sessions at once, unless the settings say otherwise.
pub const MOST_SESSIONS: usize = 10_000;
/// Most people whose quotes are kept, unless the settings say otherwise.
pub const MOST_PEOPLE: usize = 10_000;

/// A product provider that this calculator can offer, where the jump lets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its id in the gateway's catalogue.
    pub id: String,
    /// What people read.
    pub name: String,
}

/// The calculator's place and neighbours.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where browsers reach it; https, and http on this machine only. Its path is not used.
    pub public_url: Url,
    /// Where forms with a jump may come from: the gateway's landing page, and portals that post themselves.
    pub jump_origins: Vec<Url>,
    /// Pages of portals to which `/begin` may send a browser with a nonce.
    pub portals: Vec<Url>,
    /// What can be offered, in the order of the list.
    pub providers: Vec<Provider>,
    /// Most sessions at once.
    pub most_sessions: usize,
    /// Most people whose quotes are kept.
    pub most_people: usize,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// Cookies and quotes would cross the network as they are.
    #[error("the public URL must be https; http is for this machine only")]
    PublicUrl,
    /// A form from there cannot be told from others.
    #[error("an origin of jumps must be https://HOST[:PORT] and nothing behind it; http is for this machine only")]
    JumpOrigin,
    /// It is no page of a portal.
    #[error("a portal must be an https URL without a fragment; http is for this machine only")]
    Portal,
    /// There would be nothing to calculate.
    #[error("there must be a product provider to offer")]
    NoProvider,
}

impl Site {
    /// Checks that the settings go together.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn check(&self) -> Result<(), SiteError> {
        let is_origin = |url: &Url| url.path() == "/" && url.query().is_none() && has_no_extras(url);
        if !is_web(&self.public_url) || !has_no_extras(&self.public_url) {
            return Err(SiteError::PublicUrl);
        }
        if !self.jump_origins.iter().all(|url| is_web(url) && is_origin(url)) {
            return Err(SiteError::JumpOrigin);
        }
        if !self.portals.iter().all(|url| is_web(url) && has_no_extras(url)) {
            return Err(SiteError::Portal);
        }
        if self.providers.is_empty() {
            return Err(SiteError::NoProvider);
        }
        Ok(())
    }

    /// Tells whether browsers come by https, so that cookies can be kept to it.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Tells whether a form with a jump may come from there. `null`, which stands for any place, is none.
    pub(crate) fn takes_jumps_from(&self, origin: &str) -> bool {
        self.jump_origins.iter().any(|known| is_origin_of(origin, known))
    }

    /// Tells whether a form comes from our own pages.
    pub(crate) fn is_own(&self, origin: &str) -> bool {
        is_origin_of(origin, &self.public_url)
    }
}

fn is_origin_of(origin: &str, url: &Url) -> bool {
    let known = url.origin();
    matches!(known, Origin::Tuple(..)) && known.ascii_serialization() == origin
}

fn is_web(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn has_no_extras(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn site() -> Site {
        Site {
            public_url: url("https://rechner.example"),
            jump_origins: vec![url("https://gateway.example"), url("https://portal.example:8443")],
            portals: vec![url("https://portal.example/start?von=rechner")],
            providers: vec![Provider { id: "p".to_owned(), name: "P".to_owned() }],
            most_sessions: 1,
            most_people: 1,
        }
    }

    #[test]
    fn settings_that_leak_are_refused() {
        assert_eq!(site().check(), Ok(()));
        let public = |text| Site { public_url: url(text), ..site() }.check();
        assert_eq!(public("http://127.0.0.1:8090"), Ok(()));
        assert_eq!(public("http://rechner.example"), Err(SiteError::PublicUrl));
        assert_eq!(public("https://a:b@rechner.example"), Err(SiteError::PublicUrl));
        let jumps = |text| Site { jump_origins: vec![url(text)], ..site() }.check();
        assert_eq!(jumps("http://localhost:8080"), Ok(()));
        assert_eq!(jumps("http://gateway.example"), Err(SiteError::JumpOrigin));
        assert_eq!(jumps("https://gateway.example/j"), Err(SiteError::JumpOrigin));
        let portals = |text| Site { portals: vec![url(text)], ..site() }.check();
        assert_eq!(portals("javascript:alert(1)"), Err(SiteError::Portal));
        assert_eq!(portals("https://portal.example/#x"), Err(SiteError::Portal));
        assert_eq!(Site { providers: Vec::new(), ..site() }.check(), Err(SiteError::NoProvider));
    }

    #[test]
    fn an_origin_is_known_as_a_whole_or_not_at_all() {
        let site = site();
        assert!(site.takes_jumps_from("https://gateway.example"));
        assert!(site.takes_jumps_from("https://portal.example:8443"));
        assert!(site.is_own("https://rechner.example"));
        let foreign = [
            "null",
            "",
            "https://portal.example",
            "http://gateway.example",
            "https://gateway.example:444",
            "https://gateway.example.evil.example",
            "https://gateway.example/",
        ];
        assert!(foreign.iter().all(|origin| !site.takes_jumps_from(origin) && !site.is_own(origin)));
    }
}
