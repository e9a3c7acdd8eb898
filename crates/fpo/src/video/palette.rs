//! Up to 255 colours that stand for all colours of a picture.

use std::collections::{BTreeSet, HashMap};

use color_quant::NeuQuant;

/// An RGB colour.
pub(super) type Colour = [u8; 3];

/// Colours a palette holds at most: the 256th entry of a GIF's colour table means "leave this pixel as it was".
pub(super) const MAX_COLOURS: usize = 255;
/// How thoroughly the colours of a picture are learnt: 1 looks at every pixel, 30 at every thirtieth.
const SAMPLING: i32 = 4;

/// A palette and, for every colour asked about so far, its nearest entry.
pub(super) struct Palette {
    colours: Vec<Colour>,
    nearest: HashMap<Colour, u8>,
}

impl Palette {
    /// The palette for `pixels`: exactly their colours where 255 suffice, otherwise colours learnt by NeuQuant
    /// (Dekker 1994).
    pub(super) fn of(pixels: &[Colour]) -> Self {
        let colours = exact(pixels).unwrap_or_else(|| learnt(pixels));
        Self {
            colours,
            nearest: HashMap::new(),
        }
    }

    /// The colours, in the order of their indices.
    pub(super) fn colours(&self) -> &[Colour] {
        &self.colours
    }

    /// The index of the entry nearest to `colour` in squared distance.
    pub(super) fn index(&mut self, colour: Colour) -> u8 {
        *self.nearest.entry(colour).or_insert_with(|| {
            let nearest = (0..self.colours.len()).min_by_key(|&i| distance(self.colours[i], colour));
            nearest.unwrap_or(0) as u8
        })
    }

    /// The mean squared distance of `pixels` from what this palette shows for them.
    pub(super) fn error(&mut self, pixels: &[Colour]) -> f64 {
        let mut sum = 0;
        for &pixel in pixels {
            let index = self.index(pixel);
            sum += u64::from(distance(self.colours[usize::from(index)], pixel));
        }
        sum as f64 / pixels.len().max(1) as f64
    }
}

/// The squared distance of two colours, summed over the channels.
pub(super) fn distance(a: Colour, b: Colour) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

/// All colours of `pixels`, if a palette has room for them.
fn exact(pixels: &[Colour]) -> Option<Vec<Colour>> {
    let mut colours = BTreeSet::new();
    for pixel in pixels {
        if colours.insert(*pixel) && colours.len() > MAX_COLOURS {
            return None;
        }
    }
    Some(colours.into_iter().collect())
}

fn learnt(pixels: &[Colour]) -> Vec<Colour> {
    let rgba: Vec<u8> = pixels.iter().flat_map(|&[r, g, b]| [r, g, b, u8::MAX]).collect();
    let colours = NeuQuant::new(SAMPLING, MAX_COLOURS, &rgba).color_map_rgb();
    colours.as_chunks().0.to_vec()
}
