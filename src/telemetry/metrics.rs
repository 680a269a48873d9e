//! Numbers about the running service, in the text format of Prometheus (`docs/operations.md#metrics`).
//!
//! What happens with each call is counted by atomics alone: nobody waits for a lock, nor for who reads. What the service
//! knows anyway, such as how many connections there are, is asked for when somebody reads ([`Reading`]).
//!
//! A label is a word of a list that is fixed at the start; whatever is not on it counts as `other`. So the number of
//! series is bounded, and nothing that a caller sent is among them. A series shows from its first count on.
//!
//! One more number: a field here, its line in [`Metrics::new`] or in [`Reading`], and its row in `docs/operations.md`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

/// What every name begins with.
const PREFIX: &str = "concenter";
/// The word for what is on no list.
const OTHER: &str = "other";

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Label = (&'static str, &'static str);
type ByOne<M> = Family<[Label; 1], M>;

/// The words that labels may be, each once.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// Methods, as their paths.
    pub methods: Vec<&'static str>,
    /// Names of status codes.
    pub codes: Vec<&'static str>,
    /// Reasons of refusals; names of codes stand for refusals without one.
    pub reasons: Vec<&'static str>,
}

/// Everything that is counted as it happens.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    methods: Words,
    codes: Words,
    reasons: Words,
    calls: Family<[Label; 2], Counter>,
    durations: ByOne<Durations>,
    /// By the index of its method.
    by_method: Box<[OfMethod]>,
    refusals: ByReason,
    anonymous: ByReason,
    redeems: Durations,
}

/// The series of one method.
#[derive(Debug)]
struct OfMethod {
    durations: OnceLock<Durations>,
    /// By the index of the code.
    calls: Box<[OnceLock<Counter>]>,
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        let (methods, codes, reasons) =
            (Words::new(labels.methods), Words::new(labels.codes), Words::new(labels.reasons));
        let (calls, durations, redeems) = (Family::default(), ByOne::default(), Durations::default());
        let (refusals, anonymous) = (ByReason::new(&reasons), ByReason::new(&reasons));
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("calls", "Calls that ended, by method and status code", calls.clone());
        registry.register(
            "call_duration_seconds",
            "How long calls took until their answer began, by method",
            durations.clone(),
        );
        registry.register("refusals", "Calls that were not answered well, by reason", refusals.family.clone());
        registry.register(
            "anonymous_refusals",
            "Calls refused without anybody known to have made them, by reason",
            anonymous.family.clone(),
        );
        registry.register("redeem_duration_seconds", "How long redemptions took that went well", redeems.clone());
        let of_method = |_| OfMethod { durations: OnceLock::new(), calls: cells(codes.number()) };
        let by_method = (0..methods.number()).map(of_method).collect();
        Self { registry, methods, codes, reasons, calls, durations, by_method, refusals, anonymous, redeems }
    }

    /// Counts a call that ended. `reason`: why it was not answered well, `None` if it was.
    pub fn call_ended(&self, method: &str, code: &str, reason: Option<&str>, took: Duration) {
        let (method, code) = (self.methods.index(method), self.codes.index(code));
        if let Some(of_method) = self.by_method.get(method) {
            let word = self.methods.word(method);
            of_method.durations.get_or_init(|| self.durations.get_or_create_owned(&[("method", word)])).observe(took);
            if let Some(calls) = of_method.calls.get(code) {
                let labels = [("method", word), ("code", self.codes.word(code))];
                calls.get_or_init(|| self.calls.get_or_create_owned(&labels)).inc();
            }
        }
        if let Some(reason) = reason {
            self.refusals.count(&self.reasons, reason);
        }
    }

    /// Counts a call that was refused without anybody known to have made it.
    pub fn refused_anonymous(&self, reason: &str) {
        self.anonymous.count(&self.reasons, reason);
    }

    /// Counts a redemption that went well.
    pub fn redeemed(&self, took: Duration) {
        self.redeems.observe(took);
    }

    /// Everything, with what was read beside: the text of [`CONTENT_TYPE`].
    #[must_use]
    pub fn text(&self, reading: &Reading) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        let _ = prometheus_text::encode(&mut text, &reading.registry());
        text
    }
}

