//! `concenter demo`: the example of five con:center users, told through the real API.
//!
//! It starts the service in this process on a fresh data directory and then is nothing but its client. `script` is
//! what happens, `play` makes the calls, `seen` holds what came of them against the script, `output` tells it. While it stays up, `browser`
//! shows it: the example Tarifrechner as a target, and `portal`, a stand-in for the portal.

mod browser;
mod desk;
mod output;
mod play;
mod portal;
mod script;
mod seen;
mod table;

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

use self::browser::{Browsable, Sockets, is_browsable};
use self::desk::{Desk, TOKEN_LIFE};
use self::output::{Form, Output};
use self::play::Stage;
use self::script::{COMPARATOR_CALCULATOR, Caller, MEIER, PRIVATE_1, PRIVATE_2, STORY};
use self::seen::{Seen, differences};
use super::out::{OutputClosed, not_printed};
use crate::config::ServerSettings;
use crate::domain::ids::RequestId;
use crate::server::{Outside, Running, Server};

/// Where gRPC listens if the service stays up.
const GRPC_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);
/// Where HTTP listens if the service stays up.
const HTTP_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the example Tarifrechner listens.
const CALCULATOR_ADDR: &str = "127.0.0.1:8090";
/// Where the stand-in for the portal listens.
const PORTAL_ADDR: &str = "127.0.0.1:8091";
/// What it says instead of where to look with a browser.
const NOT_BROWSABLE: &str = "\nThere is nothing to see in a browser: portal and Tarifrechner take jumps from this machine alone, by IPv4. \
    Try it with --http-addr 127.0.0.1:8080 or 0.0.0.0:8080";
/// Any free port of this machine alone.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Tell the example of five con:center users through the real API, and stay up for trying by hand
///
/// Starts the service on a fresh data directory, sets the example up, jumps and redeems, and checks that every step
/// comes out as it must. Then a small portal and an example Tarifrechner are there to try it in a browser. Nothing leaves
/// this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter demo\n  \
    concenter demo --once --json\n  \
    concenter demo --data-dir /tmp/try --grpc-addr 127.0.0.1:0 --http-addr 127.0.0.1:0 \
    --calculator-addr 127.0.0.1:0 --portal-addr 127.0.0.1:0\n\n\
    Exit code 0 if every step came out as told, 1 if not")]
pub struct Args {
    /// End after the story instead of staying up until Ctrl-C
    #[arg(long)]
    pub once: bool,

    /// Print one JSON object a step to standard output, and nothing else
    #[arg(long)]
    pub json: bool,

    /// Directory for the data; it must be empty or absent [default: a new one for temporary files]
    // No environment variable here: the one of `serve` may point to data that matters.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Address and port for gRPC [default: 127.0.0.1:50051, or any free port with --once]
    #[arg(long, value_name = "ADDR:PORT")]
    pub grpc_addr: Option<SocketAddr>,

    /// Address and port for HTTP [default: 127.0.0.1:8080, or any free port with --once]
    #[arg(long, value_name = "ADDR:PORT")]
    pub http_addr: Option<SocketAddr>,

    /// Address and port of this machine for the example Tarifrechner, IPv4; not with --once
    #[arg(long, value_name = "ADDR:PORT", default_value = CALCULATOR_ADDR, value_parser = parse_calculator)]
    pub calculator_addr: SocketAddr,

    /// Address and port of this machine for the stand-in for the portal; not with --once
    #[arg(long, value_name = "ADDR:PORT", default_value = PORTAL_ADDR, value_parser = parse_loopback)]
    pub portal_addr: SocketAddr,
}

/// An address that other machines do not reach: whoever comes there is taken for whom he says he is.
fn parse_loopback(text: &str) -> Result<SocketAddr, &'static str> {
    let address: SocketAddr = text.parse().map_err(|_| "give an IP address and a port")?;
    address.ip().is_loopback().then_some(address).ok_or("give an address of this machine alone, as 127.0.0.1")
}

