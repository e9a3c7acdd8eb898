//! Lets the tests find MuJoCo's library, on which they compare robots.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_MUJOCO_LIBDIR");
    if let Ok(folder) = std::env::var("DEP_MUJOCO_LIBDIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
