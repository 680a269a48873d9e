//! What revokes an open jump: every change that its decision may rest on, also if it is taken back; and nothing else.

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");

/// Open jumps of a broker and a private customer of A, and of a private customer of B.
struct Open {
    broker: Proof,
    customer: Proof,
    stranger: Proof,
}

impl Open {
    async fn jumps(world: &World) -> Self {
        let proof_of = async |firm: &Firm, person| proof(firm.jump(X, person).await.expect("a jump").get_ref());
        Self {
            broker: proof_of(&world.a, broker(MEIER)).await,
            customer: proof_of(&world.a, customer(C1)).await,
            stranger: proof_of(&world.b, customer(C1)).await,
        }
    }

    /// Asserts that A's jumps are revoked, that no password leaves, and that B's jump is as good as ever.
    async fn are_revoked(self, world: &World) {
        for proof in [self.broker, self.customer] {
            let status = world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof)).await;
            assert!(!everything(&status).contains("geheim"));
        }
        assert!(world.redeem(X, self.stranger).await.is_ok(), "a change of A revoked a jump of B");
    }

    /// Asserts that every jump is still good.
    async fn are_good(self, world: &World) {
        for proof in [self.broker, self.customer, self.stranger] {
            assert!(world.redeem(X, proof).await.is_ok());
        }
    }
}

/// J14
#[tokio::test]
async fn a_disabled_user_revokes_the_tenants_open_jumps() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    world.a.disable(&world.a.private).await;
    open.are_revoked(&world).await;
}

/// J14, I6
#[tokio::test]
async fn a_user_that_is_enabled_again_brings_no_jump_back() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    world.a.disable(&world.a.private).await;
    world.a.enable(&world.a.private).await;
    open.are_revoked(&world).await;
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "a new jump is possible");
}

/// J15
#[tokio::test]
async fn a_disabled_activation_revokes_the_tenants_open_jumps() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    let etag = world.a.activation(&world.a.meiers).await.etag;
    let activation_id = world.a.meiers.clone();
    let disable = v1::DisableBrokerActivationRequest { request_id: request_id(), activation_id, etag };
    let disabled = world.a.admin.activations().disable_broker_activation(disable).await.expect("disabled");
    let activation = disabled.into_inner().activation.expect("an activation");
    let enable = v1::EnableBrokerActivationRequest {
        request_id: request_id(),
        activation_id: activation.activation_id,
        etag: activation.etag,
    };
    world.a.admin.activations().enable_broker_activation(enable).await.expect("enabled");
    open.are_revoked(&world).await;
}

/// J15
#[tokio::test]
async fn a_shared_user_that_is_taken_out_revokes_the_tenants_open_jumps() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    world.a.share(Some(""), None, None).await;
    world.a.share(Some(&world.a.private), None, None).await;
    open.are_revoked(&world).await;
}

/// J15
#[tokio::test]
async fn a_customers_own_user_revokes_his_jumps_only() {
    let world = World::example().await;
    let his = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let others = world.a.jump(X, customer(C2)).await.expect("a jump").into_inner();
    world.a.assign(C1, Some(&world.a.private)).await;
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&his))).await;
    assert!(world.redeem(X, proof(&others)).await.is_ok());

    let his = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    world.a.assign(C1, None).await;
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&his))).await;
}

/// J15
#[tokio::test]
async fn another_segment_revokes_the_customers_jumps_only() {
    let world = World::example().await;
    let his = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let others = world.a.jump(X, customer(C2)).await.expect("a jump").into_inner();
    let customers = vec![record(C1, v1::Segment::Commercial), record(C2, v1::Segment::Private)];
    let put = v1::PutCustomersRequest { request_id: request_id(), customers };
    let counts = world.a.portal.customers().put_customers(put).await.expect("records").into_inner();
    assert_eq!((counts.created, counts.changed, counts.unchanged), (0, 1, 1));
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&his))).await;
    assert!(world.redeem(X, proof(&others)).await.is_ok(), "a record that says the same changes nothing");
}

