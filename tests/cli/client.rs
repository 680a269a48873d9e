//! People at the command line, each with a token of his own, before a service that runs.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::place::{Ended, Place, Serving};

/// A service, and what was told by it so far.
pub(crate) struct Office {
    // Ends before its data goes.
    pub(crate) service: Serving,
    pub(crate) place: Place,
    /// Everything that was printed for anybody.
    told: RefCell<String>,
}

impl Office {
    pub(crate) fn open() -> Self {
        Self::at(Place::new())
    }

    /// The same with its data at this place.
    pub(crate) fn at(place: Place) -> Self {
        Self { service: place.serve(), place, told: RefCell::default() }
    }

    /// The same data, with a service that was started anew after `work` on it.
    pub(crate) fn after(self, work: impl FnOnce(&Place)) -> Self {
        let Self { service, place, told } = self;
        assert_eq!(service.stop(), Some(0));
        work(&place);
        Self { service: place.serve(), place, told }
    }

    /// Somebody with a token of this role.
    pub(crate) fn caller(&self, role: &[&str]) -> Caller<'_> {
        let minted = self.place.run(&[&["token", "--role"], role].concat());
        assert_eq!(minted.code, Some(0), "{minted:?}");
        Caller { office: self, token_file: self.secret_file(&format!("{}.token", role.join("-")), &minted.out) }
    }

    pub(crate) fn operator(&self) -> Caller<'_> {
        self.caller(&["operator"])
    }

    /// A file that its owner alone can read.
    pub(crate) fn secret_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.place.path().join(name);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("its text");
        path
    }

    /// Everything that was printed so far.
    pub(crate) fn told(&self) -> String {
        self.told.borrow().clone()
    }
}

/// Somebody at the command line.
pub(crate) struct Caller<'a> {
    office: &'a Office,
    pub(crate) token_file: PathBuf,
}

impl Caller<'_> {
    /// The program with these words, told by its environment where the service is and who calls.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.office.place.command(words);
        command.env("CONCENTER_SERVER", self.office.service.grpc()).env("CONCENTER_TOKEN_FILE", &self.token_file);
        command
    }

    /// Runs the program with these words to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.run_with(words, "")
    }

    /// The same, with this on standard input.
    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Ended {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        // It may have ended without reading.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        let ended = Ended::of(child.wait_with_output().expect("an end"));
        self.office.told.borrow_mut().extend([ended.out.as_str(), ended.err.as_str()]);
        ended
    }

    /// Runs it to its good end, with nothing on standard error; gives what it printed.
    pub(crate) fn text(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{words:?}");
        ended.out
    }

    /// The same with `--json`; gives the one object.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let mut objects = self.objects(words);
        assert_eq!(objects.len(), 1, "{words:?}: {objects:?}");
        objects.remove(0)
    }

    /// The same; gives every object.
    pub(crate) fn objects(&self, words: &[&str]) -> Vec<Value> {
        let text = self.text(&[words, &["--json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
    }

    /// The token.
    pub(crate) fn token(&self) -> String {
        fs::read_to_string(&self.token_file).expect("a token").trim_end().to_owned()
    }
}

/// A tenant with a catalogue of two providers and a target each, and the people who keep it.
pub(crate) struct Firm<'a> {
    pub(crate) tenant: String,
    pub(crate) operator: Caller<'a>,
    pub(crate) admin: Caller<'a>,
    pub(crate) portal: Caller<'a>,
}

impl<'a> Firm<'a> {
    pub(crate) fn of(office: &'a Office) -> Self {
        let operator = office.operator();
        let tenant = field(&operator.json(&["tenant", "create", "Makler Nord"]), "tenantId");
        for (id, kind) in [("vergleicher", "comparator"), ("insurer-a", "insurer")] {
            operator.text(&["provider", "put", id, "--kind", kind, "--name", id]);
            let target = format!("{id}-rechner");
            operator.text(&put_target(&target, id));
        }
        let admin = office.caller(&["admin", "--tenant", &tenant]);
        let portal = office.caller(&["portal", "--tenant", &tenant]);
        Self { tenant, operator, admin, portal }
    }

    /// A new con:center user with a password; gives its id.
    pub(crate) fn user(&self, name: &str, what: &[&str]) -> String {
        let words = [&["user", "create", name, "--password-stdin", "--json"], what].concat();
        let created = self.admin.run_with(&words, PASSWORD);
        assert_eq!((created.code, created.err.as_str()), (Some(0), ""), "{name}");
        field(&serde_json::from_str(&created.out).expect("an object"), "userId")
    }

    pub(crate) fn broker_user(&self, name: &str) -> String {
        self.user(name, &["--kind", "broker", "--all-providers"])
    }

    pub(crate) fn shared_user(&self, name: &str) -> String {
        self.user(name, &["--kind", "end-customer", "--provider", "vergleicher"])
    }
}

/// The password of every con:center user of [`Firm`].
pub(crate) const PASSWORD: &str = "canary-6e21";

/// The words that put a target of a provider.
pub(crate) fn put_target<'a>(id: &'a str, provider: &'a str) -> Vec<&'a str> {
    let mut words =
        vec!["target", "put", id, "--provider", provider, "--kind", "tariff-calculator", "--name", "Rechner"];
    words.extend(["--url", "https://rechner.example.com/start", "--delivery", "form-post"]);
    words.extend(["--person", "broker,customer", "--all-lines-of-business"]);
    words.extend(["--hands-over-secret", "no", "--nonce-required", "no"]);
    words
}

/// A text of an object.
pub(crate) fn field(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no {name}: {object}")).to_owned()
}

/// The path as an argument.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
