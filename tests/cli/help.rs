//! What the program tells of itself, and the form of what it tells machines.

use clap::CommandFactory as _;
use concenter_gateway::cli::Cli;
use concenter_gateway::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::client::{Firm, Office};
use super::place::Place;

/// The words that lead to each command, the program itself first.
fn commands() -> Vec<Vec<String>> {
    fn below(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
        found.push(words.to_vec());
        for command in command.get_subcommands() {
            below(command, &[words, &[command.get_name().to_owned()]].concat(), found);
        }
    }
    let mut found = Vec::new();
    below(&Cli::command(), &[], &mut found);
    found
}

#[test]
fn every_command_helps_with_examples() {
    let commands = commands();
    assert!(commands.len() > 60, "{}", commands.len());
    for words in commands {
        let words: Vec<_> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = Place::new().run(&words);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(help.out.contains("\nExamples:\n  concenter "), "{words:?}: {}", help.out);
    }
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Place::new().run(&["completions", shell]);
        assert_eq!((script.code, script.err.as_str()), (Some(0), ""), "{shell}");
        assert!(script.out.contains("set-end-customer") && script.out.contains("return-url"), "{shell}");
    }
}

#[test]
fn json_is_canonical() {
    let office = Office::open();
    let firm = Firm::of(&office);
    firm.shared_user("privatkunden");
    firm.portal.text(&["customer", "put", "c-1", "private"]);
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the protos");
    let explain = ["jump", "explain", "--target", "vergleicher-rechner", "--customer", "c-1"];
    for (caller, words, name) in [
        (&firm.admin, &["user", "list"][..], "v1.ConcenterUser"),
        (&firm.admin, &["customer", "get", "c-1"], "v1.Customer"),
        (&firm.admin, &["access", "get"], "v1.CustomerAccess"),
        (&firm.admin, &["settings", "get"], "v1.Settings"),
        (&firm.admin, &explain, "v1.ExplainJumpResponse"),
        (&firm.admin, &["simulate", "disable-provider", "vergleicher"], "v1.SimulateChangeResponse"),
        (&firm.admin, &["target", "list", "--as-tenant"], "v1.Target"),
        (&firm.admin, &["provider", "list", "--as-tenant"], "v1.ProductProvider"),
        (&firm.operator, &["target", "list"], "admin.v1.Target"),
        (&firm.operator, &["provider", "list"], "admin.v1.ProductProvider"),
        (&firm.operator, &["tenant", "list"], "admin.v1.Tenant"),
    ] {
        let descriptor = pool.get_message_by_name(&format!("concenter.{name}")).expect("a message");
        let text = caller.text(&[words, &["--json"]].concat());
        assert!(!text.is_empty(), "{words:?}");
        for line in text.lines() {
            let mut reader = serde_json::Deserializer::from_str(line);
            // Refuses a field that the protos do not have.
            let message =
                DynamicMessage::deserialize(descriptor.clone(), &mut reader).expect("a message of the protos");
            assert_eq!(serde_json::to_string(&message).expect("json"), line, "{words:?}");
        }
    }
}
