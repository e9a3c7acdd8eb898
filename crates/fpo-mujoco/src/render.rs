//! Pictures of a simulation by MuJoCo's renderer, without a window.

#![allow(unsafe_code)]

mod egl;

use std::ffi::{CString, c_int};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fpo_env::{Picture, RenderError};
use mujoco_rs::mujoco_c::{
    self as c, mjModel, mjrContext, mjrRect, mjtCamera, mjtCatBit, mjtFontScale, mjtFramebuffer,
    mjtObj, mjvCamera, mjvOption, mjvScene,
};

use crate::ffi::guard;
use crate::model::Model;
use crate::physics::{Physics, PhysicsError};
use egl::Context;

/// Capacity of a scene for objects besides the model's geoms: sites, tendons, targets.
const EXTRA_GEOMS: i32 = 500;
/// Maximum pixels of a side: the limit of common OpenGL drivers.
const MAX_SIDE: u32 = 8192;

/// MuJoCo's renderer keeps the count of its contexts and OpenGL's functions in global variables.
static RENDERER: Mutex<()> = Mutex::new(());

mod ffi {
    //! The renderer's functions that can raise errors, declared so that these unwind.
    use super::{c_int, mjModel, mjrContext, mjrRect, mjvCamera, mjvOption, mjvScene};
    use mujoco_rs::mujoco_c::{mjData, mjvPerturb};

    unsafe extern "C-unwind" {
        pub fn mjr_makeContext(m: *const mjModel, con: *mut mjrContext, fontscale: c_int);
        pub fn mjr_setBuffer(framebuffer: c_int, con: *mut mjrContext);
        pub fn mjr_render(viewport: mjrRect, scn: *mut mjvScene, con: *const mjrContext);
        pub fn mjr_readPixels(
            rgb: *mut u8,
            depth: *mut f32,
            viewport: mjrRect,
            con: *const mjrContext,
        );
        pub fn mjr_freeContext(con: *mut mjrContext);
        pub fn mjv_makeScene(m: *const mjModel, scn: *mut mjvScene, maxgeom: c_int);
        pub fn mjv_updateScene(
            m: *const mjModel,
            d: *mut mjData,
            opt: *const mjvOption,
            pert: *const mjvPerturb,
            cam: *mut mjvCamera,
            catmask: c_int,
            scn: *mut mjvScene,
        );
    }
}

/// Renders simulations of one model at one size.
///
/// It may move between threads: the OpenGL context is bound to a thread only while rendering.
pub(crate) struct Renderer {
    context: Context,
    /// MuJoCo's objects in the OpenGL context.
    resources: Box<mjrContext>,
    scene: Scene,
    /// The model for which these were created, for comparison.
    model: *const Model,
    width: u32,
    height: u32,
}

// SAFETY: the scene and the resources own their data and are not bound to a thread; the model is
// never read.
unsafe impl Send for Renderer {}

impl Renderer {
    /// A renderer of `width`×`height` pixels for simulations of the model of `physics`.
    ///
    /// # Errors
    /// If the size is out of range, EGL or OpenGL is missing, or the driver cannot provide the
    /// size: one line.
    pub(crate) fn new(physics: &Physics, width: u32, height: u32) -> Result<Self, RenderError> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(RenderError(format!(
                "a picture can be 1×1 to {MAX_SIDE}×{MAX_SIDE} pixels, not {width}×{height}"
            )));
        }
        let _lock = lock();
        let context = Context::new().map_err(RenderError)?;
        // A copy of the model's head with a framebuffer of the picture's size. It shares the
        // model's arrays, and frees nothing. SAFETY: a valid model, whose head is plain data.
        let mut head = Box::new(unsafe { physics.raw_model().read() });
        head.vis.global.offwidth = width as c_int;
        head.vis.global.offheight = height as c_int;
        let model = &raw const *head;
        let scene = Scene::new(model)?;
        let make = || {
            // SAFETY: all zeros is a value of this plain struct, and the first function initializes
            // it.
            let mut resources = unsafe { Box::<mjrContext>::new_zeroed().assume_init() };
            // SAFETY: a valid model, fresh resources, and an OpenGL context that is current.
            guard(|| unsafe {
                c::mjr_defaultContext(&mut *resources);
                ffi::mjr_makeContext(
                    model,
                    &mut *resources,
                    mjtFontScale::mjFONTSCALE_100 as c_int,
                );
            })?;
            Ok(resources)
        };
        // If this fails halfway, MuJoCo's objects are freed with the OpenGL context.
        let resources = context.with(make).flatten().map_err(drawing_failed)?;
        Ok(Self {
            context,
            resources,
            scene,
            model: physics.model(),
            width,
            height,
        })
    }

    /// The size of its pictures: width, height.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Renders the current state as `view` shows it.
    ///
    /// `physics` must simulate the model for which the renderer was created. Its state is
    /// unchanged.
    ///
    /// # Errors
    /// If there is no such camera, or rendering fails.
    pub(crate) fn draw(
        &mut self,
        physics: &mut Physics,
        view: View,
    ) -> Result<Picture, RenderError> {
        assert!(
            ptr::eq(self.model, physics.model()),
            "the renderer is for another model"
        );
        let _lock = lock();
        let mut camera = find_camera(physics, view)?;
        let (model, data) = (physics.raw_model(), physics.raw_data());
        let Scene {
            raw: scene,
            options,
        } = &mut self.scene;
        let (scene, resources) = (&raw mut **scene, &raw mut *self.resources);
        let (width, height) = (self.width, self.height);
        let area = mjrRect {
            left: 0,
            bottom: 0,
            width: width as c_int,
            height: height as c_int,
        };
        let row = 3 * width as usize;
        let mut rgb = vec![0; row * height as usize];
        let draw = || {
            // SAFETY: a model, its data, a scene and resources created for it, a current OpenGL
            // context, and a buffer for the pixels of the area.
            guard(|| unsafe {
                let all = mjtCatBit::mjCAT_ALL as c_int;
                ffi::mjv_updateScene(model, data, options, ptr::null(), &mut camera, all, scene);
                ffi::mjr_setBuffer(mjtFramebuffer::mjFB_OFFSCREEN as c_int, resources);
                ffi::mjr_render(area, scene, resources);
                ffi::mjr_readPixels(rgb.as_mut_ptr(), ptr::null_mut(), area, resources);
            })
        };
        self.context.with(draw).flatten().map_err(drawing_failed)?;
        // OpenGL's rows run from bottom to top.
        let rgb = rgb.rchunks_exact(row).flatten().copied().collect();
        Ok(Picture { width, height, rgb })
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        let _lock = lock();
        let resources = &raw mut *self.resources;
        // SAFETY: created in `new`, freed once, with their OpenGL context current. If that fails,
        // the driver frees them with the context.
        let _ = self
            .context
            .with(|| guard(|| unsafe { ffi::mjr_freeContext(resources) }));
    }
}

