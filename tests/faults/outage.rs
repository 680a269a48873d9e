//! The database is away: not yet there, gone, silent, or cut off from one of two services.

use std::collections::BTreeSet;
use std::time::Duration;

use concenter_gateway::proto::v1::ListUsersRequest;
use concenter_gateway::proto::v1::user_service_client::UserServiceClient;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;

use crate::chance::number;
use crate::firm::{Callers, Firm, is_unavailable, reason, request_id};
use crate::gateway::{AT_MOST, Gateway, SHOWS_WITHIN, TOLD_WITHIN, channel_to, status_of_page, until_ready};
use crate::postgres::{self, PrivateServer};
use crate::process::Process;
use crate::proxy::Proxy;

/// A call in each way that leads to the database.
const WAYS: usize = 4;

/// Asserts that a call in each way hears soon that the database is away, and when to come back.
async fn everybody_is_told(firm: &Firm, channel: &Channel, token: &str) {
    let told = async |way| match way {
        0 => firm.get_user(channel).await.map(drop),
        1 => firm.create_user(channel, &request_id(), "nobody").await.map(drop),
        2 => firm.jump(channel, &request_id(), 1).await.map(drop),
        _ => firm.redeem(channel, token).await.map(drop),
    };
    let mut calls = Vec::new();
    for way in 0..WAYS {
        let begun = Instant::now();
        let told = &told;
        calls.push(async move { (told(way).await, begun.elapsed()) });
    }
    let [first, second, third, fourth] = calls.try_into().unwrap_or_else(|_| panic!("four calls"));
    let told = Box::pin(timeout(AT_MOST, async { tokio::join!(first, second, third, fourth) })).await.expect("answers");
    for (answer, took) in [told.0, told.1, told.2, told.3] {
        is_unavailable(&answer.expect_err("the database is away"));
        assert!(took < TOLD_WITHIN, "told after {took:?} only");
    }
}

/// Asserts that whoever opens a landing page hears soon that nobody knows what is there, also in a crowd.
async fn nobody_waits_for_a_page(gateway: &Gateway) {
    let mut pages = JoinSet::new();
    for number in 0..20 {
        let address = gateway.http_addr();
        pages.spawn(async move {
            let begun = Instant::now();
            (status_of_page(address, &format!("/j/rechner-{number}")).await, begun.elapsed())
        });
    }
    for (status, took) in timeout(AT_MOST, pages.join_all()).await.expect("answers") {
        assert_eq!(status, Some(503));
        assert!(took < TOLD_WITHIN, "told after {took:?} only");
    }
}

/// Writes users until told otherwise; gives the names of those that were acknowledged.
async fn write_users(
    firm: Firm,
    channel: Channel,
    round: u64,
    mut is_over: tokio::sync::watch::Receiver<bool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let (id, name) = (request_id(), format!("user-{round}-{number}"));
        let written = tokio::select! {
            written = firm.create_user(&channel, &id, &name) => written,
            _ = is_over.wait_for(|is_over| *is_over) => break,
        };
        match written {
            Ok(user) => acknowledged.push(user.user_name),
            // Somebody who is told to come back later does not come back at once.
            Err(_) => drop(timeout(Duration::from_millis(20), is_over.wait_for(|is_over| *is_over)).await),
        }
    }
    acknowledged
}

/// F08: under load, again and again.
#[tokio::test]
async fn a_service_survives_its_database_and_loses_nothing() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let gateway = Gateway::start(&database.service_url()).await;
    let firm = gateway.firm().await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..number("CONCENTER_OUTAGES", 3) {
        let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump");
        let (over, is_over) = tokio::sync::watch::channel(false);
        let load = tokio::spawn(write_users(firm.clone(), gateway.channel.clone(), round, is_over));
        server.stop();
        let shown_after = gateway.until_ready(false).await;
        assert!(shown_after < SHOWS_WITHIN, "not ready after {shown_after:?} only");
        everybody_is_told(&firm, &gateway.channel, &token).await;

        server.start();
        let shown_after = gateway.until_ready(true).await;
        assert!(shown_after < SHOWS_WITHIN, "ready again after {shown_after:?} only");
        firm.redeem(&gateway.channel, &token).await.expect("a redemption after the outage");
        over.send_replace(true);
        acknowledged.extend(timeout(AT_MOST, load).await.expect("it ends").expect("it ends"));
        let found: BTreeSet<_> = firm.user_names(&gateway.channel).await.expect("a list").into_iter().collect();
        assert!(acknowledged.is_subset(&found), "lost: {:?}", acknowledged.difference(&found));
    }
    assert!(!acknowledged.is_empty(), "there was load");
    gateway.stop().await;
}

