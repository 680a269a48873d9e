//! The key file is not as the service left it: it refuses to start, and mends nothing by itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use concenter_gateway::app::startup::UnlockError;
use concenter_gateway::secrets::SystemRandom;
use concenter_gateway::secrets::kek_file::{self, KekFileError};
use concenter_gateway::store::ServiceStore as _;
use concenter_gateway::store::sqlite::SqliteStore;

use crate::stopped::{Stopped, chmod, data_in};

/// Asserts that an operator learns which file it is, and what to do.
fn says(error: &UnlockError, path: &Path, remedy: &str) {
    let text = error.to_string();
    assert!(text.contains(path.to_str().expect("a path")), "does not name the file: {text}");
    assert!(text.contains(remedy), "does not say what to do: {text}");
}

/// F20
#[tokio::test]
async fn a_missing_key_file_is_never_made_anew() {
    for stopped in Stopped::on_each_store().await {
        let file = stopped.key_file();
        fs::rename(&file, stopped.elsewhere()).expect("a file that is gone");

        let error = stopped.refuses_to_start().await;
        assert!(matches!(&error, UnlockError::KekFile(KekFileError::Missing { path }) if *path == file), "{error:?}");
        says(&error, &file, "restore it from its backup");

        fs::rename(stopped.elsewhere(), &file).expect("the file is back");
        stopped.starts_and_redeems().await;
    }
}

/// F20
#[tokio::test]
async fn a_missing_directory_of_keys_is_never_made_anew() {
    for stopped in Stopped::on_each_store().await {
        let (file, keys) = (stopped.key_file(), stopped.keys());
        fs::rename(&keys, stopped.elsewhere()).expect("a directory that is gone");

        let error = stopped.refuses_to_start().await;
        assert!(matches!(&error, UnlockError::KekFile(KekFileError::Missing { path }) if *path == file), "{error:?}");
        says(&error, &file, "restore it from its backup");

        fs::rename(stopped.elsewhere(), &keys).expect("the directory is back");
        stopped.starts_and_redeems().await;
    }
}

/// F21
#[tokio::test]
async fn a_key_file_with_one_flipped_byte_is_refused() {
    for stopped in Stopped::on_each_store().await {
        let file = stopped.key_file();
        let whole = fs::read(&file).expect("the key file");
        let mut damaged = whole.clone();
        let in_the_key = whole.len() / 2;
        damaged[in_the_key] ^= 1;
        fs::write(&file, damaged).expect("a damaged file");

        let error = stopped.refuses_to_start().await;
        assert!(matches!(&error, UnlockError::KekFile(KekFileError::Corrupt { path }) if *path == file), "{error:?}");
        says(&error, &file, "restore it from its backup");

        fs::write(&file, whole).expect("the right file");
        stopped.starts_and_redeems().await;
    }
}

/// F21: nothing about the file itself is wrong; only the database knows that it is not its key.
#[tokio::test]
async fn a_whole_key_file_with_another_key_under_the_same_id_is_refused() {
    for stopped in Stopped::on_each_store().await {
        let file = stopped.key_file();
        let whole = fs::read_to_string(&file).expect("the key file");
        let id = whole.split(':').nth(1).expect("an id");
        fs::write(&file, another_key(id)).expect("another key");

        let error = stopped.refuses_to_start().await;
        assert!(
            matches!(&error, UnlockError::WrongKek { place, .. } if *place == file.display().to_string()),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(&file.display().to_string()) && text.contains("restore the right one"), "{text}");

        fs::write(&file, whole).expect("the right file");
        stopped.starts_and_redeems().await;
    }
}

/// A key file of a new key as it would be if that had this id.
pub(crate) fn another_key(id: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let other = kek_file::create(directory.path(), &SystemRandom).expect("another key");
    let file = directory.path().join("keys").join(format!("kek-{}.key", other.id()));
    let renamed = fs::read_to_string(file).expect("its file").replace(other.id(), id);
    let (checked, _) = renamed.rsplit_once(':').expect("a checksum");
    format!("{checked}:{:08x}\n", crc32c::crc32c(checked.as_bytes()))
}

/// F21
#[tokio::test]
async fn a_key_file_that_others_may_read_is_refused_and_not_mended() {
    for stopped in Stopped::on_each_store().await {
        let file = stopped.key_file();
        chmod(&file, 0o644);

        let error = stopped.refuses_to_start().await;
        assert!(matches!(&error, UnlockError::KekFile(KekFileError::TooOpen { path }) if *path == file), "{error:?}");
        says(&error, &file, "chmod go=");

        chmod(&file, 0o600);
        stopped.starts_and_redeems().await;
    }
}

/// F21
#[tokio::test]
async fn a_directory_of_keys_that_others_may_enter_is_refused_and_not_mended() {
    for stopped in Stopped::on_each_store().await {
        let keys = stopped.keys();
        chmod(&keys, 0o755);

        let error = stopped.refuses_to_start().await;
        assert!(matches!(&error, UnlockError::KekFile(KekFileError::TooOpen { path }) if *path == keys), "{error:?}");
        says(&error, &keys, "chmod go=");

        chmod(&keys, 0o700);
        stopped.starts_and_redeems().await;
    }
}

/// F21: even where it leads to the right file, somebody else may turn it.
#[tokio::test]
async fn a_symbolic_link_in_place_of_the_key_file_is_refused() {
    for stopped in Stopped::on_each_store().await {
        let (file, elsewhere) = (stopped.key_file(), stopped.elsewhere());
        fs::rename(&file, &elsewhere).expect("a file that is gone");
        symlink(&elsewhere, &file).expect("a link");

        let error = stopped.refuses_to_start().await;
        assert!(matches!(&error, UnlockError::KekFile(KekFileError::NotAFile { path }) if *path == file), "{error:?}");
        says(&error, &file, "put the key file itself into its place");

        fs::rename(&elsewhere, &file).expect("the file in place of the link");
        stopped.starts_and_redeems().await;
    }
}

/// The first start ended after the key file and before the database knew of it.
#[tokio::test]
async fn a_key_file_that_no_database_knows_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = data_in(&directory);
    SqliteStore::open(&data_dir).await.expect("an empty database").close().await;
    let leftover = kek_file::create(&data_dir, &SystemRandom).expect("a key");
    let file = data_dir.join("keys").join(format!("kek-{}.key", leftover.id()));
    let content = fs::read(&file).expect("its file");

    let stopped = Stopped::after_a_jump_in(directory).await;
    stopped.starts_and_redeems().await;
    assert!(fs::read(&file).expect("its file") == content, "the leftover key file was changed");
}

/// The first start ended while it wrote the key file.
#[tokio::test]
async fn half_a_key_file_under_its_temporary_name_does_not_hinder_a_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = data_in(&directory);
    SqliteStore::open(&data_dir).await.expect("an empty database").close().await;
    let keys = data_dir.join("keys");
    fs::create_dir(&keys).expect("a directory");
    chmod(&keys, 0o700);
    fs::write(keys.join("kek-0123456789abcdef.key.new"), "cckek1:0123").expect("half a file");

    Stopped::after_a_jump_in(directory).await.starts_and_redeems().await;
}
