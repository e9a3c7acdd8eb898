//! GIF encoder with an optimized palette, which stores only pixels that change.

use anyhow::{Result, bail};
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::Output;
use super::palette::{Color, MAX_COLORS, Palette, distance};

/// A pixel is not updated while its squared color distance from the new frame is at most this:
/// hardly visible, and the file is smaller.
const STILL: u32 = 27;
/// A palette is reused while its mean squared error is below this factor times its error on the
/// frame for which it was computed, or below the floor.
const PALETTE_DRIFT: f64 = 1.5;
const PALETTE_FLOOR: f64 = 6.0;
/// The index after the palette's last possible one, for a pixel that keeps its color.
const KEEP: u8 = MAX_COLORS as u8;

/// A GIF being encoded.
pub(super) struct Gif {
    encoder: Encoder<Output>,
    width: u16,
    fps: f64,
    frames: u64,
    /// The picture that the player shows after the last frame.
    shown: Vec<Color>,
    palette: Option<(Palette, f64)>,
}

impl Gif {
    pub(super) fn new(output: Output, width: u32, height: u32, fps: f64) -> Result<Self> {
        let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
            bail!("a GIF can be at most 65535×65535, not {width}×{height}");
        };
        if w == 0 || h == 0 {
            bail!("a GIF needs at least one pixel, {width}×{height} has none");
        }
        let mut encoder = Encoder::new(output, w, h, &[])?;
        encoder.set_repeat(Repeat::Infinite)?;
        Ok(Self {
            encoder,
            width: w,
            fps,
            frames: 0,
            shown: Vec::new(),
            palette: None,
        })
    }

    /// Appends a frame, `[height, width, 3]`.
    pub(super) fn frame(&mut self, rgb: &[u8]) -> Result<()> {
        let pixels = rgb.as_chunks().0;
        let (mut palette, error) = self.palette_for(pixels);
        let indices = self.show(pixels, &mut palette);
        let area = Area::of_changes(&indices, usize::from(self.width));
        let mut colors = palette.colors().as_flattened().to_vec();
        colors.resize(3 * (MAX_COLORS + 1), 0);
        self.palette = Some((palette, error));
        self.encoder.write_frame(&Frame {
            delay: self.delay(),
            dispose: DisposalMethod::Keep,
            transparent: Some(KEEP),
            top: area.top as u16,
            left: area.left as u16,
            width: area.width as u16,
            height: area.height as u16,
            palette: Some(colors),
            buffer: area.cut(&indices, usize::from(self.width)).into(),
            ..Frame::default()
        })?;
        self.frames += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Output> {
        Ok(self.encoder.into_inner()?)
    }

    /// The last palette while it fits `pixels`, otherwise a new one; with its error on the frame
    /// for which it was computed. Reusing a palette avoids flicker between similar palettes.
    fn palette_for(&mut self, pixels: &[Color]) -> (Palette, f64) {
        if let Some((mut palette, error)) = self.palette.take()
            && palette.error(pixels) <= (PALETTE_DRIFT * error).max(PALETTE_FLOOR)
        {
            return (palette, error);
        }
        let mut palette = Palette::of(pixels);
        let error = palette.error(pixels);
        (palette, error)
    }

    /// The index of every pixel, and updates the shown picture; [`KEEP`] for pixels that are close
    /// enough already, or for which the palette has no closer color.
    fn show(&mut self, pixels: &[Color], palette: &mut Palette) -> Vec<u8> {
        if self.shown.is_empty() {
            let indices: Vec<u8> = pixels.iter().map(|&pixel| palette.index(pixel)).collect();
            self.shown = indices
                .iter()
                .map(|&index| palette.colors()[usize::from(index)])
                .collect();
            return indices;
        }
        let replace = |(shown, &pixel): (&mut Color, &Color)| {
            let now = distance(*shown, pixel);
            if now <= STILL {
                return KEEP;
            }
            let index = palette.index(pixel);
            let color = palette.colors()[usize::from(index)];
            if distance(color, pixel) >= now {
                return KEEP;
            }
            *shown = color;
            index
        };
        self.shown.iter_mut().zip(pixels).map(replace).collect()
    }

    /// How long the next frame is shown, in hundredths of a second. Rounding points in time instead
    /// of durations keeps the length of the film exact.
    fn delay(&self) -> u16 {
        let moment = |frame: u64| (100.0 * frame as f64 / self.fps).round();
        (moment(self.frames + 1) - moment(self.frames)) as u16
    }
}

/// A rectangle of pixels.
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    /// The smallest rectangle that contains every change; one pixel if there is none.
    fn of_changes(indices: &[u8], width: usize) -> Self {
        let (mut left, mut right, mut top, mut bottom) = (width, 0, usize::MAX, 0);
        for (y, row) in indices.chunks_exact(width).enumerate() {
            let changed = |&index: &u8| index != KEEP;
            if let (Some(first), Some(last)) =
                (row.iter().position(changed), row.iter().rposition(changed))
            {
                (left, right) = (left.min(first), right.max(last));
                (top, bottom) = (top.min(y), y);
            }
        }
        if left > right {
            return Self {
                left: 0,
                top: 0,
                width: 1,
                height: 1,
            };
        }
        Self {
            left,
            top,
            width: right - left + 1,
            height: bottom - top + 1,
        }
    }

    /// The pixels inside, row by row.
    fn cut(&self, indices: &[u8], width: usize) -> Vec<u8> {
        let rows = indices.chunks_exact(width).skip(self.top).take(self.height);
        rows.flat_map(|row| &row[self.left..self.left + self.width])
            .copied()
            .collect()
    }
}
