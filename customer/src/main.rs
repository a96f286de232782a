//! `latchkey-publish`: renders what customers get from the permissions manifest, checks it, and publishes it for a deployed
//! vendor stack.

use std::{collections::HashMap, io::Write as _, path::PathBuf, process::ExitCode};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use jiff::Timestamp;
use latchkey_aws::{
    aws_clients::{connector, http_client},
    config::local_endpoint::LocalEndpoint,
    dynamodb::DynamoDbStore,
    public_reader::AnonymousReader,
    telemetry::causes,
    trust::Roots,
};
use latchkey_core::domain::sweep::SweepPlan;
use latchkey_customer::{
    bundle::Bundle,
    check::check,
    deployment::Deployment,
    preflight::{self, Level, Plan},
    publish::{cause, publish},
    rendering::{Source, release, render_all, repository_folder, stale, write},
    verify::{Checked, Finding, verify},
};

const USAGE: &str = "\
Renders what customers run and read from customer/permissions.yaml, and publishes it.

  latchkey-publish render             render everything
  latchkey-publish render --check     only tell which rendered files are stale
  latchkey-publish check              refuse a manifest that asks too much, and a released version that changed
  latchkey-publish release            keep the version of version.txt for ever: customer/versions/<version>.json and
                                      the template's text beside it

  latchkey-publish --stack-name <name> [--region <region>]
                                      publish for a deployed vendor stack, and make new launch links point to it
  latchkey-publish --stack-name <name> [--region <region>] --print
                                      only print the template that would be published
  latchkey-publish --print-example    print it with example values, for linters
  latchkey-publish --stack-name <name> [--region <region>] --verify
                                      compare what lies in the bucket with what was published, and read it as customers do
  latchkey-publish preflight --stack-name <name> [--region <region>] [Parameter=Value ...]
                                      ask, read only, what would fail a deployment with these parameters of template.yaml
  latchkey-publish backfill --stack-name <name> [--region <region>]
                                      after an update from 0.1.0: write what its connections lack, so that a search
                                      over all tenants finds them; again, it changes nothing

`--folder <folder>` works on another folder than the repository's customer/. Credentials and region come from where the AWS CLI has
them: the environment, and profiles with keys, roles, `credential_process`, `sso` or `login`.";

/// The command that asks before a deployment.
const PREFLIGHT: &str = "preflight";

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the command line asks for.
enum Job {
    Help,
    Render {
        check_only: bool,
    },
    Check,
    Release,
    PrintExample,
    Publish {
        stack_name: String,
        region: Option<String>,
        what: What,
    },
    Preflight {
        stack_name: String,
        region: Option<String>,
        parameters: Vec<String>,
    },
}

/// What to do with a deployment.
#[derive(Clone, Copy)]
enum What {
    Publish,
    Print,
    Verify,
    Backfill,
}

