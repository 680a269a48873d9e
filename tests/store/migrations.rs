//! The migrations of both engines make the same tables, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What only PostgreSQL has: there a service logs in, so its roles are written down.
const ONLY_POSTGRES: [&str; 1] = ["service_role"];
/// And there the server may be replaced by a standby: what the epoch belongs to.
const ONLY_POSTGRES_COLUMN: (&str, &str) = ("service", "timeline");

/// The columns of each table.
type Tables = BTreeMap<String, BTreeSet<String>>;

#[test]
fn migrations_of_both_engines_have_the_same_names() {
    let names = names_of("sqlite");
    assert!(names.len() >= 8, "{names:?}");
    assert_eq!(names_of("postgres"), names);
}

#[test]
fn every_migration_leaves_both_engines_with_the_same_tables_and_columns() {
    let (mut sqlite, mut postgres) = (Tables::new(), Tables::new());
    for name in names_of("sqlite") {
        apply(&mut sqlite, &text_of("sqlite", &name));
        apply(&mut postgres, &text_of("postgres", &name));
        let mut shared = postgres.clone();
        shared.retain(|table, _| !ONLY_POSTGRES.contains(&table.as_str()));
        let (table, column) = ONLY_POSTGRES_COLUMN;
        shared.get_mut(table).expect("the service").remove(column);
        assert_eq!(shared, sqlite, "after {name}");
    }
    assert!(sqlite.len() >= 16, "the search finds too little to be right: {sqlite:?}");
    let jump = sqlite.get("jump").expect("a table of jumps");
    assert!(jump.contains("tenant_id") && jump.contains("revoked_at"), "{jump:?}");
}

#[test]
fn a_table_of_postgresql_that_has_tenants_has_the_second_lock() {
    let texts: String = names_of("postgres").iter().map(|name| text_of("postgres", name)).collect();
    let mut tables = Tables::new();
    apply(&mut tables, &texts);
    tables.retain(|_, columns| columns.contains("tenant_id"));
    assert!(tables.len() >= 11, "the search finds too little to be right: {tables:?}");
    for table in tables.keys() {
        assert!(texts.contains(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;")), "{table} has none");
        let policy = format!(
            "CREATE POLICY own_tenants ON {table} USING ((tenant_id = ANY ((SELECT concenter_tenants())::UUID[])) IS TRUE);"
        );
        assert!(texts.contains(&policy), "{table} has another policy");
    }
}

fn folder(engine: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine)
}

fn names_of(engine: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder(engine)).expect("the migrations");
    files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect()
}

fn text_of(engine: &str, name: &str) -> String {
    fs::read_to_string(folder(engine).join(name)).expect("a migration")
}

/// Adds what a migration makes, as far as it is written like the others: a column begins a line, words of SQL are in
/// upper case.
fn apply(tables: &mut Tables, text: &str) {
    let mut open = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            let table = word(rest).expect("a table has a name");
            tables.insert(table.to_owned(), BTreeSet::new());
            open = Some(table.to_owned());
        } else if let Some((table, column)) =
            line.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" ADD COLUMN "))
        {
            let column = word(column).expect("a column has a name");
            tables.get_mut(table).expect("a table that is there").insert(column.to_owned());
        } else if line.starts_with(')') {
            open = None;
        } else if let Some(table) = &open
            && let Some(column) = line.strip_prefix("    ").and_then(word)
        {
            tables.get_mut(table).expect("the open table").insert(column.to_owned());
        }
    }
}

/// The name that `text` begins with.
fn word(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(text.len());
    text.get(..end).filter(|name| !name.is_empty())
}
