//! Whether two databases have the same rows, told without any code of the program.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

/// Which columns a table has, and their types.
type Tables = BTreeMap<String, Vec<(String, String)>>;

/// Asserts that every table of the SQLite database has the same rows in PostgreSQL, cell by cell as text.
pub(super) async fn assert_same(source: &Path, target: &mut PgConnection) {
    let mut source =
        SqliteConnection::connect(&format!("sqlite://{}?mode=ro", source.display())).await.expect("the source");
    let (left, right) = (columns_of_source(&mut source).await, columns_of_target(target).await);
    assert!(left.len() >= 17, "{left:?}");
    let mut rows = 0;
    for (table, columns) in &left {
        let types: BTreeMap<_, _> = right[table].iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        let texts: Vec<_> = columns.iter().map(|(name, _)| in_sqlite(name, types[name.as_str()])).collect();
        let question = constant(format!("SELECT {} FROM {table}", texts.join(" || '|' || ")));
        let mut there: Vec<String> = sqlx::query_scalar(question).fetch_all(&mut source).await.expect("rows");
        let texts: Vec<_> = columns.iter().map(|(name, _)| in_postgres(name, types[name.as_str()])).collect();
        let question = constant(format!("SELECT {} FROM {table}", texts.join(" || '|' || ")));
        let mut here: Vec<String> = sqlx::query_scalar(question).fetch_all(&mut *target).await.expect("rows");
        there.sort();
        here.sort();
        assert_eq!(here.len(), there.len(), "{table}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there, "{table}");
        }
        rows += there.len();
    }
    assert!(rows > 20_000, "{rows}");
}

async fn columns_of_source(source: &mut SqliteConnection) -> Tables {
    let columns = sqlx::query_as(
        "
        SELECT t.name, c.name, c.type
        FROM sqlite_schema AS t
        JOIN pragma_table_info(t.name) AS c
        WHERE t.type = 'table'
          AND t.name <> '_sqlx_migrations'
        ",
    );
    grouped(columns.fetch_all(source).await.expect("the columns"))
}

async fn columns_of_target(target: &mut PgConnection) -> Tables {
    let columns = sqlx::query_as(
        "
        SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT
        FROM information_schema.columns
        WHERE table_schema = 'public'
        ",
    );
    grouped(columns.fetch_all(target).await.expect("the columns"))
}

fn grouped(columns: Vec<(String, String, String)>) -> Tables {
    let mut tables = Tables::new();
    for (table, column, kind) in columns {
        tables.entry(table).or_default().push((column, kind));
    }
    tables
}

/// A cell of SQLite as text; `kind` is the type that it has in PostgreSQL.
fn in_sqlite(column: &str, kind: &str) -> String {
    match kind {
        "bytea" => format!("iif({column} IS NULL, 'NULL', hex({column}) || '.')"),
        "ARRAY" => format!("coalesce(json({column}) || '.', 'NULL')"),
        _ => format!("coalesce({column} || '.', 'NULL')"),
    }
}

/// The same of PostgreSQL.
fn in_postgres(column: &str, kind: &str) -> String {
    match kind {
        "bytea" => format!("coalesce(upper(encode({column}, 'hex')) || '.', 'NULL')"),
        "ARRAY" => format!("coalesce(array_to_json({column})::TEXT || '.', 'NULL')"),
        "boolean" => format!("coalesce({column}::INTEGER || '.', 'NULL')"),
        _ => format!("coalesce({column} || '.', 'NULL')"),
    }
}

fn constant(question: String) -> AssertSqlSafe<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tables and columns take no binds; these come from the schema itself"
    )]
    AssertSqlSafe(question)
}
