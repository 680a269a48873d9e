//! How answers are shown: a table for people, the canonical JSON of the protos for machines.

use anyhow::Context as _;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::{Duration, Timestamp};

use crate::cli::out::print;
use crate::cli::table::{is_obeyed, render};
use crate::proto::FILE_DESCRIPTOR_SET;

/// A message that a command shows.
pub(in crate::cli) trait Shown: Message + Default {
    /// Full name of the message in the protos.
    const NAME: &'static str;

    /// What there is to see, in the order in which it is shown. The headings are the same for every value.
    fn fields(&self) -> Vec<Field>;
}

/// Something to see of a message.
pub(in crate::cli) struct Field {
    heading: &'static str,
    value: String,
    is_column: bool,
}

/// A field that lists show as well.
pub(in crate::cli) fn column(heading: &'static str, value: impl Into<String>) -> Field {
    Field { heading, value: value.into(), is_column: true }
}

/// A field that is shown of one thing only.
pub(in crate::cli) fn detail(heading: &'static str, value: impl Into<String>) -> Field {
    Field { heading, value: value.into(), is_column: false }
}

/// The value of an enum without what stands before all of its values.
pub(in crate::cli) fn word(name: &'static str, prefix: &str) -> &'static str {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") => "",
        Some(word) => word,
        None => name,
    }
}

/// An instant in UTC, to the second; empty if there is none.
pub(in crate::cli) fn instant(at: Option<&Timestamp>) -> String {
    at.map(|at| Timestamp { seconds: at.seconds, nanos: 0 }.to_string()).unwrap_or_default()
}

/// A span of time in the largest unit that divides it; empty if there is none.
pub(in crate::cli) fn span(span: Option<&Duration>) -> String {
    span.map(|span| match span.seconds {
        seconds if seconds != 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds != 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    })
    .unwrap_or_default()
}

/// Standard output, in the form that was asked for.
pub(super) enum Output {
    /// For people.
    Table,
    /// For machines: what the protos say of every message.
    Json(DescriptorPool),
}

impl Output {
    pub(super) fn new(json: bool) -> anyhow::Result<Self> {
        if !json {
            return Ok(Self::Table);
        }
        Ok(Self::Json(DescriptorPool::decode(FILE_DESCRIPTOR_SET).context("the protos cannot be read")?))
    }

    /// Shows one thing, field by field.
    pub(super) fn one<T: Shown>(&self, item: &T) -> anyhow::Result<()> {
        self.answer(T::NAME, item, || {
            let lines = item.fields().into_iter().map(|field| vec![field.heading.to_owned(), field.value]);
            render(&lines.collect::<Vec<_>>())
        })
    }

    /// Shows an answer of the given name that people see otherwise.
    pub(super) fn answer<M: Message>(
        &self,
        name: &str,
        message: &M,
        for_people: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self {
            Self::Table => print(&for_people()),
            Self::Json(pool) => print(&json_line(pool, name, message)?),
        }
    }

    /// Begins a list.
    pub(super) const fn list(&self) -> List<'_> {
        List { output: self, lines: Vec::new() }
    }
}

/// A list that is being read page by page. Machines get each entry at once; for people all columns are aligned first.
pub(super) struct List<'a> {
    output: &'a Output,
    lines: Vec<Vec<String>>,
}

impl List<'_> {
    /// Takes the entries of a page.
    pub(super) fn add<T: Shown>(&mut self, items: &[T]) -> anyhow::Result<()> {
        match self.output {
            Output::Table => {
                self.lines.extend(items.iter().map(|item| columns(item, |field| field.value)));
                Ok(())
            }
            Output::Json(pool) => items.iter().try_for_each(|item| print(&json_line(pool, T::NAME, item)?)),
        }
    }

    /// Shows what is left to show.
    pub(super) fn end<T: Shown>(mut self) -> anyhow::Result<()> {
        match self.output {
            Output::Table => {
                self.lines.insert(0, columns(&T::default(), |field| field.heading.to_owned()));
                print(&render(&self.lines))
            }
            Output::Json(_) => Ok(()),
        }
    }
}

