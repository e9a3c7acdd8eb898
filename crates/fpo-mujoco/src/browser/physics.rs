//! One simulation of the page's MuJoCo, as `src/physics.rs` has one of the library's.

use super::model::Model;
use super::object::{self, Object};
pub(crate) use crate::backend::{Own, PhysicsError};
use crate::backend::{Stage, dm_control_steps};
use fpo_env::MakeError;
use std::cell::OnceCell;
use std::sync::Arc;

/// A simulation with positions or velocities beyond this has diverged, as MuJoCo defines it.
const LIMIT: f64 = 1e10;

/// The fields of the state on which a step depends, the clock first. (The suite's models have no
/// bodies that are moved from outside, and no plugins.)
const STATE: [&str; 7] = [
    "time",
    "qpos",
    "qvel",
    "act",
    "ctrl",
    "xfrc_applied",
    "qacc_warmstart",
];
/// Those of a simulation's own model.
const POSITIONS: [&str; 2] = ["geom_pos", "site_pos"];

/// One simulation: the state and all derived quantities.
pub(crate) struct Physics {
    model: Arc<Model>,
    /// A copy of the model, if this simulation changes it.
    own: Option<Object>,
    data: Object,
    arrays: Arrays,
    /// Seconds since the reset, as counted here. MuJoCo restarts a simulation that diverges, and
    /// its clock with it.
    time: f64,
    timestep: f64,
}

impl Physics {
    /// A simulation of `model`, at its reference pose, with what it has for itself.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn new(model: Arc<Model>, own: Own) -> Result<Self, MakeError> {
        let own = match own {
            Own::Nothing => None,
            Own::Positions => Some(model.object.copy_model().map_err(MakeError)?),
        };
        let data = own.as_ref().unwrap_or(&model.object).make_data();
        Ok(Self {
            data: data.map_err(MakeError)?,
            timestep: model.timestep(),
            model,
            own,
            arrays: Arrays::default(),
            time: 0.0,
        })
    }

    /// The model that simulations share.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    fn object(&self) -> &Object {
        self.own.as_ref().unwrap_or(&self.model.object)
    }

    /// Returns to the model's reference pose, at rest. Nothing is derived from it yet.
    ///
    /// # Errors
    /// If the model has no such pose.
    pub(crate) fn reset(&mut self) -> Result<(), PhysicsError> {
        self.arrays = Arrays::default();
        self.time = 0.0;
        let reset = self.object().call("mj_resetData", &self.data);
        reset.map_err(PhysicsError::Raised)
    }

    /// Derives everything from a changed state, without the actuators: there is no action yet.
    ///
    /// # Errors
    /// If the state cannot be simulated.
    pub(crate) fn forward(&mut self) -> Result<(), PhysicsError> {
        const FLAGS: &str = "opt.disableflags";
        let flags = self.object().number(FLAGS);
        let resting = object::number_of("mjtDisableBit.mjDSBL_ACTUATION");
        let resting = flags as u32 | resting as u32;
        self.object().write(FLAGS, 0, &[f64::from(resting)]);
        let result = self.run(0, |model, data| model.call("mj_forward", data));
        self.object().write(FLAGS, 0, &[flags]);
        result
    }

    /// Advances by `n` physics steps, in dm_control's order ([`dm_control_steps`]).
    ///
    /// # Errors
    /// If the simulation diverged; it must then be reset.
    pub(crate) fn step(&mut self, n: u32) -> Result<(), PhysicsError> {
        let whole = self.model.whole_steps;
        self.run(n, |model, data| {
            let mut result = Ok(());
            dm_control_steps(n, whole, false, |stage| {
                let function = match stage {
                    Stage::Step => "mj_step",
                    Stage::Step1 => "mj_step1",
                    Stage::Step2 => "mj_step2",
                    Stage::Kinematics => "mj_kinematics",
                };
                if result.is_ok() {
                    result = model.call(function, data);
                }
            });
            result
        })
    }

    /// Calls MuJoCo, with what has been written here, for `steps` physics steps. After an error the
    /// simulation is reset.
    fn run(
        &mut self,
        steps: u32,
        call: impl FnOnce(&Object, &Object) -> Result<(), String>,
    ) -> Result<(), PhysicsError> {
        self.arrays.flush(&self.data);
        let result = call(self.object(), &self.data);
        self.arrays = Arrays::default();
        self.time += f64::from(steps) * self.timestep;
        match result {
            Ok(()) => self.check(),
            Err(why) => {
                self.reset()?;
                Err(PhysicsError::Raised(why))
            }
        }
    }

    /// Whether MuJoCo has restarted the simulation, or would at the start of the next step.
    fn check(&self) -> Result<(), PhysicsError> {
        let mut state = self.qpos().iter().chain(self.qvel());
        let in_time = (self.data.number("time") - self.time).abs() < 0.5 * self.timestep;
        if in_time && state.all(|x| x.abs() <= LIMIT) {
            Ok(())
        } else {
            Err(PhysicsError::Diverged)
        }
    }

    /// Appends the state, such that [`Physics::load_state`] continues bit for bit.
    pub(crate) fn save_state(&self, out: &mut Vec<f64>) {
        self.arrays.flush(&self.data);
        out.extend(STATE.iter().flat_map(|field| self.data.numbers(field)));
        for field in self.own.iter().flat_map(|_| POSITIONS) {
            out.extend(self.object().numbers(field));
        }
    }

    /// Entries of a saved state.
    pub(crate) fn state_size(&self) -> usize {
        let own = self.own.iter().flat_map(|_| POSITIONS);
        let own: usize = own.map(|field| self.object().entries(field)).sum();
        own + STATE.iter().map(|f| self.data.entries(f)).sum::<usize>()
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
        self.reset()?;
        let mut rest = state;
        let mut restore = |object: &Object, field| {
            let (values, after) = rest.split_at(object.entries(field));
            object.write(field, 0, values);
            rest = after;
        };
        STATE.iter().for_each(|field| restore(&self.data, field));
        for field in self.own.iter().flat_map(|_| POSITIONS) {
            restore(self.object(), field);
        }
        self.time = state[0];
        self.run(0, |model, data| model.call("mj_step1", data))
    }

    /// Sets the clock.
    pub(crate) fn set_time(&mut self, time: f64) {
        self.time = time;
        self.data.write("time", 0, &[time]);
    }

    /// Contacts between geoms.
    pub(crate) fn contacts(&self) -> usize {
        self.data.number("ncon") as usize
    }

    /// Moves a geom in its body, in this simulation only. In the model it must not be at its body's
    /// origin, because MuJoCo would then use the body's position instead.
    pub(crate) fn set_geom_pos(&mut self, geom: usize, pos: [f64; 3]) {
        assert_ne!(self.model.geom_pos(geom), [0.0; 3]);
        self.own_model().write("geom_pos", 3 * geom, &pos);
    }

    /// Moves a site in its body, in this simulation only. In the model it must not be at its body's
    /// origin, because MuJoCo would then use the body's position instead.
    pub(crate) fn set_site_pos(&mut self, site: usize, pos: [f64; 3]) {
        assert_ne!(self.model.site_pos(site), [0.0; 3]);
        self.own_model().write("site_pos", 3 * site, &pos);
    }

    fn own_model(&self) -> &Object {
        self.own
            .as_ref()
            .expect("the task declares what it changes")
    }
}

