//! The client of the local API: one connection a request, over the Unix socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exit;
use super::failure::Failure;
use crate::api::view::Trouble;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
const LONGEST_ANSWER: usize = 64 << 20;

/// A way to the running service.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// `None` if no service listens at `socket`.
    ///
    /// # Errors
    /// A service listens there, but not to us.
    pub(crate) fn find(socket: &Path) -> Result<Option<Self>, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::labelled(exit::INTERNAL, "no-runtime").because(e))?;
        let client = Self { socket: socket.to_owned(), runtime };
        let tried = client.runtime.block_on(async {
            tokio::time::timeout(CONNECT_WITHIN, crate::api::connect(&client.socket)).await
        });
        match tried {
            Ok(Ok(_)) => Ok(Some(client)),
            Ok(Err(e)) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Ok(Err(e)) if e.kind() == ErrorKind::PermissionDenied => {
                Err(Failure::labelled(exit::UNAVAILABLE, "service-denied").because(e))
            }
            Ok(Err(e)) => Err(Failure::labelled(exit::UNAVAILABLE, "service-silent").because(e)),
            Err(_) => Err(Failure::labelled(exit::UNAVAILABLE, "service-silent")),
        }
    }

    /// Asks for `path` (with query).
    ///
    /// # Errors
    /// What the service says, or that it does not.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, Vec::new())
    }

    /// Sends an order to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body)
            .map_err(|e| Failure::labelled(exit::INTERNAL, "service-other-version").because(e))?;
        self.ask(Method::POST, path, body)
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<T, Failure> {
        let (status, bytes) = self
            .runtime
            .block_on(async {
                tokio::time::timeout(ANSWER_WITHIN, exchange(&self.socket, method, path, body)).await
            })
            .map_err(|_| Failure::labelled(exit::UNAVAILABLE, "service-silent"))?
            .map_err(|e| Failure::labelled(exit::UNAVAILABLE, "service-silent").because(e))?;
        let other = |e| Failure::labelled(exit::UNAVAILABLE, "service-other-version").because(e);
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(other);
        }
        let trouble: Trouble = serde_json::from_slice(&bytes).map_err(other)?;
        Err(refused(status, trouble))
    }
}

async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = crate::api::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "di-node")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await?.to_bytes();
    driver.abort();
    Ok((status, bytes))
}

fn refused(status: StatusCode, trouble: Trouble) -> Failure {
    let error = trouble.error;
    let code = match error.label.as_str() {
        "not-found" | "id-ambiguous" => exit::NOT_FOUND,
        _ if status.is_server_error() => exit::UNAVAILABLE,
        _ => exit::FAILED,
    };
    // An id or a list of ids belongs to the sentence; anything else is a cause, in the words of the part that failed.
    let named = matches!(error.label.as_str(), "not-found" | "id-ambiguous");
    let what = if named { format!("{}：{}", error.what, error.detail) } else { error.what };
    let failure = Failure::new(code, error.label, what).remedy(error.remedy);
    if named || error.detail.is_empty() { failure } else { failure.because(error.detail) }
}

/// A value as part of a path or query: everything but unreserved characters is escaped (RFC 3986 §2.1).
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
