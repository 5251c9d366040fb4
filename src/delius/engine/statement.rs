//! A statement with named binds, and how an engine renders it.

use std::borrow::Cow;

use chrono::{NaiveDate, NaiveDateTime};

/// A value of the three types that Delius' columns have: NUMBER, VARCHAR2 / CHAR / CLOB, and DATE. Nulls are typed,
/// because engines ask for the type of a null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number, a key or a flag.
    Int(Option<i64>),
    /// A text. An empty one is null on Oracle: statements never bind or compare one.
    Text(Option<String>),
    /// A date with its time of day, on the wall clock of London.
    Time(Option<NaiveDateTime>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<NaiveDateTime> for Value {
    fn from(time: NaiveDateTime) -> Self {
        Self::Time(Some(time))
    }
}

impl From<NaiveDate> for Value {
    fn from(date: NaiveDate) -> Self {
        Self::Time(Some(date.into()))
    }
}

/// SQL with binds written as `:name`, each of which stands for one value or for a list.
#[derive(Debug, Clone)]
pub struct Statement {
    text: Cow<'static, str>,
    binds: Vec<(Cow<'static, str>, Vec<Value>)>,
}

/// How an engine writes a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholders {
    /// `$1`, `$2`: a name that occurs twice is one parameter.
    Numbered,
    /// `?`: a name that occurs twice is two parameters.
    Question,
}

/// A statement as an engine takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// SQL with the engine's placeholders.
    pub sql: String,
    /// The parameters in order.
    pub values: Vec<Value>,
}

impl Statement {
    /// A statement from the `sql` room.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    /// Binds a value to a name.
    pub fn bind(self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.bind_all(name, vec![value.into()])
    }

    /// Binds a list, for `in (:name)`. An empty list becomes a single blank, which no code is equal to. Lists are filled
    /// up to a power of two by repeating the last value, so that few different statements have to be prepared.
    pub fn list(self, name: &'static str, values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<Value> = values.into_iter().map(Value::from).collect();
        let last = values.last().cloned().unwrap_or_else(|| Value::from(" "));
        values.resize(values.len().max(1).next_power_of_two(), last);
        self.bind_all(name, values)
    }

