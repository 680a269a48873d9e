//! A backup comes back, by the program itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use concenter_gateway::proto::v1::SessionState;
use sqlx::Row as _;
use tempfile::TempDir;

use crate::firm::{Firm, PASSWORD, reason, request_id};
use crate::gateway::Gateway;
use crate::postgres;
use crate::process::{Ended, Process, copy_keys};
use crate::stopped::data_in;

/// A firm on an embedded database, and a backup that was made while a jump of it was open and another one redeemed. Behind the
/// backup the first jump was redeemed too, the session of the other one revoked, and their user disabled.
struct BackedUp {
    directory: Arc<TempDir>,
    firm: Firm,
    token: String,
    /// Of the jump that the backup knows as open.
    lost_session: String,
    /// Of the jump that the backup knows as redeemed.
    revoked_session: String,
}

impl BackedUp {
    async fn new() -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let gateway = Gateway::start_in(Arc::clone(&directory), None).await;
        let firm = gateway.firm().await;
        let channel = &gateway.channel;
        let first = firm.jump(channel, &request_id(), 0).await.expect("a jump");
        let first = firm.arrive(channel, &first).await.expect("a redemption");
        let token = firm.jump(channel, &request_id(), 0).await.expect("a jump");
        let (lost_session, revoked_session) = (String::new(), first.session.clone());
        let mut backed_up = Self { directory, firm, token, lost_session, revoked_session };
        let made = backed_up.run(&["backup", &text(&backed_up.backup())]).await;
        assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
        let second = backed_up.firm.arrive(channel, &backed_up.token).await.expect("a redemption");
        assert_eq!(second.password.as_deref(), Some(PASSWORD));
        backed_up.lost_session.clone_from(&second.session);
        backed_up.firm.revoke(channel, &first.jump_id).await.expect("revoked");
        backed_up.firm.set_usable(&gateway.channel, false).await.expect("disabled");
        gateway.stop().await;
        backed_up
    }

    fn data(&self) -> PathBuf {
        data_in(&self.directory)
    }

    fn backup(&self) -> PathBuf {
        self.directory.path().join("backup.db")
    }

    /// Runs the program on the data directory.
    async fn run(&self, words: &[&str]) -> Ended {
        Process::run(words, &self.data(), None).await
    }

    /// Runs `concenter restore` with the backup and these words.
    async fn restore(&self, words: &[&str]) -> Ended {
        self.run(&[&["restore", &text(&self.backup())], words].concat()).await
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of text").to_owned()
}

/// F26
#[tokio::test]
async fn no_jump_of_a_backup_is_redeemed_after_its_restore() {
    let backed_up = BackedUp::new().await;
    let restored = backed_up.restore(&["--replace"]).await;
    assert_eq!((restored.code, restored.err.as_str()), (Some(0), ""));
    assert!(restored.out.starts_with("restored from the backup of 2"), "{}", restored.out);
    assert!(restored.out.contains("1 tenant") && restored.out.contains("concenter.db.replaced-"), "{}", restored.out);

    let gateway = Gateway::start_in(Arc::clone(&backed_up.directory), None).await;
    let (firm, channel) = (&backed_up.firm, &gateway.channel);
    let refused = firm.redeem(channel, &backed_up.token).await.expect_err("a jump of the backup");
    assert_eq!(reason(&refused), "JUMP_REVOKED");
    // The user is usable again, as he was: that is what the restore warns of.
    let token = firm.jump(channel, &request_id(), 0).await.expect("a jump after the restore");
    assert_eq!(firm.redeem(channel, &token).await.expect("a redemption"), PASSWORD);
    gateway.stop().await;
}

