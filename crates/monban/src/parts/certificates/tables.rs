//! The kinds of events, findings and properties of certificates, and their evidence.

use acme::Chain;
use event::property::{Property, Values};
use event::redaction::Redactor;
use event::{EvidenceKind, Fact, Outcome, Severity, Timestamp};
use finding::{Declaration, EventKind, Text, table};
use serde::{Deserialize, Serialize};

/// The gate of all events of certificates.
pub const GATE: &str = "certificate";

table! {
    /// The kinds of events.
    pub KINDS: EventKind {
        /// A first certificate came.
        pub ISSUED = EventKind::new("certificate.issued", Severity::Notice, "certificate issued", "証明書の発行");
        /// A certificate was renewed.
        pub RENEWED = EventKind::new("certificate.renewed", Severity::Notice, "certificate renewed", "証明書の更新");
        /// Attempts fail in a row.
        pub FAILING = EventKind::new("certificate.failing", Severity::Error, "renewal fails", "証明書の更新失敗");
        /// A certificate was revoked.
        pub REVOKED = EventKind::new("certificate.revoked", Severity::Notice, "certificate revoked", "証明書の失効");
    }
}

table! {
    /// The findings.
    pub FINDINGS: Declaration {
        /// Attempts fail in a row.
        pub FAILS = Declaration::new(
            "certificates.failing",
            Severity::Error,
            Text::new("The certificate {subject} cannot be renewed", "証明書 {subject} を更新できない"),
            Text::new(
                "{failures} attempts in a row failed. The last one: {why}",
                "{failures} 回続けて失敗しました。直近の失敗: {why}",
            ),
            Text::new(
                "Correct the cause, then run `monban cert renew {subject}`. The old certificate is served meanwhile.",
                "原因を取り除いてから `monban cert renew {subject}` を実行してください。それまでは古い証明書が使われます。",
            ),
        )
        .examples(&[
            ("subject", Text::same("example.org")),
            ("failures", Text::same("2")),
            ("why", Text::same("cannot order the certificate: letsencrypt: rateLimited (429)")),
        ]);
        /// There is no certificate yet.
        pub MISSING = Declaration::new(
            "certificates.missing",
            Severity::Warning,
            Text::new("There is no certificate {subject} yet", "証明書 {subject} がまだない"),
            Text::new(
                "{section} wants it. Clients that ask for its names get no connection.",
                "{section} が必要としています。この名前を求めるクライアントは接続できません。",
            ),
            Text::new(
                "Wait for the first attempt, or see `monban cert show {subject}`.",
                "最初の試行を待つか、`monban cert show {subject}` で確認してください。",
            ),
        )
        .examples(&[("subject", Text::same("example.org")), ("section", Text::same("[[site]] www"))]);
        /// A file of a certificate is damaged.
        pub DAMAGED = Declaration::new(
            "certificates.damaged",
            Severity::Error,
            Text::new("The files of the certificate {subject} cannot be used", "証明書 {subject} のファイルを使えない"),
            Text::new("{why}", "{why}"),
            Text::new(
                "Restore the file from a backup, or remove its folder: the certificate is then ordered anew.",
                "バックアップからファイルを戻すか、フォルダーを削除してください。削除すると新しく発行されます。",
            ),
        )
        .examples(&[
            ("subject", Text::same("example.org")),
            ("why", Text::same("/var/lib/monban/certificates/example.org/state.json: damaged")),
        ]);
    }
}

/// The properties of the events.
pub const PROPERTIES: &[Property] = &[
    Property::fact("serial", Values::Text, "The serial number of a certificate", "証明書のシリアル番号")
        .at(AT)
        .seen(),
    Property::fact("issuer", Values::Text, "The issuer of a certificate", "証明書の発行者").at(AT).seen(),
    Property::fact("san", Values::Text, "A name in a certificate", "証明書に含まれる名前").at(AT).seen(),
];

const AT: &[&str] = &[GATE];

/// A certificate, or the failure to obtain it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CertificateEvidence {
    /// The names.
    pub names: Vec<String>,
    /// The CA.
    pub ca: String,
    /// Serial number in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// End of the validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Failures in a row before this.
    #[serde(default)]
    pub failures: u32,
    /// The error of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it was revoked.
    #[serde(default)]
    pub revoked: bool,
}

impl CertificateEvidence {
    /// Makes evidence of a certificate.
    pub fn of(chain: &Chain, ca: &str) -> Self {
        Self {
            names: chain.names.iter().map(ToString::to_string).collect(),
            ca: ca.to_owned(),
            serial: Some(chain.serial.clone()),
            issuer: Some(chain.issuer.clone()),
            not_after: Some(chain.validity.not_after),
            ..Self::default()
        }
    }
}

impl EvidenceKind for CertificateEvidence {
    const NAME: &'static str = "certificate";

    fn summary(&self, _: Outcome) -> String {
        let day = |time: Timestamp| time.to_jiff().strftime("%Y-%m-%d").to_string();
        match (&self.error, self.not_after) {
            (Some(error), Some(end)) => {
                format!("{} attempts failed, certificate valid until {}: {error}", self.failures, day(end))
            }
            (Some(error), None) => format!("{} attempts failed, no certificate yet: {error}", self.failures),
            (None, _) if self.revoked => "certificate revoked".to_owned(),
            (None, Some(end)) if self.failures > 1 => {
                format!("certificate valid until {}, after {} failed attempts", day(end), self.failures)
            }
            (None, Some(end)) => format!("certificate valid until {}", day(end)),
            (None, None) => "certificate".to_owned(),
        }
    }

    fn facts(&self, _: Outcome) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.names.iter().map(|name| Fact::text("san", &**name)).collect();
        facts.extend(self.serial.as_deref().map(|serial| Fact::text("serial", serial)));
        facts.extend(self.issuer.as_deref().map(|issuer| Fact::text("issuer", issuer)));
        facts
    }

    fn redact(&mut self, redactor: &Redactor) {
        self.error.iter_mut().for_each(|error| redactor.redact_text(error));
    }

    fn shrink(&mut self, bytes: usize) {
        if let Some(error) = &mut self.error {
            error.truncate(error.floor_char_boundary(bytes / 2));
        }
        let mut left = bytes / 2;
        self.names.retain(|name| {
            let fits = name.len() <= left;
            left = left.saturating_sub(name.len());
            fits
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed_and_evidence_is_bounded() {
        assert_eq!(finding::table::faults(KINDS), Vec::<String>::new());
        assert_eq!(finding::table::faults(FINDINGS), Vec::<String>::new());
        event::Gate::new(GATE).unwrap();
        for kind in KINDS {
            event::Kind::new(kind.name).unwrap();
        }
        let mut evidence = CertificateEvidence {
            names: (0..100).map(|number| format!("host-{number}.example.org")).collect(),
            error: Some("é".repeat(10_000)),
            ..CertificateEvidence::default()
        };
        evidence.shrink(1000);
        assert!(evidence.names.iter().map(String::len).sum::<usize>() <= 500);
        assert!(evidence.error.unwrap().len() <= 500);
    }
}
