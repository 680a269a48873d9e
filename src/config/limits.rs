//! How much the service takes on at once, and how often somebody may call.

use std::num::NonZeroU32;

use clap::Args;

/// Most connections, calls or calls a second that can be set.
const MOST: i64 = 1_000_000;

/// How much the service takes on at once.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Most connections for gRPC at once: 1 to 1 000 000
    ///
    /// Who comes beyond that waits to be accepted.
    #[arg(
        id = "max_connections",
        long = "max-connections",
        env = "CONCENTER_MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.connections,
        value_parser = clap::value_parser!(u32).range(1..=MOST)
    )]
    pub connections: u32,

    /// Most connections for HTTP at once: 1 to 1 000 000
    ///
    /// Who comes beyond that waits to be accepted.
    #[arg(
        id = "max_http_connections",
        long = "max-http-connections",
        env = "CONCENTER_MAX_HTTP_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.http_connections,
        value_parser = clap::value_parser!(u32).range(1..=MOST)
    )]
    pub http_connections: u32,

    /// Most calls in flight over all connections for gRPC: 1 to 1 000 000
    ///
    /// One more is answered UNAVAILABLE. Health is not counted.
    #[arg(
        id = "max_calls",
        long = "max-calls",
        env = "CONCENTER_MAX_CALLS",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.calls,
        value_parser = clap::value_parser!(u32).range(1..=MOST)
    )]
    pub calls: u32,

    /// How often somebody may call.
    #[command(flatten)]
    pub rates: RateSettings,
}

impl LimitSettings {
    /// What counts unless it was set.
    pub const DEFAULT: Self =
        Self { connections: 1_024, http_connections: 1_024, calls: 2_048, rates: RateSettings::DEFAULT };
}

/// How many calls of one method a tenant may make each second, as long as it likes; for two seconds it may make them at
/// once. A target and an operator count as a tenant does.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct RateSettings {
    /// Jumps a second of one tenant, by either method: 1 to 1 000 000
    ///
    /// Twice as many may come at once. Who goes beyond is told how long to wait.
    #[arg(
        id = "rate_jumps",
        long = "rate-jumps",
        env = "CONCENTER_RATE_JUMPS",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.jumps,
        value_parser = parse_rate
    )]
    pub jumps: NonZeroU32,

    /// Redemptions a second of one target: 1 to 1 000 000
    #[arg(
        id = "rate_redeems",
        long = "rate-redeems",
        env = "CONCENTER_RATE_REDEEMS",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.redeems,
        value_parser = parse_rate
    )]
    pub redeems: NonZeroU32,

    /// Calls a second of one tenant to a method that reads: 1 to 1 000 000
    #[arg(
        id = "rate_reads",
        long = "rate-reads",
        env = "CONCENTER_RATE_READS",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.reads,
        value_parser = parse_rate
    )]
    pub reads: NonZeroU32,

    /// Calls a second of one tenant to a method that changes something: 1 to 1 000 000
    #[arg(
        id = "rate_changes",
        long = "rate-changes",
        env = "CONCENTER_RATE_CHANGES",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.changes,
        value_parser = parse_rate
    )]
    pub changes: NonZeroU32,

    /// Batches of customers, verifications of the audit log, simulations and reports a second of one tenant, each: 1 to 1 000 000
    #[arg(
        id = "rate_batches",
        long = "rate-batches",
        env = "CONCENTER_RATE_BATCHES",
        value_name = "NUMBER",
        default_value_t = Self::DEFAULT.batches,
        value_parser = parse_rate
    )]
    pub batches: NonZeroU32,
}

impl RateSettings {
    /// What counts unless it was set: what no honest firm reaches.
    pub const DEFAULT: Self =
        Self { jumps: rate(1_000), redeems: rate(5_000), reads: rate(1_000), changes: rate(500), batches: rate(100) };
}

/// A rate that is not 0.
const fn rate(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(rate) => rate,
        None => NonZeroU32::MIN,
    }
}

/// Reads a rate within its bounds.
fn parse_rate(text: &str) -> Result<NonZeroU32, &'static str> {
    let rate: Option<NonZeroU32> = text.parse().ok();
    rate.filter(|rate| i64::from(rate.get()) <= MOST).ok_or("must be 1 to 1000000 calls a second")
}
