//! Two services on one database, each a process of its own with a copy of the keys.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use sqlx::PgConnection;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::chance::{Dice, number};
use crate::contention::waiting;
use crate::firm::{BROKERS, Callers, Firm, PASSWORD, reason, request_id};
use crate::gateway::{AT_MOST, Gateway, until};
use crate::postgres::{self, TestDatabase};
use crate::process::{Process, Replica, copy_keys};
use crate::proxy::Proxy;

/// Redemptions of one token at the same time.
const AT_ONCE: usize = 64;
/// A replica is killed after fewer messages between the replicas and their database than this, or when all are answered: 400
/// to 700 come by until then.
const KILLED_WITHIN: u64 = 600;
/// Clients of the rolling restart.
const CLIENTS: usize = 8;
/// How often a client calls before he gives up. He waits a little before each further attempt, as a gRPC client with a retry
/// policy does.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Two replicas and a firm.
struct Pair {
    replicas: [Replica; 2],
    firm: Firm,
    url: String,
    directory: TempDir,
    _database: TestDatabase,
}

impl Pair {
    async fn start() -> Option<Self> {
        let database = postgres::database().await?;
        let url = database.service_url();
        Some(Self::start_at(database, url).await)
    }

    /// The same where the replicas find the database by this URL.
    async fn start_at(database: TestDatabase, url: String) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let [first, second] = [0, 1].map(|number| directory.path().join(number.to_string()));
        let replica = Replica::start(&first, &url).await;
        copy_keys(&first, &second);
        let replicas = [replica, Replica::start(&second, &url).await];
        let firm = Firm::make(&replicas[0].channel, Callers::of(&url, &first).await).await;
        Self { replicas, firm, url, directory, _database: database }
    }

    /// Starts another process in place of one that has ended or is about to.
    async fn start_again(&self, number: usize) -> Replica {
        Replica::start(&self.directory.path().join(number.to_string()), &self.url).await
    }

    fn channels(&self) -> [Channel; 2] {
        self.replicas.each_ref().map(|replica| replica.channel.clone())
    }
}

/// Holds up whoever makes the keys of the service, and has found none.
async fn hold_keys(database: &TestDatabase) -> PgConnection {
    let mut shell = database.admin().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE signing_key IN SHARE MODE").execute(&mut shell).await.expect("the keys are held");
    shell
}

/// Lets those go on whom [`hold_keys`] holds up, once there are two: neither knows of the other then. Waits for the keys.
async fn let_two_make_keys(database: &TestDatabase, mut held: PgConnection) {
    let mut admin = database.admin().await;
    until("two replicas make keys", async || waiting(&mut admin).await == 2).await;
    sqlx::raw_sql("COMMIT").execute(&mut held).await.expect("the keys are free");
    until("there are keys", async || {
        let made = sqlx::query_scalar("SELECT count(*) FROM signing_key").fetch_one(&mut admin).await;
        made.is_ok_and(|made: i64| made > 0)
    })
    .await;
}

/// Asserts that there is one service, with a key for jumps and one for callers. Gives the id of its key file.
async fn the_one_key_of(database: &TestDatabase) -> String {
    let mut owner = database.owner().await;
    let services: Vec<String> =
        sqlx::query_scalar("SELECT kek_id FROM service").fetch_all(&mut owner).await.expect("services");
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM signing_key").fetch_one(&mut owner).await.expect("keys");
    assert_eq!((services.len(), keys), (1, 2));
    services.concat()
}

#[tokio::test]
async fn replicas_that_start_at_the_same_instant_have_the_same_keys() {
    let Some(database) = postgres::database().await else { return };
    let (directory, url) = (Arc::new(tempfile::tempdir().expect("a directory")), database.service_url());
    let start = || Gateway::start_in(Arc::clone(&directory), Some(&url));
    let held = hold_keys(&database).await;
    let started = Box::pin(async { tokio::join!(start(), start(), let_two_make_keys(&database, held)) });
    let (one, other, ()) = timeout(AT_MOST, started).await.expect("they start");
    the_one_key_of(&database).await;

    // The tokens of callers, which one of them mints, and of jumps.
    let firm = one.firm().await;
    for [issues, redeems] in [[&one, &other], [&other, &one]] {
        let token = firm.jump(&issues.channel, &request_id(), 0).await.expect("a jump");
        assert_eq!(firm.redeem(&redeems.channel, &token).await.expect("a redemption"), PASSWORD);
    }
    one.stop().await;
    other.stop().await;
}

