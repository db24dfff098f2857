//! The observer: all state over many lines.

mod connections;
mod recent;
mod reporting;
mod state;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use event::{Outcome, Severity, Timestamp};
use finding::Finding;
use ipnet::IpNet;
use jiff::tz::TimeZone;

use crate::ban::{Ban, BanRule};
use crate::burst::{Burst, Bursts, From, Try};
use crate::claim::{Claim, Key, Service, Source, Step};
use crate::entry::Entry;
use crate::evidence::{Login, Via};
use crate::hook::HookReport;
use crate::known::{New, Seeing};
use crate::message;
use crate::report::{Report, actor};
use crate::session::Session;
use crate::syslog::SyslogLine;
use crate::tables;
use crate::trust::{Doubt, Verdict, judge};
use connections::Connections;
use recent::{Confirmed, Pending, Recent};
pub use state::State;

/// Time for which forged lines are a finding.
const FORGED_FOR: i64 = 86_400_000_000;
/// Time between the line of a login and that of its session.
const SESSION_SLACK: i64 = 60_000_000;

/// Finds the country of an address.
pub type Countries = Arc<dyn Fn(IpAddr) -> Option<String> + Send + Sync>;

/// The settings of an observer.
#[derive(Clone)]
pub struct Settings {
    /// Time zone of the owner, for hours and for times of log files.
    pub zone: TimeZone,
    /// Time without a try after which a burst ends.
    pub quiet: Duration,
    /// Longest time of a burst.
    pub longest: Duration,
    /// The rule for bans; without it nobody is banned.
    pub ban: Option<BanRule>,
    /// Networks that are never banned.
    pub own: Vec<IpNet>,
    /// Networks whose accepted logins and sessions make no event, such as the pool of a VPN.
    pub silent: Vec<IpNet>,
    /// Time that a report of the hook waits for the journal's entry of the same login, which says more.
    pub hook_wait: Duration,
    /// Whether only the hook reports logins. Otherwise a report of a user other than root is no login by itself.
    pub hook_alone: bool,
    /// Days without a login after which [`tables::SILENT`] is a finding.
    pub silent_days: u32,
    /// The countries of addresses.
    pub countries: Option<Countries>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            quiet: Duration::from_secs(60),
            longest: Duration::from_secs(600),
            ban: None,
            own: Vec::new(),
            silent: Vec::new(),
            hook_wait: Duration::from_millis(700),
            hook_alone: false,
            silent_days: 7,
            countries: None,
        }
    }
}

/// One accepted login, whichever way it was reported.
struct Accepted {
    time: Timestamp,
    via: Via,
    service: Service,
    user: String,
    source: Option<Source>,
    method: Option<String>,
    key: Option<Key>,
    pid: Option<u32>,
    terminal: Option<String>,
    /// Whether the source is certain.
    certain: bool,
    origin: String,
}

/// The sender of a line.
struct Line<'a> {
    time: Timestamp,
    via: Via,
    pid: Option<u32>,
    boot: &'a str,
    /// The line's place in its source, or its content.
    origin: String,
}

/// The state over many lines. The caller feeds it lines in their order, calls [`Observer::tick`] several times a second,
/// takes the reports after each batch, and stores [`Observer::state`].
pub struct Observer {
    settings: Settings,
    state: State,
    bursts: Bursts,
    connections: Connections,
    recent: Recent,
    reports: Vec<Report>,
    bans: Vec<Ban>,
    lost: u64,
    bursts_checked: Timestamp,
}

