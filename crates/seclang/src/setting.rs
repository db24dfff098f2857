//! Directives that set an option of the engine.

use crate::names::named_enum;

named_enum! {
    /// `SecRuleEngine`
    pub enum RuleEngine {
        On = "On",
        DetectionOnly = "DetectionOnly",
        Off = "Off",
    }
}
named_enum! {
    /// `SecAuditEngine`
    pub enum AuditEngine {
        On = "On",
        Off = "Off",
        RelevantOnly = "RelevantOnly",
    }
}
named_enum! {
    /// The action for a body beyond its limit.
    pub enum LimitAction {
        Reject = "Reject",
        ProcessPartial = "ProcessPartial",
    }
}
named_enum! {
    /// `SecAuditLogType`
    pub enum AuditLogType {
        Serial = "Serial",
        Concurrent = "Concurrent" | "Parallel",
        Https = "HTTPS",
    }
}
named_enum! {
    /// `SecAuditLogFormat`
    pub enum AuditLogFormat {
        Native = "Native",
        Json = "JSON",
    }
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `SecRuleEngine`
    RuleEngine(RuleEngine),
    /// `SecRequestBodyAccess`
    RequestBodyAccess(bool),
    /// `SecRequestBodyLimit`, bytes
    RequestBodyLimit(u64),
    /// `SecRequestBodyNoFilesLimit`, bytes
    RequestBodyNoFilesLimit(u64),
    /// `SecRequestBodyInMemoryLimit`, bytes; monban ignores it and keeps the inspected part in memory
    RequestBodyInMemoryLimit(u64),
    /// `SecRequestBodyLimitAction`
    RequestBodyLimitAction(LimitAction),
    /// `SecRequestBodyJsonDepthLimit`
    RequestBodyJsonDepthLimit(u32),
    /// `SecArgumentsLimit`
    ArgumentsLimit(u32),
    /// `SecResponseBodyAccess`
    ResponseBodyAccess(bool),
    /// `SecResponseBodyLimit`, bytes
    ResponseBodyLimit(u64),
    /// `SecResponseBodyLimitAction`
    ResponseBodyLimitAction(LimitAction),
    /// `SecResponseBodyMimeType`
    ResponseBodyMimeType(Vec<String>),
    /// `SecResponseBodyMimeTypesClear`
    ResponseBodyMimeTypesClear,
    /// `SecAuditEngine`
    AuditEngine(AuditEngine),
    /// `SecAuditLogParts`, letters
    AuditLogParts(String),
    /// `SecAuditLogRelevantStatus`, a pattern
    AuditLogRelevantStatus(String),
    /// `SecAuditLogType`
    AuditLogType(AuditLogType),
    /// `SecAuditLogFormat`
    AuditLogFormat(AuditLogFormat),
    /// `SecAuditLogStorageDir`
    AuditLogStorageDir(String),
    /// `SecArgumentSeparator`
    ArgumentSeparator(u8),
    /// `SecCookieFormat`, 0 or 1
    CookieFormat(u8),
    /// `SecCookieV0Separator`
    CookieV0Separator(u8),
    /// `SecUnicodeMapFile FILE [CODEPAGE]`
    UnicodeMapFile {
        /// The file, relative to the rule file.
        file: String,
        /// The code page in it.
        code_page: Option<u32>,
    },
    /// `SecPcreMatchLimit`
    PcreMatchLimit(u32),
    /// `SecPcreMatchLimitRecursion`
    PcreMatchLimitRecursion(u32),
    /// `SecCollectionTimeout`, seconds
    CollectionTimeout(u32),
    /// `SecWebAppId`
    WebAppId(Vec<u8>),
    /// `SecGeoLookupDB`
    GeoLookupDb(String),
    /// `SecHttpBlKey`
    HttpBlKey(String),
    /// `SecUploadFileLimit`
    UploadFileLimit(u32),
    /// Accepted without effect, because standard configurations set it (data, temp and upload folders, debug log, status engine,
    /// …).
    Ignored {
        /// The directive.
        name: String,
        /// Its argument.
        value: String,
    },
}
