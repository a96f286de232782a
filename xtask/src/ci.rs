//! What CI runs.

use std::{fs::File, path::Path, process::Command};

use crate::{
    lint, python,
    steps::{self, Error, cargo},
    test,
};

/// Every check, cheap ones first; the tests replace this process, so they come last.
pub fn run() -> Result<(), Error> {
    steps::run(
        "formatting",
        Command::new(cargo()).args(["fmt", "--all", "--check"]),
    )?;
    lint::run()?;
    steps::run(
        "clippy",
        Command::new(cargo()).args("clippy --locked --workspace --all-targets -- -D warnings".split(' ')),
    )?;
    // What is installed here waits for the network, the build for the processors.
    let installs = std::thread::spawn(|| python::install_checkov().and(python::install_aws_lists()));
    steps::workspace_build(&["--all-targets"])?;
    installs.join().map_err(|_| "installing the checks panicked")??;
    manifest()?;
    template_lint()?;
    test(&[])
}

/// Whether the permissions manifest may be asked of customers, and everything is rendered from it as it stands.
pub fn manifest() -> Result<(), Error> {
    let publisher = steps::target_dir().join("debug/latchkey-publish");
    steps::run("checking the manifest", Command::new(&publisher).arg("check"))?;
    steps::run(
        "comparing what is rendered from it",
        Command::new(&publisher).args(["render", "--check"]),
    )?;
    python::check_manifest()
}

/// `sam validate --lint` for the vendor's template, cfn-lint for the two that CloudFormation gets as they are. The
/// customer's is linted as it is published: with values in the place of its placeholders.
fn template_lint() -> Result<(), Error> {
    let bin = python::install_template_lint()?;
    steps::run(
        "sam validate --lint",
        Command::new(bin.join("sam"))
            .args("validate --lint --template template.yaml --region us-east-1".split(' '))
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", "us-east-1"),
    )?;
    let example = steps::target_dir().join("template-lint/latchkey-connection.yaml");
    steps::run(
        "rendering the customer template",
        Command::new(steps::target_dir().join("debug/latchkey-publish"))
            .arg("--print-example")
            .stdout(File::create(&example)?),
    )?;
    steps::run(
        "cfn-lint",
        Command::new(bin.join("cfn-lint"))
            .arg("functions/custom-resource-listener/listener-topic.yaml")
            .arg(&example),
    )?;
    // Its own services are not asked: a check must not depend on them.
    let checkov = python::install_checkov()?.join("checkov");
    for (what, flag, of) in [
        ("checkov", "--file", example.as_path()),
        (
            "checkov for the Terraform module",
            "--directory",
            Path::new("customer/rendered/terraform"),
        ),
    ] {
        let quietly = ["--quiet", "--compact", "--skip-download", flag];
        steps::run(what, Command::new(&checkov).args(quietly).arg(of))?;
    }
    Ok(())
}
