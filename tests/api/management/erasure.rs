//! Forgetting a customer: what goes, what stays, and that he cannot be found again.

use concenter_gateway::proto::v1;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
/// His own jump looks like one that never was; a broker's is the broker's still.
const INVALID: (Code, &str) = (Code::PermissionDenied, "JUMP_INVALID");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
/// A customer whose id stands in nothing else.
const GOES: &str = "vn.4711-geht";
/// How often somebody is erased while he jumps.
const RACES: usize = 50;
/// By so many looks more does whoever was first start later the next time.
const HANDICAP: i32 = 3;
/// Something that a portal wrote of him.
const CONTEXT: &str = "Angebot fuer Frau Geht";

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).expect("a digit")).collect()
}

/// Everything in the database, every row of every table; each cell as bytes in hex, so that an id is found in text and in
/// BLOBs.
async fn everything_kept(world: &World) -> Vec<String> {
    let mut reader = world.service.reader().await;
    let tables = reader.tables().await;
    assert!(tables.len() > 12, "the search finds too little to be right: {tables:?}");
    let mut rows = Vec::new();
    for table in tables {
        let dumped = reader.dump(&table).await.into_iter();
        let cells = dumped.map(|row| row.iter().map(|cell| hex(cell)).collect::<Vec<_>>().join(" "));
        rows.extend(cells.map(|cells| format!("{table}: {cells}")));
    }
    rows
}

/// The rows in which a text stands.
fn naming<'a>(rows: &'a [String], text: &str) -> Vec<&'a str> {
    let hex = hex(text.as_bytes());
    rows.iter().filter(|row| row.contains(&hex)).map(String::as_str).collect()
}

/// A jump of his, which the portal says something about.
fn his_jump() -> v1::JumpToTarifRequest {
    v1::JumpToTarifRequest {
        context: Some(CONTEXT.to_owned()),
        nonce: Some("nonce-geht".to_owned()),
        return_url: Some(RETURN_URL.to_owned()),
        target_page: Some("seite-von-geht".to_owned()),
        ..to(X, Some(customer(GOES)))
    }
}

/// A jump of a broker for him.
fn jump_for_him() -> v1::JumpToTarifRequest {
    v1::JumpToTarifRequest {
        customer_context_id: Some(GOES.to_owned()),
        context: Some(CONTEXT.to_owned()),
        target_page: Some("seite-von-geht".to_owned()),
        ..to(X, Some(broker(MEIER)))
    }
}

async fn made(caller: &Client, wish: v1::JumpToTarifRequest) -> v1::JumpToTarifResponse {
    caller.jumps().jump_to_tarif(wish).await.expect("a jump").into_inner()
}

