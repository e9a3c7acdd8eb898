//! fpo-mujoco
