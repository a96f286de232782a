//! A server on loopback that tests watch for callers: one that nobody should ever call, or one that sends everybody elsewhere.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::Error;

/// It is gone when dropped.
pub struct Trap {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Trap {
    /// One that says yes, so that a function that comes here would believe that it has answered.
    pub async fn set() -> Result<Self, Error> {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await
    }

    /// One that sends whoever asks, whatever they ask, to `location` with this HTTP status.
    pub async fn redirecting(location: &str, status: u16) -> Result<Self, Error> {
        Self::answering(format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ))
        .await
    }

    async fn answering(answer: String) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                // As much as an answer to a stack has; what does not fit does not matter.
                let mut request = [0_u8; 16_384];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Ok(Self {
            address,
            connections,
            task,
        })
    }

    /// How many connections were opened to it, whatever was sent over them.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}