/// E01
#[tokio::test]
async fn nothing_in_the_database_leads_to_an_erased_customer() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    world.a.assign(GOES, Some(&world.a.private)).await;
    let himself = world.service.customer(&world.a.tenant, GOES, GOES);
    let own = made(&himself, to(X, None)).await;
    world.redeem(X, proof(&own)).await.expect("a redemption");
    let open = made(&world.a.portal, v1::JumpToTarifRequest { nonce: None, ..his_jump() }).await;
    made(&world.a.portal, his_jump()).await;
    made(&world.a.portal, jump_for_him()).await;
    let explain = v1::ExplainJumpRequest {
        target_id: X.to_owned(),
        person: Some(customer(GOES)),
        ..v1::ExplainJumpRequest::default()
    };
    world.a.admin.jumps().explain_jump(explain).await.expect("an explanation");
    let revoke = v1::revoke_jump_request::Jumps::CustomerId(GOES.to_owned());
    world.a.revoke(revoke).await.expect("revoked");
    status_of(himself.users().list_users(v1::ListUsersRequest::default()).await);
    let before = everything_kept(&world).await;
    for kept in ["customer: ", "jump: ", "person_salt: "] {
        assert!(naming(&before, GOES).iter().any(|row| row.starts_with(kept)), "{kept} does not know him before");
    }

    world.a.erase(GOES).await.expect("erased");
    let erased = everything_kept(&world).await;
    // Who knocks with what he was given leaves no trace of him.
    status_of(world.redeem(X, proof(&own)).await);
    status_of(world.redeem(X, proof(&open)).await);
    let get = v1::GetCustomerRequest { customer_id: GOES.to_owned() };
    status_of(world.a.portal.customers().get_customer(get).await);
    let assign = v1::AssignUserRequest {
        request_id: request_id(),
        customer_id: GOES.to_owned(),
        etag: "v1".to_owned(),
        user_id: Some(world.a.private.clone()),
    };
    assert_eq!(status_of(world.a.admin.customers().assign_user(assign).await).code(), Code::NotFound);
    let after = everything_kept(&world).await;
    for text in [GOES, CONTEXT, "nonce-geht", "seite-von-geht"] {
        assert_eq!(naming(&after, text), Vec::<&str>::new(), "{text} is kept");
    }
    let subject = Token::read(&token(&own)).payload["sub"].as_str().expect("a subject").to_owned();
    assert_eq!(naming(&after, &subject), Vec::<&str>::new(), "the target's name of him is kept");
    // The audit log is as it was, byte for byte, and one row longer.
    let audit =
        |rows: &[String]| rows.iter().filter(|row| row.starts_with("audit_entry: ")).cloned().collect::<Vec<_>>();
    let (old, new) = (audit(&before), audit(&erased));
    assert!(old.iter().all(|row| new.contains(row)), "the audit log keeps its rows");
    assert_eq!(new.len(), old.len() + 1);
}

/// E01: in the files, too.
#[tokio::test]
async fn an_erased_customer_is_written_into_no_log() {
    let log = Log::listen();
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    made(&world.a.portal, his_jump()).await;
    world.a.erase(GOES).await.expect("erased");
    status_of(world.a.erase(GOES).await);
    assert!(log.text().contains("EraseCustomer"), "the log was heard");
    assert!(!log.text().contains(GOES));
}

/// E02
#[tokio::test]
async fn the_jumps_of_an_erased_customer_stay_without_him() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    let himself = world.service.customer(&world.a.tenant, GOES, "p.prokurist");
    let (own, for_him) = (made(&himself, to(X, None)).await, made(&world.a.portal, jump_for_him()).await);
    let used = made(&world.a.portal, jump_for_him()).await;
    world.redeem(X, proof(&used)).await.expect("a redemption");
    world.a.erase(GOES).await.expect("erased");

    let own = world.a.jump_record(&own.jump_id).await;
    assert_eq!((own.person_kind(), own.person_id.as_str()), (v1::PersonKind::Customer, ""));
    assert_eq!((own.actor_id.as_str(), own.actor_role()), ("", v1::ActorRole::Unspecified));
    assert_eq!((own.state(), own.user_id.as_str()), (v1::JumpState::Revoked, world.a.private.as_str()));
    let for_him = world.a.jump_record(&for_him.jump_id).await;
    assert_eq!((for_him.person_id.as_str(), for_him.customer_context_id.as_str()), (MEIER, ""));
    assert_eq!(for_him.state(), v1::JumpState::Revoked);
    let used = world.a.jump_record(&used.jump_id).await;
    assert_eq!((used.state(), used.customer_context_id.as_str()), (v1::JumpState::Redeemed, ""));
    let list = v1::ListJumpsRequest {
        person: Some(v1::list_jumps_request::Person::CustomerId(GOES.to_owned())),
        ..Default::default()
    };
    let listed = world.a.admin.jumps().list_jumps(list).await.expect("a list").into_inner();
    assert_eq!(listed.jumps, []);
}

