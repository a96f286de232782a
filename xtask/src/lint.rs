//! The house's own rules, as far as the compiler does not keep them: how long a file is, who may know the machine and
//! the adapters, and that nothing refers to what is not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    references,
    steps::{Error, root, say},
};

/// Longest file that can still be seen whole.
const MAX_LINES: usize = 500;
/// The same for tests, which are read one at a time.
const MAX_TEST_LINES: usize = 800;
/// Where the domain, the ports and the use cases are.
const CORE: &str = "shared/core/src/";
/// Of these, the domain: it knows neither ports nor use cases.
const DOMAIN: &str = "shared/core/src/domain/";
/// What these ask a port for.
const MACHINE: [&str; 6] = [
    "std::env",
    "std::fs",
    "std::net",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
];
/// What only a function's `lib.rs` may name: it joins adapters to use cases.
const CLIENTS: [&str; 3] = ["aws_sdk_", "aws_config", "reqwest"];
/// Of the crate with the adapters, what every file of a function may name.
const NO_ADAPTERS: [&str; 3] = ["bootstrap", "config", "telemetry"];

/// Checks all rules, and names every place that breaks one.
pub fn run() -> Result<(), Error> {
    let mut broken = Vec::new();
    for file in files_below(&root())? {
        let name = shown(&file);
        if !name.ends_with(".rs") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        let (lines, most) = (text.lines().count(), longest(&name));
        if lines > most {
            broken.push(format!("{name}: {lines} lines; split it at {most}"));
        }
        if is_test(&name) {
            continue;
        }
        if name.starts_with(CORE) {
            forbid(
                &MACHINE,
                &name,
                &text,
                "domain and use cases know no machine and no clock",
                &mut broken,
            );
        }
        if name.starts_with(DOMAIN) {
            let above = ["crate::ports", "crate::use_cases"];
            forbid(
                &above,
                &name,
                &text,
                "the domain knows no ports and no use cases",
                &mut broken,
            );
        }
        if name.starts_with("functions/") && !name.ends_with("/lib.rs") {
            const BECAUSE: &str = "only a function's lib.rs names adapters";
            forbid(&CLIENTS, &name, &text, BECAUSE, &mut broken);
            for module in modules(&code(&text), "latchkey_aws") {
                if !NO_ADAPTERS.contains(&module.as_str()) {
                    broken.push(format!("{name}: `{module}`: {BECAUSE}"));
                }
            }
        }
    }
    references::check(&mut broken)?;
    if broken.is_empty() {
        say("lint: every file can be seen whole, knows only whom it may, and names what is there");
        Ok(())
    } else {
        Err(broken.join("\n").into())
    }
}

fn forbid(words: &[&str], name: &str, text: &str, because: &str, broken: &mut Vec<String>) {
    for (number, line) in code(text).lines().enumerate() {
        if let Some(word) = words.iter().find(|word| line.contains(**word)) {
            broken.push(format!("{name}:{}: `{word}`: {because}", number + 1));
        }
    }
}

/// A file without its comments and without the tests at its end, which may join what they like.
fn code(text: &str) -> String {
    let source = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let lines = source.map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules of a crate that a file names, one by one or within braces.
fn modules(code: &str, of: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split(&format!("{of}::")).skip(1) {
        let (mut depth, mut is_first, mut name) = (0, true, String::new());
        for c in rest.chars() {
            match c {
                c if c.is_alphanumeric() || c == '_' => {
                    // What comes after a module's own colons is below it.
                    if is_first && depth < 2 {
                        name.push(c);
                    }
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                ':' => is_first = false,
                ',' if depth == 1 => is_first = true,
                _ => {}
            }
            if !name.is_empty() {
                names.push(std::mem::take(&mut name));
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn longest(name: &str) -> usize {
    if is_test(name) { MAX_TEST_LINES } else { MAX_LINES }
}

fn is_test(name: &str) -> bool {
    let is_test_folder = |part: &str| ["tests", "test_support", "testing"].contains(&part);
    name.ends_with("tests.rs") || name.split('/').any(is_test_folder)
}

/// A path as it is from the top of the repository.
fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// All files of ours below a folder: not what is built or installed, and no hidden ones but CI's and cargo's.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_ours = !["target", "node_modules"].contains(&name.as_str())
            && (!name.starts_with('.') || [".ci", ".cargo"].contains(&name.as_str()));
        if is_ours && path.is_dir() {
            files.extend(files_below(&path)?);
        } else if is_ours {
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
    fn a_word_that_a_room_may_not_know_is_named_with_its_line() {
        let mut broken = Vec::new();
        let text = "use jiff::Timestamp;\n// Timestamp::now is for adapters\nlet now = Timestamp::now();\n\
                    #[cfg(test)]\nlet then = Timestamp::now();\n";
        forbid(&MACHINE, "shared/core/src/x.rs", text, "", &mut broken);
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].contains(":3: `Timestamp::now`"), "{broken:?}");
    }

    #[test]
    fn modules_of_a_crate_are_found_in_every_form_of_a_path() {
        let text = "use latchkey_aws::{\n    config::{ConfigError, Environment},\n    dynamodb::DynamoDbStore,\n    sts,\n};\n\
                    use latchkey_aws::telemetry::causes;\nlet x = latchkey_aws::sqs::Queue::new(a, b);\n\
                    use latchkey_aws::adapters::{a, b};\nuse other::c;\n";
        assert_eq!(
            modules(text, "latchkey_aws"),
            ["config", "dynamodb", "sts", "telemetry", "sqs", "adapters"]
        );
    }

    #[test]
    fn the_rooms_of_the_rules_are_where_they_look() -> Result<(), Error> {
        let files = files_below(&root())?;
        let is_there = |room: &str| files.iter().any(|file| shown(file).starts_with(room));
        assert!(is_there(CORE) && is_there(DOMAIN));
        assert!(is_there("functions/role-verifier/src/handler.rs"));
        Ok(())
    }
}
