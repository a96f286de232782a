//! Amazon's own DynamoDB Local, where it and Java are: a second implementation of what our table needs.

use std::{path::PathBuf, process::Stdio, time::Duration};

use aws_config::SdkConfig;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    Error, failed,
    local_aws::{HUB_REGION, VENDOR_ACCOUNT, aws, free_port},
    sam_template::repository_path,
};

/// Names the folder that DynamoDB Local was unpacked into, unless that is `target/dynamodb-local`.
const FOLDER_VARIABLE: &str = "LATCHKEY_DYNAMODB_LOCAL";
/// Longest time from the start of Java to the first answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Runs Java until our end of its standard input is closed: also when a test is killed.
const UNTIL_WE_END: &str = r#"java "$@" & java=$!; cat > /dev/null; kill $java; wait $java"#;

/// A running DynamoDB Local with nothing in it. It ends with whoever holds this.
pub struct DynamoDbLocal {
    _java: Child,
    pub config: SdkConfig,
}

impl DynamoDbLocal {
    /// Starts one, or says what is missing for that.
    pub async fn start() -> Result<Result<Self, String>, Error> {
        let folder = std::env::var_os(FOLDER_VARIABLE)
            .map_or_else(|| repository_path("target/dynamodb-local"), PathBuf::from);
        if !folder.join("DynamoDBLocal.jar").exists() {
            return Ok(Err(format!("DynamoDBLocal.jar is not in {}", folder.display())));
        }
        if Command::new("java").arg("-version").output().await.is_err() {
            return Ok(Err("there is no java".to_owned()));
        }
        let port = free_port().await?.to_string();
        let java = Command::new("sh")
            .args(["-c", UNTIL_WE_END, "sh", "-Djava.library.path=DynamoDBLocal_lib"])
            .args(["-jar", "DynamoDBLocal.jar", "-inMemory", "-port", &port])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let config = aws::root(&format!("http://127.0.0.1:{port}"), VENDOR_ACCOUNT, HUB_REGION);
        let client = aws_sdk_dynamodb::Client::new(&config);
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(error) = client.list_tables().send().await {
            if Instant::now() > deadline {
                return Err(failed("starting DynamoDB Local", &error));
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(Ok(Self { _java: java, config }))
    }
}
