//! No dangling reference: what a comment or a document names is in the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    lint::files_below,
    steps::{Error, root},
};

/// Words that name texts which are not in the repository: say the fact itself.
const TEXTS_ELSEWHERE: [&str; 6] = [
    "DESIGN \"",
    "AWS-FACTS",
    "list of issue",
    "the design's",
    "of the design",
    "in the design",
];
/// Sources whose comments are read, and how a comment begins in them.
const SOURCES: [(&str, &str); 6] = [
    (".rs", "//"),
    (".py", "#"),
    (".sh", "#"),
    (".toml", "#"),
    (".yaml", "#"),
    (".jinja", "#"),
];
/// Endings of what is taken for the name of a file.
const FILE_ENDINGS: [&str; 8] = [".json", ".md", ".py", ".rs", ".sh", ".toml", ".txt", ".yaml"];
/// This file has the words in itself.
const THIS_FILE: &str = "xtask/src/references.rs";

/// Names every reference that leads nowhere.
pub fn check(broken: &mut Vec<String>) -> Result<(), Error> {
    let mut files = Vec::new();
    for path in files_below(&root())? {
        files.push(path.strip_prefix(root())?.display().to_string());
    }
    for file in files.iter().filter(|file| *file != THIS_FILE) {
        let comment = SOURCES.iter().find(|(ending, _)| file.ends_with(ending));
        let is_document = file.ends_with(".md");
        if comment.is_none() && !is_document {
            continue;
        }
        let text = fs::read_to_string(root().join(file))?;
        let mut found = elsewhere(&text);
        match comment {
            Some((_, begin)) => found.extend(files_in_comments(&text, begin, &files)),
            None => {
                found.extend(missing_links(file, &text));
                found.extend(missing_paths(&text, &files));
                found.extend(unknown_commands(&text));
            }
        }
        broken.extend(
            found
                .into_iter()
                .map(|name| format!("{file}: `{name}` is not here")),
        );
    }
    Ok(())
}

fn elsewhere(text: &str) -> Vec<String> {
    let named = TEXTS_ELSEWHERE.iter().filter(|word| text.contains(**word));
    named.map(|&word| word.to_owned()).collect()
}

/// Runs of characters that a path can have, without the full stop of a sentence.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let is_path_char = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    text.split(move |c| !is_path_char(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| !word.is_empty())
}

/// Whether a path, or a part of one from some folder on, is that of a file or a folder.
fn is_there(path: &str, files: &[String]) -> bool {
    let path = Path::new(path.trim_end_matches('/'));
    let mut files = files.iter().map(Path::new);
    files.any(|file| file.starts_with(path) || file.ends_with(path))
}

/// Whether a path begins with a folder at the top of the repository.
fn is_in_a_folder_of_ours(path: &str, files: &[String]) -> bool {
    let top = path.split_once('/').map(|(top, _)| Path::new(top));
    let top = top.filter(|top| *top != Path::new(""));
    top.is_some_and(|top| {
        files
            .iter()
            .any(|file| file.contains('/') && Path::new(file).starts_with(top))
    })
}

fn files_in_comments(text: &str, begin: &str, files: &[String]) -> Vec<String> {
    let comments = text.lines().filter_map(|line| line.split_once(begin));
    let named = comments.flat_map(|(_, comment)| paths(comment));
    let ours = named.filter(|name| name.ends_with(".md") || is_in_a_folder_of_ours(name, files));
    ours.filter(|name| !is_there(name, files))
        .map(str::to_owned)
        .collect()
}

/// What stands between single backticks, outside of code blocks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// Files that a document names: whatever begins with a folder of ours, and a bare file name in backticks.
fn missing_paths(text: &str, files: &[String]) -> Vec<String> {
    let by_folder = paths(text).filter(|word| is_in_a_folder_of_ours(word, files));
    let is_name = |span: &&str| {
        let ending = FILE_ENDINGS.iter().find(|ending| span.ends_with(**ending));
        paths(span).next() == Some(*span) && ending.is_some_and(|ending| span.len() > ending.len())
    };
    let by_name = code_spans(text)
        .filter(|span| !span.contains('/'))
        .filter(is_name);
    let missing = by_folder.chain(by_name).filter(|name| !is_there(name, files));
    missing.map(str::to_owned).collect()
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_anchor(text: &str, fragment: &str) -> bool {
    let lines = text.split("```").step_by(2).flat_map(str::lines);
    let mut headings = lines.filter(|line| line.starts_with('#'));
    headings.any(|line| anchor(line.trim_start_matches('#')) == fragment)
}

/// Links of the document `file` into the repository that lead nowhere.
fn missing_links(file: &str, text: &str) -> Vec<String> {
    let path = root().join(file);
    let leads_nowhere = |target: &&str| {
        let (name, fragment) = target.split_once('#').unwrap_or((target, ""));
        let to = match name {
            "" => path.clone(),
            name => path
                .parent()
                .map_or_else(PathBuf::new, |folder| folder.join(name)),
        };
        !to.exists()
            || !fragment.is_empty() && !fs::read_to_string(to).is_ok_and(|text| has_anchor(&text, fragment))
    };
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://"));
    inside.filter(leads_nowhere).map(str::to_owned).collect()
}

/// Commands of ours that `main.rs` does not have.
fn unknown_commands(text: &str) -> Vec<String> {
    let main = include_str!("main.rs");
    let words = text.split("cargo xtask ").skip(1);
    let names = words.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next());
    let unknown = names.filter(|name| !main.contains(&format!("\"{name}\" =>")));
    unknown.map(|name| format!("cargo xtask {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_there_is_named() {
        let files = ["docs/REASONS.md", "shared/src/lib.rs"].map(str::to_owned);
        let text = "See `shared/src/nowhere.rs`, `nothing.yaml` and docs/x.json, not `lib.rs`, shared/src/.";
        let missing = ["shared/src/nowhere.rs", "docs/x.json", "nothing.yaml"];
        assert_eq!(missing_paths(text, &files), missing);
        let source = "let x = 1; // see NOTES.md and REASONS.md\nlet file = \"other.md\";\n";
        assert_eq!(files_in_comments(source, "//", &files), ["NOTES.md"]);
        let links =
            "[a](docs/nowhere.md) [b](https://x.example) [c](docs/REASONS.md#link_expired) [d](#none)";
        assert_eq!(missing_links("README.md", links), ["docs/nowhere.md", "#none"]);
        assert_eq!(
            unknown_commands("`cargo xtask fly`, `cargo xtask lint`"),
            ["cargo xtask fly"]
        );
        assert_eq!(elsewhere("as AWS-FACTS says"), ["AWS-FACTS"]);
    }
}
