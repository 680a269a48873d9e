//! `JumpService`: making, explaining, redeeming and revoking jumps, and their history.
//!
//! [`wish`] reads what is asked for, [`answer`] says what came of it and [`advice`] what can be done about it, [`session`]
//! what became of it at the target, and [`history`] tells of it afterwards. [`simulation`] tells what a change would do to
//! all of them, and [`isolation`] how they are kept apart.

mod advice;
mod answer;
mod history;
mod isolation;
mod session;
mod simulation;
mod wish;

use tonic::Request;

use super::convert::{both, count, duration};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::app::redeem::Proof;
use crate::app::{Failure, JWKS_MAX_AGE};
use crate::domain::error::Reason;
use crate::domain::ids::JumpId;
use crate::domain::jump::Nonce;
use crate::domain::simulation::SimulationQuery;
use crate::domain::target::TargetKind;
use crate::proto::v1;
use crate::proto::v1::jump_service_server::JumpService;
use crate::proto::v1::redeem_jump_request as redeem;

use self::wish::WireJump;

/// The service.
pub(super) struct Jumps {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl JumpService for Jumps {
    async fn jump_to_tarif(&self, request: Request<v1::JumpToTarifRequest>) -> Answer<v1::JumpToTarifResponse> {
        let (call, (wish, life)) = self.desk.effect(request, |fields, message| {
            wish::jump(fields, message.into(), Some(TargetKind::TariffCalculator))
        })?;
        let issued = self.desk.checked(self.desk.app.issue_jump(&call, wish, life).await)?;
        Ok(v1::JumpToTarifResponse::from(issued).into())
    }

    async fn jump_to_insurer_portal(
        &self,
        request: Request<v1::JumpToInsurerPortalRequest>,
    ) -> Answer<v1::JumpToInsurerPortalResponse> {
        let (call, (wish, life)) = self
            .desk
            .effect(request, |fields, message| wish::jump(fields, message.into(), Some(TargetKind::InsurerPortal)))?;
        let issued = self.desk.checked(self.desk.app.issue_jump(&call, wish, life).await)?;
        Ok(v1::JumpToInsurerPortalResponse::from(issued).into())
    }

    async fn explain_jump(&self, request: Request<v1::ExplainJumpRequest>) -> Answer<v1::ExplainJumpResponse> {
        let (call, message) = self.desk.open(request)?;
        let (wish, _) = self.desk.read(|fields| wish::jump(fields, WireJump::from(message), None))?;
        let explanation = self.desk.checked(self.desk.app.explain_jump(&call, wish).await)?;
        Ok(answer::explanation(explanation).into())
    }

    async fn redeem_jump(&self, request: Request<v1::RedeemJumpRequest>) -> Answer<v1::RedeemJumpResponse> {
        let (call, message) = self.desk.open(request)?;
        let (proof, nonce) = self.desk.checked(presented(message))?;
        let redeemed = self.desk.checked(self.desk.app.redeem_jump(&call, &proof, nonce.as_ref()).await)?;
        Ok(self.desk.checked(answer::redeemed(redeemed))?.into())
    }

    async fn report_jump_result(
        &self,
        request: Request<v1::ReportJumpResultRequest>,
    ) -> Answer<v1::ReportJumpResultResponse> {
        let (call, (session, result)) =
            self.desk.effect(request, |fields, message| session::report(fields, &message))?;
        self.desk.checked(self.desk.app.report_jump_result(&call, &session, result).await)?;
        Ok(v1::ReportJumpResultResponse {}.into())
    }

    async fn introspect_jump(&self, request: Request<v1::IntrospectJumpRequest>) -> Answer<v1::IntrospectJumpResponse> {
        let (call, message) = self.desk.open(request)?;
        let session = self.desk.read(|fields| session::session(fields, &message.session))?;
        let introspection = self.desk.checked(self.desk.app.introspect_jump(&call, &session).await)?;
        Ok(v1::IntrospectJumpResponse::from(introspection).into())
    }

    async fn get_jump(&self, request: Request<v1::GetJumpRequest>) -> Answer<v1::GetJumpResponse> {
        let (call, message) = self.desk.open(request)?;
        let jump = self.desk.read(|fields| fields.uuid("jump_id", JumpId::parse(&message.jump_id)))?;
        let found = self.desk.checked(self.desk.app.get_jump(&call, &jump).await)?;
        Ok(v1::GetJumpResponse { jump: Some(found.into()) }.into())
    }

