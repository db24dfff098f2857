//! The rule engine called directly, without sockets: `http1` parses the request, `waf` evaluates it, and the reflector's code
//! gives the response.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use http1::{BodyDecoder, Decoded, HeadLimits, RequestHead, RequestParser};
use seclang::load::{Source, SourceError, resolve};
use waf::operators::DataFiles;
use waf::{
    BodyProgress, Collections, Connection, Decision, Intervention, Mode, RuleSet, Timestamp, Transaction,
};

use crate::client::Response;
use crate::setup::{Outcome, Setup, Target};
use crate::{crs, process, reflector};

/// Rule files and their data files on disk.
pub(crate) struct Disk;

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        std::fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SourceError::NotFound,
            _ => SourceError::Other(error.to_string()),
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        let paths = glob::glob(pattern).map_err(|error| SourceError::Other(error.to_string()))?;
        Ok(paths.flatten().map(|path| path.to_string_lossy().into_owned()).collect())
    }
}

impl DataFiles for Disk {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        let path = resolve(from, name);
        std::fs::read(&path).map_err(|error| format!("{path}: {error}"))
    }
}

/// The compiled rules and their collections.
pub struct InProcess {
    rules: Arc<RuleSet>,
    collections: Arc<Collections>,
    mode: Mode,
    plain: bool,
    number: i64,
}

impl InProcess {
    /// Loads the Core Rule Set.
    ///
    /// # Errors
    /// Every error of the load, one on each line.
    pub fn start(setup: &Setup) -> Result<Self, String> {
        let folder = process::folder("testkit-rules-");
        let file = folder.path().join("rules.conf");
        std::fs::write(&file, crs::includes(&setup.before_rules)).map_err(|error| error.to_string())?;
        let document =
            seclang::load::load(&Disk, &[&file.to_string_lossy()]).map_err(|errors| lines(&errors))?;
        let rules = RuleSet::compile(&document, &Disk).map_err(|errors| lines(&errors))?;
        Ok(Self {
            rules: Arc::new(rules),
            collections: Arc::new(Collections::default()),
            mode: if setup.blocking { Mode::On } else { Mode::DetectionOnly },
            plain: false,
            number: 0,
        })
    }

    /// Returns the same rules without the plan, so that each rule runs on every value: the reference for the engine's plan.
    pub fn plain(&self) -> Self {
        Self {
            rules: Arc::clone(&self.rules),
            collections: Arc::new(Collections::default()),
            mode: self.mode,
            plain: true,
            number: self.number,
        }
    }

    /// Runs the phases of one transaction. Returns the response for its client.
    fn phases(&self, transaction: &mut Transaction, request: &Request, now: Timestamp) -> Response {
        transaction.request_line(request.head.method(), request.head.target(), request.version.as_bytes());
        for field in request.head.headers().iter() {
            transaction.request_header(field.name(), field.value());
        }
        let stop = |decision| match decision {
            Decision::Continue => None,
            Decision::Intervene(intervention) => Some(stopped(&intervention)),
        };
        if let Some(response) = stop(transaction.request_headers_done(now)) {
            return response;
        }
        if request.refused.is_none()
            && transaction.inspects_request_body()
            && !request.body.is_empty()
            && let BodyProgress::Decided(intervention) = transaction.request_body(&request.body)
        {
            return stopped(&intervention);
        }
        if let Some(response) = stop(transaction.request_body_done(now)) {
            return response;
        }
        if let Some(status) = request.refused {
            return bare(status);
        }
        let (status, headers, body) = reflector::answer(&request.line, &request.body);
        transaction.response_head(status, b"HTTP/1.1");
        transaction.response_header(b"Content-Length", body.len().to_string().as_bytes());
        for (name, value) in &headers {
            transaction.response_header(name.as_bytes(), value.as_bytes());
        }
        if let Some(response) = stop(transaction.response_headers_done(now)) {
            return response;
        }
        if transaction.inspects_response_body()
            && let BodyProgress::Decided(intervention) = transaction.response_body(&body)
        {
            return stopped(&intervention);
        }
        if let Some(response) = stop(transaction.response_body_done(now)) {
            return response;
        }
        let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        Response { status, headers, raw: body.clone(), body }
    }
}

