//! The key-encryption key in a file beside the data: the embedded provider.
//!
//! `<data directory>/keys/kek-<id>.key`, mode 0600 in a directory of mode 0700, one line:
//! `cckek1:<id>:<key, base64url without padding>:<CRC-32C of the text before the last colon, 8 hexadecimal digits>`.
//!
//! It protects a stolen database file or backup, not against somebody who can read the whole data directory. So a file
//! somewhere else may be named instead, by any name, with the same line in it.
//!
//! A new key is written under a temporary name (`kek-<id>.key.new`), synced, and linked to its own name without
//! overwriting. So a crash leaves the whole key file, the temporary one, or both. The temporary one is never read and
//! may be deleted; a whole one that no database refers to as well.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::keys::Kek;
use super::secret::Key;
use crate::domain::ids::Random;
use crate::domain::kek::KekId;

const FORMAT: &str = "cckek1";
const DIRECTORY: &str = "keys";
/// A key file is 77 bytes; whatever is longer is none.
const FILE_BYTES: usize = 77;

/// How a key file is opened. Without NONBLOCK a named pipe in its place would hold the start up for ever.
const READ_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The key file cannot be used. Each says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KekFileError {
    /// There is none. A new one would not open what the old one sealed.
    #[error("the key file {path} is missing: restore it from its backup; without it no stored secret can be opened")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was written: another format, a wrong checksum, or the key of another id.
    #[error("the key file {path} is damaged or belongs to another id: restore it from its backup")]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may reach it.
    #[error(
        "{path} is open to group or others: check who read it, then take their rights away with `chmod go= {path}`"
    )]
    TooOpen {
        /// The file, or its directory.
        path: PathBuf,
    },
    /// It belongs to another account than the one that the service runs as.
    #[error("{path} belongs to another account: run the service as its owner, or change the owner")]
    WrongOwner {
        /// The file, or its directory.
        path: PathBuf,
    },
    /// There is something else in its place, for example a symbolic link.
    #[error("{path} is a symbolic link or of another type than expected: put the key file itself into its place")]
    NotAFile {
        /// The file, or its directory.
        path: PathBuf,
    },
    /// A new key found a file of its name; nothing was overwritten.
    #[error("the key file {path} is there already: nothing was overwritten, try again for another id")]
    AlreadyThere {
        /// The file.
        path: PathBuf,
    },
    /// It is a key file, and that of another key.
    #[error(
        "the key file {path} holds the key-encryption key {found}, and {kek_id} is needed: name its file with --kek-file too, \
         or restore it from its backup"
    )]
    OtherId {
        /// The file.
        path: PathBuf,
        /// The id that it has.
        found: String,
        /// The id that was looked for.
        kek_id: String,
    },
    /// Several files were named, and none of them is that of this key.
    #[error(
        "none of the key files {paths} holds the key-encryption key {kek_id}: name its file with --kek-file too, or restore it \
         from its backup"
    )]
    NotAmong {
        /// The files, with commas between.
        paths: String,
        /// The id that was looked for.
        kek_id: String,
    },
    /// There are several keys for an empty database.
    #[error("{setting} names several key-encryption keys, and an empty database begins with one: name that one alone")]
    ManyToBeginWith {
        /// The setting.
        setting: &'static str,
    },
    /// The id is not 16 lower-case hexadecimal digits, so no file can have it.
    #[error(
        "the id of the key-encryption key that the database names is damaged: restore the database from its backup"
    )]
    InvalidId,
    /// The operating system refused.
    #[error("the key file {path} cannot be reached: check its directory and the rights on it")]
    Io {
        /// The file, or its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes a new key and its file. Only for an empty database: what an older key sealed does not open with it.
///
/// `data_dir` and `keys` in it are made if there are none. File and directories are on the disk when this returns.
///
/// # Errors
/// [`KekFileError::AlreadyThere`] if there is a file of its name, [`KekFileError::TooOpen`],
/// [`KekFileError::WrongOwner`] or [`KekFileError::NotAFile`] if the directory is not private, [`KekFileError::Io`]
/// if it cannot be written.
pub fn create(data_dir: &Path, random: &dyn Random) -> Result<Kek, KekFileError> {
    let kek = Kek::generate(random);
    let directory = data_dir.join(DIRECTORY);
    // Where the database is elsewhere nobody has made it before.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.map_err(|source| KekFileError::Io { path: data_dir.to_owned(), source })?;
    match rustix::fs::mkdir(&directory, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(io_error(&directory, errno)),
    }
    let handle = open_directory(&directory)?;
    write_new(&handle, &directory, OsStr::new(&file_name(kek.id())), &kek)?;
    // The entry `keys` of the data directory must last as well.
    File::open(data_dir)
        .and_then(|parent| parent.sync_all())
        .map_err(|source| KekFileError::Io { path: data_dir.to_owned(), source })?;
    Ok(kek)
}

/// Where the file of this key is.
#[must_use]
pub fn path_of(data_dir: &Path, kek_id: &str) -> PathBuf {
    data_dir.join(DIRECTORY).join(file_name(kek_id))
}

/// Reads the key of this id.
///
/// # Errors
/// One of [`KekFileError`] for each thing that can be wrong with the file; it is never made anew.
pub fn load(data_dir: &Path, kek_id: &str) -> Result<Kek, KekFileError> {
    if !is_kek_id(kek_id) {
        return Err(KekFileError::InvalidId);
    }
    let directory = data_dir.join(DIRECTORY);
    let name = file_name(kek_id);
    let path = path_of(data_dir, kek_id);
    let handle = open_directory(&directory).map_err(|error| match error {
        KekFileError::Missing { .. } => KekFileError::Missing { path: path.clone() },
        other => other,
    })?;
    let file =
        rustix::fs::openat(&handle, name, READ_FLAGS, Mode::empty()).map_err(|errno| open_error(&path, errno))?;
    let content = read_private(&path, file)?;
    read_content(&content, kek_id).ok_or(KekFileError::Corrupt { path })
}

/// Reads the key of this id from a file of any name.
///
/// # Errors
/// As [`load`].
pub(super) fn load_at(path: &Path, kek_id: &str) -> Result<Kek, KekFileError> {
    if !is_kek_id(kek_id) {
        return Err(KekFileError::InvalidId);
    }
    let content = read_at(path)?;
    read_content(&content, kek_id).ok_or_else(|| match read_any_content(&content) {
        Some(other) => {
            let (path, found) = (path.to_owned(), other.id().to_owned());
            KekFileError::OtherId { path, found, kek_id: kek_id.to_owned() }
        }
        None => KekFileError::Corrupt { path: path.to_owned() },
    })
}

/// Reads the key of a file of any name, whatever its id; makes one where there is no such file. Only for an empty database.
///
/// The directory of the file must be there.
///
/// # Errors
/// As [`load`], if there is a file; as [`create`], if there is none.
pub(super) fn load_or_create_at(path: &Path, random: &dyn Random) -> Result<Kek, KekFileError> {
    match read_at(path) {
        Ok(content) => read_any_content(&content).ok_or_else(|| KekFileError::Corrupt { path: path.to_owned() }),
        Err(KekFileError::Missing { .. }) => create_at(path, random),
        Err(error) => Err(error),
    }
}

/// Makes a new key and its file, of any name. The directory of the file must be there.
///
/// # Errors
/// As [`create`].
pub fn create_at(path: &Path, random: &dyn Random) -> Result<Kek, KekFileError> {
    let not_a_file = || KekFileError::NotAFile { path: path.to_owned() };
    let name = path.file_name().ok_or_else(not_a_file)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::open(directory, flags, Mode::empty()).map_err(|errno| io_error(directory, errno))?;
    let kek = Kek::generate(random);
    write_new(&handle, directory, name, &kek)?;
    Ok(kek)
}

/// What a file of any name holds, if it is private.
fn read_at(path: &Path) -> Result<Zeroizing<Vec<u8>>, KekFileError> {
    let file = rustix::fs::open(path, READ_FLAGS, Mode::empty()).map_err(|errno| open_error(path, errno))?;
    read_private(path, file)
}

/// What a file holds that is open, if it is private; at most one byte more than a key file has.
fn read_private(path: &Path, file: OwnedFd) -> Result<Zeroizing<Vec<u8>>, KekFileError> {
    check_private(path, &stat(path, &file)?, FileType::RegularFile)?;
    // One byte more than a key file has, so that a longer one does not pass cut off.
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES + 1));
    let mut bounded = File::from(file).take(FILE_BYTES as u64 + 1);
    bounded.read_to_end(&mut content).map_err(|source| KekFileError::Io { path: path.to_owned(), source })?;
    Ok(content)
}

