//! The part of a model that a simulation has for itself.

#![allow(unsafe_code)]

use crate::backend::Own;
use crate::model::Model;
use mujoco_rs::mujoco_c::{self as c, mjModel};
use std::ptr::NonNull;
use std::slice;

/// A field of the model that a simulation can have for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    /// Positions of the geoms in their bodies, `[ngeom, 3]`.
    GeomPosition,
    /// Positions of the sites in their bodies, `[nsite, 3]`.
    SitePosition,
    /// Friction of the geoms: sliding, torsional, rolling, `[ngeom, 3]`.
    GeomFriction,
    /// Masses of the bodies, `[nbody]`.
    BodyMass,
    /// Moments of inertia of the bodies, `[nbody, 3]`.
    BodyInertia,
    /// Masses of the bodies with all that they carry, `[nbody]`.
    SubtreeMass,
    /// Damping of the degrees of freedom, `[nv]`.
    Damping,
    /// Parameters of the actuators' gains, `[nu, mjNGAIN]`.
    Gain,
    /// Parameters of the actuators' biases, `[nu, mjNBIAS]`.
    Bias,
}

impl Own {
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Self::Nothing => &[],
            Self::Positions => &[Field::GeomPosition, Field::SitePosition],
            Self::Parameters => &[
                Field::GeomFriction,
                Field::BodyMass,
                Field::BodyInertia,
                Field::SubtreeMass,
                Field::Damping,
                Field::Gain,
                Field::Bias,
            ],
        }
    }
}

impl Field {
    /// The array in a model's head, and its entries.
    fn array(self, head: &mut mjModel) -> (&mut *mut f64, usize) {
        let (array, entries) = match self {
            Self::GeomPosition => (&mut head.geom_pos, 3 * head.ngeom),
            Self::SitePosition => (&mut head.site_pos, 3 * head.nsite),
            Self::GeomFriction => (&mut head.geom_friction, 3 * head.ngeom),
            Self::BodyMass => (&mut head.body_mass, head.nbody),
            Self::BodyInertia => (&mut head.body_inertia, 3 * head.nbody),
            Self::SubtreeMass => (&mut head.body_subtreemass, head.nbody),
            Self::Damping => (&mut head.dof_damping, head.nv),
            Self::Gain => (&mut head.actuator_gainprm, i64::from(c::mjNGAIN) * head.nu),
            Self::Bias => (&mut head.actuator_biasprm, i64::from(c::mjNBIAS) * head.nu),
        };
        (array, entries as usize)
    }
}

/// A model that shares all arrays with the common one, except those that an environment may change.
/// It takes a few kilobytes, whereas a whole copy would take megabytes of textures and cache.
pub(super) struct OwnModel {
    pub(super) head: Box<mjModel>,
    arrays: Vec<(Field, NonNull<[f64]>)>,
}

impl OwnModel {
    pub(super) fn new(model: &Model, fields: &[Field]) -> Self {
        // SAFETY: plain data, which frees nothing when dropped.
        let mut head = Box::new(unsafe { model.raw().read() });
        let own = |&field: &Field| {
            let (array, entries) = field.array(&mut head);
            // SAFETY: the model's array has that many entries.
            let values: Box<[f64]> = unsafe { slice::from_raw_parts(*array, entries) }.into();
            let values = NonNull::from(Box::leak(values));
            *array = values.as_ptr().cast();
            (field, values)
        };
        let arrays = fields.iter().map(own).collect();
        Self { head, arrays }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = (Field, &[f64])> {
        let arrays = self.arrays.iter();
        arrays.map(|(field, values)| {
            // SAFETY: owned by `self`; MuJoCo reads them only within calls that borrow the
            // simulation.
            (*field, unsafe { values.as_ref() })
        })
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let arrays = self.arrays.iter_mut();
        arrays.map(|(_, values)| {
            // SAFETY: as above.
            unsafe { values.as_mut() }
        })
    }

    pub(super) fn field_mut(&mut self, field: Field) -> &mut [f64] {
        let mut arrays = self.arrays.iter_mut();
        let found = arrays.find(|(own, _)| *own == field);
        let (_, values) = found.expect("the task declares what it changes");
        // SAFETY: as above.
        unsafe { values.as_mut() }
    }

    pub(super) fn reset(&mut self, model: &Model) {
        // SAFETY: a copy of the head, which frees nothing when dropped.
        let mut head = unsafe { model.raw().read() };
        for (field, values) in &mut self.arrays {
            let (array, entries) = field.array(&mut head);
            // SAFETY: the shared model's array has that many entries, and ours is another.
            unsafe {
                values
                    .as_mut()
                    .copy_from_slice(slice::from_raw_parts(*array, entries));
            }
        }
    }
}

impl Drop for OwnModel {
    fn drop(&mut self) {
        for (_, values) in &self.arrays {
            // SAFETY: leaked from a box in `new`, and freed once.
            drop(unsafe { Box::from_raw(values.as_ptr()) });
        }
    }
}
