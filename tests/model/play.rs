//! Plays a sequence on the service and on the model, and compares.

use std::collections::BTreeMap;

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use tonic::Status;

use crate::aim::{PASSWORD, aim};
use crate::call::{Answer, Call, Who};
use crate::command::{
    BROKERS, CUSTOMERS, Command, Known, N, PROVIDERS, Pick, RETURN_URL_ID, Scope, Sequence, Slot, Step, TARGETS,
};
use crate::harness::{
    COMPARATOR, Client, INSURER, RETURN_URL, Service, V, X, Y, calculator, decode, dependents, error_metadata,
    everything, fields, insurer_portal, only_lines, put_provider, reason, request_id, url_of,
};
use crate::observe::{Auditor, WHOLE, observe};
use crate::rules::{Expected, Refused, Seen};
use crate::state::{Catalog, Delivery, Model, Proof, Provider, ReturnUrl, SECOND, Target, Tenant};

/// What went wrong, and where.
#[derive(Debug)]
pub struct Failed {
    /// The step, from 1; 0 is the beginning.
    pub step: usize,
    pub what: String,
}

/// A service with the catalogue, on which sequences are played one after the other.
pub struct Stage {
    pub service: Service,
    pub auditor: Auditor,
    catalog: Catalog,
}

impl Stage {
    /// Starts a service and makes its catalogue.
    pub async fn set() -> Self {
        let service = Service::start().await;
        let catalog = make_catalog(&service).await;
        let auditor = Auditor::of(&service).await;
        Self { service, auditor, catalog }
    }

    /// Makes two tenants, on the service and in the model.
    pub async fn model(&self) -> Model {
        // Rows of the log that belong to no tenant are told apart by their instant.
        self.service.clock.advance(1);
        let now = self.now();
        let sides = [self.tenant("Firma A", now).await, self.tenant("Firma B", now).await];
        let model = Model {
            now,
            sides,
            catalog: self.catalog.clone(),
            requests: BTreeMap::new(),
            log: Vec::new(),
            subjects: BTreeMap::new(),
            passwords: 0,
        };
        let log = model.sides.iter().map(|side| crate::harness::AuditRow {
            tenant: side.id.clone(),
            role: "operator".to_owned(),
            action: "tenant.create".to_owned(),
            object: Some(side.id.clone()),
            reason: None,
        });
        let log = log.collect();
        Model { log, ..model }
    }

    /// The service's own time, in microseconds.
    pub fn now(&self) -> i64 {
        use concenter_gateway::domain::time::Clock as _;
        self.service.clock.now().unix_micros()
    }

    async fn tenant(&self, name: &str, now: i64) -> Tenant {
        let new = admin::CreateTenantRequest {
            request_id: request_id(),
            display_name: name.to_owned(),
            create_standard_user: None,
        };
        let made = self.service.operator().tenants().create_tenant(new).await.expect("a tenant").into_inner();
        let id = made.tenant.expect("a tenant").tenant_id;
        let users = self.service.admin(&id).users().list_users(v1::ListUsersRequest::default()).await.expect("a list");
        let standard = users.into_inner().users.pop().expect("cloudtransfer").user_id;
        Tenant::new(id, name, Some(standard), now)
    }
}