/// Tells whether `text` is 16 lower-case hexadecimal digits. It becomes a file name.
fn is_kek_id(text: &str) -> bool {
    KekId::parse(text).is_ok()
}

fn file_name(kek_id: &str) -> String {
    format!("kek-{kek_id}.key")
}

/// Opens the directory of the keys, after checking that it is private.
fn open_directory(directory: &Path) -> Result<OwnedFd, KekFileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(directory, flags, Mode::empty()).map_err(|errno| open_error(directory, errno))?;
    check_private(directory, &stat(directory, &handle)?, FileType::Directory)?;
    Ok(handle)
}

/// Writes the key file of a new key, whole or not at all. It is on the disk when this returns.
fn write_new(directory: &OwnedFd, directory_path: &Path, name: &OsStr, kek: &Kek) -> Result<(), KekFileError> {
    let mut temporary = name.to_owned();
    temporary.push(".new");
    let path = directory_path.join(name);
    let failed = |errno: Errno| match errno {
        Errno::EXIST => KekFileError::AlreadyThere { path: path.clone() },
        errno => io_error(&path, errno),
    };

    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, &temporary, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    let mut file = File::from(file);
    let written = file
        .write_all(&content_of(kek))
        .and_then(|()| file.sync_all())
        .map_err(|source| KekFileError::Io { path: path.clone(), source })
        // Not a rename: that would overwrite.
        .and_then(|()| {
            rustix::fs::linkat(directory, &temporary, directory, name, AtFlags::empty()).map_err(failed)
        });
    let removed = rustix::fs::unlinkat(directory, &temporary, AtFlags::empty()).map_err(failed);
    written.and(removed)?;
    rustix::fs::fsync(directory).map_err(|errno| io_error(directory_path, errno))
}

