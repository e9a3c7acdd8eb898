//! Pictures on disk: SVG as drawn, or PNG with a font of the program's own, so that it is the same
//! on every machine.

mod letters;

use crate::failure::Failure;
use crate::output;
use resvg::{tiny_skia, usvg};
use std::path::Path;
use svg::Document;

/// The file names a picture may have.
pub(crate) const KINDS: [&str; 2] = ["svg", "png"];

/// Pixels of a PNG for each unit of the drawing: sharp on screens with twice the usual density.
const SCALE: f32 = 2.0;

/// Writes `drawing` to `path`, which the user named if `asked`; its ending, one of [`KINDS`], says
/// what kind of file it becomes.
///
/// # Errors
/// If the ending is another, or the file cannot be written.
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

/// Refuses a `path` whose ending is not one of [`KINDS`].
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let known = |end: &std::ffi::OsStr| KINDS.iter().any(|kind| end == *kind);
    if path.extension().is_some_and(known) {
        Ok(())
    } else {
        Err(Failure::input(format!(
            "{}: the picture's name ends in .svg or .png",
            path.display()
        )))
    }
}

/// The pixels of the drawing `text`.
fn png(text: &str) -> Result<Vec<u8>, Failure> {
    let failed =
        |reason: String| Failure::runtime(format!("cannot turn the picture into pixels: {reason}"));
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
    pixels.encode_png().map_err(|e| failed(e.to_string()))
}
