//! What the tests of the renderings share: a copy of `customer/` to change, the command, and documents of each road.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use latchkey_customer::rendering::repository_folder;
use serde_json::Value;
use tempfile::TempDir;

pub mod cloudformation;

/// The tiers that the repository offers.
pub const TIERS: [&str; 5] = [
    "self-check",
    "account-basics",
    "inventory",
    "inventory-cost",
    "tagging",
];

/// A copy of `customer/`, without its code.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    pub fn of_repository() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "permissions.yaml",
            "version.txt",
            "CHANGELOG.md",
            "SECURITY.md",
            "connection-template.yaml",
            "tier.json",
        ] {
            fs::copy(repository_folder().join(name), folder.path().join(name)).unwrap();
        }
        for name in ["versions", "rendered"] {
            copy_folder(&repository_folder().join(name), &folder.path().join(name));
        }
        Self { folder }
    }

    /// The same as if its version were not released yet: texts and permissions may still change.
    pub fn unreleased() -> Self {
        let copy = Self::of_repository();
        copy.forget(copy.read("version.txt").trim_end());
        copy
    }

    /// Takes a version from the released ones.
    pub fn forget(&self, version: &str) {
        let copy = self;
        for ending in ["json", "yaml"] {
            let kept = copy.path(&format!("versions/{version}.{ending}"));
            if kept.exists() {
                fs::remove_file(kept).unwrap();
            }
        }
        let digests: Vec<String> = copy
            .read("versions/SHA256SUMS")
            .lines()
            .filter(|line| !line.ends_with(&format!("  {version}.json")))
            .map(|line| format!("{line}\n"))
            .collect();
        copy.write("versions/SHA256SUMS", &digests.concat());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    #[track_caller]
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not contain {from}");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// Runs the command on the copy.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_latchkey-publish"))
            .args(arguments)
            .arg("--folder")
            .arg(self.folder.path())
            .output()
            .unwrap()
    }

    #[track_caller]
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            !output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stderr).unwrap()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The policy of a tier as it is rendered for those who make the role by hand, with a customer's values.
pub fn iam_policy(copy: &Copy, tier: &str) -> Value {
    json_with_values(&copy.read(&format!("rendered/iam/{tier}.json")))
}

/// The trust policy for those who make the role by hand, with a customer's values.
pub fn iam_trust(copy: &Copy) -> Value {
    json_with_values(&copy.read("rendered/iam/trust-policy.json"))
}

/// The ARN of the role in these tests.
pub const ROLE_ARN: &str = "arn:aws:iam::222222222222:role/latchkey-connection";
/// The external ID in these tests.
pub const EXTERNAL_ID: &str = "tz4a98xxat96iws9zmbrgj3atz4a98xx";

fn json_with_values(text: &str) -> Value {
    let filled = [
        ("__PARTITION__", "aws"),
        ("YOUR_ACCOUNT_ID", "222222222222"),
        ("YOUR_REGION", "eu-west-1"),
        ("YOUR_ROLE_ARN", ROLE_ARN),
        ("YOUR_EXTERNAL_ID", EXTERNAL_ID),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    serde_json::from_str(&filled).unwrap()
}
