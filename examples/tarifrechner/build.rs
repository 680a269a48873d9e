//! Compiles the part of `proto/` that a target needs into Rust, with no `protoc` on the machine.
//!
//! The program gets the client alone. The server is generated beside it, over the same messages, for the gateway that the
//! tests play.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use protox::prost_reflect::{FieldDescriptor, Value};

/// Root of the imports: the contract of the gateway, as it is.
const PROTO_ROOT: &str = "../../proto";
/// What a target calls; what it imports comes along.
const JUMPS: &str = "concenter/v1/jump.proto";
/// What a target calls of it, and so all that the tests play.
const CALLS: [&str; 3] = ["IntrospectJump", "RedeemJump", "ReportJumpResult"];
/// Where the tests find the generated server, below `OUT_DIR`.
const FAKE: &str = "fake";

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed={PROTO_ROOT}");
    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_file(JUMPS)?;
    // A derived `Debug` would print tokens, nonces and passwords: these messages get none at all.
    let redacted: Vec<_> = compiler
        .descriptor_pool()
        .all_messages()
        .filter(|message| message.fields().any(|field| is_redacted(&field)))
        .map(|message| format!(".{}", message.full_name()))
        .collect();
    let mut descriptors = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        .build_server(false)
        .skip_debug(redacted.iter())
        .compile_fds(descriptors.clone())
        .context("generate the client")?;

    for file in &mut descriptors.file {
        // Comments are found by the place of a call, which is now another one.
        file.source_code_info = None;
        for service in &mut file.service {
            service.method.retain(|method| CALLS.contains(&method.name()));
        }
        file.service.retain(|service| !service.method.is_empty());
    }
    let fake = out_dir()?.join(FAKE);
    fs::create_dir_all(&fake).context("make the directory of the server of the tests")?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".concenter.v1", "::tarifrechner::proto")
        .out_dir(fake)
        .compile_fds(descriptors)
        .context("generate the server of the tests")
}

/// Where cargo wants what a build script makes.
#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment alone")]
fn out_dir() -> anyhow::Result<PathBuf> {
    env::var_os("OUT_DIR").map(PathBuf::from).context("cargo did not set OUT_DIR")
}

/// Tells whether the field is marked `debug_redact`. `prost-types` does not know this option, so it is read by name.
fn is_redacted(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").is_some_and(|value| *value == Value::Bool(true))
}
