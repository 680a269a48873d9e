//! Calls that the generated clients cannot make: by the path of the method, with bytes, or as a whole HTTP request.

use std::sync::LazyLock;

use axum::body::Body as Bytes;
use concenter_gateway::proto::FILE_DESCRIPTOR_SET;
use http::uri::PathAndQuery;
use prost::bytes::{Buf as _, BufMut as _};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MethodDescriptor, ReflectMessage as _};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Response, Status};
use tower::ServiceExt as _;

use super::Client;

/// Everything that the API is made of.
fn descriptors() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors"));
    &POOL
}

/// Every method of ours.
pub fn methods() -> impl Iterator<Item = MethodDescriptor> {
    let ours = descriptors().services().filter(|service| service.full_name().starts_with("concenter."));
    ours.flat_map(|service| service.methods().collect::<Vec<_>>())
}

/// The path of a method.
pub fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The method of a path.
pub fn method_at(path: &str) -> MethodDescriptor {
    methods().find(|method| path_of(method) == path).unwrap_or_else(|| panic!("{path} is no method of ours"))
}

/// The etag in a message, at the top or in the resource that it carries.
pub fn etag_in(message: &DynamicMessage) -> Option<String> {
    if let Some(etag) = message.get_field_by_name("etag") {
        return etag.as_str().map(str::to_owned);
    }
    let descriptor = message.descriptor();
    let mut inner =
        descriptor.fields().filter(|field| matches!(field.kind(), Kind::Message(_)) && message.has_field(field));
    inner.find_map(|field| message.get_field(&field).as_message().and_then(etag_in))
}

impl Client {
    /// Sends a message by the path of its method, as bytes.
    pub async fn send(&self, path: &str, message: Vec<u8>) -> Result<Response<Vec<u8>>, Status> {
        let mut grpc = Grpc::new(self.wire());
        grpc.ready().await.expect("a connection");
        let path = PathAndQuery::try_from(path).expect("a path");
        grpc.unary(Request::new(message), path, Raw).await
    }

    /// Sends a message that is known by its descriptor, and reads the answer by that of its method.
    pub async fn send_dynamic(&self, path: &str, message: &DynamicMessage) -> Result<Response<DynamicMessage>, Status> {
        let answer = self.send(path, prost::Message::encode_to_vec(message)).await?;
        let read =
            |bytes: Vec<u8>| DynamicMessage::decode(method_at(path).output(), bytes.as_slice()).expect("an answer");
        Ok(answer.map(read))
    }

    /// Posts a body as it is, with these headers beside the caller's own; gives the status that came back.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
        let mut request = http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(tonic::body::Body::new(Bytes::from(body))).expect("a request");
        let answer = self.wire().oneshot(request).await.expect("an answer");
        Status::from_header_map(answer.headers()).unwrap_or_else(|| panic!("no status in {:?}", answer.headers()))
    }
}

/// Takes bytes for messages.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let all = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(all).to_vec()))
    }
}
