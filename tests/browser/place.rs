//! The place of a test: the gateway with its firms, the calculator as a target of it, and the portal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::http::header::REFERER;
use axum::middleware::{self, Next};
use concenter_gateway::domain::target::WebUrl;
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use tarifrechner::{Gateway, Outside, Provider, Running, SimulatedConCenter, Site, Tarifrechner, serve};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::browser::Browser;
use crate::harness::{COMPARATOR, World, calculator, password, request_id, to};
use crate::portal::Portal;

/// The calculator in the gateway's catalogue.
pub const CALCULATOR: &str = "rechner";

/// Everything, running.
pub struct Place {
    pub browser: Browser,
    pub world: World,
    pub portal: Portal,
    pub calculator: Running,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Place {
    /// Starts everything; `None` where there is no browser.
    pub async fn open() -> Option<Self> {
        let browser = Browser::find()?;
        let portal = Portal::start().await;
        let portal_url = WebUrl::parse(&format!("{}/", portal.origin())).expect("a URL");
        let world = World::example_with(|settings| settings.browsers.portal_url = Some(portal_url)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        register(&world, &url, &portal).await;

        let seen = Arc::new(Mutex::new(Vec::new()));
        let token = world.service.target_token(CALCULATOR);
        let gateway = format!("http://{}", world.service.running.grpc_addr).parse().expect("a URL");
        let read = Box::new(move || Ok(Zeroizing::new(token.clone())));
        let gateway = Gateway::new(&gateway, read, None).expect("a gateway");
        let site = site(&url, &world.service.public_url(), &portal.origin());
        let pages = Tarifrechner::new(site, gateway, Outside::system(Arc::new(concenter()))).expect("good settings");
        let noted = Arc::clone(&seen);
        let router = pages.router().layer(middleware::from_fn(move |request: Request, next: Next| {
            note(&noted, &request);
            next.run(request)
        }));
        let calculator = serve(listener, router).expect("it listens");
        Some(Self { browser, world, portal, calculator, seen })
    }

    /// Origin of the calculator.
    pub fn calculator_url(&self) -> String {
        format!("http://{}", self.calculator.addr)
    }

    /// A link to the calculator for a person, with the way back; as the portal got it.
    pub async fn link(&self, person: v1::Person) -> String {
        self.link_with(person, |_| {}).await
    }

    /// The same with more in the request.
    pub async fn link_with(&self, person: v1::Person, change: impl FnOnce(&mut v1::JumpToTarifRequest)) -> String {
        let mut request = to(CALCULATOR, Some(person));
        request.return_url = Some(format!("{}/zurueck", self.portal.origin()));
        change(&mut request);
        self.world.a.portal.jumps().jump_to_tarif(request).await.expect("a jump").into_inner().deep_link
    }

    /// What a person clicks in the portal for a jump of his.
    pub async fn door(&self, person: v1::Person) -> String {
        self.portal.door_to(self.link(person).await)
    }

    /// Everything that the calculator saw of requests: one line each, with method, URL and `Referer`.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The landing page, without a token.
    pub fn landing(&self) -> String {
        format!("{}/j/{CALCULATOR}", self.world.service.public_url())
    }

    /// Redeems a link as the calculator, without a browser.
    pub async fn use_up(&self, link: &str) {
        let (_, token) = link.split_once('#').expect("a token");
        self.world.redeem(CALCULATOR, Proof::Token(token.to_owned())).await.expect("a redemption");
    }

    /// The con:center users of a customer's jumps.
    pub async fn users_of(&self, customer: &str) -> Vec<String> {
        let person = Some(v1::list_jumps_request::Person::CustomerId(customer.to_owned()));
        let list = v1::ListJumpsRequest { person, ..Default::default() };
        let jumps = self.world.a.portal.jumps().list_jumps(list).await.expect("a list").into_inner().jumps;
        jumps.into_iter().map(|jump| jump.user_id).collect()
    }

    /// How often the gateway refused a redeem with this reason.
    pub async fn refused(&self, reason: &str) -> usize {
        let audit = self.world.service.audit().await;
        audit.iter().filter(|row| row.reason.as_deref() == Some(reason)).count()
    }

    /// How many jumps were redeemed.
    pub async fn redeemed(&self) -> usize {
        let list = v1::ListJumpsRequest { state: Some(v1::JumpState::Redeemed.into()), ..Default::default() };
        self.world.a.portal.jumps().list_jumps(list).await.expect("a list").into_inner().jumps.len()
    }

    /// Ends everything.
    pub async fn close(self) {
        tokio::join!(self.calculator.shutdown(), self.portal.shutdown());
    }
}

/// Registers the calculator as a target, and the portal as a place to come back to.
async fn register(world: &World, url: &str, portal: &Portal) {
    let operator = world.service.operator();
    let target = admin::PutTargetRequest {
        product_provider_id: COMPARATOR.to_owned(),
        display_name: "Tarifrechner".to_owned(),
        url: format!("{url}/jump"),
        delivery: admin::Delivery::FormPost.into(),
        ..calculator(CALCULATOR)
    };
    operator.catalog_admin().put_target(target).await.expect("a target");
    for (id, url) in [("portal", format!("{}/zurueck", portal.origin())), ("heim", portal.way_home())] {
        let put = admin::PutReturnUrlRequest {
            request_id: request_id(),
            return_url_id: id.to_owned(),
            etag: String::new(),
            url,
        };
        operator.catalog_admin().put_return_url(put).await.expect("a return URL");
    }
}

fn site(url: &str, landing: &str, portal: &str) -> Site {
    Site {
        public_url: url.parse().expect("a URL"),
        jump_origins: vec![landing.parse().expect("a URL")],
        portals: vec![portal.parse().expect("a URL")],
        providers: vec![Provider { id: COMPARATOR.to_owned(), name: "Vergleicher".to_owned() }],
        most_sessions: 100,
        most_people: 100,
    }
}

/// con:center, with the users of firm A but `schulze`, whose login it refuses.
fn concenter() -> SimulatedConCenter {
    let account = |name: &str| (name.to_owned(), Zeroizing::new(password("A", name)));
    SimulatedConCenter::with_accounts(HashMap::from(["meier", "privatkunden", "gewerbekunden"].map(account)))
}

fn note(seen: &Mutex<Vec<String>>, request: &Request) {
    let referer = request.headers().get(REFERER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let line = format!("{} {} {}", request.method(), request.uri(), referer.unwrap_or_default());
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}
