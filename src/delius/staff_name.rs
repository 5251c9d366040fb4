//! Names of staff: how a name is stored in Delius, and when two spellings mean one person.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Bytes that Delius' columns hold.
const LONGEST: usize = 35;

/// A spelling of at least this many bytes may be what was left when a longer one was cut: few letters have more than
/// four bytes, and a blank before them goes as well.
const PERHAPS_CUT: usize = LONGEST - 4;

/// A forename and a surname as Delius stores them, and what they are compared by.
///
/// White space of any kind is squeezed to single blanks and trimmed, and format characters (which nobody sees) are
/// removed. A name whose letters are all capitals, as NOMIS writes them, is put in title case:
///
/// | NOMIS | Delius |
/// | --- | --- |
/// | `O'NEILL` | `O'Neill` |
/// | `SMITH-JONES` | `Smith-Jones` |
/// | `VAN DER BERG` | `Van Der Berg` |
/// | `MCDONALD` | `McDonald` |
/// | `MACDONALD` | `Macdonald`: nobody can tell whether *MacDonald* is meant (*Mackie*, *Macey*) |
///
/// A name with a small letter in it was written by somebody who meant it, and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaffName {
    pub(crate) forename: String,
    pub(crate) surname: String,
    wanted: [Wanted; 2],
}

impl StaffName {
    pub(crate) fn new(forename: &str, surname: &str) -> Self {
        let forenames = (cut(&titled(&tidied(forename))), Wanted::new(forename));
        let surnames = (cut(&titled(&tidied(surname))), Wanted::new(surname));
        Self { forename: forenames.0, surname: surnames.0, wanted: [forenames.1, surnames.1] }
    }

    /// Whether a name that Delius holds means this member of staff: both are compared in one normal form, here and not
    /// by the database, whose language decides what is the same letter there.
    pub(crate) fn is_of(&self, forename: &str, surname: &str) -> bool {
        let [wanted_forename, wanted_surname] = &self.wanted;
        wanted_surname.is(surname) && wanted_forename.is(forename)
    }

    /// Whether forename or surname is that of this member of staff: one of them stays when a person changes the other.
    pub(crate) fn shares_a_name(&self, forename: &str, surname: &str) -> bool {
        let [wanted_forename, wanted_surname] = &self.wanted;
        wanted_surname.is(surname) || wanted_forename.is(forename)
    }
}

/// The normal form of a name that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    normal: String,
    /// What is left of it where it does not fit the column.
    cut: Option<String>,
}

impl Wanted {
    fn new(name: &str) -> Self {
        let stored = titled(&tidied(name));
        let cut = (stored.len() > LONGEST).then(|| normal(&cut(&stored)));
        Self { normal: normal(name), cut }
    }

    fn is(&self, held: &str) -> bool {
        // Another spelling is cut elsewhere, because its letters have other lengths.
        let perhaps_cut = held.trim_end().len() >= PERHAPS_CUT;
        let held = normal(held);
        let is_cut = |cut: &String| *cut == held || (perhaps_cut && self.normal.starts_with(&held));
        held == self.normal || self.cut.as_ref().is_some_and(is_cut)
    }
}

/// What two spellings of one name have in common: NFC, one blank between words, no format characters, one kind of
/// apostrophe and one of hyphen, full case folding.
fn normal(name: &str) -> String {
    let unified = tidied(name).chars().map(unified).collect::<String>();
    // Decomposed before it is folded: an accent may stand before or behind a letter that folding changes.
    unified.nfd().default_case_fold().nfc().collect()
}

fn unified(letter: char) -> char {
    match letter {
        _ if is_apostrophe(letter) => '\'',
        _ if is_hyphen(letter) => '-',
        _ => letter,
    }
}

/// Quotation marks, primes and modifier letters that are typed for an apostrophe.
fn is_apostrophe(letter: char) -> bool {
    matches!(
        letter,
        '\'' | '`'
            | '´'
            | '‘'
            | '’'
            | '‚'
            | '‛'
            | '′'
            | '‵'
            | 'ʹ'
            | 'ʻ'
            | 'ʼ'
            | 'ʽ'
            | 'ʾ'
            | 'ʿ'
            | 'ˈ'
            | 'ˊ'
            | 'ˋ'
            | '՚'
            | '＇'
            | '｀'
            | '\u{1FBD}'
            | '\u{1FBF}'
            | '\u{1FEF}'
            | '\u{1FFD}'
            | '\u{1FFE}'
            | 'ꞌ'
    )
}

/// Dashes and minus signs that are typed for a hyphen.
fn is_hyphen(letter: char) -> bool {
    matches!(
        letter,
        '-' | '‐'
            | '‑'
            | '‒'
            | '–'
            | '—'
            | '―'
            | '⁃'
            | '−'
            | '˗'
            | '֊'
            | '᐀'
            | '⸗'
            | '⸺'
            | '⸻'
            | '﹘'
            | '﹣'
            | '－'
    )
}

/// Characters of the general category Cf, and variation selectors: they change how a text is laid out and not what it
/// says.
fn is_format(letter: char) -> bool {
    matches!(
        u32::from(letter),
        0xAD | 0x34F | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890..=0x891 | 0x8E2 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF | 0xFFF9..=0xFFFB
            | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
    )
}

/// Without format characters and control characters, and with single blanks for white space of any kind.
fn tidied(name: &str) -> String {
    let visible: String = name
        .chars()
        .filter(|letter| !is_format(*letter) && (letter.is_whitespace() || !letter.is_control()))
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Title case for a name in all capitals, letter by letter as people see them: an accent that stands behind its letter
/// belongs to it.
fn titled(name: &str) -> String {
    if name.chars().any(char::is_lowercase) {
        return name.to_owned();
    }
    let mut titled = String::with_capacity(name.len());
    let mut word = String::new();
    for letter in name.graphemes(true) {
        let first = letter.chars().next();
        if first.is_some_and(|first| first.is_alphabetic() && !is_apostrophe(first)) {
            if word.is_empty() || word == "Mc" {
                word += letter;
            } else {
                word.extend(letter.chars().flat_map(char::to_lowercase));
            }
        } else {
            titled += &word;
            word.clear();
            titled += letter;
        }
    }
    titled + &word
}

/// Cut to what the column holds, in bytes, and never inside a letter.
fn cut(name: &str) -> String {
    let fits = |end: usize| end <= LONGEST;
    let end =
        name.grapheme_indices(true).map(|(at, letter)| at + letter.len()).take_while(|end| fits(*end)).last();
    name[..end.unwrap_or(0)].trim_end().to_owned()
}

#[cfg(test)]
mod tests;
