//! Throw-away servers: each in a directory of its own that goes with it, however the process ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use super::binaries::Binaries;
use super::cluster::{Cluster, Leftovers, TestDatabase};
use super::hex;

/// The superuser of a throw-away server.
const SUPERUSER: &str = "postgres";
/// How often a port is looked for, since another process may take it before the server does.
const ATTEMPTS: usize = 5;
/// How it runs: as PostgreSQL does by default, but that nothing survives a loss of power. Room for many small pools.
const OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off \
                       -c synchronous_commit=on -c max_connections=300 -c shared_buffers=64MB -c timezone=UTC";
/// Waits until its standard input ends, which it does with the process that holds the other end, then stops the server in
/// `$2`, and its standby, and removes `$2`; the programs are in `$1`. A server that is frozen has to go on in order to end.
const WATCHDOG: &str = r#"
    read -r _
    if pid=$(head -n 1 "$2/data/postmaster.pid"); then
        kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
        "$1/pg_ctl" stop --silent --mode immediate --pgdata "$2/data"
    fi
    if [ -f "$2/standby/postmaster.pid" ]; then
        "$1/pg_ctl" stop --silent --mode immediate --pgdata "$2/standby"
    fi
    rm -rf "$2"
"#;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    binaries: Binaries,
    /// With the data directory and the log.
    directory: PathBuf,
    /// As its superuser.
    url: Url,
    watchdog: Child,
}

impl Server {
    /// Makes a server and starts it. The error says why there is none.
    pub(super) fn start() -> Result<Self, String> {
        Self::start_in(None)
    }

    /// The same in a directory of `parent`, which its user may enter, or where temporary files are.
    fn start_in(parent: Option<&Path>) -> Result<Self, String> {
        let binaries = Binaries::find()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("concenter-postgres-");
        let directory = parent.map_or_else(|| builder.tempdir(), |parent| builder.tempdir_in(parent));
        let directory = directory.map_err(|error| error.to_string())?;
        binaries.hand_over(directory.path())?;
        let watchdog = watchdog(&binaries, directory.path())?;
        // From here on the directory is the watchdog's to remove.
        let directory = directory.keep();
        let password = hex::<16>();
        initialise(&binaries, &directory, &password)?;
        let port = start_on_some_port(&binaries, &directory.join("data"))?;
        let url = format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres");
        let url = Url::parse(&url).map_err(|error| error.to_string())?;
        Ok(Self { binaries, directory, url, watchdog })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// What it writes down.
    pub(super) fn log(&self) -> PathBuf {
        log_of(&self.directory.join("data"))
    }

    fn port(&self) -> u16 {
        self.url.port().expect("its URL has a port")
    }

    /// The first process of the server and those that it has started.
    fn processes(&self) -> Vec<Pid> {
        let pid = fs::read_to_string(self.directory.join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("a line with the process");
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its processes");
        let pids = std::iter::once(pid).chain(children.split_whitespace());
        pids.map(|pid| Pid::from_raw(pid.parse().expect("a number")).expect("not 0")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // Nobody is left to hear of a failure.
        let _ = self.watchdog.wait();
    }
}

/// A server of one test alone, which may stop and freeze it.
#[derive(Debug)]
pub struct PrivateServer {
    server: Server,
    cluster: Arc<Cluster>,
}

impl PrivateServer {
    /// Starts one, or nothing where no PostgreSQL is installed or the shared server is left out.
    ///
    /// # Panics
    /// Where it is installed and does not start, or `CONCENTER_TESTS_NEED_POSTGRES` says that it must be.
    pub async fn start_new() -> Option<Self> {
        Self::start_new_at(None).await
    }

    /// The same with its data in a directory of `parent`, which others may enter.
    ///
    /// # Panics
    /// As [`Self::start_new`].
    pub async fn start_new_in(parent: &Path) -> Option<Self> {
        Self::start_new_at(Some(parent)).await
    }

    async fn start_new_at(parent: Option<&Path>) -> Option<Self> {
        if Binaries::find().is_err() {
            super::cluster().await?;
        }
        let server = Server::start_in(parent).expect("a server of its own");
        let cluster = Arc::new(Cluster::make(server.url().clone(), Leftovers::Kept, Some(server.log())).await);
        Some(Self { server, cluster })
    }

    /// Makes a fresh database with the schema of this program.
    ///
    /// # Panics
    /// If the server does not run.
    pub async fn database(&self) -> TestDatabase {
        Cluster::database(&self.cluster).await
    }

    /// The port on 127.0.0.1 that it listens on, the same after a stop.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The directory of everything that is its own.
    pub fn directory(&self) -> &Path {
        &self.server.directory
    }

    /// Ends it at once, as a crash does: no connection is closed in order.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&self) {
        let mut stop = self.server.binaries.command("pg_ctl");
        stop.args(["stop", "--silent", "--mode", "immediate", "--pgdata"]).arg(self.server.directory.join("data"));
        run(&mut stop).expect("the server stops");
    }

    /// Starts it again on its port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&self) {
        start_on(&self.server.binaries, &self.server.directory.join("data"), self.port())
            .expect("the server starts again");
    }

    /// Copies it as it is now, as a standby that has nothing of what comes later unless it runs.
    ///
    /// # Panics
    /// If it does not run.
    pub fn make_standby(&self) {
        let mut copy = self.server.binaries.command("pg_basebackup");
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync", "--dbname"]);
        copy.arg(self.server.url.as_str()).arg("--pgdata").arg(self.standby());
        run(&mut copy).expect("a copy of the server");
    }

    /// Starts the standby on a port of its own. It follows the server.
    ///
    /// # Panics
    /// If there is none.
    pub fn start_standby(&self) {
        start_on_some_port(&self.server.binaries, &self.standby()).expect("the standby starts");
    }

    /// Stops the standby in order: it keeps all that it was sent.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop_standby(&self) {
        let mut stop = self.server.binaries.command("pg_ctl");
        stop.args(["stop", "--silent", "--mode", "fast", "--pgdata"]).arg(self.standby());
        run(&mut stop).expect("the standby stops");
    }

