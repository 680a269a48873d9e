//! A calculator for each test, with its gateway, a clock that the test moves, and browsers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use reqwest::header::{ACCEPT_LANGUAGE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Method, StatusCode};
use tarifrechner::{Clock, Gateway, Outside, Provider, Running, SimulatedConCenter, Site, Tarifrechner, serve};
use tokio::net::TcpListener;
use tonic::async_trait;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use super::fake::{CREDENTIAL, FakeGateway, PASSWORD, USER, private_customer};
use tarifrechner::proto::RedeemJumpResponse;

/// Where the landing page is.
pub const LANDING: &str = "https://gateway.example";
/// The page of the portal to which `/begin` may lead.
pub const PORTAL: &str = "https://portal.example/start?von=rechner";
/// Where redeems send the browser back to.
pub const BACK: &str = "https://portal.example/zurueck?fall=7";

/// A clock that stands still until the test moves it.
#[derive(Default)]
pub struct TestClock(AtomicU64);

impl TestClock {
    /// Moves it forward.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    /// Nobody has to wait in a test.
    async fn pause(&self, _: Duration) {}
}

/// The calculator, running.
pub struct Calculator {
    pub gateway: FakeGateway,
    pub clock: Arc<TestClock>,
    /// What it reads as its credential.
    pub credential: Arc<Mutex<String>>,
    url: String,
    /// The origin of its own pages, as browsers know it.
    own_origin: String,
    running: Running,
}

impl Calculator {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Site)) -> Self {
        let gateway = FakeGateway::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let provider = |id: &str, name: &str| Provider { id: id.to_owned(), name: name.to_owned() };
        let mut site = Site {
            public_url: url.parse().expect("a URL"),
            jump_origins: vec![LANDING.parse().expect("a URL")],
            portals: vec![PORTAL.parse().expect("a URL")],
            providers: vec![provider("vergleicher", "Vergleicher"), provider("sicher", "Sicher <AG>")],
            most_sessions: 100,
            most_people: 100,
        };
        change(&mut site);
        let own_origin = site.public_url.origin().ascii_serialization();
        let accounts = HashMap::from([(USER.to_owned(), Zeroizing::new(PASSWORD.to_owned()))]);
        let clock = Arc::new(TestClock::default());
        let concenter = Arc::new(SimulatedConCenter::with_accounts(accounts));
        let outside = Outside { clock: Arc::clone(&clock) as _, concenter };
        let credential = Arc::new(Mutex::new(CREDENTIAL.to_owned()));
        let kept = Arc::clone(&credential);
        let read = Box::new(move || Ok(Zeroizing::new(kept.lock().expect("nobody panicked").clone())));
        let client = Gateway::new(&gateway.url.parse().expect("a URL"), read, None).expect("a gateway");
        let calculator = Tarifrechner::new(site, client, outside).expect("good settings");
        let running = serve(listener, calculator.router()).expect("it listens");
        Self { gateway, clock, credential, url, own_origin, running }
    }

    /// A new browser, without cookies.
    pub fn browser(&self) -> Browser {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let (url, own_origin) = (self.url.clone(), self.own_origin.clone());
        Browser { http, url, own_origin, cookies: BTreeMap::new(), lax: BTreeSet::new() }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// A browser with a session for what this jump hands over.
    pub async fn arrived(&self, jump: RedeemJumpResponse) -> Browser {
        let mut browser = self.browser();
        self.arrive(&mut browser, jump).await;
        browser
    }

    /// The same in a browser that is there.
    pub async fn arrive(&self, browser: &mut Browser, jump: RedeemJumpResponse) {
        let token = format!("token.{}.x", self.gateway.redeems().len());
        self.gateway.put_jump(&token, jump);
        let answer = browser.jump(&token).await;
        assert_eq!((answer.status, answer.location.as_deref()), (StatusCode::SEE_OTHER, Some("/")), "{}", answer.body);
    }

    /// A browser of a private customer of this subject.
    pub async fn customer(&self, subject: &str) -> Browser {
        self.arrived(private_customer(subject)).await
    }

    /// Stops it.
    pub async fn shutdown(self) {
        self.running.shutdown().await;
    }
}

