//! `concenter migrate --from --to`: moves everything from a data directory to a PostgreSQL.

use std::path::Path;

use anyhow::Context as _;

use super::out::print;
use super::table;
use crate::store::DatabaseUrl;
use crate::store::relocate::{Compared, Relocated, Sum, relocate};

/// Digits of a checksum that are shown.
const DIGITS: usize = 16;

/// What arrived is not what was sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "{to} has not what the source has, and serves nobody: was the source served from between two attempts? Make the \
     database anew (dropdb, createdb) and move again"
)]
pub(super) struct Differs {
    to: DatabaseUrl,
}

/// Moves, and says of each table what arrived.
///
/// # Errors
/// Why the move did not come to its end, or [`Differs`].
pub(super) async fn run(from: &Path, to: &DatabaseUrl) -> anyhow::Result<()> {
    match relocate(from, to).await.context("migrate --from --to")? {
        Relocated::Verified(compared) => {
            print(&told(&compared))?;
            let from = from.display();
            print(&format!(
                "{from} was moved to {to}: serve from there with the key file of {from}, and from {from} no more\n"
            ))
        }
        Relocated::Differs(compared) => {
            print(&told(&compared))?;
            Err(Differs { to: to.clone() }.into())
        }
        Relocated::Before => print(&format!("{} was moved to {to} before: nothing is left to do\n", from.display())),
    }
}

/// A table with a line for each that was moved.
fn told(compared: &[Compared]) -> String {
    let header = ["Table", "Rows", "Checksum", "Target"].map(str::to_owned).to_vec();
    let lines = compared
        .iter()
        .map(|one| vec![one.table.to_owned(), one.source.rows.to_string(), digits(one.source), outcome(one)]);
    table::render(&std::iter::once(header).chain(lines).collect::<Vec<_>>())
}

fn outcome(compared: &Compared) -> String {
    let Compared { target, .. } = compared;
    if compared.is_same() { "ok".to_owned() } else { format!("DIFFERS: {} {}", target.rows, digits(*target)) }
}

/// The beginning of a checksum, which tells two apart for people.
fn digits(sum: Sum) -> String {
    let digits = sum.checksum.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_says_whether_it_is_the_same() {
        let sum = |rows, byte| Sum { rows, checksum: [byte; 32] };
        let compared = [
            Compared { table: "tenant", source: sum(2, 0x0a), target: sum(2, 0x0a) },
            Compared { table: "customer", source: sum(12, 0xff), target: sum(11, 0xff) },
        ];
        assert_eq!(
            told(&compared),
            "Table     Rows  Checksum          Target\n\
             tenant    2     0a0a0a0a0a0a0a0a  ok\n\
             customer  12    ffffffffffffffff  DIFFERS: 11 ffffffffffffffff\n"
        );
    }
}
