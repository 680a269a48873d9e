//! Traces that leave the service, over OTLP (`docs/operations.md#traces`).
//!
//! A span of ours becomes one of OpenTelemetry, with the attributes of `ALLOWED` and no others: what a span or a line of
//! the log gets beside stays here. They wait in a bounded queue, which loses what is too much for it, and a thread of its
//! own takes them to the collector: one that is slow or away costs spans, and no caller notices.
//!
//! One more attribute: a field of a span, and its name in `ALLOWED`. Never a secret, a person, or a text that somebody sent.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithTonicConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanEvents, SpanExporter, SpanLinks,
};
use tonic::transport::{ClientTlsConfig, Endpoint};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use super::{OUR_TARGETS, TelemetryError};

/// What the service is called in traces.
const SERVICE: &str = "concenter";
/// Most spans that wait; one more is lost.
const MOST_WAITING: usize = 2_048;
/// Most spans in one request to the collector.
const MOST_AT_ONCE: usize = 512;
/// How long a span waits for others that go with it.
const EVERY: Duration = Duration::from_secs(1);
/// How long the collector may take, to be reached and to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last spans may take at the end of the service.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// Who called before us, by W3C Trace Context.
const TRACEPARENT: &str = "traceparent";
/// The attribute that names the method of a call.
const METHOD: &str = "method";
/// The attribute that names its status code.
const CODE: &str = "code";

/// The attributes that leave the service.
const ALLOWED: [&str; 7] = ["call", CODE, METHOD, "reason", "request_id", "role", "tenant"];

/// Status codes that are faults of a server, by the semantic conventions of OpenTelemetry for gRPC.
const FAULTS: [&str; 6] = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// Where traces go, and how many.
#[derive(Debug, Clone)]
pub struct Collector {
    /// `http://HOST:PORT` or `https://HOST:PORT`, where OTLP over gRPC is spoken.
    pub url: String,
    /// Of a hundred calls without a trace of their own, how many get one: 0 to 100.
    pub percent: u8,
}

/// Traces on their way. Dropped only, it loses what waits.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to collect. Needs a Tokio runtime, on which the connection lives; it is made when there is something to tell.
    pub(super) fn to(collector: &Collector) -> Result<Self, TelemetryError> {
        let endpoint = Endpoint::from_shared(collector.url.clone()).map_err(|_| TelemetryError::Collector)?;
        let is_https = endpoint.uri().scheme().is_some_and(|scheme| scheme.as_str() == "https");
        let mut endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
        if is_https {
            let tls = ClientTlsConfig::new().with_enabled_roots();
            endpoint = endpoint.tls_config(tls).map_err(|_| TelemetryError::Collector)?;
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(endpoint.connect_lazy())
            .build()
            .map_err(|_| TelemetryError::Collector)?;
        Ok(Self { provider: provider(Allowlisted::before(exporter), collector.percent) })
    }

    /// What turns spans into traces.
    pub(super) fn layer<S>(&self) -> impl Layer<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // Not even looked at: spans of libraries, and lines of the log.
        let is_ours = filter_fn(|span| span.is_span() && span.target().starts_with(OUR_TARGETS))
            .with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(is_ours)
    }

    /// Takes what waits to the collector, for at most 3 s, and ends.
    pub async fn end(self) {
        // It waits on this thread, and the connection needs the runtime meanwhile.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_PATIENCE)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!(seconds = LAST_PATIENCE.as_secs(), "telemetry.traces.cut_off");
        }
    }
}

/// Settings of the library's own in the environment count for nothing here, but for the headers of OTLP.
fn provider(exporter: impl SpanExporter + 'static, percent: u8) -> SdkTracerProvider {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MOST_WAITING)
        .with_max_export_batch_size(MOST_AT_ONCE)
        .with_scheduled_delay(EVERY)
        .build();
    let resource = Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let share = Sampler::TraceIdRatioBased(f64::from(percent.min(100)) / 100.0);
    SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_sampler(Sampler::ParentBased(Box::new(share)))
        .with_resource(resource)
        .build()
}

/// Makes a call's span part of the trace that the caller is in, if he says so. Before anything enters the span.
///
/// `tracestate` and `baggage` are not taken over: nothing of ours reads them.
pub fn adopt(span: &Span, headers: &HeaderMap) {
    let mut named = headers.get_all(TRACEPARENT).iter();
    if let (Some(only), None) = (named.next(), named.next())
        && let Ok(parent) = only.to_str()
    {
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Parent(parent));
        // Fails where no traces are collected.
        let _ = span.set_parent(context);
    }
}

/// Notes in a call's span how it ended.
pub fn note_end(span: &Span, code: &'static str, reason: Option<&'static str>) {
    span.set_attribute(CODE, code);
    if let Some(reason) = reason {
        span.set_attribute("reason", reason);
    }
}

/// The one header that is read.
struct Parent<'a>(&'a str);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// Lets [`ALLOWED`] through, and tells the log once when the collector is away, and once when it is back.
struct Allowlisted<E> {
    inner: E,
    is_away: AtomicBool,
}

impl<E> Allowlisted<E> {
    const fn before(inner: E) -> Self {
        Self { inner, is_away: AtomicBool::new(false) }
    }
}