/// The same for the calculator. No policy of the landing page can name an IPv6 address, so browsers would post no jump there.
fn parse_calculator(text: &str) -> Result<SocketAddr, &'static str> {
    let address = parse_loopback(text)?;
    address
        .is_ipv4()
        .then_some(address)
        .ok_or("give an IPv4 address, as 127.0.0.1: browsers post no jump to an IPv6 one")
}

/// Tells the story, and stays up if asked to.
///
/// # Errors
/// If the data directory is not fresh, if the service does not start, or if a step came out otherwise than told.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    let form = if args.json { Form::Json } else { Form::Story };
    let mut output = Output { form, out: &mut out, notes: &mut notes };

    let outside = Outside::system();
    let directory = Directory::fresh(args.data_dir.as_deref(), &outside)?;
    let settings = settings(&args, &directory.path);
    let sockets = if args.once || !is_browsable(settings.http_addr) {
        None
    } else {
        Some(Sockets::bind(args.calculator_addr, args.portal_addr).await.inspect_err(|_| directory.discard())?)
    };
    let mut service = match Server::start(settings).await {
        Ok(service) => service,
        Err(error) => {
            directory.discard();
            return Err(error.into());
        }
    };
    let ended = tell_and_stay(&mut service, sockets, (&directory.path, &args), outside, &mut output).await;
    service.shutdown().await;
    let ended = ended.map_err(|error| error.downcast::<io::Error>().map_or_else(|error| error, not_printed));
    // Nobody has a token to go on with, and nothing went wrong that somebody may want to look into.
    let is_well = ended.as_ref().err().is_none_or(anyhow::Error::is::<OutputClosed>);
    if args.once && args.json && is_well {
        directory.discard();
    }
    ended
}

async fn tell_and_stay(
    service: &mut Running,
    sockets: Option<Sockets>,
    (data_dir, args): (&Path, &Args),
    outside: Outside,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    output.say(&format!(
        "con:center gateway\n  gRPC  http://{}\n  HTTP  http://{}\n  data  {}\n",
        service.grpc_addr,
        service.http_addr,
        data_dir.display()
    ))?;
    let mut desk = Desk::connect(service, outside).await?;
    desk.open().await?;
    let desk = Arc::new(desk);
    let mut stage = Stage::new(&desk);
    let told = tell(&mut stage, output).await?;
    let accounts = stage.accounts();
    if output.form == Form::Story {
        show_tokens(&desk, output)?;
        show_what_next(service, &desk, data_dir, args.once, output)?;
    }
    if let Some(sockets) = sockets {
        let browsable = Browsable::start(sockets, service, &desk, accounts).await?;
        show_browsable(&browsable, output)?;
        let stayed = stay_up(service).await;
        browsable.shutdown().await;
        stayed?;
    } else if !args.once {
        output.say(NOT_BROWSABLE)?;
        stay_up(service).await?;
    }
    told.into_result()
}

/// How many steps came out as told.
struct Told {
    as_told: usize,
}

impl Told {
    fn into_result(self) -> anyhow::Result<()> {
        ensure!(self.as_told == STORY.len(), "only {} of {} steps came out as told", self.as_told, STORY.len());
        Ok(())
    }
}

/// Plays every step; one that fails does not keep the next ones from being tried.
async fn tell(stage: &mut Stage<'_>, output: &mut Output<'_>) -> io::Result<Told> {
    let mut subjects = HashMap::new();
    let mut as_told = 0;
    for step in STORY {
        let seen = match stage.play(step).await {
            Ok(seen) => seen,
            Err(error) => {
                output.complain(&format!("{}: could not be played: {error:#}", step.name))?;
                continue;
            }
        };
        output.step(step, &seen)?;
        let wrong = differences(&step.expected, &seen, &subjects);
        for difference in &wrong {
            output.complain(&format!("{}: {difference}", step.name))?;
        }
        as_told += usize::from(wrong.is_empty());
        if let Seen::Redeemed(redeemed) = seen {
            subjects.insert(step.name, redeemed.subject);
        }
    }
    Ok(Told { as_told })
}

