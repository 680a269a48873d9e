//! The part of the demonstration that is seen in a browser: the example Tarifrechner (`examples/tarifrechner`) as a target, and
//! the stand-in for the portal.

use std::collections::HashMap;
use std::net::SocketAddr;
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

/// The sockets of both, bound before anything else: a port that is taken is to be found out at once.
pub(super) struct Sockets {
    calculator: TcpListener,
    portal: TcpListener,
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
        let token = desk.token(Caller::Target(EXAMPLE_CALCULATOR.id))?;
        let gateway = Gateway::new(&format!("http://{}", service.grpc_addr).parse()?, &token, None)?;
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