impl Target for InProcess {
    fn exchange(&mut self, request: &[u8]) -> Outcome {
        let request = match read(request) {
            Ok(request) => request,
            Err(response) => return Outcome { response, log: String::new() },
        };
        self.number += 1;
        let now = Timestamp::from_micros(1_800_000_000_000_000 + self.number);
        let connection = Connection {
            client: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            server: SocketAddr::from(([127, 0, 0, 1], 80)),
        };
        let id = format!("{:020}", self.number);
        let mut transaction =
            Transaction::new(Arc::clone(&self.rules), connection, now, &id, Arc::clone(&self.collections));
        transaction.set_mode(self.mode);
        if self.plain {
            transaction.set_plain();
        }
        let response = self.phases(&mut transaction, &request, now);
        transaction.logging(now);
        let logged = transaction.matches().iter().filter(|found| found.log);
        let log = logged.map(|found| event::modsec::message(&found.rule) + "\n").collect();
        Outcome { response: Ok(response), log }
    }
}

fn lines(errors: &[impl std::fmt::Display]) -> String {
    errors.iter().map(|error| format!("{error}\n")).collect()
}

fn stopped(intervention: &Intervention) -> Response {
    bare(intervention.status)
}

fn bare(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new(), raw: Vec::new() }
}

/// A parsed request.
struct Request {
    head: RequestHead,
    line: String,
    version: String,
    body: Vec<u8>,
    /// Status for a head that is always refused. The rules still run, because they name the error.
    refused: Option<u16>,
}

/// Parses a whole request.
///
/// # Errors
/// The result for the client before any rule runs: a status for a syntax error, no response if the body is incomplete.
fn read(bytes: &[u8]) -> Result<Request, io::Result<Response>> {
    let refused = |error: http1::Error| Ok(bare(error.fault.status()));
    let silent = || Err(io::ErrorKind::WouldBlock.into());
    let mut buffer = BytesMut::from(bytes);
    let head = RequestParser::new().parse(&mut buffer, &HeadLimits::default()).map_err(refused)?;
    let head = head.ok_or_else(silent)?;
    let line = String::from_utf8_lossy(head.raw()).lines().next().unwrap_or_default().to_owned();
    let version = line.rsplit(' ').next().unwrap_or_default().to_owned();
    let mut body = Vec::new();
    let framing = match head.framing() {
        Ok(framing) => framing,
        Err(error) => return Ok(Request { head, line, version, body, refused: Some(error.fault.status()) }),
    };
    let mut decoder = BodyDecoder::new(framing.body);
    loop {
        match decoder.decode(&mut buffer).map_err(refused)? {
            Decoded::Data(data) => body.extend_from_slice(&data),
            Decoded::End(_) => break,
            Decoded::NeedMore => return Err(silent()),
        }
    }
    Ok(Request { head, line, version, body, refused: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_answers_like_a_gate() {
        let mut target = InProcess::start(&Setup::blocking("")).unwrap();
        let get = |target: &str| {
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
                .into_bytes()
        };
        let outcome = target.exchange(&get("/"));
        assert_eq!((outcome.response.unwrap().status, outcome.log.as_str()), (200, ""));
        let outcome = target.exchange(&get("/?q=<script>alert(1)</script>"));
        assert_eq!(outcome.response.unwrap().status, 403);
        assert!(crate::apache::rule_ids(&outcome.log).contains(&941100));
        assert_eq!(target.exchange(b"nonsense\r\n\r\n").response.unwrap().status, 400);
        assert!(
            target.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").response.is_err()
        );
    }
}
