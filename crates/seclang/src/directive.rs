//! The names of directives, the number of their arguments, and monban's support for each.

/// monban's support for a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// monban does the same as ModSecurity.
    Done,
    /// monban accepts the directive without effect, because standard configurations set it.
    Ignored(&'static str),
    /// monban refuses the directive, for this reason.
    Refused(&'static str),
    /// monban refuses `On`, for this reason, and accepts `Off`.
    OffOnly(&'static str),
}

/// A directive of the language.
#[derive(Debug, Clone, Copy)]
pub struct DirectiveName {
    /// The name, which matches in any case.
    pub name: &'static str,
    /// The fewest arguments.
    pub least: usize,
    /// The most arguments.
    pub most: usize,
    /// The arguments, as documentation writes them.
    pub arguments: &'static str,
    /// monban's support for it.
    pub support: Support,
}

const MANY: usize = usize::MAX;

const fn done(name: &'static str, least: usize, most: usize, arguments: &'static str) -> DirectiveName {
    DirectiveName { name, least, most, arguments, support: Support::Done }
}

const fn ignored(name: &'static str, arguments: &'static str, why: &'static str) -> DirectiveName {
    // Some may have a second argument, such as the addresses of SecConnReadStateLimit.
    DirectiveName { name, least: 1, most: 2, arguments, support: Support::Ignored(why) }
}

const fn refused(name: &'static str, arguments: &'static str, why: &'static str) -> DirectiveName {
    DirectiveName { name, least: 0, most: MANY, arguments, support: Support::Refused(why) }
}

const fn off_only(name: &'static str, arguments: &'static str, why: &'static str) -> DirectiveName {
    DirectiveName { name, least: 1, most: 1, arguments, support: Support::OffOnly(why) }
}

const FOLDERS: &str = "monban keeps its data in its own data_dir";
const OWN_LOG: &str = "`audit_log` in monban's configuration names the file";
const LOGGING: &str = "monban writes its own log";
const SERVER: &str = "it concerns the web server that hosts ModSecurity";
const COUNTED: &str =
    "no upload is written to disk; if it is not Off, SecUploadFileLimit applies, as in ModSecurity";
const MEMORY: &str = "monban keeps the inspected part of a body in memory and writes no upload to disk";
const HASH: &str = "monban has no link hashing";

/// Every directive, in alphabetical order.
pub const DIRECTIVES: &[DirectiveName] = &[
    done("Include", 1, MANY, "FILE or PATTERN…"),
    done("IncludeOptional", 1, MANY, "FILE or PATTERN…"),
    done("SecAction", 1, 1, "\"ACTIONS\""),
    done("SecArgumentSeparator", 1, 1, "BYTE"),
    done("SecArgumentsLimit", 1, 1, "NUMBER"),
    done("SecAuditEngine", 1, 1, "On, Off or RelevantOnly"),
    ignored("SecAuditLog", "FILE", OWN_LOG),
    ignored("SecAuditLog2", "FILE", OWN_LOG),
    ignored("SecAuditLogDirMode", "MODE", "monban chooses the modes"),
    ignored("SecAuditLogFileMode", "MODE", "monban chooses the modes"),
    done("SecAuditLogFormat", 1, 1, "Native or JSON"),
    done("SecAuditLogParts", 1, 1, "LETTERS"),
    done("SecAuditLogRelevantStatus", 1, 1, "PATTERN"),
    done("SecAuditLogStorageDir", 1, 1, "FOLDER"),
    done("SecAuditLogType", 1, 1, "Serial, Concurrent or HTTPS"),
    ignored(
        "SecCacheTransformations",
        "On, Off or options",
        "each chain of transformations is computed once",
    ),
    refused("SecChrootDir", "FOLDER", "use the sandboxing of the systemd unit"),
    done("SecCollectionTimeout", 1, 1, "SECONDS"),
    ignored("SecComponentSignature", "TEXT", "the audit log names the versions of the rules that matched"),
    ignored(
        "SecConnEngine",
        "On, Off or DetectionOnly",
        "connection limits are set in monban's configuration",
    ),
    ignored("SecConnReadStateLimit", "NUMBER", "connection limits are set in monban's configuration"),
    ignored("SecConnWriteStateLimit", "NUMBER", "connection limits are set in monban's configuration"),
    ignored("SecContentInjection", "On or Off", "append and prepend need no switch"),
    done("SecCookieFormat", 1, 1, "0 or 1"),
    done("SecCookieV0Separator", 1, 1, "BYTE"),
    ignored("SecDataDir", "FOLDER", FOLDERS),
    ignored("SecDebugLog", "FILE", LOGGING),
    ignored("SecDebugLogLevel", "NUMBER", LOGGING),
    done("SecDefaultAction", 1, 1, "\"ACTIONS\""),
    ignored("SecDisableBackendCompression", "On or Off", SERVER),
    done("SecGeoLookupDB", 1, 1, "FILE"),
    refused("SecGsbLookupDB", "FILE", "Google's Safe Browsing lists are no longer published in that form"),
    refused("SecGuardianLog", "|PROGRAM", "monban starts no programs for its logs"),
    off_only("SecHashEngine", "On or Off", HASH),
    refused("SecHashKey", "KEY", HASH),
    refused("SecHashMethodPm", "METHOD PHRASES", HASH),
    refused("SecHashMethodRx", "METHOD PATTERN", HASH),
    refused("SecHashParam", "NAME", HASH),
    done("SecHttpBlKey", 1, 1, "KEY"),
    ignored("SecInterceptOnError", "On or Off", "rules that cannot run are refused when they are loaded"),
    done("SecMarker", 1, 1, "NAME"),
    done("SecPcreMatchLimit", 1, 1, "NUMBER"),
    done("SecPcreMatchLimitRecursion", 1, 1, "NUMBER"),
    ignored("SecReadStateLimit", "NUMBER", "connection limits are set in monban's configuration"),
    refused("SecRemoteRules", "KEY URL", "rules come only from files"),
    ignored("SecRemoteRulesFailAction", "Abort or Warn", "rules come only from files"),
    done("SecRequestBodyAccess", 1, 1, "On or Off"),
    DirectiveName { most: 1, ..ignored("SecRequestBodyInMemoryLimit", "BYTES", MEMORY) },
    done("SecRequestBodyJsonDepthLimit", 1, 1, "NUMBER"),
    done("SecRequestBodyLimit", 1, 1, "BYTES"),
    done("SecRequestBodyLimitAction", 1, 1, "Reject or ProcessPartial"),
    done("SecRequestBodyNoFilesLimit", 1, 1, "BYTES"),
    refused("SecRequestEncoding", "NAME", "t:urlDecodeUni and SecUnicodeMapFile do this"),
    done("SecResponseBodyAccess", 1, 1, "On or Off"),
    done("SecResponseBodyLimit", 1, 1, "BYTES"),
    done("SecResponseBodyLimitAction", 1, 1, "Reject or ProcessPartial"),
    done("SecResponseBodyMimeType", 1, MANY, "TYPE…"),
    done("SecResponseBodyMimeTypesClear", 0, 0, ""),
    done("SecRule", 2, 3, "TARGETS \"OPERATOR\" [\"ACTIONS\"]"),
    done("SecRuleEngine", 1, 1, "On, DetectionOnly or Off"),
    ignored("SecRuleInheritance", "On or Off", "one set of rules serves all sites"),
    ignored("SecRulePerfTime", "MICROSECONDS", "monban measures the performance itself"),
    done("SecRuleRemoveById", 1, MANY, "ID or RANGE…"),
    done("SecRuleRemoveByMsg", 1, MANY, "PATTERN…"),
    done("SecRuleRemoveByTag", 1, MANY, "PATTERN…"),
    refused("SecRuleScript", "FILE [\"ACTIONS\"]", "monban runs no Lua"),
    done("SecRuleUpdateActionById", 2, 2, "ID[:LINK] \"ACTIONS\""),
    done("SecRuleUpdateTargetById", 2, 3, "ID or RANGE[:LINK] \"TARGETS\" [\"REPLACED\"]"),
    done("SecRuleUpdateTargetByMsg", 2, 3, "PATTERN \"TARGETS\" [\"REPLACED\"]"),
    done("SecRuleUpdateTargetByTag", 2, 3, "PATTERN \"TARGETS\" [\"REPLACED\"]"),
    ignored("SecSensorId", "NAME", "`node` in monban's configuration names the gate"),
    ignored("SecServerSignature", "TEXT", "responses keep the upstream's Server field, and monban adds none"),
    ignored("SecStatusEngine", "On or Off", "monban sends no reports"),
    ignored("SecStreamInBodyInspection", "On or Off", "monban does not have STREAM_INPUT_BODY"),
    ignored("SecStreamOutBodyInspection", "On or Off", "monban does not have STREAM_OUTPUT_BODY"),
    ignored("SecTmpDir", "FOLDER", FOLDERS),
    ignored("SecTmpSaveUploadedFiles", "On or Off", COUNTED),
    done("SecUnicodeMapFile", 1, 2, "FILE [CODEPAGE]"),
    ignored("SecUploadDir", "FOLDER", MEMORY),
    done("SecUploadFileLimit", 1, 1, "NUMBER"),
    ignored("SecUploadFileMode", "MODE", MEMORY),
    ignored("SecUploadKeepFiles", "On, Off or RelevantOnly", COUNTED),
    done("SecWebAppId", 1, 1, "NAME"),
    ignored("SecWriteStateLimit", "NUMBER", "connection limits are set in monban's configuration"),
    off_only("SecXmlExternalEntity", "On or Off", "it would let a request read files and reach other hosts"),
];

impl DirectiveName {
    /// Returns the directive with this name, ignoring case.
    pub fn find(name: &str) -> Option<&'static DirectiveName> {
        DIRECTIVES.iter().find(|directive| directive.name.eq_ignore_ascii_case(name))
    }
}
