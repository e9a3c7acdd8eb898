//! Sets the program's search path for the MuJoCo library: the build folder of `fpo-mujoco`, then
//! the program's own folder, so that the two can be moved together.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    if let Ok(folder) = std::env::var("DEP_MUJOCO_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN");
}
