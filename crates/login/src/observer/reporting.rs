//! The reports of an observer, one for each thing that it saw.

use event::{Outcome, Severity};

use super::{Line, Observer};
use crate::burst::{Burst, From};
use crate::claim::{Service, Source};
use crate::evidence::{Login, Tried};
use crate::known::network;
use crate::limits::MAX_REPORTS;
use crate::report::{Report, actor};
use crate::session::Session;
use crate::tables;

/// Tries of a burst from which its event is a warning.
const MANY_TRIES: u64 = 100;

impl Observer {
    /// Reports the end of a session.
    pub(super) fn ended(&mut self, session: Session, line: &Line) {
        if session.source.is_some_and(|source| self.is_silent(source.address)) {
            return;
        }
        let micros = line.time.as_micros().saturating_sub(session.since.as_micros());
        let evidence = Login {
            via: Some(line.via),
            method: session.method,
            key: session.key,
            terminal: session.terminal,
            seconds: Some(u64::try_from(micros / 1_000_000).unwrap_or(0)),
            ..self.place(session.service, session.source)
        };
        self.report(Report {
            origin: line.origin.clone(),
            time: line.time,
            kind: tables::ENDED.name,
            outcome: Outcome::Changed,
            severity: tables::ENDED.severity,
            actor: actor(Some(session.user), session.source),
            evidence,
        });
    }

    /// Reports a use of su or sudo.
    pub(super) fn elevation(
        &mut self,
        service: Service,
        user: String,
        evidence: Login,
        outcome: Outcome,
        line: Line,
    ) {
        let kind = match (service, outcome) {
            (Service::Sudo, Outcome::Accepted) => tables::SUDO_ACCEPTED,
            (Service::Sudo, _) => tables::SUDO_DENIED,
            (_, Outcome::Accepted) => tables::SU_ACCEPTED,
            _ => tables::SU_DENIED,
        };
        self.report(Report {
            origin: line.origin,
            time: line.time,
            kind: kind.name,
            outcome,
            severity: kind.severity,
            actor: actor(Some(user), None),
            evidence: Login { via: Some(line.via), ..evidence },
        });
    }

    /// Reports a burst that has ended.
    pub(super) fn report_burst(&mut self, burst: Burst) {
        let address = match burst.from {
            From::Address(address) => Some(address),
            _ => None,
        };
        let source = address.map(|address| Source { address, port: None });
        let mut users: Vec<Tried> =
            burst.users.into_iter().map(|(user, tries)| Tried { user, tries }).collect();
        users.sort_by(|a, b| (b.tries, &a.user).cmp(&(a.tries, &b.user)));
        let mut evidence = Login {
            tries: Some(burst.tries),
            first: Some(burst.first),
            last: Some(burst.last),
            other_users: burst.other_users,
            sources: burst.sources,
            banned: burst.banned,
            ..self.place(burst.service, source)
        };
        let name = format!("{} {:?} {}", burst.service.as_str(), burst.from, burst.first.as_micros());
        let mut report = Report {
            origin: name,
            time: burst.last,
            kind: tables::FAILED.name,
            outcome: Outcome::Denied,
            severity: if burst.tries >= MANY_TRIES { Severity::Warning } else { Severity::Notice },
            actor: actor(None, source),
            evidence: Login::new(burst.service),
        };
        if let From::Forger(uid) = burst.from {
            (evidence.uid, evidence.line, evidence.reason) = (uid, burst.example, burst.doubt);
            (report.kind, report.outcome) = (tables::FORGED.name, Outcome::Detected);
            report.severity = tables::FORGED.severity;
        } else {
            if let ([only], 0) = (&users[..], burst.other_users) {
                report.actor.user = Some(only.user.clone());
            }
            (evidence.method, evidence.users) = (burst.example, users);
        }
        self.report(Report { evidence, ..report });
    }

    /// Returns evidence with country and network of a source.
    pub(super) fn place(&self, service: Service, source: Option<Source>) -> Login {
        let address = source.map(|source| source.address);
        Login {
            country: address.and_then(|address| self.country(address)),
            network: address.map(|address| network(address).to_string()),
            ..Login::new(service)
        }
    }

    /// Keeps a report for the caller, or counts it as lost.
    pub(super) fn report(&mut self, report: Report) {
        match self.reports.len() < MAX_REPORTS {
            true => self.reports.push(report),
            false => self.lost = self.lost.saturating_add(1),
        }
    }
}
