//! Random words: ids of sessions and quotes, nonces, marks of forms.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of a word: 256 bits, so that nobody finds one by trying.
const WORD_BYTES: usize = 32;

/// A new word: 43 characters of base64url, which fit into cookies, paths and forms as they are.
///
/// # Errors
/// [`NoRandom`].
pub(crate) fn random_word() -> Result<String, NoRandom> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<WORD_BYTES>()?))
}

/// Tells whether a text can be a word.
pub(crate) fn is_word(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == WORD_BYTES)
}

/// The name of a word: its hash, from which nobody finds the word again.
pub(crate) fn name_of(word: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, word.as_bytes()))
}

/// A new id of a request, a UUID.
///
/// # Errors
/// [`NoRandom`].
pub(crate) fn request_id() -> Result<String, NoRandom> {
    Ok(uuid::Builder::from_random_bytes(random_bytes()?).into_uuid().to_string())
}

#[expect(clippy::disallowed_methods, reason = "the one place where random bytes come in; no test needs other ones")]
fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// The operating system gives no random bytes; nothing that rests on them can be made.
#[derive(Debug, thiserror::Error)]
#[error("there are no random bytes")]
pub(crate) struct NoRandom;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_long_and_differ() {
        let (one, other) = (random_word().unwrap(), random_word().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
        assert!(is_word(&one) && is_word(&name_of(&one)) && name_of(&one) != one);
        assert!(
            ["", "a", &one[1..], &format!("{one}A"), &one.replace(|_| true, "!")].iter().all(|text| !is_word(text))
        );
    }
}
