//! Paths in messages and in printed commands.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// `path` as a shell reads it back, on one line and without control characters: messages and
/// printed commands show every path in this form, so that it can be pasted, whatever its bytes.
///
/// A plain path stays as it is. One with spaces, quotes or other special characters is put in
/// single quotes. One with bytes that are not UTF-8, line breaks or invisible characters is written
/// as `$'…\xNN…'` (POSIX.1-2024; understood by bash, ksh, zsh and BusyBox). A relative path that
/// begins with a dash begins with `./` instead, so that it is not taken for an option.
///
/// ```
/// use fpo_files::quoted;
/// use std::path::Path;
///
/// assert_eq!(quoted(Path::new("runs/cheetah")), "runs/cheetah");
/// assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
/// assert_eq!(quoted(Path::new("two\nlines")), r"$'two\nlines'");
/// assert_eq!(quoted(Path::new("-x")), "./-x");
/// ```
pub fn quoted(path: &Path) -> String {
    let text = path.as_os_str();
    let dash = text.as_encoded_bytes().starts_with(b"-");
    // `=` can stand for an assignment, or for a command's path (zsh), and `~` for a home folder.
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%".contains(c);
    format!("{}{}", if dash { "./" } else { "" }, word(text, plain))
}

/// An argument of a command line in the same form, without the `./`.
pub fn quoted_arg(arg: &OsStr) -> String {
    let assigns = arg.as_encoded_bytes().starts_with(b"=");
    word(arg, |c| {
        c.is_alphanumeric() || "/._-+:,@%".contains(c) || (c == '=' && !assigns)
    })
}

/// `path` as a value in JSON, which holds text only: itself if it is text, and in the form of
/// [`quoted`] otherwise.
pub fn as_text(path: &Path) -> String {
    path.to_str().map_or_else(|| quoted(path), str::to_owned)
}

/// Whether a terminal, or the eye, would not see a character as itself: control characters, line
/// and paragraph separators, marks that change the direction of text, and the invisible ones.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

/// `text` as one word of a shell.
fn word(text: &OsStr, plain: impl Fn(char) -> bool) -> String {
    match text.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_hidden) => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => escaped(text),
    }
}

/// `text` in `$'…'`. A hexadecimal digit after `\xNN` would belong to it in some shells, so that
/// the word is closed and opened again before it.
fn escaped(text: &OsStr) -> String {
    let mut out = String::from("$'");
    let mut after_hex = false;
    for chunk in text.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if after_hex && c.is_ascii_hexdigit() {
                out.push_str("'$'");
            }
            after_hex = false;
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if is_hidden(c) => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                    after_hex = true;
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
            after_hex = true;
        }
    }
    out.push('\'');
    out
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    /// Names that a file can have: every byte but `/` and NUL.
    fn names() -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = [
            "plain",
            "two words",
            " two  spaces ",
            "it's",
            "\"q\"",
            "a\nb",
            "a\tb\r",
            "$HOME",
            "`id`",
            "a;b|c&d",
            "*?[a]",
            "~",
            "~root",
            "#x",
            "!x",
            "-x",
            "--help",
            "=ls",
            "a=b",
            "{a,b}",
            "\\",
            "\\n",
            "'",
            "''",
            "\u{1b}[31m",
            "\u{202e}txt",
            "\u{2028}f",
            "é",
            "日本",
            "\u{feff}b",
            "(x)",
            "<x>",
            "^x",
            "%1",
        ]
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
        names.extend([
            b"caf\xe9".to_vec(),
            b"\xff\xfeab".to_vec(),
            b"a\x80f0'\n".to_vec(),
        ]);
        names.push((1..=255).filter(|b| *b != b'/').collect());
        names
    }

    #[test]
    fn a_shell_reads_every_name_back() {
        for name in names() {
            let path = Path::new(OsStr::from_bytes(&name));
            let text = quoted(path);
            assert!(!text.chars().any(is_hidden), "{text:?} is not one line");
            // With a letter after it, as an argument, and as an argument with a value.
            let arg = quoted_arg(OsStr::from_bytes(&name));
            let script = format!("printf '%s\\0' {text} {arg}");
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            assert!(output.status.success(), "{script}");
            let dash = name.starts_with(b"-");
            let read = [
                if dash { &b"./"[..] } else { b"" },
                &name,
                b"\0",
                &name,
                b"\0",
            ]
            .concat();
            assert_eq!(output.stdout, read, "{script}");
        }
    }

    /// Text that is UTF-8 and visible needs no more than any POSIX shell understands.
    #[test]
    fn visible_names_are_read_by_every_posix_shell() {
        for name in names() {
            let Ok(name) = String::from_utf8(name) else {
                continue;
            };
            if name.chars().any(is_hidden) {
                continue;
            }
            let script = format!("printf %s {}", quoted(Path::new(&name)));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let read = String::from_utf8(output.stdout).unwrap();
            assert_eq!(
                read.trim_start_matches("./"),
                name.trim_start_matches("./"),
                "{script}"
            );
        }
    }

    #[test]
    fn plain_paths_stay_as_they_are() {
        let quote = |path: &str| quoted(Path::new(path));
        assert_eq!(
            quote("runs/cheetah-run-fast-seed0"),
            "runs/cheetah-run-fast-seed0"
        );
        assert_eq!(quote("my runs/it's"), r"'my runs/it'\''s'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("-run"), "./-run");
        let bytes = |name: &[u8]| quoted(Path::new(OsStr::from_bytes(name)));
        assert_eq!(bytes(b"caf\xe9"), r"$'caf\xe9'");
        assert_eq!(bytes(b"\xffab"), r"$'\xff'$'ab'");
        assert_eq!(as_text(Path::new("a b")), "a b");
        assert_eq!(as_text(Path::new(OsStr::from_bytes(b"\xff"))), r"$'\xff'");
    }
}
