//! Calls whose request holds a password: it is wiped as soon as it is sent, and if it is not sent at all.
//!
//! A client of the generated ones drops the request as it is, with the password in it. One more such request:
//! [`HoldsPassword`] for it, and a call through [`Session::done_wiping`](super::Session::done_wiping).

use std::marker::PhantomData;

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::{Request, Response, Status};
use tonic_prost::ProstDecoder;
use zeroize::Zeroize as _;

use super::session::Service;
use crate::proto::v1;

/// A request with a password in it.
pub(in crate::cli) trait HoldsPassword {
    /// What it is answered with.
    type Answer;

    /// The path of its method.
    const METHOD: &'static str;

    /// Overwrites the password.
    fn wipe(&mut self);
}

impl HoldsPassword for v1::CreateUserRequest {
    type Answer = v1::CreateUserResponse;

    const METHOD: &'static str = "/concenter.v1.UserService/CreateUser";

    fn wipe(&mut self) {
        self.password.zeroize();
    }
}

impl HoldsPassword for v1::SetUserSecretRequest {
    type Answer = v1::SetUserSecretResponse;

    const METHOD: &'static str = "/concenter.v1.UserService/SetUserSecret";

    fn wipe(&mut self) {
        self.password.zeroize();
    }
}

/// Wipes the password of a request when it is dropped. It has no `Debug`.
pub(in crate::cli) struct Wiped<M: HoldsPassword>(pub(in crate::cli) M);

impl<M: HoldsPassword> Drop for Wiped<M> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// Sends the request.
pub(super) async fn call<M>(service: Service, request: Wiped<M>) -> Result<Response<M::Answer>, Status>
where
    M: HoldsPassword + Message + 'static,
    M::Answer: Message + Default + 'static,
{
    let mut client = Grpc::new(service);
    client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
    client.unary(Request::new(request), PathAndQuery::from_static(M::METHOD), WipingCodec(PhantomData)).await
}

/// The codec of the generated clients, for a request that is wiped.
struct WipingCodec<M>(PhantomData<M>);

impl<M> Codec for WipingCodec<M>
where
    M: HoldsPassword + Message + 'static,
    M::Answer: Message + Default + 'static,
{
    type Encode = Wiped<M>;
    type Decode = M::Answer;
    type Encoder = Self;
    type Decoder = ProstDecoder<M::Answer>;

    fn encoder(&mut self) -> Self::Encoder {
        Self(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

impl<M: HoldsPassword + Message> Encoder for WipingCodec<M> {
    type Item = Wiped<M>;
    type Error = Status;

    fn encode(&mut self, request: Wiped<M>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        request.0.encode(buffer).map_err(|error| Status::from_error(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// Tells when it is wiped.
    struct Probe(Rc<Cell<bool>>);

    impl HoldsPassword for Probe {
        type Answer = ();

        const METHOD: &'static str = "";

        fn wipe(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn a_dropped_request_is_wiped() {
        let is_wiped = Rc::new(Cell::new(false));
        let request = Wiped(Probe(is_wiped.clone()));
        assert!(!is_wiped.get());
        drop(request);
        assert!(is_wiped.get());
    }

    #[test]
    fn a_wiped_request_holds_no_password() {
        let mut create = v1::CreateUserRequest { password: Some("geheim".to_owned()), ..Default::default() };
        create.wipe();
        assert_eq!(create.password, None);
        let mut set = v1::SetUserSecretRequest { password: "geheim".to_owned(), ..Default::default() };
        set.wipe();
        assert_eq!(set.password, "");
    }
}