/// A browser: keeps cookies, follows no redirect.
pub struct Browser {
    http: reqwest::Client,
    url: String,
    own_origin: String,
    pub cookies: BTreeMap<String, String>,
    /// Those that a form of another site does not bring along.
    lax: BTreeSet<String>,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub location: Option<String>,
    pub set_cookies: Vec<String>,
    pub body: String,
}

impl Answer {
    /// A header that is there once.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("{name} is missing")).to_str().expect("text");
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The mark of the session's forms.
    pub fn form_mark(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"form_mark\" value=\"").expect("a form of a session");
        rest.split('"').next().expect("its end").to_owned()
    }
}

impl Browser {
    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None, "de").await
    }

    /// Opens a page in English.
    pub async fn get_english(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None, "en-GB,en;q=0.9,de;q=0.1").await
    }

    /// Only asks for its head.
    pub async fn head(&mut self, path: &str) -> Answer {
        self.ask(Method::HEAD, path, None, None, "de").await
    }

    /// Posts a jump as the landing page does.
    pub async fn jump(&mut self, token: &str) -> Answer {
        self.jump_from(Some(LANDING), token).await
    }

    /// Posts a jump that opens no session; gives the page that the browser ends on.
    pub async fn refused(&mut self, token: &str) -> Answer {
        let answer = self.jump(token).await;
        assert_eq!((answer.status, answer.set_cookies.len()), (StatusCode::SEE_OTHER, 0), "{}", answer.body);
        self.get(&answer.location.expect("a page")).await
    }

    /// Posts a jump from somewhere.
    pub async fn jump_from(&mut self, origin: Option<&str>, token: &str) -> Answer {
        self.ask(Method::POST, "/jump", origin, Some(&[("token", token)]), "de").await
    }

    /// Posts a form from a page of the calculator.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let origin = self.own_origin.clone();
        self.ask(Method::POST, path, Some(&origin), Some(form), "de").await
    }

    /// Posts the form of the calculator with this mark.
    pub async fn save(&mut self, form_mark: &str, provider: &str) -> Answer {
        let form = quote_form(form_mark, provider);
        self.post("/quotes", &form).await
    }

    /// Saves a quote; gives the path to it.
    pub async fn saved(&mut self) -> String {
        let form_mark = self.get("/").await.form_mark();
        let answer = self.save(&form_mark, "vergleicher").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        answer.location.expect("a path")
    }

    /// Asks for anything.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        origin: Option<&str>,
        form: Option<&[(&str, &str)]>,
        language: &str,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).header(ACCEPT_LANGUAGE, language);
        // Without https everything is on this machine, which is one site.
        let is_of_another_site = origin.is_some_and(|origin| origin != self.own_origin);
        let keeps_lax = is_of_another_site && self.own_origin.starts_with("https:");
        let sent = self.cookies.iter().filter(|(name, _)| !(keeps_lax && self.lax.contains(*name)));
        let cookies: Vec<_> = sent.map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("text").to_owned();
        let set_cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().map(text).collect();
        for cookie in &set_cookies {
            self.take(cookie);
        }
        let location = headers.get(LOCATION).map(text);
        Answer { status, headers, location, set_cookies, body: response.text().await.expect("text") }
    }

    fn take(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        if cookie.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
            if cookie.contains("SameSite=Lax") {
                self.lax.insert(name.to_owned());
            }
        }
    }
}

/// The form of the calculator, well filled in.
pub fn quote_form<'a>(form_mark: &'a str, provider: &'a str) -> [(&'static str, &'a str); 5] {
    [("form_mark", form_mark), ("provider", provider), ("km", "12000"), ("age", "40"), ("claim_free_years", "5")]
}

thread_local! {
    /// What was written on this thread since somebody began to listen.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread, on which everything of a test runs.
pub struct Log(());

impl Log {
    /// Begins to listen, to every level of the calculator.
    pub fn listen() -> Self {
        static START: Once = Once::new();
        START.call_once(|| {
            let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("info,tarifrechner=trace"));
            lines.with_ansi(false).with_writer(|| Ear).init();
        });
        HEARD.set(Some(Vec::new()));
        Self(())
    }

    /// What was written so far.
    #[expect(clippy::unused_self, reason = "the value is the proof that somebody listens")]
    pub fn text(&self) -> String {
        HEARD.with_borrow(|heard| String::from_utf8(heard.clone().unwrap_or_default()).expect("text"))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

/// Writes for who listens on this thread.
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| {
            if let Some(heard) = heard {
                heard.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
