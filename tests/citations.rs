//! What the code cites of `docs/` is there: the file, and the heading after `#`.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where citations stand.
const SOURCES: [&str; 6] = ["src", "proto", "migrations", "tests", "benches", "docs"];

#[test]
fn every_cited_document_and_heading_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cited = BTreeSet::new();
    for source in SOURCES {
        for file in files_below(&root.join(source)) {
            // Not every file is text; those that are not cite nothing.
            cited.extend(fs::read_to_string(&file).iter().flat_map(|text| citations(text)));
        }
    }
    assert!(cited.len() > 10, "the search finds too little to be right: {cited:?}");
    let missing: Vec<_> = cited.iter().filter(|citation| !exists(root, citation)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "cited, but not there");
}

#[test]
fn a_citation_is_found_and_a_dead_one_is_noticed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dead = format!("docs/{}", "domain.md#nobody-wrote-this");
    let text = format!("see `docs/{}`, and {dead}.", "domain.md#users");
    assert_eq!(citations(&text), ["docs/domain.md#users".to_owned(), dead.clone()]);
    assert!(exists(root, "docs/domain.md#users"));
    assert!(!exists(root, &dead));
    assert!(!exists(root, &format!("docs/{}", "nothing.md")));
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of the repository");
    entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

/// Every `docs/….md` in a text, with the heading that follows.
fn citations(text: &str) -> Vec<String> {
    text.match_indices("docs/")
        .filter_map(|(at, _)| {
            let rest = &text[at..];
            let path = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/_-.".contains(c))).unwrap_or(rest.len());
            let path = rest[..path].find(".md").map(|end| &rest[..end + 3])?;
            let heading = rest[path.len()..].strip_prefix('#').unwrap_or_default();
            let heading =
                heading.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).map_or(heading, |end| &heading[..end]);
            Some(if heading.is_empty() { path.to_owned() } else { format!("{path}#{heading}") })
        })
        .collect()
}

fn exists(root: &Path, citation: &str) -> bool {
    let (path, heading) = citation.split_once('#').unwrap_or((citation, ""));
    let Ok(text) = fs::read_to_string(root.join(path)) else { return false };
    heading.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading)
}

/// The anchor that renderers of Markdown give a heading.
fn anchor(line: &str) -> String {
    let heading = line.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
