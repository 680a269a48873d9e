//! `KeyService`: the signing keys, for operators.

use tonic::Request;

use super::convert::timestamp;
use super::desk::{Answer, Desk};
use crate::app::keys::SigningKeyRecord;
use crate::app::pages::List;
use crate::domain::signing::{KeyId, KeyPurpose, KeyState};
use crate::proto::admin::v1;
use crate::proto::admin::v1::key_service_server::KeyService;

/// The service.
pub(super) struct Keys {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl KeyService for Keys {
    async fn list_keys(&self, request: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let list = List { caller: &call.caller, name: "/concenter.admin.v1.KeyService/ListKeys", filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_signing_keys(&page).await)?.map(|key| key_out(&key));
        let (keys, next_page_token) = self.desk.page_out(&list, rows, |key| &key.kid);
        Ok(v1::ListKeysResponse { keys, next_page_token }.into())
    }

    async fn rotate_key(&self, request: Request<v1::RotateKeyRequest>) -> Answer<v1::RotateKeyResponse> {
        let (call, purpose) =
            self.desk.effect(request, |fields, message| fields.word("purpose", message.purpose, purpose))?;
        let next = self.desk.checked(self.desk.app.rotate_signing_key(&call, purpose).await)?;
        Ok(v1::RotateKeyResponse { key: Some(key_out(&next)) }.into())
    }

    async fn revoke_key(&self, request: Request<v1::RevokeKeyRequest>) -> Answer<v1::RevokeKeyResponse> {
        let (call, kid) =
            self.desk.effect(request, |fields, message| fields.keep("kid", KeyId::parse(&message.kid)))?;
        let revoked = self.desk.checked(self.desk.app.revoke_signing_key(&call, &kid).await)?;
        Ok(v1::RevokeKeyResponse { key: Some(key_out(&revoked)) }.into())
    }
}

const fn purpose(word: v1::KeyPurpose) -> Option<KeyPurpose> {
    match word {
        v1::KeyPurpose::Unspecified => None,
        v1::KeyPurpose::Jump => Some(KeyPurpose::Jump),
        v1::KeyPurpose::Caller => Some(KeyPurpose::Caller),
    }
}

const fn purpose_out(purpose: KeyPurpose) -> v1::KeyPurpose {
    match purpose {
        KeyPurpose::Jump => v1::KeyPurpose::Jump,
        KeyPurpose::Caller => v1::KeyPurpose::Caller,
    }
}

const fn state_out(state: KeyState) -> v1::KeyState {
    match state {
        KeyState::Next => v1::KeyState::Next,
        KeyState::Current => v1::KeyState::Current,
        KeyState::Retired => v1::KeyState::Retired,
        KeyState::Removed => v1::KeyState::Removed,
        KeyState::Revoked => v1::KeyState::Revoked,
    }
}

fn key_out(key: &SigningKeyRecord) -> v1::SigningKey {
    v1::SigningKey {
        kid: key.kid.to_string(),
        purpose: purpose_out(key.purpose).into(),
        state: state_out(key.state).into(),
        created_at: Some(timestamp(key.created_at)),
        activate_at: Some(timestamp(key.activate_at)),
        replaced_at: key.replaced_at.map(timestamp),
        revoked_at: key.revoked_at.map(timestamp),
        usable: key.is_usable,
    }
}
