//! `/api/events/export`: the events that a filter takes, as a file.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::{Event, Properties};
use finding::{ProblemCode, table};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::events::{Asked, Parameters, query};
use crate::openapi::{Failure, Filter};
use crate::{Console, Problem, values};

/// Events of a file; `until` with the time of the last one gets more.
const MAX_EVENTS: usize = 100_000;
/// Files that are made at the same time.
const MAX_RUNNING: usize = 2;
/// Events that are read at a time.
const PAGE: usize = 500;
/// Time after which a client that reads nothing loses its file, for it takes the place of others.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pieces of a file that wait for a slow client. Each has the events of one page.
const WAITING: usize = 1;

table! {
    /// The error responses about exports.
    pub(crate) PROBLEMS: ProblemCode {
        /// Other exports run.
        pub(crate) BUSY = ProblemCode::new(
            "events.exports_busy",
            503,
            "Other exports are running. Try again when they have ended.",
            "ほかのエクスポートを実行中です。終わってからもう一度お試しください。",
        );
    }
}

/// The room for exports.
#[derive(Clone)]
pub struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RUNNING)))
    }
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(export))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// The events that a filter takes, as a file
///
/// Newest first, as they are read; a client that ends the connection ends the search. JSON lines have whole events. CSV (RFC 4180) has
/// one line for each with the columns of the header; several values are separated by a space, and a cell that a spreadsheet would
/// compute begins with `'`. An error in the middle breaks the connection off before the end of the body.
#[utoipa::path(
    get,
    path = "/api/events/export",
    operation_id = "exportEvents",
    tag = "events",
    params(
        Filter,
        ("format" = Option<String>, Query, description = "`jsonl`, the default, or `csv`"),
        ("limit" = Option<u32>, Query, description = "Maximum number of events; 100,000 by default and at most")
    ),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 400, body = Failure, description = "A parameter is wrong"),
        (status = 503, body = Failure, description = "Two exports are running")
    )
)]
async fn export(
    _: Viewer,
    State(console): State<Console>,
    parameters: Asked<Parameters>,
) -> Result<Response, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(mut parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let format = match parameters.iter().rposition(|(name, _)| name == "format") {
        Some(at) => match &*parameters.remove(at).1 {
            "csv" => Format::Csv,
            "jsonl" => Format::JsonLines,
            other => return Err(bad(format!("format: `{other}` is neither csv nor jsonl"))),
        },
        None => Format::JsonLines,
    };
    let limited = parameters.iter().any(|(name, _)| name == "limit");
    let mut query = query(&console.properties, parameters).map_err(bad)?;
    query.limit = if limited { query.limit.min(MAX_EVENTS) } else { MAX_EVENTS };
    let permit = Arc::clone(&console.exports.0).try_acquire_owned().map_err(|_| Problem::of(BUSY))?;
    let (pieces, file) = channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        write(&console, query, format, &File { pieces, patience: PATIENCE });
    });
    let (media, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let name = format!("attachment; filename=\"monban-events.{ending}\"");
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)], body(file))
        .into_response())
}

/// Bytes of the file, or its end; or the error that breaks it off.
type Piece = Result<Option<Bytes>, Box<dyn Error + Send + Sync>>;

/// Returns the body. It breaks off with an error unless the end comes.
fn body(file: Receiver<Piece>) -> Body {
    Body::from_stream(futures_util::stream::unfold(file, |mut file| async {
        match file.recv().await.unwrap_or_else(|| Err("broken off".into())) {
            Ok(bytes) => Some((Ok(bytes?), file)),
            Err(error) => Some((Err(error), file)),
        }
    }))
}

/// The file as its writer sees it.
struct File {
    pieces: Sender<Piece>,
    /// Time for which a piece waits for the client.
    patience: Duration,
}

impl File {
    /// Sends a piece. Returns false if the client is gone, or has read nothing for long.
    fn send(&self, piece: Piece) -> bool {
        let sent = Handle::current().block_on(self.pieces.send_timeout(piece, self.patience));
        sent.is_ok()
    }
}