impl Observer {
    /// Makes an observer that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        let bursts = Bursts::new(settings.quiet, settings.longest);
        Self {
            settings,
            state: State::default(),
            bursts,
            connections: Connections::default(),
            recent: Recent::default(),
            reports: Vec::new(),
            bans: Vec::new(),
            lost: 0,
            bursts_checked: Timestamp::MIN,
        }
    }

    /// Continues with a stored state.
    pub fn restore(&mut self, mut state: State) {
        state.bound();
        self.bursts.restore(std::mem::take(&mut state.bursts));
        self.recent.restore(std::mem::take(&mut state.told));
        self.state = state;
    }

    /// Returns the state to store. Everything that was fed before is in it, so the caller stores it together with the
    /// place up to which it has read.
    pub fn state(&self) -> State {
        let bursts = self.bursts.open().cloned().collect();
        State { bursts, told: self.recent.unconfirmed(), ..self.state.clone() }
    }

    /// Returns the open sessions, the newest last.
    pub fn sessions(&self) -> Vec<Session> {
        self.state.sessions.iter().cloned().collect()
    }

    /// Returns the open bursts.
    pub fn bursts(&self) -> Vec<Burst> {
        self.bursts.open().cloned().collect()
    }

    /// Replaces the settings.
    pub fn set(&mut self, settings: Settings) {
        let mut bursts = Bursts::new(settings.quiet, settings.longest);
        bursts.restore(self.bursts.open().cloned().collect());
        (self.bursts, self.settings) = (bursts, settings);
    }

    /// Takes the reports since the last call.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Takes the bans since the last call.
    pub fn take_bans(&mut self) -> Vec<Ban> {
        std::mem::take(&mut self.bans)
    }

    /// Feeds an entry of the journal.
    pub fn journal(&mut self, entry: &Entry) {
        self.began(entry.time);
        if !entry.boot.is_empty() && self.state.boot != entry.boot {
            self.state.boot = entry.boot.clone().into_owned();
            self.state.sessions.booted(&entry.boot);
        }
        let line = Line {
            time: entry.time,
            via: Via::Journal,
            pid: entry.pid,
            boot: &entry.boot,
            origin: entry.cursor.clone().into_owned(),
        };
        match judge(entry) {
            Verdict::Nothing => {}
            Verdict::Believed(service, claim) => self.believe(service, claim, line),
            Verdict::Forged(service, _, doubt) => {
                let doubt = match &*entry.exe {
                    "" => doubt.as_str().to_owned(),
                    exe => format!("{}: {exe}", doubt.as_str()),
                };
                self.forged(service, entry.uid, entry.time, &entry.message, &doubt);
            }
        }
        self.end_bursts(entry.time);
    }

    /// Feeds a line of a log file. `origin` tells it from every other line: the file's identity and the line's place.
    pub fn line(&mut self, line: &SyslogLine, origin: String) {
        self.began(line.time);
        if let Some(claim) = message::claim(line.service, line.message) {
            let sender = Line { time: line.time, via: Via::File, pid: line.pid, boot: "", origin };
            self.believe(line.service, claim, sender);
        }
        self.end_bursts(line.time);
    }

    /// Feeds a report of the hook. `uid` is the uid of its sender, and `name` that uid's account. Only root's word counts
    /// for the address and for other accounts.
    pub fn hook(&mut self, report: &HookReport, uid: u32, name: Option<&str>, now: Timestamp) {
        self.began(now);
        let Some(service) = report.service().filter(|_| report.is_login() && !report.user.is_empty()) else {
            return;
        };
        if uid != 0 && name != Some(&*report.user) {
            let line = format!("the hook reports a login of {}", report.user);
            self.forged(service, Some(uid), now, &line, Doubt::User.as_str());
            return;
        }
        let source = report.source();
        let pid = report.pid.filter(|_| uid == 0);
        let pending = Pending {
            time: now,
            service,
            user: report.user.clone(),
            source,
            pid,
            terminal: report.terminal(),
            certain: uid == 0,
        };
        if self.recent.is_told(&pending) {
            if let Some(session) = self.state.sessions.newest_mut(&report.user, source) {
                session.terminal = pending.terminal.or(session.terminal.take());
            }
        } else if !self.recent.wait(pending) {
            self.lost += 1;
        }
    }

    /// Does what is due at `now`: ends bursts, and reports logins of the hook that the journal did not confirm. While the
    /// caller is `catching_up` with old lines, bursts end by the times of lines alone.
    pub fn tick(&mut self, now: Timestamp, catching_up: bool) {
        for pending in self.recent.due(now, self.settings.hook_wait) {
            if !pending.certain && !self.settings.hook_alone {
                continue;
            }
            if !pending.certain && !self.recent.may_tell_uncertain(now) {
                let line = format!("the hook reports too many logins, such as one of {}", pending.user);
                self.forged(pending.service, None, now, &line, Doubt::User.as_str());
                continue;
            }
            let Pending { time, service, user, source, pid, terminal, certain } = pending;
            let origin = format!("hook {user} {} {}", time.as_micros(), pid.unwrap_or(0));
            let (via, method, key) = (Via::Hook, None, None);
            let login =
                Accepted { time, via, service, user, source, method, key, pid, terminal, certain, origin };
            self.accepted(login, "");
        }
        if !catching_up {
            self.bursts_checked = Timestamp::MIN;
            self.end_bursts(now);
        }
    }

    /// Returns the findings. `session` is the beginning of the newest session that the system knows, if it knows any.
    pub fn findings(&self, session: Option<Timestamp>, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        let forged_lately = now.as_micros().saturating_sub(self.state.forged_last.as_micros()) < FORGED_FOR;
        if self.state.forged > 0 && forged_lately {
            let last = self.state.forged_last.to_string();
            findings
                .push(tables::FORGERY.finding("logins").with("lines", self.state.forged).with("last", last));
        }
        let session = session.max(self.state.last_session);
        let since = self.state.last_login.max(self.state.began);
        let days = now.as_micros().saturating_sub(since.as_micros()) / 86_400_000_000;
        if let Some(session) = session
            && session.as_micros() > since.as_micros().saturating_add(SESSION_SLACK)
            && days >= i64::from(self.settings.silent_days)
        {
            let finding = tables::SILENT.finding("logins").with("days", days);
            findings.push(finding.with("session", session.to_string()).with("since", since.to_string()));
        }
        if self.lost > 0 {
            findings.push(tables::LOST.finding("logins").with("reports", self.lost));
        }
        findings
    }

    /// Counts reports that the caller could not record.
    pub fn count_lost(&mut self, reports: u64) {
        self.lost = self.lost.saturating_add(reports);
    }

    /// Notes the first line ever, from which silence is measured.
    fn began(&mut self, time: Timestamp) {
        if self.state.began == Timestamp::MIN {
            self.state.began = time;
        }
    }

    fn believe(&mut self, service: Service, claim: Claim, line: Line) {
        match claim {
            Claim::Accepted { user, source, method, key } => {
                let Line { time, via, pid, boot, origin } = line;
                self.connections.forget(pid, source);
                let waiting = self.recent.confirmed(service, &user, source, pid, time);
                let (terminal, told) = match waiting {
                    Confirmed::Waiting(terminal) => (terminal, false),
                    Confirmed::Told => (None, true),
                    Confirmed::New => (None, false),
                };
                let login = Accepted {
                    time,
                    via,
                    service,
                    user,
                    source,
                    method,
                    key,
                    pid,
                    terminal,
                    certain: true,
                    origin,
                };
                match told {
                    true => self.learn_quietly(login, boot),
                    false => self.accepted(login, boot),
                }
            }
            Claim::Failed { user, source, method, step } => {
                if !self.connections.counts(line.pid, source, step) {
                    return;
                }
                let from = source.map_or(From::Nowhere, |source| From::Address(source.address));
                let tried = Try {
                    service,
                    from,
                    time: line.time,
                    user: &user,
                    example: method.as_deref(),
                    doubt: None,
                };
                self.count(tried, step);
            }
            Claim::Closed { user } => {
                let Some(session) = line.pid.and_then(|pid| self.state.sessions.close(service, pid, &user))
                else {
                    return;
                };
                self.ended(session, &line);
            }
            Claim::Elevated { user, target, terminal, command } => {
                let evidence = Login { target: Some(target), terminal, command, ..Login::new(service) };
                self.elevation(service, user, evidence, Outcome::Accepted, line);
            }
            Claim::Refused { user, target, terminal, command, reason } => {
                let evidence =
                    Login { target: Some(target), terminal, command, reason, ..Login::new(service) };
                self.elevation(service, user, evidence, Outcome::Denied, line);
            }
            Claim::Session => self.state.last_session = self.state.last_session.max(Some(line.time)),
        }
    }

    fn count(&mut self, tried: Try, step: Step) {
        let from = tried.from;
        let now = tried.time;
        let burst = self.bursts.count(tried);
        if step == Step::Tried && burst.example.is_none() {
            burst.example = tried.example.map(str::to_owned);
        }
        let (Some(rule), From::Address(address), false) = (&self.settings.ban, from, burst.banned) else {
            return;
        };
        if let Some(ban) = self.state.bans.judge(rule, &self.settings.own, address, burst.tries, now) {
            burst.banned = true;
            self.bans.push(ban);
        }
    }

    fn forged(&mut self, service: Service, uid: Option<u32>, time: Timestamp, line: &str, doubt: &str) {
        let lately = time.as_micros().saturating_sub(self.state.forged_last.as_micros()) < FORGED_FOR;
        self.state.forged = if lately { self.state.forged.saturating_add(1) } else { 1 };
        self.state.forged_last = self.state.forged_last.max(time);
        let (from, doubt) = (From::Forger(uid), Some(doubt));
        self.bursts.count(Try { service, from, time, user: "", example: Some(line), doubt });
    }

    /// Reports a login and learns it.
    fn accepted(&mut self, login: Accepted, boot: &str) {
        let silent = login.source.is_some_and(|source| self.is_silent(source.address));
        let mut evidence = Login {
            via: Some(login.via),
            method: login.method.clone(),
            key: login.key.clone(),
            terminal: login.terminal.clone(),
            ..self.place(login.service, login.source)
        };
        let actor = actor(Some(login.user.clone()), login.source);
        let (time, origin) = (login.time, login.origin.clone());
        evidence.new = self.learn(login, boot, evidence.country.clone());
        if silent {
            return;
        }
        let odd = evidence.new.iter().any(|new| matches!(new, New::Country | New::Key));
        let severity = if odd { Severity::Warning } else { Severity::Notice };
        let (kind, outcome) = (tables::ACCEPTED.name, Outcome::Accepted);
        self.report(Report { origin, time, kind, outcome, severity, actor, evidence });
    }

    /// Learns a login whose event was made from the hook's report.
    fn learn_quietly(&mut self, login: Accepted, boot: &str) {
        let country = login.source.and_then(|source| self.country(source.address));
        self.learn(login, boot, country);
    }

    fn learn(&mut self, login: Accepted, boot: &str, country: Option<String>) -> Vec<New> {
        let address = login.source.map(|source| source.address).filter(|_| login.certain);
        self.state.last_login = self.state.last_login.max(login.time);
        if let Some(address) = address {
            self.state.bans.accepted(address, login.time);
        }
        let hour = login.time.to_jiff().to_zoned_datetime(self.settings.zone.clone()).hour();
        let seen = Seeing {
            time: login.time,
            hour: u8::try_from(hour).unwrap_or(0),
            address,
            country: country.as_deref().filter(|_| login.certain),
            key: login.key.as_ref().map(|key| &*key.fingerprint),
        };
        // an uncertain report teaches nothing
        let new = if login.certain { self.state.known.learn(&login.user, seen) } else { Vec::new() };
        self.recent.tell(login.service, &login.user, login.source, login.pid, login.via, login.time);
        if let Some(pid) = login.pid {
            self.state.sessions.open(Session {
                boot: boot.to_owned(),
                pid,
                service: login.service,
                user: login.user,
                source: login.source,
                since: login.time,
                method: login.method,
                key: login.key,
                terminal: login.terminal,
            });
        }
        new
    }

    /// Reports the bursts that have ended. Looks at most once in a second of the lines' time.
    fn end_bursts(&mut self, now: Timestamp) {
        if now.as_micros().saturating_sub(self.bursts_checked.as_micros()) < 1_000_000 {
            return;
        }
        self.bursts_checked = now;
        for burst in self.bursts.ended(now) {
            self.report_burst(burst);
        }
    }

    fn country(&self, address: IpAddr) -> Option<String> {
        self.settings.countries.as_ref().and_then(|countries| countries(address))
    }

    fn is_silent(&self, address: IpAddr) -> bool {
        self.settings.silent.iter().any(|network| network.contains(&address))
    }
}
