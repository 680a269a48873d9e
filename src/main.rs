//! The program `concenter`: reads its arguments, starts the log, runs one subcommand.

use std::process::ExitCode;

use anyhow::Context as _;
use concenter_gateway::cli::{self, Cli};
use concenter_gateway::config::{LogFormat, LogSettings};
use concenter_gateway::telemetry::traces::{Collector, Traces};
use concenter_gateway::telemetry::{self, Format};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::report(&error),
    }
}

fn start() -> anyhow::Result<()> {
    let Cli { log, command } = cli::parse(std::env::args_os())?;
    let runtime = Runtime::new().context("start the runtime")?;
    let traces = start_log(&log, command.collector().as_ref(), &runtime)?;
    let outcome = runtime.block_on(cli::run(command, traces));
    // Without waiting: what had to finish has finished, and a second signal must end the process at once.
    runtime.shutdown_background();
    outcome
}

fn start_log(
    settings: &LogSettings,
    collector: Option<&Collector>,
    runtime: &Runtime,
) -> anyhow::Result<Option<Traces>> {
    // The connection to the collector lives on it.
    let _entered = runtime.enter();
    let format = match settings.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    Ok(telemetry::start(format, &settings.log, collector)?)
}
