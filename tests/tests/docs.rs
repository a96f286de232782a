//! What the documents say is so: names, parameters, reasons, tests. That files, links and commands are there is checked
//! by `cargo xtask lint` (`xtask/src/references.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this file is tests only"
)]

use std::{collections::BTreeSet, fs};

use latchkey_core::domain::proof::reason::ReasonCode;
use latchkey_tests::sam_template::{load, repository_path};

/// Where names come from.
const SOURCES: [&str; 6] = [".rs", ".yaml", ".sh", ".py", ".toml", ".jinja"];
/// What each section about a reason tells.
const REASON_PARTS: [&str; 4] = ["What happened", "Customer", "Support", "Retryable"];
/// The documents that name the tests which prove what they say.
const PROVEN_DOCUMENTS: [&str; 2] = ["docs/STACK-LIVES.md", "docs/THREAT-MODEL.md"];
/// What a row says of what no test proves.
const NOT_YET: &str = "**not yet**";
/// The tests that attack.
const HOSTILE_TESTS: &str = "tests/tests/hostile";
/// The cases of the field.
const FIELD_TESTS: &str = "tests/tests/field";
/// Those that went wrong once, numbered from 1.
const FIELD_CASES: usize = 22;
/// Hostile classes there are in the threat model, numbered from 1.
const HOSTILE_CLASSES: usize = 23;
/// Fewest words of a name in backticks that can only be a test's; the longest reason has one less.
const FEWEST_WORDS_OF_A_TEST: usize = 5;

