//! The bytes of an entry that are hashed: every stored column, in a form that does not depend on how PostgreSQL or a
//! JSON library happens to print it.
//!
//! The canonical bytes are a sequence of fields. Each is its length in bytes, as eight big-endian bytes, followed by its
//! bytes, so that no two different rows can give the same bytes; a column that is null has the length 2^64 - 1 and no
//! bytes. The first field is the name of the [source](super::sources), the others are its columns in order: text as
//! UTF-8, numbers as decimal text, times as microseconds since 1970-01-01T00:00:00Z, and JSON in canonical form: no white
//! space; the members of an object sorted by their name in the order of UTF-8 bytes; texts with the escapes `\"`, `\\`,
//! `\b`, `\f`, `\n`, `\r`, `\t` and `\u00xx` where JSON demands them and no others; numbers digit by digit as stored.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;
use serde_json::value::RawValue;

/// The length that stands for null.
const NULL: u64 = u64::MAX;

/// One column of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanonicalField<'a> {
    Null,
    Text(&'a str),
    /// JSON in any spelling.
    Json(&'a str),
}

/// The canonical bytes of an entry.
///
/// # Errors
/// When a JSON field is not JSON.
pub fn bytes<'a>(
    source: &str,
    fields: impl IntoIterator<Item = CanonicalField<'a>>,
) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(2_048);
    add(source.as_bytes(), &mut out);
    for field in fields {
        match field {
            CanonicalField::Text(text) => add(text.as_bytes(), &mut out),
            CanonicalField::Json(text) => {
                let begin = out.len();
                out.extend_from_slice(&[0; 8]);
                canonical_json(text, &mut out)?;
                let length = (out.len() - begin - 8) as u64;
                out[begin..begin + 8].copy_from_slice(&length.to_be_bytes());
            }
            CanonicalField::Null => out.extend_from_slice(&NULL.to_be_bytes()),
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

fn canonical_json(text: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    // Read once for whether it is JSON at all, so that the walk over it meets nothing else.
    let text = serde_json::from_str::<&RawValue>(text)?.get();
    Walk { text, at: 0 }.value(out)
}

/// A walk over JSON that is known to be well formed. Strings and numbers are passed on as they are spelt where that is
/// canonical already: numbers always (through `f64` an edit far behind the decimal point would go unseen), strings without
/// an escape.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self.peek() {
            Some(b'{') => self.object(out),
            Some(b'[') => self.array(out),
            Some(b'"') => write_string(self.string(), out),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
                out.extend_from_slice(&rest.as_bytes()[..end]);
                self.at += end;
                Ok(())
            }
        }
    }

    fn array(&mut self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        out.push(b'[');
        self.at += 1;
        while let Some(next) = self.peek().filter(|next| *next != b']') {
            if next == b',' {
                self.at += 1;
                out.push(b',');
            }
            self.value(out)?;
        }
        self.at += 1;
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        // Each member is written as it comes; those that come out of order are put in order afterwards.
        let begin = out.len();
        let mut members: Vec<(Cow<'a, str>, Range<usize>)> = vec![];
        self.at += 1;
        while let Some(next) = self.peek().filter(|next| *next != b'}') {
            if next == b',' {
                self.at += 1;
                self.peek();
            }
            let (name, first) = (self.string(), out.len());
            write_string(name, out)?;
            self.peek();
            self.at += 1;
            out.push(b':');
            self.value(out)?;
            members.push((text_of(name)?, first - begin..out.len() - begin));
        }
        self.at += 1;
        let written = out.split_off(begin);
        // Of two members of one name the last counts; the sort keeps their order.
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        out.push(b'{');
        for (index, (name, member)) in members.iter().enumerate() {
            if members.get(index + 1).is_some_and(|(next, _)| next == name) {
                continue;
            }
            if out.len() > begin + 1 {
                out.push(b',');
            }
            out.extend_from_slice(&written[member.clone()]);
        }
        out.push(b'}');
        Ok(())
    }

    /// The string that begins here, with its quotes.
    fn string(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let mut end = 1;
        while let Some(found) = memchr2(b'"', b'\\', &rest.as_bytes()[end.min(rest.len())..]) {
            end += found;
            if rest.as_bytes()[end] == b'"' {
                break;
            }
            end += 2;
        }
        let string = &rest[..(end + 1).min(rest.len())];
        self.at += string.len();
        string
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Writes a string, given with its quotes.
fn write_string(string: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    if string.contains('\\') {
        return serde_json::to_writer(out, &text_of(string)?);
    }
    out.extend_from_slice(string.as_bytes());
    Ok(())
}

/// What a string, given with its quotes, says.
fn text_of(string: &str) -> serde_json::Result<Cow<'_, str>> {
    match string.contains('\\') {
        true => serde_json::from_str(string).map(Cow::Owned),
        false => Ok(Cow::Borrowed(string.trim_matches('"'))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };
    use serde_json::{Value, json};

    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = b"before".to_vec();
        canonical_json(text, &mut out).unwrap();
        String::from_utf8(out.split_off(6)).unwrap()
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

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::from),
                btree_map(any::<String>(), inner, 0..6).prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        // The library sorts the members of an object too, and escapes as little.
        #[test]
        fn whatever_is_stored_has_the_spelling_of_the_library(value in any_json()) {
            prop_assert_eq!(canonical(&format!(" {value:#}\n")), value.to_string());
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        assert_eq!(canonical(r#"{"b":1,"a":2,"\u0062":3,"c":{}, "b":[ ]}"#), r#"{"a":2,"b":[],"c":{}}"#);
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
            assert!(canonical_json(text, &mut vec![]).is_err(), "{text}");
        }
    }

    fn of(fields: &[CanonicalField<'_>]) -> Vec<u8> {
        bytes("event", fields.iter().copied()).unwrap()
    }

    #[test]
    fn moving_text_from_one_column_to_the_next_changes_the_bytes() {
        assert_ne!(
            of(&[CanonicalField::Text("ab"), CanonicalField::Text("c")]),
            of(&[CanonicalField::Text("a"), CanonicalField::Text("bc")])
        );
        assert_ne!(of(&[CanonicalField::Text("")]), of(&[CanonicalField::Null]));
        assert_ne!(of(&[CanonicalField::Null]), of(&[]));
        assert_ne!(bytes("event", []).unwrap(), bytes("receipt", []).unwrap());
    }

    #[test]
    fn the_fields_are_read_back_from_the_bytes() {
        let bytes = of(&[
            CanonicalField::Text("a"),
            CanonicalField::Null,
            CanonicalField::Json("{ \"b\": 1 }"),
            CanonicalField::Text(""),
        ]);
        let expected = [Some("event"), Some("a"), None, Some("{\"b\":1}"), Some("")];
        assert_eq!(fields(&bytes).unwrap(), expected);
        assert_eq!(fields(&bytes[..bytes.len() - 1]), None);
        assert_eq!(fields(&[1; 9]), None);
    }
}
