//! The `liaison` program.

fn main() -> std::process::ExitCode {
    liaison::cli::main()
}
