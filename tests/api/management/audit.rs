//! What cannot be written down does not happen.

use concenter_gateway::proto::v1;
use tonic::{Code, Status};

use super::effects;
use crate::harness::*;

/// From now on the database takes no row of the audit log.
async fn break_the_audit_log(shell: &mut Shell) {
    let trigger = Sql {
        sqlite: "
            CREATE TRIGGER audit_log_is_broken
            BEFORE INSERT ON audit_entry
            BEGIN
                SELECT RAISE(ABORT, 'KANARIENVOGEL');
            END
        ",
        postgres: "
            CREATE TRIGGER audit_log_is_broken
            BEFORE INSERT ON audit_entry
            EXECUTE FUNCTION concenter_refuse('KANARIENVOGEL')
        ",
    };
    shell.execute(trigger, &[]).await.expect("a trigger");
}

/// From now on nobody may write into the audit log.
async fn make_the_audit_log_read_only(shell: &mut Shell) {
    let no_right = Sql {
        // There are no rights.
        sqlite: "
            CREATE TRIGGER audit_log_is_read_only
            BEFORE INSERT ON audit_entry
            BEGIN
                SELECT RAISE(ABORT, 'KANARIENVOGEL');
            END
        ",
        postgres: "
            DO $$
            DECLARE
                name TEXT;
            BEGIN
                FOR name IN SELECT role_name FROM service_role LOOP
                    EXECUTE format('REVOKE INSERT ON audit_entry FROM %I', name);
                END LOOP;
            END;
            $$
        ",
    };
    shell.execute(no_right, &[]).await.expect("no right");
}

/// The database takes rows again.
async fn mend_the_audit_log(shell: &mut Shell) {
    let no_trigger =
        Sql { sqlite: "DROP TRIGGER audit_log_is_broken", postgres: "DROP TRIGGER audit_log_is_broken ON audit_entry" };
    shell.execute(no_trigger, &[]).await.expect("mended");
}

/// Asserts that a call did not get through, that its status tells nothing of why, and that nothing changed.
async fn closes(world: &World, what: &str, before: &[String], answer: Result<(), Status>) {
    let status = answer.expect_err(what);
    assert_eq!(reason(&status), (Code::Unavailable, "STORAGE_DOWN".to_owned()), "{what}: {status:?}");
    assert!(!everything(&status).contains("KANARIENVOGEL"), "{what}");
    assert_eq!(world.service.state().await, before, "{what} changed something");
}

/// I9, I11
#[tokio::test]
async fn no_change_is_made_that_cannot_be_written_down() {
    let world = World::example().await;
    world.a.jump(X, customer(K1)).await.expect("a jump");
    let (admins, operators) = (effects::of_administrators(&world).await, effects::of_operators(&world).await);
    let (operator, target) = (world.service.operator(), world.service.target(X));
    let targets = effects::of_target_x(&world).await;
    // Who has called before is known to the log.
    world.a.share(None, None, Some(true)).await;
    world.a.share(None, None, Some(false)).await;
    break_the_audit_log(&mut world.service.shell().await).await;
    let state = world.service.state().await;
    for (caller, effects) in [(&world.a.admin, admins), (&target, targets), (&operator, operators)] {
        for effect in effects {
            closes(&world, &effect.path, &state, effect.send(caller, &request_id()).await.map(drop)).await;
        }
    }
}

/// I9, I11
#[tokio::test]
async fn no_jump_is_made_redeemed_or_explained_that_cannot_be_written_down() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let mut shell = world.service.shell().await;
    break_the_audit_log(&mut shell).await;
    let state = world.service.state().await;
    closes(&world, "JumpToTarif", &state, world.a.jump(X, customer(C1)).await.map(drop)).await;
    closes(&world, "RedeemJump", &state, world.redeem(X, proof(&jump)).await.map(drop)).await;
    let explain = v1::ExplainJumpRequest { target_id: X.to_owned(), person: Some(customer(C1)), ..Default::default() };
    closes(&world, "ExplainJump", &state, world.a.admin.jumps().explain_jump(explain).await.map(drop)).await;
    // A refusal is not told either.
    closes(&world, "JumpToTarif, refused", &state, world.a.jump(V, customer(C1)).await.map(drop)).await;

    mend_the_audit_log(&mut shell).await;
    assert!(world.redeem(X, proof(&jump)).await.is_ok(), "the jump was not used up");
}

/// I9, I11
#[tokio::test]
async fn with_a_read_only_audit_log_every_effect_is_unavailable() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let (admins, operators) = (effects::of_administrators(&world).await, effects::of_operators(&world).await);
    let (operator, target) = (world.service.operator(), world.service.target(X));
    let targets = effects::of_target_x(&world).await;
    world.a.share(None, None, Some(true)).await;
    world.a.share(None, None, Some(false)).await;
    make_the_audit_log_read_only(&mut world.service.shell().await).await;
    let state = world.service.state().await;
    for (caller, effects) in [(&world.a.admin, admins), (&target, targets), (&operator, operators)] {
        for effect in effects {
            closes(&world, &effect.path, &state, effect.send(caller, &request_id()).await.map(drop)).await;
        }
    }
    closes(&world, "JumpToTarif", &state, world.a.jump(X, customer(C1)).await.map(drop)).await;
    closes(&world, "RedeemJump", &state, world.redeem(X, proof(&jump)).await.map(drop)).await;
}
