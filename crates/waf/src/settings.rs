//! Values of the configuration directives of a rule set.

use std::collections::BTreeSet;

use seclang::setting::{AuditEngine, AuditLogFormat, AuditLogType, LimitAction, RuleEngine, Setting};

use crate::target::{means, rule_pattern};

/// The engine's options, with ModSecurity 2's defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SecRuleEngine`
    pub rule_engine: RuleEngine,
    /// `SecRequestBodyAccess`
    pub request_body_access: bool,
    /// `SecRequestBodyLimit`, bytes
    pub request_body_limit: u64,
    /// `SecRequestBodyNoFilesLimit`, bytes
    pub request_body_no_files_limit: u64,
    /// `SecRequestBodyLimitAction`
    pub request_body_limit_action: LimitAction,
    /// `SecRequestBodyJsonDepthLimit`
    pub json_depth_limit: u32,
    /// `SecArgumentsLimit`
    pub arguments_limit: u32,
    /// `SecUploadFileLimit`
    pub upload_file_limit: u32,
    /// `SecUploadKeepFiles`. monban keeps no files. If this or `SecTmpSaveUploadedFiles` is not Off, ModSecurity counts files
    /// against the limit, and so does monban.
    pub upload_keep_files: bool,
    /// `SecTmpSaveUploadedFiles`; see `upload_keep_files`.
    pub tmp_save_uploaded_files: bool,
    /// `SecResponseBodyAccess`
    pub response_body_access: bool,
    /// `SecResponseBodyLimit`, bytes
    pub response_body_limit: u64,
    /// `SecResponseBodyLimitAction`
    pub response_body_limit_action: LimitAction,
    /// `SecResponseBodyMimeType`: lower case, without parameters
    pub response_body_mime_types: BTreeSet<String>,
    /// Whether a directive has set the types. The first directive replaces the defaults, further ones add to them.
    response_body_mime_types_set: bool,
    /// `SecAuditEngine`
    pub audit_engine: AuditEngine,
    /// `SecAuditLogParts`
    pub audit_log_parts: String,
    /// The statuses that match `SecAuditLogRelevantStatus`.
    pub audit_log_relevant_status: BTreeSet<u16>,
    /// `SecAuditLogType`
    pub audit_log_type: AuditLogType,
    /// `SecAuditLogFormat`
    pub audit_log_format: AuditLogFormat,
    /// `SecAuditLogStorageDir`
    pub audit_log_storage_dir: Option<String>,
    /// `SecArgumentSeparator`
    pub argument_separator: u8,
    /// `SecCookieFormat`, and for format 0 `SecCookieV0Separator`
    pub cookie_format: u8,
    /// See `cookie_format`. Unset: `;`, or `,` in a header without `;`.
    pub cookie_separator: Option<u8>,
    /// `SecUnicodeMapFile`: the file and the code page
    pub unicode_map: Option<(String, u32)>,
    /// `SecPcreMatchLimit`
    pub pcre_match_limit: u32,
    /// `SecPcreMatchLimitRecursion`. Unset: the match limit, since PCRE2's machine code in ModSecurity does not count the depth.
    pub pcre_depth_limit: Option<u32>,
    /// `SecCollectionTimeout`, seconds
    pub collection_timeout: u32,
    /// `SecWebAppId`
    pub web_app_id: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            rule_engine: RuleEngine::Off,
            request_body_access: false,
            request_body_limit: 134_217_728,
            request_body_no_files_limit: 1_048_576,
            request_body_limit_action: LimitAction::Reject,
            json_depth_limit: 10_000,
            arguments_limit: 1_000,
            upload_file_limit: 100,
            upload_keep_files: false,
            tmp_save_uploaded_files: false,
            response_body_access: false,
            response_body_limit: 524_288,
            response_body_limit_action: LimitAction::Reject,
            response_body_mime_types: ["text/plain", "text/html"].map(String::from).into(),
            response_body_mime_types_set: false,
            audit_engine: AuditEngine::Off,
            audit_log_parts: "ABCFHZ".into(),
            audit_log_relevant_status: BTreeSet::new(),
            audit_log_type: AuditLogType::Serial,
            audit_log_format: AuditLogFormat::Native,
            audit_log_storage_dir: None,
            argument_separator: b'&',
            cookie_format: 0,
            cookie_separator: None,
            unicode_map: None,
            pcre_match_limit: 1_500,
            pcre_depth_limit: None,
            collection_timeout: 3_600,
            web_app_id: b"default".to_vec(),
        }
    }
}

