//! The `fpo` program.

fn main() -> std::process::ExitCode {
    fpo::main()
}
