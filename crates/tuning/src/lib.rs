//! Tuning of rules: exclusions that avoid a false positive, replays that show their effect, and proposals from the events of a
//! learning site.
//!
//! The crate inspects no live requests (`waf` does) and reads or writes no files (`tuner` does). The console and the commands
//! show its results. It is pure: it takes text, events and times, and returns values.
//!
//! | module | contents |
//! |---|---|
//! | [`mod@exclusion`] | an exclusion, and its rule text for every ModSecurity |
//! | [`site`] | sites and their hosts |
//! | [`refused`] | reasons why an exclusion cannot be made |
//! | [`mod@file`] | the file of exclusions: parse, add, undo, without touching a person's own text |
//! | [`catalog`] | facts about the loaded rules |
//! | [`propose`] | proposes exclusions for an event, narrowest first |
//! | [`release`] | an archive of the Core Rule Set |
//! | [`mod@replay`] | evaluates stored requests with two sets of rules |
//! | [`learning`] | finds false positives among many events of a site |
//! | [`history`] | changes as shown in the history |
//! | [`mode`] | modes of sites |
//! | [`service`] | the trait for the console and the commands |
//! | [`limits`] | every limit |
//!
//! ```
//! use event::{Event, EventId, Header, MatchedRule, Outcome, RequestEvidence, Severity, Timestamp};
//! use tuning::{Catalog, ExclusionFile, Note, Site, Sites};
//!
//! # let now = Timestamp::from_micros(1);
//! let sites = Sites(vec![Site { name: "shop".into(), hosts: vec!["shop.example".into()], path: "/".into() }]);
//! let evidence = RequestEvidence {
//!     line: "GET /search?q=it's HTTP/1.1".into(),
//!     headers: vec![Header::new("Host", "shop.example")],
//!     rules: vec![MatchedRule {
//!         id: 942100,
//!         variable: "ARGS:q".into(),
//!         severity: Some(Severity::Critical),
//!         ..MatchedRule::default()
//!     }],
//!     ..RequestEvidence::default()
//! };
//! # let id = EventId::derived(now, "n", "1");
//! let event = Event { subject: Some("shop".into()), ..Event::of_request(id, now, "n", Outcome::Passed, evidence) };
//!
//! let proposals = tuning::proposals(&event, &sites, &Catalog::default(), &ExclusionFile::default(), 0);
//! let [exclusion] = &proposals.narrowest()[..] else { panic!() };
//! let note = Note { reason: "names have apostrophes".into(), author: "alice".into(), ..Note::default() };
//! let (file, id) = ExclusionFile::default().add(exclusion, &note, &sites, 0, &|_| false)?;
//! assert_eq!(id, 80_000);
//! assert!(file.text().ends_with(
//!     br#"SecRule REQUEST_FILENAME "@streq /search" "id:80000,phase:1,pass,nolog,t:none,chain"
//!     SecRule REQUEST_HEADERS:Host "@rx ^shop\.example\.?(?::[0-9]{1,5})?\z" "t:none,t:lowercase,ctl:ruleRemoveTargetById=942100;ARGS:q"
//! "#
//! ));
//! # Ok::<(), tuning::Refused>(())
//! ```
#![forbid(unsafe_code)]
#![warn(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

pub mod catalog;
pub mod exclusion;
pub mod file;
pub mod history;
pub mod learning;
pub mod limits;
pub mod mode;
mod pattern;
pub mod propose;
pub mod refused;
pub mod release;
pub mod replay;
pub mod service;
pub mod site;

pub use catalog::Catalog;
pub use exclusion::{Exclusion, PathMatch};
pub use file::{Entry, ExclusionFile, FileProblem, Note};
pub use history::{Change, ChangeKind, ChangedExclusion, ChangedSite, Undoable};
pub use learning::{Learned, Learning};
pub use mode::{SiteMode, SiteModeChange, SiteState};
pub use propose::{Proposal, Proposals, Width, proposals};
pub use refused::Refused;
pub use release::{Release, ReleaseError};
pub use replay::{Judgement, Replay, Report, judge};
pub use service::{ExclusionWarning, NoGate, PreviewedRule, RuleText, Tuning, TuningError};
pub use site::{Site, Sites};
