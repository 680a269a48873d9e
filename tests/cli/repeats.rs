//! Requests whose answer was lost: how they are sent again, so that they are done once.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::client::{Firm, Office, field};

/// Takes connections and drops them, until it is dropped itself.
struct Mute {
    address: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mute {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            for connection in listener.incoming() {
                drop(connection);
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Self { address, is_over, thread: Some(thread) }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up.
        let _ = TcpStream::connect(&self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_lost_answer_names_the_words_that_repeat_the_request() {
    let office = Office::open();
    let operator = office.operator();
    let mute = Mute::listen();
    let server = format!("http://{}", mute.address);
    let failed = operator.run(&["tenant", "stop", "x", "--etag", "7", "--server", &server]);
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), ""), "{failed:?}");
    let (error, repeat) = failed.err.trim_end().split_once('\n').expect("two lines");
    assert!(error.starts_with(&format!("error: the connection to {server} broke")), "{error}");
    assert!(repeat.starts_with("  it may have been done or not") && repeat.ends_with(" --etag 7"), "{repeat}");
    assert!(repeat.contains(" --request-id "), "{repeat}");

    // Whoever only reads has nothing to repeat.
    let failed = operator.run(&["tenant", "list", "--server", &server]);
    assert!(failed.error(1).contains("broke"), "{failed:?}");
}

#[test]
fn a_repeated_request_is_done_once() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = "5b0c9c2e-4d1f-4a57-9a43-3f1f5a2d8e10";
    let create = ["user", "create", "vm.meier", "--kind", "broker", "--all-providers", "--request-id", id];
    let first = firm.admin.run(&create);
    let again = firm.admin.run(&create);
    assert_eq!((again.code, &again.out), (Some(0), &first.out));
    let other = ["user", "create", "vm.schulz", "--kind", "broker", "--all-providers", "--request-id", id];
    let refused = firm.admin.run(&other);
    assert!(refused.error(2).ends_with("(REQUEST_ID_REUSED)"), "{refused:?}");
    assert_eq!(firm.admin.objects(&["user", "list"]).len(), 2);
}

#[test]
fn a_repeated_change_carries_the_etag_that_it_had() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let user = firm.broker_user("vm.meier");
    let etag = field(&firm.admin.json(&["user", "get", &user]), "etag");
    let id = "5b0c9c2e-4d1f-4a57-9a43-3f1f5a2d8e10";
    let words = ["user", "disable", &user, "--request-id", id, "--etag", &etag];
    let first = firm.admin.json(&words);
    assert_eq!(firm.admin.json(&words), first);
    let without = firm.admin.run(&words[..5]);
    assert_eq!(without.code, Some(2), "{without:?}");
    assert!(without.err.contains("--etag <ETAG>"), "{}", without.err);
}
