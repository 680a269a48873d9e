//! `KeyService`: the signing keys and the key-encryption keys, for operators.

use tonic::Request;

use super::convert::timestamp;
use super::desk::{Answer, Desk};
use crate::app::keks::KekRecord;
use crate::app::keys::SigningKeyRecord;
use crate::app::pages::List;
use crate::domain::kek::{KekId, KekState};
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

    async fn list_keks(&self, request: Request<v1::ListKeksRequest>) -> Answer<v1::ListKeksResponse> {
        let (call, message) = self.desk.open_operators(request)?;
        let list = List { caller: &call.caller, name: "/concenter.admin.v1.KeyService/ListKeks", filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let rows = self.desk.checked(self.desk.app.list_keks(&page).await)?.map(|kek| kek_out(&kek));
        let (keks, next_page_token) = self.desk.page_out(&list, rows, |kek| &kek.kek_id);
        Ok(v1::ListKeksResponse { keks, next_page_token }.into())
    }

    async fn add_kek(&self, request: Request<v1::AddKekRequest>) -> Answer<v1::AddKekResponse> {
        let (call, kek_id) =
            self.desk.effect(request, |fields, message| fields.keep("kek_id", KekId::parse(&message.kek_id)))?;
        let added = self.desk.checked(self.desk.app.add_kek(&call, &kek_id).await)?;
        Ok(v1::AddKekResponse { kek: Some(kek_out(&added)) }.into())
    }

    async fn activate_kek(&self, request: Request<v1::ActivateKekRequest>) -> Answer<v1::ActivateKekResponse> {
        let (call, kek_id) =
            self.desk.effect(request, |fields, message| fields.keep("kek_id", KekId::parse(&message.kek_id)))?;
        let active = self.desk.checked(self.desk.app.activate_kek(&call, &kek_id).await)?;
        Ok(v1::ActivateKekResponse { kek: Some(kek_out(&active)) }.into())
    }

    async fn retire_kek(&self, request: Request<v1::RetireKekRequest>) -> Answer<v1::RetireKekResponse> {
        let (call, kek_id) =
            self.desk.effect(request, |fields, message| fields.keep("kek_id", KekId::parse(&message.kek_id)))?;
        let retired = self.desk.checked(self.desk.app.retire_kek(&call, &kek_id).await)?;
        Ok(v1::RetireKekResponse { kek: Some(kek_out(&retired)) }.into())
    }
}

const fn kek_state_out(state: KekState) -> v1::KekState {
    match state {
        KekState::Active => v1::KekState::Active,
        KekState::DecryptOnly => v1::KekState::DecryptOnly,
        KekState::Retired => v1::KekState::Retired,
    }
}

fn kek_out(kek: &KekRecord) -> v1::Kek {
    v1::Kek {
        kek_id: kek.kek_id.to_string(),
        state: kek_state_out(kek.state).into(),
        data_keys: u32::try_from(kek.data_keys).unwrap_or(u32::MAX),
        available: kek.is_available,
        added_at: Some(timestamp(kek.added_at)),
        retired_at: kek.retired_at.map(timestamp),
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
