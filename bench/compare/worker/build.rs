//! Sets the worker's search path for the MuJoCo library to the build folder of `fpo-mujoco`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    if let Ok(folder) = std::env::var("DEP_MUJOCO_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
