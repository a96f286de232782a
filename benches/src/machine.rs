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

/// What `/proc/stat` has counted since the machine's start, over all processors, in its ticks (`man 5 proc_stat`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticks {
    /// Wanted a processor: all but `idle` and `iowait`, and without `guest`, which is in `user` already.
    wanted: u64,
    /// Wanted one while the hypervisor gave it to another virtual machine (`steal`).
    stolen: u64,
}

impl Ticks {
    /// Those until now; none where the kernel does not tell.
    pub fn now() -> Self {
        Self::read(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn read(stat: &str) -> Self {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
        let counts: Vec<u64> = line
            .unwrap_or_default()
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = counts[..] else {
            return Self::default();
        };
        Self {
            wanted: user + nice + system + irq + softirq + stolen,
            stolen,
        }
    }

    /// What of the time between the two another virtual machine had, for the report. It is the part of a neighbour that the kernel
    /// can see: one that shares a core's execution units slows everything down and is not in it.
    pub fn stolen_until(self, end: Self) -> (String, String) {
        let wanted = end.wanted.saturating_sub(self.wanted).max(1);
        let share = end.stolen.saturating_sub(self.stolen) as f64 / wanted as f64;
        (
            "given to other virtual machines meanwhile (steal)".to_owned(),
            format!("{:.1} % of the time that was wanted", share * 100.0),
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_held_against_what_was_wanted() {
        let begin = Ticks::read("cpu  100 0 50 9000 70 0 10 40 30 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
        let end = Ticks::read("cpu  160 10 70 9900 99 5 15 50 60 0\n");
        assert_eq!(
            begin.stolen_until(end).1,
            "9.1 % of the time that was wanted",
            "10 of 60 + 10 + 20 + 5 + 5 + 10"
        );
    }

    #[test]
    fn a_kernel_that_tells_nothing_has_nothing_stolen() {
        for stat in ["", "cpu  1 2 3 4\n", "intr 1 2 3 4 5 6 7 8 9\n"] {
            let ticks = Ticks::read(stat);
            assert_eq!((ticks.wanted, ticks.stolen), (0, 0), "{stat:?}");
        }
    }
}