/// The job and the folder that it is about.
fn parse(mut arguments: lexopt::Parser) -> Result<(Job, PathBuf), Error> {
    use lexopt::{Arg::*, ValueExt as _};

    let (mut stack_name, mut region, mut folder) = (None, None, repository_folder().to_owned());
    let (mut word, mut what, mut check_only, mut example) = (None, What::Publish, false, false);
    let mut parameters = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("stack-name") => stack_name = Some(arguments.value()?.string()?),
            Long("region") => region = Some(arguments.value()?.string()?),
            Long("folder") => folder = PathBuf::from(arguments.value()?),
            Long("print") => what = What::Print,
            Long("verify") => what = What::Verify,
            Long("check") => check_only = true,
            Long("print-example") => example = true,
            Long("help") | Short('h') => return Ok((Job::Help, folder)),
            Value(value) if word.is_none() => word = Some(value.string()?),
            Value(value) if word.as_deref() == Some(PREFLIGHT) => parameters.push(value.string()?),
            _ => return Err(format!("{}\n\n{USAGE}", argument.unexpected()).into()),
        }
    }
    let job = match (word.as_deref(), stack_name) {
        (Some("render"), None) => Job::Render { check_only },
        (Some("check"), None) => Job::Check,
        (Some("release"), None) => Job::Release,
        (None, None) if example => Job::PrintExample,
        (Some(PREFLIGHT), Some(stack_name)) => Job::Preflight {
            stack_name,
            region,
            parameters,
        },
        (None, Some(stack_name)) => Job::Publish {
            stack_name,
            region,
            what,
        },
        (Some("backfill"), Some(stack_name)) => Job::Publish {
            stack_name,
            region,
            what: What::Backfill,
        },
        (Some("backfill"), None) => return Err(format!("--stack-name is missing\n\n{USAGE}").into()),
        (Some(other), None) => return Err(format!("unknown command {other}\n\n{USAGE}").into()),
        (None, None) => return Err(format!("a command or --stack-name is missing\n\n{USAGE}").into()),
        (Some(_), Some(_)) => {
            return Err(format!("--stack-name is for publishing and preflight\n\n{USAGE}").into());
        }
    };
    if check_only && !matches!(job, Job::Render { .. }) {
        return Err(format!("--check is for render\n\n{USAGE}").into());
    }
    Ok((job, folder))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match parse(lexopt::Parser::from_env()) {
        Ok((job, folder)) => run(job, folder).await,
        Err(error) => Err(error),
    };
    let text = match done {
        Ok(text) => text,
        Err(error) => {
            // Nobody is left to tell where stderr is closed.
            let _ = writeln!(std::io::stderr(), "latchkey-publish: {error}");
            return ExitCode::FAILURE;
        }
    };
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn run(job: Job, folder: PathBuf) -> Result<String, Error> {
    if let Job::Preflight {
        stack_name,
        region,
        parameters,
    } = &job
    {
        return ask_before(stack_name, region.clone(), parameters).await;
    }
    if matches!(job, Job::Help) {
        return Ok(USAGE.to_owned());
    }
    let source = Source::read(&folder)?;
    match job {
        Job::Help | Job::Preflight { .. } => Ok(USAGE.to_owned()),
        Job::Render { check_only: false } => {
            let changed = write(&folder, &render_all(&source)?)?;
            Ok(if changed.is_empty() {
                "nothing changed".to_owned()
            } else {
                changed.join("\n")
            })
        }
        Job::Render { check_only: true } => {
            let stale = stale(&folder, &render_all(&source)?)?;
            if stale.is_empty() {
                return Ok("everything rendered is up to date".to_owned());
            }
            Err(format!("stale, run `cargo xtask render`:\n{}", stale.join("\n")).into())
        }
        Job::Check => {
            let mut problems: Vec<String> = check(&source.manifest).iter().map(ToString::to_string).collect();
            problems.extend(source.version_problems()?);
            // What CloudFormation would not take: too long, or a placeholder that nobody fills in.
            if let Err(error) = Bundle::of(&source, &Deployment::example()?) {
                problems.push(error.to_string());
            }
            if problems.is_empty() {
                return Ok("the manifest asks for nothing that it may not".to_owned());
            }
            Err(problems.join("\n").into())
        }
        Job::Release => Ok(format!(
            "{}: commit all of customer/versions/",
            release(&folder, &source)?
        )),
        Job::PrintExample => template(&source, &Deployment::example()?),
        Job::Publish {
            stack_name,
            region,
            what,
        } => to_aws(&source, &stack_name, region, what).await,
    }
}

async fn backfill(config: &SdkConfig, table: String) -> Result<String, Error> {
    // It writes nothing that has a slot or a time.
    let plan = SweepPlan {
        slots: 1,
        degraded_slots: 1,
    };
    let store = DynamoDbStore::for_sweeping(config, table, plan);
    let connections = store.backfill().await.map_err(|error| causes(&error))?;
    Ok(format!(
        "{connections} connections are found by id, role and account over all tenants"
    ))
}

async fn to_aws(
    source: &Source,
    stack_name: &str,
    region: Option<String>,
    what: What,
) -> Result<String, Error> {
    let connector = connector(&Roots::Host);
    let config = aws(region, &connector).await?;
    let mut deployment = deployment(&config, stack_name).await?;
    deployment.bucket_region = bucket_region(&config, &deployment).await?;
    let in_its_region = Region::new(deployment.bucket_region.to_string());
    let s3 = aws_sdk_s3::Client::new(&config.to_builder().region(in_its_region).build());
    let local = config.endpoint_url().and_then(LocalEndpoint::parse);
    let reader = AnonymousReader::new(connector, local);
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    match what {
        What::Print => return template(source, &deployment),
        What::Backfill => return backfill(&config, deployment.table).await,
        What::Verify => return report(&verify(&s3, &dynamodb, &reader, &deployment).await?),
        What::Publish => {}
    }
    let problems = check(&source.manifest);
    if let Some(problem) = problems.first() {
        return Err(format!("the manifest is refused: {problem}").into());
    }
    let published = publish(&s3, &dynamodb, &reader, &deployment, source, Timestamp::now()).await?;
    let files = published
        .files
        .iter()
        .map(|file| format!("\n{:8} {}", "file", file.url));
    let release = if source.is_released() {
        ""
    } else {
        "\nrun `latchkey-publish release` and commit: this version must not change any more"
    };
    let before = published
        .earlier
        .last()
        .map_or(String::new(), |former| format!(" (before: {})", former.regions));
    Ok(format!(
        "version  {}\nsha256   {}\nurl      {}\nregions  {}{before}{}{release}",
        published.version,
        published.sha256,
        published.url,
        published.regions,
        files.collect::<String>()
    ))
}

