//! GIF with few colours well chosen and only the pixels that change.

use anyhow::{Result, bail};
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::Output;
use super::palette::{Colour, MAX_COLOURS, Palette, distance};

/// A pixel stays untouched while what is shown is this near to what should be, as a squared distance over the three
/// channels: no eye sees it, and the file shrinks.
const STILL: u32 = 12;
/// A palette serves as long as its mean squared distance stays below this factor of what it was for the frame it was
/// made for, or below the floor.
const PALETTE_DRIFT: f64 = 1.5;
const PALETTE_FLOOR: f64 = 6.0;
/// The entry after the palette's last possible one: a pixel that keeps the colour shown.
const KEEP: u8 = MAX_COLOURS as u8;

/// A GIF being encoded.
pub(super) struct Gif {
    encoder: Encoder<Output>,
    width: u16,
    height: u16,
    fps: f64,
    frames: u64,
    /// What the player shows after the last frame.
    shown: Vec<Colour>,
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
            height: h,
            fps,
            frames: 0,
            shown: Vec::new(),
            palette: None,
        })
    }

    /// Appends a frame, `[height, width, 3]`.
    pub(super) fn frame(&mut self, rgb: &[u8]) -> Result<()> {
        let pixels = rgb.as_chunks().0;
        let mut palette = self.palette_for(pixels);
        let area = self.changed(pixels);
        let width = usize::from(self.width);
        let first = self.shown.is_empty();
        if first {
            self.shown = pixels.to_vec();
        }
        let mut indices = Vec::with_capacity(usize::from(area.width) * usize::from(area.height));
        for y in area.rows() {
            for i in y * width + usize::from(area.left)..y * width + usize::from(area.left + area.width) {
                if !first && distance(self.shown[i], pixels[i]) <= STILL {
                    indices.push(KEEP);
                } else {
                    let index = palette.0.index(pixels[i]);
                    self.shown[i] = palette.0.colours()[usize::from(index)];
                    indices.push(index);
                }
            }
        }
        let mut colours = palette.0.colours().as_flattened().to_vec();
        colours.resize(3 * (MAX_COLOURS + 1), 0);
        self.palette = Some(palette);
        self.encoder.write_frame(&Frame {
            delay: self.delay(),
            dispose: DisposalMethod::Keep,
            transparent: Some(KEEP),
            top: area.top,
            left: area.left,
            width: area.width,
            height: area.height,
            palette: Some(colours),
            buffer: indices.into(),
            ..Frame::default()
        })?;
        self.frames += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Output> {
        Ok(self.encoder.into_inner()?)
    }

    /// The last palette while it suits `pixels`, else a fresh one; with its error on the frame it was made for. A palette that
    /// lasts spares the flicker between two near choices.
    fn palette_for(&mut self, pixels: &[Colour]) -> (Palette, f64) {
        if let Some((mut palette, error)) = self.palette.take()
            && palette.error(pixels) <= (PALETTE_DRIFT * error).max(PALETTE_FLOOR)
        {
            return (palette, error);
        }
        let mut palette = Palette::of(pixels);
        let error = palette.error(pixels);
        (palette, error)
    }

    /// The smallest rectangle that holds every pixel in need of change; one pixel when there is none.
    fn changed(&self, pixels: &[Colour]) -> Area {
        let width = usize::from(self.width);
        if self.shown.is_empty() {
            return Area {
                left: 0,
                top: 0,
                width: self.width,
                height: self.height,
            };
        }
        let (mut left, mut right, mut top, mut bottom) = (width, 0, usize::MAX, 0);
        for (i, (&shown, &pixel)) in self.shown.iter().zip(pixels).enumerate() {
            if distance(shown, pixel) > STILL {
                let (x, y) = (i % width, i / width);
                (left, right) = (left.min(x), right.max(x));
                (top, bottom) = (top.min(y), y);
            }
        }
        if top == usize::MAX {
            return Area {
                left: 0,
                top: 0,
                width: 1,
                height: 1,
            };
        }
        let size = |from: usize, to: usize| (to - from + 1) as u16;
        Area {
            left: left as u16,
            top: top as u16,
            width: size(left, right),
            height: size(top, bottom),
        }
    }

    /// How long the next frame is shown, in hundredths of a second. Rounding the moments rather than the durations keeps the
    /// film's length right.
    fn delay(&self) -> u16 {
        let moment = |frame: u64| (100.0 * frame as f64 / self.fps).round();
        (moment(self.frames + 1) - moment(self.frames)) as u16
    }
}

/// A rectangle of pixels.
struct Area {
    left: u16,
    top: u16,
    width: u16,
    height: u16,
}

impl Area {
    fn rows(&self) -> std::ops::Range<usize> {
        usize::from(self.top)..usize::from(self.top) + usize::from(self.height)
    }
}
