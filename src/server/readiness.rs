//! Whether we serve, as health tells it: what orchestrators and load balancers go by.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::app::App;

/// How often the store is asked, and how long it may take to answer: a lost database shows within 5 s, and so does one that
/// came back.
const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3);

/// Reports what store and clock say, until told to stop. Begins with a service that serves.
pub(super) async fn report(
    app: Arc<App>,
    health: HealthReporter,
    services: Vec<String>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut times = interval(EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut serves = true;
    loop {
        tokio::select! {
            biased;
            // An error means that the one who could tell is gone; that is a reason to stop too.
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = times.tick() => {}
        }
        let is_well = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            told = timeout(PATIENCE, app.is_ready()) => matches!(told, Ok(true)),
        };
        if is_well == serves {
            continue;
        }
        serves = is_well;
        let status = if is_well { ServingStatus::Serving } else { ServingStatus::NotServing };
        tracing::warn!(serves, "server.readiness.changed");
        for service in &services {
            health.set_service_status(service, status).await;
        }
    }
}
