//! The history of jumps: what became of each, and who sees whose.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::list_jumps_request::Person as Of;
use concenter_gateway::proto::v1::{JumpState, PersonKind, ResolutionWay};
use prost_types::Timestamp;
use tonic::Code;

use crate::harness::*;

const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
const ROLE: (Code, &str) = (Code::PermissionDenied, "ROLE");

/// A page of the jumps that a caller sees.
async fn listed(caller: &Client, list: v1::ListJumpsRequest) -> v1::ListJumpsResponse {
    caller.jumps().list_jumps(list).await.expect("a page").into_inner()
}

/// The ids of the jumps that a caller sees.
async fn ids(caller: &Client, list: v1::ListJumpsRequest) -> Vec<String> {
    listed(caller, list).await.jumps.into_iter().map(|jump| jump.jump_id).collect()
}

/// Makes a jump of A's, a second after the one before.
async fn made(world: &World, wish: v1::JumpToTarifRequest) -> v1::JumpToTarifResponse {
    world.service.clock.advance(1);
    world.a.portal.jumps().jump_to_tarif(wish).await.expect("a jump").into_inner()
}

fn broad() -> v1::ListJumpsRequest {
    v1::ListJumpsRequest::default()
}

fn of(person: Of) -> v1::ListJumpsRequest {
    v1::ListJumpsRequest { person: Some(person), ..broad() }
}

#[expect(clippy::unnecessary_wraps, reason = "a field that may be absent")]
const fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// H01
#[tokio::test]
async fn the_history_tells_what_was_asked_for_and_decided_and_no_secret() {
    let world = World::example().await;
    let wish = v1::JumpToTarifRequest {
        actor_id: Some("i.innendienst".to_owned()),
        activation_id: Some(world.a.meiers.clone()),
        customer_context_id: Some(C1.to_owned()),
        line_of_business: Some("050".to_owned()),
        product_provider_id: Some(COMPARATOR.to_owned()),
        context: Some("KANARIENVOGEL".to_owned()),
        nonce: Some("KANARIENVOGEL".to_owned()),
        return_url: Some(RETURN_URL.to_owned()),
        ..to(X, Some(broker(MEIER)))
    };
    let issued = made(&world, wish).await;
    let jump = world.a.jump_record(&issued.jump_id).await;
    let expected = v1::Jump {
        jump_id: issued.jump_id.clone(),
        state: JumpState::Issued.into(),
        person_kind: PersonKind::Broker.into(),
        person_id: MEIER.to_owned(),
        actor_id: "i.innendienst".to_owned(),
        actor_role: jump.actor_role,
        target_id: X.to_owned(),
        user_id: world.a.meier.clone(),
        way: ResolutionWay::Activation.into(),
        segment: v1::Segment::Unspecified.into(),
        activation_id: world.a.meiers.clone(),
        customer_context_id: C1.to_owned(),
        line_of_business: "050".to_owned(),
        product_provider_id: COMPARATOR.to_owned(),
        issued_at: jump.issued_at,
        expires_at: issued.expires_at,
        redeemed_at: None,
        revoked_at: None,
        session_revoked_at: None,
        updated_at: jump.issued_at,
        result: v1::JumpResult::Unspecified.into(),
        result_at: None,
    };
    assert_eq!(jump, expected);
    assert_ne!(jump.actor_role(), v1::ActorRole::Unspecified);
    assert_eq!(jump.issued_at.map(|at| at.seconds), Some(world.service.now()));
    assert_eq!(listed(&world.a.admin, broad()).await.jumps, [jump]);
}

