//! The `fpo` program.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    fpo::main()
}
