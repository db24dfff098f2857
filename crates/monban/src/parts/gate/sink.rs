//! The gate's sink: first the recorder of events, then ModSecurity's logs and the sample of clean requests.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use event::modsec::{AuditParts, Process};
use event::{Event, EventSink, Severity};
use finding::{Declaration, Finding, Text, table};
use gateway::RequestSink;
use seclang::setting::{AuditLogFormat, AuditLogType};
use store::logs::{AuditFormat, AuditLog, ErrorLog, LogError};
use tuner::Sample;
use waf::settings::Settings;

use super::WafConfig;
use crate::part::Recorder;

/// ModSecurity's logs according to one configuration.
#[derive(Default)]
pub struct Logs {
    error: Option<ErrorLog>,
    audit: Option<AuditLog>,
}

impl Logs {
    /// Opens the files.
    ///
    /// # Errors
    /// If a file cannot be opened; returns the first such error.
    pub fn open(waf: &WafConfig, settings: Option<&Settings>) -> Result<Self, LogError> {
        let now = jiff::Timestamp::now();
        let process = Process {
            pid: std::process::id(),
            tid: u64::from(std::process::id()),
            utc_offset_seconds: jiff::tz::TimeZone::system().to_offset(now).seconds(),
        };
        let error = waf.error_log.as_deref().map(|path| ErrorLog::open(path, process)).transpose()?;
        let audit = match (&waf.audit_log, settings) {
            (Some(path), Some(settings)) => Some(open_audit(path, settings, process)?),
            _ => None,
        };
        Ok(Self { error, audit })
    }
}

fn open_audit(path: &std::path::Path, settings: &Settings, process: Process) -> Result<AuditLog, LogError> {
    let format = match settings.audit_log_format {
        AuditLogFormat::Native => AuditFormat::Native,
        AuditLogFormat::Json => AuditFormat::Json,
    };
    let parts = AuditParts::new(&settings.audit_log_parts).unwrap_or_default();
    match (&settings.audit_log_type, &settings.audit_log_storage_dir) {
        (AuditLogType::Concurrent, Some(folder)) => {
            AuditLog::concurrent(path, &PathBuf::from(folder), format, parts, process)
        }
        _ => AuditLog::serial(path, format, parts, process),
    }
}

type OpenLogs = Box<dyn Fn() -> Result<Logs, LogError> + Send>;

table! {
    /// The findings of the gate's logs.
    pub FINDINGS: Declaration {
        /// A log cannot be written.
        LOG_UNWRITTEN = Declaration::new(
            "gate.log_unwritten",
            Severity::Error,
            Text::new("{subject} cannot be written", "ログの書き込み不可（{subject}）"),
            Text::new(
                "monban cannot write it: {why}. The gate continues, and events go to the journal.",
                "ログに書き込めません: {why}。リクエストの処理は継続しており、イベントはジャーナルに記録されます。",
            ),
            Text::new(
                "Free space on its disk and check that monban's user may write there. [waf] names the files.",
                "ディスクの空き容量と、monban のユーザーの書き込み権限を確認してください。ファイルは [waf] で指定します。",
            ),
        ).examples(&[("subject", Text::same("audit_log"))]);
    }
}

/// The sink of the gate's events.
pub struct Sink {
    recorder: Arc<Recorder>,
    logs: ArcSwap<Logs>,
    sample: Arc<Sample>,
    /// The last error of each log, for /healthz. The next success removes it.
    problems: Mutex<HashMap<&'static str, String>>,
    /// Opens the logs for which the disk was full at the start; none once they are open.
    unopened: Mutex<Option<OpenLogs>>,
}

impl Sink {
    /// Creates a sink with a recorder and logs. Requests without an event may become part of the sample.
    pub fn new(recorder: Arc<Recorder>, logs: Logs, sample: Arc<Sample>) -> Self {
        Self {
            recorder,
            sample,
            logs: ArcSwap::from_pointee(logs),
            problems: Mutex::default(),
            unopened: Mutex::default(),
        }
    }

