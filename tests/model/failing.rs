//! I11: with a dependency that fails, nothing is done and nothing is opened; reads go on, and afterwards all goes on.

use concenter_gateway::proto::v1::JumpState;
use tonic::Code;

use crate::aim::aim;
use crate::command::{Command, Known, Pick, Sequence, Step};
use crate::harness::{Engine, Shell, Sql, reason};
use crate::observe::{WHOLE, observe};
use crate::play::{Play, Stage};
use crate::rules::Seen;
use crate::run::{number, run, sequence_of};
use crate::state::Model;

/// How many sequences are broken off.
const SEQUENCES: u64 = 60;
/// Seeds that the other property does not begin with.
const FIRST: u64 = 1_000_000;

/// Makes every row of the audit log fail, by an error of the database's own and not by a rule.
const BREAK: Sql = Sql {
    sqlite: "
        CREATE TRIGGER audit_is_broken BEFORE INSERT ON audit_entry
        BEGIN
            -- There is no such number: an integer overflow, when it runs.
            SELECT abs(-9223372036854775808);
        END
    ",
    postgres: "
        CREATE OR REPLACE FUNCTION break_the_audit_log() RETURNS TRIGGER
        LANGUAGE plpgsql
        AS $$
        BEGIN
            -- There is no such number either.
            PERFORM abs((-9223372036854775808)::BIGINT);
            RETURN NEW;
        END;
        $$;
        CREATE TRIGGER audit_is_broken BEFORE INSERT ON audit_entry
        FOR EACH STATEMENT
        EXECUTE FUNCTION break_the_audit_log();
    ",
};
const MEND: Sql =
    Sql { sqlite: "DROP TRIGGER audit_is_broken", postgres: "DROP TRIGGER audit_is_broken ON audit_entry" };

#[test]
fn while_the_audit_log_cannot_be_written_nothing_is_done_and_afterwards_all_goes_on() {
    let first = number("CONCENTER_SEED", FIRST);
    let mut refused = 0;
    let sequences = number("CONCENTER_SEQUENCES", SEQUENCES).min(SEQUENCES);
    let seeds = first..first + sequences;
    run(async || {
        let mut stage = Stage::set().await;
        for seed in seeds {
            let sequence = sequence_of(seed);
            let mut play = Play::begin(&mut stage).await;
            let mut shell = play.stage.service.shell().await;
            match broken_off(&mut play, &sequence, &mut shell).await {
                Ok(more) => refused += more,
                Err(what) => panic!("sequence {seed}: {what}\nthe last call: {}", play.last()),
            }
            if play.model.catalog.changed {
                stage = Stage::set().await;
            }
        }
    });
    assert!(refused > 100 || sequences < SEQUENCES, "only {refused} calls were refused: the sequences show too little");
}

/// Plays half of a sequence, the other half while the audit log is broken, and that half again when it is mended. Tells how many
/// calls were refused meanwhile.
async fn broken_off(play: &mut Play<'_>, sequence: &Sequence, shell: &mut Shell) -> Result<u64, String> {
    let (before, after) = sequence.steps.split_at(sequence.steps.len() / 2);
    let before = Sequence { furnished: sequence.furnished, steps: before.to_vec() };
    play.sequence(&before).await.map_err(|failed| failed.what)?;
    // A deleted tenant is turned away with a row, and so is not read without one.
    if play.model.sides.iter().any(|side| side.deleted_at.is_some()) {
        return Ok(0);
    }
    shell.execute(BREAK, &[]).await.expect("a broken log");
    let mut refused = 0;
    for step in after.iter().filter(|step| !matches!(step.command, Command::Wait { .. })) {
        refused += u64::from(while_broken(play, step).await?);
    }
    shell.execute(MEND, &[]).await.expect("a whole log");
    for step in after {
        play.step(step, true).await?;
    }
    Ok(refused)
}

/// Makes a call while the audit log is broken. Tells whether it was refused for that.
async fn while_broken(play: &mut Play<'_>, step: &Step) -> Result<bool, String> {
    let Some(call) = aim(&mut play.model, step, &play.earlier) else {
        return Ok(false);
    };
    let told = play.call_unmodelled(&call).await;
    let mut then = play.model.clone();
    let seen = Seen::default();
    let expected = then.step(&call, &seen);
    let leaves_no_row = then.log.len() == play.model.log.len();
    if leaves_no_row {
        // What is not written down goes on: reads, and what could not be taken anyway.
        let told = told.map_err(|status| reason(&status).1);
        let expected = expected.map_err(|refused| refused.reason);
        if told.as_ref().err() != expected.as_ref().err() {
            return Err(format!("answered {told:?}, expected {expected:?}, with a log that cannot be written"));
        }
    } else {
        let status = told.err().ok_or("answered without a row in the log")?;
        let expected = (Code::Unavailable, "STORAGE_DOWN".to_owned());
        if reason(&status) != expected {
            return Err(format!("{status:?}, with a log that cannot be written"));
        }
        keep_pseudonyms(&mut play.model, &then);
    }
    observe(play, WHOLE).await?;
    Ok(!leaves_no_row)
}

/// Whoever was seen for the first time has his pseudonym, which is written before the row that it is for.
fn keep_pseudonyms(model: &mut Model, then: &Model) {
    for (side, then) in model.sides.iter_mut().zip(&then.sides) {
        side.salted.extend(then.salted.iter().cloned());
    }
}

/// Takes what both calls need, and no read.
const HOLD: Sql = Sql { sqlite: "BEGIN IMMEDIATE", postgres: "BEGIN; LOCK TABLE tenant, jump IN EXCLUSIVE MODE" };

/// A backup or a shell that holds the database: effects fail after the time that the service waits for it, and change nothing.
#[test]
fn while_somebody_else_holds_the_database_nothing_is_done_and_afterwards_all_goes_on() {
    run(async || {
        let mut stage = Stage::set().await;
        let mut play = Play::begin(&mut stage).await;
        let furnished = Sequence { furnished: true, steps: Vec::new() };
        play.sequence(&furnished).await.expect("a furnished tenant");
        play.step(&Step::jump_of_a_customer(), true).await.expect("a jump");
        let id = play.model.sides[0].made.jumps[0].clone();

        let mut shell = play.stage.service.shell().await;
        shell.execute(HOLD, &[]).await.expect("the lock");
        let redeem = Command::Redeem { back: 0, target: None, wrong_nonce: false };
        let disable = Command::SetUserState { user: Pick::Own(2), known: Known::Current, active: false };
        // Whoever waits for a row of PostgreSQL's is told so; SQLite's lock is that of the whole database.
        let told = match Engine::under_test() {
            Engine::Sqlite => (Code::Unavailable, "STORAGE_DOWN".to_owned()),
            Engine::Postgres => (Code::Aborted, "CONTENDED".to_owned()),
        };
        for command in [redeem, disable] {
            let call = aim(&mut play.model, &Step::plain(0, command), &[]).expect("a call");
            let status = play.call_unmodelled(&call).await.expect_err("it is not done");
            assert_eq!(reason(&status), told, "{call:?}");
        }
        observe(&mut play, WHOLE).await.expect("reads go on, and nothing has changed");
        assert_eq!(play.model.sides[0].jumps[&id].state(play.model.now), JumpState::Issued);

        shell.execute("ROLLBACK", &[]).await.expect("the lock is free");
        let step = Step::plain(0, Command::Redeem { back: 0, target: None, wrong_nonce: false });
        play.step(&step, true).await.expect("the jump is redeemed");
        assert_eq!(play.model.sides[0].jumps[&id].state(play.model.now), JumpState::Redeemed);
    });
}
