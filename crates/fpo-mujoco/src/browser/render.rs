//! A page draws its robots itself, from the poses of its MuJoCo.

use super::physics::Physics;
use fpo_env::{Picture, RenderError};

/// The camera that was asked for; no picture is ever taken through it.
#[derive(Default)]
pub(crate) struct Lens {
    /// By number.
    pub(crate) camera: Option<usize>,
}

impl Lens {
    /// # Errors
    /// Always.
    pub(crate) fn draw(
        &mut self,
        _physics: &mut Physics,
        _named: Option<&str>,
        _size: (u32, u32),
    ) -> Result<Picture, RenderError> {
        Err(RenderError("a page draws its robots itself".into()))
    }
}
