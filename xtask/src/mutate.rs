//! Takes each guard away, one after the other, and sees whether a hostile test notices.
//!
//! A mutation is a patch in `tests/mutations/` with two lines before it: which guard it removes, and which tests of the
//! hostile binary are run against it. Everything happens in a copy under `target/mutants/`: the sources that somebody
//! works on are never touched.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::steps::{Error, cargo, root, say, target_dir};

/// Where the mutations lie, from the top of the repository.
const MUTATIONS: &str = "tests/mutations";
/// The functions that are built anew for each.
const FUNCTIONS: [&str; 4] = [
    "link-generator",
    "custom-resource-listener",
    "role-verifier",
    "revalidator",
];
/// The local AWS's binary.
const LOCAL: &str = "latchkey-local";
/// Mutations that are tested at the same time, each in a local AWS of its own.
const AT_A_TIME: usize = 4;
/// What is compiled into the tests themselves, so that they are built anew as well.
const IN_THE_TESTS: &str = "customer/";

/// One mutation.
struct Mutation {
    name: String,
    patch: PathBuf,
    guard: String,
    filters: Vec<String>,
    in_the_tests: bool,
}

/// What became of one.
struct Row {
    name: String,
    guard: String,
    failed: Vec<String>,
    ran: usize,
}

/// Runs the mutations of these names, or all of them, and prints a table. A guard whose loss no test notices is an error.
pub fn run(names: &[String]) -> Result<(), Error> {
    let mutations: Vec<Mutation> = all()?
        .into_iter()
        .filter(|mutation| names.is_empty() || names.contains(&mutation.name))
        .collect();
    if mutations.is_empty() {
        return Err(format!("there is no mutation of that name in {MUTATIONS}").into());
    }
    let copy = Workspace::prepare()?;
    // Building takes the processor, testing mostly waits: the tests of some mutations go on while the next are built.
    let mut rows = Vec::new();
    let mut running = Vec::new();
    let mut broken = Vec::new();
    for mutation in &mutations {
        let started = Instant::now();
        if running.len() == AT_A_TIME {
            rows.push(finish(running.remove(0)));
        }
        match copy.start_without(mutation) {
            Ok(tests) => running.push((mutation, started, tests)),
            Err(error) => broken.push(error.to_string()),
        }
    }
    rows.extend(running.into_iter().map(finish));
    let (rows, failed): (Vec<_>, Vec<_>) = rows.into_iter().partition(Result::is_ok);
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    broken.extend(
        failed
            .into_iter()
            .filter_map(Result::err)
            .map(|error| error.to_string()),
    );
    let survivors: Vec<&str> = rows
        .iter()
        .filter(|row| row.failed.is_empty())
        .map(|row| row.name.as_str())
        .collect();
    if !broken.is_empty() {
        Err(broken.join("\n").into())
    } else if survivors.is_empty() {
        Ok(())
    } else {
        Err(format!("no hostile test noticed the loss of: {}", survivors.join(", ")).into())
    }
}

/// Waits for the tests of a mutation, and tells what they noticed.
fn finish((mutation, started, tests): (&Mutation, Instant, Child)) -> Result<Row, Error> {
    let output = tests.wait_with_output()?;
    let output = String::from_utf8_lossy(&output.stdout);
    let results = |ending: &str| -> Vec<String> {
        let lines = output.lines().filter_map(|line| line.strip_prefix("test "));
        let names = lines.filter_map(|line| line.strip_suffix(ending));
        names.map(str::to_owned).collect()
    };
    let (failed, passed) = (results(" ... FAILED"), results(" ... ok"));
    if failed.is_empty() && passed.is_empty() {
        return Err(format!("{}: no test ran\n{output}", mutation.name).into());
    }
    let row = Row {
        name: mutation.name.clone(),
        guard: mutation.guard.clone(),
        ran: failed.len() + passed.len(),
        failed,
    };
    say(&format!(
        "{}: {} of {} tests noticed, {:.0} s",
        row.name,
        row.failed.len(),
        row.ran,
        started.elapsed().as_secs_f32()
    ));
    // The table is what the command is for; the rest is told on stderr.
    writeln!(std::io::stdout(), "{}", row.markdown())?;
    Ok(row)
}

impl Row {
    fn markdown(&self) -> String {
        let failed: Vec<String> = self.failed.iter().map(|name| format!("`{name}`")).collect();
        let failed = if failed.is_empty() {
            "**none**".to_owned()
        } else {
            failed.join("<br>")
        };
        format!("| `{}` | {} | {failed} |", self.name, self.guard)
    }
}

/// Reads all mutations, in the order of their names.
fn all() -> Result<Vec<Mutation>, Error> {
    let mut mutations = Vec::new();
    for entry in fs::read_dir(root().join(MUTATIONS))? {
        let patch = entry?.path();
        if patch.extension().is_some_and(|ending| ending == "patch") {
            mutations.push(Mutation::read(&patch)?);
        }
    }
    mutations.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(mutations)
}

