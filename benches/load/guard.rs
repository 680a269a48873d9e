//! Children that end with the run, however that ends.
//!
//! Between this process and a child stands a guard: this program once more. It holds the read end of a pipe and kills the
//! child when the pipe closes, which it does when the [`Guarded`] is dropped, and also when this process is killed. A guard that
//! is killed itself leaves its child behind.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use super::postgres::as_database_user;

/// What a guard prints before the id of the process that it guards.
const PID: &str = "guarded process ";

/// As whom a child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runs {
    /// As this process does
    AsWe,
    /// As somebody else where this is root, which PostgreSQL refuses
    AsDatabaseUser,
}

/// A running child.
pub(crate) struct Guarded {
    guard: Child,
    pid: Pid,
    said: Said,
}

/// What comes from a guard and its child, in whichever order they say it.
struct Said {
    lines: io::Lines<BufReader<ChildStdout>>,
    /// Lines that nobody has asked for yet.
    passed: Vec<String>,
}

impl Guarded {
    /// Starts `program` without environment. What it logs goes to the file `log`.
    pub(crate) fn start<A: AsRef<OsStr>>(
        runs: Runs,
        program: &Path,
        arguments: &[A],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let runs = runs.to_possible_value().context("a way to run without a name")?;
        let mut guard = Command::new(std::env::current_exe().context("find this program")?)
            .args(["guard", runs.get_name()])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log).with_context(|| format!("make {}", log.display()))?)
            // Ctrl-C reaches this process alone, which then ends its children in order.
            .process_group(0)
            .spawn()
            .context("start a guard")?;
        let lines = BufReader::new(guard.stdout.take().context("a guard without output")?).lines();
        let mut said = Said { lines, passed: Vec::new() };
        let pid = said.find(PID).with_context(|| format!("{}: see {}", program.display(), log.display()))?;
        let pid = pid.parse().ok().and_then(Pid::from_raw).context("a guard told no process id")?;
        Ok(Self { guard, pid, said })
    }

    /// Waits for the line that begins with `prefix`, and gives the rest of it.
    pub(crate) fn line(&mut self, prefix: &str) -> anyhow::Result<String> {
        self.said.find(prefix)
    }

    /// The process id of the child.
    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }

    /// Asks the child to end by a signal, and waits until it has.
    pub(crate) fn stop(mut self, signal: Signal) -> anyhow::Result<()> {
        // `wait` would close the pipe, and have the child killed.
        let _pipe = self.guard.stdin.take();
        kill_process(self.pid, signal).context("end a child")?;
        let status = self.guard.wait().context("wait for a child")?;
        ensure!(status.success(), "a child did not end well: {status}");
        Ok(())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // `wait` closes the pipe first. A child that has ended already is as good.
        let _ = self.guard.wait();
    }
}

impl Said {
    /// Waits for the line that begins with `prefix`, and gives the rest of it.
    fn find(&mut self, prefix: &str) -> anyhow::Result<String> {
        let rest = |line: &str| line.trim().strip_prefix(prefix).map(|rest| rest.trim().to_owned());
        if let Some(found) = self.passed.iter().find_map(|line| rest(line)) {
            return Ok(found);
        }
        for line in &mut self.lines {
            let line = line.context("read from a child")?;
            if let Some(found) = rest(&line) {
                return Ok(found);
            }
            self.passed.push(line);
        }
        bail!("a child ended before it said `{}`", prefix.trim())
    }
}

/// The guard: runs the command until standard input ends.
pub(crate) fn run(runs: Runs, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("nothing to guard")?;
    let mut child = Command::new(program);
    child.args(arguments).env_clear().stdin(Stdio::null());
    if runs == Runs::AsDatabaseUser {
        child = as_database_user(child)?;
    }
    let mut child = child.spawn().context("start the child")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
    writeln!(io::stdout(), "{PID}{}", pid.as_raw_nonzero()).context("tell the process id")?;
    thread::spawn(move || {
        // An error is an end as well.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = kill_process(pid, Signal::KILL);
    });
    let status = child.wait().context("wait for the child")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