    /// Registers logs to open once the disk has room. Each call of [`Sink::findings`] tries to open them.
    pub fn open_logs_later(&self, open: impl Fn() -> Result<Logs, LogError> + Send + 'static) {
        *self.unopened.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(open));
    }

    /// Returns the reason why the logs are not open yet, after another attempt.
    fn unopened(&self) -> Option<String> {
        let mut unopened = self.unopened.lock().unwrap_or_else(PoisonError::into_inner);
        match unopened.as_ref()?() {
            Ok(logs) => {
                self.logs.store(Arc::new(logs));
                *unopened = None;
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }

    /// Replaces the logs.
    pub fn replace_logs(&self, logs: Logs) {
        *self.unopened.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.logs.store(Arc::new(logs));
    }

    /// Returns the findings of the logs. Tries again to open logs for which the disk was full.
    pub fn findings(&self) -> Vec<Finding> {
        let unopened = self.unopened().map(|why| LOG_UNWRITTEN.finding("the logs").with("why", why));
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten =
            problems.iter().map(|(log, why)| LOG_UNWRITTEN.finding(*log).with("why", why.as_str()));
        unwritten.chain(unopened).collect()
    }

    fn note(&self, what: &'static str, problem: Option<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => {
                // a state is logged once, not for each event
                if problems.insert(what, problem.clone()).is_none() {
                    tracing::error!("{problem}");
                }
            }
            None => {
                if problems.remove(what).is_some() {
                    tracing::info!("writing {what} again");
                }
            }
        }
    }
}

impl EventSink for Sink {
    fn record(&self, event: Event) {
        let logs = self.logs.load();
        let Some(log) = &logs.error else { return self.recorder.record(event) };
        self.recorder.record(event.clone());
        if let Some(request) = event.request() {
            let problem = log.write(&event, &request.rules).err().map(|error| error.to_string());
            self.note("the error log", problem);
        }
    }
}

impl RequestSink for Sink {
    fn audit(&self, event: &Event, parts: &str) {
        if let Some(log) = &self.logs.load().audit {
            let parts = AuditParts::new(parts).unwrap_or_default();
            let problem = log.write_parts(event, &parts).err().map(|error| error.to_string());
            self.note("the audit log", problem);
        }
    }

    fn wants_passed(&self, site: &str) -> bool {
        self.sample.wants(site)
    }

    fn passed(&self, event: Event) {
        self.sample.keep(&event);
    }
}

#[cfg(test)]
mod tests {
    use event::{IdSource, RequestEvidence, Timestamp};
    use store::{Journal, JournalOptions};

    use super::*;

    #[test]
    fn f22_logs_that_a_full_disk_did_not_take_are_opened_when_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal"), JournalOptions::default()).unwrap();
        let sample = Arc::new(Sample::open(folder.path(), 0));
        let sink = Sink::new(Arc::new(Recorder::new(Arc::new(journal))), Logs::default(), sample);
        let missing = folder.path().join("logs");
        let waf = WafConfig { error_log: Some(missing.join("error.log")), ..WafConfig::default() };
        sink.open_logs_later(move || Logs::open(&waf, None));
        let found = sink.findings();
        assert!(found.len() == 1 && found[0].to_string().contains("logs/error.log: open: "), "{found:?}");
        std::fs::create_dir(&missing).unwrap();
        assert_eq!(sink.findings(), []);
        assert!(missing.join("error.log").exists() && sink.logs.load().error.is_some());
    }

    #[test]
    fn the_audit_log_is_as_rules_say() {
        let folder = tempfile::tempdir().unwrap();
        let (file, storage) = (folder.path().join("audit.log"), folder.path().join("entries"));
        let waf = WafConfig { audit_log: Some(file.clone()), ..WafConfig::default() };
        let time = Timestamp::MIN;
        let id = IdSource::new("test", 1).next(time);
        let request = RequestEvidence { line: "GET / HTTP/1.1".into(), ..RequestEvidence::default() };
        let event = Event::of_request(id, time, "test", event::Outcome::Passed, request);
        let written = |rules: &str| {
            let _ = std::fs::remove_file(&file);
            let document = seclang::load::parse_str("rules.conf", rules).unwrap();
            let rules = waf::RuleSet::compile(&document, &crate::rules::disk()).unwrap();
            let logs = Logs::open(&waf, Some(&rules.settings)).unwrap();
            logs.audit.unwrap().write(&event).unwrap();
            std::fs::read_to_string(&file).unwrap()
        };
        assert!(written("SecAuditLogFormat Native\n").starts_with("--"));
        assert!(written("SecAuditLogFormat JSON\n").starts_with('{'));
        assert!(!storage.exists());
        let concurrent = format!("SecAuditLogType Concurrent\nSecAuditLogStorageDir {}\n", storage.display());
        let index = written(&concurrent);
        assert!(!index.starts_with("--") && index.contains(&id.to_string()), "{index}");
        assert_eq!(std::fs::read_dir(&storage).unwrap().count(), 1);
    }
}