/// H02
#[tokio::test]
async fn the_history_tells_what_became_of_each_jump() {
    let world = World::example().await;
    let expired = made(&world, to(X, Some(customer(C1)))).await;
    world.service.clock.advance(66);
    let redeemed = made(&world, to(X, Some(customer(C1)))).await;
    world.redeem(X, proof(&redeemed)).await.expect("a redemption");
    let redeemed_at = at(world.service.now()).map(|at| at.seconds);
    let by_itself = made(&world, to(X, Some(customer(C1)))).await;
    world.a.revoke(v1::revoke_jump_request::Jumps::JumpId(by_itself.jump_id.clone())).await.expect("revoked");
    let by_change = made(&world, to(X, Some(customer(C1)))).await;
    world.a.set_secret(&world.a.private, "neu").await;
    let issued = made(&world, to(X, Some(customer(C1)))).await;

    let state = async |jump: &v1::JumpToTarifResponse| world.a.jump_record(&jump.jump_id).await;
    assert_eq!(state(&expired).await.state(), JumpState::Expired);
    let used = state(&redeemed).await;
    assert_eq!((used.state(), used.redeemed_at.map(|at| at.seconds)), (JumpState::Redeemed, redeemed_at));
    let revoked = state(&by_itself).await;
    assert_eq!((revoked.state(), revoked.revoked_at.is_some()), (JumpState::Revoked, true));
    assert_eq!(revoked.updated_at, revoked.revoked_at);
    let changed = state(&by_change).await;
    assert_eq!((changed.state(), changed.revoked_at), (JumpState::Revoked, None), "something that it rests on changed");
    assert_eq!(state(&issued).await.state(), JumpState::Issued);

    for (word, jumps) in [
        (JumpState::Issued, vec![&issued]),
        (JumpState::Redeemed, vec![&redeemed]),
        (JumpState::Expired, vec![&expired]),
        (JumpState::Revoked, vec![&by_change, &by_itself]),
    ] {
        let list = v1::ListJumpsRequest { state: Some(word.into()), ..broad() };
        let expected: Vec<_> = jumps.iter().map(|jump| jump.jump_id.clone()).collect();
        assert_eq!(ids(&world.a.admin, list).await, expected, "{word:?}, the newest first");
    }
    // A second redemption marks the session that the first one opened.
    status_of(world.redeem(X, proof(&redeemed)).await);
    let used = state(&redeemed).await;
    assert_eq!((used.state(), used.updated_at), (JumpState::Redeemed, used.session_revoked_at));
    // Redeemed before expired, expired before revoked.
    world.service.clock.advance(600);
    assert_eq!(state(&redeemed).await.state(), JumpState::Redeemed);
    assert_eq!(state(&by_change).await.state(), JumpState::Expired);
}

/// H03
#[tokio::test]
async fn each_filter_finds_its_jumps_and_all_of_them_must_be_met() {
    let world = World::example().await;
    let meier = made(&world, to(X, Some(broker(MEIER)))).await.jump_id;
    let schulze = made(&world, to(P, Some(broker(SCHULZE)))).await.jump_id;
    let c1 = made(&world, to(X, Some(customer(C1)))).await.jump_id;
    let since = world.service.now();
    let c1_at_y = made(&world, to(Y, Some(customer(C1)))).await.jump_id;
    let k1 = made(&world, to(P, Some(customer(K1)))).await.jump_id;
    world.b.jump(X, customer(C1)).await.expect("a jump of B");

    let admin = &world.a.admin;
    assert_eq!(ids(admin, broad()).await, [&k1, &c1_at_y, &c1, &schulze, &meier].map(Clone::clone), "the newest first");
    assert_eq!(ids(&world.a.portal, broad()).await, ids(admin, broad()).await, "a portal sees the same");
    assert_eq!(ids(admin, of(Of::BrokerId(MEIER.to_owned()))).await, [meier]);
    assert_eq!(ids(admin, of(Of::CustomerId(C1.to_owned()))).await, [&c1_at_y, &c1].map(Clone::clone));
    assert_eq!(ids(admin, of(Of::BrokerId(C1.to_owned()))).await, Vec::<String>::new(), "no broker of that id");
    let at_p = v1::ListJumpsRequest { target_id: Some(P.to_owned()), ..broad() };
    assert_eq!(ids(admin, at_p.clone()).await, [&k1, &schulze].map(Clone::clone));
    let of_private = v1::ListJumpsRequest { user_id: Some(world.a.private.clone()), ..broad() };
    assert_eq!(ids(admin, of_private.clone()).await, [&c1_at_y, &c1].map(Clone::clone));
    let later = v1::ListJumpsRequest { updated_after: at(since + 1), ..broad() };
    assert_eq!(ids(admin, later).await, [&k1].map(Clone::clone), "the instant itself is not after it");

    let all = v1::ListJumpsRequest {
        user_id: Some(world.a.private.clone()),
        target_id: Some(Y.to_owned()),
        state: Some(JumpState::Issued.into()),
        updated_after: at(since),
        ..of(Of::CustomerId(C1.to_owned()))
    };
    assert_eq!(ids(admin, all.clone()).await, [c1_at_y]);
    let none = v1::ListJumpsRequest { target_id: Some(P.to_owned()), ..all };
    assert_eq!(ids(admin, none).await, Vec::<String>::new());
    let foreign = v1::ListJumpsRequest { user_id: Some(world.b.private.clone()), ..broad() };
    let nobodys = v1::ListJumpsRequest { user_id: Some(NOBODY.to_owned()), ..broad() };
    assert_eq!(listed(admin, foreign).await, listed(admin, nobodys).await);
}

