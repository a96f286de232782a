//! As much of an HTTP/1.1 server as the clients in tests and benchmarks speak: one request at a time on a
//! connection, with a content length or in chunks.

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use crate::Error;

/// Longest body that is read, in bytes: far above anything that is sent here.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// A request as it came.
#[derive(Debug, Default, Clone)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The header `x-amz-target`: which operation of a JSON protocol is meant.
    pub target: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status and its phrase, such as `200 OK`.
    pub status: &'static str,
    /// Headers besides the length, each with its line's end.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with this type of content.
    pub fn new(status: &'static str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: format!("content-type: {content_type}\r\n"),
            body: body.into(),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = format!(
            "HTTP/1.1 {}\r\n{}content-length: {}\r\n\r\n",
            self.status,
            self.headers,
            self.body.len()
        )
        .into_bytes();
        bytes.extend(self.body);
        bytes
    }
}

/// One connection of a client.
pub struct Connection<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes a stream over.
    pub fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// The next request; none when the client has gone.
    pub async fn request(&mut self) -> Result<Option<Request>, Error> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Request::default()
        };
        let (mut length, mut is_chunked, mut asks_first) = (0, false, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
                "x-amz-target" => request.target = Some(value.to_owned()),
                "expect" => asks_first = true,
                _ => {}
            }
        }
        if asks_first {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        if length > MAX_BODY {
            return Err("a body that is too long".into());
        }
        request.body = vec![0; length];
        self.stream.read_exact(&mut request.body).await?;
        while is_chunked {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let size = usize::from_str_radix(line.trim(), 16)?;
            if request.body.len() + size > MAX_BODY {
                return Err("a body that is too long".into());
            }
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).await?;
            request.body.extend_from_slice(&chunk[..size]);
            is_chunked = size > 0;
        }
        Ok(Some(request))
    }

    /// Answers the last request.
    pub async fn respond(&mut self, response: Response) -> Result<(), Error> {
        self.stream.write_all(&response.into_bytes()).await?;
        Ok(self.stream.flush().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_with_a_length_and_in_chunks_are_read_one_after_the_other() -> Result<(), Error> {
        let (mut client, server) = tokio::io::duplex(1_024);
        client
            .write_all(
                b"POST / HTTP/1.1\r\nX-Amz-Target: A.B\r\nContent-Length: 2\r\n\r\nhi\
                  PUT /x?y=1 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            )
            .await?;
        client.shutdown().await?;
        let mut connection = Connection::new(server);
        let first = connection.request().await?.ok_or("nothing came")?;
        assert_eq!(
            (first.method.as_str(), first.body.as_slice()),
            ("POST", &b"hi"[..])
        );
        assert_eq!(first.target.as_deref(), Some("A.B"));
        let second = connection.request().await?.ok_or("nothing came")?;
        assert_eq!(
            (second.path.as_str(), second.body.as_slice()),
            ("/x?y=1", &b"abcde"[..])
        );
        assert!(connection.request().await?.is_none());
        Ok(())
    }
}