/// The objects to render: geoms, lights, the camera.
struct Scene {
    raw: Box<mjvScene>,
    options: mjvOption,
}

impl Scene {
    fn new(model: *const mjModel) -> Result<Self, RenderError> {
        // SAFETY: all zeros is a value of these plain structs, which the functions initialize.
        let mut scene = unsafe {
            let mut raw = Box::<mjvScene>::new_zeroed().assume_init();
            let mut options = std::mem::zeroed();
            c::mjv_defaultScene(&mut *raw);
            c::mjv_defaultOption(&mut options);
            Self { raw, options }
        };
        // SAFETY: the caller gives a valid model; the scene is fresh.
        guard(|| unsafe {
            ffi::mjv_makeScene(
                model,
                &mut *scene.raw,
                (*model).ngeom as c_int + EXTRA_GEOMS,
            )
        })
        .map_err(drawing_failed)?;
        Ok(scene)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, freed once; freeing memory raises no error.
        unsafe { c::mjv_freeScene(&mut *self.raw) };
    }
}

/// Where a picture is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View<'a> {
    /// The model's first camera; without cameras, the view shows the whole model.
    First,
    /// The camera of this name.
    Named(&'a str),
    /// The camera of this number.
    Camera(usize),
}

/// An environment's own renderer, made when the first picture is asked for, and the camera that it
/// looks through.
#[derive(Default)]
pub(crate) struct Lens {
    renderer: Option<Renderer>,
    /// The camera that was asked for, by number.
    pub(crate) camera: Option<usize>,
}

impl Lens {
    /// A picture of `physics`, through the camera `named` where no other was asked for, or else the
    /// model's first.
    ///
    /// # Errors
    /// As [`Renderer::draw`].
    pub(crate) fn draw(
        &mut self,
        physics: &mut Physics,
        named: Option<&str>,
        (width, height): (u32, u32),
    ) -> Result<Picture, RenderError> {
        let view = match (self.camera, named) {
            (Some(number), _) => View::Camera(number),
            (None, Some(name)) => View::Named(name),
            (None, None) => View::First,
        };
        let renderer = match &mut self.renderer {
            Some(renderer) if renderer.size() == (width, height) => renderer,
            renderer => renderer.insert(Renderer::new(physics, width, height)?),
        };
        // Some tasks' steps do not derive everything that a picture needs. A diverged simulation is
        // drawn in its reset state.
        match physics.derive() {
            Ok(()) | Err(PhysicsError::Diverged) => {}
            Err(why) => return Err(RenderError(format!("cannot draw: {why}"))),
        }
        renderer.draw(physics, view)
    }
}

/// The camera of `view`.
fn find_camera(physics: &Physics, view: View) -> Result<mjvCamera, RenderError> {
    let model = physics.raw_model();
    // SAFETY: all zeros is a value of this plain struct, which the function initializes for a valid
    // model.
    let mut camera = unsafe {
        let mut camera = std::mem::zeroed();
        c::mjv_defaultFreeCamera(model, &mut camera);
        camera
    };
    // SAFETY: a valid model.
    let count = unsafe { (*model).ncam } as usize;
    let id = match view {
        View::First if count == 0 => return Ok(camera),
        View::First => 0,
        View::Camera(number) if number >= count => {
            return Err(RenderError(format!(
                "the model has {count} cameras, and none has the number {number}"
            )));
        }
        View::Camera(number) => number as c_int,
        View::Named(name) => {
            let missing = || RenderError(format!("the model has no camera `{name}`"));
            let text = CString::new(name).map_err(|_| missing())?;
            // SAFETY: a valid model and a NUL-terminated name.
            let id = unsafe { c::mj_name2id(model, mjtObj::mjOBJ_CAMERA as c_int, text.as_ptr()) };
            if id < 0 {
                return Err(missing());
            }
            id
        }
    };
    camera.type_ = mjtCamera::mjCAMERA_FIXED as c_int;
    camera.fixedcamid = id;
    Ok(camera)
}

/// Locks the renderer. A panic in another thread leaves no invalid state, so poisoning is ignored.
fn lock() -> MutexGuard<'static, ()> {
    RENDERER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drawing_failed(why: String) -> RenderError {
    RenderError(format!("cannot draw: {}", why.replace('\n', " ")))
}
