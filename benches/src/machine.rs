//! Where and with what a run was made, and the size of what is deployed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, subjects::Places};

/// What a program prints on its first line; empty where it cannot be run.
pub fn first_line(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// What a reader has to know about a run.
pub fn facts(places: &Places, rounds: usize) -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let models: Vec<&str> = models.map(|(_, model)| model).collect();
    let version = |program: &Option<(PathBuf, PathBuf)>| match program {
        Some((program, _)) => first_line(program, "--version"),
        None => "not installed".to_owned(),
    };
    format!(
        "{}; medians of {rounds} rounds; {} × {}; {}; Node: {}; Python: {}",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"),
        models.len(),
        models.first().unwrap_or(&std::env::consts::ARCH),
        first_line(Path::new("rustc"), "--version"),
        version(&places.node),
        version(&places.python),
    )
}

/// Size of a function's zip file, in megabytes (10^6 bytes), as `sam build` would compress it.
pub fn zip_mb(places: &Places, function: &str) -> Result<f64, Error> {
    let zip = places.binaries.join("size.zip");
    let mut command = Command::new("python3");
    command
        .args(["-m", "zipfile", "-c"])
        .args([&zip, &places.binaries.join(function)]);
    let status = command.status()?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    let bytes = fs::metadata(&zip)?.len();
    fs::remove_file(&zip)?;
    Ok(bytes as f64 / 1e6)
}
