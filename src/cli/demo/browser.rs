//! The part of the demonstration that is seen in a browser: the example Tarifrechner (`examples/tarifrechner`) as a target, and
//! the stand-in for the portal.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use tarifrechner::{
    Gateway, MOST_PEOPLE, MOST_SESSIONS, Outside, Provider, SimulatedConCenter, Site, Tarifrechner, serve,
};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::desk::Desk;
use super::portal::{Places, RETURN_PATH, router};
use super::script::{Caller, EXAMPLE_CALCULATOR, PROVIDERS};
use crate::server::Running;

/// The sockets of both, bound before the service starts: a port that is taken is to be found out at once.
pub(super) struct Sockets {
    calculator: TcpListener,
    portal: TcpListener,
}

/// Tells whether browsers of this machine find the landing page of a service that listens there at an address that the rest
/// can work with: the calculator takes jumps by plain http from this machine alone, and no policy of a page can name an
/// IPv6 address (CSP 3, section 2.3.1).
pub(super) const fn is_browsable(http: SocketAddr) -> bool {
    match http.ip() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_unspecified(),
        IpAddr::V6(_) => false,
    }
}

impl Sockets {
    /// Binds them.
    pub(super) async fn bind(calculator: SocketAddr, portal: SocketAddr) -> anyhow::Result<Self> {
        let bind = async |address: SocketAddr, flag: &str| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("listen on {address}: choose another one by {flag}"))
        };
        Ok(Self {
            calculator: bind(calculator, "--calculator-addr").await?,
            portal: bind(portal, "--portal-addr").await?,
        })
    }
}

/// Calculator and portal, running.
pub(super) struct Browsable {
    calculator: tarifrechner::Running,
    portal: tarifrechner::Running,
}

impl Browsable {
    /// Registers the calculator as a target, and starts both. `accounts` are the con:center users with their passwords.
    pub(super) async fn start(
        sockets: Sockets,
        service: &Running,
        desk: &Arc<Desk>,
        accounts: HashMap<String, Zeroizing<String>>,
    ) -> anyhow::Result<Self> {
        let origin = |listener: &TcpListener| Ok::<_, std::io::Error>(format!("http://{}", listener.local_addr()?));
        let places = Places {
            own: origin(&sockets.portal)?,
            calculator: origin(&sockets.calculator)?,
            landing: service.app.public_url().as_str().to_owned(),
        };
        let url = format!("{}/jump", places.calculator);
        desk.put_target(&EXAMPLE_CALCULATOR, &url).await.context("put the example target")?;
        let return_url = format!("{}{RETURN_PATH}", places.own);
        desk.put_return_url("portal-stand-in", &return_url).await.context("put the return URL of the portal")?;

        let provider = |id: &str, name: &str| Provider { id: id.to_owned(), name: name.to_owned() };
        let site = Site {
            public_url: places.calculator.parse()?,
            jump_origins: vec![places.landing.parse()?],
            portals: vec![places.own.parse()?],
            providers: PROVIDERS.iter().map(|known| provider(known.id, known.name)).collect(),
            most_sessions: MOST_SESSIONS,
            most_people: MOST_PEOPLE,
        };
        // A new one when the old one is over: nobody knows for how long it stays up.
        let minting = Arc::clone(desk);
        let credential = move || Ok(Zeroizing::new(minting.token(Caller::Target(EXAMPLE_CALCULATOR.id))?));
        // By the connection that is there: it does not leave this machine, wherever the service listens.
        let gateway = Gateway::over(desk.channel(), Box::new(credential))?;
        let concenter = Arc::new(SimulatedConCenter::with_accounts(accounts));
        let calculator = Tarifrechner::new(site, gateway, Outside::system(concenter))?;
        Ok(Self {
            calculator: serve(sockets.calculator, calculator.router())?,
            portal: serve(sockets.portal, router(Arc::clone(desk), places)?)?,
        })
    }

    /// Where a person begins.
    pub(super) fn portal_url(&self) -> String {
        format!("http://{}/", self.portal.addr)
    }

    /// Where the calculator is.
    pub(super) fn calculator_url(&self) -> String {
        format!("http://{}/", self.calculator.addr)
    }

    /// Stops both.
    pub(super) async fn shutdown(self) {
        tokio::join!(self.calculator.shutdown(), self.portal.shutdown());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::super::output::{Form, Output};
    use super::super::play::Stage;
    use super::super::{ANY_PORT, tell};
    use super::*;
    use crate::config::ServerSettings;
    use crate::domain::time::{Clock, Timestamp};
    use crate::server::{Outside as World, Server, SystemClock};

    /// The system's clock, some hours ahead.
    #[derive(Default)]
    struct Later(AtomicU64);

    impl Clock for Later {
        fn now(&self) -> Timestamp {
            SystemClock.now().plus(Duration::from_hours(self.0.load(Ordering::SeqCst)))
        }
    }

    /// Posts a form to `/jump`, as a page of this origin; gives where it leads.
    async fn post(to: SocketAddr, origin: &str, form: &str) -> String {
        let head = format!("POST /jump HTTP/1.1\r\nHost: {to}\r\nOrigin: {origin}\r\nConnection: close");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let request = format!("{head}\r\n{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len());
        let ask = move || {
            let mut stream = TcpStream::connect(to).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
            location.unwrap_or_else(|| panic!("it leads nowhere: {answer}")).to_owned()
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    #[test]
    fn browsers_go_on_from_this_machine_by_ipv4() {
        let is_browsable = |address: &str| is_browsable(address.parse().unwrap());
        assert!(["127.0.0.1:8080", "127.1.2.3:8080", "0.0.0.0:0"].into_iter().all(is_browsable));
        assert!(!["192.168.1.5:8080", "[::1]:8080", "[::]:8080"].into_iter().any(is_browsable));
    }

    #[tokio::test]
    async fn one_gets_in_however_long_it_stays_up() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Later::default());
        let world = || World { clock: Arc::clone(&clock) as _, ..World::system() };
        let settings = ServerSettings::local(directory.path().join("data"));
        let service = Server::start_with(settings, world()).await.unwrap();
        let mut desk = Desk::connect(&service, world()).await.unwrap();
        desk.open().await.unwrap();
        let desk = Arc::new(desk);
        let mut stage = Stage::new(&desk);
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        tell(&mut stage, &mut Output { form: Form::Json, out: &mut out, notes: &mut notes }).await.unwrap();
        let sockets = Sockets::bind(ANY_PORT, ANY_PORT).await.unwrap();
        let browsable = Browsable::start(sockets, &service, &desk, stage.accounts()).await.unwrap();

        let own = browsable.portal_url();
        let landing = service.app.public_url().as_str();
        // A token's longest life is 24 hours.
        for hours in [0, 25, 50] {
            clock.0.store(hours, Ordering::SeqCst);
            let link = post(browsable.portal.addr, own.trim_end_matches('/'), "who=broker").await;
            let (_, token) = link.split_once('#').expect("a link");
            assert_eq!(post(browsable.calculator.addr, landing, &format!("token={token}")).await, "/", "{hours}");
        }
        browsable.shutdown().await;
        drop(desk);
        service.shutdown().await;
    }
}
