//! One call from outside: its span, its place among the calls in flight, its deadline, and one line in the log and one count
//! when it is over.
//!
//! Compressed requests end here: a small one could unpack to a large one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use super::policy::{self, Rate, Row};
use super::{Denial, Ending, InFlight, Words};
use crate::domain::ids::Random;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// The outermost layer. It turns a call away when there are too many, ends one that takes too long, and gives what is logged
/// during a call an id in common.
///
/// The deadline covers a call until its answer begins; a stream may go on after that. An effect that was handed to
/// the store before the deadline still happens: the caller finds out by repeating the request under its request id.
#[derive(Clone)]
pub struct CallLayer {
    /// How long a call may take.
    pub deadline: Duration,
    /// Where the id of a call comes from.
    pub random: Arc<dyn Random>,
    /// How many calls there may be.
    pub in_flight: Arc<InFlight>,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
    /// How a denial looks on the wire, and what an answer says.
    pub words: Words,
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Calls { layer: self.clone(), inner }
    }
}

/// A service whose calls have a span and a deadline.
#[derive(Clone)]
pub struct Calls<S> {
    layer: CallLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let CallLayer { deadline, words: Words { render, ending }, .. } = self.layer;
        let begun = Instant::now();
        let row = policy::find(request.uri().path());
        let span = self.layer.span(row.as_ref());
        traces::adopt(&span, request.headers());
        let answer = self.layer.admit(&request).map(|place| {
            // The services below may log while they are called, not only while they are polled.
            let _entered = span.enter();
            (place, self.inner.call(request))
        });
        let metrics = Arc::clone(&self.layer.metrics);
        Box::pin(
            async move {
                let answer = match answer {
                    Err(denial) => render(denial),
                    Ok((_place, answer)) => match tokio::time::timeout_at(begun + deadline, answer).await {
                        Ok(answer) => answer?,
                        Err(_) => render(Denial::Deadline),
                    },
                };
                note_end(row.as_ref(), ending(&answer), begun.elapsed(), &metrics);
                Ok(answer)
            }
            .instrument(span),
        )
    }
}

/// Tells whether a request names an encoding of its messages. The library would name it back to the client.
fn is_compressed(request: &Request<Body>) -> bool {
    request.headers().get_all("grpc-encoding").iter().any(|encoding| encoding != "identity")
}

impl CallLayer {
    /// A place for a call that may go on, for as long as it lasts.
    fn admit(&self, request: &Request<Body>) -> Result<Option<OwnedSemaphorePermit>, Denial> {
        if is_compressed(request) {
            return Err(Denial::EncodingUnsupported);
        }
        self.in_flight.enter(request.uri().path())
    }

    /// The span of a call: its id, the method as the policy table writes it, and room for who calls.
    fn span(&self, row: Option<&Row>) -> Span {
        let mut id = [0; 8];
        self.random.fill(&mut id);
        tracing::info_span!(
            "edge.call",
            call = %format_args!("{:016x}", u64::from_be_bytes(id)),
            // Not the path itself: it is text of the client's.
            method = method_of(row),
            role = field::Empty,
            tenant = field::Empty,
            request_id = field::Empty,
        )
    }
}

/// The method of a call, as the policy table writes it.
fn method_of(row: Option<&Row>) -> &'static str {
    row.map_or("unknown", |row| row.method)
}

/// One line and one count for a finished call.
fn note_end(row: Option<&Row>, ending: Ending, took: Duration, metrics: &Metrics) {
    let Ending { code, reason } = ending;
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(status = code, reason, millis, "edge.call.done");
    traces::note_end(&Span::current(), code, reason);
    metrics.call_ended(method_of(row), code, ending.refusal(), took);
    if row.is_some_and(|row| row.rate == Rate::Redeem) && code == Ending::OK {
        metrics.redeemed(took);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};

    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::telemetry::metrics::Labels;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, destination: &mut [u8]) {
            destination.fill(0);
        }
    }

    fn layer(deadline: Duration) -> CallLayer {
        let in_flight = Arc::new(InFlight::new(1));
        let (metrics, words) = (Arc::new(Metrics::new(Labels::default())), Words { render, ending });
        CallLayer { deadline, random: Arc::new(Zeros), in_flight, metrics, words }
    }

    fn ending(_: &Response<Body>) -> Ending {
        Ending { code: "OK", reason: None }
    }

    fn render(denial: Denial) -> Response<Body> {
        Response::builder().header("denial", denial.to_string()).body(Body::empty()).unwrap()
    }

    fn request() -> Request<Body> {
        Request::new(Body::empty())
    }

    #[tokio::test]
    async fn a_call_that_never_answers_ends_at_the_deadline() {
        let stuck = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
        let answer = layer(Duration::ZERO).layer(stuck).oneshot(request()).await.unwrap();
        assert_eq!(answer.headers()["denial"], Denial::Deadline.to_string());
    }

    #[tokio::test]
    async fn a_request_that_names_an_encoding_is_not_passed_on() {
        let named = |encodings: &[&'static str]| {
            let mut request = request();
            for encoding in encodings {
                request.headers_mut().append("grpc-encoding", encoding.parse().unwrap());
            }
            request
        };
        for encodings in [["gzip"].as_slice(), &[""], &["Identity"], &["identity", "zstd"]] {
            let unused = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
            let answer = layer(Duration::ZERO).layer(unused).oneshot(named(encodings)).await.unwrap();
            assert_eq!(answer.headers()["denial"], Denial::EncodingUnsupported.to_string(), "{encodings:?}");
        }
        assert!(!is_compressed(&named(&["identity"])));
    }

    #[tokio::test]
    async fn a_call_that_has_ended_leaves_its_place_to_the_next() {
        let layer = layer(Duration::ZERO);
        let stuck = || service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
        let mut calls = layer.layer(stuck());
        let first = calls.call(request());
        let second = calls.call(request()).await.unwrap();
        assert_eq!(second.headers()["denial"], Denial::Overloaded.to_string());
        // One that nobody waits for any more has ended, too.
        drop(first);
        for _ in 0..2 {
            let next = layer.layer(stuck()).oneshot(request()).await.unwrap();
            assert_eq!(next.headers()["denial"], Denial::Deadline.to_string());
        }
    }

    #[tokio::test]
    async fn an_answer_in_time_passes_as_it_is() {
        let quick = service_fn(|_: Request<Body>| {
            ready(Ok::<_, Infallible>(Response::builder().header("answer", "yes").body(Body::empty()).unwrap()))
        });
        let answer = layer(Duration::from_secs(10)).layer(quick).oneshot(request()).await.unwrap();
        assert_eq!(answer.headers()["answer"], "yes");
    }
}