fn settings(args: &Args, data_dir: &Path) -> ServerSettings {
    // A story that only runs through must not collide with a service that stands on the usual ports.
    let (grpc, http) = if args.once { (ANY_PORT, ANY_PORT) } else { (GRPC_ADDR, HTTP_ADDR) };
    ServerSettings {
        grpc_addr: args.grpc_addr.unwrap_or(grpc),
        http_addr: args.http_addr.unwrap_or(http),
        ..ServerSettings::local(data_dir.to_owned())
    }
}

/// Where the data of this run is.
struct Directory {
    path: PathBuf,
    /// Whether it was made for this run alone.
    is_temporary: bool,
}

impl Directory {
    /// The directory that was asked for, if it holds nothing; without one, a new one that nobody else may read.
    fn fresh(wanted: Option<&Path>, outside: &Outside) -> anyhow::Result<Self> {
        let Some(wanted) = wanted else {
            return Self::temporary(outside);
        };
        let path = wanted.to_owned();
        match fs::read_dir(wanted).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(Self { path, is_temporary: false }),
            Ok(false) => bail!("{} is not empty: the demo needs a fresh data directory", wanted.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self { path, is_temporary: false }),
            Err(error) => Err(error).with_context(|| format!("look into {}", wanted.display())),
        }
    }

    fn temporary(outside: &Outside) -> anyhow::Result<Self> {
        let id = RequestId::new(outside.clock.now(), &*outside.random);
        let path = std::env::temp_dir().join(format!("concenter-demo-{id}"));
        // Fails if it exists: nobody can have put a directory of his own there.
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { path, is_temporary: true })
    }

    /// Removes it if it was made for this run; what a user named is his.
    fn discard(&self) {
        if self.is_temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(
                path = %self.path.display(), error = &error as &dyn std::error::Error,
                "demo.data.not_removed"
            );
        }
    }
}

/// Ready-made tokens as shell variables, one a role.
fn show_tokens(desk: &Desk, output: &mut Output<'_>) -> anyhow::Result<()> {
    let hours = TOKEN_LIFE.as_secs() / 3600;
    output.say(&format!("Tokens for trying by hand, good for {hours} hours. Paste them into a shell:\n"))?;
    let private_2 = Caller::Customer { id: PRIVATE_2, at_screen: PRIVATE_2 };
    let roles = [
        ("OPERATOR", Caller::Operator, "tenants and the catalogue".to_owned()),
        ("ADMIN", Caller::Admin, "users, activations, customer access of the firm".to_owned()),
        ("PORTAL", Caller::Portal, "jumps for whomever it names".to_owned()),
        ("BROKER", Caller::Broker(MEIER), format!("broker {MEIER}")),
        ("CUSTOMER", private_2, format!("customer {PRIVATE_2}")),
        ("TARGET", Caller::Target(COMPARATOR_CALCULATOR.id), format!("target {}", COMPARATOR_CALCULATOR.id)),
    ];
    for (variable, caller, what) in roles {
        output.say(&format!("# {what}\n{variable}={}", desk.token(caller)?))?;
    }
    Ok(())
}

