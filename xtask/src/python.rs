//! The Python programs that we use, each in a virtual environment of its own under `target/`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::steps::{Error, copy_files, root, run, say, target_dir};

/// What the local AWS needs.
const LOCAL_AWS_REQUIREMENTS: &str = "xtask/local-aws/requirements.txt";
/// What checks the templates.
const TEMPLATE_LINT_REQUIREMENTS: &str = "xtask/template-lint-requirements.txt";
/// What builds the functions as they are deployed.
const CARGO_LAMBDA_REQUIREMENTS: &str = "xtask/cargo-lambda-requirements.txt";
/// The Python reference of the benchmarks, what Lambda has there for it, and what it brings along.
const PYTHON_PEER: &str = "benches/peers/python";
const PYTHON_PEER_RUNTIME: &str = "benches/peers/python/requirements.txt";
const PYTHON_PEER_REQUIREMENTS: &str = "benches/peers/python/function-requirements.txt";
/// What checks the customer's template and module for misconfiguration; it shares no version with the SAM CLI.
const CHECKOV_REQUIREMENTS: &str = "xtask/checkov-requirements.txt";
/// AWS's own lists of actions, policies and ways to more permissions.
const AWS_LISTS: &str = "customer/aws_lists";

/// Installs MiniStack, unless it is there.
pub fn install_local_aws() -> Result<(), Error> {
    install("local-aws", LOCAL_AWS_REQUIREMENTS).map(|_bin| ())
}

/// Installs the SAM CLI and cfn-lint, unless they are there, and returns the folder of their programs.
pub fn install_template_lint() -> Result<PathBuf, Error> {
    install("template-lint", TEMPLATE_LINT_REQUIREMENTS)
}

/// Installs checkov, unless it is there, and returns the folder of its program.
pub fn install_checkov() -> Result<PathBuf, Error> {
    install("checkov", CHECKOV_REQUIREMENTS)
}

/// Installs AWS's lists, unless they are there, and returns the folder of the Python that knows them.
pub fn install_aws_lists() -> Result<PathBuf, Error> {
    install("aws-lists", &format!("{AWS_LISTS}/requirements.txt"))
}

/// Holds the permissions manifest against AWS's lists, after the tests of what does that.
pub fn check_manifest() -> Result<(), Error> {
    let python = install_aws_lists()?.join("python");
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    run(
        "testing the check of the manifest against AWS's lists",
        &mut command(&["-m", "unittest", "discover", "-s", AWS_LISTS]),
    )?;
    run(
        "checking the manifest against AWS's lists",
        &mut command(&[&format!("{AWS_LISTS}/check.py"), "customer/permissions.yaml"]),
    )
}

/// Installs cargo-lambda, unless it is there, and returns the folder of its program.
pub fn install_cargo_lambda() -> Result<PathBuf, Error> {
    install("cargo-lambda", CARGO_LAMBDA_REQUIREMENTS)
}

/// Installs what the Python reference of the benchmarks needs, unless it is there, and lays the function itself out as
/// `sam build` packs it: with what it brings along beside it, and nothing compiled.
pub fn install_python_peer() -> Result<(), Error> {
    let pip = install("bench", PYTHON_PEER_RUNTIME)?.join("pip");
    let (task, stamp) = (
        target_dir().join("bench/task"),
        target_dir().join("bench/task.txt"),
    );
    let wanted = fs::read_to_string(root().join(PYTHON_PEER_REQUIREMENTS))?;
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) || !task.exists() {
        remove_installed(&stamp, &task)?;
        python(
            Command::new(pip)
                .args("install --quiet --disable-pip-version-check --no-compile --no-deps".split(' '))
                .args(["-r", PYTHON_PEER_REQUIREMENTS, "--target"])
                .arg(&task),
        )?;
        fs::write(&stamp, wanted)?;
    }
    copy_files(&root().join(PYTHON_PEER), &task)
}

/// The local AWS's own tests: our corrections still hold.
pub fn self_test() -> Result<(), Error> {
    run(
        "testing the local AWS's corrections",
        Command::new(target_dir().join("local-aws/venv/bin/python"))
            .args(["-m", "unittest", "discover", "-s", "xtask/local-aws"])
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

fn install(name: &str, requirements: &str) -> Result<PathBuf, Error> {
    let dir = target_dir().join(name);
    fs::create_dir_all(&dir)?;
    // Two commands may start at once; one of them installs.
    let lock = File::create(dir.join("install.lock"))?;
    lock.lock()?;
    let venv = dir.join("venv");
    let wanted = fs::read_to_string(root().join(requirements))?;
    let stamp = dir.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && venv.exists() {
        return Ok(venv.join("bin"));
    }
    say(&format!(
        "installing {requirements} into {}",
        dir.strip_prefix(root()).unwrap_or(&dir).display()
    ));
    remove_installed(&stamp, &venv)?;
    python(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let pip = venv.join("bin/pip");
    let quietly = ["install", "--quiet", "--disable-pip-version-check", "-r"];
    python(Command::new(pip).args(quietly).arg(requirements))?;
    fs::write(&stamp, wanted)?;
    Ok(venv.join("bin"))
}

/// The stamp first: what is interrupted half-way must not be taken for installed.
fn remove_installed(stamp: &Path, folder: &Path) -> Result<(), Error> {
    if stamp.exists() {
        fs::remove_file(stamp)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn python(command: &mut Command) -> Result<(), Error> {
    let program = Path::new(command.get_program()).to_owned();
    let status = command
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| {
            format!(
                "{}: {error}; Python 3.10 or later with `venv` is needed",
                program.display()
            )
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed ({status})", program.display()).into())
    }
}
