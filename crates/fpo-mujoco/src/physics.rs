//! One simulation of a model.

#![allow(unsafe_code)]

mod own;

pub(crate) use crate::backend::{Own, PhysicsError};
pub(crate) use own::Field;

use crate::backend::{Stage, dm_control_steps};
use crate::ffi::{self, guard};
use crate::model::{DISABLE_ACTUATION, Model};
use fpo_env::MakeError;
use mujoco_rs::mujoco_c::{self as c, mjData, mjModel, mjtIntegrator, mjtState};
use own::OwnModel;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

/// A simulation with positions or velocities beyond this has diverged.
const LIMIT: f64 = c::mjMAXVAL;

/// Numbers of an actuator's gain and bias.
pub(crate) const ACTUATOR_PARAMETERS: (usize, usize) = (c::mjNGAIN as usize, c::mjNBIAS as usize);

/// One simulation: the state and all derived quantities, on a shared model.
///
/// After [`Physics::forward`], [`Physics::step`] and [`Physics::derive`], positions, velocities and
/// quantities derived from them are up to date; accelerations and forces are those of the last
/// physics step.
pub(crate) struct Physics {
    model: Arc<Model>,
    own: Option<OwnModel>,
    data: NonNull<mjData>,
}

// SAFETY: the simulation owns its data and its part of the model; the rest is shared and constant.
unsafe impl Send for Physics {}

