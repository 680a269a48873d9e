//! How the readers of jumps ([`crate::store::reader`]) read here: a transaction on a connection of the pool, which sees the
//! rows of all tenants that are asked about.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use tokio::time::timeout;

use super::error::{Gone, Step};
use super::questions;
use super::session::{self, Rows};
use crate::domain::ids::TenantId;
use crate::store::StoreError;
use crate::store::reader::{Answers, Questions, Reads};

/// Readers; while one waits for the server another one asks.
pub(super) const READERS: usize = 2;
/// How long a transaction may take: longer than the database's own limit for a statement.
const DEADLINE: Duration = Duration::from_secs(20);

/// Reads on connections of a pool.
#[derive(Clone)]
pub(super) struct PoolReads(pub(super) PgPool);

#[async_trait]
impl Reads for PoolReads {
    async fn read(&self, questions: &Questions) -> Result<Answers, StoreError> {
        match timeout(DEADLINE, self.read_in_time(questions)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(Gone::Silent.into()),
        }
    }
}

impl PoolReads {
    async fn read_in_time(&self, questions: &Questions) -> Step<Answers> {
        let mut connection = self.0.acquire().await?;
        let begin = session::begin_statement(session::READ_ONLY, &Rows::Of(tenants(questions)), "");
        let mut tx = session::begin_with(&mut connection, begin).await?;
        let answers = questions::read(&mut tx, questions).await?;
        tx.rollback().await?;
        Ok(answers)
    }
}

/// The tenants that are asked about, each once.
fn tenants(questions: &Questions) -> Vec<TenantId> {
    let of_persons = questions.persons().into_iter().map(|(tenant, _)| tenant);
    let mut tenants: Vec<_> = of_persons.chain(questions.redeems.iter().map(|question| question.tenant)).collect();
    tenants.sort_unstable();
    tenants.dedup();
    tenants
}
