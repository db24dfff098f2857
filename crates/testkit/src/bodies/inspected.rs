//! The values that the rule engine reads from a body, with the settings that `monban init` writes.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use waf::{BodyProgress, Collections, Connection, Decision, RuleSet, Timestamp, Transaction};

use super::Case;
use crate::in_process::Disk;
use crate::{monban, process};

/// Reports every value that rules can inspect. Names appear as values too, because a report escapes names.
const OBSERVER: &str = "\
    SecRule ARGS_NAMES \"@unconditionalMatch\" \"id:1,phase:2,pass,log,noauditlog\"\n\
    SecRule ARGS \"@unconditionalMatch\" \"id:2,phase:2,pass,log,noauditlog\"\n\
    SecRule FILES_NAMES \"@unconditionalMatch\" \"id:3,phase:2,pass,log,noauditlog\"\n\
    SecRule FILES \"@unconditionalMatch\" \"id:4,phase:2,pass,log,noauditlog\"\n\
    SecRule XML:/*|XML://@* \"@unconditionalMatch\" \"id:5,phase:2,pass,log,noauditlog\"\n";

/// The values that rules inspected.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// The rule of the settings that refused the request.
    pub refused: Option<u32>,
    /// ARGS.
    pub arguments: Vec<(Vec<u8>, Vec<u8>)>,
    /// FILES: the name of the field and the name of the file.
    pub files: Vec<(Vec<u8>, Vec<u8>)>,
    /// XML:/* and XML://@*.
    pub xml: Vec<Vec<u8>>,
}

/// The rule engine with these settings.
pub struct Gate {
    rules: Arc<RuleSet>,
}

impl Gate {
    /// Loads the settings of `monban init`.
    ///
    /// # Panics
    /// If the binary is not built, or its settings do not load.
    pub fn start() -> Self {
        let folder = process::folder("testkit-bodies-");
        let status = Command::new(monban::binary())
            .args(["init", "--config"])
            .arg(folder.path().join("monban.toml"))
            .output()
            .expect("monban runs");
        assert!(status.status.success(), "monban init: {}", String::from_utf8_lossy(&status.stderr));
        let observer = folder.path().join("observer.conf");
        std::fs::write(&observer, OBSERVER).expect("a file in the temporary folder");
        let files = [folder.path().join("engine.conf"), observer];
        let files: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let document = seclang::load::load(&Disk, &files).unwrap_or_else(|errors| panic!("{errors:?}"));
        let rules = RuleSet::compile(&document, &Disk).unwrap_or_else(|errors| panic!("{errors:?}"));
        Self { rules: Arc::new(rules) }
    }

    /// Runs phases 1 and 2 on a POST with this body.
    pub fn inspect(&self, case: &Case) -> Inspected {
        self.inspect_pieces(case, usize::MAX)
    }

    /// Does the same with a body in pieces of `piece` bytes.
    pub fn inspect_pieces(&self, case: &Case, piece: usize) -> Inspected {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let connection = Connection {
            client: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            server: SocketAddr::from(([127, 0, 0, 1], 80)),
        };
        let collections = Arc::new(Collections::default());
        let mut transaction =
            Transaction::new(Arc::clone(&self.rules), connection, now, "bodies", collections);
        transaction.request_line(b"POST", b"/", b"HTTP/1.1");
        transaction.request_header(b"Host", b"a.example");
        transaction.request_header(b"Content-Type", &case.content_type);
        for (name, value) in &case.headers {
            transaction.request_header(name.as_bytes(), value.as_bytes());
        }
        transaction.request_header(b"Content-Length", case.body.len().to_string().as_bytes());
        let mut stopped = match transaction.request_headers_done(now) {
            Decision::Intervene(intervention) => Some(intervention),
            Decision::Continue => None,
        };
        for piece in case.body.chunks(piece) {
            if stopped.is_none()
                && let BodyProgress::Decided(intervention) = transaction.request_body(piece)
            {
                stopped = Some(intervention);
            }
        }
        if stopped.is_none()
            && let Decision::Intervene(intervention) = transaction.request_body_done(now)
        {
            stopped = Some(intervention);
        }
        let values = |id: u64| -> Vec<Vec<u8>> {
            let found = transaction.matches().iter().filter(|found| found.rule.id == id);
            found.map(|found| found.rule.value.as_bytes().to_vec()).collect()
        };
        let pairs = |names, texts| -> Vec<(Vec<u8>, Vec<u8>)> {
            let (names, texts) = (values(names), values(texts));
            assert_eq!(names.len(), texts.len(), "{}", case.name);
            names.into_iter().zip(texts).collect()
        };
        Inspected {
            refused: stopped
                .map(|intervention| u32::try_from(intervention.rule_id).expect("an id below 2^32")),
            arguments: pairs(1, 2),
            files: pairs(3, 4),
            xml: values(5),
        }
    }
}