fn template(source: &Source, deployment: &Deployment) -> Result<String, Error> {
    Ok(String::from_utf8(
        Bundle::of(source, deployment)?.template.content,
    )?)
}

/// One line for each published template; an error unless all of them are as they were published.
fn report(checked: &[Checked]) -> Result<String, Error> {
    let lines: Vec<String> = checked
        .iter()
        .map(|it| {
            let finding = match it.finding {
                Finding::AsPublished => "as published".to_owned(),
                Finding::Changed => {
                    "CHANGED: withdraw the links of this version, and see who wrote to the bucket".to_owned()
                }
                Finding::Gone => "GONE: links of this version open no template".to_owned(),
                Finding::OtherRegions => {
                    "OTHER REGIONS: it lists others than the deployment serves now; publish again".to_owned()
                }
                Finding::Unreadable(status) => format!(
                    "UNREADABLE: customers get {status}; look at the account's S3 Block Public Access and the bucket's policy"
                ),
            };
            let current = if it.is_current { " (current)" } else { "" };
            format!("{} {}{current}: {finding}", it.version, it.sha256)
        })
        .collect();
    if checked.is_empty() {
        Err("nothing was published yet".into())
    } else if checked.iter().all(|it| it.finding == Finding::AsPublished) {
        Ok(lines.join("\n"))
    } else {
        Err(format!("not every template is as it was published\n{}", lines.join("\n")).into())
    }
}

/// Says what a deployment would fail for; an error where something does.
async fn ask_before(
    stack_name: &str,
    region: Option<String>,
    parameters: &[String],
) -> Result<String, Error> {
    let connector = connector(&Roots::Host);
    let config = aws(region, &connector).await?;
    let hub = config.region().map(Region::as_ref).unwrap_or_default();
    let plan = Plan::new(stack_name, hub, parameters)?;
    let findings = preflight::run(&config, &connector, &plan).await;
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    if findings.iter().any(|finding| finding.level == Level::Stop) {
        return Err(format!("this deployment would fail\n{}", lines.join("\n")).into());
    }
    Ok(lines.join("\n"))
}

async fn aws(region: Option<String>, connector: &SharedHttpConnector) -> Result<SdkConfig, Error> {
    // The engineer's machine: profiles and all that the SDK's loader finds, and what the machine trusts.
    let client = http_client(connector.clone());
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(client);
    let config = match region {
        Some(region) => loader.region(Region::new(region)).load().await,
        None => loader.load().await,
    };
    if config.region().is_none() {
        return Err("no region is configured: give --region, the region of the vendor stack".into());
    }
    Ok(config)
}

/// Where the bucket is: S3 tells it also by refusing, where it is asked elsewhere.
async fn bucket_region(
    config: &SdkConfig,
    deployment: &Deployment,
) -> Result<latchkey_core::domain::aws::Region, Error> {
    let asked = aws_sdk_s3::Client::new(config)
        .head_bucket()
        .bucket(&deployment.bucket)
        .send()
        .await;
    let named =
        match &asked {
            Ok(answer) => answer.bucket_region(),
            Err(error) => {
                let headers = error.raw_response().map(|response| response.headers());
                let named = headers.and_then(|headers| headers.get("x-amz-bucket-region"));
                Some(named.ok_or_else(|| {
                    format!("looking for the bucket {}: {}", deployment.bucket, cause(error))
                })?)
            }
        };
    match named {
        Some(region) => Ok(latchkey_core::domain::aws::Region::parse(region)?),
        None => Ok(deployment.region.clone()),
    }
}

async fn deployment(config: &SdkConfig, stack_name: &str) -> Result<Deployment, Error> {
    let answer = aws_sdk_cloudformation::Client::new(config)
        .describe_stacks()
        .stack_name(stack_name)
        .send()
        .await
        .map_err(|error| format!("reading the stack {stack_name}: {}", cause(&error)))?;
    let stack = answer
        .stacks()
        .first()
        .ok_or(format!("there is no stack {stack_name}"))?;
    let outputs: HashMap<String, String> = stack
        .outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
        .collect();
    Ok(Deployment::from_outputs(
        stack.stack_id().unwrap_or_default(),
        &outputs,
    )?)
}