impl Physics {
    /// A simulation of `model`, at its reference pose, with what it has for itself.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn new(model: Arc<Model>, own: Own) -> Result<Self, MakeError> {
        // SAFETY: a valid model.
        let data = guard(|| unsafe { ffi::mj_makeData(model.raw()) }).map_err(MakeError)?;
        let data = NonNull::new(data)
            .ok_or_else(|| MakeError("not enough memory for a simulation".into()))?;
        let own = (own != Own::Nothing).then(|| OwnModel::new(&model, own.fields()));
        Ok(Self { model, own, data })
    }

    /// The model that simulations share.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// This simulation's model as a pointer for MuJoCo's functions; valid as long as `self`.
    #[inline]
    pub(crate) fn raw_model(&self) -> *const mjModel {
        match &self.own {
            None => self.model.raw(),
            Some(own) => &raw const *own.head,
        }
    }

    /// This simulation's data as a pointer for MuJoCo's functions; valid as long as `self`.
    #[inline]
    pub(crate) fn raw_data(&mut self) -> *mut mjData {
        self.data.as_ptr()
    }

    /// Returns to the model's reference pose, at rest. Nothing is derived from it yet.
    ///
    /// # Errors
    /// If the model has no such pose.
    pub(crate) fn reset(&mut self) -> Result<(), PhysicsError> {
        let (m, d) = (self.raw_model(), self.raw_data());
        // SAFETY: a valid model and its data.
        guard(|| unsafe { ffi::mj_resetData(m, d) }).map_err(PhysicsError::Raised)
    }

    /// Returns to keyframe `key` of the model. Nothing is derived from it yet.
    ///
    /// # Errors
    /// If the model has no such pose.
    pub(crate) fn reset_to_keyframe(&mut self, key: usize) -> Result<(), PhysicsError> {
        assert!(key < self.model.head().nkey as usize);
        let (m, d) = (self.raw_model(), self.raw_data());
        // SAFETY: a valid model, its data, and the number of a keyframe.
        guard(|| unsafe { ffi::mj_resetDataKeyframe(m, d, key as i32) })
            .map_err(PhysicsError::Raised)
    }

    /// Derives everything from a changed state, without the actuators: there is no action yet.
    ///
    /// # Errors
    /// If the state cannot be simulated.
    pub(crate) fn forward(&mut self) -> Result<(), PhysicsError> {
        let d = self.raw_data();
        let m = match &mut self.own {
            None => self.model.resting(),
            Some(own) => {
                own.head.opt.disableflags |= DISABLE_ACTUATION;
                &raw const *own.head
            }
        };
        // SAFETY: a valid model and its data.
        let result = guard(|| unsafe { ffi::mj_forward(m, d) });
        if let Some(own) = &mut self.own {
            own.head.opt.disableflags &= !DISABLE_ACTUATION;
        }
        result.map_err(PhysicsError::Raised)?;
        self.check()
    }

    /// Derives all quantities that depend on positions and velocities; accelerations, and with them
    /// the state, are unchanged.
    ///
    /// # Errors
    /// If the state cannot be simulated.
    pub(crate) fn derive(&mut self) -> Result<(), PhysicsError> {
        // SAFETY: `run` passes a valid model and its data.
        self.run(|m, d| unsafe { ffi::mj_step1(m, d) })
    }

    /// Advances by `n` physics steps, in dm_control's order ([`dm_control_steps`]).
    ///
    /// # Errors
    /// If the simulation diverged; it must then be reset.
    pub(crate) fn step(&mut self, n: u32) -> Result<(), PhysicsError> {
        let whole = self.model.head().opt.integrator == mjtIntegrator::mjINT_RK4 as i32;
        let poses_suffice = self.model.poses_suffice();
        self.run(|m, d| {
            dm_control_steps(n, whole, poses_suffice, |stage| {
                // SAFETY: `run` passes a valid model and its data.
                unsafe {
                    match stage {
                        Stage::Step => ffi::mj_step(m, d),
                        Stage::Step1 => ffi::mj_step1(m, d),
                        Stage::Step2 => ffi::mj_step2(m, d),
                        Stage::Kinematics => ffi::mj_kinematics(m, d),
                    }
                }
            });
        })
    }

    /// Advances by `n` physics steps, in Gymnasium's order: afterwards positions and velocities are
    /// up to date, but not quantities derived from them.
    ///
    /// # Errors
    /// If the simulation diverged; it must then be reset.
    pub(crate) fn step_state(&mut self, n: u32) -> Result<(), PhysicsError> {
        // SAFETY: `run` passes a valid model and its data.
        self.run(|m, d| unsafe {
            for _ in 0..n {
                ffi::mj_step(m, d);
            }
        })
    }

    /// Calls MuJoCo with the model and the data. After an error the simulation is reset.
    #[inline]
    fn run(&mut self, call: impl FnOnce(*const mjModel, *mut mjData)) -> Result<(), PhysicsError> {
        let (m, d) = (self.raw_model(), self.raw_data());
        match guard(|| call(m, d)) {
            Ok(()) => self.check(),
            Err(why) => {
                // The call was aborted: the reset also clears MuJoCo's stack.
                self.reset()?;
                Err(PhysicsError::Raised(why))
            }
        }
    }

    /// Whether MuJoCo has counted a warning since the last reset, or would at the start of the next
    /// step.
    #[inline]
    fn check(&self) -> Result<(), PhysicsError> {
        let mut state = self.qpos().iter().chain(self.qvel());
        if self
            .data()
            .warning
            .iter()
            .all(|warning| warning.number == 0)
            && state.all(|x| x.abs() <= LIMIT)
        {
            Ok(())
        } else {
            Err(PhysicsError::Diverged)
        }
    }

    /// Appends the complete state of the integration, such that [`Physics::load_state`] continues
    /// bit for bit.
    pub(crate) fn save_state(&self, out: &mut Vec<f64>) {
        let start = out.len();
        out.resize(start + self.integration_size(), 0.0);
        let (m, d) = (self.raw_model(), self.data.as_ptr());
        // SAFETY: the buffer has the size that MuJoCo requires. The function copies and raises no
        // error for this signature.
        unsafe { ffi::mj_getState(m, d, out[start..].as_mut_ptr(), INTEGRATION) };
        for (_, values) in self.own.iter().flat_map(OwnModel::values) {
            out.extend_from_slice(values);
        }
    }

    /// Entries of a saved state.
    pub(crate) fn state_size(&self) -> usize {
        self.integration_size()
            + self
                .own
                .iter()
                .flat_map(OwnModel::values)
                .map(|(_, values)| values.len())
                .sum::<usize>()
    }

    fn integration_size(&self) -> usize {
        // SAFETY: a valid model.
        unsafe { c::mj_stateSize(self.raw_model(), INTEGRATION) as usize }
    }

    /// Restores a state of [`Physics::state_size`] entries.
    ///
    /// # Errors
    /// If the state cannot be simulated.
    pub(crate) fn load_state(&mut self, state: &[f64]) -> Result<(), PhysicsError> {
        assert_eq!(
            state.len(),
            self.state_size(),
            "the caller checks the length"
        );
        let (state, mut rest) = state.split_at(self.integration_size());
        for values in self.own.iter_mut().flat_map(OwnModel::values_mut) {
            let (saved, after) = rest.split_at(values.len());
            values.copy_from_slice(saved);
            rest = after;
        }
        let (m, d) = (self.raw_model(), self.raw_data());
        // SAFETY: a valid model, its data, and a state of the right length.
        guard(|| unsafe {
            ffi::mj_resetData(m, d);
            ffi::mj_setState(m, d, state.as_ptr(), INTEGRATION);
            ffi::mj_step1(m, d);
        })
        .map_err(PhysicsError::Raised)?;
        self.check()
    }

    /// The head of the data: counters and pointers.
    #[inline]
    fn data(&self) -> &mjData {
        // SAFETY: valid until drop, and written only through `&mut self`.
        unsafe { self.data.as_ref() }
    }

    /// Seconds since the reset.
    #[cfg(test)]
    pub(crate) fn time(&self) -> f64 {
        self.data().time
    }

    /// The same as an array of one.
    #[inline]
    pub(crate) fn clock(&self) -> &[f64] {
        slice::from_ref(&self.data().time)
    }

    /// Sets the clock.
    pub(crate) fn set_time(&mut self, time: f64) {
        // SAFETY: valid until drop, and not shared.
        unsafe { self.data.as_mut() }.time = time;
    }

    /// Contacts between geoms.
    pub(crate) fn contacts(&self) -> usize {
        self.data().ncon as usize
    }

    /// The position of a geom in its body.
    #[cfg(test)]
    pub(crate) fn geom_pos(&self, geom: usize) -> [f64; 3] {
        let own = self
            .own
            .as_ref()
            .expect("the task declares that it changes positions");
        let mut fields = own.values();
        let found = fields.find(|(field, _)| *field == Field::GeomPosition);
        crate::model::row(found.expect("as above").1, geom)
    }

    /// Moves a geom in its body, in this simulation only. In the model it must not be at its body's
    /// origin, because MuJoCo would then use the body's position instead.
    pub(crate) fn set_geom_pos(&mut self, geom: usize, pos: [f64; 3]) {
        assert_ne!(self.model.geom_pos(geom), [0.0; 3]);
        self.field_mut(Field::GeomPosition)[3 * geom..][..3].copy_from_slice(&pos);
    }

    /// Moves a site in its body, in this simulation only. In the model it must not be at its body's
    /// origin, because MuJoCo would then use the body's position instead.
    pub(crate) fn set_site_pos(&mut self, site: usize, pos: [f64; 3]) {
        assert_ne!(self.model.site_pos(site), [0.0; 3]);
        self.field_mut(Field::SitePosition)[3 * site..][..3].copy_from_slice(&pos);
    }

    /// This simulation's own values of a field, which it must have for itself.
    pub(crate) fn field_mut(&mut self, field: Field) -> &mut [f64] {
        let own = self
            .own
            .as_mut()
            .expect("the task declares what it changes");
        own.field_mut(field)
    }

    /// Returns all parameters that this simulation has for itself to those of the model.
    pub(crate) fn reset_fields(&mut self) {
        let Some(own) = &mut self.own else { return };
        own.reset(&self.model);
    }
}

