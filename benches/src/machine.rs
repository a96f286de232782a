//! Where and with what a run was made.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use latchkey_bench::{Error, subjects::Places};

/// Prints Python's version and how it was built: optimised by a profile it is about a tenth faster.
const PYTHON_BUILD: &str = "import platform, sysconfig; \
    by_profile = '--enable-optimizations' in (sysconfig.get_config_var('CONFIG_ARGS') or ''); \
    print(platform.python_version() + ', built with' + ('' if by_profile else 'out') + ' --enable-optimizations')";

/// What a program prints on its first line; empty where it cannot be run.
pub fn first_line(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The compiler, as it names itself.
pub fn toolchain() -> String {
    first_line(Path::new("rustc"), &["--version"])
}

/// The facts about this machine that a reader needs.
pub fn facts(places: &Places) -> Vec<(String, String)> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = cpus
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split_once(": ").map(|(_, model)| model))
        .collect();
    let peer = |program: &Option<(PathBuf, PathBuf)>, arguments: &[&str]| match program {
        Some((program, _)) => first_line(program, arguments),
        None => "not installed: not measured".to_owned(),
    };
    [
        (
            "processor",
            format!(
                "{} × {}",
                models.len(),
                models.first().unwrap_or(&std::env::consts::ARCH)
            ),
        ),
        ("kernel", first_line(Path::new("uname"), &["-srm"])),
        (
            "load when it began",
            first_line(Path::new("cat"), &["/proc/loadavg"]),
        ),
        ("compiler", toolchain()),
        ("Node", peer(&places.node, &["--version"])),
        ("Python", peer(&places.python, &["-c", PYTHON_BUILD])),
        ("valgrind", first_line(Path::new("valgrind"), &["--version"])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Size of a zip file with these files or folders in it, in megabytes (10^6 bytes), as `sam build` would compress it.
pub fn zip_mb(work: &Path, contents: &[PathBuf]) -> Result<f64, Error> {
    let zip = work.join("size.zip");
    let status = Command::new("python3")
        .args(["-m", "zipfile", "-c"])
        .arg(&zip)
        .args(contents)
        .status()?;
    if !status.success() {
        return Err(format!("python3 -m zipfile: {status}").into());
    }
    let bytes = std::fs::metadata(&zip)?.len();
    std::fs::remove_file(&zip)?;
    Ok(bytes as f64 / 1e6)
}

/// The packages in a folder that a function may bring along: without what installs packages, and without AWS's own loop.
pub fn packages(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    const INSTALLERS: [&str; 5] = ["pip", "setuptools", "_distutils", "distutils", "pkg_resources"];
    const LOOP: [&str; 4] = [
        "awslambdaric",
        "runtime_client",
        "simplejson",
        "snapshot_restore_py",
    ];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !INSTALLERS
            .iter()
            .chain(&LOOP)
            .any(|other| name.starts_with(other))
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