/// The line of a key file.
fn content_of(kek: &Kek) -> Zeroizing<Vec<u8>> {
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(kek.key().expose()));
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
    for part in [FORMAT, ":", kek.id(), ":", &encoded] {
        content.extend_from_slice(part.as_bytes());
    }
    let checksum = format!(":{:08x}\n", crc32c::crc32c(&content));
    content.extend_from_slice(checksum.as_bytes());
    content
}

/// Reads the line of a key file without its end; `None` unless it is exactly what [`content_of`] writes for some id.
pub(super) fn read_line(line: &str) -> Option<Kek> {
    let mut content = Zeroizing::new(Vec::with_capacity(line.len() + 1));
    content.extend_from_slice(line.as_bytes());
    content.push(b'\n');
    read_any_content(&content)
}

/// Reads the line of a key file; `None` unless it is exactly what [`content_of`] writes for some id.
fn read_any_content(content: &[u8]) -> Option<Kek> {
    let kek_id = std::str::from_utf8(content).ok()?.split(':').nth(1).filter(|id| is_kek_id(id))?;
    read_content(content, kek_id)
}

/// Reads the line of a key file; `None` unless it is exactly what [`content_of`] writes for `kek_id`.
fn read_content(content: &[u8], kek_id: &str) -> Option<Kek> {
    let line = std::str::from_utf8(content).ok()?.strip_suffix('\n')?;
    let (checked, checksum) = line.rsplit_once(':')?;
    if format!("{:08x}", crc32c::crc32c(checked.as_bytes())) != checksum {
        return None;
    }
    let encoded = checked.strip_prefix(FORMAT)?.strip_prefix(':')?.strip_prefix(kek_id)?.strip_prefix(':')?;
    let mut key = Zeroizing::new([0_u8; 32]);
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, key.as_mut_slice()).ok()?;
    if length != key.len() {
        return None;
    }
    Some(Kek::from_parts(kek_id.to_owned(), Key::from_slice(key.as_slice())?))
}

