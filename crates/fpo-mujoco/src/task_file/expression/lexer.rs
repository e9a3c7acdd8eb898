//! Words and symbols of an expression.

use super::Error;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Name(String),
    /// A name in quotes.
    Text(String),
    /// An operator, a bracket or a comma.
    Symbol(&'static str),
    End,
}

/// Symbols; longer ones before their beginnings.
const SYMBOLS: [&str; 22] = [
    "**", "<=", ">=", "==", "!=", "&&", "||", "+", "-", "*", "/", "^", "<", ">", "(", ")", "[",
    "]", ",", ":", "=", ".",
];

/// The tokens of `text` with their places, the end included.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let start = at;
        let rest = &text[at..];
        let token = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(is_digit)) {
            let length = number_length(rest);
            at += length;
            let number: f64 = rest[..length]
                .replace('_', "")
                .parse()
                .map_err(|_| Error::new(start, format!("`{}` is not a number", &rest[..length])))?;
            if !number.is_finite() {
                return Err(Error::new(start, "a number is too large"));
            }
            Token::Number(number)
        } else if c.is_alphabetic() || c == '_' {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            at += length;
            Token::Name(rest[..length].to_owned())
        } else if c == '\'' || c == '"' {
            let Some(length) = rest[1..].find(c) else {
                return Err(Error::new(start, "a name in quotes does not end"));
            };
            at += length + 2;
            Token::Text(rest[1..=length].to_owned())
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            at += symbol.len();
            Token::Symbol(symbol)
        } else {
            return Err(Error::new(start, format!("`{c}` has no meaning here")));
        };
        tokens.push((token, start));
    }
    tokens.push((Token::End, text.len()));
    Ok(tokens)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The length of the number at the start of `text`: digits, a fraction, an exponent.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| {
        let more = text[from..].bytes();
        from + more
            .take_while(|b| b.is_ascii_digit() || *b == b'_')
            .count()
    };
    let mut end = digits(0);
    // Not the dot of `1.x`, which is no number.
    if text[end..].starts_with('.') && !text[end + 1..].starts_with(char::is_alphabetic) {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}
