//! OpenGL without a window: the required part of EGL, loaded at run time.
//!
//! Nothing is linked, so a program that never renders starts on machines without EGL.

#![allow(unsafe_code)]

use fpo_files::one_line;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The hint at the end of an error if the machine lacks a library.
const INSTALL: &str = "on Debian and Ubuntu: apt-get install libegl1 libgl1-mesa-dri";

type Handle = *mut c_void;
type Attribute = i32;

const TRUE: u32 = 1;
const NONE: Attribute = 0x3038;
const OPENGL_API: u32 = 0x30A2;
const PLATFORM_DEVICE: u32 = 0x313F;
/// Color, depth and stencil sizes, a surface in memory, and desktop OpenGL, which MuJoCo uses.
const CONFIG: [Attribute; 15] = [
    0x3024, 8, // red
    0x3023, 8, // green
    0x3022, 8, // blue
    0x3025, 24, // depth
    0x3026, 8, // stencil
    0x3033, 0x0001, // surface type: pbuffer
    0x3040, 0x0008, // renderable type: OpenGL
    NONE,
];
/// MuJoCo renders into its own framebuffer; the surface is only needed for a complete context.
const SURFACE: [Attribute; 5] = [0x3057, 1, 0x3056, 1, NONE];

/// Declares the functions to load from the library.
macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) -> $result:ty;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl Functions {
            fn load(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: the symbols are EGL 1.4's and have these types.
                unsafe { Ok(Self { $($name: *library.get($symbol)?,)* }) }
            }
        }
    };
}

functions! {
    get_proc_address = "eglGetProcAddress": fn(*const c_char) -> Option<unsafe extern "C" fn()>;
    get_display = "eglGetDisplay": fn(Handle) -> Handle;
    initialize = "eglInitialize": fn(Handle, *mut i32, *mut i32) -> u32;
    bind_api = "eglBindAPI": fn(u32) -> u32;
    choose_config = "eglChooseConfig":
            fn(Handle, *const Attribute, *mut Handle, i32, *mut i32) -> u32;
    create_context = "eglCreateContext": fn(Handle, Handle, Handle, *const Attribute) -> Handle;
    destroy_context = "eglDestroyContext": fn(Handle, Handle) -> u32;
    create_surface = "eglCreatePbufferSurface": fn(Handle, Handle, *const Attribute) -> Handle;
    destroy_surface = "eglDestroySurface": fn(Handle, Handle) -> u32;
    make_current = "eglMakeCurrent": fn(Handle, Handle, Handle, Handle) -> u32;
    get_error = "eglGetError": fn() -> c_int;
}

type QueryDevices = unsafe extern "C" fn(c_int, *mut Handle, *mut c_int) -> u32;
type GetPlatformDisplay = unsafe extern "C" fn(u32, Handle, *const Attribute) -> Handle;

/// The library and the display for contexts: a graphics device or Mesa's software renderer.
struct Egl {
    functions: Functions,
    display: Handle,
    config: Handle,
    /// Keeps the functions valid.
    _library: Library,
}

// SAFETY: EGL's functions may be called from any thread, and the handles belong to the process.
unsafe impl Send for Egl {}
// SAFETY: as above.
unsafe impl Sync for Egl {}

impl Egl {
    /// The process's EGL, opened on first use. It stays open, because displays are shared within
    /// the process.
    fn get() -> Result<&'static Self, String> {
        static EGL: OnceLock<Result<Egl, String>> = OnceLock::new();
        EGL.get_or_init(Self::open).as_ref().map_err(Clone::clone)
    }

    fn open() -> Result<Self, String> {
        // Global, because MuJoCo looks for `eglGetProcAddress` among the symbols of the process.
        // SAFETY: libEGL's initializers have no requirements.
        let library = unsafe { Library::open(Some("libEGL.so.1"), RTLD_NOW | RTLD_GLOBAL) };
        let library = library
            .map_err(|_| format!("pictures need EGL, which cannot be loaded here ({INSTALL})"))?;
        let functions = Functions::load(&library).map_err(|error| {
            format!(
                "this machine's EGL is too old: {} ({INSTALL})",
                one_line(&error.to_string())
            )
        })?;
        for display in functions.displays() {
            if let Some(config) = functions.try_display(display) {
                return Ok(Self {
                    functions,
                    display,
                    config,
                    _library: library,
                });
            }
        }
        Err(format!(
            "EGL finds no device to draw with, not even in software ({INSTALL})"
        ))
    }
}

impl Functions {
    /// The displays to try in turn: each device's, then the default one.
    fn displays(&self) -> Vec<Handle> {
        let mut displays = Vec::new();
        let query: Option<QueryDevices> = self.extension(c"eglQueryDevicesEXT");
        let platform: Option<GetPlatformDisplay> = self.extension(c"eglGetPlatformDisplayEXT");
        if let (Some(query), Some(platform)) = (query, platform) {
            let (mut devices, mut count) = ([ptr::null_mut(); 64], 0);
            // SAFETY: the buffer has the given capacity; the list of attributes may be null.
            unsafe {
                if query(devices.len() as c_int, devices.as_mut_ptr(), &mut count) == TRUE {
                    let devices = devices.into_iter().take(count.max(0) as usize);
                    displays.extend(
                        devices.map(|device| platform(PLATFORM_DEVICE, device, ptr::null())),
                    );
                }
            }
        }
        // SAFETY: null selects the default display.
        displays.push(unsafe { (self.get_display)(ptr::null_mut()) });
        displays.retain(|display| !display.is_null());
        displays
    }

