//! A server on loopback that sends everybody elsewhere: what it is asked is answered with a redirect.

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

/// The server; it is gone when dropped.
pub struct Redirect {
    /// Where it listens.
    pub address: SocketAddr,
    answered: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Redirect {
    /// Sends whoever asks, whatever they ask, to `location` with this HTTP status.
    pub async fn to(location: &str, status: u16) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answered = Arc::new(AtomicUsize::new(0));
        let count = answered.clone();
        let answer = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // As much as an answer to a stack has; what does not fit does not matter.
                let mut request = [0_u8; 16_384];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self {
            address,
            answered,
            task,
        })
    }

    /// How many requests it has answered.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        self.task.abort();
    }
}
