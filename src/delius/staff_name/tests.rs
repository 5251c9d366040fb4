use proptest::{prelude::*, sample::select};

use super::*;

fn stored(name: &str) -> String {
    StaffName::new("Ada", name).surname
}

#[test]
fn names_in_capitals_are_title_cased_and_others_kept() {
    for (given, kept) in [
        ("BYRON", "Byron"),
        ("O'NEILL", "O'Neill"),
        ("O’NEILL", "O’Neill"),
        ("OʼNEILL", "OʼNeill"),
        ("SMITH-JONES", "Smith-Jones"),
        ("SMITH–JONES", "Smith–Jones"),
        ("VAN DER BERG", "Van Der Berg"),
        ("MCDONALD", "McDonald"),
        ("MCKAY-MCLEOD", "McKay-McLeod"),
        ("MC", "Mc"),
        ("MACDONALD", "Macdonald"),
        ("ÉTIENNE", "Étienne"),
        ("RENE\u{301}E", "Rene\u{301}e"),
        ("E\u{301}TIENNE", "E\u{301}tienne"),
        ("MCE\u{301}LROY", "McE\u{301}lroy"),
        ("J", "J"),
        ("ST. JOHN", "St. John"),
        ("  ADA \t\u{a0}  MARY ", "Ada Mary"),
        ("BY\u{200b}RON", "Byron"),
        ("SOFT\u{ad}HYPHEN", "Softhyphen"),
        ("\u{feff}BYRON\u{200d}", "Byron"),
        ("BY\u{7}RON", "Byron"),
        ("ADA\tMARY", "Ada Mary"),
        ("MacDonald", "MacDonald"),
        ("van der Berg", "van der Berg"),
        ("byron", "byron"),
        ("DeSouza", "DeSouza"),
        ("", ""),
    ] {
        assert_eq!(stored(given), kept, "{given}");
    }
}

#[test]
fn a_name_is_cut_at_the_bytes_of_the_column_and_never_inside_a_letter() {
    for (given, bytes) in [
        ("A".repeat(40), 35),
        ("É".repeat(40), 34),
        ("É".repeat(17), 34),
        ("e\u{301}".repeat(20), 33),
        (format!("{} B", "A".repeat(34)), 34),
        ("字".repeat(12), 33),
    ] {
        let cut = stored(&given);
        assert_eq!(cut.len(), bytes, "{given}");
        assert!(StaffName::new("Ada", &given).is_of("ADA", &cut), "what is stored is found again: {given}");
    }
}

#[test]
fn a_long_name_is_not_taken_for_another_one() {
    let long = "Featherstonehaugh-Cholmondeley-Marjoribanks";
    let name = StaffName::new("Ada", long);
    assert!(name.is_of("Ada", &long[..35]) && name.is_of("Ada", &long[..33]));
    for other in
        ["Featherstonehaugh", "Featherstonehaugh-Cholmondeley", "Featherstonehaugh-Cholmondeley-Marl"]
    {
        assert!(!name.is_of("Ada", other), "{other}");
    }
    let short = StaffName::new("Ada", "Featherstonehaugh-Cholmondeley-Mars");
    assert!(!short.is_of("Ada", "Featherstonehaugh-Cholmondeley-Mar"), "a name that fits is not cut");
}

