//! Holds the layers: which room of `src/` may use which other, and which library is named in one place only.
//!
//! Works on the text of the sources, with comments and literals taken out, so that it needs no compiler and no crate. A
//! new room gets a row in [`ROOMS`]; a library that only one room may know gets a row in [`LIBRARIES`].
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// What the modules of one room may name by a path from the crate root, beside their own room.
enum MayUse {
    /// Only these rooms.
    Only(&'static [&'static str]),
    /// Every room: this is where things are put together.
    Everything,
}

use MayUse::{Everything, Only};

/// The table of layers: edge, api, web and worker -> app -> domain, and `app` reaches out through the four ports.
///
/// A row stands for `src/<room>.rs` or `src/<room>/`. A room may be missing from `src/`, but never from here.
const ROOMS: &[(&str, MayUse)] = &[
    ("domain", Only(&[])),
    ("store", Only(&["domain"])),
    ("token", Only(&["domain"])),
    ("secrets", Only(&["domain"])),
    ("mail", Only(&["domain"])),
    ("app", Only(&["domain", "store", "token", "secrets", "mail"])),
    ("edge", Only(&["app", "domain", "telemetry", "token"])),
    ("api", Only(&["app", "domain", "proto"])),
    ("web", Only(&["app", "domain"])),
    ("worker", Only(&["app", "domain"])),
    ("cli", Everything),
    ("server", Everything),
    // What the build generates from `proto/`.
    ("proto", Only(&[])),
    // The types of settings, with their bounds.
    ("config", Only(&["domain", "store"])),
    // A leaf, as a library is: what is counted, and where traces and the log go.
    ("telemetry", Only(&[])),
    // The crate roots: `lib.rs` lists the rooms, `main.rs` starts the program.
    ("lib", Everything),
    ("main", Everything),
];

/// Libraries that stay in one place, each as (crate, path prefixes below `src/` that may name it).
const LIBRARIES: &[(&str, &[&str])] = &[
    ("sqlx", &["store/sqlite/", "store/postgres/"]),
    ("jsonwebtoken", &["token/", "token.rs"]),
    // In `server/tls` it is the module of rustls that has this name.
    ("aws_lc_rs", &["secrets/", "secrets.rs", "token/", "token.rs", "server/tls"]),
    // The one place that calls somebody by itself: issuers, for their keys.
    ("reqwest", &["edge/issuers.rs"]),
    ("toml", &["config/"]),
    ("governor", &["edge/"]),
    ("rustls", &["server/"]),
    ("tokio_rustls", &["server/"]),
    ("opentelemetry", &["telemetry/"]),
    ("opentelemetry_otlp", &["telemetry/"]),
    ("opentelemetry_sdk", &["telemetry/"]),
    ("tracing_opentelemetry", &["telemetry/"]),
    ("prometheus_client", &["telemetry/"]),
    ("hyper", &["server/"]),
    ("hyper_util", &["server/"]),
    ("clap", &["cli/", "cli.rs", "main.rs", "config/", "config.rs"]),
];

/// The one file that knows gRPC codes.
const STATUS_FILE: &str = "api/status.rs";

/// Constructors of `tonic::Status` that are a code by another name.
const STATUS_CONSTRUCTORS: &[&str] = &[
    "new",
    "with_details",
    "with_details_and_metadata",
    "with_error_details",
    "with_error_details_vec",
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

#[test]
fn every_room_uses_only_what_the_table_allows() {
    assert_none(&check_tree(layer_violations));
}

#[test]
fn every_library_is_named_in_its_place_only() {
    assert_none(&check_tree(library_violations));
}

#[test]
fn only_the_status_file_names_grpc_codes() {
    assert_none(&check_tree(code_violations));
}

/// Runs `check` over every source file and collects what it finds.
fn check_tree(check: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect_sources(&src, &mut files);
    assert!(files.contains(&src.join("lib.rs")), "the sources are not where they are looked for: {}", src.display());

    files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
            check(&path, &fs::read_to_string(file).unwrap())
        })
        .collect()
}

