//! What `cargo xtask bench` and the check of starts in CI run. It counts with what Linux alone has; elsewhere it says so.

#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod machine;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    command::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("latchkey-bench measures on Linux only");
    std::process::ExitCode::FAILURE
}
