//! Secrets go in and do not come out: the real program, as loud as it can be, through every RPC.
//!
//! Whatever came out is searched for everything that was secret, in every form: answers, statuses, the log, standard
//! output, the files. RPCs come from the contract; one more needs a good request in [`Stage`], and the walk fails until
//! then.

pub mod program;
mod search;

use std::cell::RefCell;
use std::collections::BTreeSet;

use concenter_gateway::domain::caller::Role;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, MethodDescriptor};
use serde_json::json;
use tonic::transport::Endpoint;
use tonic::{Response, Status};
use url::Url;

use self::program::{Program, Said};
use self::search::Search;
use crate::harness::stage::{
    Confidence, HANDLED, Hire, LINKED, POSTED, Stage, marker, message, method, roles, stage_catalogue,
};
use crate::harness::texts::{map_texts, text_at, text_fields};
use crate::harness::*;
use crate::http;
use crate::otlp::Receiver;
use crate::support::TestDatabase;

/// Where the contract hands a secret over: the link and the token of a jump to the portal, the login to the target.
const HANDED_OVER: &[&str] = &[
    "concenter.v1.FormPost.token",
    "concenter.v1.JumpToInsurerPortalResponse.deep_link",
    "concenter.v1.JumpToTarifResponse.deep_link",
    "concenter.v1.RedeemJumpResponse.context",
    "concenter.v1.RedeemJumpResponse.password",
    "concenter.v1.RedeemJumpResponse.target_page",
];

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// The password of a con:center user.
    Password,
    /// What waits for the redeem: the context and the page that a portal gave, and the nonce. The database keeps it until then, by
    /// design, and nothing else does.
    Waiting,
    /// A caller's token.
    CallersToken,
    /// What opens a jump.
    Jump,
    /// The key-encryption key.
    Key,
    /// The password by which the service gets into the database, on PostgreSQL.
    Database,
    /// What stood in a field that could not be taken, or for a credential.
    Refused,
    /// The id of the tenant, which is none: it shows that the search finds what is there.
    None,
}

/// Where something came out, or stayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Answer,
    Status,
    Log,
    Output,
    Audit,
    Database,
    Metrics,
    Traces,
}

/// What came out in one place.
struct Heard {
    place: Place,
    what: String,
    bytes: Vec<u8>,
}

/// Everything that was secret and everything that came out.
#[derive(Default)]
struct Ears {
    /// What kind it is, whose, and the secret itself.
    secrets: RefCell<Vec<(Secret, String, Vec<u8>)>>,
    heard: RefCell<Vec<Heard>>,
    /// The fields of [`HANDED_OVER`] in which something stood.
    handed_over: RefCell<BTreeSet<&'static str>>,
}

/// I8
#[test]
fn only_what_the_contract_marks_as_secret_hands_a_secret_over() {
    let is_secret = |field: &FieldDescriptor| {
        let options = field.options();
        options.get_field_by_name("debug_redact").is_some_and(|mark| mark.as_bool() == Some(true))
    };
    let mut marked = BTreeSet::new();
    let contract = methods().next().expect("a method").parent_pool().clone();
    for message in contract.all_messages().filter(|message| !message.name().ends_with("Request")) {
        marked.extend(message.fields().filter(is_secret).map(|field| field.full_name().to_owned()));
    }
    assert_eq!(marked.into_iter().collect::<Vec<_>>(), HANDED_OVER);
}