/// H03: what happened to a jump later brings it back into the list of what is new.
#[tokio::test]
async fn a_jump_that_was_redeemed_since_is_listed_as_new() {
    let world = World::example().await;
    let old = made(&world, to(X, Some(customer(C1)))).await;
    let untouched = made(&world, to(X, Some(customer(C1)))).await;
    let since = world.service.now() + 5;
    world.service.clock.advance(10);
    world.redeem(X, proof(&old)).await.expect("a redemption");
    let list = v1::ListJumpsRequest { updated_after: at(since), ..broad() };
    assert_eq!(ids(&world.a.admin, list).await, std::slice::from_ref(&old.jump_id));
    let list = v1::ListJumpsRequest { updated_after: at(since - 7), ..broad() };
    assert_eq!(ids(&world.a.admin, list).await, [untouched.jump_id, old.jump_id]);
}

/// H04
#[tokio::test]
async fn a_filter_that_cannot_be_taken_is_a_field() {
    let world = World::example().await;
    let bad = [
        ("user_id", v1::ListJumpsRequest { user_id: Some("x".to_owned()), ..broad() }),
        ("broker_id", of(Of::BrokerId("m meier".to_owned()))),
        ("broker_id", of(Of::BrokerId("%".to_owned()))),
        ("customer_id", of(Of::CustomerId(String::new()))),
        ("customer_id", of(Of::CustomerId("' OR 1=1 --".to_owned()))),
        ("target_id", v1::ListJumpsRequest { target_id: Some("Groß".to_owned()), ..broad() }),
        ("state", v1::ListJumpsRequest { state: Some(0), ..broad() }),
        ("state", v1::ListJumpsRequest { state: Some(99), ..broad() }),
        ("updated_after", v1::ListJumpsRequest { updated_after: at(i64::MAX), ..broad() }),
        ("updated_after", v1::ListJumpsRequest { updated_after: at(-62_135_596_801), ..broad() }),
        (
            "updated_after",
            v1::ListJumpsRequest { updated_after: Some(Timestamp { seconds: 0, nanos: 1_000_000_000 }), ..broad() },
        ),
        ("updated_after", v1::ListJumpsRequest { updated_after: Some(Timestamp { seconds: 0, nanos: -1 }), ..broad() }),
        ("page_size", v1::ListJumpsRequest { page_size: -1, ..broad() }),
        ("page_token", v1::ListJumpsRequest { page_token: "x".to_owned(), ..broad() }),
    ];
    for (field, list) in bad {
        world.service.refuses_fields(&[field], world.a.admin.jumps().list_jumps(list)).await;
    }
    let get = v1::GetJumpRequest { jump_id: "' OR 1=1 --".to_owned() };
    world.service.refuses_fields(&["jump_id"], world.a.admin.jumps().get_jump(get)).await;
}

/// H05
#[tokio::test]
async fn a_person_sees_his_own_jumps_and_not_with_which_user() {
    let world = World::example().await;
    let his = made(&world, to(X, Some(customer(C1)))).await.jump_id;
    let another = made(&world, to(X, Some(customer(C2)))).await.jump_id;
    let brokers =
        made(&world, v1::JumpToTarifRequest { customer_context_id: Some(C1.to_owned()), ..to(X, Some(broker(MEIER))) })
            .await
            .jump_id;
    let tenant = &world.a.tenant;
    let himself = world.service.customer(tenant, C1, C1);
    let staff = world.service.customer(tenant, C1, "s.buero");
    let meier = world.service.broker(tenant, MEIER, MEIER);
    let namesake = world.service.broker(tenant, C1, C1);
    for (caller, own) in [(&himself, vec![&his]), (&staff, vec![&his]), (&meier, vec![&brokers]), (&namesake, vec![])] {
        let jumps = listed(caller, broad()).await.jumps;
        assert_eq!(jumps.iter().map(|jump| &jump.jump_id).collect::<Vec<_>>(), own);
        for jump in jumps {
            assert_eq!(jump.user_id, "", "that is not for him");
            let full = world.a.jump_record(&jump.jump_id).await;
            assert_eq!(jump, v1::Jump { user_id: String::new(), ..full });
            let get = v1::GetJumpRequest { jump_id: jump.jump_id.clone() };
            let got = caller.jumps().get_jump(get).await.expect("his own").into_inner();
            assert_eq!(got.jump, Some(jump));
        }
    }
    // Another one's looks like one that never was.
    for (caller, foreign) in [(&himself, &another), (&himself, &brokers), (&meier, &his), (&namesake, &his)] {
        let get = |id: &str| v1::GetJumpRequest { jump_id: id.to_owned() };
        let theirs = world.service.refuses("call", NOT_FOUND, caller.jumps().get_jump(get(foreign))).await;
        let nobodys = world.service.refuses("call", NOT_FOUND, caller.jumps().get_jump(get(NOBODY))).await;
        same_bytes(&theirs, &nobodys, "GetJump");
    }
}