/// A provider of each kind, five targets of every sort, a return URL.
async fn make_catalog(service: &Service) -> Catalog {
    let operator = service.operator();
    let mut catalog = Catalog { public_url: service.public_url(), ..Catalog::default() };
    for (id, kind) in PROVIDERS.into_iter().zip([v1::ProductProviderKind::Insurer, v1::ProductProviderKind::Comparator])
    {
        put_provider(&operator, id, kind).await;
        catalog.providers.insert(id.to_owned(), Provider { active: true, kind, version: 1 });
    }
    for id in TARGETS {
        let mut put = if id == V { insurer_portal(id) } else { calculator(id) };
        let (provider, delivery) = match id {
            X => (COMPARATOR, Delivery::Fragment),
            Y => (COMPARATOR, Delivery::Handle),
            N => (COMPARATOR, Delivery::Fragment),
            V => (INSURER, Delivery::Fragment),
            _ => (INSURER, Delivery::Post),
        };
        let lines = (id == N).then(|| vec!["050".to_owned()]);
        if id == N {
            put.accepted_persons = vec![v1::PersonKind::Broker.into()];
            put.lines_of_business = Some(only_lines(&["050"]));
            put.nonce_required = Some(true);
        }
        operator.catalog_admin().put_target(put).await.expect("a target");
        let target = Target {
            provider: provider.to_owned(),
            is_portal: id == V,
            active: true,
            url: url_of(id),
            delivery,
            brokers: true,
            customers: id != V && id != N,
            lines,
            gets_password: id != Y && id != V,
            nonce_required: id == N,
            version: 1,
        };
        catalog.targets.insert(id.to_owned(), target);
    }
    let put = admin::PutReturnUrlRequest {
        request_id: request_id(),
        return_url_id: RETURN_URL_ID.to_owned(),
        etag: String::new(),
        url: RETURN_URL.to_owned(),
    };
    operator.catalog_admin().put_return_url(put).await.expect("a return URL");
    let return_url = ReturnUrl { url: RETURN_URL.to_owned(), active: true, version: 1 };
    catalog.return_urls.insert(RETURN_URL_ID.to_owned(), return_url);
    catalog
}

/// What a furnished tenant begins with: a broker's user with an activation, an Endkunde user that customers share.
fn furniture() -> Vec<Command> {
    let user =
        |name, end_customer, scope| Command::CreateUser { name, end_customer, scope, password: true, email: false };
    vec![
        user(0, false, Scope(0)),
        user(4, true, Scope(3)),
        Command::CreateActivation { brokers: 1, user: Pick::Own(1), reason: false },
        Command::PutCustomers { customers: 7, commercial: 4 },
        Command::UpdateAccess {
            private: Slot::User(Pick::Own(2)),
            commercial: Slot::Keep,
            falls_back: Some(true),
            known: Known::Current,
        },
    ]
}

/// One play of a sequence: callers, and the calls so far.
pub struct Play<'s> {
    pub stage: &'s mut Stage,
    pub model: Model,
    /// The calls so far.
    pub earlier: Vec<Call>,
    callers: BTreeMap<(usize, Who), Client>,
    /// The instant, and what stood in each tenant's rows and in the model when all of it was read last.
    pub looked: [Option<(i64, String, Tenant)>; 2],
    last: Last,
    /// How often each request was answered in each way.
    pub tally: Tally,
}