/// F20: each has a directory of its own, and so a key of its own, of which one comes too late.
#[tokio::test]
async fn of_replicas_that_start_at_the_same_instant_elsewhere_one_is_told_which_key_it_needs() {
    let Some(database) = postgres::database().await else { return };
    let (directory, url) = (tempfile::tempdir().expect("a directory"), database.service_url());
    let data_dirs = [0, 1].map(|number| directory.path().join(number.to_string()));
    let held = hold_keys(&database).await;
    let replicas = data_dirs.each_ref().map(|data_dir| Process::serve(data_dir, Some(&url)));
    let_two_make_keys(&database, held).await;
    let file = format!("keys/kek-{}.key", the_one_key_of(&database).await);

    let files = data_dirs.each_ref().map(|data_dir| data_dir.join(&file));
    let [has_first, has_second] = files.each_ref().map(|file| file.exists());
    assert_ne!(has_first, has_second, "one of the two made it");
    let ([mut one, other], [has, lacks]) = if has_first {
        (replicas, [0, 1])
    } else {
        let [first, second] = replicas;
        ([second, first], [1, 0])
    };
    one.said("gRPC  http://").await;
    let lacking = files[lacks].to_str().expect("a path");
    other.ended().await.is_error(78, &[lacking, "restore it from its backup"]);

    // With its rights.
    fs::copy(&files[has], &files[lacks]).expect("a copy");
    Replica::start(&data_dirs[lacks], &url).await;
}

#[tokio::test]
async fn what_one_replica_answered_holds_on_the_other_at_once() {
    let Some(pair) = Pair::start().await else { return };
    let ([one, other], firm) = (pair.channels(), &pair.firm);
    for round in 0..5 {
        let token = firm.jump(&other, &request_id(), round).await.expect("a jump");
        firm.set_usable(&one, false).await.expect("disabled");
        let refused = firm.redeem(&other, &token).await.expect_err("a disabled user");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "JUMP_REVOKED"));
        let refused = firm.jump(&other, &request_id(), round).await.expect_err("a disabled user");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "USER_DISABLED"));

        firm.set_usable(&one, true).await.expect("enabled");
        let refused = firm.redeem(&other, &token).await.expect_err("what is revoked stays so");
        assert_eq!(reason(&refused), "JUMP_REVOKED");
        let token = firm.jump(&other, &request_id(), round).await.expect("a jump of an enabled user");
        assert_eq!(firm.redeem(&other, &token).await.expect("a redemption"), PASSWORD);
    }
}

#[tokio::test]
async fn a_token_is_redeemed_at_most_once_however_many_replicas_are_asked_and_killed() {
    let Some(database) = postgres::database().await else { return };
    let proxy = Proxy::in_front_of(&database.service_url()).await;
    let url = proxy.url(&database.service_url());
    let mut pair = Pair::start_at(database, url).await;
    let mut dice = Dice::of(2);
    let mut redeemed = 0;
    for round in 0..number("CONCENTER_KILLS", 20) {
        let victim = usize::try_from(dice.below(2)).expect("0 or 1");
        let broker = usize::try_from(round).expect("a number");
        let token = pair.firm.jump(&pair.replicas[1 - victim].channel, &request_id(), broker).await.expect("a jump");
        let (mut redeems, mut told) = (JoinSet::new(), Vec::new());
        // It is to be killed in any step, from before the first redemption until after the last one.
        let mut its_end = Box::pin(proxy.passes(dice.below(KILLED_WITHIN)));
        for number in 0..AT_ONCE {
            let (firm, token) = (pair.firm.clone(), token.clone());
            let channel = pair.replicas[number % 2].channel.clone();
            redeems.spawn(async move { timeout(AT_MOST, firm.redeem(&channel, &token)).await.expect("an answer") });
        }
        while let Some(answered) = tokio::select! {
            () = &mut its_end => None,
            answered = redeems.join_next() => answered,
        } {
            told.push(answered.expect("it ends"));
        }
        pair.replicas[victim].signal(Signal::KILL);
        told.extend(redeems.join_all().await);
        let credentials = told.into_iter().flatten().count();
        assert!(credentials <= 1, "{credentials} credentials for one token in round {round}");
        redeemed += credentials;
        // One that was killed before it heard of anybody leaves nothing behind: the token is used up now or was before.
        let last = pair.firm.redeem(&pair.replicas[1 - victim].channel, &token).await;
        assert!(credentials + usize::from(last.is_ok()) <= 1, "a second credential in round {round}");
        pair.replicas[victim] = pair.start_again(victim).await;
    }
    assert!(redeemed > 0, "the tokens can be redeemed");
}

