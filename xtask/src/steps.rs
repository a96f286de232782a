//! Running other programs, one step after another.

use std::{
    env, fs,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Anything that ends a command; its text is all that matters.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The top of the repository, by its plain name: cargo builds anew where its folder is called otherwise than by itself.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The cargo that runs us.
pub fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Tells what happens, on stderr: stdout belongs to what a command prints as its result.
pub fn say(text: &str) {
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "▸ {text}");
}

/// Has a program run in the repository, and cargo build below it, whatever other place the environment or the user's own
/// configuration of cargo name: that is where everything here looks for what was built.
fn at_home(command: &mut Command) -> &mut Command {
    command.env("CARGO_TARGET_DIR", target_dir()).current_dir(root())
}

/// Runs a program in the repository; anything but success is an error.
pub fn run(what: &str, command: &mut Command) -> Result<(), Error> {
    say(what);
    let started = Instant::now();
    let status = at_home(command)
        .status()
        .map_err(|error| format!("{what}: {}: {error}", command.get_program().to_string_lossy()))?;
    if !status.success() {
        return Err(format!("{what} failed ({status})").into());
    }
    say(&format!(
        "{what}: done in {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// Builds the workspace. Always all of it at once: building single packages would choose other features for the
/// shared dependencies, and compile them again.
pub fn workspace_build(flags: &[&str]) -> Result<(), Error> {
    let what = "building the workspace (about four minutes on two cores the first time)";
    run(
        what,
        Command::new(cargo())
            .args(["build", "--locked", "--workspace"])
            .args(flags),
    )
}

/// The words after `cargo` that run all tests: nextest where it is installed.
pub fn test_runner() -> &'static [&'static str] {
    let nextest = Command::new(cargo()).args(["nextest", "--version"]).output();
    match nextest {
        Ok(output) if output.status.success() => &["nextest", "run", "--locked", "--workspace"],
        _ => &["test", "--locked", "--workspace"],
    }
}

/// Becomes one of the workspace's binaries. It gets our process id, so that Ctrl-C and SIGTERM reach it, and it
/// ends what it started.
pub fn replace_process_by(binary: &str, arguments: &[String]) -> Result<(), Error> {
    let path = target_dir().join("debug").join(binary);
    let error = at_home(Command::new(&path).args(arguments)).exec();
    Err(format!("{}: {error}", path.display()).into())
}

/// Copies the files of a folder, but not its folders, into another one, which is made where it is missing.
pub fn copy_files(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Where cargo builds.
pub fn target_dir() -> PathBuf {
    root().join("target")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_builds_where_we_look_for_it() -> Result<(), Error> {
        let looks = r#"test "$CARGO_TARGET_DIR" = "$PWD/target" && test -f xtask/Cargo.toml"#;
        let mut command = Command::new("/bin/sh");
        run(
            "looking",
            command.args(["-c", looks]).env("CARGO_TARGET_DIR", "/elsewhere"),
        )
    }
}
