//! Files that stand for another: what a tool for large files, a browser or a packer leaves where
//! the file itself is expected.

use std::io::{self, ErrorKind};

/// What `start`, the beginning of a file, stands for, and what to do; none if it is nothing known.
/// No file of this program begins like this.
pub fn stand_in(start: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| start.len() >= with.len() && start[..with.len()] == *with;
    let tag = |with: &str| {
        let from = start
            .iter()
            .position(|b| !b.is_ascii_whitespace())
            .unwrap_or(0);
        start[from..]
            .get(..with.len())
            .is_some_and(|there| there.eq_ignore_ascii_case(with.as_bytes()))
    };
    if begins(b"version https://git-lfs.github.com/") {
        Some("it is a Git LFS pointer, not the file itself; `git lfs pull` fetches the file")
    } else if begins(b"/annex/objects/") {
        Some("it is a git-annex pointer, not the file itself; `git annex get` fetches the file")
    } else if tag("<!doctype html") || tag("<html") {
        Some("it is a web page, not the file itself; download the file again")
    } else if zipped(start).is_some_and(|name| name.ends_with(b".npy")) || begins(b"\x93NUMPY") {
        Some("it is an array file of NumPy, not the file itself; save it in the format of this one")
    } else if zipped(start).is_some_and(|name| name.ends_with(b".pkl") || name.ends_with(b".pth")) {
        Some("it is a file of PyTorch, which this program cannot read")
    } else if begins(b"\x89HDF\r\n") {
        Some("it is an HDF5 file, which this program cannot read")
    } else if begins(b"PK\x03\x04")
        || begins(&[0x1f, 0x8b, 8])
        || begins(b"\xfd7zXZ\0")
        || begins(&[0x28, 0xb5, 0x2f, 0xfd])
        || begins(b"BZh")
    {
        Some("it is compressed; unpack it first")
    } else {
        None
    }
}

/// The name of the first file in a ZIP archive that begins with `start`; none if it is no such
/// archive.
fn zipped(start: &[u8]) -> Option<&[u8]> {
    let header = start.strip_prefix(b"PK\x03\x04")?;
    let length = header.get(22..24)?;
    let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
    header.get(26..26 + length)
}

/// Refuses such a file.
pub(crate) fn refuse(start: &[u8]) -> io::Result<()> {
    match stand_in(start) {
        Some(what) => Err(io::Error::new(ErrorKind::InvalidData, what)),
        None => Ok(()),
    }
}

/// Why `bytes` differ, where they do so because line feeds were converted to CRLF.
pub const CONVERTED: &str = "its line ends were converted to CRLF, as Git does with \
     core.autocrlf or a `text` attribute; copy the file again without that";

/// Whether every line feed of `bytes` follows a carriage return, of which there is at least one.
/// In a file that was written otherwise, and is longer than it was, this is no coincidence.
pub fn is_crlf(bytes: &[u8]) -> bool {
    let mut feeds = (0..bytes.len()).filter(|&k| bytes[k] == b'\n').peekable();
    feeds.peek().is_some() && feeds.all(|k| k > 0 && bytes[k - 1] == b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a ZIP archive with a file of this name.
    fn zip(name: &str) -> Vec<u8> {
        let length = (name.len() as u16).to_le_bytes();
        [
            b"PK\x03\x04",
            &[0; 22][..],
            &length,
            &[0; 2],
            name.as_bytes(),
        ]
        .concat()
    }

    #[test]
    fn stand_ins_are_known() {
        for (start, what) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"[..],
                "LFS",
            ),
            (b"/annex/objects/SHA256E-s1--0\n", "annex"),
            (b"\n <!DOCTYPE html>", "web page"),
            (b"<HTML>", "web page"),
            (b"PK\x03\x04", "compressed"),
            (&zip("notes.txt"), "compressed"),
            (&zip("weights.npy"), "NumPy"),
            (b"\x93NUMPY\x01", "NumPy"),
            (&zip("archive/data.pkl"), "PyTorch"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x1f\x8b\x08", "compressed"),
        ] {
            assert!(
                stand_in(start).is_some_and(|said| said.contains(what)),
                "{what}"
            );
        }
        for real in [
            &b""[..],
            b"task = \"x\"",
            b"{\"iteration\":1",
            b"version = 1",
            b"\x80\0\0\0",
        ] {
            assert_eq!(stand_in(real), None);
        }
    }

    #[test]
    fn a_conversion_reaches_every_line_feed() {
        for converted in [&b"a\r\nb\r\n"[..], b"a\r\r\n", b"\r\n"] {
            assert!(is_crlf(converted), "{converted:?}");
        }
        for other in [&b""[..], b"ab", b"a\nb\r\n", b"a\r\nb\n", b"\n", b"a\rb"] {
            assert!(!is_crlf(other), "{other:?}");
        }
    }
}
