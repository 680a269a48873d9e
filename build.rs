//! Compiles `proto/` into Rust, with no `protoc` on the machine.
//!
//! Beside the code it leaves the descriptor set, for reflection and for tests that walk every RPC, and the
//! names of the messages that must not show all they carry.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Value};

/// Root of the imports.
const PROTO_ROOT: &str = "proto";
/// Packages that are ours begin with this; the others are Google's well-known types.
const OUR_PACKAGES: &str = "concenter.";
/// Name of the descriptor set in `OUT_DIR`.
const DESCRIPTOR_SET: &str = "concenter_descriptor.bin";

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed={PROTO_ROOT}");
    // They are compiled in by a macro, which cargo cannot see through.
    println!("cargo::rerun-if-changed=migrations");

    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(proto_files(Path::new(PROTO_ROOT))?)?;
    let redacted = redacted_messages(&compiler.descriptor_pool());
    println!("cargo::rustc-env=REDACTED_MESSAGES={}", join(&redacted));

    let out_dir = out_dir()?;
    // Encoded by the compiler: `prost-types` would lose the options that it does not know.
    fs::write(out_dir.join(DESCRIPTOR_SET), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // With the leading dot a path is absolute, and it covers what is nested in the message: a `oneof`
        // holds its secret in an enum of its own.
        .skip_debug(redacted.iter().map(|name| format!(".{name}")))
        .compile_fds(compiler.file_descriptor_set())
        .context("generate code from the descriptors")
}

/// Where cargo wants what a build script makes.
#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment alone")]
fn out_dir() -> anyhow::Result<PathBuf> {
    env::var_os("OUT_DIR").map(PathBuf::from).context("cargo did not set OUT_DIR")
}

/// Every `.proto` file below `directory`, sorted, so that a new one cannot be forgotten and the result does
/// not depend on the file system.
fn proto_files(directory: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.append(&mut proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.insert(path);
        }
    }
    Ok(files)
}

/// Full names of the messages with a `debug_redact` field, sorted.
///
/// A message that only contains one of these is not among them: its derived `Debug` asks the inner one.
fn redacted_messages(pool: &DescriptorPool) -> BTreeSet<String> {
    pool.all_messages()
        .filter(|message| message.full_name().starts_with(OUR_PACKAGES))
        .filter(|message| message.fields().any(|field| is_redacted(&field)))
        .map(|message| message.full_name().to_owned())
        .collect()
}

/// Tells whether the field is marked `debug_redact`. `prost-types` does not know this option, so it is read by name.
fn is_redacted(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").is_some_and(|value| *value == Value::Bool(true))
}

/// The names in one line, with a comma between two.
fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}