/// F26
#[tokio::test]
async fn no_session_of_a_backup_goes_on_after_its_restore() {
    let backed_up = BackedUp::new().await;
    assert_eq!(backed_up.restore(&["--replace"]).await.code, Some(0));
    let gateway = Gateway::start_in(Arc::clone(&backed_up.directory), None).await;
    let (firm, channel) = (&backed_up.firm, &gateway.channel);
    let state = firm.session_state(channel, &backed_up.revoked_session).await;
    assert_eq!(state.expect("a session"), SessionState::Revoked, "the backup does not know that it was revoked");
    let unknown = firm.session_state(channel, &backed_up.lost_session).await.expect_err("nobody knows it");
    assert_eq!(reason(&unknown), "NOT_FOUND");
    let token = firm.jump(channel, &request_id(), 0).await.expect("a jump after the restore");
    let arrived = firm.arrive(channel, &token).await.expect("a redemption");
    let state = firm.session_state(channel, &arrived.session).await;
    assert_eq!(state.expect("a session"), SessionState::Active);
    gateway.stop().await;
}

/// F26: whoever stops halfway has changed nothing, and what was replaced can come back as well.
#[tokio::test]
async fn what_a_restore_replaced_is_kept_whole() {
    let backed_up = BackedUp::new().await;
    let refused = backed_up.restore(&[]).await;
    refused.is_error(78, &["concenter.db", "--replace"]);
    assert_eq!(backed_up.restore(&["--replace"]).await.code, Some(0));
    let files = fs::read_dir(backed_up.data()).expect("the data").map(|file| file.expect("a file").path());
    let kept: Vec<_> = files.filter(|path| text(path).contains(".replaced-")).collect();
    let [kept] = kept.as_slice() else { panic!("one file: {kept:?}") };
    assert_eq!(kept.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);

    let elsewhere = backed_up.directory.path().join("elsewhere");
    copy_keys(&backed_up.data(), &elsewhere);
    let restored = Process::run(&["restore", &text(kept)], &elsewhere, None).await;
    assert_eq!((restored.code, restored.err.as_str()), (Some(0), ""));
    assert!(restored.out.starts_with("restored from a backup that does not say when"), "{}", restored.out);
}

/// F26: a journal that cannot be played back stays with the database that it belongs to.
#[tokio::test]
async fn what_undoes_a_write_into_the_database_before_is_not_played_into_the_one_that_comes_back() {
    let backed_up = BackedUp::new().await;
    let journal = backed_up.data().join("concenter.db-journal");
    // Whoever opens the database has to read it, and cannot.
    fs::create_dir(&journal).expect("a journal");
    assert_eq!(backed_up.restore(&["--replace"]).await.code, Some(0));
    assert!(!journal.exists());
    let check = Process::run(&["check"], &backed_up.data(), None).await;
    assert_eq!((check.code, check.err.as_str()), (Some(0), ""));
}

/// F20, F26
#[tokio::test]
async fn a_backup_alone_opens_nothing_on_another_machine() {
    let backed_up = BackedUp::new().await;
    let elsewhere = backed_up.directory.path().join("elsewhere");
    let refused = Process::run(&["restore", &text(&backed_up.backup())], &elsewhere, None).await;
    refused.is_error(78, &["elsewhere/keys/kek-", "restore it from its backup"]);
    assert!(!elsewhere.join("concenter.db").exists() && !elsewhere.join("restoring").exists());
}

/// F20, F26: also where there is a database, it stays what it was.
#[tokio::test]
async fn without_its_key_file_a_backup_replaces_nothing() {
    let backed_up = BackedUp::new().await;
    let database = backed_up.data().join("concenter.db");
    let before = fs::read(&database).expect("the database");
    fs::rename(backed_up.data().join("keys"), backed_up.directory.path().join("gone")).expect("no keys");
    backed_up.restore(&["--replace"]).await.is_error(78, &["restore it from its backup"]);
    assert!(fs::read(&database).expect("the database") == before, "the refused restore changed something");
}

