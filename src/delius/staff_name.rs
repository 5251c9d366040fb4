//! The name of a prison offender manager as Delius keeps it.

/// Delius' columns hold this many characters; looking up and creating cut alike, so that a long name is found again.
const LONGEST: usize = 35;

/// A forename and a surname, ready to look up and to store.
///
/// Blanks around and repeated blanks within are dropped. A name whose letters are all capitals, as NOMIS writes
/// them, is put in title case:
///
/// | NOMIS | Delius |
/// | --- | --- |
/// | `O'NEILL` | `O'Neill` |
/// | `SMITH-JONES` | `Smith-Jones` |
/// | `VAN DER BERG` | `Van Der Berg` |
/// | `MCDONALD` | `McDonald` |
/// | `MACDONALD` | `Macdonald`: whether it is *MacDonald* cannot be told (*Mackie*, *Macey*) |
///
/// A name with a small letter in it was written by somebody who meant it, and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaffName {
    pub(crate) forename: String,
    pub(crate) surname: String,
}

impl StaffName {
    pub(crate) fn new(forename: &str, surname: &str) -> Self {
        Self { forename: as_delius_writes_it(forename), surname: as_delius_writes_it(surname) }
    }
}

fn as_delius_writes_it(name: &str) -> String {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = if name.chars().any(char::is_lowercase) { name } else { title_case(&name) };
    name.chars().take(LONGEST).collect::<String>().trim_end().to_owned()
}

fn title_case(name: &str) -> String {
    let mut titled = String::with_capacity(name.len());
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_alphabetic() {
            if word.is_empty() || word == "Mc" {
                word.extend(letter.to_uppercase());
            } else {
                word.extend(letter.to_lowercase());
            }
        } else {
            titled.push_str(&word);
            word.clear();
            titled.push(letter);
        }
    }
    titled + &word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_capitals_are_title_cased_and_others_kept() {
        for (given, kept) in [
            ("BYRON", "Byron"),
            ("O'NEILL", "O'Neill"),
            ("O’NEILL", "O’Neill"),
            ("SMITH-JONES", "Smith-Jones"),
            ("VAN DER BERG", "Van Der Berg"),
            ("MCDONALD", "McDonald"),
            ("MCKAY-MCLEOD", "McKay-McLeod"),
            ("MC", "Mc"),
            ("MACDONALD", "Macdonald"),
            ("ÉTIENNE", "Étienne"),
            ("J", "J"),
            ("ST. JOHN", "St. John"),
            ("  ADA   MARY ", "Ada Mary"),
            ("MacDonald", "MacDonald"),
            ("van der Berg", "van der Berg"),
            ("byron", "byron"),
            ("DeSouza", "DeSouza"),
            ("", ""),
        ] {
            assert_eq!(as_delius_writes_it(given), kept, "{given}");
        }
    }

    #[test]
    fn a_name_longer_than_the_column_is_cut_in_characters() {
        assert_eq!(as_delius_writes_it(&"É".repeat(40)).chars().count(), LONGEST);
        assert_eq!(as_delius_writes_it(&format!("{} B", "A".repeat(34))).chars().count(), 34);
    }
}
