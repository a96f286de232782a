//! What is measured: our functions, the empty one, and the same listener job in other languages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use latchkey_testing::runtime_api::Program;

use crate::{
    Error,
    machine::first_line,
    stub::{Service, Stub},
};

pub const FUNCTIONS: [&str; 4] = [
    "custom-resource-listener",
    "link-generator",
    "role-verifier",
    "revalidator",
];
/// What Lambda calls the program of each function.
const BINARY: &str = "bootstrap";
pub const EMPTY: &str = "latchkey-empty";
/// The name of the queue of verifications that stacks wait for.
pub const VERIFICATION_QUEUE: &str = "verification";
/// The name of the sweep's queue.
pub const SWEEP_QUEUE: &str = "sweep";
pub const VENDOR_ACCOUNT: &str = "111111111111";

/// What a deployment decides, with the defaults of `template.yaml`; one slot, so that each tick finds everything.
const SETTINGS: [(&str, &str); 22] = [
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
    ("ROLE_PATH", "/latchkey/"),
    ("ON_OPEN_TRUST", "refuse"),
    ("VERIFICATION_DEADLINE_SECONDS", "210"),
    ("AUDIT_RETENTION_DAYS", "400"),
    ("SWEEP_SLOTS", "1"),
    ("DEGRADED_SLOTS", "1"),
    ("SWEEP_TICK_SECONDS", "60"),
    ("PROOF_EVERY_SWEEPS", "7"),
    // The pace shall not be what is measured.
    ("STS_CALLS_PER_SECOND", "10000"),
    ("SWEEP_CONCURRENCY", "1"),
    ("PROBE_CONCURRENCY", "64"),
];
/// The number of slots in `template.yaml`.
pub const SLOTS: u32 = 1_440;
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
pub struct Places {
    /// Our functions, as they are started.
    pub binaries: PathBuf,
    pub repository: PathBuf,
    /// `node`, and the folder with the Node peer and its packages.
    pub node: Option<(PathBuf, PathBuf)>,
    /// `python`, with what Lambda has there for a function, and the folder of the Python peer.
    pub python: Option<(PathBuf, PathBuf)>,
    /// The certificate of the stub's authority.
    pub authority: PathBuf,
}

impl Places {
    /// Finds what `cargo xtask bench` built and installed. The functions are copied: a linker writes here and there into a
    /// file, the kernel then keeps it in smaller pieces, and a start from it takes a tenth longer than from one that was
    /// written from beginning to end, as Lambda writes it.
    pub fn find() -> Result<Self, Error> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let work = repository.join("target/bench");
        let binaries = work.join("unpacked");
        if binaries.exists() {
            std::fs::remove_dir_all(&binaries)?;
        }
        std::fs::create_dir_all(&binaries)?;
        for name in FUNCTIONS.into_iter().chain([EMPTY]) {
            let built = repository.join("target/lambda").join(name).join(BINARY);
            let copied = std::fs::copy(&built, binaries.join(name));
            copied.map_err(|error| format!("{}: {error}", built.display()))?;
        }
        let (node, packages) = (Path::new("node"), work.join("node"));
        let has_node = !first_line(node, "--version").is_empty() && packages.join("node_modules").exists();
        let (python, task) = (work.join("venv/bin/python"), work.join("task"));
        Ok(Self {
            binaries,
            node: has_node.then(|| (node.to_owned(), packages)),
            python: (python.exists() && task.exists()).then_some((python, task)),
            authority: work.join("authority.pem"),
            repository,
        })
    }

    /// The environment of a function that has the stub for AWS.
    fn variables(&self, stub: &Stub) -> BTreeMap<String, String> {
        let fixed = SETTINGS.into_iter().chain(LAMBDA);
        let mut variables: BTreeMap<_, _> = fixed
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
        for service in Service::ALL {
            if let Some(name) = service.endpoint_variable() {
                set(name, stub.url(service));
            }
        }
        let queue = format!("{}/{VENDOR_ACCOUNT}", stub.url(Service::Sqs));
        set("VERIFICATION_QUEUE_URL", format!("{queue}/{VERIFICATION_QUEUE}"));
        set("SWEEP_QUEUE_URL", format!("{queue}/{SWEEP_QUEUE}"));
        set("LOCAL_ANSWER_ENDPOINT", stub.url(Service::Answers));
        // As long as those of a role's session.
        set("AWS_SESSION_TOKEN", "token".repeat(150));
        // Each language has its own name for the file of roots.
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "STUB_AUTHORITY"] {
            set(name, self.authority.display().to_string());
        }
        set("PATH", std::env::var("PATH").unwrap_or_default());
        variables
    }

    pub fn function(&self, name: &str, stub: &Stub) -> Program {
        Program {
            command: vec![self.binaries.join(name).display().to_string()],
            variables: self.variables(stub),
            folder: self.repository.clone(),
        }
    }

    /// The listener's job in Node; none where Node is not installed.
    pub fn node(&self, stub: &Stub) -> Option<Program> {
        let (node, folder) = self.node.as_ref()?;
        Some(Program {
            command: vec![node.display().to_string(), "runtime.mjs".to_owned()],
            variables: self.variables(stub),
            folder: folder.clone(),
        })
    }

    /// The listener's job in Python with crhelper, in AWS's own loop, as its images for containers start it; none where Python
    /// is not installed.
    pub fn python(&self, stub: &Stub) -> Option<Program> {
        let (python, folder) = self.python.as_ref()?;
        let mut variables = self.variables(stub);
        // On Lambda nothing can be written beside the function, so that each start compiles it.
        variables.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
        let arguments = ["-m", "awslambdaric", "with_crhelper.handler"].map(str::to_owned);
        Some(Program {
            command: [python.display().to_string()]
                .into_iter()
                .chain(arguments)
                .collect(),
            variables,
            folder: folder.clone(),
        })
    }
}