/// T17, T45, I8, U17
#[tokio::test]
async fn no_secret_comes_out_but_where_the_contract_hands_it_over() {
    let (ears, receiver) = (Ears::default(), Receiver::start());
    let endpoint = receiver.as_ref().map(|receiver| format!("--otlp-endpoint={}", receiver.endpoint()));
    let program =
        Program::start_with(&["--metrics=on"].into_iter().chain(endpoint.as_deref()).collect::<Vec<_>>()).await;
    if let Some(database) = program.place().database() {
        let url: Url = database.service_url().parse().expect("a URL");
        ears.keep(Secret::Database, "the password of the database", url.password().expect("a password"));
    }
    ears.keep_encoded(Secret::Key, "the key file", &program.key());
    let channel = Endpoint::from_shared(program.grpc()).expect("an address").connect().await.expect("a connection");
    {
        let hire: Hire<'_> = Box::new(|grant| {
            let (token, said) = program.mint(grant);
            ears.hear(Place::Log, "the log of concenter token", said.log);
            ears.keep_token(&token);
            Client::over(channel.clone()).with("authorization", &format!("Bearer {token}"))
        });
        stage_catalogue(&hire(&grant(Role::Operator, "operator"))).await;
        let stage = Stage::make(hire).await;
        for method in methods() {
            for role in roles(&method) {
                ears.refuse(&stage, &method, role).await;
                ears.answer(&stage, &method, role).await;
            }
        }
        for target in [POSTED, LINKED, HANDLED] {
            ears.jump(&stage, target).await;
        }
        ears.command_line(&stage, &program).await;
        ears.keep_told(&stage);
        ears.keep(Secret::None, "the tenant", &stage.tenant);
    }
    assert_eq!(ears.handed_over.borrow().iter().copied().collect::<Vec<_>>(), HANDED_OVER, "was never handed over");

    ears.hear_database(&program, "while it runs").await;
    ears.hear_said("check", program.run(&["check"]));
    let metrics = http::request(program.http(), "GET", "/metrics").await;
    assert!(metrics.body.contains("method=\"/concenter.v1.JumpService/RedeemJump\""), "{}", metrics.body);
    ears.hear(Place::Metrics, "the metrics", [metrics.headers, metrics.body].concat().into_bytes());
    // An open connection would hold up the end, and it closes only while nothing blocks this thread.
    drop(channel);
    let (program, said) = tokio::task::spawn_blocking(|| program.stop()).await.expect("an end");
    assert!(String::from_utf8_lossy(&said.log).contains("edge.call.done"), "the log is not as loud as it can be");
    ears.hear_said("serve", said);
    let is_traced = receiver.is_some();
    for export in receiver.into_iter().flat_map(Receiver::end) {
        ears.hear(Place::Traces, "a request to the collector", export.raw);
        ears.hear(Place::Traces, "spans", serde_json::to_vec(&export.spans).expect("JSON"));
    }
    ears.hear_database(&program, "after its end").await;
    ears.hear_audit_log(&program).await;
    ears.assert_nothing_came_out(is_traced);
}

impl Ears {
    fn keep(&self, secret: Secret, whose: &str, bytes: impl AsRef<[u8]>) {
        self.secrets.borrow_mut().push((secret, whose.to_owned(), bytes.as_ref().to_vec()));
    }

    /// A secret that is spelled in base64: as it is spelled, and what it is.
    fn keep_encoded(&self, secret: Secret, whose: &str, text: &str) {
        self.keep(secret, whose, text);
        self.keep(secret, &format!("{whose}, decoded"), decode(text));
    }

    /// A caller's token, whole and by its signature: whoever has that has the token, as the rest can be guessed.
    fn keep_token(&self, token: &str) {
        self.keep(Secret::CallersToken, "a caller's token", token);
        let (_, signature) = token.rsplit_once('.').expect("a token");
        self.keep_encoded(Secret::CallersToken, "the signature of a caller's token", signature);
    }

    /// What opens a jump: the token or the handle, and what of it nobody can guess.
    fn keep_jump(&self, link: &str, token: &str) {
        let proof = if token.is_empty() {
            let (_, proof) = link.split_once('=').expect("a token or a handle in the link");
            proof
        } else {
            token
        };
        self.keep(Secret::Jump, "what opens a jump", proof);
        let (_, secret) = proof.rsplit_once('.').expect("a token or a handle");
        self.keep_encoded(Secret::Jump, "the unguessable end of what opens a jump", secret);
    }

    fn keep_told(&self, stage: &Stage<'_>) {
        for (confidence, text) in stage.told() {
            let secret = match confidence {
                Confidence::Password => Secret::Password,
                Confidence::Context | Confidence::Nonce | Confidence::Page => Secret::Waiting,
            };
            self.keep(secret, &format!("{confidence:?}"), &text);
        }
    }

    fn hear(&self, place: Place, what: &str, bytes: Vec<u8>) {
        self.heard.borrow_mut().push(Heard { place, what: what.to_owned(), bytes });
    }

    fn hear_said(&self, command: &str, Said { out, log }: Said) {
        self.hear(Place::Output, &format!("the output of concenter {command}"), out);
        self.hear(Place::Log, &format!("the log of concenter {command}"), log);
    }

