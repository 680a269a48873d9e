//! The connection goes away while COMMIT is under way: nobody knows what became of it, until somebody looks.

use sqlx::PgConnection;
use tonic::Status;

use crate::firm::{Firm, request_id};
use crate::gateway::Gateway;
use crate::postgres::{self, TestDatabase};
use crate::proxy::{CommitCut, Others, Proxy};

/// A service behind a network that cuts, and its firm.
struct Scene {
    gateway: Gateway,
    firm: Firm,
    proxy: Proxy,
    admin: PgConnection,
    _database: TestDatabase,
}

/// What is committed.
#[derive(Debug, Clone)]
enum Deed {
    Effect { id: String, name: String },
    Jump { id: String, broker: usize },
    Redeem { token: String },
}

impl Scene {
    async fn set() -> Option<Self> {
        let database = postgres::database().await?;
        let proxy = Proxy::in_front_of(&database.service_url()).await;
        let gateway = Gateway::start(&proxy.url(&database.service_url())).await;
        let firm = gateway.firm().await;
        // Everybody is known from now on: introducing somebody is a transaction of its own.
        for broker in [1, 2] {
            let token = firm.jump(&gateway.channel, &request_id(), broker).await.expect("a jump");
            firm.redeem(&gateway.channel, &token).await.expect("a redemption");
        }
        let admin = database.admin().await;
        Some(Self { gateway, firm, proxy, admin, _database: database })
    }

    async fn deeds(&self, name: &str) -> [Deed; 3] {
        let token = self.firm.jump(&self.gateway.channel, &request_id(), 1).await.expect("a jump");
        [
            Deed::Effect { id: request_id(), name: name.to_owned() },
            Deed::Jump { id: request_id(), broker: 2 },
            Deed::Redeem { token },
        ]
    }

    async fn call(&self, deed: &Deed) -> Result<String, Status> {
        let channel = &self.gateway.channel;
        match deed {
            Deed::Effect { id, name } => self.firm.create_user(channel, id, name).await.map(|user| user.user_id),
            Deed::Jump { id, broker } => self.firm.jump(channel, id, *broker).await,
            Deed::Redeem { token } => self.firm.redeem(channel, token).await,
        }
    }

    /// Calls while the connection is cut that the next COMMIT was sent on.
    async fn call_cut(&self, deed: &Deed) -> Result<String, Status> {
        self.proxy.cut_next_commit(CommitCut::After, Others::GoOn);
        let told = self.call(deed).await;
        assert!(self.proxy.has_cut_commit(), "nothing was cut: {deed:?}, {told:?}");
        self.proxy.resume();
        told
    }

    /// How many users there are, jumps, and jumps that were redeemed.
    async fn counts(&mut self) -> (i64, i64, i64) {
        let counts = "
            SELECT
                (SELECT count(*) FROM concenter_user),
                (SELECT count(*) FROM jump),
                (SELECT count(*) FROM jump WHERE redeemed_at IS NOT NULL)
        ";
        sqlx::query_as(counts).fetch_one(&mut self.admin).await.expect("numbers")
    }
}

/// What each deed adds to [`Scene::counts`]; one is for the token of the redemption.
const EACH_ONCE: (i64, i64, i64) = (1, 2, 1);

async fn each_was_done_once(scene: &mut Scene, before: (i64, i64, i64)) {
    let after = scene.counts().await;
    assert_eq!((after.0 - before.0, after.1 - before.1, after.2 - before.2), EACH_ONCE);
}

/// F12: the answer is read from the database.
#[tokio::test]
async fn what_was_committed_is_answered_although_nobody_heard_of_the_commit() {
    let Some(mut scene) = Scene::set().await else { return };
    let before = scene.counts().await;
    for deed in scene.deeds("once").await {
        scene.call_cut(&deed).await.unwrap_or_else(|told| panic!("{deed:?}: {told}"));
    }
    each_was_done_once(&mut scene, before).await;
}