/// A jump fails if a client is not told its outcome within five attempts, all with the same request id, of which each goes to
/// the next replica. He repeats what gRPC says may be repeated: UNAVAILABLE, which is also what a connection that
/// was closed gives.
#[tokio::test]
async fn a_rolling_restart_fails_no_jump() {
    let Some(mut pair) = Pair::start().await else { return };
    let fleet = Arc::new(RwLock::new(pair.channels()));
    let (is_over, jumps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let client = Client {
            firm: pair.firm.clone(),
            fleet: Arc::clone(&fleet),
            // No two clients jump for one broker: somebody would jump too often.
            first_broker: client * BROKERS / CLIENTS,
            brokers: BROKERS / CLIENTS,
        };
        clients.spawn(client.jump_until(Arc::clone(&is_over), Arc::clone(&jumps)));
    }
    for number in [0, 1] {
        let before = jumps.load(Ordering::Relaxed);
        until("jumps before a restart", async || jumps.load(Ordering::Relaxed) > before + 20).await;
        // As an orchestrator does it: the new one serves before the old one is told to stop.
        let next = pair.start_again(number).await;
        fleet.write().await[number] = next.channel.clone();
        let old = std::mem::replace(&mut pair.replicas[number], next);
        old.signal(Signal::TERM);
        assert_eq!(timeout(AT_MOST, old.ended()).await.expect("it drains"), Some(0));
    }
    is_over.store(true, Ordering::Relaxed);
    for failed in clients.join_all().await {
        assert_eq!(failed, Vec::<String>::new());
    }
}

/// What a client asks for.
enum Call {
    Jump { id: String, broker: usize },
    Redeem { token: String },
}

impl Call {
    /// Gives the token, or the password.
    async fn over(&self, firm: &Firm, channel: &Channel) -> Result<String, Status> {
        match self {
            Self::Jump { id, broker } => firm.jump(channel, id, *broker).await,
            Self::Redeem { token } => firm.redeem(channel, token).await,
        }
    }
}

/// Somebody who jumps and redeems all the time.
struct Client {
    firm: Firm,
    fleet: Arc<RwLock<[Channel; 2]>>,
    first_broker: usize,
    brokers: usize,
}

impl Client {
    /// Gives what failed.
    async fn jump_until(self, is_over: Arc<AtomicBool>, jumps: Arc<AtomicUsize>) -> Vec<String> {
        let mut failed = Vec::new();
        // Nobody jumps more often than thirty times a minute.
        for number in 0..self.brokers * 25 {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let jump = Call::Jump { id: request_id(), broker: self.first_broker + number % self.brokers };
            let redeemed = match self.call(number, &jump).await {
                Ok(token) => self.call(number, &Call::Redeem { token }).await,
                Err(status) => Err(status),
            };
            failed.extend(redeemed.err().map(|status| status.to_string()));
            jumps.fetch_add(1, Ordering::Relaxed);
        }
        failed
    }

    /// Calls one replica after the other until one answers.
    async fn call(&self, first: usize, call: &Call) -> Result<String, Status> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let channel = self.fleet.read().await[(first + attempt as usize) % 2].clone();
            match timeout(AT_MOST, call.over(&self.firm, &channel)).await.expect("an answer") {
                Err(status) if status.code() == Code::Unavailable && attempt < ATTEMPTS => {}
                told => return told,
            }
            sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the last attempt is returned")
    }
}

/// F30
#[tokio::test]
async fn a_service_that_is_told_to_stop_says_goodbye_and_finishes_its_calls() {
    let Some(pair) = Pair::start().await else { return };
    let Pair { replicas: [replica, _other], firm, _database: database, .. } = &pair;
    let mut idle = Idle::connect(replica.address).await;
    let mut shell = database.admin().await;
    // Whoever changes something of the tenant's waits for this.
    sqlx::raw_sql("BEGIN; SELECT 1 FROM tenant FOR UPDATE").execute(&mut shell).await.expect("the tenants are held");
    let running = {
        let (firm, channel) = (firm.clone(), replica.channel.clone());
        tokio::spawn(async move { firm.create_user(&channel, &request_id(), "late").await })
    };
    let mut admin = database.admin().await;
    until("the call waits in the database", async || waiting(&mut admin).await > 0).await;

    replica.signal(Signal::TERM);
    timeout(AT_MOST, idle.reads_goaway()).await.expect("the idle connection is told");
    drop(idle);
    until("nobody is let in", async || TcpStream::connect(replica.address).await.is_err()).await;
    assert!(!running.is_finished(), "it cannot be done while the tenants are held");
    sqlx::raw_sql("COMMIT").execute(&mut shell).await.expect("the tenants are free");
    let made = timeout(AT_MOST, running).await.expect("an answer").expect("it ends").expect("a user");
    assert_eq!(made.user_name, "late");
    let [replica, _] = pair.replicas;
    assert_eq!(replica.ended().await, Some(0));
}

/// A connection of HTTP/2 that asks for nothing.
struct Idle(TcpStream);

impl Idle {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: u8 = 7;

    async fn connect(address: std::net::SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(Self::PREFACE).await.expect("sent");
        stream.write_all(Self::SETTINGS).await.expect("sent");
        Self(stream)
    }

    /// Reads frames until the one that says that the connection ends.
    async fn reads_goaway(&mut self) {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.expect("a frame before the end");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut body = vec![0; usize::try_from(length).expect("a short one")];
            self.0.read_exact(&mut body).await.expect("the whole frame");
            if head[3] == Self::GOAWAY {
                return;
            }
        }
    }
}