#[test]
fn spellings_that_mean_one_person_are_the_same_and_others_are_not() {
    for (wanted, held) in [
        (["Jo  Ann", "Whitlock"], ["Jo  Ann", "Whitlock"]),
        (["JO ANN", "WHITLOCK"], ["Jo\u{a0}Ann ", " Whitlock"]),
        (["NIAMH", "O\u{2019}LEARY"], ["Niamh", "O'Leary"]),
        (["NIAMH", "O'LEARY"], ["Niamh", "O\u{2bc}leary"]),
        (["RENÉE", "GARÇON"], ["renée", "Garçon"]),
        (["RENE\u{301}E", "GARC\u{327}ON"], ["Renée", "GARÇON"]),
        (["ADA", "SMITH\u{2011}JONES"], ["Ada", "Smith-Jones"]),
        (["ADA", "STRAUSS"], ["Ada", "Strauß"]),
        (["ADA", "İNCE"], ["Ada", "i\u{307}nce"]),
        (["ADA", "BY\u{200b}RON"], ["A\u{ad}da", "Byron"]),
        (["ADA", "ﬁNCH"], ["Ada", "Finch"]),
    ] {
        let name = StaffName::new(wanted[0], wanted[1]);
        assert!(name.is_of(held[0], held[1]), "{wanted:?} {held:?}");
    }
    for (wanted, held) in [
        (["ADA", "BYRON"], ["Ada", "Byrom"]),
        (["ADA", "ONEILL"], ["Ada", "O'Neill"]),
        (["RENEE", "GARCON"], ["Renée", "Garçon"]),
        (["ADA MARY", "BYRON"], ["Ada", "Byron"]),
        (["MARYANN", "BYRON"], ["Mary Ann", "Byron"]),
        (["ADA", "SMITHJONES"], ["Ada", "Smith-Jones"]),
    ] {
        let name = StaffName::new(wanted[0], wanted[1]);
        assert!(!name.is_of(held[0], held[1]), "{wanted:?} {held:?}");
    }
}

#[test]
fn whoever_changes_one_name_shares_the_other() {
    let name = StaffName::new("ADA", "BYRON");
    assert!(name.shares_a_name("Ada", "Byron"));
    assert!(name.shares_a_name("Ada", "Lovelace") && name.shares_a_name("Augusta", "Byron"));
    assert!(!name.shares_a_name("Augusta", "Lovelace"));
}

/// One letter of a name in several spellings that mean the same.
fn letter() -> impl Strategy<Value = Vec<&'static str>> {
    select(vec![
        vec!["a", "A"],
        vec!["é", "É", "e\u{301}", "E\u{301}"],
        vec!["ç", "Ç", "c\u{327}"],
        vec!["ß", "ss", "SS", "\u{1e9e}"],
        vec!["ﬁ", "fi", "FI"],
        vec!["σ", "Σ", "ς"],
        vec!["ǆ", "ǅ", "Ǆ"],
        vec!["'", "’", "ʼ", "‘", "`", "´", "＇"],
        vec!["-", "‐", "–", "−", "—", "－"],
        vec!["q\u{307}\u{323}", "q\u{323}\u{307}", "Q\u{307}\u{323}"],
        vec![" ", "\u{a0}", "  ", "\t", "\u{2003}", "\u{3000} "],
        vec!["z", "Z", "z\u{200b}", "\u{ad}Z", "z\u{feff}"],
    ])
}

/// A name in two spellings.
fn spellings() -> impl Strategy<Value = (String, String)> {
    let both = |(letter, one, other): (Vec<&'static str>, prop::sample::Index, prop::sample::Index)| {
        (letter[one.index(letter.len())], letter[other.index(letter.len())])
    };
    proptest::collection::vec(
        (letter(), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(both),
        1..9,
    )
    .prop_map(|letters| letters.into_iter().unzip())
}

proptest! {
    #[test]
    fn every_spelling_of_a_name_means_the_same_person((one, other) in spellings()) {
        prop_assert!(StaffName::new(&one, &other).is_of(&other, &one), "{:?} {:?}", one, other);
        let name = StaffName::new(&one, &one);
        prop_assert!(StaffName::new(&other, &other).is_of(&name.forename, &name.surname), "what is stored is found");
    }

    #[test]
    fn what_is_stored_of_any_text_fits_and_is_found_again(text in "\\PC{0,60}|[A-Z'’ \u{301}é-]{0,60}") {
        let name = StaffName::new(&text, &text);
        prop_assert!(name.surname.len() <= LONGEST);
        prop_assert!(name.is_of(&name.forename, &name.surname), "{:?} {:?}", text, name);
        prop_assert!(!name.surname.chars().any(is_format));
    }
}
