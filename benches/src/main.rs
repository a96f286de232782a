//! What `cargo xtask bench` runs: docs/benchmarks/README.md.

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    match latchkey_bench::run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            latchkey_bench::say(&format!("latchkey-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("latchkey-bench measures on Linux only");
    std::process::ExitCode::FAILURE
}