#[tokio::test]
async fn a_record_that_is_new_revokes_a_jump_that_was_decided_without_one() {
    let world = World::example().await;
    let stated = customer_of("c-neu", Some(v1::Segment::Private));
    let jump = world.a.jump(X, stated).await.expect("a jump").into_inner();
    let customers = vec![record("c-neu", v1::Segment::Private)];
    let put = v1::PutCustomersRequest { request_id: request_id(), customers };
    world.a.portal.customers().put_customers(put).await.expect("records");
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&jump))).await;
}

/// J16
#[tokio::test]
async fn a_new_password_revokes_the_tenants_open_jumps() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    world.a.set_secret(&world.a.private, "neues-geheimnis").await;
    open.are_revoked(&world).await;
    assert_eq!(world.arrive(X, customer(C1)).await.password.as_deref(), Some("neues-geheimnis"));
}

#[tokio::test]
async fn another_kind_of_an_unused_user_revokes_the_tenants_open_jumps() {
    let world = World::example().await;
    let unused = world.a.new_user(user("A", "neu", v1::UserKind::Broker, only(&[COMPARATOR]))).await;
    let open = Open::jumps(&world).await;
    let etag = world.a.user(&unused).await.etag;
    let set = v1::SetEndCustomerRequest {
        request_id: request_id(),
        user_id: unused,
        etag,
        end_customer: Some(true),
        provider_scope: None,
    };
    world.a.admin.users().set_end_customer(set).await.expect("an Endkunde user");
    open.are_revoked(&world).await;
}

/// The tenant's kill switch.
#[tokio::test]
async fn a_stopped_tenant_makes_and_redeems_no_jump() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    let tenants = world.service.operator();
    let get = admin::GetTenantRequest { tenant_id: world.a.tenant.clone() };
    let tenant = tenants.tenants().get_tenant(get).await.expect("a tenant").into_inner().tenant.expect("a tenant");
    let (tenant_id, etag) = (tenant.tenant_id, tenant.etag);
    let stop = admin::StopTenantRequest { request_id: request_id(), tenant_id: tenant_id.clone(), etag };
    let stopped = tenants.tenants().stop_tenant(stop).await.expect("stopped").into_inner().tenant.expect("a tenant");
    assert_eq!(stopped.state(), admin::TenantState::Stopped);

    let refused = (Code::FailedPrecondition, "TENANT_STOPPED");
    world.service.refuses("jump.issue", refused, world.a.jump(X, customer(C1))).await;
    assert!(world.b.jump(X, customer(C1)).await.is_ok(), "B goes on");

    let start = admin::StartTenantRequest { request_id: request_id(), tenant_id, etag: stopped.etag };
    tenants.tenants().start_tenant(start).await.expect("started");
    open.are_revoked(&world).await;
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "started again");
}

/// The kill switches of the catalogue are everybody's.
#[tokio::test]
async fn a_change_of_the_catalogue_revokes_the_open_jumps_of_all_tenants() {
    let world = World::example().await;
    for switch in ["target", "provider"] {
        let open = Open::jumps(&world).await;
        if switch == "target" {
            disable_target(&world, P).await;
        } else {
            disable_provider(&world, INSURER).await;
        }
        for proof in [open.broker, open.customer, open.stranger] {
            let status = status_of(world.redeem(X, proof).await);
            assert_eq!(reason(&status), (REVOKED.0, REVOKED.1.to_owned()), "{switch}");
        }
    }
}

#[tokio::test]
async fn reading_and_refused_changes_revoke_nothing() {
    let world = World::example().await;
    let open = Open::jumps(&world).await;
    world.a.user(&world.a.private).await;
    world.a.access().await;
    let disable = v1::DisableUserRequest {
        request_id: request_id(),
        user_id: world.a.private.clone(),
        etag: world.a.user(&world.a.meier).await.etag + "x",
    };
    status_of(world.a.admin.users().disable_user(disable).await);
    open.are_good(&world).await;
}