/// Calls to paste into a shell, and how it ends or goes on.
fn show_what_next(
    service: &Running,
    desk: &Desk,
    data_dir: &Path,
    once: bool,
    output: &mut Output<'_>,
) -> io::Result<()> {
    if once {
        return output
            .say(&format!("\nTo go on with these data and tokens: concenter serve --data-dir {}", data_dir.display()));
    }
    let target = COMPARATOR_CALCULATOR.id;
    let jump = format!(
        r#"{{"requestId":"{}","targetId":"{target}","person":{{"customer":{{"customerId":"{PRIVATE_1}"}}}}}}"#,
        desk.request_id()
    );
    let explain = format!(r#"{{"targetId":"{target}","person":{{"brokerId":"{MEIER}"}}}}"#);
    let redeem = r#"{"token":"'"$JUMP"'"}"#;
    let calls = [
        (
            "A jump for a private customer. The next one needs another UUID as requestId",
            "JumpToTarif",
            "PORTAL",
            &*jump,
        ),
        (
            "The target redeems it within 60 s. Put into JUMP what stands behind #token= in deepLink",
            "RedeemJump",
            "TARGET",
            redeem,
        ),
        ("Which con:center user a broker would get, and why", "ExplainJump", "ADMIN", &*explain),
    ];
    for (tells, method, variable, request) in calls {
        output.say(&format!(
            "\n# {tells}:\nbuf curl --protocol grpc --http2-prior-knowledge -H \"authorization: Bearer ${variable}\" \\\n  \
             -d '{request}' \\\n  http://{}/concenter.v1.JumpService/{method}",
            service.grpc_addr
        ))?;
    }
    output.say("\nThe service stays up until Ctrl-C. The data directory is left.")
}

/// Where to look with a browser. It comes last: it is what most people want.
fn show_browsable(browsable: &Browsable, output: &mut Output<'_>) -> io::Result<()> {
    output.say(&format!(
        "\nIn a browser, with a fresh jump at every click:\n  portal        {}\n  Tarifrechner  {}",
        browsable.portal_url(),
        browsable.calculator_url()
    ))
}

/// Waits for Ctrl-C.
async fn stay_up(service: &mut Running) -> anyhow::Result<()> {
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal.context("wait for Ctrl-C"),
        error = service.failed() => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(once: bool) -> Args {
        let [calculator_addr, portal_addr] = [CALCULATOR_ADDR, PORTAL_ADDR].map(|address| address.parse().unwrap());
        Args { once, json: true, data_dir: None, grpc_addr: None, http_addr: None, calculator_addr, portal_addr }
    }

    #[test]
    fn a_story_that_only_runs_through_takes_free_ports() {
        let settings = |args: &Args| settings(args, Path::new("x"));
        assert_eq!(settings(&args(true)).grpc_addr, ANY_PORT);
        assert_eq!(settings(&args(false)).grpc_addr, GRPC_ADDR);
        let asked = Args { http_addr: Some(HTTP_ADDR), ..args(true) };
        assert_eq!(settings(&asked).http_addr, HTTP_ADDR);
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let fresh = |path: &Path| Directory::fresh(Some(path), &Outside::system());
        assert!(fresh(parent.path()).is_ok());
        assert!(fresh(&parent.path().join("absent")).is_ok());
        fs::write(parent.path().join("file"), "x").unwrap();
        let refusal = fresh(parent.path()).err().unwrap().to_string();
        assert!(refusal.contains("is not empty"), "{refusal}");
        assert!(fresh(&parent.path().join("file")).is_err());
    }

    #[test]
    fn only_a_directory_of_its_own_is_removed() {
        let own = Directory::fresh(None, &Outside::system()).unwrap();
        own.discard();
        assert!(!own.path.exists());
        let parent = tempfile::tempdir().unwrap();
        Directory::fresh(Some(parent.path()), &Outside::system()).unwrap().discard();
        assert!(parent.path().exists());
    }

    /// Tells the whole story in one form; gives what was told, and every password that was entered.
    async fn told(form: Form) -> (String, String, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let service = Server::start(ServerSettings::local(directory.path().join("data"))).await.unwrap();
        let mut desk = Desk::connect(&service, Outside::system()).await.unwrap();
        desk.open().await.unwrap();
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut stage = Stage::new(&desk);
        let told = tell(&mut stage, &mut Output { form, out: &mut out, notes: &mut notes }).await.unwrap();
        let passwords = stage.accounts().values().map(|password| password.to_string()).collect();
        drop(desk);
        service.shutdown().await;
        let notes = String::from_utf8(notes).unwrap();
        assert!(told.into_result().is_ok(), "{notes}");
        (String::from_utf8(out).unwrap(), notes, passwords)
    }

    #[tokio::test]
    async fn every_step_comes_out_as_told_with_one_object_a_line() {
        let (out, notes, _) = told(Form::Json).await;
        assert_eq!(notes, "");
        let steps: Vec<String> = out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|object| object["step"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(steps, STORY.iter().map(|step| step.name).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_story_shows_every_delivery_and_no_password() {
        let (out, _, passwords) = told(Form::Story).await;
        for trace in ["#token=", "?j=", "form field token="] {
            assert!(out.contains(trace), "{trace}");
        }
        assert_eq!(passwords.len(), 4);
        assert!(passwords.iter().all(|password| !out.contains(password)));
    }
}