/// H05, R08
#[tokio::test]
async fn a_person_who_names_somebody_or_a_user_in_a_list_is_refused() {
    let world = World::example().await;
    let tenant = &world.a.tenant;
    let callers = [world.service.customer(tenant, C1, C1), world.service.broker(tenant, MEIER, MEIER)];
    for caller in callers {
        for person in [Of::CustomerId(C1.to_owned()), Of::CustomerId(C2.to_owned()), Of::BrokerId(MEIER.to_owned())] {
            world.service.refuses("call", ROLE, caller.jumps().list_jumps(of(person))).await;
        }
        let list = v1::ListJumpsRequest { user_id: Some(world.a.private.clone()), ..broad() };
        world.service.refuses("call", ROLE, caller.jumps().list_jumps(list)).await;
        let list = v1::ListJumpsRequest { target_id: Some(X.to_owned()), ..broad() };
        listed(&caller, list).await;
    }
}

/// H06
#[tokio::test]
async fn the_history_is_paged_without_gaps_and_repeats_while_jumps_are_made() {
    let world = World::example().await;
    let mut made_before = Vec::new();
    for n in 0..23 {
        let person = if n % 2 == 0 { customer(C1) } else { broker(MEIER) };
        made_before.push(made(&world, to(X, Some(person))).await.jump_id);
    }
    made_before.reverse();
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = v1::ListJumpsRequest { page_size: 5, page_token, ..broad() };
        let page = listed(&world.a.admin, list).await;
        assert!(page.jumps.len() <= 5);
        seen.extend(page.jumps.into_iter().map(|jump| jump.jump_id));
        // What is made meanwhile is newer than where the list is.
        made(&world, to(X, Some(customer(C2)))).await;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, made_before);
}

/// H06
#[tokio::test]
async fn a_page_token_of_the_history_is_bound_to_tenant_person_and_the_whole_filter() {
    let world = World::example().await;
    for _ in 0..3 {
        made(&world, to(X, Some(customer(C1)))).await;
        made(&world, to(X, Some(customer(C2)))).await;
        world.b.jump(X, customer(C1)).await.expect("a jump of B");
    }
    let one = |list: v1::ListJumpsRequest| v1::ListJumpsRequest { page_size: 1, ..list };
    let tenant = &world.a.tenant;
    let (c1, c2) = (world.service.customer(tenant, C1, C1), world.service.customer(tenant, C2, C2));
    let his = listed(&c1, one(broad())).await.next_page_token;
    let whole = listed(&world.a.admin, one(broad())).await.next_page_token;
    let with = |page_token: &str, list| v1::ListJumpsRequest { page_token: page_token.to_owned(), ..one(list) };
    for (caller, list) in [
        (&c2, with(&his, broad())),
        (&world.a.admin, with(&his, broad())),
        (&c1, with(&whole, broad())),
        (&world.b.admin, with(&whole, broad())),
        (&world.a.admin, with(&whole, of(Of::CustomerId(C1.to_owned())))),
        (&world.a.admin, with(&whole, v1::ListJumpsRequest { target_id: Some(X.to_owned()), ..broad() })),
        (&world.a.admin, with(&whole, v1::ListJumpsRequest { user_id: Some(world.a.private.clone()), ..broad() })),
        (&world.a.admin, with(&whole, v1::ListJumpsRequest { state: Some(1), ..broad() })),
        (&world.a.admin, with(&whole, v1::ListJumpsRequest { updated_after: at(0), ..broad() })),
    ] {
        world.service.refuses_fields(&["page_token"], caller.jumps().list_jumps(list)).await;
    }
    let same_id = listed(&world.a.admin, one(of(Of::CustomerId(C1.to_owned())))).await.next_page_token;
    let list = with(&same_id, of(Of::BrokerId(C1.to_owned())));
    world.service.refuses_fields(&["page_token"], world.a.admin.jumps().list_jumps(list)).await;
    assert_eq!(listed(&c1, with(&his, broad())).await.jumps.len(), 1, "it is good for its own list");
}
