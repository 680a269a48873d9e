//! What the service tells of itself beside its log.

use clap::{Args, ValueEnum};
use url::{Host, Url};

/// What the service tells of itself beside its log.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetrySettings {
    /// Whether the HTTP listener serves /metrics, for Prometheus
    ///
    /// Whoever reaches the listener can read them: numbers, without a tenant or a person. Keep a proxy in front from passing
    /// /metrics on.
    #[arg(
        long,
        env = "CONCENTER_METRICS",
        value_name = "SWITCH",
        value_enum,
        default_value_t = MetricsSwitch::Off
    )]
    pub metrics: MetricsSwitch,

    /// Where traces go, by OTLP over gRPC: http://HOST:PORT or https://HOST:PORT; without it there are none
    ///
    /// A collector that is away costs traces and nothing else.
    #[arg(long, env = "CONCENTER_OTLP_ENDPOINT", value_name = "URL", value_parser = parse_endpoint)]
    pub otlp_endpoint: Option<String>,

    /// Of a hundred calls without a trace of their own, how many get one: 0 to 100
    ///
    /// A call with a `traceparent` is part of that trace, if its caller collects it.
    #[arg(
        long,
        env = "CONCENTER_OTLP_PERCENT",
        value_name = "PERCENT",
        default_value_t = Self::DEFAULT.otlp_percent,
        value_parser = clap::value_parser!(u8).range(0..=100)
    )]
    pub otlp_percent: u8,
}

impl TelemetrySettings {
    /// What counts unless it was set: nothing is told.
    pub const DEFAULT: Self = Self { metrics: MetricsSwitch::Off, otlp_endpoint: None, otlp_percent: 100 };
}

/// Whether there are metrics to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricsSwitch {
    /// `/metrics` is not there
    Off,
    /// `/metrics` answers whoever reaches the HTTP listener
    On,
}

/// Reads the address of a collector: no more than scheme, host and port, so that no secret stands in it.
fn parse_endpoint(text: &str) -> Result<String, &'static str> {
    const WHAT: &str = "must be http://HOST:PORT or https://HOST:PORT, and nothing else";
    let url = Url::parse(text).map_err(|_| WHAT)?;
    let has_host = matches!(url.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)));
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let is_known = matches!(url.scheme(), "http" | "https");
    if has_host && is_bare && is_known { Ok(url.into()) } else { Err(WHAT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_scheme_host_and_port() {
        for good in ["http://127.0.0.1:4317", "https://otel.example.de", "http://[::1]:4317/"] {
            assert!(parse_endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:4317",
            "grpc://127.0.0.1:4317",
            "http://",
            "http://me:geheim@127.0.0.1:4317",
            "http://127.0.0.1:4317/v1/traces",
            "http://127.0.0.1:4317/?key=geheim",
            "http://127.0.0.1:4317/#x",
            "http://127.0.0.1:65536",
        ] {
            let refused = parse_endpoint(bad).unwrap_err();
            assert!(refused.contains("http://HOST:PORT"), "{bad}");
        }
    }
}
