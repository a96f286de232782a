//! The patches that take guards away still fit the guards: `cargo xtask mutate` runs them, which takes too long for CI.

use std::{fs, process::Command};

use latchkey_tests::{Error, sam_template::repository_path};

/// The guards that the run has to cover, by how the names of their mutations begin.
const GUARDS: [&str; 7] = ["i1-", "i2-", "i3-", "i4-", "i6-", "i8-", "i10-"];

#[test]
fn every_mutation_applies_to_the_sources_as_they_are_and_says_what_it_removes() -> Result<(), Error> {
    let mut names = Vec::new();
    let table = fs::read_to_string(repository_path("docs/MUTATIONS.md"))?;
    for entry in fs::read_dir(repository_path("tests/mutations"))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path)?;
        for line in ["guard: ", "tests: "] {
            assert!(
                text.lines().any(|it| it.starts_with(line)),
                "{name} has no line `{line}`"
            );
        }
        assert!(
            table.contains(&format!("| `{name}` |")),
            "{name} is not in docs/MUTATIONS.md"
        );
        // Also where the sources are no git repository.
        let check = Command::new("git")
            .args(["apply", "--check"])
            .arg(fs::canonicalize(&path)?)
            .current_dir(repository_path("."))
            .output()?;
        assert!(
            check.status.success(),
            "{name} does not apply any more: {}",
            String::from_utf8_lossy(&check.stderr)
        );
        names.push(name);
    }
    for guard in GUARDS {
        assert!(
            names.iter().any(|name| name.starts_with(guard)),
            "no mutation removes {guard}…"
        );
    }
    Ok(())
}
