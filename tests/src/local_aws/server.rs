//! The process of the local AWS.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{CLOUDFORMATION_ACCOUNT, VENDOR_ACCOUNT};
use crate::{Error, failed, http_client, sam_template::repository_path};

/// Longest time that the server may take to answer; it takes half a second.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time that it may take to end after a SIGTERM, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A running server. Dropped, it is killed, and its supervisor ends everything it started.
pub struct Server {
    child: Child,
    data_dir: PathBuf,
    endpoint: String,
}

/// The folder of everything that the local AWS needs and writes.
pub fn work_dir() -> PathBuf {
    repository_path("target/local-aws")
}

impl Server {
    pub async fn start(port: Option<u16>) -> Result<Self, Error> {
        let python = work_dir().join("venv/bin/python");
        if !python.exists() {
            return Err(format!("{} is missing; `cargo xtask` installs it", python.display()).into());
        }
        let port = match port {
            Some(port) => {
                // Somebody else there would answer in our server's place.
                tokio::net::TcpListener::bind(("127.0.0.1", port))
                    .await
                    .map_err(|error| failed(&format!("port {port} is not free"), &error))?;
                port
            }
            None => free_port().await?,
        };
        let data_dir = work_dir().join(format!("data-{}-{port}", std::process::id()));
        tokio::fs::create_dir_all(&data_dir)
            .await
            .map_err(|error| failed("making the data folder", &error))?;
        let log = std::fs::File::create(data_dir.join("server.log"))?;
        let child = Command::new(&python)
            .arg(repository_path("xtask/local-aws/launcher.py"))
            .args(["--port", &port.to_string(), "--account", VENDOR_ACCOUNT])
            .args(["--cloudformation-account", CLOUDFORMATION_ACCOUNT])
            .arg("--data-dir")
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Its own group: Ctrl-C reaches us alone, and we end it in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("starting the local AWS", &error))?;
        let mut server = Self {
            child,
            data_dir,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        server.wait_until_ready().await?;
        Ok(server)
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let health = format!("{}/_ministack/health", self.endpoint);
        let client = http_client(Duration::from_secs(2))?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the local AWS ended with {status}: {}", self.log_tail().await).into());
            }
            if let Ok(answer) = client.get(&health).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the local AWS does not answer: {}", self.log_tail().await).into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn log_tail(&self) -> String {
        let log = tokio::fs::read_to_string(self.data_dir.join("server.log"))
            .await
            .unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub async fn stop(mut self) -> Result<(), Error> {
        if let Some(pid) = self.child.id() {
            // The one way to send a SIGTERM without unsafe code or a crate for it.
            let status = Command::new("kill").arg(pid.to_string()).status().await?;
            if !status.success()
                || tokio::time::timeout(STOP_TIMEOUT, self.child.wait())
                    .await
                    .is_err()
            {
                self.child.kill().await?;
            }
        }
        remove(&self.data_dir).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Best effort: whoever drops a server instead of stopping it has another error to tell.
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

async fn remove(data_dir: &Path) -> Result<(), Error> {
    match tokio::fs::remove_dir_all(data_dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed("removing the data folder", &error))
        }
        _ => Ok(()),
    }
}

/// A port that nobody listens on.
pub async fn free_port() -> Result<u16, Error> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.port())
}
