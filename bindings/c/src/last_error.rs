//! The calling thread's last message, in memory of a fixed size, so that setting it allocates
//! nothing.

use std::cell::RefCell;
use std::ffi::c_char;
use std::fmt::{self, Write};

/// Bytes of a message, with its final zero; a longer one is cut.
const SIZE: usize = 512;

thread_local! {
    static MESSAGE: RefCell<[u8; SIZE]> = const { RefCell::new([0; SIZE]) };
}

/// Sets the calling thread's message.
pub(crate) fn set(message: impl fmt::Display) {
    MESSAGE.with_borrow_mut(|buffer| {
        let mut cursor = Cursor { buffer, len: 0 };
        // The cursor never fails.
        let _ = write!(cursor, "{message}");
        let len = cursor.len;
        buffer[len] = 0;
    });
}

/// The calling thread's message, which the next call of [`set`] overwrites.
pub(crate) fn pointer() -> *const c_char {
    MESSAGE.with(|message| message.as_ptr().cast())
}

/// Writes text up to the end of a buffer, less one byte.
struct Cursor<'a> {
    buffer: &'a mut [u8; SIZE],
    len: usize,
}

impl Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            // A zero would end the message, and whole characters keep it UTF-8.
            let c = if c == '\0' { ' ' } else { c };
            let end = self.len + c.len_utf8();
            if end >= SIZE {
                return Ok(());
            }
            c.encode_utf8(&mut self.buffer[self.len..end]);
            self.len = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Vec<u8> {
        MESSAGE.with_borrow(|buffer| {
            let end = buffer.iter().position(|b| *b == 0).unwrap();
            buffer[..end].to_vec()
        })
    }

    #[test]
    fn messages_are_cut_at_whole_characters_and_hold_no_zero() {
        set("short");
        assert_eq!(text(), b"short");
        set("a\0b");
        assert_eq!(text(), b"a b");
        set("é".repeat(400));
        let cut = String::from_utf8(text()).unwrap();
        assert_eq!(cut.chars().count(), 255);
        set("");
        assert_eq!(text(), b"");
    }
}
