//! Builds the release binaries and measures them.

use std::{env, ffi::OsString, fs, iter, path::Path, process::Command};

use crate::{
    python,
    steps::{Error, cargo, copy_files, root, run, say, target_dir},
};

/// What is deployed, and the function that does nothing. Built by themselves, so that no other package's features are
/// linked into them.
const FUNCTIONS: [&str; 5] = [
    "custom-resource-listener",
    "link-generator",
    "role-verifier",
    "revalidator",
    "latchkey-empty",
];
/// How variables begin that cargo, cargo-lambda or its wrapper of zig would believe before our flags and their own.
const OVERRIDING: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_",
    "CARGO_TARGET_",
    "CC_",
    "CXX_",
    "AR_",
];
/// Where the Node reference is, and where its packages are installed.
const NODE_PEER: &str = "benches/peers/node";

/// Builds everything that is measured, and measures it.
pub fn bench(arguments: &[String]) -> Result<(), Error> {
    if !cfg!(target_os = "linux") {
        return Err("the benchmark measures with what Linux alone has".into());
    }
    build_functions()?;
    run(
        "building the benchmark",
        Command::new(cargo()).args(["build", "--locked", "--release", "--package", "latchkey-bench"]),
    )?;
    python::install_python_peer()?;
    install_node_peer()?;
    let mut command = Command::new(target_dir().join("release/latchkey-bench"));
    run("measuring (about ten minutes)", command.args(arguments))
}

/// By what `sam build` calls, which chooses the linker (zig), the processor (`-C target-cpu`) and parts of the profile itself;
/// for the host's architecture, since Lambda's arm64 needs another standard library.
fn build_functions() -> Result<(), Error> {
    let programs = python::install_cargo_lambda()?;
    let cache = target_dir().join("cargo-lambda");
    let mut command = Command::new(programs.join("cargo-lambda"));
    command
        .args("lambda build --locked --release --compiler cargo-zigbuild".split(' '))
        .arg("--lambda-dir")
        .arg(target_dir().join("lambda"))
        // Else it asks rustup, which not every machine has, for the host's own standard library.
        .arg("--skip-target-check")
        // It looks for zig among Python's packages.
        .env("CARGO_ZIGBUILD_PYTHON_PATH", programs.join("python"))
        .env("PATH", first_in_path(&programs)?)
        .env("CARGO_ZIGBUILD_CACHE_DIR", cache.join("zigbuild"))
        .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"))
        .env("ZIG_LOCAL_CACHE_DIR", cache.join("zig"));
    for (name, _) in env::vars_os() {
        let begins = |word: &&str| name.to_string_lossy().starts_with(word);
        if OVERRIDING.iter().any(begins) {
            command.env_remove(name);
        }
    }
    for package in FUNCTIONS {
        command.args(["--package", package]);
    }
    run(
        "building the functions as they are deployed (about six minutes on two cores the first time)",
        &mut command,
    )
}

fn first_in_path(folder: &Path) -> Result<OsString, Error> {
    let others = env::var_os("PATH").unwrap_or_default();
    let folders = iter::once(folder.to_owned()).chain(env::split_paths(&others));
    Ok(env::join_paths(folders)?)
}

/// Copies the Node reference to where its packages are installed, and installs them, unless they are there. A machine
/// without Node goes without: its lines are then missing in the table, and said to be.
fn install_node_peer() -> Result<(), Error> {
    let (from, to) = (root().join(NODE_PEER), target_dir().join("bench/node"));
    let lock = fs::read_to_string(from.join("package-lock.json"))?;
    let installed = fs::read_to_string(to.join("installed.json")).unwrap_or_default();
    copy_files(&from, &to)?;
    if lock == installed && to.join("node_modules").exists() {
        return Ok(());
    }
    if !has_node() {
        say("node and npm are not installed: the Node reference is left out");
        return Ok(());
    }
    run(
        "installing the packages of the Node reference",
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&to),
    )?;
    Ok(fs::write(to.join("installed.json"), lock)?)
}

fn has_node() -> bool {
    let answers = |program: &str| {
        let output = Command::new(program)
            .arg("--version")
            .current_dir(Path::new("/"))
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    answers("node") && answers("npm")
}
