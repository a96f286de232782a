//! The house's own rules (STYLE.md): which room may know which.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::steps::{Error, root, say};

/// Longest file that can still be seen whole.
const MAX_LINES: usize = 500;
/// The same for tests, which are read one at a time.
const MAX_TEST_LINES: usize = 800;

/// What a room may not mention, and why.
struct Rule {
    /// Folders and files that it holds for, from the top of the repository.
    rooms: &'static [&'static str],
    /// Words that must not stand in their code.
    forbidden: &'static [&'static str],
    /// Said when one does.
    because: &'static str,
    /// The one file name that may, if any.
    except: Option<&'static str>,
}

const RULES: [Rule; 3] = [
    Rule {
        rooms: &["shared/core/src"],
        forbidden: &[
            "std::env",
            "std::fs",
            "std::net",
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
        ],
        because: "domain, ports and use cases know no environment, files, network or clock",
        except: None,
    },
    Rule {
        rooms: &["shared/core/src/domain"],
        forbidden: &["crate::ports", "crate::use_cases"],
        because: "the domain knows nobody",
        except: None,
    },
    Rule {
        rooms: &[
            "functions/link-generator/src",
            "functions/custom-resource-listener/src",
            "functions/role-verifier/src",
            "functions/revalidator/src",
        ],
        forbidden: &["aws_clients::", "dynamodb::", "aws_sdk_", "aws_config", "reqwest"],
        because: "only a function's lib.rs joins adapters to use cases",
        except: Some("lib.rs"),
    },
];

/// Checks all rules, and names every place that breaks one.
pub fn run() -> Result<(), Error> {
    let mut broken = Vec::new();
    for rule in &RULES {
        for room in rule.rooms {
            for file in rust_files(&root().join(room))? {
                if is_test(&file) || rule.except.is_some_and(|name| file.ends_with(name)) {
                    continue;
                }
                check(rule, &file, &fs::read_to_string(&file)?, &mut broken);
            }
        }
    }
    for folder in ["shared", "functions", "customer", "tests", "benches", "xtask/src"] {
        for file in rust_files(&root().join(folder))? {
            let lines = fs::read_to_string(&file)?.lines().count();
            let most = if is_test(&file) { MAX_TEST_LINES } else { MAX_LINES };
            if lines > most {
                broken.push(format!("{}: {lines} lines; split it at {most}", shown(&file)));
            }
        }
    }
    if broken.is_empty() {
        say("lint: every room knows only whom it may");
        Ok(())
    } else {
        Err(broken.join("\n").into())
    }
}

fn check(rule: &Rule, file: &Path, text: &str, broken: &mut Vec<String>) {
    // Tests may join what they like; they stand at the end of a file.
    let source = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    for (number, line) in source.enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if let Some(word) = rule.forbidden.iter().find(|word| code.contains(**word)) {
            broken.push(format!(
                "{}:{}: `{word}`: {}",
                shown(file),
                number + 1,
                rule.because
            ));
        }
    }
}

fn is_test(file: &Path) -> bool {
    let is_test_folder = |name: &str| ["tests", "test_support"].contains(&name);
    let relative = file.strip_prefix(root()).unwrap_or(file);
    file.ends_with("tests.rs")
        || relative
            .components()
            .any(|part| part.as_os_str().to_str().is_some_and(is_test_folder))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn rust_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_mentions_what_it_may_not_know_is_named_with_its_line() {
        let mut broken = Vec::new();
        let text = "use jiff::Timestamp;\n// Timestamp::now is for adapters\nlet now = Timestamp::now();\n";
        check(
            &RULES[0],
            Path::new("shared/core/src/domain/x.rs"),
            text,
            &mut broken,
        );
        assert_eq!(broken.len(), 1);
        assert!(broken[0].contains(":3: `Timestamp::now`"), "{broken:?}");
    }

    #[test]
    fn every_room_that_a_rule_names_exists() {
        for room in RULES.iter().flat_map(|rule| rule.rooms) {
            assert!(root().join(room).exists(), "{room}");
        }
    }
}
