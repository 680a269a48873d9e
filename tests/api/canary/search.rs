//! Finding a text in whatever form it may have come out.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shortest text that is searched for: shorter ones stand somewhere by chance.
const SHORTEST: usize = 24;
/// Bytes of a form by which it is looked up.
const PREFIX: usize = 8;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The number of the text, in the order in which they were added.
    pub text: usize,
    /// In which form it stands there.
    pub form: &'static str,
    /// Where it begins.
    pub at: usize,
}

/// A form of a text.
struct Form {
    text: usize,
    name: &'static str,
    bytes: Vec<u8>,
}

/// All texts that are searched for, in all their forms.
pub struct Search {
    texts: usize,
    forms: Vec<Form>,
    /// Whether a form begins with these two bytes.
    begins: Vec<bool>,
    /// The forms that begin with these bytes.
    by_prefix: HashMap<[u8; PREFIX], Vec<usize>>,
}

impl Search {
    pub fn new() -> Self {
        Self { texts: 0, forms: Vec::new(), begins: vec![false; 1 << 16], by_prefix: HashMap::new() }
    }

    /// Adds a text of at least [`SHORTEST`] bytes; gives its number.
    pub fn add(&mut self, text: impl AsRef<[u8]>) -> usize {
        let text = text.as_ref();
        assert!(text.len() >= SHORTEST, "a text of {} bytes is too short to search for", text.len());
        let number = self.texts;
        self.texts += 1;
        for (name, bytes) in forms(text) {
            let prefix = *bytes.first_chunk().expect("a form is no shorter than half its text");
            self.begins[two_bytes(&bytes)] = true;
            self.by_prefix.entry(prefix).or_default().push(self.forms.len());
            self.forms.push(Form { text: number, name, bytes });
        }
        number
    }

    /// Everything that stands in `bytes`, in order.
    pub fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        for at in 0..bytes.len().saturating_sub(PREFIX - 1) {
            let rest = &bytes[at..];
            if !self.begins[two_bytes(rest)] {
                continue;
            }
            let Some(numbers) = rest.first_chunk().and_then(|prefix| self.by_prefix.get(prefix)) else { continue };
            for form in numbers.iter().map(|number| &self.forms[*number]) {
                if rest.starts_with(&form.bytes) {
                    found.push(Found { text: form.text, form: form.name, at });
                }
            }
        }
        found
    }
}

fn two_bytes(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// The forms of a text: its bytes as they are, and as somebody may write them.
fn forms(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let joined = |write: &dyn Fn(&u8) -> String, between: &str| -> Vec<u8> {
        text.iter().map(write).collect::<Vec<_>>().join(between).into_bytes()
    };
    let reversed = text.iter().rev().copied().collect();
    let mut forms = vec![
        ("raw", text.to_vec()),
        ("reversed", reversed),
        ("hex, lower case", joined(&|byte| format!("{byte:02x}"), "")),
        ("hex, upper case", joined(&|byte| format!("{byte:02X}"), "")),
        ("percent, lower case", joined(&|byte| format!("%{byte:02x}"), "")),
        ("percent, upper case", joined(&|byte| format!("%{byte:02X}"), "")),
        ("numbers", joined(&|byte| byte.to_string(), ", ")),
        ("UTF-16LE", text.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("UTF-16BE", text.iter().flat_map(|byte| [0, *byte]).collect()),
    ];
    for (shift, name) in ["base64", "base64 after one byte", "base64 after two bytes"].into_iter().enumerate() {
        forms.push((name, within_base64(&STANDARD_NO_PAD, shift, text)));
        let for_urls = within_base64(&URL_SAFE_NO_PAD, shift, text);
        if forms.last().is_some_and(|(_, standard)| *standard != for_urls) {
            forms.push((name, for_urls));
        }
    }
    forms
}

/// What base64 makes of a text that stands `shift` bytes after a boundary, but for the characters at either end which
/// depend on what stands around it.
fn within_base64(engine: &impl base64::Engine, shift: usize, text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(text);
    let (first, last) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
    engine.encode(bytes).as_bytes()[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    /// Its base64 has the two characters in which the alphabets differ.
    const TEXT: &str = "~~~???>>>kanarienvogel~~~???>>>";

    /// A text of [`TEXT`]'s length that is searched for beside it.
    const OTHER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcde";

    fn search() -> Search {
        let mut search = Search::new();
        search.add(OTHER);
        search.add(TEXT);
        search
    }

    /// The forms in which the text is found, each once.
    fn found(buffer: &[u8]) -> Vec<&'static str> {
        let mut names: Vec<_> =
            search().find(buffer).iter().filter(|found| found.text == 1).map(|found| found.form).collect();
        names.dedup();
        names
    }

    #[test]
    fn a_text_is_found_in_every_form() {
        let hex = TEXT.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let percent = TEXT.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let wide = |bytes: fn(u16) -> [u8; 2]| TEXT.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        for (form, planted) in [
            ("raw", TEXT.as_bytes().to_vec()),
            ("reversed", TEXT.chars().rev().collect::<String>().into_bytes()),
            ("hex, lower case", hex.clone().into_bytes()),
            ("hex, upper case", hex.to_uppercase().into_bytes()),
            ("percent, lower case", percent.clone().into_bytes()),
            ("percent, upper case", percent.to_uppercase().into_bytes()),
            ("numbers", format!("{:?}", TEXT.as_bytes()).into_bytes()),
            ("UTF-16LE", wide(u16::to_le_bytes)),
            ("UTF-16BE", wide(u16::to_be_bytes)),
        ] {
            for before in 0..PREFIX {
                let buffer = [&vec![b'.'; before], planted.as_slice(), b"..."].concat();
                assert_eq!(found(&buffer), [form], "after {before} bytes");
            }
            assert_eq!(found(&planted), [form], "at the end");
        }
    }

    #[test]
    fn a_text_is_found_in_base64_wherever_it_stands_there() {
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            for before in 0..7 {
                for after in 0..4 {
                    let plain = [&vec![0xa5; before], TEXT.as_bytes(), &vec![0x5a; after]].concat();
                    let form = ["base64", "base64 after one byte", "base64 after two bytes"][before % 3];
                    assert_eq!(found(engine.encode(plain).as_bytes()), [form], "{before} before, {after} after");
                }
            }
        }
    }

    #[test]
    fn where_nothing_stands_nothing_is_found() {
        assert_eq!(found(b""), [""; 0]);
        assert_eq!(found(&TEXT.as_bytes()[..TEXT.len() - 1]), [""; 0]);
        assert_eq!(found(&TEXT.as_bytes()[1..]), [""; 0]);
        assert_eq!(found(&[0; 4096]), [""; 0]);
    }

    #[test]
    fn each_text_is_told_from_the_others() {
        let buffer = format!("{TEXT} {OTHER}");
        let found: Vec<_> = search().find(buffer.as_bytes()).into_iter().map(|found| (found.text, found.at)).collect();
        assert_eq!(found, [(1, 0), (0, TEXT.len() + 1)]);
    }
}