    /// Starts the standby on the port of the server, which was stopped and is gone. It takes no writes yet.
    ///
    /// # Panics
    /// If there is none.
    pub fn put_standby_in_its_place(&self) {
        let data = self.server.directory.join("data");
        fs::rename(&data, self.server.directory.join("gone")).expect("a server that is gone");
        fs::rename(self.standby(), &data).expect("a standby in its place");
        self.start();
    }

    /// Makes what was a standby take writes, on a timeline of its own.
    ///
    /// # Panics
    /// If it is no standby.
    pub fn promote(&self) {
        let mut promote = self.server.binaries.command("pg_ctl");
        promote.args(["promote", "--silent", "--wait", "--pgdata"]).arg(self.server.directory.join("data"));
        run(&mut promote).expect("it is promoted");
    }

    fn standby(&self) -> PathBuf {
        self.server.directory.join("standby")
    }

    /// Starts it again if it has ended by itself, as whoever supervises it does.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_if_ended(&self) {
        let data = self.server.directory.join("data");
        let mut status = self.server.binaries.command("pg_ctl");
        if run(status.arg("status").arg("--pgdata").arg(&data)).is_err() {
            self.start();
        }
    }

    /// Makes it stand still with its connections open: whoever asks gets no answer.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        // The first process first: it starts the others.
        let pids = self.server.processes();
        kill_process(pids[0], Signal::STOP).expect("it is ours");
        for pid in self.server.processes() {
            // One that has just ended is as still.
            let _ = kill_process(pid, Signal::STOP);
        }
    }

    /// Makes it go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        for pid in self.server.processes() {
            // One that was killed meanwhile is not there to go on.
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}

/// Starts the process that ends the server and removes `directory` when this process is gone. In a group of its own: who
/// ends the tests from a terminal does not end it.
fn watchdog(binaries: &Binaries, directory: &Path) -> Result<Child, String> {
    let mut watchdog = binaries.as_user(Command::new("/bin/sh"));
    watchdog.args(["-c", WATCHDOG, "concenter-postgres-watchdog"]).arg(binaries.folder()).arg(directory);
    watchdog.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    watchdog.spawn().map_err(|error| format!("no watchdog: {error}"))
}

fn initialise(binaries: &Binaries, directory: &Path, password: &str) -> Result<(), String> {
    let password_file = directory.join("password");
    fs::write(&password_file, password).map_err(|error| error.to_string())?;
    binaries.hand_over(&password_file)?;
    let mut initdb = binaries.command("initdb");
    initdb.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]);
    initdb.args(["--username", SUPERUSER, "--pwfile"]).arg(&password_file).arg("--pgdata").arg(directory.join("data"));
    run(&mut initdb)
}

/// Starts the server on a port that is free. PostgreSQL takes no port 0, so one is picked before.
fn start_on_some_port(binaries: &Binaries, data: &Path) -> Result<u16, String> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        drop(listener);
        match start_on(binaries, data, port) {
            Ok(()) => return Ok(port),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

/// The log is beside the data directory.
fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn start_on(binaries: &Binaries, data: &Path, port: u16) -> Result<(), String> {
    let log = log_of(data);
    let mut start = binaries.command("pg_ctl");
    start.args(["start", "--wait", "--silent", "--options", &format!("{OPTIONS} -p {port}")]);
    start.arg("--log").arg(&log).arg("--pgdata").arg(data);
    run(&mut start).map_err(|reason| {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let told = log.lines().rfind(|line| line.contains("FATAL")).unwrap_or_default();
        format!("{reason} {told}")
    })
}

/// Runs a program to its end; the error is what it says.
fn run(command: &mut Command) -> Result<(), String> {
    let told = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if told.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&told.stderr).trim().replace('\n', " ")) }
}
