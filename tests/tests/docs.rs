//! What the documents say is there: files, commands, variables, parameters, links, reasons, tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this file is tests only"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::sam_template::{load, repository_path};

/// Folders at the top of the repository that a path in a document may begin with.
const ROOMS: [&str; 8] = [
    "benches",
    "customer",
    "docs",
    "events",
    "functions",
    "shared",
    "tests",
    "xtask",
];
/// Endings of what is taken for the name of a file.
const FILE_ENDINGS: [&str; 8] = [".json", ".md", ".py", ".rs", ".sh", ".toml", ".txt", ".yaml"];
/// Words in the style of a variable that belong to AWS: its own variables, capabilities and states.
const WORDS_OF_AWS: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "CAPABILITY_IAM",
    "CAPABILITY_NAMED_IAM",
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "DELETE_COMPLETE",
    "KEYS_ONLY",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_FAILED",
];
/// Variables that only tests read.
const VARIABLES_OF_TESTS: [&str; 3] = [
    "BOLERO_RANDOM_ITERATIONS",
    "LATCHKEY_FLOOD_MESSAGES",
    "LATCHKEY_FUNCTIONS",
];
/// What each section about a reason tells.
const REASON_PARTS: [&str; 4] = ["What happened", "Customer", "Support", "Retryable"];
/// The documents that name the tests which prove what they say.
const PROVEN_DOCUMENTS: [&str; 2] = ["docs/STACK-LIVES.md", "docs/THREAT-MODEL.md"];
/// What a row says of what no test proves.
const NOT_YET: &str = "**not yet**";
/// The tests that attack.
const HOSTILE_TESTS: &str = "tests/tests/hostile";
/// Hostile classes there are in the threat model, numbered from 1.
const HOSTILE_CLASSES: u32 = 23;
/// Fewest words of a name in backticks that can only be a test's; the longest reason has one less.
const FEWEST_WORDS_OF_A_TEST: usize = 5;

fn read(relative: &str) -> String {
    fs::read_to_string(repository_path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The README and everything in `docs/`, by path.
fn documents() -> Vec<(String, String)> {
    let in_docs = fs::read_dir(repository_path("docs")).unwrap();
    let mut paths: Vec<String> = in_docs
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().display()))
        .filter(|path| path.ends_with(".md"))
        .chain(["README.md".to_owned()])
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// All files of the repository, as paths from its top.
fn files() -> Vec<PathBuf> {
    let root = repository_path("");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_ours = |name: &str| {
                name != "target" && (!name.starts_with('.') || name == ".ci" || name == ".cargo")
            };
            if !path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_ours)
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    files
}

/// The texts of all files with this ending, without this one.
fn sources(ending: &str) -> Vec<String> {
    let files = files();
    let paths = files.iter().filter_map(|file| file.to_str());
    paths
        .filter(|path| path.ends_with(ending) && *path != "tests/tests/docs.rs")
        .map(read)
        .collect()
}

/// All runs of characters that `belongs` takes.
fn words(text: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !belongs(c)).filter(|word| !word.is_empty())
}

fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-".contains(c)
}

/// What stands between single backticks, outside of code blocks.
fn code_spans(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .collect()
}

/// What a document says about files that are not there.
fn missing_paths(text: &str, files: &[PathBuf]) -> BTreeSet<String> {
    let exists = |path: &str| {
        let path = Path::new(path.trim_end_matches('/'));
        files.iter().any(|file| file.starts_with(path))
    };
    // Whatever begins with a folder of ours, in prose and in commands alike.
    let by_folder = words(text, is_path_char)
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| {
            word.split_once('/')
                .is_some_and(|(first, _)| ROOMS.contains(&first))
        })
        .filter(|word| !exists(word));
    // A bare file name in backticks is that of some file.
    let is_name = |span: &&str| {
        span.chars().all(is_path_char)
            && !span.contains('/')
            && FILE_ENDINGS
                .iter()
                .any(|ending| span.ends_with(ending) && span.len() > ending.len())
    };
    let by_name = code_spans(text)
        .into_iter()
        .filter(is_name)
        .filter(|name| !files.iter().any(|file| file.ends_with(name)));
    by_folder.chain(by_name).map(str::to_owned).collect()
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(str::lines)
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim())
}

