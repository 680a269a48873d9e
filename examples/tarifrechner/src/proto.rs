//! The gateway's contract, as far as a target needs it: package `concenter.v1`, generated from the repository's `proto/`.
//!
//! Messages that carry a secret have no `Debug`.
#![expect(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "the generators write in their own style"
)]

tonic::include_proto!("concenter.v1");
