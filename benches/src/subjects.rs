//! What is measured: our functions, the empty one, and the same listener job in other languages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    runtime_api::Program,
    stub::{Service, Stub},
};

/// Our functions.
pub const FUNCTIONS: [&str; 4] = [
    "custom-resource-listener",
    "link-generator",
    "role-verifier",
    "revalidator",
];
/// What Lambda calls the program of each function.
const BINARY: &str = "bootstrap";
/// The function that does nothing.
pub const EMPTY: &str = "latchkey-empty";
/// The name of the queue of verifications that stacks wait for.
pub const VERIFICATION_QUEUE: &str = "verification";
/// The name of the sweep's queue.
pub const SWEEP_QUEUE: &str = "sweep";
/// The vendor's account.
pub const VENDOR_ACCOUNT: &str = "111111111111";

/// What a deployment decides, with the defaults of `template.yaml`; one slot, so that each tick finds everything.
const SETTINGS: [(&str, &str); 20] = [
    ("LOG_LEVEL", "info"),
    ("TABLE_NAME", "latchkey-Table-1A221E19959E7"),
    ("TENANT_CLAIM", "custom:tenant"),
    (
        "LISTENER_REGIONS",
        "us-east-1,us-east-2,us-west-1,us-west-2,ap-south-1,ap-northeast-1,ap-northeast-2,ap-northeast-3,\
         ap-southeast-1,ap-southeast-2,ca-central-1,eu-central-1,eu-west-1,eu-west-2,eu-west-3,eu-north-1,sa-east-1",
    ),
    ("LISTENER_TOPIC_NAME", "latchkey-listener"),
    ("DEFAULT_REGION", "us-east-1"),
    ("STACK_NAME_PREFIX", "latchkey-connection"),
    ("REQUIRE_ACCOUNT_ID", "false"),
    ("LISTENER_ACCESS", "open"),
    ("LINK_LIFETIME_SECONDS", "604800"),
    ("VENDOR_ACCOUNT_ID", VENDOR_ACCOUNT),
    ("VERIFICATION_DEADLINE_SECONDS", "210"),
    ("AUDIT_RETENTION_DAYS", "400"),
    (SWEEP_SLOTS, "1"),
    ("DEGRADED_SLOTS", "1"),
    ("SWEEP_TICK_SECONDS", "60"),
    ("PROOF_EVERY_SWEEPS", "7"),
    // The pace shall not be what is measured.
    (STS_CALLS_PER_SECOND, "10000"),
    (SWEEP_CONCURRENCY, "1"),
    (PROBE_CONCURRENCY, "64"),
];
/// Calls of STS that the sweep's verifiers make in a second, all together.
pub const STS_CALLS_PER_SECOND: &str = "STS_CALLS_PER_SECOND";
/// How many of the sweep's verifiers there are.
pub const SWEEP_CONCURRENCY: &str = "SWEEP_CONCURRENCY";
/// How many slots the sweep has.
pub const SWEEP_SLOTS: &str = "SWEEP_SLOTS";
/// The number of slots in `template.yaml`.
pub const SLOTS_OF_TEMPLATE: usize = 1_440;
/// How many connections a verifier checks side by side.
pub const PROBE_CONCURRENCY: &str = "PROBE_CONCURRENCY";
/// What Lambda puts into the environment of each function.
const LAMBDA: [(&str, &str); 11] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLEXX"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "secretsecretsecretsecretsecretsecretsecr",
    ),
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/21/[$LATEST]bench"),
    ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
    ("TZ", ":UTC"),
];

/// Where everything that is measured lies.
#[derive(Debug, Clone)]
pub struct Places {
    /// The release binaries as cargo-lambda leaves them, in a folder each.
    pub built: PathBuf,
    /// Those that are started.
    pub binaries: PathBuf,
    /// The repository.
    pub repository: PathBuf,
    /// `node`, and the folder with the Node peer and its packages.
    pub node: Option<(PathBuf, PathBuf)>,
    /// `python`, with what Lambda has there for a function, and the folder of the Python peer.
    pub python: Option<(PathBuf, PathBuf)>,
    /// The Python that makes the stub's keys.
    pub python_of_keys: PathBuf,
    /// The certificate of the stub's authority.
    pub authority: PathBuf,
}

impl Places {
    /// Has the functions start from files of their own, written from beginning to end as Lambda and package installers write
    /// them. A linker writes here and there: the kernel then keeps the file in smaller pieces, and a start from it takes a
    /// tenth longer.
    pub fn unpack_functions(&self) -> Result<(), Error> {
        std::fs::create_dir_all(&self.binaries)?;
        for name in FUNCTIONS.into_iter().chain([EMPTY]) {
            let (built, file) = (self.built.join(name).join(BINARY), self.binaries.join(name));
            // Not over what is there: the old file's pieces would be used again.
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => std::fs::copy(&built, &file).map_err(|error| format!("{}: {error}", built.display()))?,
            };
        }
        Ok(())
    }

    /// The environment of a function that has the stub for AWS.
    pub fn variables(&self, stub: &Stub, prewarms: bool) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> = SETTINGS
            .into_iter()
            .chain(LAMBDA)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
        for service in Service::ALL {
            if let Some(variable) = service.endpoint_variable() {
                set(variable, stub.url(service));
            }
        }
        let queue = stub.url(Service::Sqs);
        set(
            "VERIFICATION_QUEUE_URL",
            format!("{queue}/{VENDOR_ACCOUNT}/{VERIFICATION_QUEUE}"),
        );
        set(
            "SWEEP_QUEUE_URL",
            format!("{queue}/{VENDOR_ACCOUNT}/{SWEEP_QUEUE}"),
        );
        set("LOCAL_ANSWER_ENDPOINT", stub.url(Service::Answers));
        set("PREWARM_CONNECTIONS", prewarms.to_string());
        // As long as those of a role's session.
        set("AWS_SESSION_TOKEN", "token".repeat(150));
        let authority = self.authority.display().to_string();
        // Each language has its own name for the file of roots.
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "STUB_AUTHORITY"] {
            set(name, authority.clone());
        }
        set("PATH", std::env::var("PATH").unwrap_or_default());
        variables
    }

    /// One of our release binaries.
    pub fn function(&self, name: &str, variables: BTreeMap<String, String>) -> Program {
        self.program(
            vec![self.binaries.join(name).display().to_string()],
            &self.repository,
            variables,
        )
    }

    /// The listener's job in Node; none where Node is not installed.
    pub fn node_peer(&self, variables: BTreeMap<String, String>) -> Option<Program> {
        let (node, folder) = self.node.as_ref()?;
        let command = vec![node.display().to_string(), "runtime.mjs".to_owned()];
        Some(self.program(command, folder, variables))
    }

    /// The listener's job in Python, by boto3 alone or with crhelper; none where Python is not installed.
    pub fn python_peer(&self, handler: &str, variables: BTreeMap<String, String>) -> Option<Program> {
        let (python, folder) = self.python.as_ref()?;
        // AWS's own loop, as its images for containers start it.
        let (loop_of_aws, handler) = ("awslambdaric".to_owned(), format!("{handler}.handler"));
        let command = vec![
            python.display().to_string(),
            "-m".to_owned(),
            loop_of_aws,
            handler,
        ];
        let mut program = self.program(command, folder, variables);
        // On Lambda nothing can be written beside the function, so that each start compiles it.
        let variable = ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
        program.variables.extend([variable]);
        Some(program)
    }

    fn program(&self, command: Vec<String>, folder: &Path, variables: BTreeMap<String, String>) -> Program {
        Program {
            command,
            variables,
            folder: folder.to_owned(),
        }
    }
}