    fn hear_status(&self, what: &str, status: &Status) {
        let mut bytes = status.message().as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.extend_from_slice(status.details());
        for (name, value) in &status.metadata().clone().into_headers() {
            bytes.extend([b"\n", name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
        }
        self.hear(Place::Status, what, bytes);
    }

    /// Listens to an answer, but for what the contract hands over.
    fn hear_answer(&self, what: &str, answer: Response<DynamicMessage>) {
        let (metadata, mut message, _) = answer.into_parts();
        if let Some(link) = message.get_field_by_name("deep_link") {
            let form = message.get_field_by_name("form_post").expect("a form");
            let token = form.as_message().map_or_else(String::new, |form| text_at(form, "token"));
            self.keep_jump(link.as_str().expect("a link"), &token);
        }
        map_texts(&mut message, &mut |field, text| {
            let known = HANDED_OVER.iter().find(|known| **known == field)?;
            if !text.is_empty() {
                self.handed_over.borrow_mut().insert(known);
            }
            Some(String::new())
        });
        let headers = format!("{:?}", metadata.into_headers());
        self.hear(Place::Answer, what, [message.encode_to_vec(), headers.into_bytes()].concat());
    }

    /// What the database holds: the files of the data directory beside the keys. On PostgreSQL every row of every table, and what
    /// the server wrote into its log, in which not even that may stand which waits for a redeem.
    async fn hear_database(&self, program: &Program, when: &str) {
        let place = program.place();
        let mut is_there = false;
        for (name, bytes) in place.kept().await.into_iter().filter(|(name, _)| !name.starts_with("keys/")) {
            is_there |= ["concenter.db", "concenter_user"].contains(&name.as_str());
            self.hear(Place::Database, &format!("{name} {when}"), bytes);
        }
        assert!(is_there, "there is no database");
        if let Some(log) = place.database().and_then(TestDatabase::server_log) {
            self.hear(Place::Log, &format!("the log of PostgreSQL {when}"), log);
        }
    }

    /// The rows of the audit log one by one: in the file a long cell lies in pieces.
    async fn hear_audit_log(&self, program: &Program) {
        let rows = program.place().reader().await.dump("audit_entry").await;
        assert!(!rows.is_empty(), "the audit log is empty");
        for row in rows {
            self.hear(Place::Audit, "a row of the audit log", row.join(&b'\n'));
        }
    }

    /// A good request, whose proof of a jump is kept as the secret that it is.
    async fn good(&self, stage: &Stage<'_>, method: &MethodDescriptor, role: Option<Role>) -> DynamicMessage {
        let good = stage.good(method, role).await;
        let good = good.unwrap_or_else(|| panic!("no good request of {} is written down", name(method, role)));
        if let Some(token) = good.get_field_by_name("token") {
            self.keep_jump("", token.as_str().expect("a token"));
        }
        good
    }

    /// Calls well.
    async fn answer(&self, stage: &Stage<'_>, method: &MethodDescriptor, role: Option<Role>) {
        let what = name(method, role);
        let good = self.good(stage, method, role).await;
        let answer = stage.caller(role).send_dynamic(&path_of(method), &good).await;
        match answer {
            Ok(answer) => self.hear_answer(&what, answer),
            Err(status) => panic!("the good request of {what} is refused: {status:?}"),
        }
    }

    /// Calls badly in every way that there is; each of them with a secret of its own where one fits.
    async fn refuse(&self, stage: &Stage<'_>, method: &MethodDescriptor, role: Option<Role>) {
        let (what, path) = (name(method, role), path_of(method));
        let caller = stage.caller(role);
        let good = self.good(stage, method, role).await;

        let secret = self.refused_text(&format!("in no message of {what}"));
        let garbage = [b"\x0a\xff\xff\xff\xff\x0f", secret.as_bytes()].concat();
        let status = caller.send(&path, garbage).await.expect_err("nothing that decodes");
        self.hear_status(&what, &status);

        for credential in ["Bearer", "Basic", "bearer x"] {
            let secret = self.refused_text(&format!("as credential of {what}"));
            let stranger = caller.nobody().with("authorization", &format!("{credential} {secret}"));
            let answer = stranger.send_dynamic(&path, &good).await;
            assert_eq!(answer.is_err(), role.is_some(), "a stranger is let into {what}");
            self.hear_either(&what, answer);
        }

        for field in text_fields(&method.input()) {
            let secret = self.refused_text(&format!("in {field} of {what}"));
            for bad in [format!("{secret}\0"), format!("{secret}{}", "\u{fffd}".repeat(3000))] {
                let mut message = good.clone();
                renew(&mut message);
                field.put(&mut message, &bad);
                self.hear_either(&what, caller.send_dynamic(&path, &message).await);
            }
            let mut message = good.clone();
            renew(&mut message);
            match field.name() {
                "etag" => field.put(&mut message, "v4711"),
                id if id.ends_with("_id") && id != "request_id" => field.put(&mut message, NOBODY),
                _ => continue,
            }
            self.hear_either(&what, caller.send_dynamic(&path, &message).await);
        }
    }

    /// Jumps to a target and redeems twice.
    async fn jump(&self, stage: &Stage<'_>, target: &str) {
        let (jump, nonce) = stage.jump_to(target).await;
        let token =
            jump.get_field_by_name("form_post").expect("a form").as_message().map(|form| text_at(form, "token"));
        let link = text_at(&jump, "deep_link");
        let proof = match (token.filter(|token| !token.is_empty()), link.split_once('=')) {
            (Some(token), _) => json!({ "token": token }),
            (None, Some((_, handle))) if target == HANDLED => json!({ "handle": handle }),
            (None, Some((_, token))) => json!({ "token": token }),
            (None, None) => panic!("nothing opens this jump"),
        };
        self.hear_answer("a jump", Response::new(jump));

        let (backend, redeem) = (stage.target(target), method("v1.JumpService/RedeemJump"));
        let mut wish = proof.clone();
        wish["nonce"] = json!(self.refused_text("as another nonce"));
        let wrong = backend.send_dynamic(&path_of(&redeem), &message(&redeem, wish.clone())).await;
        self.hear_status("another nonce", &status_of(wrong));
        wish["nonce"] = json!(nonce);
        let right = backend.send_dynamic(&path_of(&redeem), &message(&redeem, wish.clone())).await;
        let right = right.expect("a redemption");
        let password = text_at(right.get_ref(), "password");
        assert!(stage.told().contains(&(Confidence::Password, password)), "a password that nobody set");
        self.hear_answer("a redemption", right);
        let again = backend.send_dynamic(&path_of(&redeem), &message(&redeem, wish)).await;
        self.hear_status("a second redemption", &status_of(again));
    }

    /// Has the command line do what passes by passwords, and what lists what they belong to.
    async fn command_line(&self, stage: &Stage<'_>, program: &Program) {
        let (token, _) = program.mint(&within(&stage.tenant, grant(Role::Admin, "admin")));
        self.keep_token(&token);
        let user = stage.user("USER_KIND_BROKER").await.id;
        let password = marker();
        self.keep(Secret::Password, "set by the command line", &password);
        let set = ["user", "set-secret", &user, "--password-stdin"];
        let stale = ["user", "set-secret", &user, "--password-stdin", "--etag", "v4711"];
        let bad = format!("{}\0", self.refused_text("as password of the command line"));
        let forged = self.refused_text("as token of the command line");
        for (token, words, input, is_good) in [
            (&token, &set[..], &password, true),
            (&token, &[&set[..], &["--json"]].concat()[..], &password, true),
            (&token, &stale[..], &password, false),
            (&token, &set[..], &bad, false),
            (&token, &["user", "list"][..], &String::new(), true),
            (&token, &["user", "list", "--json"][..], &String::new(), true),
            (&token, &["user", "get", &user, "--json"][..], &String::new(), true),
            (&token, &["jump", "list", "--json"][..], &String::new(), true),
            (&forged, &["user", "list", "--json"][..], &String::new(), false),
        ] {
            let (went_well, said) = program.run_as(token, words, input);
            assert_eq!(went_well, is_good, "{words:?}: {}", String::from_utf8_lossy(&said.log));
            self.hear_said(&words.join(" "), said);
        }
    }

    fn hear_either(&self, what: &str, answer: Result<Response<DynamicMessage>, Status>) {
        match answer {
            Ok(answer) => self.hear_answer(what, answer),
            Err(status) => self.hear_status(what, &status),
        }
    }

    /// A text that stands where it cannot be taken.
    fn refused_text(&self, what: &str) -> String {
        let text = marker();
        self.keep(Secret::Refused, what, &text);
        text
    }

    /// Searches everything that came out for everything that was secret.
    fn assert_nothing_came_out(&self, is_traced: bool) {
        let (secrets, heard) = (self.secrets.borrow(), self.heard.borrow());
        let mut search = Search::new();
        for (_, _, secret) in secrets.iter() {
            search.add(secret);
        }
        let (mut leaks, mut shows) = (BTreeSet::new(), BTreeSet::new());
        let mut kept = 0;
        for Heard { place, what, bytes } in heard.iter() {
            for found in search.find(bytes) {
                let (secret, whose, _) = &secrets[found.text];
                match (*secret, *place) {
                    (Secret::None, place) => drop(shows.insert(place)),
                    (Secret::Waiting, Place::Database) => kept += 1,
                    (secret, place) => {
                        let form = found.form;
                        leaks.insert(format!("{secret:?} ({whose}) as {form} in {place:?}: {what}"));
                    }
                }
            }
        }
        assert!(leaks.is_empty(), "{} came out:\n{}", leaks.len(), leaks.into_iter().collect::<Vec<_>>().join("\n"));
        let places: Vec<_> = shows.into_iter().collect();
        let traces = is_traced.then_some(Place::Traces);
        let expected: Vec<_> =
            [Place::Answer, Place::Log, Place::Audit, Place::Database].into_iter().chain(traces).collect();
        assert_eq!(places, expected, "where a tenant's id stands");
        assert!(kept > 0, "what waits for a redeem is not in the database: the exception is not needed any more");
    }
}

fn name(method: &MethodDescriptor, role: Option<Role>) -> String {
    format!("{} as {}", method.full_name(), role.map_or("nobody", Role::as_str))
}

/// Makes another request of it.
fn renew(message: &mut DynamicMessage) {
    map_texts(message, &mut |field, _| field.ends_with(".request_id").then(request_id));
}
