//! A compiled MuJoCo model.

#![allow(unsafe_code)]

mod trim;

pub(crate) use crate::backend::{Named, row};

use crate::backend::joint;
use crate::ffi::{self, guard};
use fpo_env::MakeError;
use mujoco_rs::mujoco_c::{self as c, mjModel, mjVFS, mjtObj};
use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::slice;

/// The version of the library that this crate is built for, as `mj_version` gives it.
const VERSION: i32 = c::mjVERSION_HEADER as i32;

// The suite's tasks name the types of joints without the library.
const _: () = {
    use c::mjtJoint::*;
    assert!(joint::FREE == mjJNT_FREE as i32 && joint::BALL == mjJNT_BALL as i32);
    assert!(joint::SLIDE == mjJNT_SLIDE as i32 && joint::HINGE == mjJNT_HINGE as i32);
};

/// The version of the library that was found, such as `3.17.0`.
pub(crate) fn library_version() -> String {
    // SAFETY: takes nothing, and returns a constant NUL-terminated text.
    let text = unsafe { CStr::from_ptr(c::mj_versionString()) };
    text.to_string_lossy().into_owned()
}

/// The option that disables all actuators.
pub(crate) const DISABLE_ACTUATION: i32 = c::mjtDisableBit::mjDSBL_ACTUATION as i32;

/// A compiled model. It is immutable once environments share it.
pub(crate) struct Model {
    raw: NonNull<mjModel>,
    /// The same model with actuation disabled: a copy of the head, which shares the arrays of
    /// `raw`.
    resting: Box<mjModel>,
    /// The sensors that a task reads.
    sensors_read: Vec<usize>,
    /// Whether a task reads velocities of bodies.
    velocities_read: bool,
    /// Whether a task reads only positions, velocities and poses, so that steps need not derive
    /// anything else.
    poses_suffice: bool,
}

// SAFETY: a model is not bound to a thread, and nothing writes to it through a shared reference.
unsafe impl Send for Model {}
// SAFETY: as above; MuJoCo's functions take shared models as `const`.
unsafe impl Sync for Model {}

impl Model {
    /// Compiles the file `name` of `files`, which may include the others.
    ///
    /// # Errors
    /// If the library is of another version, or the model is not valid: MuJoCo's message, which
    /// names the line.
    pub(crate) fn compile(
        name: &str,
        files: &[(&str, impl AsRef<[u8]>)],
    ) -> Result<Self, MakeError> {
        // SAFETY: takes nothing and cannot fail.
        let version = unsafe { c::mj_version() };
        if version != VERSION {
            return Err(MakeError(format!(
                "this program needs MuJoCo version {VERSION}, but the library it found is version \
                {version}: \
                 set LD_LIBRARY_PATH to the folder of the right one"
            )));
        }
        let raw = Files::new(files)?.load(name)?;
        // SAFETY: a valid model. Its head is plain data: a boxed copy frees nothing when dropped.
        let mut resting = unsafe { Box::new(raw.as_ptr().read()) };
        resting.opt.disableflags |= DISABLE_ACTUATION;
        let model = Self {
            raw,
            resting,
            sensors_read: Vec::new(),
            velocities_read: false,
            poses_suffice: false,
        };
        // MuJoCo itself accepts any number.
        if model.timestep() > 0.0 {
            Ok(model)
        } else {
            Err(MakeError(format!(
                "the model `{name}` has a time step of {} s",
                model.timestep()
            )))
        }
    }

    /// Sets the first entry of a geom's size.
    pub(crate) fn set_geom_radius(&mut self, geom: usize, radius: f64) {
        assert!(geom < self.head().ngeom as usize);
        // SAFETY: the geom exists, and `&mut self` shows that the model is not shared yet.
        unsafe { *self.head().geom_size.add(3 * geom) = radius };
    }

    /// Sets the first entry of a site's size.
    pub(crate) fn set_site_radius(&mut self, site: usize, radius: f64) {
        assert!(site < self.head().nsite as usize);
        // SAFETY: the site exists, and `&mut self` shows that the model is not shared yet.
        unsafe { *self.head().site_size.add(3 * site) = radius };
    }

    /// Sets the damping of a degree of freedom.
    pub(crate) fn set_damping(&mut self, dof: usize, damping: f64) {
        assert!(dof < self.head().nv as usize);
        // SAFETY: the degree of freedom exists, and `&mut self` shows that the model is not shared
        // yet.
        unsafe { *self.head().dof_damping.add(dof) = damping };
    }

