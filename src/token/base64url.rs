//! Base64url without padding (RFC 7515, section 2), read strictly: no padding, no white space, no trailing bits.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads any number of bytes; `None` if `text` is not the one encoding of them.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Reads exactly `N` bytes; `None` if `text` is not the one encoding of so many.
pub(super) fn decode_exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_encoding_is_read() {
        assert_eq!(decode("AQI"), Some(vec![1, 2]));
        for text in ["AQI=", "AQJ", "AQ I", "AQI\n", "AQ", "A+/I", "AQI.", "A"] {
            assert_ne!(decode(text), Some(vec![1, 2]), "{text:?}");
        }
        assert_eq!(decode("AQJ"), None, "trailing bits");
        assert_eq!(decode("A+/I"), None, "the other alphabet");
    }

    #[test]
    fn an_exact_number_of_bytes_is_neither_more_nor_less() {
        assert_eq!(decode_exact::<2>("AQI"), Some([1, 2]));
        assert_eq!(decode_exact::<1>("AQI"), None);
        assert_eq!(decode_exact::<3>("AQI"), None);
    }
}
