//! Tells the program where to find the MuJoCo library: where the build of `fpo-mujoco` put it, then
//! beside the program itself, so that the two can be moved together.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    if let Ok(folder) = std::env::var("DEP_MUJOCO_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN");
}
