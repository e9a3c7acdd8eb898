//! Text of messages: one line, counts and numbers that can be read, names that were meant.

use std::fmt::{Display, LowerExp};

/// `text` on one line, for text from untrusted files, which may contain line breaks. Spaces within
/// a line stay as they are: a path may contain any number.
pub fn one_line(text: &str) -> String {
    let breaks = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let parts = text.split(breaks).map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// `text` on one line of at most `most` characters; what is left out is an ellipsis.
pub fn shortened(text: &str, most: usize) -> String {
    let mut line = one_line(text);
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// A whole number with thousands separators: `1,250,000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number in all its digits: with an exponent where it would be long without, since users may
/// give any number, such as 1e300.
pub fn number(x: impl Display + LowerExp) -> String {
    const SHORT: usize = 12;
    let (plain, exponent) = (x.to_string(), format!("{x:e}"));
    if plain.len() <= SHORT || plain.len() <= exponent.len() {
        plain
    } else {
        exponent
    }
}

/// How similar two names are, whatever their case: from 0 to 1, which is equality. Long ones are
/// compared by their beginnings, because the time grows with the product of the lengths.
pub fn similarity(one: &str, other: &str) -> f64 {
    const LONGEST: usize = 100;
    let [one, other] = [one, other].map(|name| -> String {
        name.chars()
            .take(LONGEST)
            .flat_map(char::to_lowercase)
            .collect()
    });
    strsim::normalized_damerau_levenshtein(&one, &other)
}

/// The name among `known` that is the most similar to `name`, the first of equal ones, and its
/// [`similarity`]; none if there are no names.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, f64)> {
    let known = known.into_iter();
    let rated = known.map(|other| (other, similarity(name, other)));
    rated.reduce(|best, other| if other.1 > best.1 { other } else { best })
}

/// Whether `text` is `pattern`, in which the character `any` stands for any text, also for none.
///
/// ```
/// use fpo_files::is_like;
/// assert!(is_like("left_*_knee", '*', "left_front_knee") && is_like("*", '*', ""));
/// assert!(!is_like("a*a", '*', "a"));
/// ```
pub fn is_like(pattern: &str, any: char, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(any) else {
        return pattern == text;
    };
    let (between, last) = rest.rsplit_once(any).unwrap_or(("", rest));
    let inner = text.strip_prefix(first);
    let Some(mut inner) = inner.and_then(|text| text.strip_suffix(last)) else {
        return false;
    };
    // The leftmost place of each part leaves the most for the others.
    between.split(any).all(|part| match inner.find(part) {
        Some(at) => {
            inner = &inner[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_one_line() {
        assert_eq!(one_line(" a  b\r\n\n c\u{2028}d "), "a  b c d");
        assert_eq!(shortened("äbcd\ne", 6), "äbcd e");
        assert_eq!(shortened("äbcd\nef", 6), "äbcd e…");
    }

    #[test]
    fn numbers_read_well_whatever_their_size() {
        assert_eq!([0, 999, 1_250_000].map(count), ["0", "999", "1,250,000"]);
        for (x, text) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (0.1, "0.1"),
            (1e6, "1000000"),
            (1e12, "1e12"),
            (1.5e75, "1.5e75"),
            (-1e300, "-1e300"),
            (1e-300, "1e-300"),
            (f64::MAX, "1.7976931348623157e308"),
            (0.123_456_789_012, "0.123456789012"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(x), text);
            assert_eq!(
                number(x).parse::<f64>().unwrap().to_bits() << 1,
                x.to_bits() << 1
            );
        }
        // The shortest decimal of single precision, not of the same number in double.
        assert_eq!(number(0.1f32), "0.1");
        assert_eq!(number(f32::MIN_POSITIVE), "1.1754944e-38");
    }

    #[test]
    fn patterns_match_what_they_should() {
        for (pattern, text) in [
            ("abc", "abc"),
            ("a*", "a"),
            ("a*", "abc"),
            ("*c", "cc"),
            ("a*c", "abcbc"),
            ("a*b*c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("*b*", "abc"),
            ("**", ""),
        ] {
            assert!(is_like(pattern, '*', text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("ab", "abc"),
            ("abc", "ab"),
            ("a*c", "abcd"),
            ("a*b*c", "acb"),
            ("ab*ba", "aba"),
            ("*b*b", "b"),
            ("", "a"),
        ] {
            assert!(!is_like(pattern, '*', text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_nearest_name_is_found_whatever_its_case_and_length() {
        assert_eq!(nearest("sed", ["tasks", "seeds"]).unwrap().0, "seeds");
        assert_eq!(nearest("SEEDS", ["tasks", "Seeds"]), Some(("Seeds", 1.0)));
        assert_eq!(nearest("pppo", ["fpo", "ppo", "dppo"]).unwrap().0, "ppo");
        assert_eq!(nearest("x", []), None);
        let long = "ä".repeat(1 << 20);
        assert_eq!(similarity(&long, &long), 1.0);
    }
}
