//! Pictures on disk: SVG as drawn, or PNG with a bundled font, so that it is the same on every
//! machine.

mod letters;

use crate::failure::Failure;
use crate::output::{self, MARK};
use fpo_files::quoted;
use resvg::{tiny_skia, usvg};
use std::path::Path;
use svg::Document;

/// The file extensions of pictures.
pub(crate) const KINDS: [&str; 2] = ["svg", "png"];

/// Pixels of a PNG per unit of the drawing, for sharp pictures on high-density screens.
const SCALE: f32 = 2.0;

/// Writes `drawing` to `path`, which the user gave if `asked`; its extension, one of [`KINDS`],
/// selects the format.
///
/// # Errors
/// If the extension is another, or the file cannot be written.
pub(crate) fn save(drawing: &Document, path: &Path, asked: bool) -> Result<(), Failure> {
    check(path)?;
    let text = drawing.to_string();
    let bytes = if path.extension().is_some_and(|end| end == "png") {
        png(&text)?
    } else {
        text.into_bytes()
    };
    output::save(path, asked, &bytes)
}

/// Rejects a `path` whose extension is not one of [`KINDS`].
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let known = |end: &std::ffi::OsStr| KINDS.iter().any(|kind| end == *kind);
    if path.extension().is_some_and(known) {
        Ok(())
    } else {
        Err(Failure::input(format!(
            "{}: the picture's name must end in .svg or .png",
            quoted(path)
        )))
    }
}

/// The pixels of the drawing `text`.
fn png(text: &str) -> Result<Vec<u8>, Failure> {
    let failed =
        |reason: String| Failure::runtime(format!("cannot rasterize the picture: {reason}"));
    let text = letters::outlined(text).map_err(&failed)?;
    let tree = usvg::Tree::from_str(&text, &usvg::Options::default())
        .map_err(|e| failed(e.to_string()))?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let pixels = size.and_then(|size| tiny_skia::Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.ok_or_else(|| failed("it is empty or too large".to_owned()))?;
    resvg::render(
        &tree,
        tiny_skia::Transform::from_scale(SCALE, SCALE),
        &mut pixels.as_mut(),
    );
    let bytes = pixels.encode_png().map_err(|e| failed(e.to_string()))?;
    Ok(with_comment(bytes, MARK))
}

/// The PNG file `bytes` with a comment before its last chunk, IEND.
fn with_comment(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    /// Length, name and checksum of an empty chunk.
    const END: usize = 12;
    let content = [b"tEXtComment\0", text.as_bytes()].concat();
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&content);
    let end = bytes.split_off(bytes.len() - END);
    bytes.extend((content.len() as u32 - 4).to_be_bytes());
    bytes.extend(content);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(end);
    bytes
}