    /// Makes a geom invisible.
    pub(crate) fn hide_geom(&mut self, geom: usize) {
        assert!(geom < self.head().ngeom as usize);
        // SAFETY: the geom exists, and `&mut self` shows that the model is not shared yet.
        unsafe { *self.head().geom_rgba.add(4 * geom + 3) = 0.0 };
    }

    /// Makes a site invisible.
    pub(crate) fn hide_site(&mut self, site: usize) {
        assert!(site < self.head().nsite as usize);
        // SAFETY: the site exists, and `&mut self` shows that the model is not shared yet.
        unsafe { *self.head().site_rgba.add(4 * site + 3) = 0.0 };
    }

    /// The model as a pointer for MuJoCo's functions.
    pub(crate) fn raw(&self) -> *const mjModel {
        self.raw.as_ptr()
    }

    /// The model with actuation disabled.
    pub(crate) fn resting(&self) -> *const mjModel {
        &raw const *self.resting
    }

    /// The head of the model: sizes, options and pointers.
    pub(crate) fn head(&self) -> &mjModel {
        // SAFETY: valid until drop.
        unsafe { self.raw.as_ref() }
    }

    /// The number of controls.
    pub(crate) fn controls(&self) -> usize {
        self.head().nu as usize
    }

    /// Seconds of a physics step.
    pub(crate) fn timestep(&self) -> f64 {
        self.head().opt.timestep
    }

    /// Whether the poses of bodies, geoms and sites are all that must be derived after a step.
    #[inline]
    pub(crate) fn poses_suffice(&self) -> bool {
        self.poses_suffice
    }

    /// The number of the body called `name`.
    pub(crate) fn body(&self, name: &str) -> Result<usize, MakeError> {
        self.id(mjtObj::mjOBJ_BODY, "body", name)
    }

    /// The number of the geom called `name`.
    pub(crate) fn geom(&self, name: &str) -> Result<usize, MakeError> {
        self.id(mjtObj::mjOBJ_GEOM, "geom", name)
    }

    /// The number of the site called `name`.
    pub(crate) fn site(&self, name: &str) -> Result<usize, MakeError> {
        self.id(mjtObj::mjOBJ_SITE, "site", name)
    }

    /// The number of the joint called `name`.
    pub(crate) fn joint(&self, name: &str) -> Result<usize, MakeError> {
        self.id(mjtObj::mjOBJ_JOINT, "joint", name)
    }

    /// The index in `sensordata` at which the readings of the sensor called `name` begin. Only
    /// sensors looked up here are computed.
    pub(crate) fn sensor(&mut self, name: &str) -> Result<usize, MakeError> {
        let id = self.id(mjtObj::mjOBJ_SENSOR, "sensor", name)?;
        self.sensors_read.push(id);
        // SAFETY: `id` is a sensor of this model.
        Ok(unsafe { *self.head().sensor_adr.add(id) } as usize)
    }

    /// The numbers of the sensors that are computed are those looked up, and these.
    pub(crate) fn read_sensor(&mut self, sensor: usize) {
        self.sensors_read.push(sensor);
    }

    /// Says that the task reads velocities of bodies, which are then derived after every step.
    pub(crate) fn read_velocities(&mut self) {
        self.velocities_read = true;
    }

    /// The names of all elements of one kind, in order; those without one are empty.
    pub(crate) fn names(&self, kind: Named) -> Vec<String> {
        let head = self.head();
        let (object, count) = match kind {
            Named::Body => (mjtObj::mjOBJ_BODY, head.nbody),
            Named::Joint => (mjtObj::mjOBJ_JOINT, head.njnt),
            Named::Geom => (mjtObj::mjOBJ_GEOM, head.ngeom),
            Named::Site => (mjtObj::mjOBJ_SITE, head.nsite),
            Named::Sensor => (mjtObj::mjOBJ_SENSOR, head.nsensor),
            Named::Actuator => (mjtObj::mjOBJ_ACTUATOR, head.nu),
            Named::Keyframe => (mjtObj::mjOBJ_KEY, head.nkey),
            Named::Camera => (mjtObj::mjOBJ_CAMERA, head.ncam),
        };
        let name = |id| {
            // SAFETY: a valid model; the answer is null or a NUL-terminated name of the model.
            let name = unsafe { c::mj_id2name(self.raw(), object as i32, id as i32) };
            if name.is_null() {
                return String::new();
            }
            // SAFETY: as above.
            unsafe { CStr::from_ptr(name) }
                .to_string_lossy()
                .into_owned()
        };
        (0..count).map(name).collect()
    }