/// Links of the document at `path` into the repository that lead nowhere.
fn broken_links(path: &str, text: &str) -> Vec<String> {
    let folder = repository_path(path).parent().unwrap().to_owned();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://"))
        .filter(|target| {
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                repository_path(path)
            } else {
                folder.join(file)
            };
            let leads_to = |text: String| headings(&text).any(|heading| anchor(heading) == fragment);
            !file.exists() || !fragment.is_empty() && !fs::read_to_string(&file).is_ok_and(leads_to)
        })
        .map(str::to_owned)
        .collect()
}

/// Names in the style of an environment variable.
fn variables(text: &str) -> BTreeSet<&str> {
    words(text, |c| c.is_ascii_alphanumeric() || c == '_')
        .filter(|word| {
            let parts: Vec<&str> = word.split('_').collect();
            let is_part = |part: &&str| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
            };
            parts.len() > 1 && parts.iter().all(is_part) && word.starts_with(|c: char| c.is_ascii_uppercase())
        })
        .collect()
}

/// Every variable that a function, a test or the smoke test reads, and the constants of the source.
fn known_variables() -> BTreeSet<String> {
    let template = load("template.yaml").unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let of_functions = resources.values().map(|resource| &resource["Properties"]);
    let mut known: BTreeSet<String> = of_functions
        .chain([&template["Globals"]["Function"]])
        .filter_map(|from| from["Environment"]["Variables"].as_object())
        .flat_map(|variables| variables.keys().cloned())
        .collect();
    known.extend(
        variables(&read("docs/smoke-test.sh"))
            .into_iter()
            .map(str::to_owned),
    );
    known.insert(latchkey_tests::local_aws::ready::READY_VARIABLE.to_owned());
    known.extend(VARIABLES_OF_TESTS.map(str::to_owned));
    known.extend(WORDS_OF_AWS.map(str::to_owned));
    for source in sources(".rs") {
        let constants = source
            .split("const ")
            .skip(1)
            .filter_map(|rest| rest.split(':').next());
        known.extend(constants.map(str::to_owned));
    }
    known
}

/// Names in backticks in the style of a parameter, an output or a type: `LinkLifetimeSeconds`.
fn capitalised_names(text: &str) -> BTreeSet<&str> {
    code_spans(text)
        .into_iter()
        .filter(|span| {
            span.starts_with(|c: char| c.is_ascii_uppercase())
                && span.chars().all(|c| c.is_ascii_alphanumeric())
                && span.chars().skip(1).any(|c| c.is_ascii_uppercase())
                && span.chars().any(|c| c.is_ascii_lowercase())
        })
        .collect()
}

/// The rows of the tables that have a column `test`: all cells of a row, and its cell in that column.
fn proven_rows(text: &str) -> Vec<(Vec<&str>, &str)> {
    let (mut rows, mut column) = (Vec::new(), None);
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            column = None;
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        if cells.contains(&"test") {
            column = cells.iter().position(|cell| *cell == "test");
        } else if let Some(column) = column.filter(|_| !row.starts_with("---")) {
            let proof = cells.get(column).copied().unwrap_or_default();
            rows.push((cells, proof));
        }
    }
    rows
}

fn has_function(source: &str, name: &str) -> bool {
    let declared = |rest: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
    source.split("fn ").skip(1).any(declared)
}

/// Tests that a document names and that are not in the file it names before them; elsewhere than in a column
/// `test`, in no file at all.
fn missing_tests(text: &str, all_sources: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (_, proof) in proven_rows(text) {
        let mut source = String::new();
        for span in code_spans(proof) {
            if span.contains('/') {
                source = fs::read_to_string(repository_path(span)).unwrap_or_default();
            } else if !has_function(&source, span) {
                missing.push(span.to_owned());
            }
        }
    }
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let elsewhere = code_spans(text).into_iter().filter(|span| {
        let words: Vec<&str> = span.split('_').collect();
        words.len() >= FEWEST_WORDS_OF_A_TEST && words.into_iter().all(is_word)
    });
    missing.extend(
        elsewhere
            .filter(|name| !has_function(all_sources, name))
            .map(str::to_owned),
    );
    missing
}