/// Arrays of the data, which have MuJoCo's names; `; mut` are those that tasks write to.
macro_rules! arrays {
    ($($name:ident),*; mut $($written:ident as $name_mut:ident),*) => {
        /// Copies, each made when it is read first after MuJoCo has been called.
        #[derive(Default)]
        struct Arrays {
            $($name: OnceCell<Vec<f64>>,)*
            $($written: OnceCell<Vec<f64>>, $name_mut: bool,)*
        }

        impl Arrays {
            /// Writes back what has been written here.
            fn flush(&self, data: &Object) {$(
                if let (true, Some(values)) = (self.$name_mut, self.$written.get()) {
                    data.write(stringify!($written), 0, values);
                }
            )*}
        }

        impl Physics {
            $(pub(crate) fn $name(&self) -> &[f64] {
                self.arrays.$name.get_or_init(|| self.data.numbers(stringify!($name)))
            })*
            $(pub(crate) fn $written(&self) -> &[f64] {
                self.arrays.$written.get_or_init(|| self.data.numbers(stringify!($written)))
            }
            pub(crate) fn $name_mut(&mut self) -> &mut [f64] {
                self.$written();
                self.arrays.$name_mut = true;
                self.arrays.$written.get_mut().expect("it has just been read")
            })*
        }
    };
}

arrays! {
    sensordata, xpos, xmat, xipos, geom_xpos, geom_xmat, site_xpos, xanchor;
    mut qpos as qpos_mut, qvel as qvel_mut, ctrl as ctrl_mut
}
