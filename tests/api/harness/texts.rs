//! Fields of messages that are known by their descriptors alone: which there are, and putting a text into one.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// The way from a message down to one of its text fields; of a list, its first entry is meant.
#[derive(Clone)]
pub struct TextField(Vec<FieldDescriptor>);

/// Every text field of a message and of what it holds, in the order of the contract.
pub fn text_fields(message: &MessageDescriptor) -> Vec<TextField> {
    let mut found = Vec::new();
    for field in message.fields() {
        match field.kind() {
            Kind::String => found.push(TextField(vec![field])),
            Kind::Message(inner) => found.extend(text_fields(&inner).into_iter().map(|TextField(rest)| {
                let mut way = vec![field.clone()];
                way.extend(rest);
                TextField(way)
            })),
            _ => {}
        }
    }
    found
}

impl TextField {
    /// The name of the field itself.
    pub fn name(&self) -> &str {
        self.0.last().expect("a field").name()
    }

    /// The message that the field belongs to, with its package.
    pub fn message(&self) -> String {
        self.0.last().expect("a field").parent_message().full_name().to_owned()
    }

    /// Puts a text into the field. What lies on the way is made, and of a oneof the others go.
    pub fn put(&self, message: &mut DynamicMessage, text: &str) {
        let (last, way) = self.0.split_last().expect("a field");
        let inner = way.iter().fold(message, |message, field| entered(message, field));
        let text = Value::String(text.to_owned());
        inner.set_field(last, if last.is_list() { Value::List(vec![text]) } else { text });
    }

    /// The field `name` beside this one, if there is such a text field.
    pub fn beside(&self, name: &str) -> Option<Self> {
        let (last, way) = self.0.split_last().expect("a field");
        let beside = last.parent_message().get_field_by_name(name).filter(|field| field.kind() == Kind::String)?;
        Some(Self(way.iter().cloned().chain([beside]).collect()))
    }
}

impl fmt::Display for TextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(FieldDescriptor::name).collect();
        f.write_str(&names.join("."))
    }
}

/// The message in a field, or the first of a list of them; made where there is none.
fn entered<'a>(message: &'a mut DynamicMessage, field: &FieldDescriptor) -> &'a mut DynamicMessage {
    let value = message.get_field_mut(field);
    let Kind::Message(kind) = field.kind() else { panic!("{} holds no message", field.full_name()) };
    match value {
        Value::List(entries) => {
            if entries.is_empty() {
                entries.push(Value::Message(DynamicMessage::new(kind)));
            }
            entries.first_mut().and_then(Value::as_message_mut).expect("a message")
        }
        value => value.as_message_mut().expect("a message"),
    }
}

/// Every text that stands in a message, with the full name of its field; the texts of a list one by one.
pub fn texts(message: &DynamicMessage) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (field, value) in message.fields() {
        let entries = value.as_list().unwrap_or(std::slice::from_ref(value));
        for entry in entries {
            match entry {
                Value::String(text) => found.push((field.full_name().to_owned(), text.clone())),
                Value::Message(inner) => found.extend(texts(inner)),
                _ => {}
            }
        }
    }
    found
}

/// Replaces every text that stands in a message by what `change` makes of it and the full name of its field.
pub fn map_texts(message: &mut DynamicMessage, change: &mut dyn FnMut(&str, &str) -> Option<String>) {
    for (field, value) in message.fields_mut() {
        match value {
            Value::List(entries) => entries.iter_mut().for_each(|entry| map_text(field.full_name(), entry, change)),
            value => map_text(field.full_name(), value, change),
        }
    }
}

fn map_text(field: &str, value: &mut Value, change: &mut dyn FnMut(&str, &str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(other) = change(field, text) {
                *text = other;
            }
        }
        Value::Message(inner) => map_texts(inner, change),
        _ => {}
    }
}

/// The text at the end of these fields.
pub fn text_at(message: &DynamicMessage, way: &str) -> String {
    let mut message = message.clone();
    let (way, last) = way.rsplit_once('.').unwrap_or(("", way));
    for name in way.split('.').filter(|name| !name.is_empty()) {
        let value = message.get_field_by_name(name).unwrap_or_else(|| panic!("no field {name}")).into_owned();
        let entry = value.as_list().and_then(<[Value]>::first).cloned().unwrap_or(value);
        message = entry.as_message().unwrap_or_else(|| panic!("no message in {name}")).clone();
    }
    let value = message.get_field_by_name(last).unwrap_or_else(|| panic!("no field {last}"));
    value.as_str().unwrap_or_else(|| panic!("no text in {last}")).to_owned()
}