    /// A function of an extension, if the library has it.
    fn extension<F: Copy>(&self, name: &CStr) -> Option<F> {
        // SAFETY: a NUL-terminated name.
        let function = unsafe { (self.get_proc_address)(name.as_ptr()) }?;
        assert_eq!(
            size_of::<F>(),
            size_of_val(&function),
            "F is a function pointer"
        );
        // SAFETY: the caller gives the type that belongs to the name; both are function pointers.
        Some(unsafe { std::mem::transmute_copy(&function) })
    }

    /// The configuration to use on `display`, if it supports a context.
    fn try_display(&self, display: Handle) -> Option<Handle> {
        let (mut config, mut count) = (ptr::null_mut(), 0);
        // SAFETY: a display, lists that end with NONE, a buffer for one configuration.
        let found = unsafe {
            (self.initialize)(display, ptr::null_mut(), ptr::null_mut()) == TRUE
                && (self.choose_config)(display, CONFIG.as_ptr(), &mut config, 1, &mut count)
                    == TRUE
                && count == 1
        };
        let context = found.then(|| self.context(display, config))?.ok()?;
        // SAFETY: created above, freed once.
        unsafe { self.free(display, context) };
        Some(config)
    }

    /// A context and its surface, tested on this thread.
    fn context(&self, display: Handle, config: Handle) -> Result<(Handle, Handle), String> {
        // SAFETY: an initialized display and a configuration of it, lists that end with NONE.
        unsafe {
            if (self.bind_api)(OPENGL_API) != TRUE {
                return Err(self.error("has no OpenGL"));
            }
            let context = (self.create_context)(display, config, ptr::null_mut(), [NONE].as_ptr());
            if context.is_null() {
                return Err(self.error("cannot create an OpenGL context"));
            }
            let surface = (self.create_surface)(display, config, SURFACE.as_ptr());
            let pair = (context, surface);
            if surface.is_null() || (self.make_current)(display, surface, surface, context) != TRUE
            {
                let error = self.error("cannot use its OpenGL context");
                self.free(display, pair);
                return Err(error);
            }
            self.release(display);
            Ok(pair)
        }
    }

    /// Leaves this thread without a context.
    ///
    /// # Safety
    /// `display` must be initialized.
    unsafe fn release(&self, display: Handle) {
        // SAFETY: the null handles mean "none".
        unsafe { (self.make_current)(display, ptr::null_mut(), ptr::null_mut(), ptr::null_mut()) };
    }

    /// Destroys a context and its surface, if there is one.
    ///
    /// # Safety
    /// Both must belong to `display`, be current on no thread, and not be used again.
    unsafe fn free(&self, display: Handle, (context, surface): (Handle, Handle)) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            if !surface.is_null() {
                (self.destroy_surface)(display, surface);
            }
            (self.destroy_context)(display, context);
        }
    }

    fn error(&self, what: &str) -> String {
        // SAFETY: takes nothing, returns the thread's last error.
        let code = unsafe { (self.get_error)() };
        format!("EGL {what} (error 0x{code:x}; {INSTALL})")
    }
}

/// An OpenGL context, current on no thread between uses. It may move between threads.
pub(super) struct Context {
    egl: &'static Egl,
    context: Handle,
    surface: Handle,
}

// SAFETY: EGL lets a context be current on any one thread; `with` binds and releases it.
unsafe impl Send for Context {}

impl Context {
    /// Creates a context on the first device that supports one.
    ///
    /// # Errors
    /// If EGL or OpenGL is missing: one line that says what to install.
    pub(super) fn new() -> Result<Self, String> {
        let egl = Egl::get()?;
        let (context, surface) = egl.functions.context(egl.display, egl.config)?;
        Ok(Self {
            egl,
            context,
            surface,
        })
    }

    /// Runs `draw` with the context current on this thread.
    ///
    /// # Errors
    /// If the driver does not let it become current.
    pub(super) fn with<T>(&self, draw: impl FnOnce() -> T) -> Result<T, String> {
        /// Releases the context also when `draw` unwinds.
        struct Current<'a>(&'a Egl);
        impl Drop for Current<'_> {
            fn drop(&mut self) {
                // SAFETY: an initialized display.
                unsafe { self.0.functions.release(self.0.display) };
            }
        }
        let Egl {
            functions, display, ..
        } = self.egl;
        // SAFETY: the handles are valid until drop.
        if unsafe { (functions.make_current)(*display, self.surface, self.surface, self.context) }
            != TRUE
        {
            return Err(functions.error("cannot use its OpenGL context"));
        }
        let _current = Current(self.egl);
        Ok(draw())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: created in `new`, released after each use, freed once.
        unsafe {
            self.egl
                .functions
                .free(self.egl.display, (self.context, self.surface))
        };
    }
}