    /// The size of a geom, as its type defines it.
    pub(crate) fn geom_size(&self, geom: usize) -> [f64; 3] {
        row(self.geom_sizes(), geom)
    }

    /// The size of a site, as its type defines it.
    pub(crate) fn site_size(&self, site: usize) -> [f64; 3] {
        row(self.site_sizes(), site)
    }

    /// The position of a geom in its body.
    pub(crate) fn geom_pos(&self, geom: usize) -> [f64; 3] {
        row(self.geom_positions(), geom)
    }

    /// The position of a site in its body.
    pub(crate) fn site_pos(&self, site: usize) -> [f64; 3] {
        row(self.site_positions(), site)
    }

    fn id(&self, kind: mjtObj, noun: &str, name: &str) -> Result<usize, MakeError> {
        let missing = || {
            MakeError(format!(
                "the model has no {noun} `{name}`: is it another version's?"
            ))
        };
        let text = CString::new(name).map_err(|_| missing())?;
        // SAFETY: a valid model and a NUL-terminated name.
        let id = unsafe { c::mj_name2id(self.raw(), kind as i32, text.as_ptr()) };
        usize::try_from(id).map_err(|_| missing())
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: `raw` was created by `mj_loadXML` and is deleted once.
        unsafe { c::mj_deleteModel(self.raw.as_ptr()) };
    }
}

/// Arrays of the model: `field, type, entries per row, rows`.
macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident: $field:ident [$kind:ty] $width:literal * $rows:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(&self) -> &[$kind] {
            let rows = self.head().$rows as usize;
            // SAFETY: the compiler of the model allocates this many entries; only `&mut self`
            // writes them.
            unsafe { slice::from_raw_parts(self.head().$field, $width * rows) }
        }
    )*};
}

impl Model {
    arrays! {
        /// Sizes of the geoms, `[ngeom, 3]`.
        geom_sizes: geom_size [f64] 3 * ngeom;
        /// Sizes of the sites, `[nsite, 3]`.
        site_sizes: site_size [f64] 3 * nsite;
        /// Positions at the reference pose, `[nq]`.
        #[cfg(test)]
        start: qpos0 [f64] 1 * nq;
        /// Damping of the degrees of freedom, `[nv]`.
        #[cfg(test)]
        dampings: dof_damping [f64] 1 * nv;
        /// Positions of the geoms in their bodies, `[ngeom, 3]`.
        geom_positions: geom_pos [f64] 3 * ngeom;
        /// Positions of the sites in their bodies, `[nsite, 3]`.
        site_positions: site_pos [f64] 3 * nsite;
        /// Geoms of the bodies, `[nbody]`.
        body_geoms: body_geomnum [i32] 1 * nbody;
        /// Types of the joints, `[njnt]`.
        joint_types: jnt_type [i32] 1 * njnt;
        /// Whether the joints are limited, `[njnt]`.
        joint_limited: jnt_limited [bool] 1 * njnt;
        /// Limits of the joints, `[njnt, 2]`.
        joint_ranges: jnt_range [f64] 2 * njnt;
        /// First indices of the joints in `qpos`, `[njnt]`.
        joint_qpos: jnt_qposadr [i32] 1 * njnt;
        /// First indices of the joints in `qvel`, `[njnt]`.
        joint_dof: jnt_dofadr [i32] 1 * njnt;
        /// Number of readings of the sensors, `[nsensor]`.
        sensor_dims: sensor_dim [i32] 1 * nsensor;
        /// First indices of the sensors in `sensordata`, `[nsensor]`.
        sensor_starts: sensor_adr [i32] 1 * nsensor;
        /// Whether the controls of the actuators are limited, `[nu]`.
        control_limited: actuator_ctrllimited [bool] 1 * nu;
        /// Limits of the controls, `[nu, 2]`.
        control_ranges: actuator_ctrlrange [f64] 2 * nu;
        /// The bodies of the geoms, `[ngeom]`.
        geom_bodies: geom_bodyid [i32] 1 * ngeom;
        /// The bodies of the sites, `[nsite]`.
        site_bodies: site_bodyid [i32] 1 * nsite;
        /// The roots of the bodies' trees, `[nbody]`.
        body_roots: body_rootid [i32] 1 * nbody;
        /// The parents of the bodies, `[nbody]`.
        body_parents: body_parentid [i32] 1 * nbody;
        /// Numbers of the bodies as moved from outside (mocap), −1 for others, `[nbody]`.
        body_mocap: body_mocapid [i32] 1 * nbody;
    }

