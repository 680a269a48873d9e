//! The wire contract: code generated from `proto/`, and `Debug` for the messages that carry a secret.
//!
//! A field marked `debug_redact` in a proto file takes the derived `Debug` from its message. One more such
//! message: write its `Debug` here, naming the fields that may be shown, and add a sample to the test below,
//! which fails until then. The module uses nothing else of this crate.

use std::fmt;

use zeroize::Zeroize as _;

/// The API of a tenant's callers: package `concenter.v1`.
#[expect(
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the generators write in their own style"
)]
pub mod v1 {
    tonic::include_proto!("concenter.v1");
}

/// The API of the operator.
pub mod admin {
    /// The API of the operator: package `concenter.admin.v1`.
    #[expect(
        clippy::pedantic,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "the generators write in their own style"
    )]
    pub mod v1 {
        tonic::include_proto!("concenter.admin.v1");
    }
}

impl Drop for v1::RedeemJumpResponse {
    /// Wipes the password: the answer is the one place where it must be plain text.
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

/// Both packages and what they import, as an encoded `google.protobuf.FileDescriptorSet`, comments included.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("concenter_descriptor");

impl fmt::Debug for v1::CreateUserRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUserRequest")
            .field("request_id", &self.request_id)
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::SetUserSecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetUserSecretRequest")
            .field("request_id", &self.request_id)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::JumpToTarifRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JumpToTarifRequest")
            .field("request_id", &self.request_id)
            .field("target_id", &self.target_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::JumpToTarifResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JumpToTarifResponse")
            .field("jump_id", &self.jump_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::JumpToInsurerPortalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JumpToInsurerPortalRequest")
            .field("request_id", &self.request_id)
            .field("target_id", &self.target_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::JumpToInsurerPortalResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JumpToInsurerPortalResponse")
            .field("jump_id", &self.jump_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::FormPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormPost").field("action_url", &self.action_url).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::RedeemJumpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedeemJumpRequest").field("proof", &self.proof).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::redeem_jump_request::Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::Handle(_) => "Handle(..)",
        })
    }
}

impl fmt::Debug for v1::RedeemJumpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedeemJumpResponse")
            .field("jump_id", &self.jump_id)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::v1::redeem_jump_request::Proof;
    use super::*;

    /// Stands in every secret field of the samples, and nowhere else.
    const CANARY: &str = "canary-8c1f";

    /// One message with every secret field set, by its full name; sorted by name.
    fn samples() -> Vec<(&'static str, Box<dyn fmt::Debug>)> {
        let secret = || CANARY.to_owned();
        let create_user = v1::CreateUserRequest { password: Some(secret()), ..Default::default() };
        let set_secret = v1::SetUserSecretRequest { password: secret(), ..Default::default() };
        let to_tarif = v1::JumpToTarifRequest { context: Some(secret()), nonce: Some(secret()), ..Default::default() };
        let to_portal =
            v1::JumpToInsurerPortalRequest { context: Some(secret()), nonce: Some(secret()), ..Default::default() };
        let form_post = v1::FormPost { token: secret(), ..Default::default() };
        let tarif_link =
            v1::JumpToTarifResponse { deep_link: secret(), form_post: Some(form_post.clone()), ..Default::default() };
        let portal_link = v1::JumpToInsurerPortalResponse {
            deep_link: secret(),
            form_post: Some(form_post.clone()),
            ..Default::default()
        };
        let redeem = [Proof::Token(secret()), Proof::Handle(secret())]
            .map(|proof| v1::RedeemJumpRequest { proof: Some(proof), nonce: Some(secret()) });
        let mut redeemed = v1::RedeemJumpResponse::default();
        redeemed.password = Some(secret());
        redeemed.context = Some(secret());
        vec![
            ("concenter.v1.CreateUserRequest", Box::new(create_user)),
            ("concenter.v1.FormPost", Box::new(form_post)),
            ("concenter.v1.JumpToInsurerPortalRequest", Box::new(to_portal)),
            ("concenter.v1.JumpToInsurerPortalResponse", Box::new(portal_link)),
            ("concenter.v1.JumpToTarifRequest", Box::new(to_tarif)),
            ("concenter.v1.JumpToTarifResponse", Box::new(tarif_link)),
            ("concenter.v1.RedeemJumpRequest", Box::new(redeem)),
            ("concenter.v1.RedeemJumpResponse", Box::new(redeemed)),
            ("concenter.v1.SetUserSecretRequest", Box::new(set_secret)),
        ]
    }

    #[test]
    fn no_message_prints_its_secret() {
        for (name, message) in samples() {
            assert!(!format!("{message:?} {message:#?}").contains(CANARY), "{name}");
        }
    }

    #[test]
    fn every_message_with_a_secret_has_a_sample() {
        let sampled: Vec<_> = samples().into_iter().map(|(name, _)| name).collect();
        let marked: Vec<_> = env!("REDACTED_MESSAGES").split(',').collect();
        assert_eq!(sampled, marked);
    }

    #[test]
    fn the_descriptor_set_holds_both_packages() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        for package in ["concenter.v1", "concenter.admin.v1"] {
            assert!(set.file.iter().any(|file| file.package() == package), "{package}");
        }
    }
}