fn stat(path: &Path, file: &impl AsFd) -> Result<Stat, KekFileError> {
    rustix::fs::fstat(file).map_err(|errno| io_error(path, errno))
}

/// Checks that something is of this type, ours, and nobody else's.
fn check_private(path: &Path, stat: &Stat, expected: FileType) -> Result<(), KekFileError> {
    let path = || path.to_owned();
    if FileType::from_raw_mode(stat.st_mode) != expected {
        return Err(KekFileError::NotAFile { path: path() });
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(KekFileError::WrongOwner { path: path() });
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
        return Err(KekFileError::TooOpen { path: path() });
    }
    Ok(())
}

/// What it means that something could not be opened.
fn open_error(path: &Path, errno: Errno) -> KekFileError {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => KekFileError::Missing { path },
        // A symbolic link with NOFOLLOW; something else than a directory with DIRECTORY; a socket.
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => KekFileError::NotAFile { path },
        errno => KekFileError::Io { path, source: errno.into() },
    }
}

fn io_error(path: &Path, errno: Errno) -> KekFileError {
    KekFileError::Io { path: path.to_owned(), source: errno.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::super::random::SystemRandom;
    use super::*;

    struct Fixed;

    impl Random for Fixed {
        fn fill(&self, destination: &mut [u8]) {
            destination.fill(7);
        }
    }

    /// A data directory with a key.
    fn with_key() -> (TempDir, Kek, PathBuf) {
        let data_dir = TempDir::new().unwrap();
        let kek = create(data_dir.path(), &SystemRandom).unwrap();
        let path = data_dir.path().join("keys").join(file_name(kek.id()));
        (data_dir, kek, path)
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_that_was_made_is_read_back() {
        let (data_dir, kek, _) = with_key();
        assert_eq!(load(data_dir.path(), kek.id()).unwrap().key().expose(), kek.key().expose());
    }

    #[test]
    fn a_key_file_is_private_and_nothing_else_is_left() {
        let (data_dir, kek, path) = with_key();
        assert_eq!(mode_of(&path), 0o600);
        assert_eq!(mode_of(&data_dir.path().join("keys")), 0o700);
        let names: Vec<_> =
            fs::read_dir(data_dir.path().join("keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [file_name(kek.id()).as_str()]);
    }

    #[test]
    fn a_key_file_has_the_form_that_its_documentation_says() {
        let data_dir = TempDir::new().unwrap();
        create(data_dir.path(), &Fixed).unwrap();
        let content = fs::read_to_string(data_dir.path().join("keys/kek-0707070707070707.key")).unwrap();
        let checked = "cckek1:0707070707070707:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        assert_eq!(content, format!("{checked}:{:08x}\n", crc32c::crc32c(checked.as_bytes())));
        assert_eq!(content.len(), FILE_BYTES);
    }

    #[test]
    fn a_second_key_does_not_touch_the_first() {
        let (data_dir, first, _) = with_key();
        let second = create(data_dir.path(), &SystemRandom).unwrap();
        assert_ne!(first.id(), second.id());
        assert!(load(data_dir.path(), first.id()).is_ok());
    }

    #[test]
    fn a_key_of_the_same_name_is_not_overwritten() {
        let data_dir = TempDir::new().unwrap();
        create(data_dir.path(), &Fixed).unwrap();
        let path = data_dir.path().join("keys/kek-0707070707070707.key");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(create(data_dir.path(), &Fixed), Err(KekFileError::AlreadyThere { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn a_half_written_key_has_no_name_that_is_read() {
        let (data_dir, kek, path) = with_key();
        fs::rename(&path, path.with_extension("key.new")).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Missing { .. })));
    }

    #[test]
    fn a_missing_key_is_an_error_and_makes_no_new_one() {
        let (data_dir, kek, path) = with_key();
        fs::remove_file(&path).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Missing { path: p }) if p == path));
        fs::remove_dir(data_dir.path().join("keys")).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Missing { path: p }) if p == path));
        assert!(!data_dir.path().join("keys").exists());
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let (data_dir, kek, path) = with_key();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Corrupt { .. })), "byte {at}");
        }
    }

    #[test]
    fn every_truncation_and_extension_is_found() {
        let (data_dir, kek, path) = with_key();
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Corrupt { .. })), "{length}");
        }
        fs::write(&path, [good.as_slice(), b"\n"].concat()).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Corrupt { .. })));
    }

    #[test]
    fn the_key_of_another_id_is_found() {
        let (data_dir, kek, path) = with_key();
        let other = create(data_dir.path(), &SystemRandom).unwrap();
        fs::copy(data_dir.path().join("keys").join(file_name(other.id())), &path).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::Corrupt { .. })));
    }

    #[test]
    fn a_file_open_to_others_is_refused_and_left_as_it_is() {
        let (data_dir, kek, path) = with_key();
        for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644] {
            set_mode(&path, mode);
            assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::TooOpen { .. })), "{mode:o}");
            assert_eq!(mode_of(&path), mode);
        }
        set_mode(&path, 0o400);
        assert!(load(data_dir.path(), kek.id()).is_ok());
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let (data_dir, kek, _) = with_key();
        let directory = data_dir.path().join("keys");
        set_mode(&directory, 0o750);
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::TooOpen { path }) if path == directory));
        assert!(matches!(create(data_dir.path(), &SystemRandom), Err(KekFileError::TooOpen { .. })));
    }

    #[test]
    fn the_file_of_another_account_is_refused() {
        let (_data_dir, _, path) = with_key();
        let mut stat = rustix::fs::fstat(File::open(&path).unwrap()).unwrap();
        assert!(check_private(&path, &stat, FileType::RegularFile).is_ok());
        stat.st_uid = stat.st_uid.wrapping_add(1);
        let refused = check_private(&path, &stat, FileType::RegularFile);
        assert!(matches!(refused, Err(KekFileError::WrongOwner { .. })));
    }

    #[test]
    fn a_symbolic_link_is_refused_in_either_place() {
        let (data_dir, kek, path) = with_key();
        let elsewhere = data_dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::NotAFile { .. })));

        let (data_dir, kek, _) = with_key();
        let directory = data_dir.path().join("keys");
        fs::rename(&directory, data_dir.path().join("moved")).unwrap();
        symlink(data_dir.path().join("moved"), &directory).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::NotAFile { .. })));
    }

    #[test]
    fn a_directory_or_a_pipe_is_no_key_file() {
        let (data_dir, kek, path) = with_key();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o700);
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::NotAFile { .. })));
        fs::remove_dir(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(matches!(load(data_dir.path(), kek.id()), Err(KekFileError::NotAFile { .. })));
    }

    #[test]
    fn an_id_that_is_none_reaches_no_file() {
        let data_dir = TempDir::new().unwrap();
        for id in ["", "../../etc/passwd", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0"] {
            assert!(matches!(load(data_dir.path(), id), Err(KekFileError::InvalidId)), "{id}");
        }
    }

    #[test]
    fn a_data_directory_that_is_not_there_is_made_for_its_owner_alone() {
        let parent = TempDir::new().unwrap();
        let data_dir = parent.path().join("not/there");
        let made = create(&data_dir, &SystemRandom).unwrap();
        assert_eq!(data_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(load(&data_dir, made.id()).unwrap().id(), made.id());
    }

    #[test]
    fn a_data_directory_that_cannot_be_made_is_an_error() {
        let parent = TempDir::new().unwrap();
        fs::write(parent.path().join("file"), "").unwrap();
        let refused = create(&parent.path().join("file"), &SystemRandom);
        assert!(matches!(refused, Err(KekFileError::Io { .. })));
    }

    #[test]
    fn errors_name_the_file_and_never_the_key() {
        let (data_dir, kek, path) = with_key();
        let key = fs::read_to_string(&path).unwrap().split(':').nth(2).unwrap().to_owned();
        let broken = fs::read_to_string(&path).unwrap().replace("cckek1", "cckek2");
        fs::write(&path, broken).unwrap();
        let error = load(data_dir.path(), kek.id()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(path.to_str().unwrap()) && !shown.contains(&key));
    }
}