impl<E> fmt::Debug for Allowlisted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowlisted").finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Allowlisted<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(reduce);
        let exported = self.inner.export(batch).await;
        let is_away = exported.is_err();
        if self.is_away.swap(is_away, Ordering::Relaxed) != is_away {
            tracing::warn!(is_away, "telemetry.collector.changed");
        }
        // The library would say so again each time.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Leaves of a span what may be told, and names a call as the semantic conventions do.
fn reduce(span: &mut SpanData) {
    span.attributes.retain(|attribute| ALLOWED.contains(&attribute.key.as_str()));
    span.events = SpanEvents::default();
    span.links = SpanLinks::default();
    span.status = Status::Unset;
    let find = |name: &str| span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    let is_fault = find(CODE).is_some_and(|code| FAULTS.contains(&code.value.as_str().as_ref()));
    if let Some(method) = find(METHOD).map(|method| method.value.as_str().trim_matches('/').to_owned()) {
        span.name = method.into();
        span.span_kind = SpanKind::Server;
        span.attributes.push(KeyValue::new("rpc.system", "grpc"));
    }
    if is_fault {
        span.status = Status::error("");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::HeaderValue;
    use opentelemetry_sdk::error::OTelSdkError;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    /// Keeps what it is given, or fails.
    #[derive(Debug, Clone, Default)]
    struct Kept {
        spans: Arc<Mutex<Vec<SpanData>>>,
        fails: bool,
    }

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.spans.lock().unwrap().extend(batch);
            if self.fails { Err(OTelSdkError::InternalFailure("away".to_owned())) } else { Ok(()) }
        }
    }

    /// The spans that leave while `work` runs.
    fn spans_of(percent: u8, work: impl FnOnce()) -> Vec<SpanData> {
        let kept = Kept::default();
        let traces = Traces { provider: provider(Allowlisted::before(kept.clone()), percent) };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), work);
        traces.provider.force_flush().unwrap();
        kept.spans.lock().unwrap().clone()
    }

    fn call() -> Span {
        tracing::info_span!("edge.call", method = "/concenter.v1.JumpService/GetJump", role = "portal", subject = "b-1")
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// T17
    #[test]
    fn only_what_is_allowed_leaves() {
        let spans = spans_of(100, || {
            let span = call();
            span.in_scope(|| tracing::error!(password = "geheim", "a line"));
            note_end(&span, "INTERNAL", Some("INTERNAL"));
        });
        let [span] = spans.as_slice() else { panic!("{spans:?}") };
        let mut names: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["code", "method", "reason", "role", "rpc.system"]);
        assert!(span.events.is_empty() && !format!("{span:?}").contains("geheim"), "{span:?}");
        assert_eq!((span.name.as_ref(), &span.span_kind), ("concenter.v1.JumpService/GetJump", &SpanKind::Server));
        assert_eq!(span.status, Status::error(""));
    }

    #[test]
    fn a_refusal_is_no_fault() {
        let spans = spans_of(100, || note_end(&call(), "NOT_FOUND", Some("NOT_FOUND")));
        assert_eq!(spans.first().map(|span| &span.status), Some(&Status::Unset));
    }

    #[test]
    fn a_call_goes_on_in_the_trace_of_its_caller() {
        let spans = spans_of(0, || adopt(&call(), &headers(&[&format!("00-{TRACE}-{SPAN}-01")])));
        let [span] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(span.span_context.trace_id().to_string(), TRACE);
        assert_eq!(span.parent_span_id.to_string(), SPAN);
        let unsampled = spans_of(100, || adopt(&call(), &headers(&[&format!("00-{TRACE}-{SPAN}-00")])));
        assert!(unsampled.is_empty(), "whoever called said that this trace is not wanted");
    }

    #[test]
    fn what_is_no_traceparent_begins_a_trace_of_its_own() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        let short = format!("00-{TRACE}-01");
        let zero = format!("00-{}-{SPAN}-01", "0".repeat(32));
        for bad in [&[""][..], &["x"], &[&short], &[&zero], &[&good, &good]] {
            let spans = spans_of(100, || adopt(&call(), &headers(bad)));
            let [span] = spans.as_slice() else { panic!("{bad:?}: {spans:?}") };
            assert_ne!(span.span_context.trace_id().to_string(), TRACE, "{bad:?}");
            assert!(!span.parent_span_is_remote, "{bad:?}");
        }
    }

    #[test]
    fn of_calls_without_a_trace_as_many_get_one_as_was_asked_for() {
        assert!(spans_of(0, || drop(call())).is_empty());
        assert_eq!(spans_of(100, || drop(call())).len(), 1);
    }

    #[test]
    fn more_than_fit_into_the_queue_are_lost_and_nobody_waits() {
        let kept = Kept { fails: true, ..Kept::default() };
        let traces = Traces { provider: provider(Allowlisted::before(kept.clone()), 100) };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            for _ in 0..10 * MOST_WAITING {
                drop(call());
            }
        });
        traces.provider.shutdown_with_timeout(PATIENCE).unwrap();
        assert!(!kept.spans.lock().unwrap().is_empty());
    }
}
