//! Directives that set an option of the engine.

use crate::directive::{DirectiveName, Support};
use crate::error::{Fault, LoadErrorKind};
use crate::lexer::{Fragment, Text};
use crate::limits;
use crate::parse::ctl;
use crate::parse::value::{number, number32, on_off, refuse, word};
use crate::setting::Setting;

/// Reads a setting with a valid number of arguments.
pub(super) fn setting(
    directive: &'static DirectiveName,
    line: Fragment<'_>,
    arguments: &[Text],
) -> Result<Setting, Fault> {
    let name = directive.name;
    // Only SecResponseBodyMimeTypesClear and refused directives may have no argument.
    let value = arguments.first().map_or(line.slice(0, 0), Text::fragment);
    match directive.support {
        Support::Refused(reason) => {
            return Err(line
                .slice(0, name.len())
                .fault(LoadErrorKind::Refused { name: name.to_owned(), reason }));
        }
        Support::OffOnly(reason) => {
            if on_off(value, name)? {
                return Err(value.fault(LoadErrorKind::Refused { name: format!("{name} On"), reason }));
            }
            return Ok(Setting::Ignored { name: name.to_owned(), value: "Off".to_owned() });
        }
        // It is part of the tree, because it is a number like the other limits.
        Support::Ignored(_) if name != "SecRequestBodyInMemoryLimit" => {
            if directive.arguments == "On or Off" {
                on_off(value, name)?;
            }
            let words: Vec<_> =
                arguments.iter().map(|word| String::from_utf8_lossy(word.fragment().bytes)).collect();
            return Ok(Setting::Ignored { name: name.to_owned(), value: words.join(" ") });
        }
        Support::Ignored(_) | Support::Done => {}
    }
    let bytes = || value.bytes.to_vec();
    let body_limit = || number(value, name, 1..=limits::BODY_LIMIT);
    let text = || {
        if value.is_empty() {
            return Err(refuse(value, name, directive.arguments));
        }
        value.utf8(name)
    };
    let single_byte = || match value.bytes {
        [byte] => Ok(*byte),
        _ => Err(refuse(value, name, "one byte")),
    };
    Ok(match name {
        "SecArgumentSeparator" => Setting::ArgumentSeparator(single_byte()?),
        "SecArgumentsLimit" => Setting::ArgumentsLimit(number32(value, name, 1)?),
        "SecAuditEngine" => Setting::AuditEngine(word(value, name)?),
        "SecAuditLogFormat" => Setting::AuditLogFormat(word(value, name)?),
        "SecAuditLogParts" => Setting::AuditLogParts(audit_log_parts(value, name)?),
        "SecAuditLogRelevantStatus" => Setting::AuditLogRelevantStatus(text()?),
        "SecAuditLogStorageDir" => Setting::AuditLogStorageDir(text()?),
        "SecAuditLogType" => Setting::AuditLogType(word(value, name)?),
        "SecCollectionTimeout" => {
            Setting::CollectionTimeout(number(value, name, 0..=limits::COLLECTION_TIMEOUT)?)
        }
        "SecCookieFormat" => Setting::CookieFormat(number(value, name, 0..=1)?),
        "SecCookieV0Separator" => Setting::CookieV0Separator(single_byte()?),
        "SecGeoLookupDB" => Setting::GeoLookupDb(text()?),
        "SecHttpBlKey" => Setting::HttpBlKey(text()?),
        "SecPcreMatchLimit" => Setting::PcreMatchLimit(number32(value, name, 1)?),
        "SecPcreMatchLimitRecursion" => Setting::PcreMatchLimitRecursion(number32(value, name, 1)?),
        "SecRequestBodyAccess" => Setting::RequestBodyAccess(on_off(value, name)?),
        "SecRequestBodyInMemoryLimit" => Setting::RequestBodyInMemoryLimit(body_limit()?),
        "SecRequestBodyJsonDepthLimit" => {
            Setting::RequestBodyJsonDepthLimit(number(value, name, 1..=limits::JSON_DEPTH)?)
        }
        "SecRequestBodyLimit" => Setting::RequestBodyLimit(body_limit()?),
        "SecRequestBodyLimitAction" => Setting::RequestBodyLimitAction(word(value, name)?),
        "SecRequestBodyNoFilesLimit" => Setting::RequestBodyNoFilesLimit(body_limit()?),
        "SecResponseBodyAccess" => Setting::ResponseBodyAccess(on_off(value, name)?),
        "SecResponseBodyLimit" => Setting::ResponseBodyLimit(body_limit()?),
        "SecResponseBodyLimitAction" => Setting::ResponseBodyLimitAction(word(value, name)?),
        "SecResponseBodyMimeType" => {
            let types: Result<_, _> = arguments.iter().map(|a| a.fragment().utf8(name)).collect();
            Setting::ResponseBodyMimeType(types?)
        }
        "SecResponseBodyMimeTypesClear" => Setting::ResponseBodyMimeTypesClear,
        "SecRuleEngine" => Setting::RuleEngine(word(value, name)?),
        "SecUnicodeMapFile" => {
            let code_page = match arguments.get(1) {
                Some(page) => Some(number32(page.fragment(), name, 1)?),
                None => None,
            };
            Setting::UnicodeMapFile { file: text()?, code_page }
        }
        "SecUploadFileLimit" => Setting::UploadFileLimit(number32(value, name, 0)?),
        "SecWebAppId" => Setting::WebAppId(bytes()),
        other => unreachable!("`{other}` is read elsewhere or missing here; a test reads every directive"),
    })
}

fn audit_log_parts(value: Fragment<'_>, name: &str) -> Result<String, Fault> {
    if value.is_empty() || !value.bytes.iter().all(|&b| ctl::is_audit_log_part(b)) {
        return Err(refuse(value, name, "letters from A to K and Z"));
    }
    Ok(value.utf8("SecAuditLogParts")?.to_ascii_uppercase())
}