/// What the service knows when somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The version of the program.
    pub version: &'static str,
    /// Calls that have begun and not ended, health excepted.
    pub calls_in_flight: u64,
    /// Open connections, by listener.
    pub connections: [(&'static str, u64); 2],
    /// How often a caller's token was verified a moment ago, and how often it was not.
    pub caller_cache: [(&'static str, u64); 2],
    /// How many passwords of con:center users became suspect, since logins failed again and again.
    pub suspect_credentials: u64,
    /// How old the key is that signs jump tokens; `None` where nobody knows.
    pub signing_key_age: Option<Duration>,
    /// How old a row of the audit log may be that has no seal; `None` before the first look.
    pub seal_lag: Option<Duration>,
    /// Connections to the database, by state.
    pub store_connections: [(&'static str, u64); 2],
    /// What waits for the store, by queue.
    pub store_waiting: [(&'static str, u64); 2],
    /// How many writes shared a transaction.
    pub batches: Buckets,
}

impl Reading {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let built = gauges("version", [(self.version, 1)]);
        registry.register("build_info", "The version of the program; always 1", built);
        registry.register("calls_in_flight", "Calls under way, health excepted", gauge(self.calls_in_flight));
        registry.register("connections", "Open connections, by listener", gauges("listener", self.connections));
        registry.register(
            "caller_cache_lookups",
            "Callers' tokens, by whether they were verified a moment ago (hit) or had to be (miss)",
            counters("result", self.caller_cache),
        );
        registry.register(
            "suspect_credentials",
            "Passwords that logins failed with again and again, so that jumps with them are refused",
            counter(self.suspect_credentials),
        );
        if let Some(age) = self.signing_key_age {
            registry.register("signing_key_age_seconds", "Age of the key that signs jump tokens", seconds(age));
        }
        if let Some(lag) = self.seal_lag {
            registry.register(
                "audit_seal_lag_seconds",
                "How old a row of the audit log may be that has no seal",
                seconds(lag),
            );
        }
        registry.register(
            "store_connections",
            "Connections that read from the database, by state",
            gauges("state", self.store_connections),
        );
        registry.register(
            "store_waiting",
            "What waits for the database, by queue",
            gauges("queue", self.store_waiting),
        );
        registry.register("store_batch_size", "How many writes shared a transaction", self.batches.clone());
        registry
    }
}

fn gauge(value: u64) -> Gauge {
    let gauge: Gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn counter(value: u64) -> Counter {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn seconds(value: Duration) -> Gauge<f64, AtomicU64> {
    let gauge: Gauge<f64, AtomicU64> = Gauge::default();
    gauge.set(value.as_secs_f64());
    gauge
}

fn gauges<const N: usize>(label: &'static str, values: [(&'static str, u64); N]) -> ByOne<Gauge> {
    let family = ByOne::<Gauge>::default();
    for (word, value) in values {
        family.get_or_create(&[(label, word)]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    family
}

fn counters<const N: usize>(label: &'static str, values: [(&'static str, u64); N]) -> ByOne<Counter> {
    let family = ByOne::<Counter>::default();
    for (word, value) in values {
        family.get_or_create(&[(label, word)]).inc_by(value);
    }
    family
}

/// A list of words, and one place more for what is not on it.
#[derive(Debug)]
struct Words(Box<[&'static str]>);

impl Words {
    fn new(mut words: Vec<&'static str>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self(words.into())
    }

    fn index(&self, word: &str) -> usize {
        self.0.binary_search(&word).unwrap_or(self.0.len())
    }

    fn word(&self, index: usize) -> &'static str {
        self.0.get(index).copied().unwrap_or(OTHER)
    }

    fn number(&self) -> usize {
        self.0.len().saturating_add(1)
    }
}

/// A counter for each reason.
#[derive(Debug)]
struct ByReason {
    family: ByOne<Counter>,
    /// By the index of the reason.
    counted: Box<[OnceLock<Counter>]>,
}

impl ByReason {
    fn new(reasons: &Words) -> Self {
        Self { family: Family::default(), counted: cells(reasons.number()) }
    }

    fn count(&self, reasons: &Words, reason: &str) {
        let index = reasons.index(reason);
        if let Some(counted) = self.counted.get(index) {
            counted.get_or_init(|| self.family.get_or_create_owned(&[("reason", reasons.word(index))])).inc();
        }
    }
}

fn cells<M>(number: usize) -> Box<[OnceLock<M>]> {
    (0..number).map(|_| OnceLock::new()).collect()
}

/// Upper bounds of the buckets of durations, in microseconds, each in its bucket.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// A histogram of durations. A clone is the same one.
///
/// The library's own takes a lock for each observation.
#[derive(Debug, Clone, Default)]
struct Durations(Arc<Observed>);

#[derive(Debug, Default)]
struct Observed {
    /// Within each bound of [`BOUNDS`] and beyond the one before, and in the end beyond the last one.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Durations {
    fn observe(&self, took: Duration) {
        // Rounded up: what takes longer than a bound is not within it.
        let micros = u64::try_from(took.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> Buckets {
        let bounds = BOUNDS.map(|micros| Duration::from_micros(micros).as_secs_f64());
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let nanos = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed));
        Buckets { counts: bounds.into_iter().chain([f64::INFINITY]).zip(counts).collect(), sum: nanos.as_secs_f64() }
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.read().encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

/// A histogram as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets {
    /// Upper bounds, ascending, the last one infinite; and how much is within each of them and beyond the one before.
    pub counts: Vec<(f64, u64)>,
    /// The sum of everything observed.
    pub sum: f64,
}

impl EncodeMetric for Buckets {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        // Of what was read here, so that it fits: a count beside could be ahead of its buckets.
        let count = self.counts.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(self.sum, count, &self.counts, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUMP: &str = "/concenter.v1.JumpService/JumpToTarif";

    fn metrics() -> Metrics {
        Metrics::new(Labels {
            methods: vec![JUMP, "/concenter.v1.JumpService/GetJump"],
            codes: vec!["OK", "NOT_FOUND"],
            reasons: vec!["ROLE", "NOT_FOUND"],
        })
    }

    fn lines(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text(&Reading::default());
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    fn value(metrics: &Metrics, series: &str) -> Option<String> {
        lines(metrics).iter().find_map(|line| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned()))
    }

    #[test]
    fn a_call_is_counted_under_its_method_code_and_reason() {
        let metrics = metrics();
        metrics.call_ended(JUMP, "OK", None, Duration::from_millis(3));
        metrics.call_ended(JUMP, "NOT_FOUND", Some("NOT_FOUND"), Duration::from_millis(1));
        let calls = |code| value(&metrics, &format!("concenter_calls_total{{method=\"{JUMP}\",code=\"{code}\"}}"));
        assert_eq!((calls("OK").as_deref(), calls("NOT_FOUND").as_deref()), (Some("1"), Some("1")));
        assert_eq!(value(&metrics, "concenter_refusals_total{reason=\"NOT_FOUND\"}").as_deref(), Some("1"));
        let took = |what: &str| value(&metrics, &format!("concenter_call_duration_seconds_{what}"));
        assert_eq!(took(&format!("count{{method=\"{JUMP}\"}}")).as_deref(), Some("2"));
        assert_eq!(took(&format!("sum{{method=\"{JUMP}\"}}")).as_deref(), Some("0.004"));
    }

    /// T17
    #[test]
    fn a_word_that_is_on_no_list_is_no_label() {
        let metrics = metrics();
        for word in ["b-1", "", "\"} 1\nx{a=\"", "OK "] {
            metrics.call_ended(word, word, Some(word), Duration::ZERO);
            metrics.refused_anonymous(word);
        }
        let all = "concenter_calls_total{method=\"other\",code=\"other\"}";
        assert_eq!(value(&metrics, all).as_deref(), Some("4"));
        assert_eq!(value(&metrics, "concenter_anonymous_refusals_total{reason=\"other\"}").as_deref(), Some("4"));
        assert!(lines(&metrics).iter().all(|line| !line.contains("b-1")));
    }

    #[test]
    fn a_duration_is_in_the_bucket_of_the_first_bound_that_it_is_within() {
        let durations = Durations::default();
        for (micros, nanos) in [(500, 0), (500, 1), (10_000_000, 0), (10_000_000, 1), (0, 0)] {
            durations.observe(Duration::from_micros(micros) + Duration::from_nanos(nanos));
        }
        let read: Vec<_> = durations.read().counts.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(read, [(0.0005, 2), (0.001, 1), (10.0, 1), (f64::INFINITY, 1)]);
    }

    #[test]
    fn buckets_are_told_as_sums_and_end_with_all() {
        let metrics = metrics();
        metrics.redeemed(Duration::from_millis(1));
        metrics.redeemed(Duration::from_secs(60));
        let bucket = |le: &str| value(&metrics, &format!("concenter_redeem_duration_seconds_bucket{{le=\"{le}\"}}"));
        assert_eq!(bucket("0.0005").as_deref(), Some("0"));
        assert_eq!(bucket("0.001").as_deref(), Some("1"));
        assert_eq!(bucket("10").as_deref(), Some("1"));
        assert_eq!(bucket("+Inf").as_deref(), Some("2"));
    }

    #[test]
    fn what_nobody_knows_is_not_told() {
        let text = metrics().text(&Reading::default());
        assert!(!text.contains("signing_key_age") && !text.contains("seal_lag"), "{text}");
        let known = Reading { signing_key_age: Some(Duration::from_millis(1_500)), ..Reading::default() };
        assert!(metrics().text(&known).contains("concenter_signing_key_age_seconds 1.5\n"));
    }

    #[test]
    fn many_threads_lose_no_count() {
        let metrics = metrics();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        metrics.call_ended(JUMP, "OK", None, Duration::from_millis(1));
                    }
                });
            }
        });
        let all = format!("concenter_calls_total{{method=\"{JUMP}\",code=\"OK\"}}");
        assert_eq!(value(&metrics, &all).as_deref(), Some("4000"));
    }
}