fn columns<T: Shown>(item: &T, cell: impl Fn(Field) -> String) -> Vec<String> {
    item.fields().into_iter().filter(|field| field.is_column).map(cell).collect()
}

/// The message as canonical JSON (of proto3), in one line with its end.
fn json_line<M: Message>(pool: &DescriptorPool, name: &str, message: &M) -> anyhow::Result<String> {
    let descriptor = pool.get_message_by_name(name).with_context(|| format!("the protos have no {name}"))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    Ok(unobeyed(&serde_json::to_string(&dynamic)?) + "\n")
}

/// The same JSON without characters that a terminal obeys. All that are left stand within strings, and can be escaped
/// there.
fn unobeyed(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_obeyed(c) {
            let units = &mut [0; 2];
            text.extend(c.encode_utf16(units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{ConcenterUser, ProviderScope, State, UserKind, provider_scope};

    #[test]
    fn json_is_that_of_the_protos() {
        let only = provider_scope::Only { product_provider_ids: vec!["a".to_owned()] };
        let user = ConcenterUser {
            user_id: "u".to_owned(),
            user_name: "Müller \u{1b}".to_owned(),
            kind: UserKind::EndCustomer.into(),
            state: State::Active.into(),
            provider_scope: Some(ProviderScope { scope: Some(provider_scope::Scope::Only(only)) }),
            secret_version: 3,
            created_at: Some(Timestamp { seconds: 1_700_000_000, nanos: 123_000_000 }),
            ..Default::default()
        };
        let Output::Json(pool) = Output::new(true).unwrap() else { panic!("not for machines") };
        // An int64 is text, an enum its name, what is not set is left out, and no character is obeyed by a terminal.
        assert_eq!(
            json_line(&pool, ConcenterUser::NAME, &user).unwrap(),
            concat!(
                r#"{"userId":"u","userName":"Müller \u001b","kind":"USER_KIND_END_CUSTOMER","state":"STATE_ACTIVE","#,
                r#""providerScope":{"only":{"productProviderIds":["a"]}},"secretVersion":"3","#,
                r#""createdAt":"2023-11-14T22:13:20.123Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn json_has_no_character_that_a_terminal_obeys_and_loses_none() {
        let Output::Json(pool) = Output::new(true).unwrap() else { panic!("not for machines") };
        let obeyed: String = (0..=0xffff_u32).filter_map(char::from_u32).filter(|c| is_obeyed(*c)).collect();
        for c in ['\0', '\n', '\u{7f}', '\u{80}', '\u{9b}', '\u{9f}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}'] {
            assert!(obeyed.contains(c), "{c:?}");
        }
        let user_name = format!("\"\\{obeyed}ä");
        let user = ConcenterUser { user_name: user_name.clone(), ..Default::default() };
        let line = json_line(&pool, ConcenterUser::NAME, &user).unwrap();
        assert!(!line.trim_end_matches('\n').contains(is_obeyed), "{line:?}");
        assert!(line.contains(r"\u007f\u0080") && line.contains(r"\u202e"), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["userName"], user_name);
    }

    #[test]
    fn a_word_has_no_prefix_and_nothing_is_empty() {
        assert_eq!(word("STATE_ACTIVE", "STATE_"), "ACTIVE");
        assert_eq!(word("STATE_UNSPECIFIED", "STATE_"), "");
    }

    #[test]
    fn instants_and_spans_are_short() {
        assert_eq!(instant(Some(&Timestamp { seconds: 1_700_000_000, nanos: 5 })), "2023-11-14T22:13:20Z");
        assert_eq!(instant(None), "");
        for (seconds, text) in [(0, "0s"), (60, "1m"), (90, "90s"), (28_800, "8h")] {
            assert_eq!(span(Some(&Duration { seconds, nanos: 0 })), text);
        }
    }
}
