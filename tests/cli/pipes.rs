//! Whoever reads the answers may stop at any time.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::client::{Firm, Office};
use super::place::{Ended, Place};

/// Runs a program whose standard output nobody reads.
fn unread(mut command: Command) -> Ended {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    Ended::of(command.stdout(writer).stderr(Stdio::piped()).output().expect("the program runs"))
}

fn is_silent(ended: &Ended) -> bool {
    (ended.code, ended.err.as_str()) == (Some(0), "")
}

#[test]
fn answers_of_a_service_that_nobody_reads_end_in_silence() {
    let office = Office::open();
    let firm = Firm::of(&office);
    firm.portal.text(&["customer", "put", "c-1", "private"]);
    let explain = ["jump", "explain", "--target", "vergleicher-rechner", "--customer", "c-1"];
    for (caller, words) in [
        (&firm.admin, &["user", "list"][..]),
        (&firm.admin, &["user", "list", "--json"]),
        (&firm.admin, &["customer", "get", "c-1"]),
        (&firm.admin, &["customer", "put", "c-1", "private", "--json"]),
        (&firm.admin, &["access", "get"]),
        (&firm.admin, &["settings", "get", "--json"]),
        (&firm.admin, &explain),
        (&firm.admin, &["activation", "list"]),
        (&firm.operator, &["tenant", "create", "Makler Süd"]),
        (&firm.operator, &["provider", "list", "--json"]),
        (&firm.operator, &["target", "list"]),
        (&firm.operator, &["return-url", "list"]),
    ] {
        let ended = unread(caller.command(words));
        assert!(is_silent(&ended), "{words:?}: {ended:?}");
    }
    // What was asked for was done all the same.
    assert_eq!(firm.operator.objects(&["tenant", "list"]).len(), 2);
}

#[test]
fn answers_about_the_data_that_nobody_reads_end_in_silence() {
    let place = Place::served();
    for words in [
        &["token", "--role", "operator"][..],
        &["check"],
        &["migrate"],
        &["completions", "bash"],
        &["demo", "--once"],
        &["demo", "--once", "--json"],
        &["--help"],
        &["--version"],
        &["user", "create", "--help"],
    ] {
        let ended = unread(place.command(words));
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
        // The service of the demonstration has its log.
        assert!(words[0] == "demo" || is_silent(&ended), "{words:?}: {ended:?}");
        assert!(!ended.err.contains("error:"), "{words:?}: {ended:?}");
    }
}

#[test]
fn whoever_reads_the_first_line_alone_has_it() {
    let place = Place::new();
    let mut child =
        place.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    let mut out = BufReader::with_capacity(1, child.stdout.take().expect("its output"));
    assert_ne!(out.read_line(&mut line).expect("a line"), 0);
    drop(out);
    let ended = Ended::of(child.wait_with_output().expect("an end"));
    assert!(is_silent(&ended), "{ended:?}");
}

#[test]
fn what_is_not_in_order_is_told_even_where_nobody_reads() {
    let place = Place::new();
    let ended = unread(place.command(&["check"]));
    assert!(ended.error(78).contains("there is no database"), "{ended:?}");
}
