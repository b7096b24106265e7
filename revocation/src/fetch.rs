//! One answer over HTTP/1.1 into a file, bounded in time, size and redirects.

use crate::error::Error;
use crate::host::Target;
use crate::settings::Settings;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Redirects that are followed.
const REDIRECTS: usize = 3;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(15);

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// A CRL: GET.
    Crl,
    /// An OCSP request (RFC 6960 §A.1): POST.
    Ocsp(Vec<u8>),
}

impl Question {
    const fn limit(&self, settings: &Settings) -> u64 {
        match self {
            Self::Crl => settings.limit,
            Self::Ocsp(_) => envelope::ocsp::MAX_RESPONSE as u64,
        }
    }
}

/// Fetches `url` into the file `to`, which must not exist, and returns its length.
pub(crate) async fn fetch(
    settings: &Settings,
    url: &str,
    question: &Question,
    to: &Path,
) -> Result<u64, Error> {
    let target = Target::parse(url)?;
    let host = target.host.clone();
    let all = fetch_following(settings, target, question, to);
    timeout(settings.timeout, all).await.unwrap_or(Err(Error::Slow { host }))
}

async fn fetch_following(
    settings: &Settings,
    mut target: Target,
    question: &Question,
    to: &Path,
) -> Result<u64, Error> {
    for _ in 0..=REDIRECTS {
        let (response, _connection) = ask(settings, &target, question).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return store(&target.host, response, question.limit(settings), to).await;
        }
        let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
        target = match location {
            Some(location) if status.is_redirection() => target.redirected(location)?,
            _ => return Err(Error::Status { host: target.host, status: status.as_u16() }),
        };
    }
    Err(Error::Redirects { host: target.host })
}

/// Ends the connection's task when the answer is no longer wanted.
struct Connection(tokio::task::AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ask(
    settings: &Settings,
    target: &Target,
    question: &Question,
) -> Result<(Response<hyper::body::Incoming>, Connection), Error> {
    let host = || target.host.clone();
    let slow = |_| Error::Slow { host: host() };
    let http = |source| Error::Http { host: host(), source };
    let stream = timeout(CONNECT, connect(settings, target)).await.map_err(slow)??;
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(http)?;
    let task = tokio::spawn(async move {
        let _ = connection.await;
    });
    let connection = Connection(task.abort_handle());
    let line = if settings.proxy.is_some() { target.uri.to_string() } else { target.path().to_owned() };
    let authority = target.uri.authority().map(|a| a.as_str()).unwrap_or_default();
    let request = Request::builder()
        .uri(line)
        .header(HOST, authority)
        .header(USER_AGENT, "di-exchange")
        .header(CONNECTION, "close");
    let request = match question {
        Question::Crl => request.method(Method::GET).header(ACCEPT, "*/*").body(Full::default()),
        Question::Ocsp(der) => request
            .method(Method::POST)
            .header(ACCEPT, "application/ocsp-response")
            .header(CONTENT_TYPE, "application/ocsp-request")
            .body(Full::new(Bytes::copy_from_slice(der))),
    };
    let request = request.map_err(|_| Error::Address(target.uri.to_string()))?;
    let response = timeout(SILENCE, sender.send_request(request)).await.map_err(slow)?.map_err(http)?;
    Ok((response, connection))
}

/// To the proxy, or to one of the host's addresses that may be asked: the very address that was judged.
async fn connect(settings: &Settings, target: &Target) -> Result<TcpStream, Error> {
    if let Some((host, port)) = &settings.proxy {
        if !settings.internal {
            target.refuse_internal_number()?;
        }
        let unreachable = |source| Error::Unreachable { host: host.clone(), source };
        return TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable);
    }
    let mut last = std::io::ErrorKind::NotFound.into();
    for address in target.resolve(settings.internal).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(Error::Unreachable { host: target.host.clone(), source: last })
}

async fn store(
    host: &str,
    response: Response<hyper::body::Incoming>,
    limit: u64,
    to: &Path,
) -> Result<u64, Error> {
    let too_large = || Error::Answer {
        host: host.to_owned(),
        source: envelope::Error::Answer(envelope::AnswerFault::TooLarge),
    };
    let mut body = response.into_body();
    let announced = hyper::body::Body::size_hint(&body).lower();
    if announced > limit {
        return Err(too_large());
    }
    // On the spot: made on another thread it could come after a stop has cleared up behind this fetch.
    let mut file = tokio::fs::File::from_std(std::fs::File::create_new(to).map_err(Error::folder(to))?);
    let mut length = 0;
    loop {
        let next = timeout(SILENCE, body.frame()).await;
        let Some(frame) = next.map_err(|_| Error::Slow { host: host.to_owned() })? else { break };
        let frame = frame.map_err(|source| Error::Http { host: host.to_owned(), source })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len() as u64;
        if length > limit {
            return Err(too_large());
        }
        file.write_all(&data).await.map_err(Error::folder(to))?;
    }
    file.sync_all().await.map_err(Error::folder(to))?;
    Ok(length)
}