/// The state on which `mj_step` depends.
const INTEGRATION: i32 = mjtState::mjSTATE_INTEGRATION as i32;

/// Arrays of the data: `name: field, entries per row, rows of the model`.
macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident: $width:literal * $rows:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name(&self) -> &[f64] {
            let rows = self.model.head().$rows as usize;
            // SAFETY: MuJoCo allocates this many entries, and writes them only through `&mut self`.
            unsafe { slice::from_raw_parts(self.data().$name, $width * rows) }
        }
    )*};
}

/// Arrays that tasks write to.
macro_rules! arrays_mut {
    ($($(#[$doc:meta])* $name:ident: $field:ident [$width:literal * $rows:ident];)*) => {$(
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name(&mut self) -> &mut [f64] {
            let rows = self.model.head().$rows as usize;
            // SAFETY: MuJoCo allocates this many entries, and they are accessible only through
            // `&mut self`.
            unsafe { slice::from_raw_parts_mut(self.data().$field, $width * rows) }
        }
    )*};
}

impl Physics {
    arrays! {
        /// Generalized positions, `[nq]`.
        qpos: 1 * nq;
        /// Generalized velocities, `[nv]`.
        qvel: 1 * nv;
        /// Controls, `[nu]`.
        ctrl: 1 * nu;
        /// Readings of all sensors, `[nsensordata]`.
        sensordata: 1 * nsensordata;
        /// Positions of the bodies' frames in the world, `[nbody, 3]`.
        xpos: 3 * nbody;
        /// Orientations of the bodies' frames in the world, `[nbody, 3, 3]`.
        xmat: 9 * nbody;
        /// Orientations of the bodies' frames in the world as quaternions, `[nbody, 4]`.
        xquat: 4 * nbody;
        /// Angular and linear velocities of the bodies in the world's axes, the linear ones of the
        /// point that is at the center of mass of their tree, `[nbody, 6]`.
        cvel: 6 * nbody;
        /// Centers of mass of the bodies with all that they carry, `[nbody, 3]`.
        subtree_com: 3 * nbody;
        /// Orientations of the sites in the world, `[nsite, 3, 3]`.
        site_xmat: 9 * nsite;
        /// Forces of the actuators in the last physics step, `[nu]`.
        actuator_force: 1 * nu;
        /// Positions of the bodies' centers of mass in the world, `[nbody, 3]`.
        xipos: 3 * nbody;
        /// Positions of the geoms in the world, `[ngeom, 3]`.
        geom_xpos: 3 * ngeom;
        /// Orientations of the geoms in the world, `[ngeom, 3, 3]`.
        geom_xmat: 9 * ngeom;
        /// Positions of the sites in the world, `[nsite, 3]`.
        site_xpos: 3 * nsite;
        /// Anchors of the joints in the world, `[njnt, 3]`.
        xanchor: 3 * njnt;
    }

    arrays_mut! {
        /// Generalized positions, to set.
        qpos_mut: qpos [1 * nq];
        /// Generalized velocities, to set.
        qvel_mut: qvel [1 * nv];
        /// Controls, to set.
        ctrl_mut: ctrl [1 * nu];
        /// Positions of the bodies that are moved from outside, to set, `[nmocap, 3]`.
        mocap_pos_mut: mocap_pos [3 * nmocap];
        /// Forces and torques on the bodies in the world's axes, to set, `[nbody, 6]`.
        applied_mut: xfrc_applied [6 * nbody];
        /// The solver's initial accelerations, to set.
        #[cfg(test)]
        warmstart_mut: qacc_warmstart [1 * nv];
    }
}

impl Drop for Physics {
    fn drop(&mut self) {
        // SAFETY: created by `mj_makeData`, deleted once.
        unsafe { c::mj_deleteData(self.data.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pile of spheres, with so little memory that a step with contacts cannot be computed.
    const CRAMPED: &str = "
        <mujoco>
          <size memory='20K'/>
          <worldbody>
            <geom type='plane' size='1 1 1'/>
            <replicate count='12' offset='0 0 0.15'>
              <body pos='0 0 0.5'><freejoint/><geom type='sphere' size='0.1'/></body>
            </replicate>
          </worldbody>
        </mujoco>";

    #[test]
    fn every_thread_survives_an_error_in_a_step() {
        let model = Model::compile("test.xml", &[("test.xml", CRAMPED)]).expect("a valid model");
        let model = Arc::new(model);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let model = Arc::clone(&model);
                scope.spawn(move || {
                    let mut physics =
                        Physics::new(model, Own::Nothing).expect("there is memory for the state");
                    for _ in 0..250 {
                        let error = physics.reset().and_then(|()| physics.step_state(1));
                        assert!(matches!(error, Err(PhysicsError::Raised(_))), "{error:?}");
                    }
                });
            }
        });
    }

    #[test]
    fn each_simulation_has_its_own_positions() {
        let text =
            "<mujoco><worldbody><geom name='target' pos='0 0 1' size='0.1'/></worldbody></mujoco>";
        let model =
            Arc::new(Model::compile("test.xml", &[("test.xml", text)]).expect("a valid model"));
        let target = model.geom("target").expect("it is there");
        let mut simulations = [Own::Positions, Own::Positions, Own::Nothing]
            .map(|own| Physics::new(Arc::clone(&model), own).expect("memory"));
        simulations[0].set_geom_pos(target, [1.0, 2.0, 3.0]);
        let positions = simulations.map(|mut physics| {
            physics.reset().expect("it has a reference pose");
            physics.step_state(1).expect("a still world");
            physics.geom_xpos().to_vec()
        });
        assert_eq!(
            positions,
            [
                vec![1.0, 2.0, 3.0],
                vec![0.0, 0.0, 1.0],
                vec![0.0, 0.0, 1.0]
            ]
        );
        assert_eq!(model.geom_pos(target), [0.0, 0.0, 1.0]);
    }
}