/// E03, J15: also those decided on a segment that the portal stated, without a record.
#[tokio::test]
async fn the_open_jumps_of_an_erased_customer_are_dead_and_no_others() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    let without =
        v1::JumpToTarifRequest { person: Some(customer_of("ohne-akte", Some(v1::Segment::Private))), ..to(X, None) };
    let others = [
        made(&world.a.portal, to(X, Some(customer(C1)))).await,
        made(&world.b.portal, to(X, Some(customer(C1)))).await,
    ];
    let own = made(&world.a.portal, to(X, Some(customer(GOES)))).await;
    let for_him = made(&world.a.portal, jump_for_him()).await;
    let unrecorded = made(&world.a.portal, without).await;
    world.a.erase(GOES).await.expect("erased");
    world.a.erase("ohne-akte").await.expect("erased, though he had no record");
    for (expected, jump) in [(INVALID, own), (REVOKED, for_him), (INVALID, unrecorded)] {
        let status = world.service.refuses("jump.redeem", expected, world.redeem(X, proof(&jump))).await;
        for secret in ["geheim", GOES, "ohne-akte"] {
            assert!(!everything(&status).contains(secret));
        }
    }
    for jump in &others {
        assert!(world.redeem(X, proof(jump)).await.is_ok(), "an erasure revokes his own only");
    }
}

/// E04
#[tokio::test]
async fn a_record_put_anew_is_a_new_customer_and_revives_nothing() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    world.a.assign(GOES, Some(&world.a.private)).await;
    let (own, for_him) =
        (made(&world.a.portal, to(X, Some(customer(GOES)))).await, made(&world.a.portal, jump_for_him()).await);
    world.a.erase(GOES).await.expect("erased");
    world.a.put_private(&[GOES]).await;
    let anew = world.a.customer(GOES).await;
    assert_eq!((anew.user_id.as_str(), anew.segment()), ("", v1::Segment::Private), "nothing attaches to him again");
    for (expected, jump) in [(INVALID, own), (REVOKED, for_him)] {
        world.service.refuses("jump.redeem", expected, world.redeem(X, proof(&jump))).await;
    }
    let list = v1::ListJumpsRequest {
        person: Some(v1::list_jumps_request::Person::CustomerId(GOES.to_owned())),
        ..Default::default()
    };
    let listed = world.a.admin.jumps().list_jumps(list).await.expect("a list").into_inner();
    assert_eq!(listed.jumps, []);
    assert_eq!(world.arrive(X, customer(GOES)).await.concenter_user_name, "privatkunden");
}

/// E04, J19: the request that made the jump finds it no more.
#[tokio::test]
async fn a_repeated_request_of_an_erased_customer_gets_no_old_jump() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    let wish = to(X, Some(customer(GOES)));
    let first = made(&world.a.portal, wish.clone()).await;
    world.a.erase(GOES).await.expect("erased");
    let unknown = (Code::FailedPrecondition, "SEGMENT_UNKNOWN");
    world.service.refuses("jump.issue", unknown, world.a.portal.jumps().jump_to_tarif(wish.clone())).await;
    world.a.put_private(&[GOES]).await;
    let again = made(&world.a.portal, wish).await;
    assert_ne!(again.jump_id, first.jump_id);
}

/// E03, E06: an erasure and a jump at the same time. Whoever was first starts later the next time: sooner or later it is a
/// near thing.
#[tokio::test]
async fn an_erasure_that_races_a_jump_leaves_nothing_of_him() {
    let world = World::example().await;
    let after = async |looks: i32| {
        for _ in 0..looks {
            world.a.access().await;
        }
    };
    let (mut jumps, mut start_of_jump) = (Vec::new(), 0);
    for race in 0..RACES {
        let id = format!("vn.{race}-rennt");
        world.a.put_private(&[&id]).await;
        let jump = async {
            after(-start_of_jump).await;
            world.a.portal.jumps().jump_to_tarif(to(X, Some(customer(&id)))).await
        };
        let erase = async {
            after(start_of_jump).await;
            world.a.erase(&id).await
        };
        let (jumped, erased) = tokio::join!(jump, erase);
        erased.expect("erased");
        match jumped {
            Ok(jump) => {
                jumps.push(jump.into_inner());
                start_of_jump -= HANDICAP;
            }
            Err(refused) => {
                assert_eq!(reason(&refused), (Code::FailedPrecondition, "SEGMENT_UNKNOWN".to_owned()));
                start_of_jump += HANDICAP;
            }
        }
    }
    assert!((1..RACES).contains(&jumps.len()), "each was first now and then: {} jumps", jumps.len());
    for jump in &jumps {
        world.service.refuses("jump.redeem", INVALID, world.redeem(X, proof(jump))).await;
    }
    assert_eq!(naming(&everything_kept(&world).await, "-rennt"), Vec::<&str>::new());
}