impl Settings {
    /// Applies one directive. Returns an error message on failure.
    pub(crate) fn apply(&mut self, setting: &Setting) -> Result<(), String> {
        match setting.clone() {
            Setting::RuleEngine(v) => self.rule_engine = v,
            Setting::RequestBodyAccess(v) => self.request_body_access = v,
            Setting::RequestBodyLimit(v) => self.request_body_limit = v,
            Setting::RequestBodyNoFilesLimit(v) => self.request_body_no_files_limit = v,
            Setting::RequestBodyInMemoryLimit(_) => {}
            Setting::RequestBodyLimitAction(v) => self.request_body_limit_action = v,
            Setting::RequestBodyJsonDepthLimit(v) => self.json_depth_limit = v,
            Setting::ArgumentsLimit(v) => self.arguments_limit = v,
            Setting::UploadFileLimit(v) => self.upload_file_limit = v,
            Setting::ResponseBodyAccess(v) => self.response_body_access = v,
            Setting::ResponseBodyLimit(v) => self.response_body_limit = v,
            Setting::ResponseBodyLimitAction(v) => self.response_body_limit_action = v,
            Setting::ResponseBodyMimeType(types) => {
                if !std::mem::replace(&mut self.response_body_mime_types_set, true) {
                    self.response_body_mime_types.clear();
                }
                self.response_body_mime_types.extend(types.iter().map(|t| t.to_ascii_lowercase()));
            }
            Setting::ResponseBodyMimeTypesClear => {
                self.response_body_mime_types_set = true;
                self.response_body_mime_types.clear();
            }
            Setting::AuditEngine(v) => self.audit_engine = v,
            Setting::AuditLogParts(v) => self.audit_log_parts = v,
            Setting::AuditLogRelevantStatus(v) => {
                self.audit_log_relevant_status = relevant_statuses(&v)?;
            }
            Setting::AuditLogType(AuditLogType::Https) => {
                return Err(
                    "SecAuditLogType HTTPS is not supported by monban: events go to its own store".into()
                );
            }
            Setting::AuditLogType(v) => self.audit_log_type = v,
            Setting::AuditLogFormat(v) => self.audit_log_format = v,
            Setting::AuditLogStorageDir(v) => self.audit_log_storage_dir = Some(v),
            Setting::ArgumentSeparator(v) => self.argument_separator = v,
            Setting::CookieFormat(v) => self.cookie_format = v,
            Setting::CookieV0Separator(v) => self.cookie_separator = Some(v),
            Setting::UnicodeMapFile { file, code_page } => {
                self.unicode_map = Some((file, code_page.unwrap_or(20127)));
            }
            Setting::PcreMatchLimit(v) => self.pcre_match_limit = v,
            Setting::PcreMatchLimitRecursion(v) => self.pcre_depth_limit = Some(v),
            Setting::CollectionTimeout(v) => self.collection_timeout = v,
            Setting::WebAppId(v) => self.web_app_id = v,
            // As in ModSecurity, the operator finds nothing without the key.
            Setting::HttpBlKey(_) => {
                return Err("SecHttpBlKey is not supported by monban: @rbl queries no lists".into());
            }
            Setting::Ignored { name, value } if name == "SecUploadKeepFiles" => {
                self.upload_keep_files = !value.eq_ignore_ascii_case("off");
            }
            Setting::Ignored { name, value } if name == "SecTmpSaveUploadedFiles" => {
                self.tmp_save_uploaded_files = !value.eq_ignore_ascii_case("off");
            }
            // The compiler reads the database.
            Setting::GeoLookupDb(_) | Setting::Ignored { .. } => {}
        }
        Ok(())
    }

    /// Returns the number of files that a multipart body may contain; none if ModSecurity does not count them.
    pub(crate) fn file_limit(&self) -> Option<usize> {
        (self.upload_keep_files || self.tmp_save_uploaded_files).then_some(self.upload_file_limit as usize)
    }

    /// Whether the status matches SecAuditLogRelevantStatus.
    pub fn status_is_relevant(&self, status: u16) -> bool {
        self.audit_log_relevant_status.contains(&status)
    }
}

/// Returns the statuses that a pattern matches. They are so few that testing each of them is cheap.
fn relevant_statuses(pattern: &str) -> Result<BTreeSet<u16>, String> {
    let pattern = rule_pattern(pattern).map_err(|error| format!("SecAuditLogRelevantStatus: {error}"))?;
    Ok((0..1000).filter(|status: &u16| means(&pattern, status.to_string().as_bytes())).collect())
}
