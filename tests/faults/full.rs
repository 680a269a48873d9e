//! The volume of the database is full.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::firm::{Firm, reason, request_id};
use crate::gateway::{AT_MOST, Gateway, until};
use crate::postgres::PrivateServer;

/// More writes than fit into what is left of a log.
const MANY: usize = 3_000;

/// A small volume in memory. It goes with its owner.
struct Volume(TempDir);

impl Volume {
    /// Mounts one, or says in one line why there is none.
    fn mount(megabytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let size = format!("size={megabytes}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        let refused = match mounted {
            Ok(told) if told.status.success() => return Some(Self(directory)),
            Ok(told) => String::from_utf8_lossy(&told.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(!needs_volume(), "nothing can be mounted: {refused}");
        // Past the capture of output, which a passing test never shows. Nothing to do about a closed stream.
        let _ = writeln!(std::io::stderr(), "tests with a full volume are left out: {refused}");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file");
        let block = [0; 4096];
        while file.write_all(&block).is_ok() {}
    }

    /// Makes room again.
    fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Whoever still has a file open keeps what he has; nobody is left to hear of a failure.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[expect(clippy::disallowed_methods, reason = "whether tests may be left out is said by who runs them")]
fn needs_volume() -> bool {
    std::env::var("CONCENTER_TESTS_NEED_VOLUME").is_ok_and(|value| value == "1")
}

/// Writes users until one is refused; gives the names of those that were acknowledged, and what the last one heard.
async fn write_until_full(gateway: &Gateway, firm: &Firm) -> (BTreeSet<String>, Status) {
    let mut acknowledged = BTreeSet::new();
    for number in 0..MANY {
        let name = format!("user-{number}");
        let id = request_id();
        let written = timeout(AT_MOST, firm.create_user(&gateway.channel, &id, &name)).await.expect("an answer");
        match written {
            Ok(user) => assert!(acknowledged.insert(user.user_name)),
            Err(status) => return (acknowledged, status),
        }
    }
    panic!("the volume is not full after {MANY} writes");
}

/// Writes again until that goes; gives the name.
async fn write_again(gateway: &Gateway, firm: &Firm) -> String {
    let id = request_id();
    until("writes go on", async || firm.create_user(&gateway.channel, &id, "afterwards").await.is_ok()).await;
    "afterwards".to_owned()
}

async fn nothing_is_lost(gateway: &Gateway, firm: &Firm, acknowledged: &BTreeSet<String>) {
    let found: BTreeSet<_> = firm.user_names(&gateway.channel).await.expect("a list").into_iter().collect();
    assert!(acknowledged.is_subset(&found), "lost: {:?}", acknowledged.difference(&found));
}

/// F05
#[tokio::test]
async fn a_full_volume_of_an_embedded_database_stops_writes_alone() {
    let Some(volume) = Volume::mount(16) else { return };
    let directory = Arc::new(tempfile::tempdir_in(volume.path()).expect("a directory"));
    let gateway = Gateway::start_in(directory, None).await;
    let firm = gateway.firm().await;
    volume.fill();
    let (mut acknowledged, told) = write_until_full(&gateway, &firm).await;
    assert_eq!((told.code(), reason(&told).as_str()), (Code::Unavailable, "STORAGE_FULL"), "{told:?}");
    assert!(told.get_details_retry_info().is_some_and(|info| info.retry_delay > Some(Duration::ZERO)), "{told:?}");
    let told = firm.jump(&gateway.channel, &request_id(), 0).await.expect_err("no room for a jump");
    assert_eq!(reason(&told), "STORAGE_FULL");

    // Reading goes on, and so does refusing what is a forgery.
    nothing_is_lost(&gateway, &firm, &acknowledged).await;
    let forged = firm.redeem(&gateway.channel, "eyJ.eyJ.c2ln").await.expect_err("a forgery");
    assert_eq!((forged.code(), reason(&forged).as_str()), (Code::PermissionDenied, "JUMP_INVALID"));

    volume.free();
    acknowledged.insert(write_again(&gateway, &firm).await);
    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump");
    firm.redeem(&gateway.channel, &token).await.expect("a redemption");
    nothing_is_lost(&gateway, &firm, &acknowledged).await;
    gateway.stop().await;
}

/// F05: where there is no room for its log PostgreSQL ends, and whoever looks after it starts it again.
#[tokio::test]
async fn a_full_volume_of_a_database_server_loses_nothing() {
    let Some(volume) = Volume::mount(256) else { return };
    let Some(server) = PrivateServer::start_new_in(volume.path()).await else { return };
    let database = server.database().await;
    let gateway = Gateway::start(&database.service_url()).await;
    let firm = gateway.firm().await;
    volume.fill();
    let (mut acknowledged, told) = write_until_full(&gateway, &firm).await;
    assert_eq!(told.code(), Code::Unavailable, "{told:?}");
    assert!(matches!(reason(&told).as_str(), "STORAGE_FULL" | "STORAGE_DOWN"), "{told:?}");
    assert!(told.get_details_retry_info().is_some_and(|info| info.retry_delay > Some(Duration::ZERO)), "{told:?}");

    volume.free();
    server.start_if_ended();
    acknowledged.insert(write_again(&gateway, &firm).await);
    nothing_is_lost(&gateway, &firm, &acknowledged).await;
    gateway.stop().await;
}
