//! Officer codes: three characters of the provider, a letter, three digits (`N03A017`).

/// A letter and three digits as one number: `A000` is 0, `Z999` is 25,999.
fn number(code: &str, prefix: &str) -> Option<u32> {
    let rest = code.strip_prefix(prefix)?.as_bytes();
    match rest {
        [letter @ b'A'..=b'Z', digits @ ..] if digits.len() == 3 && digits.iter().all(u8::is_ascii_digit) => {
            let digits = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            Some(u32::from(letter - b'A') * 1000 + digits)
        }
        _ => None,
    }
}

/// The code for the next member of staff of a provider: the smallest successor of a code in use that is not in use
/// itself, so that gaps are filled; `A000` for the first. `None` when the only successor would come after `Z999`.
///
/// Codes of another shape (such as the unallocated placeholder's) do not count.
pub(crate) fn next<'a>(prefix: &str, taken: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let taken: std::collections::BTreeSet<u32> =
        taken.into_iter().filter_map(|code| number(code.trim_end(), prefix)).collect();
    let next = match taken.is_empty() {
        true => 0,
        false => taken.iter().map(|code| code + 1).find(|next| !taken.contains(next))?,
    };
    let letter = char::from(b'A' + u8::try_from(next / 1000).ok().filter(|letter| *letter < 26)?);
    Some(format!("{prefix}{letter}{:03}", next % 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_code_is_the_smallest_free_successor() {
        for (taken, expected) in [
            (vec![], Some("N03A000")),
            (vec!["N03A000"], Some("N03A001")),
            (vec!["N03A000", "N03A001", "N03A007"], Some("N03A002")),
            (vec!["N03A007"], Some("N03A008")),
            (vec!["N03A999"], Some("N03B000")),
            (vec!["N03A998", "N03A999", "N03B000"], Some("N03B001")),
            (vec!["N03C004", "N03Z999"], Some("N03C005")),
            (vec!["N03Z998"], Some("N03Z999")),
            (vec!["N03Z999"], None),
        ] {
            assert_eq!(next("N03", taken.clone()).as_deref(), expected, "{taken:?}");
        }
    }

    #[test]
    fn codes_of_another_shape_or_provider_do_not_count() {
        let taken = ["N03ALLU", "N03a123", "N0300A1", "N03A12", "N03A1234", "N04A555", "N03Å12", ""];
        assert_eq!(next("N03", taken).as_deref(), Some("N03A000"));
    }

    #[test]
    fn a_full_provider_has_no_next_code() {
        let all: Vec<String> = (0..26_000u32)
            .map(|code| {
                format!("N03{}{:03}", char::from(b'A' + u8::try_from(code / 1000).unwrap_or(0)), code % 1000)
            })
            .collect();
        assert_eq!(next("N03", all.iter().map(String::as_str)), None);
        let gap: Vec<&str> = all.iter().map(String::as_str).filter(|code| *code != "N03Q500").collect();
        assert_eq!(next("N03", gap).as_deref(), Some("N03Q500"));
    }
}