fn collect_sources(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// What the file at `path` (below `src/`) names from the crate root although [`ROOMS`] does not let it.
fn layer_violations(path: &str, text: &str) -> Vec<String> {
    let room = room_of(path);
    let Some((_, may_use)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{path}: the table of layers does not know the room `{room}`")];
    };
    let Only(allowed) = may_use else {
        return Vec::new();
    };

    root_names(&tokens(text), module_depth(path))
        .into_iter()
        .filter(|(_, name)| name != room && !allowed.contains(&name.as_str()))
        .map(|(line, name)| format!("{path}:{line}: `{room}` may not use `{name}`"))
        .collect()
}

/// Where the file at `path` names a library that [`LIBRARIES`] keeps elsewhere.
fn library_violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens(text) {
        for (library, places) in LIBRARIES {
            if token.text == *library && !places.iter().any(|place| path.starts_with(place)) {
                found.push(format!("{path}:{}: only {} may name `{library}`", token.line, places.join(", ")));
            }
        }
    }
    found
}

/// Where a file other than [`STATUS_FILE`] names a gRPC code: `tonic::Code`, or a constructor that stands for one.
fn code_violations(path: &str, text: &str) -> Vec<String> {
    if path == STATUS_FILE {
        return Vec::new();
    }
    let tokens = tokens(text);
    let mut lines = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let named = match token.text.as_str() {
            "tonic" => path_heads(&tokens, at + 1).iter().any(|(_, name)| name == "Code"),
            "Status" => {
                path_heads(&tokens, at + 1).iter().any(|(_, name)| STATUS_CONSTRUCTORS.contains(&name.as_str()))
            }
            _ => false,
        };
        if named {
            lines.push(token.line);
        }
    }
    lines.into_iter().map(|line| format!("{path}:{line}: only {STATUS_FILE} may name a gRPC code")).collect()
}

/// The first component of a path below `src/`: `store` for both `store/sqlite/users.rs` and `store.rs`.
fn room_of(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many modules lie between the crate root and the code of a file: 0 for `lib.rs`, 1 for `config.rs` and
/// `domain/mod.rs`, 2 for `domain/ids.rs`.
fn module_depth(path: &str) -> usize {
    let components = path.split('/').count();
    let is_its_directory = path.ends_with("/mod.rs") || path == "lib.rs" || path == "main.rs";
    components - usize::from(is_its_directory)
}

/// Every name that directly follows the crate root in a path, with its line: `crate::x`, `crate::{x, y}`, and
/// `super::` often enough to arrive there.
fn root_names(tokens: &[Token], file_depth: usize) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    // Brace depths at which an inline module was opened: each is one `super` more on the way to the root.
    let mut inline_modules = Vec::new();
    let mut braces = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2].text == "mod" {
                    inline_modules.push(braces);
                }
            }
            "}" => {
                if inline_modules.last() == Some(&braces) {
                    inline_modules.pop();
                }
                braces = braces.saturating_sub(1);
            }
            "crate" => names.extend(path_heads(tokens, at + 1)),
            "super" => {
                let mut climbed = 1;
                while is_path_separator(tokens, at + 1) && text_at(tokens, at + 3) == "super" {
                    climbed += 1;
                    at += 3;
                }
                if climbed >= file_depth + inline_modules.len() {
                    names.extend(path_heads(tokens, at + 1));
                }
            }
            _ => {}
        }
        at += 1;
    }
    names
}

