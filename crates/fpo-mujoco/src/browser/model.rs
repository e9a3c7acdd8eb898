//! A compiled model of the page's MuJoCo, as `src/model.rs` has one of the library's.

use super::object::{self, Object};
use fpo_env::MakeError;
use std::sync::OnceLock;

pub(crate) use crate::backend::{Named, row};

/// The version of the page's MuJoCo, such as `3.14.0`.
pub(crate) fn library_version() -> String {
    object::library_version()
}

/// A compiled model. It is immutable once environments share it.
pub(crate) struct Model {
    pub(super) object: Object,
    sizes: Sizes,
    pub(super) whole_steps: bool,
}

impl Model {
    /// Compiles the file `name` of `files`, which may include the others.
    ///
    /// # Errors
    /// If the model is not valid: MuJoCo's message.
    pub(crate) fn compile(
        name: &str,
        files: &[(&str, impl AsRef<[u8]>)],
    ) -> Result<Self, MakeError> {
        let object = Object::compile(name, files)
            .map_err(|why| MakeError(format!("cannot compile `{name}`: {why}")))?;
        let rk4 = object::number_of("mjtIntegrator.mjINT_RK4");
        Ok(Self {
            whole_steps: object.number("opt.integrator") == rk4,
            sizes: Sizes::default(),
            object,
        })
    }

    /// Nothing: a page steps one simulation, in which nothing has to be left out.
    pub(crate) fn trim(&mut self) {}

    /// The number of controls.
    pub(crate) fn controls(&self) -> usize {
        self.object.number("nu") as usize
    }

    /// Seconds of a physics step.
    pub(crate) fn timestep(&self) -> f64 {
        self.object.number("opt.timestep")
    }

    /// Sets the first entry of a geom's size.
    pub(crate) fn set_geom_radius(&mut self, geom: usize, radius: f64) {
        self.object.write("geom_size", 3 * geom, &[radius]);
    }

    /// Sets the first entry of a site's size.
    pub(crate) fn set_site_radius(&mut self, site: usize, radius: f64) {
        self.object.write("site_size", 3 * site, &[radius]);
    }

    /// Sets the damping of a degree of freedom.
    pub(crate) fn set_damping(&mut self, dof: usize, damping: f64) {
        self.object.write("dof_damping", dof, &[damping]);
    }

    /// Makes a geom invisible.
    pub(crate) fn hide_geom(&mut self, geom: usize) {
        self.object.write("geom_rgba", 4 * geom + 3, &[0.0]);
    }

    /// Makes a site invisible.
    pub(crate) fn hide_site(&mut self, site: usize) {
        self.object.write("site_rgba", 4 * site + 3, &[0.0]);
    }

    /// The number of the body called `name`.
    pub(crate) fn body(&self, name: &str) -> Result<usize, MakeError> {
        self.id("mjOBJ_BODY", "body", name)
    }

    /// The number of the geom called `name`.
    pub(crate) fn geom(&self, name: &str) -> Result<usize, MakeError> {
        self.id("mjOBJ_GEOM", "geom", name)
    }

    /// The number of the site called `name`.
    pub(crate) fn site(&self, name: &str) -> Result<usize, MakeError> {
        self.id("mjOBJ_SITE", "site", name)
    }

    /// The number of the joint called `name`.
    pub(crate) fn joint(&self, name: &str) -> Result<usize, MakeError> {
        self.id("mjOBJ_JOINT", "joint", name)
    }

    /// The index in `sensordata` at which the readings of the sensor called `name` begin.
    pub(crate) fn sensor(&mut self, name: &str) -> Result<usize, MakeError> {
        let id = self.id("mjOBJ_SENSOR", "sensor", name)?;
        Ok(self.object.numbers("sensor_adr")[id] as usize)
    }

    /// Nothing: a page looks from where it wants to.
    pub(crate) fn names(&self, _kind: Named) -> Vec<String> {
        Vec::new()
    }

    /// The size of a geom, as its type defines it.
    pub(crate) fn geom_size(&self, geom: usize) -> [f64; 3] {
        row(&self.object.numbers("geom_size"), geom)
    }

    /// The size of a site, as its type defines it.
    pub(crate) fn site_size(&self, site: usize) -> [f64; 3] {
        row(&self.object.numbers("site_size"), site)
    }

    /// The position of a geom in its body.
    pub(crate) fn geom_pos(&self, geom: usize) -> [f64; 3] {
        row(&self.object.numbers("geom_pos"), geom)
    }

    /// The position of a site in its body.
    pub(crate) fn site_pos(&self, site: usize) -> [f64; 3] {
        row(&self.object.numbers("site_pos"), site)
    }

    fn id(&self, kind: &str, noun: &str, name: &str) -> Result<usize, MakeError> {
        self.object.find(kind, name).ok_or_else(|| {
            MakeError(format!(
                "the model has no {noun} `{name}`: is it another version's?"
            ))
        })
    }
}

/// Arrays of the model: `name: field [type], from a number`.
macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident: $field:ident [$kind:ty], $from:expr;)*) => {
        /// Arrays that are the same as long as the model is, read when they are first needed.
        #[derive(Default)]
        struct Sizes { $($name: OnceLock<Vec<$kind>>,)* }

        impl Model {$(
            $(#[$doc])*
            pub(crate) fn $name(&self) -> &[$kind] {
                self.sizes.$name.get_or_init(|| {
                    let numbers = self.object.numbers(stringify!($field));
                    numbers.into_iter().map($from).collect()
                })
            }
        )*}
    };
}

arrays! {
    /// Types of the joints, `[njnt]`.
    joint_types: jnt_type [i32], |x| x as i32;
    /// Whether the joints are limited, `[njnt]`.
    joint_limited: jnt_limited [bool], |x| x != 0.0;
    /// Limits of the joints, `[njnt, 2]`.
    joint_ranges: jnt_range [f64], |x| x;
    /// First indices of the joints in `qpos`, `[njnt]`.
    joint_qpos: jnt_qposadr [i32], |x| x as i32;
    /// First indices of the joints in `qvel`, `[njnt]`.
    joint_dof: jnt_dofadr [i32], |x| x as i32;
}
