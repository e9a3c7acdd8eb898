//! What both ways of reaching MuJoCo share: the pinned library, and a page's MuJoCo
//! ([`crate::browser`], for WebAssembly).

/// Why a simulation cannot continue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PhysicsError {
    /// The state, the acceleration or the control is not finite or beyond MuJoCo's limit of 10¹⁰,
    /// or the contacts no longer fit into memory. MuJoCo resets such a simulation silently; it only
    /// counts a warning.
    #[error("the simulation diverged")]
    Diverged,
    /// All initial states drawn had contacts.
    #[error("no initial state is free of contacts")]
    Penetrating,
    /// MuJoCo raised an error.
    #[error("MuJoCo: {0}")]
    Raised(String),
}

/// What of its model a simulation has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Nothing: the model is shared.
    Nothing,
    /// The positions of geoms and sites in their bodies.
    Positions,
    /// The physical parameters: friction, masses, damping and the gains of actuators.
    #[cfg(not(target_family = "wasm"))]
    Parameters,
}

/// Types of joints, as MuJoCo numbers them.
pub(crate) mod joint {
    pub(crate) const FREE: i32 = 0;
    pub(crate) const BALL: i32 = 1;
    pub(crate) const SLIDE: i32 = 2;
    pub(crate) const HINGE: i32 = 3;
}

/// A function of MuJoCo that advances a simulation or derives quantities of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `mj_step`: a whole physics step.
    Step,
    /// `mj_step1`: what depends on positions and velocities.
    Step1,
    /// `mj_step2`: the rest of a physics step.
    Step2,
    /// `mj_kinematics`: poses alone.
    Kinematics,
}

/// `n` physics steps in dm_control's order: everything except accelerations and forces is up to
/// date before and after, or only the poses if these suffice. Runge–Kutta supports `whole` steps
/// only.
#[inline]
pub(crate) fn dm_control_steps(
    n: u32,
    whole: bool,
    poses_suffice: bool,
    mut call: impl FnMut(Stage),
) {
    call(if whole { Stage::Step } else { Stage::Step2 });
    for _ in 1..n {
        call(Stage::Step);
    }
    call(if poses_suffice {
        Stage::Kinematics
    } else {
        Stage::Step1
    });
}

/// Kinds of elements that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(target_family = "wasm", expect(dead_code))]
pub(crate) enum Named {
    Body,
    Joint,
    Geom,
    Site,
    Sensor,
    Actuator,
    Keyframe,
    Camera,
}

/// Row `i` of an array with three columns.
#[inline]
pub(crate) fn row(array: &[f64], i: usize) -> [f64; 3] {
    [array[3 * i], array[3 * i + 1], array[3 * i + 2]]
}
