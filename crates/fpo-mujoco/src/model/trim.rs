//! Disables computations of a simulation that do not affect a task's observations and rewards.
//!
//! Observations and rewards stay bit-identical, which is tested for every task.

#![allow(unsafe_code)]

use super::Model;
use mujoco_rs::mujoco_c::{self as c, mjOption, mjtIntegrator, mjtStage};
use std::slice;

/// Maximum number of a body's geoms for which testing each is faster than traversing a tree of
/// their bounding boxes.
const FEW_GEOMS: i32 = 8;

impl Model {
    /// Disables unneeded computations. Call it last, after the task has looked up the sensors that
    /// it reads.
    pub(crate) fn trim(&mut self) {
        let head = self.head();
        // A single tree of bodies is a single island, so there is nothing to find.
        let islands = head.ntree > 1;
        let bounding_boxes = self.body_geoms().iter().any(|&n| n > FEW_GEOMS);
        let whole_steps = head.opt.integrator == mjtIntegrator::mjINT_RK4 as i32;
        self.poses_suffice = whole_steps && self.sensors_read.is_empty() && !self.velocities_read;

        let trim = |options: &mut mjOption| {
            options.enableflags &= !(c::mjtEnableBit::mjENBL_ENERGY as i32);
            if !islands {
                options.disableflags |= c::mjtDisableBit::mjDSBL_ISLAND as i32;
            }
            if !bounding_boxes {
                options.disableflags |= c::mjtDisableBit::mjDSBL_MIDPHASE as i32;
            }
        };
        trim(&mut self.resting.opt);
        // SAFETY: valid until drop, and `&mut self` shows that the model is not shared yet.
        let head = unsafe { self.raw.as_mut() };
        trim(&mut head.opt);
        // SAFETY: the model has that many sensors; otherwise as above.
        let stages =
            unsafe { slice::from_raw_parts_mut(head.sensor_needstage, head.nsensor as usize) };
        for (sensor, stage) in stages.iter_mut().enumerate() {
            if !self.sensors_read.contains(&sensor) {
                *stage = mjtStage::mjSTAGE_NONE as i32;
            }
        }
    }
}
