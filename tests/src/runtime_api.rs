//! Runs a function's real binary as Lambda does, with the variables that it was deployed with.

use latchkey_testing::runtime_api::{Function, Program};

use crate::{
    Error,
    sam_template::{function_binary, repository_path},
    scene::Scene,
};

pub use latchkey_testing::runtime_api::Outcome;

pub type Variables = std::collections::BTreeMap<String, String>;

/// What Lambda adds to the variables of a deployment.
const OF_LAMBDA: [(&str, &str); 4] = [
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "tests"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "tests"),
];

impl Scene {
    /// The variables that a function was deployed with, and those that Lambda and the local AWS add.
    pub async fn variables(&self, function: &str) -> Result<Variables, Error> {
        let answer = aws_sdk_lambda::Client::new(&self.vendor)
            .get_function_configuration()
            .function_name(self.function(function)?)
            .send()
            .await?;
        let deployed = answer
            .environment()
            .and_then(|environment| environment.variables());
        let mut variables: Variables = deployed
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        variables.extend(
            [
                ("AWS_ENDPOINT_URL", self.ready.endpoint.as_str()),
                ("AWS_REGION", self.ready.hub_region.as_str()),
                ("AWS_ACCESS_KEY_ID", self.ready.vendor_account.as_str()),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Ok(variables)
    }
}

/// Starts the binary of a function with these variables and nothing else in its environment.
pub async fn start_function(function: &str, variables: &Variables) -> Result<Function, Error> {
    let mut variables = variables.clone();
    let of_lambda = OF_LAMBDA
        .into_iter()
        .chain([("AWS_LAMBDA_FUNCTION_NAME", function)]);
    variables.extend(of_lambda.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let program = Program {
        command: vec![function_binary(function).display().to_string()],
        variables,
        folder: repository_path(""),
    };
    let started = Function::start(&program).await;
    started.map_err(|error| format!("{error} (run `cargo build --workspace`)").into())
}