fn read(relative: &str) -> String {
    fs::read_to_string(repository_path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The README and everything in `docs/`: path and text.
fn documents() -> Vec<(String, String)> {
    let in_docs = fs::read_dir(repository_path("docs")).unwrap();
    let paths = in_docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let paths = paths
        .filter(|path| path.ends_with(".md"))
        .chain(["README.md".to_owned()]);
    paths.map(|path| (path.clone(), read(&path))).collect()
}

/// The texts of all sources with one of these endings, without this one.
fn sources(endings: &[&str]) -> Vec<String> {
    let (mut folders, mut texts) = (vec![repository_path("")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name == "target" || name == "node_modules" || name.starts_with('.') || name == "docs.rs" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// What stands between single backticks, outside of code blocks.
fn code_spans(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .collect()
}

/// Names in the style of an environment variable, and names in backticks in the style of a parameter, an output or a
/// type.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let is_variable = |word: &&str| {
        word.contains('_') && word.split('_').all(is_part) && !word.starts_with(|c: char| c.is_ascii_digit())
    };
    let is_capitalised = |span: &&str| {
        span.starts_with(|c: char| c.is_ascii_uppercase())
            && span.chars().all(|c| c.is_ascii_alphanumeric())
            && span.chars().skip(1).any(|c| c.is_ascii_uppercase())
            && span.chars().any(|c| c.is_ascii_lowercase())
    };
    let spans = code_spans(text).into_iter().filter(is_capitalised);
    words(text).filter(is_variable).chain(spans).collect()
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
    source.contains(&format!("fn {name}("))
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
    let is_lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let elsewhere = code_spans(text)
        .into_iter()
        .filter(|span| span.chars().all(is_lower) && span.split('_').count() >= FEWEST_WORDS_OF_A_TEST);
    let elsewhere = elsewhere.filter(|name| !has_function(all_sources, name));
    missing.extend(elsewhere.map(str::to_owned));
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
fn every_name_that_a_document_gives_is_in_a_source() {
    let sources = sources(&SOURCES);
    let known: BTreeSet<&str> = sources.iter().flat_map(|source| words(source)).collect();
    assert!(!known.contains("NO_SUCH_THING"));
    for (path, text) in documents() {
        let unknown: Vec<&str> = names(&text).difference(&known).copied().collect();
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
fn a_deployment_is_made_with_what_our_own_checks_run() {
    let guide = read("docs/DEPLOY.md");
    for (file, tool) in [
        ("xtask/template-lint-requirements.txt", "aws-sam-cli=="),
        ("xtask/cargo-lambda-requirements.txt", "cargo-lambda=="),
        ("xtask/cargo-lambda-requirements.txt", "ziglang=="),
    ] {
        let requirements = read(file);
        let wanted = requirements.lines().find(|line| line.starts_with(tool));
        let found: Vec<&str> = guide
            .split_whitespace()
            .filter(|word| word.starts_with(tool))
            .collect();
        assert_eq!(
            found,
            [wanted.unwrap()],
            "docs/DEPLOY.md names what {file} installs"
        );
    }
}

#[test]
fn every_test_that_a_document_names_is_there_and_every_row_names_one_or_says_that_there_is_none() {
    let all_sources = sources(&[".rs"]).concat();
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
fn each_hostile_class_has_a_row_and_a_file_and_the_row_names_its_tests() {
    let text = read("docs/THREAT-MODEL.md");
    let rows = proven_rows(&text);
    assert_eq!(rows.len(), HOSTILE_CLASSES);
    let entries = fs::read_dir(repository_path(HOSTILE_TESTS)).unwrap();
    let files = entries.map(|entry| entry.unwrap().file_name().display().to_string());
    let files: Vec<String> = files.filter(|name| name.starts_with("class_")).collect();
    assert_eq!(files.len(), HOSTILE_CLASSES, "{files:?}");
    let modules = read(&format!("{HOSTILE_TESTS}/main.rs"));
    for (class, (cells, proof)) in (1..).zip(rows) {
        let row = cells[0];
        assert_eq!(row.split(' ').next(), Some(class.to_string().as_str()), "{row}");
        let status = cells.last().copied().unwrap_or_default();
        let is_said = ["stands", "partly: ", NOT_YET]
            .iter()
            .any(|word| status.starts_with(word));
        assert!(is_said && cells.len() == 4, "{row}: {status}");
        let begin = format!("class_{class:02}_");
        let file = files.iter().find(|name| name.starts_with(&begin)).unwrap();
        let path = format!("{HOSTILE_TESTS}/{file}");
        assert!(proof.starts_with(&format!("`{path}` ")), "{row}: {proof}");
        let module = format!("mod {};", file.trim_end_matches(".rs"));
        assert!(modules.contains(&module), "{file} is not run");
        let source = read(&path);
        assert!(source.contains("\n//! Guard: "), "{file} names no guard");
        let tests = source.split("#[tokio::test]\nasync fn ").skip(1);
        for name in tests.filter_map(|rest| rest.split('(').next()) {
            assert!(code_spans(proof).contains(&name), "{row}: {name} is not named");
        }
    }
}

#[test]
fn each_case_of_the_field_has_its_tests() {
    let entries = fs::read_dir(repository_path(FIELD_TESTS)).unwrap();
    let files = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let files: String = files.collect();
    let table: Vec<&str> = files
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .collect();
    let table = table.join("\n");
    let all_sources = sources(&[".rs"]).concat();
    assert_eq!(missing_tests(&table, &all_sources), Vec::<String>::new());
    let rows = proven_rows(&table);
    let cases: Vec<&str> = rows.iter().map(|(cells, _)| cells[0]).collect();
    let all: Vec<String> = (1..=FIELD_CASES).map(|number| format!("A{number}")).collect();
    assert_eq!(cases[..FIELD_CASES], all);
    let comments = files.lines().filter_map(|line| line.trim().strip_prefix("//"));
    let told: BTreeSet<&str> = comments
        .filter(|comment| !comment.starts_with('!'))
        .flat_map(words)
        .collect();
    for (cells, proof) in rows {
        assert!(told.contains(cells[0]) || !proof.is_empty(), "{}", cells[0]);
    }
}

#[test]
fn a_document_that_names_what_is_not_there_would_be_noticed() {
    let found = names("set `NO_SUCH_THING=1`, not A_, CUID2 or `Plain`; `NoSuchParameter` and Other`x`");
    assert_eq!(found, ["NO_SUCH_THING", "NoSuchParameter"].into());
    let table = "| case | test |\n|---|---|\n\
                 | a | `xtask/src/main.rs` `main` `nowhere` |\n| b | `xtask/src/nowhere.rs` `main` |\n\n\
                 Also `a_test_that_is_not_there` and `account_already_connected`.";
    assert_eq!(
        missing_tests(table, "fn a_test_that_is_not_there_either("),
        ["nowhere", "main", "a_test_that_is_not_there"]
    );
}