/// E05
#[tokio::test]
async fn whom_nothing_leads_to_is_not_found_and_not_made_known() {
    let world = World::example().await;
    world.b.put_private(&["nur-bei-b"]).await;
    world.b.jump(X, customer("nur-bei-b")).await.expect("a jump");
    let before = everything_kept(&world).await;
    let foreign = world.service.refuses("customer.erase", NOT_FOUND, world.a.erase("nur-bei-b")).await;
    let nobodys = world.service.refuses("customer.erase", NOT_FOUND, world.a.erase("bei-niemand")).await;
    same_bytes(&foreign, &nobodys, "EraseCustomer");
    let after = everything_kept(&world).await;
    assert_eq!(naming(&after, "nur-bei-b"), naming(&before, "nur-bei-b"), "B's own, and nothing more");
    assert_eq!(naming(&after, "bei-niemand"), Vec::<&str>::new());
    for bad in ["", "vn 1", "' OR 1=1 --", &"x".repeat(129)] {
        world.service.refuses_fields(&["customer_id"], world.a.erase(bad)).await;
    }
}

/// E06
#[tokio::test]
async fn whoever_was_erased_is_not_made_known_by_a_look_or_a_refusal() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    let open = made(&world.a.portal, his_jump()).await;
    world.a.erase(GOES).await.expect("an erasure");

    let himself = world.service.customer(&world.a.tenant, GOES, GOES);
    let get = v1::GetJumpRequest { jump_id: open.jump_id.clone() };
    world.service.refuses("call", NOT_FOUND, himself.jumps().get_jump(get)).await;
    let wish = to(X, None);
    let unknown = (Code::FailedPrecondition, "SEGMENT_UNKNOWN");
    world.service.refuses("jump.issue", unknown, himself.jumps().jump_to_tarif(wish)).await;
    world.service.refuses("jump.redeem", INVALID, world.redeem(X, proof(&open))).await;
    let explain =
        v1::ExplainJumpRequest { target_id: X.to_owned(), person: Some(customer(GOES)), ..Default::default() };
    world.a.admin.jumps().explain_jump(explain).await.expect("an explanation");
    world.service.refuses("customer.erase", NOT_FOUND, world.a.erase(GOES)).await;

    assert_eq!(naming(&everything_kept(&world).await, GOES), Vec::<&str>::new());
}

/// E05, T40
#[tokio::test]
async fn a_repeated_erasure_is_done_and_another_one_is_not_found() {
    let world = World::example().await;
    let erase = v1::EraseCustomerRequest { request_id: request_id(), customer_id: C1.to_owned() };
    world.a.portal.customers().erase_customer(erase.clone()).await.expect("erased");
    let before = everything_kept(&world).await;
    world.a.portal.customers().erase_customer(erase.clone()).await.expect("erased, as it was asked for");
    assert_eq!(everything_kept(&world).await, before);
    let anew = v1::EraseCustomerRequest { request_id: request_id(), ..erase };
    world.service.refuses("customer.erase", NOT_FOUND, world.a.portal.customers().erase_customer(anew)).await;
}

/// E03: a session that is open is told to end.
#[tokio::test]
async fn the_sessions_of_an_erased_customer_are_marked_revoked() {
    let world = World::example().await;
    world.a.put_private(&[GOES]).await;
    let used = made(&world.a.portal, to(X, Some(customer(GOES)))).await;
    world.redeem(X, proof(&used)).await.expect("a redemption");
    let open = made(&world.a.portal, to(X, Some(customer(GOES)))).await;
    world.service.clock.advance(5);
    world.a.erase(GOES).await.expect("erased");
    let used = world.a.jump_record(&used.jump_id).await;
    assert_eq!((used.state(), used.session_revoked_at), (v1::JumpState::Redeemed, used.updated_at));
    assert!(used.session_revoked_at.is_some());
    world.service.refuses("jump.redeem", INVALID, world.redeem(X, proof(&open))).await;
}
