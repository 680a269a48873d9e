//! What the code cites of `docs/` is there: the file, and the heading after `#`; and the cases of the catalogue and the tests
//! that show them are the same.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where citations stand.
const SOURCES: [&str; 7] = ["src", "proto", "migrations", "tests", "benches", "docs", "examples"];

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

/// Invariants of what is not built yet; the introduction of the catalogue says which.
const NOT_SHOWN: [&str; 1] = ["I7"];

#[test]
fn every_case_of_the_catalogue_is_cited_by_a_test_and_every_cited_case_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalogue = fs::read_to_string(root.join("docs/catalogue.md")).expect("the catalogue");
    let listed: Vec<_> = catalogue.lines().filter_map(listed_case).collect();
    let cases: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(cases.len(), listed.len(), "a case is listed twice");
    let mut cited = BTreeSet::new();
    for file in ["src", "tests", "examples"].iter().flat_map(|source| files_below(&root.join(source))) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        cited.extend(text.lines().flat_map(cited_cases).map(str::to_owned));
    }
    let cited: BTreeSet<_> = cited.iter().map(String::as_str).collect();
    let unknown: Vec<_> = cited.difference(&cases).collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "cited, but not in the catalogue");
    let unshown: Vec<_> = cases.difference(&cited).copied().collect();
    assert_eq!(unshown, NOT_SHOWN, "in the catalogue, but cited by no test");
}

#[test]
fn a_cited_case_stands_at_the_beginning_of_a_doc_comment() {
    assert_eq!(cited_cases("/// U03"), ["U03"]);
    assert_eq!(cited_cases("    /// J14, I6"), ["J14", "I6"]);
    assert_eq!(cited_cases("/// A09, at the jump: an activation of B's is as good as none."), ["A09"]);
    assert_eq!(cited_cases("/// I12: the rule"), ["I12"]);
    for none in ["// U03", "/// see U03", "/// S256", "/// I", "/// UTF8", "/// A", "//! U03", "let u03 = U03;"] {
        assert_eq!(cited_cases(none), Vec::<&str>::new(), "{none}");
    }
    assert_eq!(listed_case("| U03 | a name | `ALREADY_EXISTS` |"), Some("U03"));
    for none in ["| Id | Call | Answer |", "|---|---|", "U03", "| stale etag | `ABORTED` |"] {
        assert_eq!(listed_case(none), None, "{none}");
    }
}

/// The case that a row of the catalogue is about.
fn listed_case(line: &str) -> Option<&str> {
    line.strip_prefix("| ")?.split(' ').next().filter(|word| is_case(word))
}

/// The cases that a doc comment begins with: ids with a comma between two.
fn cited_cases(line: &str) -> Vec<&str> {
    let Some(text) = line.trim_start().strip_prefix("/// ") else { return Vec::new() };
    let (mut cases, mut rest) = (Vec::new(), text);
    loop {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if !is_case(&rest[..end]) {
            return cases;
        }
        cases.push(&rest[..end]);
        match rest[end..].strip_prefix(", ") {
            Some(next) => rest = next,
            None => return cases,
        }
    }
}

/// A capital and a number: of two digits, of an invariant without a leading zero.
fn is_case(word: &str) -> bool {
    let Some((letter, number)) = word.split_at_checked(1) else { return false };
    let is_number = !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_invariant = letter == "I" && !number.starts_with('0');
    is_number && letter.bytes().all(|byte| byte.is_ascii_uppercase()) && (number.len() == 2 || is_invariant)
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
