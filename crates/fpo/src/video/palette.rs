//! A palette of up to 255 colors that approximate the colors of a picture.

use std::collections::{BTreeSet, HashMap};

use color_quant::NeuQuant;

/// An RGB color.
pub(super) type Color = [u8; 3];

/// Maximum size of a palette: the 256th entry of a GIF's color table means "keep this pixel".
pub(super) const MAX_COLORS: usize = 255;
/// NeuQuant's sampling factor: 1 uses every pixel, 30 every thirtieth.
const SAMPLING: i32 = 4;

/// A palette, with a cache of the nearest entry of every color looked up so far.
pub(super) struct Palette {
    colors: Vec<Color>,
    nearest: HashMap<Color, u8>,
}

impl Palette {
    /// The palette for `pixels`: exactly their colors if there are at most 255, otherwise colors
    /// from NeuQuant (Dekker 1994).
    pub(super) fn of(pixels: &[Color]) -> Self {
        let colors = exact(pixels).unwrap_or_else(|| learned(pixels));
        Self {
            colors,
            nearest: HashMap::new(),
        }
    }

    /// The colors, in the order of their indices.
    pub(super) fn colors(&self) -> &[Color] {
        &self.colors
    }

    /// The index of the entry nearest to `color` in squared distance.
    pub(super) fn index(&mut self, color: Color) -> u8 {
        *self.nearest.entry(color).or_insert_with(|| {
            let nearest = (0..self.colors.len()).min_by_key(|&i| distance(self.colors[i], color));
            nearest.unwrap_or(0) as u8
        })
    }

    /// The mean squared error of `pixels` in this palette.
    pub(super) fn error(&mut self, pixels: &[Color]) -> f64 {
        let mut sum = 0;
        for &pixel in pixels {
            let index = self.index(pixel);
            sum += u64::from(distance(self.colors[usize::from(index)], pixel));
        }
        sum as f64 / pixels.len().max(1) as f64
    }
}

/// The squared distance of two colors, summed over the channels.
pub(super) fn distance(a: Color, b: Color) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

/// All colors of `pixels`, if they fit in a palette.
fn exact(pixels: &[Color]) -> Option<Vec<Color>> {
    let mut colors = BTreeSet::new();
    for pixel in pixels {
        if colors.insert(*pixel) && colors.len() > MAX_COLORS {
            return None;
        }
    }
    Some(colors.into_iter().collect())
}

fn learned(pixels: &[Color]) -> Vec<Color> {
    let rgba: Vec<u8> = pixels
        .iter()
        .flat_map(|&[r, g, b]| [r, g, b, u8::MAX])
        .collect();
    let colors = NeuQuant::new(SAMPLING, MAX_COLORS, &rgba).color_map_rgb();
    colors.as_chunks().0.to_vec()
}
