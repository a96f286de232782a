//! What is linked into the functions: licences that Apache-2.0 can be shipped with, one registry, one TLS provider.

use std::{collections::BTreeSet, process::Command};

use latchkey_tests::{Error, sam_template::repository_path};
use serde_json::Value;
use spdx::{Expression, LicenseReq};

/// Licences that ask for no more than to be named.
const ALLOWED_LICENCES: &str = "Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC0-1.0 CDLA-Permissive-2.0 ISC MIT \
                                MIT-0 Unicode-3.0 Unlicense Zlib";
/// crates.io, as cargo names it in a lock file.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Crates that must not come in, each with its reason.
const BANNED: [(&str, &str); 4] = [
    ("aws-lc-rs", "ring is the one TLS provider (docs/ARCHITECTURE.md)"),
    (
        "aws-lc-sys",
        "its first random draw costs 30 ms of the first, throttled invocation",
    ),
    (
        "native-tls",
        "ring is the one TLS provider (docs/ARCHITECTURE.md)",
    ),
    (
        "openssl-sys",
        "a function must not depend on a library of its host",
    ),
];

fn packages() -> Result<Vec<Value>, Error> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(repository_path("."))
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}

fn is_allowed(licence: &str) -> bool {
    let allowed = |requirement: &LicenseReq| {
        let id = requirement.license.id().map(|id| id.name);
        id.is_some_and(|id| ALLOWED_LICENCES.split(' ').any(|allowed| allowed == id))
    };
    // Cargo's old form of "or" is a slash.
    Expression::parse(&licence.replace('/', " OR ")).is_ok_and(|expression| expression.evaluate(allowed))
}

#[test]
fn every_dependency_has_a_licence_that_we_can_ship() -> Result<(), Error> {
    let packages = packages()?;
    // The whole tree is looked at, not a part of it.
    assert!(packages.len() > 200);
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_allowed))
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    Ok(())
}

#[test]
fn a_copyleft_or_unknown_licence_would_be_refused() {
    for licence in [
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "MIT AND GPL-2.0-only",
        "SSPL-1.0",
        "Proprietary",
        "",
    ] {
        assert!(!is_allowed(licence), "{licence}");
    }
    assert!(is_allowed("GPL-2.0-only OR MIT") && is_allowed("MIT/Apache-2.0"));
}

#[test]
fn everything_comes_from_the_registry_or_from_here() -> Result<(), Error> {
    let sources: BTreeSet<String> = packages()?
        .iter()
        .filter_map(|package| Some(package["source"].as_str()?.to_owned()))
        .collect();
    assert_eq!(sources, BTreeSet::from([REGISTRY.to_owned()]));
    Ok(())
}

/// What cargo would build, not what a lock file mentions for a feature that nobody asked for.
fn tree(of: &str) -> Result<String, Error> {
    let output = Command::new(env!("CARGO"))
        .args("tree --locked --prefix none --format {p}".split(' '))
        .args(of.split(' '))
        .current_dir(repository_path("."))
        .output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Profiles, `sso` and `login` are for the engineer's tool: `sam build` builds each function by
/// itself, without them.
#[test]
fn no_function_links_the_loader_of_profiles() -> Result<(), Error> {
    let loads = |tree: &str| tree.lines().any(|line| line.starts_with("aws-config "));
    for function in [
        "link-generator",
        "custom-resource-listener",
        "role-verifier",
        "revalidator",
    ] {
        let tree = tree(&format!("--package {function} --edges normal"))?;
        assert!(tree.lines().any(|line| line.starts_with("ring ")), "{function}");
        assert!(!loads(&tree), "{function}");
    }
    assert!(loads(&tree("--package latchkey-customer --edges normal")?));
    Ok(())
}

#[test]
fn no_banned_crate_comes_in() -> Result<(), Error> {
    let tree = tree("--workspace --edges normal,build")?;
    // The tree was read.
    assert!(tree.lines().any(|line| line.starts_with("ring ")));
    for (name, because) in BANNED {
        assert!(
            !tree.lines().any(|line| line.starts_with(&format!("{name} "))),
            "{name}: {because}"
        );
    }
    Ok(())
}

/// Where the profile is silent, `cargo lambda build` takes values of its own, `panic = "abort"` among them: a panic would
/// then end all events of a batch, and a stack would wait for its answer for an hour.
#[test]
fn the_release_profile_is_said_in_full_and_unwinds() -> Result<(), Error> {
    let manifest = std::fs::read_to_string(repository_path("Cargo.toml"))?;
    let (_, release) = manifest
        .split_once("[profile.release]\n")
        .ok_or("no release profile")?;
    let release = release.split("\n\n").next().unwrap_or_default();
    for said in [
        r#"opt-level = "s""#,
        r#"lto = "fat""#,
        "codegen-units = 1",
        r#"panic = "unwind""#,
        r#"strip = "symbols""#,
    ] {
        assert!(
            release.lines().any(|line| line == said),
            "{said} is missing: {release}"
        );
    }
    Ok(())
}