/// F09, L07: it takes connections and answers nothing.
#[tokio::test]
async fn a_database_that_hangs_holds_nobody_up() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let gateway = Gateway::start(&database.service_url()).await;
    let firm = gateway.firm().await;
    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump");
    let acknowledged = firm.create_user(&gateway.channel, &request_id(), "before").await.expect("a user");

    server.freeze();
    // The first ones wait for an answer, those after them are turned away.
    everybody_is_told(&firm, &gateway.channel, &token).await;
    everybody_is_told(&firm, &gateway.channel, &token).await;
    assert!(gateway.until_ready(false).await < SHOWS_WITHIN);
    nobody_waits_for_a_page(&gateway).await;

    server.thaw();
    assert!(gateway.until_ready(true).await < SHOWS_WITHIN);
    assert_eq!(status_of_page(gateway.http_addr(), "/j/nirgends").await, Some(404));
    let names = firm.user_names(&gateway.channel).await.expect("a list");
    assert!(names.contains(&acknowledged.user_name), "lost: {names:?}");
    // What nobody was told of may be done or not, and is done once. A redemption that was done is gone: at most once.
    let (redeemed, jumped) =
        (firm.redeem(&gateway.channel, &token).await, firm.jump(&gateway.channel, &request_id(), 1).await);
    assert!(redeemed.is_ok() || redeemed.is_err_and(|status| reason(&status) == "JUMP_ALREADY_REDEEMED"));
    jumped.expect("a jump after the silence");
    gateway.stop().await;
}

/// F07
#[tokio::test]
async fn a_service_that_starts_before_its_database_waits_for_it() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    server.stop();

    let mut process = Process::serve(&data_dir, Some(&database.service_url()));
    let waiting = process.said("server.start.listening").await;
    let [grpc, http] = ["grpc=", "http="].map(|name| {
        let address = waiting.split_once(name).expect("an address").1;
        address.split(' ').next().expect("an address").parse().expect("an address")
    });
    let channel = channel_to(grpc);
    until_ready(&channel, http, false).await;
    let begun = Instant::now();
    let told = UserServiceClient::new(channel.clone()).list_users(ListUsersRequest::default()).await;
    is_unavailable(&told.expect_err("there is no database yet"));
    assert!(begun.elapsed() < Duration::from_secs(1), "told at once, not after {:?}", begun.elapsed());

    server.start();
    let shown_after = until_ready(&channel, http, true).await;
    assert!(shown_after < SHOWS_WITHIN, "ready after {shown_after:?} only");
    let firm = Firm::make(&channel, Callers::of(&database.service_url(), &data_dir).await).await;
    firm.jump(&channel, &request_id(), 0).await.expect("a jump");
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.code, Some(0));
}

/// F07
#[tokio::test]
async fn a_start_that_waits_for_its_database_can_be_interrupted() {
    // Nobody listens on a port whose listener is not there any more.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://me@{}/makler", gone.local_addr().expect("its address"));
    drop(gone);
    let directory = tempfile::tempdir().expect("a directory");
    let mut process = Process::serve(&directory.path().join("data"), Some(&url));
    process.said("server.start.waiting").await;
    process.signal(Signal::INT);
    let ended = process.ended().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
}

/// F31: of two services one is cut off from the database.
#[tokio::test]
async fn a_replica_that_is_cut_off_redeems_nothing_and_says_so() {
    let Some(database) = postgres::database().await else { return };
    let proxy = Proxy::in_front_of(&database.service_url()).await;
    let connected = Gateway::start(&database.service_url()).await;
    let split = connected.start_replica(&proxy.url(&database.service_url())).await;
    let firm = connected.firm().await;
    let token = firm.jump(&split.channel, &request_id(), 0).await.expect("a jump");

    proxy.pause();
    let shown_after = split.until_ready(false).await;
    assert!(shown_after < SHOWS_WITHIN, "not ready after {shown_after:?} only");
    is_unavailable(&firm.redeem(&split.channel, &token).await.expect_err("it is cut off"));
    connected.until_ready(true).await;
    firm.redeem(&connected.channel, &token).await.expect("a redemption by the other one");

    proxy.resume();
    let shown_after = split.until_ready(true).await;
    assert!(shown_after < SHOWS_WITHIN, "ready again after {shown_after:?} only");
    let refused = firm.redeem(&split.channel, &token).await.expect_err("it was redeemed by the other one");
    assert_eq!(reason(&refused), "JUMP_ALREADY_REDEEMED");
    connected.stop().await;
    split.stop().await;
}
