//! What `GET /metrics` tells: what was counted as it happened, and what the service knows when it is asked.

use std::sync::Arc;

use super::connections::Open;
use crate::api::status;
use crate::app::App;
use crate::domain::load::{BATCH_BOUNDS, BatchSizes, StoreLoad};
use crate::edge::{InFlight, policy};
use crate::telemetry::metrics::{Buckets, Labels, Metrics, Reading};
use crate::token::{CallerLookups, Callers};

/// Nothing counted yet. Labels are the methods of the policy table, which are those of the contract, and the contract's reasons.
pub(super) fn metrics() -> Metrics {
    let codes: Vec<_> = status::code_names().collect();
    Metrics::new(Labels {
        methods: policy::methods().chain(["unknown"]).collect(),
        reasons: status::reason_names().chain(codes.iter().copied()).collect(),
        codes,
    })
}

/// Where is looked when somebody asks.
pub(super) struct Sources {
    /// What was counted.
    pub(super) metrics: Arc<Metrics>,
    /// Knows the store, the keys and the audit log.
    pub(super) app: Arc<App>,
    /// Verifies callers.
    pub(super) callers: Arc<Callers>,
    /// The calls in flight.
    pub(super) in_flight: Arc<InFlight>,
    /// The connections of each listener.
    pub(super) connections: [(&'static str, Open); 2],
}

impl Sources {
    /// The whole text. Waits for nobody.
    pub(super) fn text(&self) -> String {
        let CallerLookups { hits, misses } = self.callers.lookups();
        let StoreLoad { connections_in_use, connections_idle, reads_waiting, writes_waiting, batches } =
            self.app.store_load();
        self.metrics.text(&Reading {
            version: env!("CARGO_PKG_VERSION"),
            calls_in_flight: self.in_flight.taken(),
            connections: self.connections.each_ref().map(|(listener, open)| (*listener, open.number())),
            caller_cache: [("hit", hits), ("miss", misses)],
            suspect_credentials: self.app.suspect_credentials(),
            signing_key_age: self.app.signing_key_age(),
            seal_lag: self.app.seal_lag(),
            store_connections: [("in_use", number(connections_in_use)), ("idle", number(connections_idle))],
            store_waiting: [("reads", number(reads_waiting)), ("writes", number(writes_waiting))],
            batches: buckets(&batches),
        })
    }
}

fn number(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// Sizes of batches as a histogram. The last bound is the largest size that there is.
fn buckets(sizes: &BatchSizes) -> Buckets {
    let bounded = BATCH_BOUNDS.iter().map(|bound| f64::from(*bound)).zip(sizes.counts);
    #[expect(clippy::cast_precision_loss, reason = "after 2^53 works the sum is rounded, which no rate notices")]
    let sum = sizes.works as f64;
    Buckets { counts: bounded.chain([(f64::INFINITY, 0)]).collect(), sum }
}
