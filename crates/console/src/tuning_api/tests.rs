use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::response::Json;
use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
use store::{EventReader, Journal, JournalOptions};
use tuning::{
    Change, Exclusion, ExclusionFile, Learned, NoGate, Note, PathMatch, Proposals, Replay, RuleText,
    SiteMode, SiteState, Tuning,
};
use waf::RuleSet;

use super::replays::{New, RunState, cancel, show, start};
use super::*;
use crate::Input;
use crate::access::{Access, Analyst, Identity, Role, Url, Via, Viewer};
use spine::clock::SystemClock;

/// A rule source that blocks until released: rules of a gate that lets requests with "a" pass, and other rules.
struct Rules {
    may_go: Mutex<Receiver<()>>,
}

fn compiled(text: &str) -> Arc<RuleSet> {
    let document = seclang::parse_str("t", format!("SecRuleEngine On\n{text}")).unwrap();
    Arc::new(RuleSet::compile(&document, &waf::operators::NoFiles).unwrap())
}

impl Tuning for Rules {
    fn replay(&self, _: &[Exclusion], _: &[u64], files: &[String]) -> Result<Replay, TuningError> {
        let _ = self.may_go.lock().unwrap().recv();
        if files.iter().any(|file| file == "panic") {
            panic!("as asked for");
        }
        let rule = "SecRule ARGS \"@contains b\" \"id:1,phase:1,deny,severity:2\"";
        Ok(Replay::new(compiled(rule), compiled("")))
    }
    fn passed(&self) -> Vec<Event> {
        vec![event(1_000, "GET /?x=c HTTP/1.1")]
    }
    fn rule(&self, id: u64) -> Result<RuleText, TuningError> {
        NoGate.rule(id)
    }
    fn proposals(&self, event: &Event) -> Result<Proposals, TuningError> {
        NoGate.proposals(event)
    }
    fn preview(
        &self,
        add: &[Exclusion],
        remove: &[u64],
    ) -> Result<Vec<Result<PreviewedRule, Refused>>, TuningError> {
        NoGate.preview(add, remove)
    }
    fn exclusions(&self) -> Result<(ExclusionFile, String), TuningError> {
        NoGate.exclusions()
    }
    fn change(
        &self,
        version: &str,
        author: &str,
        add: &[(Exclusion, Note)],
        remove: &[u64],
    ) -> Result<Vec<u64>, TuningError> {
        NoGate.change(version, author, add, remove)
    }
    fn history(&self) -> Result<Vec<Change>, TuningError> {
        NoGate.history()
    }
    fn undo(&self, version: &str, author: &str, number: u64) -> Result<(), TuningError> {
        NoGate.undo(version, author, number)
    }
    fn sites(&self) -> Result<Vec<SiteState>, TuningError> {
        NoGate.sites()
    }
    fn set_mode(&self, author: &str, site: &str, mode: SiteMode) -> Result<SiteState, TuningError> {
        NoGate.set_mode(author, site, mode)
    }
    fn learned(&self, events: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, TuningError> {
        NoGate.learned(events)
    }
}

fn event(number: i64, line: &str) -> Event {
    let time = Timestamp::from_micros(1_795_424_686_000_000 + number);
    let evidence = RequestEvidence { line: line.into(), ..RequestEvidence::default() };
    let id = EventId::derived(time, "n", &number.to_string());
    Event { ..Event::of_request(id, time, "n", Outcome::Blocked, evidence) }
}

/// Returns a console with 450 events, a third of them of "GET /other", and a sender that releases its replays.
fn console() -> (Console, Sender<()>, tempfile::TempDir) {
    let data_dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&store::journal_folder(data_dir.path()), JournalOptions::default()).unwrap();
    for number in 0..450 {
        let line = if number % 3 == 0 { "POST /other?x=b HTTP/1.1" } else { "GET /?x=b HTTP/1.1" };
        journal.append(&event(number, line)).unwrap();
    }
    let url = Url::of_listener("127.0.0.1:1".parse().unwrap());
    let (access, _) = Access::open(data_dir.path(), url, Arc::new(SystemClock::default())).unwrap();
    let events = EventReader::open(data_dir.path()).unwrap();
    let (go, may_go) = channel();
    let tuning = Arc::new(Rules { may_go: Mutex::new(may_go) });
    let sources = crate::Sources { tuning, ..crate::Sources::new(Arc::new(access), Arc::new(events)) };
    (Console::new(sources), go, data_dir)
}

