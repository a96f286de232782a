//! The patches that take guards away still fit the sources. Running them (docs/MUTATIONS.md) takes too long for CI.

use std::{fs, process::Command};

use latchkey_tests::{Error, sam_template::repository_path};

/// More guards than these are for cargo-mutants: a patch has to be remade whenever its lines change.
const MOST: usize = 8;

#[test]
fn every_patch_applies_and_names_its_guard_and_tests() -> Result<(), Error> {
    let mut patches = 0;
    for entry in fs::read_dir(repository_path("tests/mutations"))? {
        let path = fs::canonicalize(entry?.path())?;
        let text = fs::read_to_string(&path)?;
        for line in ["guard: ", "tests: "] {
            let is_there = text.lines().any(|it| it.starts_with(line));
            assert!(is_there, "{}: no line `{line}`", path.display());
        }
        // Also where the sources are no git repository.
        let check = Command::new("git")
            .args(["apply", "--check"])
            .arg(&path)
            .current_dir(repository_path("."))
            .output()?;
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(
            check.status.success(),
            "{} does not apply: {said}",
            path.display()
        );
        patches += 1;
    }
    assert!((1..=MOST).contains(&patches), "{patches} patches");
    Ok(())
}
