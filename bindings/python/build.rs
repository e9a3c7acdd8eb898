//! Sets the search path for the MuJoCo library: the build folder of `fpo-mujoco`, for a shared
//! object that is tried where it was built. A wheel has its own copy.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    if let Ok(folder) = std::env::var("DEP_MUJOCO_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