/// The names that may come next in a path whose separator stands at `at`: one, or each of a group. Empty where there is
/// no path, as in `pub(crate)`.
fn path_heads(tokens: &[Token], at: usize) -> Vec<(usize, String)> {
    if !is_path_separator(tokens, at) {
        return Vec::new();
    }
    let start = at + 2;
    if text_at(tokens, start) != "{" {
        return tokens.get(start).map(|token| (token.line, token.text.clone())).into_iter().collect();
    }

    let mut heads = Vec::new();
    let mut depth = 0_usize;
    for (offset, token) in tokens[start..].iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => {}
            _ if depth == 1 && matches!(tokens[start + offset - 1].text.as_str(), "{" | ",") => {
                heads.push((token.line, token.text.clone()));
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn is_path_separator(tokens: &[Token], at: usize) -> bool {
    text_at(tokens, at) == ":" && text_at(tokens, at + 1) == ":"
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

/// An identifier, or one character of punctuation.
struct Token {
    /// From 1.
    line: usize,
    text: String,
}

/// The identifiers and punctuation of a source text. Comments, string and character literals are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < chars.len() {
        let end = skip_literal_or_comment(&chars, at).unwrap_or_else(|| {
            let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
            let length = chars[at..].iter().take_while(|c| is_word(c)).count();
            at + length.max(1)
        });
        let first = chars[at];
        if skip_literal_or_comment(&chars, at).is_none() && !first.is_whitespace() {
            tokens.push(Token { line, text: chars[at..end].iter().collect() });
        }
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// The end of the comment or literal that starts at `at`, or `None` if none does.
fn skip_literal_or_comment(chars: &[char], at: usize) -> Option<usize> {
    let char_at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    match (char_at(at), char_at(at + 1)) {
        ('/', '/') => Some(find(chars, at, &['\n'])),
        ('/', '*') => Some(end_of_block_comment(chars, at)),
        ('"', _) => Some(end_of_quoted(chars, at, '"')),
        // A character, not a lifetime: `'x'` or `'\n'`.
        ('\'', '\\') => Some(end_of_quoted(chars, at, '\'')),
        ('\'', _) if char_at(at + 2) == '\'' => Some(at + 3),
        ('r', '"' | '#') => end_of_raw_string(chars, at + 1),
        ('b' | 'c', 'r') => end_of_raw_string(chars, at + 2),
        ('b' | 'c', '"') => Some(end_of_quoted(chars, at + 1, '"')),
        _ => None,
    }
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `at` is behind the `r`. `None` for a raw identifier, and for a word that only ends like the start of a literal.
fn end_of_raw_string(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut closing = vec!['"'];
    closing.extend(std::iter::repeat_n('#', hashes));
    let end = find(chars, at + hashes + 1, &closing);
    Some((end + closing.len()).min(chars.len()))
}

/// Where `needle` next starts at or behind `from`; the end of the text if it does not.
fn find(chars: &[char], from: usize, needle: &[char]) -> usize {
    chars[from..].windows(needle.len()).position(|window| window == needle).map_or(chars.len(), |offset| from + offset)
}

/// The checks themselves, on lines that were made up.
mod self_test {
    use super::{code_violations, layer_violations, library_violations};

    /// The violations of one line at `path`, without their place.
    fn layer(path: &str, line: &str) -> Vec<String> {
        layer_violations(path, line).into_iter().map(|found| found.split(": ").last().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_forbidden_use_is_found_with_its_line() {
        let found = layer_violations("domain/ids.rs", "//! Ids.\n\nuse crate::store::Store;\n");
        assert_eq!(found, ["domain/ids.rs:3: `domain` may not use `store`"]);
    }

    #[test]
    fn an_allowed_use_is_not_found() {
        assert!(layer("app/jump.rs", "use crate::{domain::UserId, store::{Store, edge}};").is_empty());
    }

    #[test]
    fn every_member_of_a_group_is_looked_at() {
        let found = layer("web/jwks.rs", "use crate::{app::{self, App}, store::Store, proto};");
        assert_eq!(found, ["`web` may not use `store`", "`web` may not use `proto`"]);
    }

    #[test]
    fn a_path_in_the_middle_of_an_expression_is_found() {
        assert_eq!(layer("store/mod.rs", "fn f() { let a = 'a'; crate::app::run::<'static>(a) }").len(), 1);
    }

    #[test]
    fn a_glob_over_the_root_is_found() {
        assert_eq!(layer("edge/policy.rs", "use crate::*;"), ["`edge` may not use `*`"]);
    }

    #[test]
    fn an_engine_may_use_its_own_room() {
        assert!(layer("store/sqlite/users.rs", "use crate::store::Store; use super::super::StoreError;").is_empty());
    }

    #[test]
    fn super_does_not_lead_around_the_table() {
        assert_eq!(layer("domain/ids.rs", "use super::super::store::Store;"), ["`domain` may not use `store`"]);
        assert_eq!(layer("domain/mod.rs", "use super::store::Store;"), ["`domain` may not use `store`"]);
        assert_eq!(layer("config.rs", "use super::app;"), ["`config` may not use `app`"]);
        assert_eq!(layer("worker/retention.rs", "use super::super::store::Store;"), ["`worker` may not use `store`"]);
    }

    #[test]
    fn super_within_an_inline_module_stays_in_the_room() {
        assert!(layer("domain/ids.rs", "fn f() {} mod tests { use super::super::time::Instant; }").is_empty());
        // Behind the module's closing brace the way is shorter again.
        assert_eq!(layer("domain/ids.rs", "mod tests {} use super::super::api::Api;").len(), 1);
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = r##"
            //! See [`crate::app`].
            /* crate::api /* crate::web */ crate::edge */
            const A: &str = "crate::app \" crate::api";
            const B: &str = r#"crate::app " crate::api"#;
            const C: [char; 2] = ['"', '\''];
            pub(crate) fn f() {}
        "##;
        assert!(layer_violations("domain/mod.rs", text).is_empty());
        assert_eq!(layer("domain/mod.rs", &format!("{text} use crate::app::App;")).len(), 1);
    }

    #[test]
    fn a_room_that_the_table_does_not_know_is_found() {
        assert_eq!(layer("util/mod.rs", ""), ["the table of layers does not know the room `util`"]);
        assert_eq!(layer("helpers.rs", ""), ["the table of layers does not know the room `helpers`"]);
    }

    #[test]
    fn a_library_outside_its_place_is_found() {
        assert_eq!(library_violations("app/jump.rs", "use sqlx::Row;").len(), 1);
        assert_eq!(library_violations("store/mod.rs", "#[derive(sqlx::Type)] struct A;").len(), 1);
        assert_eq!(library_violations("api/jump.rs", "jsonwebtoken::encode()").len(), 1);
        assert_eq!(library_violations("server.rs", "use aws_lc_rs::rand;").len(), 1);
        assert_eq!(library_violations("telemetry.rs", "use clap::Parser;").len(), 1);
    }

    #[test]
    fn a_library_in_its_place_is_not_found() {
        assert!(library_violations("store/sqlite/users.rs", "use sqlx::Row;").is_empty());
        assert!(library_violations("secrets/random.rs", "use aws_lc_rs::rand;").is_empty());
        assert!(library_violations("config.rs", "use clap::Args; // sqlx").is_empty());
    }

    #[test]
    fn a_grpc_code_outside_the_status_file_is_found() {
        assert_eq!(code_violations("api/jump.rs", "use tonic::{Request, Code};").len(), 1);
        assert_eq!(code_violations("edge/policy.rs", "tonic::Code::Internal").len(), 1);
        assert_eq!(code_violations("api/jump.rs", "return Err(Status::not_found(\"\"));").len(), 1);
    }

    #[test]
    fn the_status_file_names_codes_and_others_name_the_status() {
        assert!(code_violations("api/status.rs", "use tonic::Code; Status::internal(\"\")").is_empty());
        assert!(code_violations("api/jump.rs", "use tonic::{Request, Status}; fn f() -> Status {}").is_empty());
    }
}
