//! Up to 255 colors that stand for all colors of a picture.

use std::collections::{BTreeSet, HashMap};

use color_quant::NeuQuant;

/// An RGB color.
pub(super) type Color = [u8; 3];

/// Colors a palette holds at most: the 256th entry of a GIF's color table means "leave this pixel
/// as it was".
pub(super) const MAX_COLOURS: usize = 255;
/// How thoroughly the colors of a picture are learnt: 1 looks at every pixel, 30 at every
/// thirtieth.
const SAMPLING: i32 = 4;

/// A palette and, for every color asked about so far, its nearest entry.
pub(super) struct Palette {
    colors: Vec<Color>,
    nearest: HashMap<Color, u8>,
}

impl Palette {
    /// The palette for `pixels`: exactly their colors where 255 suffice, otherwise colors learnt by
    /// NeuQuant (Dekker 1994).
    pub(super) fn of(pixels: &[Color]) -> Self {
        let colors = exact(pixels).unwrap_or_else(|| learnt(pixels));
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

    /// The mean squared distance of `pixels` from what this palette shows for them.
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

/// All colors of `pixels`, if a palette has room for them.
fn exact(pixels: &[Color]) -> Option<Vec<Color>> {
    let mut colors = BTreeSet::new();
    for pixel in pixels {
        if colors.insert(*pixel) && colors.len() > MAX_COLOURS {
            return None;
        }
    }
    Some(colors.into_iter().collect())
}

fn learnt(pixels: &[Color]) -> Vec<Color> {
    let rgba: Vec<u8> = pixels
        .iter()
        .flat_map(|&[r, g, b]| [r, g, b, u8::MAX])
        .collect();
    let colors = NeuQuant::new(SAMPLING, MAX_COLOURS, &rgba).color_map_rgb();
    colors.as_chunks().0.to_vec()
}
