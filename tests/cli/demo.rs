//! The demonstration while it stays up: what it has for a browser.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::place::{Place, Serving};

/// What it says last.
const LAST: &str = "  Tarifrechner  http://";

fn stay_up(place: &Place, calculator: &str, portal: &str) -> Serving {
    let grpc_and_http = ["--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--log", "error"];
    let others = ["--calculator-addr", calculator, "--portal-addr", portal];
    place.stay_up(&[&["demo"][..], &grpc_and_http, &others].concat(), LAST)
}

/// The address of a URL that the demonstration said.
fn address<'a>(demo: &'a Serving, thing: &str) -> &'a str {
    demo.url_of(thing).trim_start_matches("http://").trim_end_matches('/')
}

/// Sends a request of HTTP/1.1 and gives all of the answer.
fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let form = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}", body.len());
    write!(stream, "{head}\r\nHost: {address}\r\nConnection: close\r\n{form}\r\n\r\n{body}").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_portal_makes_fresh_jumps_into_the_example_calculator() {
    let place = Place::new();
    let demo = stay_up(&place, "127.0.0.1:0", "127.0.0.1:0");
    let (portal, calculator) = (address(&demo, "portal").to_owned(), address(&demo, "Tarifrechner").to_owned());
    let home = ask(&portal, "GET / HTTP/1.1", "");
    assert!(home.starts_with("HTTP/1.1 200") && home.contains("knows no login"), "{home}");
    assert!(home.contains(&format!("http://{calculator}/begin?return=")), "{home}");

    let own = format!("POST /jump HTTP/1.1\r\nOrigin: http://{portal}");
    let landing = format!("\r\nlocation: {}/j/beispiel-tarifrechner#", demo.url_of("HTTP"));
    let mut links = Vec::new();
    for who in ["broker", "private-1", "private-2", "private-2"] {
        let answer = ask(&portal, &own, &format!("who={who}"));
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let (_, link) = answer.split_once(&landing).unwrap_or_else(|| panic!("no link: {answer}"));
        links.push(link.lines().next().map(str::to_owned));
    }
    links.sort();
    links.dedup();
    assert_eq!(links.len(), 4, "each jump is a fresh one");

    for foreign in ["", "\r\nOrigin: null", "\r\nOrigin: http://evil.example"] {
        let answer = ask(&portal, &format!("POST /jump HTTP/1.1{foreign}"), "who=broker");
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains('#'), "{answer}");
    }
    assert!(ask(&portal, &own, "who=nobody").starts_with("HTTP/1.1 400"));
    assert!(ask(&portal, &own, "who=broker&nonce=%20").starts_with("HTTP/1.1 502"));
    assert!(ask(&calculator, "GET / HTTP/1.1", "").starts_with("HTTP/1.1 403"));
    assert_eq!(demo.stop_by(Signal::INT), Some(0));
}

#[test]
fn it_starts_again_where_it_was() {
    let place = Place::new();
    let first = stay_up(&place, "127.0.0.1:0", "127.0.0.1:0");
    let (portal, calculator) = (address(&first, "portal").to_owned(), address(&first, "Tarifrechner").to_owned());
    let taken = place.run(&["demo", "--calculator-addr", &calculator, "--portal-addr", "127.0.0.1:0"]);
    assert!(taken.code != Some(0) && taken.err.contains("--calculator-addr"), "{taken:?}");
    assert_eq!(first.stop_by(Signal::INT), Some(0));
    assert!(TcpStream::connect(&portal).is_err() && TcpStream::connect(&calculator).is_err());
    assert_eq!(stay_up(&place, &calculator, &portal).stop_by(Signal::INT), Some(0));
}

/// Addresses that other machines reach: the service is theirs to try, and the rest stays on this one.
#[test]
fn it_is_seen_in_a_browser_wherever_the_service_listens() {
    let place = Place::new();
    for (grpc, http) in [("0.0.0.0:0", "127.0.0.1:0"), ("127.0.0.1:0", "0.0.0.0:0")] {
        let calculator_and_portal =
            ["--calculator-addr", "127.0.0.1:0", "--portal-addr", "127.0.0.1:0", "--log", "error"];
        let demo = place
            .stay_up(&[&["demo", "--grpc-addr", grpc, "--http-addr", http][..], &calculator_and_portal].concat(), LAST);
        let (portal, calculator) = (address(&demo, "portal").to_owned(), address(&demo, "Tarifrechner").to_owned());
        let made = ask(&portal, &format!("POST /jump HTTP/1.1\r\nOrigin: http://{portal}"), "who=broker");
        let (_, rest) = made.split_once("\r\nlocation: http://127.0.0.1:").unwrap_or_else(|| panic!("no link: {made}"));
        let (port, token) = rest.lines().next().unwrap().split_once("/j/beispiel-tarifrechner#").expect("a link");
        let from_landing = format!("POST /jump HTTP/1.1\r\nOrigin: http://127.0.0.1:{port}");
        let arrived = ask(&calculator, &from_landing, &format!("token={token}"));
        assert!(arrived.starts_with("HTTP/1.1 303") && arrived.contains("\r\nlocation: /\r\n"), "{arrived}");
        assert_eq!(demo.stop_by(Signal::INT), Some(0));
    }
}

#[test]
fn where_no_browser_can_go_the_story_is_told_all_the_same() {
    let place = Place::new();
    // Not every machine has IPv6, and none has another address that is sure to be its own.
    let Some(http) = ["[::1]:0", "[::]:0"].into_iter().find(|address| TcpListener::bind(address).is_ok()) else {
        return;
    };
    let words = ["demo", "--grpc-addr", "127.0.0.1:0", "--http-addr", http, "--log", "error"];
    let demo = place.stay_up(&words, "nothing to see in a browser");
    assert_eq!(demo.stop_by(Signal::INT), Some(0));
}

#[test]
fn browsers_post_no_jump_to_an_ipv6_address() {
    let ended = Place::new().run(&["demo", "--calculator-addr", "[::1]:0"]);
    assert!(ended.code == Some(2) && ended.err.contains("give an IPv4 address"), "{ended:?}");
}

#[test]
fn other_machines_do_not_reach_it() {
    let place = Place::new();
    for flag in ["--portal-addr", "--calculator-addr"] {
        let ended = place.run(&["demo", flag, "0.0.0.0:0"]);
        assert!(ended.code == Some(2) && ended.err.contains("this machine alone"), "{ended:?}");
    }
}