/// How often something was seen: a request, and `OK` or the reason of its refusal.
pub type Tally = BTreeMap<(&'static str, String), u64>;

/// What was done last; for a report.
enum Last {
    Nothing,
    Waited(i64),
    Called(Box<(Call, Result<Answer, Status>)>),
}

impl<'s> Play<'s> {
    pub async fn begin(stage: &'s mut Stage) -> Self {
        let model = stage.model().await;
        Self {
            stage,
            model,
            earlier: Vec::new(),
            callers: BTreeMap::new(),
            last: Last::Nothing,
            looked: [None, None],
            tally: Tally::new(),
        }
    }

    /// Plays a sequence to its end or to the first difference.
    pub async fn sequence(&mut self, sequence: &Sequence) -> Result<(), Failed> {
        if sequence.furnished {
            for side in [0, 1] {
                for command in furniture() {
                    let step = Step::plain(side, command);
                    self.step(&step, false).await.map_err(|what| Failed { step: 0, what })?;
                }
            }
        }
        for (at, step) in sequence.steps.iter().enumerate() {
            self.step(step, true).await.map_err(|what| Failed { step: at + 1, what })?;
        }
        let small = observe(self, 2).await;
        small.map_err(|what| Failed { step: sequence.steps.len(), what: format!("in pages of two: {what}") })
    }

    /// Plays a step, and looks at everything afterwards if asked to.
    pub async fn step(&mut self, step: &Step, looks: bool) -> Result<(), String> {
        if let Command::Wait { seconds } = step.command {
            self.stage.service.clock.advance(seconds);
            self.model.now += seconds * SECOND;
            self.last = Last::Waited(seconds);
        } else {
            let Some(call) = aim(&mut self.model, step, &self.earlier) else {
                return Ok(());
            };
            self.call(&call).await?;
            self.earlier.push(call);
        }
        if looks { observe(self, WHOLE).await } else { Ok(()) }
    }

    /// Makes a call on both, and compares the answers.
    async fn call(&mut self, call: &Call) -> Result<(), String> {
        let client = self.caller(call.side, call.who);
        let told = call.request.send(&client).await;
        let compared = self.compare(call, &told);
        self.last = Last::Called(Box::new((call.clone(), told)));
        compared
    }

    fn compare(&mut self, call: &Call, told: &Result<Answer, Status>) -> Result<(), String> {
        let seen = self.seen(call, told.as_ref().ok())?;
        let expected = self.model.step(call, &seen);
        let told = match told {
            Ok(answer) => Ok(answer.clone()),
            Err(status) => Err(refused(status)?),
        };
        let way = told.as_ref().map_or_else(|refused| refused.reason.clone(), |_| "OK".to_owned());
        *self.tally.entry((call.request.name(), way)).or_default() += 1;
        same_answer(&told, &expected)
    }

    /// What was done last, in full.
    pub fn last(&self) -> String {
        match &self.last {
            Last::Nothing => "nothing was done yet".to_owned(),
            Last::Waited(seconds) => format!("{seconds} s passed"),
            Last::Called(last) => {
                let (call, told) = &**last;
                format!("{call:?}\nanswered {told:?}")
            }
        }
    }

    /// Makes a call that the model is not asked about.
    pub async fn call_unmodelled(&mut self, call: &Call) -> Result<Answer, Status> {
        let client = self.caller(call.side, call.who);
        call.request.send(&client).await
    }

    /// A caller, with his credential.
    pub fn caller(&mut self, side: usize, who: Who) -> Client {
        let service = &self.stage.service;
        let tenant = &self.model.sides[side].id;
        let client = self.callers.entry((side, who)).or_insert_with(|| match who {
            Who::Admin => service.admin(tenant),
            Who::Portal => service.portal(tenant),
            Who::Broker(at) => service.broker(tenant, BROKERS[at], BROKERS[at]),
            Who::Customer(at) => service.customer(tenant, CUSTOMERS[at], CUSTOMERS[at]),
            Who::Staff(at) => service.customer(tenant, CUSTOMERS[at], "staff"),
            Who::Target(at) => service.target(TARGETS[at]),
            Who::Operator => service.operator(),
        });
        client.clone()
    }

    /// Takes from an answer what only the service can choose. An id that it makes must be new.
    fn seen(&self, call: &Call, answer: Option<&Answer>) -> Result<Seen, String> {
        let Some(answer) = answer else {
            return Ok(Seen::default());
        };
        let (id, proof) = match answer {
            Answer::CreateUser(answer) => (answer.user.as_ref().map(|user| user.user_id.clone()), None),
            Answer::CreateActivation(answer) => (answer.activation.as_ref().map(|one| one.activation_id.clone()), None),
            Answer::JumpToTarif(answer) => {
                let proof = proof_in(&answer.deep_link, answer.form_post.as_ref());
                (Some(answer.jump_id.clone()), proof)
            }
            Answer::JumpToPortal(answer) => {
                let proof = proof_in(&answer.deep_link, answer.form_post.as_ref());
                (Some(answer.jump_id.clone()), proof)
            }
            _ => (None, None),
        };
        if let Some(Proof::Token(token)) = &proof {
            let payload = token.split('.').nth(1).map(decode).unwrap_or_default();
            let payload = String::from_utf8_lossy(&payload).into_owned();
            // Neither the password nor the name of the con:center user is for the browser.
            let mut names = self.model.sides[call.side].users.values().map(|user| &user.name);
            if payload.contains(PASSWORD) || names.any(|name| payload.contains(name)) {
                return Err("the token tells too much".to_owned());
            }
        }
        let proof = proof.map(|proof| self.first_proof(call, proof));
        Ok(Seen { id, proof, answer: Some(answer.clone()) })
    }

    /// The proof under which a jump is known: a repeated request signs the same jump once more.
    fn first_proof(&self, call: &Call, proof: Proof) -> Proof {
        if !self.earlier.iter().any(|before| before.request == call.request) {
            return proof;
        }
        let claims = |proof: &Proof| match proof {
            Proof::Token(token) => token.split('.').nth(1).map(str::to_owned),
            Proof::Handle(handle) => Some(handle.clone()),
        };
        let mut jumps = self.model.sides.iter().flat_map(|side| side.jumps.values());
        jumps.find(|jump| claims(&jump.proof) == claims(&proof)).map_or(proof, |jump| jump.proof.clone())
    }
}

/// What brings the browser to the target.
fn proof_in(deep_link: &str, form_post: Option<&v1::FormPost>) -> Option<Proof> {
    if let Some(form) = form_post {
        return Some(Proof::Token(form.token.clone()));
    }
    if let Some((_, token)) = deep_link.split_once("#token=") {
        return Some(Proof::Token(token.to_owned()));
    }
    deep_link.split_once("?j=").map(|(_, handle)| Proof::Handle(handle.to_owned()))
}

/// Reads a refusal. I8: whatever it is, no password stands in it.
fn refused(status: &Status) -> Result<Refused, String> {
    if everything(status).contains(PASSWORD) {
        return Err("a status tells a password".to_owned());
    }
    if status.code() == tonic::Code::Internal {
        return Err(format!("a fault of ours: {status:?}"));
    }
    let (code, reason) = reason(status);
    let metadata = error_metadata(status);
    let total = metadata.get("related_total").and_then(|total| total.parse().ok()).unwrap_or_default();
    let etag = metadata.get("etag").cloned();
    Ok(Refused { code, reason, fields: fields(status), dependents: dependents(status), total, etag })
}

fn same_answer(told: &Expected, expected: &Expected) -> Result<(), String> {
    // A repeated jump is signed again: the model knows the first token.
    let same = match (told, expected) {
        (Ok(Answer::JumpToTarif(told)), Ok(Answer::JumpToTarif(expected))) => {
            unsigned(&told.deep_link, told.form_post.as_ref())
                == unsigned(&expected.deep_link, expected.form_post.as_ref())
                && (&told.jump_id, told.expires_at) == (&expected.jump_id, expected.expires_at)
        }
        (Ok(Answer::JumpToPortal(told)), Ok(Answer::JumpToPortal(expected))) => {
            unsigned(&told.deep_link, told.form_post.as_ref())
                == unsigned(&expected.deep_link, expected.form_post.as_ref())
                && (&told.jump_id, told.expires_at) == (&expected.jump_id, expected.expires_at)
        }
        (told, expected) => told == expected,
    };
    if same { Ok(()) } else { Err(format!("answered:  {told:?}\nexpected:  {expected:?}")) }
}

/// Link and form without the signature of the token.
fn unsigned(deep_link: &str, form_post: Option<&v1::FormPost>) -> (String, String, String) {
    let body = |text: &str| text.rsplit_once('.').map_or(text, |(body, _)| body).to_owned();
    let link = if deep_link.contains('#') { body(deep_link) } else { deep_link.to_owned() };
    let form = form_post.cloned().unwrap_or_default();
    (link, form.action_url, body(&form.token))
}