#[test]
fn every_reason_has_its_section_in_the_order_of_the_list_and_no_section_is_about_anything_else() {
    let text = read("docs/REASONS.md");
    let sections: Vec<&str> = text.split("\n## ").skip(1).collect();
    let found: Vec<&str> = sections
        .iter()
        .map(|section| section.lines().next().unwrap())
        .collect();
    assert_eq!(found, ReasonCode::ALL.map(ReasonCode::as_str));
    for section in sections {
        for part in REASON_PARTS {
            assert!(
                section.contains(&format!("- **{part}:** ")),
                "{part} is missing: {section}"
            );
        }
    }
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let files = files();
    for (path, text) in documents() {
        assert_eq!(missing_paths(&text, &files), BTreeSet::new(), "{path}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for (path, text) in documents() {
        assert_eq!(broken_links(&path, &text), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn every_command_of_ours_is_one_that_xtask_has() {
    let usage = read("xtask/src/main.rs");
    for (path, text) in documents() {
        for after in text.split("cargo xtask ").skip(1) {
            let command: String = after
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            assert!(
                usage.contains(&format!("\"{command}\" =>")),
                "{path}: cargo xtask {command}"
            );
        }
    }
}

#[test]
fn every_variable_that_a_document_names_is_read_by_something() {
    let known = known_variables();
    for (path, text) in documents() {
        let unknown: Vec<&str> = variables(&text)
            .into_iter()
            .filter(|name| !known.contains(*name))
            .collect();
        assert_eq!(unknown, Vec::<&str>::new(), "{path}");
    }
}

#[test]
fn every_parameter_output_and_type_that_a_document_names_exists() {
    let sources = [sources(".rs"), sources(".yaml")].concat();
    let names: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| words(source, |c| c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    for (path, text) in documents() {
        let unknown: Vec<&str> = capitalised_names(&text)
            .into_iter()
            .filter(|name| !names.contains(name))
            .collect();
        assert_eq!(unknown, Vec::<&str>::new(), "{path}");
    }
}

#[test]
fn the_parameters_that_the_readme_explains_are_those_that_the_template_has() {
    let template = load("template.yaml").unwrap();
    let parameters = template["Parameters"].as_object().unwrap();
    let readme = read("README.md");
    let table = readme
        .split("| parameter |")
        .nth(1)
        .expect("the README has a table of parameters");
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .skip(1);
    let named: BTreeSet<&str> = rows
        .flat_map(|row| code_spans(row.split('|').nth(1).unwrap_or_default()))
        .collect();
    assert_eq!(named, parameters.keys().map(String::as_str).collect());
}

#[test]
fn the_readme_deploys_with_what_our_own_checks_run() {
    let readme = read("README.md");
    for (file, tool) in [
        ("xtask/template-lint-requirements.txt", "aws-sam-cli=="),
        ("xtask/cargo-lambda-requirements.txt", "cargo-lambda=="),
        ("xtask/cargo-lambda-requirements.txt", "ziglang=="),
    ] {
        let requirements = read(file);
        let line = requirements.lines().find(|line| line.starts_with(tool));
        let wanted = line.unwrap_or_else(|| panic!("{file} has no {tool}"));
        let found: Vec<&str> = readme
            .split_whitespace()
            .filter(|word| word.starts_with(tool))
            .collect();
        assert_eq!(found, [wanted], "README.md names what {file} installs");
    }
}

#[test]
fn every_test_that_a_document_names_is_there_and_every_row_names_one_or_says_that_there_is_none() {
    let all_sources = sources(".rs").concat();
    for path in PROVEN_DOCUMENTS {
        let text = read(path);
        assert_eq!(missing_tests(&text, &all_sources), Vec::<String>::new(), "{path}");
        let rows = proven_rows(&text);
        assert!(!rows.is_empty(), "{path} has no table with a column `test`");
        for (cells, proof) in rows {
            let names_a_test = code_spans(proof).iter().any(|span| !span.contains('/'));
            assert!(names_a_test || proof.contains(NOT_YET), "{path}: {}", cells[0]);
        }
    }
}

#[test]
fn each_of_the_hostile_classes_has_one_row_in_the_threat_model() {
    let text = read("docs/THREAT-MODEL.md");
    let rows = proven_rows(&text);
    let classes: Vec<&str> = rows
        .iter()
        .map(|(cells, _)| cells[0].split(' ').next().unwrap_or_default())
        .collect();
    let wanted: Vec<String> = (1..=HOSTILE_CLASSES).map(|class| class.to_string()).collect();
    assert_eq!(classes, wanted);
    for (cells, _) in rows {
        let status = cells.last().copied().unwrap_or_default();
        let is_said = ["stands", "partly: ", NOT_YET]
            .iter()
            .any(|word| status.starts_with(word));
        assert!(is_said && cells.len() == 4, "{}: {status}", cells[0]);
    }
}

#[test]
fn each_of_the_hostile_classes_has_its_own_file_of_tests_and_its_row_names_all_of_them() {
    let text = read("docs/THREAT-MODEL.md");
    let files: Vec<String> = fs::read_dir(repository_path(HOSTILE_TESTS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().display().to_string())
        .filter(|name| name.starts_with("class_"))
        .collect();
    assert_eq!(files.len(), HOSTILE_CLASSES as usize, "{files:?}");
    let modules = read(&format!("{HOSTILE_TESTS}/main.rs"));
    for (class, (cells, proof)) in (1..=HOSTILE_CLASSES).zip(proven_rows(&text)) {
        let begin = format!("class_{class:02}_");
        let file = files.iter().find(|name| name.starts_with(&begin)).unwrap();
        let path = format!("{HOSTILE_TESTS}/{file}");
        assert!(proof.starts_with(&format!("`{path}` ")), "{}: {proof}", cells[0]);
        assert!(
            modules.contains(&format!("mod {};", file.trim_end_matches(".rs"))),
            "{file} is not run"
        );
        let source = read(&path);
        for part in ["Guard: ", "Shown to fail without it: `tests/mutations/"] {
            assert!(
                source
                    .lines()
                    .any(|line| line.starts_with(&format!("//! {part}"))),
                "{file}: {part}"
            );
        }
        let patches = source
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .flat_map(|line| code_spans(line))
            .filter(|span| span.starts_with("tests/mutations/") && !span.contains('*'));
        for patch in patches {
            assert!(repository_path(patch).exists(), "{file}: {patch}");
        }
        let tests = source.split("#[tokio::test]\nasync fn ").skip(1);
        for name in tests.filter_map(|rest| rest.split('(').next()) {
            assert!(
                code_spans(proof).contains(&name),
                "{}: {name} is not named",
                cells[0]
            );
        }
    }
}

#[test]
fn a_document_that_names_what_is_not_there_would_be_noticed() {
    let files = files();
    let paths = missing_paths(
        "See `shared/core/nowhere.rs`, `nothing.yaml` and events/x/y.json, not `template.yaml`.",
        &files,
    );
    assert_eq!(
        paths,
        ["events/x/y.json", "nothing.yaml", "shared/core/nowhere.rs"]
            .map(str::to_owned)
            .into()
    );
    assert!(
        missing_paths(
            "`template.yaml`, shared/core/src/domain/, `shared/core/src/ports.rs`.",
            &files
        )
        .is_empty()
    );
    assert_eq!(
        broken_links("README.md", "[a](docs/nowhere.md) [b](https://x.example)"),
        ["docs/nowhere.md"]
    );
    assert_eq!(
        broken_links("docs/REASONS.md", "[a](#link_expired) [b](#nowhere)"),
        ["#nowhere"]
    );
    assert_eq!(
        variables("set `NO_SUCH_THING=1`, not A_ or CUID2"),
        ["NO_SUCH_THING"].into()
    );
    assert!(!known_variables().contains("NO_SUCH_THING"));
    assert_eq!(
        capitalised_names("`NoSuchParameter` and `Plain` and Other`x`"),
        ["NoSuchParameter"].into()
    );
    let table = "| case | test |\n|---|---|\n\
                 | a | `xtask/src/main.rs` `main` `nowhere` |\n| b | `xtask/src/nowhere.rs` `main` |\n\n\
                 Also `a_test_that_is_not_there` and `account_already_connected`.";
    assert_eq!(
        missing_tests(table, "fn a_test_that_is_not_there_either("),
        ["nowhere", "main", "a_test_that_is_not_there"]
    );
}