    fn bind_all(mut self, name: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Self {
        self.binds.push((name.into(), values));
        self
    }

    /// The SQL with its named binds.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes the statement with an engine's placeholders. A name that is not bound stays as it is, and the database
    /// refuses it.
    pub fn render(&self, placeholders: Placeholders) -> Rendered {
        let mut rendered = Rendered { sql: String::with_capacity(self.text.len() + 64), values: Vec::new() };
        self.render_part(&self.text, placeholders, &mut rendered);
        rendered
    }

    /// Several inserts of one text as one statement with several rows, `values (…), (…)`; `None` when they cannot be one.
    pub fn render_rows(rows: &[Self], placeholders: Placeholders) -> Option<Rendered> {
        const VALUES: &str = " values ";
        let (first, others) = rows.split_first()?;
        let row_begins = first.text.find(VALUES)? + VALUES.len();
        if others.iter().any(|other| other.text != first.text) {
            return None;
        }
        let mut rendered = first.render(placeholders);
        for other in others {
            rendered.sql.push_str(", ");
            other.render_part(&other.text[row_begins..], placeholders, &mut rendered);
        }
        Some(rendered)
    }

    fn render_part(&self, text: &str, placeholders: Placeholders, rendered: &mut Rendered) {
        // Where the values of each bind begin among the parameters, once they are there.
        let mut begins: Vec<Option<usize>> = vec![None; self.binds.len()];
        for part in split(text) {
            let bind = match part {
                StatementPart::Sql(sql) => {
                    rendered.sql.push_str(sql);
                    continue;
                }
                StatementPart::Name(name) => {
                    self.binds.iter().position(|(bound, _)| bound == name).ok_or(name)
                }
            };
            match bind {
                Err(unbound) => rendered.sql.extend([":", unbound]),
                Ok(bind) => {
                    let values = &self.binds[bind].1;
                    let reused = begins[bind].filter(|_| placeholders == Placeholders::Numbered);
                    let first = reused.unwrap_or(rendered.values.len());
                    if reused.is_none() {
                        begins[bind] = Some(first);
                        rendered.values.extend_from_slice(values);
                    }
                    for place in first..first + values.len() {
                        let comma = if place > first { ", " } else { "" };
                        match placeholders {
                            Placeholders::Numbered => rendered.sql += &format!("{comma}${}", place + 1),
                            Placeholders::Question => rendered.sql.extend([comma, "?"]),
                        }
                    }
                }
            }
        }
    }
}

enum StatementPart<'a> {
    Sql(&'a str),
    Name(&'a str),
}

/// Splits SQL at its binds; texts in quotes and comments to the end of a line hold none.
fn split(text: &str) -> Vec<StatementPart<'_>> {
    let mut parts = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let bytes = text.as_bytes();
    let skip_to =
        |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |found| from + found + end.len());
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => at = skip_to(at + 1, "'"),
            b'-' if bytes.get(at + 1) == Some(&b'-') => at = skip_to(at, "\n"),
            b':' => {
                let name = text[at + 1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let end = name.map_or(text.len(), |length| at + 1 + length);
                parts.extend([StatementPart::Sql(&text[begin..at]), StatementPart::Name(&text[at + 1..end])]);
                (begin, at) = (end, end);
            }
            _ => at += 1,
        }
    }
    parts.push(StatementPart::Sql(&text[begin..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(statement: &Statement, placeholders: Placeholders) -> (String, usize) {
        let Rendered { sql, values } = statement.render(placeholders);
        (sql, values.len())
    }

    #[test]
    fn a_name_that_occurs_twice_is_one_number_or_two_question_marks() {
        let statement =
            Statement::new("select a from t where x = :x and (y = :y or z = :x)").bind("x", 1).bind("y", 2);
        let numbered = "select a from t where x = $1 and (y = $2 or z = $1)";
        assert_eq!(rendered(&statement, Placeholders::Numbered), (numbered.to_owned(), 2));
        let question = "select a from t where x = ? and (y = ? or z = ?)";
        assert_eq!(rendered(&statement, Placeholders::Question), (question.to_owned(), 3));
    }

    #[test]
    fn a_list_has_a_length_that_is_a_power_of_two_and_is_never_empty() {
        for (given, sql, last) in [
            (0, "in ($1) or b in ($1)", " "),
            (1, "in ($1) or b in ($1)", "0"),
            (3, "in ($1, $2, $3, $4) or b in ($1, $2, $3, $4)", "2"),
        ] {
            let values = (0..given).map(|number: i32| number.to_string());
            let statement = Statement::new("in (:x) or b in (:x)").list("x", values);
            let rendered = statement.render(Placeholders::Numbered);
            assert_eq!(rendered.sql, sql);
            assert_eq!(rendered.values.last(), Some(&Value::from(last)));
        }
    }

    #[test]
    fn inserts_of_one_text_are_one_statement_with_several_rows() {
        let row = |a: i64, b: &str| {
            Statement::new("insert into t (a, b, c) values (:a, :b, :a)").bind("a", a).bind("b", b)
        };
        let rows = [row(1, "x"), row(2, "y")];
        let Rendered { sql, values } = Statement::render_rows(&rows, Placeholders::Numbered).unwrap();
        assert_eq!(sql, "insert into t (a, b, c) values ($1, $2, $1), ($3, $4, $3)");
        assert_eq!(values, [1.into(), "x".into(), 2.into(), "y".into()]);
        let Rendered { sql, values } = Statement::render_rows(&rows, Placeholders::Question).unwrap();
        assert_eq!((sql.as_str(), values.len()), ("insert into t (a, b, c) values (?, ?, ?), (?, ?, ?)", 6));
        let other = Statement::new("insert into u (a) values (:a)").bind("a", 1);
        assert_eq!(Statement::render_rows(&[row(1, "x"), other], Placeholders::Numbered), None);
        assert_eq!(Statement::render_rows(&[Statement::new("delete from t")], Placeholders::Numbered), None);
    }

    #[test]
    fn quotes_and_comments_hold_no_binds() {
        let text = "select ':x' -- not :x\n from t where a = :x";
        let statement = Statement::new(text).bind("x", 1);
        let expected = "select ':x' -- not :x\n from t where a = $1";
        assert_eq!(rendered(&statement, Placeholders::Numbered), (expected.to_owned(), 1));
        assert_eq!(rendered(&Statement::new("a = :y"), Placeholders::Question), ("a = :y".to_owned(), 0));
    }
}