/// Sends the events page by page.
fn write(console: &Console, mut query: store::Query, format: Format, file: &File) {
    let of_csv = |bytes: Result<Vec<u8>, csv::Error>| Ok(Some(bytes?.into()));
    let mut left = query.limit;
    if format == Format::Csv && !file.send(of_csv(csv([COLUMNS]))) {
        return;
    }
    // a search that finds nothing for long sends nothing
    while left > 0 && !file.pieces.is_closed() {
        query.limit = left.min(PAGE);
        let page = match console.events.query(&query) {
            Ok(page) => page,
            Err(error) => {
                file.send(Err(error.into()));
                return;
            }
        };
        left -= page.events.len().min(left);
        let piece = match format {
            Format::Csv => of_csv(csv(page.events.iter().map(|event| cells(event, &console.properties)))),
            Format::JsonLines => {
                let lines: String = page.events.iter().map(|event| event.to_json() + "\n").collect();
                Ok(Some(lines.into()))
            }
        };
        if !page.events.is_empty() && !file.send(piece) {
            return;
        }
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    file.send(Ok(None));
}

const COLUMNS: [&str; 17] = [
    "time", "id", "kind", "outcome", "severity", "node", "subject", "client", "user", "method", "host",
    "path", "status", "score", "rule", "tag", "summary",
];

/// Returns the cells of an event, in the order of [`COLUMNS`].
fn cells(event: &Event, properties: &Properties) -> [String; COLUMNS.len()] {
    COLUMNS.map(|column| match column {
        "time" => event.time.to_string(),
        "id" => event.id.to_string(),
        "summary" => event.summary.clone().unwrap_or_default(),
        name => properties.get(name).map(|of| values::of(event, of).join(" ")).unwrap_or_default(),
    })
}

/// Returns a cell for a spreadsheet, which would compute a text that looks like a formula. Clients choose some of the texts.
fn cell(text: &str) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

/// Returns lines of CSV (RFC 4180).
fn csv<T: AsRef<str>>(lines: impl IntoIterator<Item = [T; COLUMNS.len()]>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line.iter().map(|text| cell(text.as_ref()).into_owned()))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;
    use crate::access::{Access, Identity, Role, Url, Via};

    #[tokio::test]
    async fn exports_past_their_limit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::of_listener("127.0.0.1:1".parse().unwrap());
        let clock = Arc::new(spine::clock::SystemClock::default());
        let (access, _) = Access::open(folder.path(), url, clock).unwrap();
        let events = store::EventReader::open(folder.path()).unwrap();
        let console = Console::new(Sources::new(Arc::new(access), Arc::new(events)));
        let identity = Identity {
            user: "alice".into(),
            role: Role::Viewer,
            via: Via::Session,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            session: None,
            user_id: None,
        };
        let ask = || export(Viewer(identity.clone()), State(console.clone()), Ok(Query(Vec::new())));
        let permits: Vec<_> =
            std::iter::from_fn(|| Arc::clone(&console.exports.0).try_acquire_owned().ok()).collect();
        assert_eq!(permits.len(), MAX_RUNNING);
        assert_eq!(ask().await.unwrap_err().into_response().status(), 503);
        drop(permits);
        let response = ask().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(axum::body::to_bytes(response.into_body(), 1).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_file_without_its_end_is_an_error() {
        let (pieces, file) = channel(WAITING);
        let writer = File { pieces, patience: Duration::from_millis(1) };
        // the client reads nothing
        let send = move || [(); 2].map(|()| writer.send(Ok(Some(Bytes::from("line\n")))));
        assert_eq!(tokio::task::spawn_blocking(send).await.unwrap(), [true, false]);
        assert!(axum::body::to_bytes(body(file), 100).await.unwrap_err().to_string().contains("broken off"));
        let (pieces, file) = channel(2);
        pieces.send(Ok(Some("line\n".into()))).await.unwrap();
        pieces.send(Ok(None)).await.unwrap();
        assert_eq!(axum::body::to_bytes(body(file), 100).await.unwrap(), "line\n");
    }

    #[test]
    fn a_spreadsheet_computes_no_cell() {
        let mut cells = [""; COLUMNS.len()];
        cells[..4].copy_from_slice(&["=cmd|' /C calc'!A0", "a,\"b\"\n", "-1", "1-1"]);
        let line = String::from_utf8(csv([cells]).unwrap()).unwrap();
        assert_eq!(
            line,
            format!("'=cmd|' /C calc'!A0,\"a,\"\"b\"\"\n\",'-1,1-1{}\r\n", ",".repeat(COLUMNS.len() - 4))
        );
    }
}