    /// The controls of keyframe `key`, `[nu]`.
    pub(crate) fn key_controls(&self, key: usize) -> &[f64] {
        let nu = self.head().nu as usize;
        assert!(key < self.head().nkey as usize);
        // SAFETY: the model has `nkey` rows of `nu` controls.
        unsafe { slice::from_raw_parts(self.head().key_ctrl.add(key * nu), nu) }
    }
}

/// Files in memory for the compiler.
struct Files(Box<mjVFS>);

impl Files {
    fn new(files: &[(&str, impl AsRef<[u8]>)]) -> Result<Self, MakeError> {
        let mut vfs = Box::new(mjVFS {
            impl_: std::ptr::null_mut(),
        });
        // SAFETY: the functions initialize the table and copy name and contents.
        guard(|| unsafe {
            ffi::mj_defaultVFS(&raw mut *vfs);
            files.iter().all(|(name, content)| {
                let content = content.as_ref();
                let (Ok(name), Ok(length)) = (CString::new(*name), i32::try_from(content.len()))
                else {
                    return false;
                };
                ffi::mj_addBufferVFS(
                    &raw mut *vfs,
                    name.as_ptr(),
                    content.as_ptr().cast(),
                    length,
                ) == 0
            })
        })
        .map_err(MakeError)
        .map(|complete| (Self(vfs), complete))
        .and_then(|(files, complete)| match complete {
            true => Ok(files),
            false => Err(MakeError("MuJoCo does not accept the model files".into())),
        })
    }

    fn load(&self, name: &str) -> Result<NonNull<mjModel>, MakeError> {
        let path =
            CString::new(name).map_err(|_| MakeError(format!("`{name}` is not a file name")))?;
        let mut message = [0; 1024];
        // SAFETY: a NUL-terminated name, an initialized table, and a buffer of the given length.
        let raw = guard(|| unsafe {
            ffi::mj_loadXML(
                path.as_ptr(),
                &raw const *self.0,
                message.as_mut_ptr(),
                message.len() as i32,
            )
        })
        .map_err(|why| MakeError(format!("cannot compile `{name}`: {why}")))?;
        NonNull::new(raw).ok_or_else(|| {
            // SAFETY: MuJoCo ends its message with NUL.
            let why = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy();
            MakeError(format!(
                "cannot compile `{name}`: {}",
                why.replace('\n', " ")
            ))
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, deleted once. It frees memory and raises no error.
        unsafe { ffi::mj_deleteVFS(&raw mut *self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Model, MakeError> {
        Model::compile("test.xml", &[("test.xml", text)])
    }

    fn error(text: &str) -> String {
        compile(text)
            .err()
            .expect("the model is not valid")
            .to_string()
    }

    #[test]
    fn an_error_in_a_model_is_one_line_with_its_position() {
        let text =
            error("<mujoco>\n  <worldbody>\n    <geom type='cube'/>\n  </worldbody>\n</mujoco>");
        assert!(
            text.starts_with("cannot compile `test.xml`: ") && text.contains("line 3"),
            "{text}"
        );
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let text = Model::compile("absent.xml", &[("present.xml", "<mujoco/>")])
            .err()
            .expect("there is no such file")
            .to_string();
        assert!(text.starts_with("cannot compile `absent.xml`: "), "{text}");
    }

    #[test]
    fn a_time_step_must_be_positive() {
        for timestep in ["0", "-0.01"] {
            let text = error(&format!("<mujoco><option timestep='{timestep}'/></mujoco>"));
            assert!(text.contains("time step"), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let model = compile("<mujoco/>").expect("an empty world");
        assert_eq!(model.body("world"), Ok(0));
        let text = model.geom("nose").expect_err("there is none").to_string();
        assert!(text.contains("no geom `nose`"), "{text}");
    }
}