impl Mutation {
    fn read(patch: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(patch)?;
        let name = patch
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let line = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key));
            found.ok_or_else(|| format!("{name}: a line `{key}…` is missing"))
        };
        Ok(Self {
            guard: line("guard: ")?.to_owned(),
            filters: line("tests: ")?.split_whitespace().map(str::to_owned).collect(),
            in_the_tests: text.contains(&format!("+++ b/{IN_THE_TESTS}")),
            patch: fs::canonicalize(patch)?,
            name,
        })
    }
}

/// A copy of the repository, with a target folder of its own.
struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    fn prepare() -> Result<Self, Error> {
        let folder = fs::canonicalize(target_dir())?.join("mutants");
        let source = folder.join("src");
        fs::create_dir_all(&source)?;
        say("copying the sources to target/mutants/src");
        copy_sources(&source)?;
        // The local AWS is installed once.
        let installed = source.join("target/local-aws");
        fs::create_dir_all(&installed)?;
        let link = installed.join("venv");
        if !link.exists() {
            std::os::unix::fs::symlink(folder.join("../local-aws/venv"), link)?;
        }
        let workspace = Self { folder: source };
        workspace.cargo(&["build", "--locked", "--workspace", "--bins"])?;
        let target = workspace.folder.join("target");
        fs::copy(target.join("debug").join(LOCAL), target.join(LOCAL))?;
        workspace.build_tests(&target)?;
        Ok(workspace)
    }

    /// Builds without a guard, puts the guard back, and starts the tests that should notice.
    fn start_without(&self, mutation: &Mutation) -> Result<Child, Error> {
        self.git(&["apply"], mutation)?;
        let built = self.build(mutation);
        self.git(&["apply", "--reverse"], mutation)?;
        let kept = built?;
        let binary = |name: &str| {
            let own = kept.join(name);
            if own.exists() {
                own
            } else {
                self.folder.join("target").join(name)
            }
        };
        let child = Command::new(binary("latchkey-local"))
            .arg("--")
            .arg(binary("hostile-tests"))
            .args(["--test-threads", "4"])
            .args(&mutation.filters)
            .env("LATCHKEY_FUNCTIONS", &kept)
            .current_dir(&self.folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(child)
    }

    /// Builds what a mutation changes, and keeps it in a folder of its own.
    fn build(&self, mutation: &Mutation) -> Result<PathBuf, Error> {
        let mut build = vec!["build", "--locked", "--workspace"];
        for function in FUNCTIONS {
            build.extend(["--bin", function]);
        }
        if mutation.in_the_tests {
            build.extend(["--bin", LOCAL]);
        }
        self.cargo(&build)?;
        let kept = self.folder.join("target/without").join(&mutation.name);
        fs::create_dir_all(&kept)?;
        for function in FUNCTIONS {
            fs::copy(
                self.folder.join("target/debug").join(function),
                kept.join(function),
            )?;
        }
        if mutation.in_the_tests {
            fs::copy(self.folder.join("target/debug").join(LOCAL), kept.join(LOCAL))?;
            self.build_tests(&kept)?;
        }
        Ok(kept)
    }

    /// Builds the hostile tests and keeps the binary in `folder`.
    fn build_tests(&self, folder: &Path) -> Result<(), Error> {
        let arguments = [
            "test",
            "--locked",
            "--workspace",
            "--test",
            "hostile",
            "--no-run",
            "--message-format",
            "json",
        ];
        let output = self.cargo(&arguments)?;
        let path = output
            .lines()
            .filter(|line| line.contains("\"name\":\"hostile\""))
            .find_map(|line| line.split("\"executable\":\"").nth(1)?.split('"').next())
            .ok_or("cargo names no binary of the hostile tests")?;
        fs::copy(path, folder.join("hostile-tests"))?;
        Ok(())
    }

    fn cargo(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = Command::new(cargo())
            .args(arguments)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .current_dir(&self.folder)
            .output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo {}: {told}", arguments.join(" ")).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn git(&self, arguments: &[&str], mutation: &Mutation) -> Result<(), Error> {
        let output = Command::new("git")
            .args(arguments)
            .arg(&mutation.patch)
            // The copy lies within a repository and is no part of it.
            .env("GIT_CEILING_DIRECTORIES", self.folder.join(".."))
            .current_dir(&self.folder)
            .output()?;
        if output.status.success() {
            Ok(())
        } else {
            let told = String::from_utf8_lossy(&output.stderr);
            Err(format!("{} does not apply any more: make it anew\n{told}", mutation.name).into())
        }
    }
}

/// Copies what git knows of, where it differs: what did not change is not built again.
fn copy_sources(to: &Path) -> Result<(), Error> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()?;
    for path in String::from_utf8(listed.stdout)?.lines() {
        let (from, to) = (root().join(path), to.join(path));
        let Ok(wanted) = fs::read(&from) else {
            // Deleted, and not committed yet.
            continue;
        };
        if fs::read(&to).is_ok_and(|there| there == wanted) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&to, wanted)?;
    }
    Ok(())
}