fn identity(role: Role) -> Identity {
    Identity {
        user: "alice".into(),
        role,
        via: Via::Session,
        address: Ipv4Addr::LOCALHOST.into(),
        session: None,
        user_id: None,
    }
}

async fn begin(console: &Console, role: Role, new: New) -> Result<String, Problem> {
    let started = start(Analyst(identity(role)), State(console.clone()), Input(new)).await?;
    Ok(started.1.0.id)
}

async fn look(console: &Console, id: &str) -> Result<super::replays::Shown, Problem> {
    let answer = show(Viewer(identity(Role::Viewer)), State(console.clone()), Path(id.to_owned())).await;
    answer.map(|Json(shown)| shown)
}

async fn ended(console: &Console, id: &str) -> super::replays::Shown {
    loop {
        let shown = look(console, id).await.unwrap();
        if shown.state != RunState::Running {
            return shown;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_run_page_by_page_and_tell_how_far_they_are() {
    let (console, go, _folder) = console();
    for (filter, limit, events) in
        [("", None, 450), ("method=POST", None, 150), ("", Some(7), 7), ("?method=!POST&before=x", None, 300)]
    {
        let id = begin(&console, Role::Analyst, New { filter: filter.into(), limit, ..New::default() })
            .await
            .unwrap();
        assert_eq!(look(&console, &id).await.unwrap().state, RunState::Running);
        go.send(()).unwrap();
        let shown = ended(&console, &id).await;
        assert_eq!((shown.state, &shown.error), (RunState::Done, &None), "{filter}");
        assert_eq!((shown.report.now_pass_count, shown.report.sample_of_passed), (events, 0), "{filter}");
        assert_eq!(
            shown.report.not_replayed.not_reproduced, 1,
            "the sample's request was not blocked: {filter}"
        );
        assert_eq!((shown.done, shown.total), (events + 1, events + 1), "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_that_it_is_about_is_judged_first_and_once() {
    let (console, go, _folder) = console();
    // the oldest of all, which no other filter or limit includes
    let oldest = event(0, "POST /other?x=b HTTP/1.1").id;
    for (limit, events) in [(3, 4), (1_000, 450)] {
        let new = New { event: Some(oldest), limit: Some(limit), ..New::default() };
        let id = begin(&console, Role::Analyst, new).await.unwrap();
        go.send(()).unwrap();
        let shown = ended(&console, &id).await;
        assert_eq!((shown.error, shown.report.now_pass_count), (None, events));
        assert_eq!(shown.report.now_pass[0].event, oldest);
        assert_eq!((shown.done, shown.total), (events + 1, events + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_limited_cancelled_and_forgotten() {
    let (console, go, _folder) = console();
    let new = New::default;
    let first = begin(&console, Role::Analyst, new()).await.unwrap();
    let second = begin(&console, Role::Analyst, new()).await.unwrap();
    assert_eq!(begin(&console, Role::Analyst, new()).await.unwrap_err().status(), 503);
    // reads both before either continues: their order is not defined
    for id in [&first, &second] {
        let who = Analyst(identity(Role::Analyst));
        cancel(who, State(console.clone()), Path(id.clone())).await.unwrap();
    }
    go.send(()).unwrap();
    go.send(()).unwrap();
    for id in [&first, &second] {
        let shown = ended(&console, id).await;
        assert_eq!(
            (shown.state, shown.error.as_deref(), shown.done),
            (RunState::Failed, Some("cancelled"), 0)
        );
    }
    for _ in 0..super::replays::KEPT {
        let id = begin(&console, Role::Analyst, New { limit: Some(1), ..new() }).await.unwrap();
        go.send(()).unwrap();
        ended(&console, &id).await;
    }
    assert_eq!(look(&console, &first).await.unwrap_err().status(), 404);
    assert!(look(&console, "22").await.is_ok());
    assert_eq!(look(&console, "x").await.unwrap_err().status(), 404);

    // a replay that panics is reported, and does not stay in the state "running"
    let id = begin(&console, Role::Owner, New { rules: vec!["panic".into()], ..new() }).await.unwrap();
    go.send(()).unwrap();
    let shown = ended(&console, &id).await;
    assert!(shown.error.unwrap().contains("failed unexpectedly"));

    for (role, new) in [
        (Role::Analyst, New { rules: vec!["/etc/shadow".into()], ..new() }),
        (Role::Owner, New { add: vec![exclusion(); tuning::limits::CHANGED + 1], ..new() }),
        (Role::Owner, New { limit: Some(0), ..new() }),
        (Role::Owner, New { limit: Some(super::replays::MAX_EVENTS + 1), ..new() }),
        (Role::Owner, New { filter: "nonsense=1".into(), ..new() }),
        (Role::Owner, New { filter: "a b\n".into(), ..new() }),
    ] {
        assert_eq!(begin(&console, role, new).await.unwrap_err().status(), 422);
    }
}

fn exclusion() -> Exclusion {
    Exclusion {
        rule: 942_100,
        site: Some("shop".into()),
        path: Some("/a b".into()),
        path_match: PathMatch::Prefix,
        parameter: Some("ARGS:text".into()),
    }
}

#[tokio::test]
async fn a_change_says_what_why_and_until_when() {
    use super::exclusions::{MAX_DAYS, NewExclusion, NewExclusions, change};
    let (console, _go, _folder) = console();
    let Exclusion { rule, site, path, path_match, parameter } = exclusion();
    let one = NewExclusion { rule, site, path, path_match, parameter, event: None };
    let new = || NewExclusions {
        version: "v".into(),
        add: vec![one.clone()],
        remove: Vec::new(),
        reason: "r".into(),
        expires_days: None,
        expires: None,
    };
    let far = Timestamp::from_micros(i64::MAX / 2);
    for (new, wrong) in [
        (NewExclusions { add: Vec::new(), ..new() }, "at least one"),
        (NewExclusions { add: vec![one.clone(); tuning::limits::CHANGED + 1], ..new() }, "at most 200"),
        (NewExclusions { remove: vec![1; tuning::limits::CHANGED + 1], ..new() }, "at most 200"),
        (NewExclusions { reason: " ".into(), ..new() }, "reason"),
        (NewExclusions { expires_days: Some(0), ..new() }, "expires_days"),
        (NewExclusions { expires_days: Some(MAX_DAYS + 1), ..new() }, "expires_days"),
        (NewExclusions { expires: Some(far), ..new() }, "3660 days"),
        (NewExclusions { expires_days: Some(1), expires: Some(far), ..new() }, "not both"),
        // the only error is the missing gate
        (new(), "no gate"),
    ] {
        let who = Analyst(identity(Role::Analyst));
        let refused = change(who, State(console.clone()), Input(new)).await.map(|_| ()).unwrap_err();
        assert!(refused.error().contains(wrong), "{} lacks {wrong}", refused.error());
    }
}

#[test]
fn errors_have_their_statuses() {
    for (error, status) in [
        (TuningError::Conflict { version: "v".into() }, 409),
        (TuningError::Refused("a".into()), 422),
        (TuningError::NotFound("a".into()), 404),
        (TuningError::Unavailable("a".into()), 503),
        (Refused::Unknown(7).into(), 404),
        (Refused::NoId.into(), 422),
    ] {
        assert_eq!(Problem::from(error).status(), status);
    }
    let told = |refused: Refused| serde_json::to_value(Refusal::from(&refused)).unwrap();
    assert_eq!(
        told(Refused::InForce(80_000)),
        serde_json::json!({
            "error": {"en": "Exclusion 80000 already excludes this.", "ja": "同じ除外がすでにあります（80000）。"},
            "code": "tuning.exclusion_exists",
            "values": {"id": "80000"}
        })
    );
    let variable = Refused::Variable { variable: "ARGS:a b".into(), why: "why".into() };
    assert_eq!(told(variable)["values"], serde_json::json!({"variable": "ARGS:a b"}));
}
