//! Objects of the page's MuJoCo, and the functions that the page gives.

#![allow(unsafe_code)]

// The functions of the page. An object is a number; 0 is none.
#[link(wasm_import_module = "mujoco")]
unsafe extern "C" {
    /// Keeps a file for the compiler.
    fn file(name: *const u8, name_length: usize, content: *const u8, length: usize);
    /// Compiles a file to a model; 0 after an error.
    fn compile(name: *const u8, length: usize) -> u32;
    /// A copy of a model.
    fn copy_model(model: u32) -> u32;
    /// A simulation of a model.
    fn make_data(model: u32) -> u32;
    fn release(object: u32);
    /// The number of a named element; negative if there is none.
    fn find(model: u32, kind: *const u8, kind_length: usize, name: *const u8, length: usize)
    -> i32;
    /// A constant of MuJoCo; NaN if there is none.
    fn constant(name: *const u8, length: usize) -> f64;
    /// Entries of a field: 1 of a number.
    fn entries(object: u32, field: *const u8, length: usize) -> usize;
    /// Copies a field.
    fn read(object: u32, field: *const u8, length: usize, out: *mut f64);
    /// Writes a field from entry `first` on.
    fn write(
        object: u32,
        field: *const u8,
        length: usize,
        first: usize,
        from: *const f64,
        count: usize,
    );
    /// Calls a function of a model and its data; not 0 after an error.
    fn call(function: *const u8, length: usize, model: u32, data: u32) -> u32;
    /// Bytes of the latest error's message.
    fn error_length() -> usize;
    fn error(out: *mut u8);
    fn version_length() -> usize;
    fn version(out: *mut u8);
}

/// A model or a simulation of the page's MuJoCo.
pub(super) struct Object(u32);

impl Object {
    /// Compiles the file `name` of `files`.
    ///
    /// # Errors
    /// MuJoCo's message, in one line.
    pub(super) fn compile(name: &str, files: &[(&str, impl AsRef<[u8]>)]) -> Result<Self, String> {
        for (name, content) in files {
            let content = content.as_ref();
            // SAFETY: the page reads as many bytes.
            unsafe { file(name.as_ptr(), name.len(), content.as_ptr(), content.len()) };
        }
        // SAFETY: as above.
        Self::made(unsafe { compile(name.as_ptr(), name.len()) })
    }

    /// A copy of this model.
    pub(super) fn copy_model(&self) -> Result<Self, String> {
        // SAFETY: a number.
        Self::made(unsafe { copy_model(self.0) })
    }

    /// A simulation of this model.
    pub(super) fn make_data(&self) -> Result<Self, String> {
        // SAFETY: a number.
        Self::made(unsafe { make_data(self.0) })
    }

    fn made(object: u32) -> Result<Self, String> {
        match object {
            0 => Err(latest_error()),
            object => Ok(Self(object)),
        }
    }

    /// The number of this model's element called `name`; `kind` is MuJoCo's word (`mjOBJ_BODY`).
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<usize> {
        // SAFETY: the page reads as many bytes.
        let id = unsafe { find(self.0, kind.as_ptr(), kind.len(), name.as_ptr(), name.len()) };
        usize::try_from(id).ok()
    }

    /// How many entries a field has.
    pub(super) fn entries(&self, field: &str) -> usize {
        // SAFETY: the page reads as many bytes.
        unsafe { entries(self.0, field.as_ptr(), field.len()) }
    }

    /// All entries of a field.
    pub(super) fn numbers(&self, field: &str) -> Vec<f64> {
        let mut numbers = vec![0.0; self.entries(field)];
        // SAFETY: the page writes as many numbers as it has said.
        unsafe { read(self.0, field.as_ptr(), field.len(), numbers.as_mut_ptr()) };
        numbers
    }

    /// A field that is one number.
    pub(super) fn number(&self, field: &str) -> f64 {
        self.numbers(field)[0]
    }

    /// Writes entries of a field, from `first` on.
    pub(super) fn write(&self, field: &str, first: usize, numbers: &[f64]) {
        // SAFETY: the page reads as many bytes and numbers.
        unsafe {
            write(
                self.0,
                field.as_ptr(),
                field.len(),
                first,
                numbers.as_ptr(),
                numbers.len(),
            );
        }
    }

    /// Calls `function` of this model and its `data`.
    ///
    /// # Errors
    /// MuJoCo's message, in one line.
    pub(super) fn call(&self, function: &str, data: &Self) -> Result<(), String> {
        // SAFETY: the page reads as many bytes.
        match unsafe { call(function.as_ptr(), function.len(), self.0, data.0) } {
            0 => Ok(()),
            _ => Err(latest_error()),
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: a number, released once.
        unsafe { release(self.0) };
    }
}

/// A constant of MuJoCo, such as `mjtDisableBit.mjDSBL_ACTUATION`.
pub(super) fn number_of(name: &str) -> f64 {
    // SAFETY: the page reads as many bytes.
    let number = unsafe { constant(name.as_ptr(), name.len()) };
    assert!(!number.is_nan(), "MuJoCo has no {name}");
    number
}

/// The version of the page's MuJoCo.
pub(super) fn library_version() -> String {
    // SAFETY: the page writes as many bytes as it says.
    unsafe { text(version_length(), |out| version(out)) }
}

fn latest_error() -> String {
    // SAFETY: the page writes as many bytes as it says.
    let error = unsafe { text(error_length(), |out| error(out)) };
    error.replace('\n', " ").trim().to_owned()
}

/// The text of `length` bytes that `fill` writes.
fn text(length: usize, fill: impl FnOnce(*mut u8)) -> String {
    let mut bytes = vec![0; length];
    fill(bytes.as_mut_ptr());
    String::from_utf8_lossy(&bytes).into_owned()
}
