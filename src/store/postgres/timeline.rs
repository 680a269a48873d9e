//! The timeline of the server, and what follows when it is another one.
//!
//! A standby that is promoted, and a backup that is rolled forward to some instant, begin a timeline of their own. What was
//! committed last may be missing there: a jump that was redeemed is open again. So every connection that serves looks, before
//! anything else is done on it, whether the server is still on the timeline that the epoch belongs to. If not, the epoch
//! moves, and every open jump is dead before the first one is served.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::session::READ_WRITE;

/// How every connection is made but the very first.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    /// What a connection has.
    pub(super) options: PgConnectOptions,
    /// Whether anything is served from it. Whoever only looks changes nothing, the epoch neither.
    pub(super) serves: bool,
}

impl Connector {
    /// Connects. For serving: the epoch is that of the server's timeline then.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        self.arrived(&mut connection).await?;
        Ok(connection)
    }

    /// Does what is done on a new connection before it is used.
    pub(super) async fn arrived(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.serves { arrive(connection).await } else { Ok(()) }
    }
}

/// Moves the epoch if the server is on another timeline than the one that the epoch belongs to; of many connections that
/// come at once only one does. Fails on a server that takes no writes.
async fn arrive(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin_with(READ_WRITE).await?;
    let moved = sqlx::query_as(
        "
        WITH server AS MATERIALIZED (
            -- The name of a file of the log begins with its timeline.
            SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
        )
        UPDATE service AS s
        SET
            epoch = CASE
                -- The first service that is here: there is nothing to compare with.
                WHEN s.timeline IS NULL THEN s.epoch
                ELSE s.epoch + 1
            END,
            timeline = server.timeline
        FROM
            server,
            service AS earlier
        WHERE s.timeline IS DISTINCT FROM server.timeline
        RETURNING s.epoch, earlier.timeline IS NOT NULL
        ",
    );
    let moved: Option<(i64, bool)> = moved.fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    if let Some((epoch, true)) = moved {
        tracing::warn!(epoch, "store.timeline.changed");
    }
    Ok(())
}
