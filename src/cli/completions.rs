//! `concenter completions`: lets a shell complete the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::out::print;

/// Print the script that lets a shell complete the command line
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter completions bash > ~/.local/share/bash-completion/completions/concenter\n  \
    concenter completions zsh > ~/.zfunc/_concenter\n  \
    concenter completions fish > ~/.config/fish/completions/concenter.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// If standard output is closed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "concenter", &mut script);
    print(std::str::from_utf8(&script)?)
}
