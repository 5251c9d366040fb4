//! The bytes of an entry that are hashed: every stored column, in a form that does not depend on how PostgreSQL or a
//! JSON library happens to print it.
//!
//! The canonical bytes are a sequence of fields. Each is its length in bytes, as eight big-endian bytes, followed by its
//! bytes, so that no two different rows can give the same bytes; a column that is null has the length 2^64 - 1 and no
//! bytes. The first field is the name of the [source](super::sources), the others are its columns in order: text as
//! UTF-8, numbers as decimal text, times as microseconds since 1970-01-01T00:00:00Z, and JSON in canonical form: no white
//! space; the members of an object sorted by their name in the order of UTF-8 bytes; texts with the escapes `\"`, `\\`,
//! `\b`, `\f`, `\n`, `\r`, `\t` and `\u00xx` where JSON demands them and no others; numbers digit by digit as stored.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

/// The length that stands for null.
const NULL: u64 = u64::MAX;

/// One column of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    Null,
    Text(&'a str),
    /// JSON in any spelling.
    Json(&'a str),
}

/// The canonical bytes of an entry.
///
/// # Errors
/// When a JSON field is not JSON.
pub fn bytes<'a>(source: &str, fields: impl IntoIterator<Item = Field<'a>>) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(1024);
    add(source.as_bytes(), &mut out);
    for field in fields {
        match field {
            Field::Text(text) => add(text.as_bytes(), &mut out),
            Field::Json(text) => add(&canonical_json(text)?, &mut out),
            Field::Null => out.extend_from_slice(&NULL.to_be_bytes()),
        }
    }
    Ok(out)
}

fn add(field: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(field.len() as u64).to_be_bytes());
    out.extend_from_slice(field);
}

/// The fields that canonical bytes consist of, the name of the source first; `None` when they are no canonical bytes.
pub fn fields(mut bytes: &[u8]) -> Option<Vec<Option<&str>>> {
    let mut fields = vec![];
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = u64::from_be_bytes(*length);
        if length == NULL {
            fields.push(None);
            bytes = rest;
            continue;
        }
        let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        fields.push(Some(std::str::from_utf8(field).ok()?));
        bytes = rest;
    }
    Some(fields)
}

fn canonical_json(text: &str) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    write(text, &mut out)?;
    Ok(out)
}

/// Numbers are passed on as text: through `f64` an edit far behind the decimal point would go unseen.
fn write(text: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<Text<'_>, &RawValue> = serde_json::from_str(text)?;
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, &name.0)?;
                out.push(b':');
                write(value.get(), out)?;
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item.get(), out)?;
            }
            out.push(b']');
        }
        Some(b'"') => serde_json::to_writer(&mut *out, &serde_json::from_str::<Text<'_>>(text)?.0)?,
        _ => out.extend_from_slice(serde_json::from_str::<&RawValue>(text)?.get().as_bytes()),
    }
    Ok(())
}

/// A text that is borrowed where it holds no escapes.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(canonical_json(text).unwrap()).unwrap()
    }

    #[test]
    fn neither_white_space_nor_the_order_of_members_matters() {
        let one = r#"{"b": [1, {"y": null, "x": true}], "a": "t"}"#;
        let other = "{\"a\":\"t\",\n\"b\":[1,{\"x\":true,\"y\":null}]}";
        assert_eq!(canonical(one), r#"{"a":"t","b":[1,{"x":true,"y":null}]}"#);
        assert_eq!(canonical(one), canonical(other));
    }

    #[test]
    fn an_escape_and_its_character_are_the_same_text() {
        assert_eq!(canonical(r#""\u00e9\/\u0041\n""#), "\"é/A\\n\"");
    }

    #[test]
    fn numbers_keep_every_digit() {
        let number = "1.00000000000000000000000000000000001";
        assert_eq!(canonical(number), number);
        assert_ne!(canonical("1.0"), canonical("1"));
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "[1,]", "nul", "1 2"] {
            assert!(canonical_json(text).is_err(), "{text}");
        }
    }

    fn of(fields: &[Field<'_>]) -> Vec<u8> {
        bytes("event", fields.iter().copied()).unwrap()
    }

    #[test]
    fn moving_text_from_one_column_to_the_next_changes_the_bytes() {
        assert_ne!(of(&[Field::Text("ab"), Field::Text("c")]), of(&[Field::Text("a"), Field::Text("bc")]));
        assert_ne!(of(&[Field::Text("")]), of(&[Field::Null]));
        assert_ne!(of(&[Field::Null]), of(&[]));
        assert_ne!(bytes("event", []).unwrap(), bytes("receipt", []).unwrap());
    }

    #[test]
    fn the_fields_are_read_back_from_the_bytes() {
        let bytes = of(&[Field::Text("a"), Field::Null, Field::Json("{ \"b\": 1 }"), Field::Text("")]);
        let expected = [Some("event"), Some("a"), None, Some("{\"b\":1}"), Some("")];
        assert_eq!(fields(&bytes).unwrap(), expected);
        assert_eq!(fields(&bytes[..bytes.len() - 1]), None);
        assert_eq!(fields(&[1; 9]), None);
    }
}
