//! The gate while there is nothing behind it yet: health answers, everybody else is told to come back.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Denial, Words, policy};

/// The layer that lets nothing but health through.
#[derive(Clone)]
pub struct ClosedGate {
    /// How a denial looks on the wire.
    pub words: Words,
}

impl<S> Layer<S> for ClosedGate {
    type Service = Closed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Closed { gate: self.clone(), inner }
    }
}

/// A service behind the closed gate.
#[derive(Clone)]
pub struct Closed<S> {
    gate: ClosedGate,
    inner: S,
}

impl<S> Service<Request<Body>> for Closed<S>
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
        match denial(request.uri().path()) {
            None => Box::pin(self.inner.call(request)),
            Some(denial) => {
                let answer = (self.gate.words.render)(denial);
                Box::pin(async move { Ok(answer) })
            }
        }
    }
}

/// Why a method is not answered; `None` for health.
fn denial(path: &str) -> Option<Denial> {
    if path.starts_with(policy::HEALTH) {
        return None;
    }
    Some(if policy::find(path).is_some() { Denial::StorageUnavailable } else { Denial::UnknownMethod })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_health_passes() {
        assert_eq!(denial("/grpc.health.v1.Health/Check"), None);
        assert_eq!(denial("/concenter.v1.JumpService/GetJwks"), Some(Denial::StorageUnavailable));
        assert_eq!(denial("/concenter.v1.JumpService/Missing"), Some(Denial::UnknownMethod));
    }
}