/// I8: in no form of the text, wherever it stands in the file.
#[tokio::test]
async fn no_password_stands_in_a_backup() {
    let backed_up = BackedUp::new().await;
    let bytes = fs::read(backed_up.backup()).expect("the backup");
    let holds = |form: &str| bytes.windows(form.len()).any(|window| window == form.as_bytes());
    assert!(holds("vm.meier"), "the search finds what is there");
    let hex = PASSWORD.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let mut forms = vec![PASSWORD.to_owned(), hex.to_uppercase(), hex];
    // Wherever base64 begins before it, one of these is in the middle.
    forms.extend([0, 1, 2].map(|skipped| {
        let rest = &PASSWORD.as_bytes()[skipped..];
        STANDARD_NO_PAD.encode(&rest[..rest.len() / 3 * 3])
    }));
    for form in forms {
        assert!(!holds(&form), "{form}");
    }
}

/// F26: what is no backup, or no longer one, replaces nothing.
#[tokio::test]
async fn a_file_that_is_no_backup_is_refused() {
    let backed_up = BackedUp::new().await;
    let file = backed_up.backup();
    let whole = fs::read(&file).expect("the backup");
    let mut damaged = whole.clone();
    damaged[4_096..8_192].fill(0xff);
    for (content, says) in
        [(damaged, "backup.db"), (b"-- a dump of something".to_vec(), "no database"), (Vec::new(), "no database")]
    {
        fs::write(&file, content).expect("another file");
        backed_up.restore(&["--replace"]).await.is_error(78, &[says]);
    }
    fs::write(&file, whole).expect("the backup");
    assert_eq!(backed_up.restore(&["--replace"]).await.code, Some(0));
}

/// F26
#[tokio::test]
async fn no_jump_of_a_dump_of_postgresql_is_redeemed_after_its_restore() {
    let (Some(database), Some(empty)) = (postgres::database().await, postgres::empty_database().await) else { return };
    let (Some(mut dump), Some(mut load)) = (postgres::tool("pg_dump"), postgres::tool("pg_restore")) else { return };
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let gateway = Gateway::start_in(Arc::clone(&directory), Some(&database.service_url())).await;
    let firm = gateway.firm().await;
    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump");

    let data = data_in(&directory);
    let begun = Process::run(&["backup"], &data, Some(&database.owner_url())).await;
    assert_eq!((begun.code, begun.err.as_str()), (Some(0), ""));
    let password = database.owner_url().split(['@', ':']).nth(2).expect("a password").to_owned();
    assert!(begun.out.contains("pg_dump --format=custom") && !begun.out.contains(&password), "{}", begun.out);
    let dumped = dump.args(["--format=custom", "--dbname", &database.owner_url()]).output().expect("pg_dump runs");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    assert_eq!(firm.redeem(&gateway.channel, &token).await.expect("a redemption"), PASSWORD);
    gateway.stop().await;

    load.args(["--no-comments", "--exit-on-error", "--dbname", &empty.owner_url()]).stdin(Stdio::piped());
    let mut load = load.stderr(Stdio::piped()).spawn().expect("pg_restore runs");
    std::io::Write::write_all(&mut load.stdin.take().expect("its input"), &dumped.stdout).expect("it reads");
    let loaded = load.wait_with_output().expect("an end");
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));

    let refused = Process::run(&["restore"], &data, Some(&empty.service_url())).await;
    refused.is_error(78, &["--database-url", "owner"]);
    let restored = Process::run(&["restore"], &data, Some(&empty.owner_url())).await;
    assert_eq!((restored.code, restored.err.as_str()), (Some(0), ""));
    assert!(restored.out.starts_with("restored from the backup of 2"), "{}", restored.out);
    let row =
        sqlx::query("SELECT epoch, (SELECT count(*) FROM tenant WHERE restored_at IS NOT NULL) AS marked FROM service");
    let row = row.fetch_one(&mut empty.owner().await).await.expect("a row");
    assert_eq!((row.get::<i64, _>("epoch"), row.get::<i64, _>("marked")), (2, 1));

    let gateway = Gateway::start_in(directory, Some(&empty.service_url())).await;
    let refused = firm.redeem(&gateway.channel, &token).await.expect_err("a jump of the backup");
    assert_eq!(reason(&refused), "JUMP_REVOKED");
    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump after the restore");
    assert_eq!(firm.redeem(&gateway.channel, &token).await.expect("a redemption"), PASSWORD);
    gateway.stop().await;
}