    async fn list_jumps(&self, request: Request<v1::ListJumpsRequest>) -> Answer<v1::ListJumpsResponse> {
        let (call, message) = self.desk.open(request)?;
        let filter = history::filter_text(&message);
        let list = List { caller: &call.caller, name: "/concenter.v1.JumpService/ListJumps", filter: &filter };
        let (filter, page) = self.desk.read(|fields| {
            let page = self.desk.page(fields, &list, message.page_size, &message.page_token);
            both(history::filter(fields, &message), page)
        })?;
        let rows = self.desk.checked(self.desk.app.list_jumps(&call, filter, &page).await)?.map(v1::Jump::from);
        let (jumps, next_page_token) = self.desk.page_out(&list, rows, |jump| &jump.jump_id);
        Ok(v1::ListJumpsResponse { jumps, next_page_token }.into())
    }

    async fn revoke_jump(&self, request: Request<v1::RevokeJumpRequest>) -> Answer<v1::RevokeJumpResponse> {
        let (call, selection) =
            self.desk.effect(request, |fields, message| history::selection(fields, message.jumps))?;
        let counts = self.desk.checked(self.desk.app.revoke_jumps(&call, &selection).await)?;
        let revoked_jumps = count(counts.jumps.into());
        Ok(v1::RevokeJumpResponse { revoked_jumps, revoked_sessions: count(counts.sessions.into()) }.into())
    }

    async fn simulate_change(&self, request: Request<v1::SimulateChangeRequest>) -> Answer<v1::SimulateChangeResponse> {
        let (call, message) = self.desk.open(request)?;
        let filter = simulation::filter_text(&message);
        let list = List { caller: &call.caller, name: "/concenter.v1.JumpService/SimulateChange", filter: &filter };
        let ((change, target), page) = self.desk.read(|fields| {
            let change = simulation::change(fields, &message);
            both(change, self.desk.page(fields, &list, message.page_size, &message.page_token))
        })?;
        let query = SimulationQuery { change, target, page };
        let simulated = self.desk.checked(self.desk.app.simulate_change(&call, &query).await)?;
        let (brokers, customers) = simulated.counts.unzip();
        let (persons, next_page_token) = self.desk.small_page_out(&list, simulated.persons);
        Ok(v1::SimulateChangeResponse {
            persons: persons.into_iter().map(v1::SimulatedPerson::from).collect(),
            next_page_token,
            brokers: brokers.map(simulation::counts),
            customers: customers.map(simulation::counts),
            would_be_refused: simulated.refusal.map(simulation::refusal),
        }
        .into())
    }

    async fn get_isolation_report(
        &self,
        request: Request<v1::GetIsolationReportRequest>,
    ) -> Answer<v1::GetIsolationReportResponse> {
        let (call, message) = self.desk.open(request)?;
        let list = List { caller: &call.caller, name: "/concenter.v1.JumpService/GetIsolationReport", filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let report = self.desk.checked(self.desk.app.isolation_report(&call, &page).await)?;
        let rows = report.users.map(v1::IsolationUser::from);
        let (users, next_page_token) = self.desk.page_out(&list, rows, isolation::user_id);
        let summary = report.summary.map(isolation::summary);
        Ok(v1::GetIsolationReportResponse { users, next_page_token, summary }.into())
    }

    /// For everybody: the one method that asks for no caller.
    async fn get_jwks(&self, _: Request<v1::GetJwksRequest>) -> Answer<v1::GetJwksResponse> {
        Ok(v1::GetJwksResponse { jwks: self.desk.app.jwks(), max_age: Some(duration(JWKS_MAX_AGE)) }.into())
    }
}

/// Reads what a target presents. Whatever is wrong with it gets the answer that a forged token gets: the difference
/// would help a forger only.
fn presented(message: v1::RedeemJumpRequest) -> Result<(Proof, Option<Nonce>), Failure> {
    let proof = match message.proof {
        Some(redeem::Proof::Token(token)) => Proof::Token(token),
        Some(redeem::Proof::Handle(handle)) => Proof::Handle(handle),
        None => return Err(Reason::JumpInvalid.into()),
    };
    let nonce = message.nonce.as_deref().map(Nonce::parse).transpose().map_err(|_| Reason::JumpInvalid)?;
    Ok((proof, nonce))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(message: v1::RedeemJumpRequest) -> Option<Reason> {
        match presented(message) {
            Ok(_) => None,
            Err(Failure::Refused(refusal)) => Some(refusal.reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_wrong_with_a_redeem_is_not_told() {
        let token = Some(redeem::Proof::Token("a.b.c".to_owned()));
        let with_nonce = |nonce: &str| v1::RedeemJumpRequest { proof: token.clone(), nonce: Some(nonce.to_owned()) };
        assert_eq!(reason(v1::RedeemJumpRequest::default()), Some(Reason::JumpInvalid));
        for nonce in ["", "a b", &"x".repeat(65)] {
            assert_eq!(reason(with_nonce(nonce)), Some(Reason::JumpInvalid), "{nonce:?}");
        }
        assert_eq!(reason(with_nonce("n-1")), None);
    }
}
