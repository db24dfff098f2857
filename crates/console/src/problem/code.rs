//! What kind of problem an answer tells of, as a word: for programs, and for pages in other languages than English.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[doc = $what:literal])+ $code:ident = $status:ident,)+) => {
        /// What kind of problem it is: one of these words, each with its status. What a problem names, such as a role or a
        /// limit, is in `values`. Words may be added: who does not know one shows `error`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = ProblemCode)]
        pub enum Code {
            $($(#[doc = $what])+ $code,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The status that goes with it.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)+
                }
            }
        }
    };
}

codes! {
    // What is said in `error` alone, one for each status.
    /// The request is wrong: see `error`.
    BadRequest = BAD_REQUEST,
    /// It is not allowed: see `error`.
    Forbidden = FORBIDDEN,
    /// It is not there: see `error`.
    NotFound = NOT_FOUND,
    /// It does not fit what is there: see `error`.
    Conflict = CONFLICT,
    /// It cannot be done: see `error`.
    Refused = UNPROCESSABLE_ENTITY,
    /// Something outside does not work: see `error`.
    Unavailable = SERVICE_UNAVAILABLE,
    /// A fault of monban: see `error`.
    Internal = INTERNAL_SERVER_ERROR,

    /// No path of the API, and no file.
    NothingHere = NOT_FOUND,
    /// This monban was built without the page.
    WithoutPage = SERVICE_UNAVAILABLE,
    /// The request's Host is none of the console's.
    ForeignHost = MISDIRECTED_REQUEST,
    /// Another site's page sent it.
    ForeignPage = FORBIDDEN,
    /// `X-CSRF-Token` is missing or wrong.
    CsrfToken = FORBIDDEN,

    /// Nobody has signed in.
    SignInFirst = UNAUTHORIZED,
    /// The session is over.
    SessionEnded = UNAUTHORIZED,
    /// It takes the role `values.role`.
    RoleNeeded = FORBIDDEN,
    /// It takes a session; a token is not enough.
    SessionNeeded = FORBIDDEN,
    /// The account is gone.
    AccountGone = UNAUTHORIZED,
    /// The name or the password is wrong.
    WrongCredentials = UNAUTHORIZED,
    /// Signing in takes a code as well.
    CodeNeeded = UNAUTHORIZED,
    /// The code is wrong, or was used before.
    CodeUsedOrWrong = UNAUTHORIZED,
    /// Too many attempts: see Retry-After.
    TooManyAttempts = TOO_MANY_REQUESTS,
    /// Too many sign in at this moment: see Retry-After.
    Busy = TOO_MANY_REQUESTS,
    /// A one-time link that was used, is too old, or never was one.
    LinkGone = UNAUTHORIZED,
    /// The link is for another user: `values.user`.
    LinkOfOther = UNPROCESSABLE_ENTITY,
    /// The first account needs a name.
    NameNeeded = UNPROCESSABLE_ENTITY,

    /// No user name: of 1 to `values.max` characters.
    BadUserName = UNPROCESSABLE_ENTITY,
    /// There is a user of this name: `values.user`.
    UserExists = CONFLICT,
    /// There are `values.max` users.
    TooManyUsers = CONFLICT,
    /// Nobody would be owner any more.
    LastOwner = CONFLICT,
    /// There is no such user.
    NoSuchUser = NOT_FOUND,

    /// The password is wrong.
    WrongPassword = UNPROCESSABLE_ENTITY,
    /// The password has less than `values.min` characters.
    PasswordTooShort = UNPROCESSABLE_ENTITY,
    /// The password has more than `values.max` bytes.
    PasswordTooLong = UNPROCESSABLE_ENTITY,
    /// The password is one character again and again.
    PasswordOfOneCharacter = UNPROCESSABLE_ENTITY,
    /// The password is little more than the user's name.
    PasswordOfName = UNPROCESSABLE_ENTITY,

    /// Codes of an app are on already.
    TotpOn = CONFLICT,
    /// Codes of an app are off.
    TotpOff = CONFLICT,
    /// No secret was asked for.
    TotpNotBegun = CONFLICT,
    /// The app's code is wrong.
    WrongCode = UNPROCESSABLE_ENTITY,
    /// There is no such session of this user: `values.id`.
    NoSuchSession = NOT_FOUND,

    /// No name of a token: of 1 to `values.max` characters.
    BadTokenName = UNPROCESSABLE_ENTITY,
    /// A token without a scope.
    TokenWithoutScope = UNPROCESSABLE_ENTITY,
    /// A token lasts 1 to `values.max` days.
    BadTokenDays = UNPROCESSABLE_ENTITY,
    /// There are `values.max` tokens.
    TooManyTokens = CONFLICT,
    /// The scope `values.scope` takes the role `values.role`.
    ScopeBeyondRole = FORBIDDEN,
    /// There is no such token of this user: `values.id`.
    NoSuchToken = NOT_FOUND,

    /// The passkey is not known, or its answer is wrong or late.
    PasskeyUnknown = UNAUTHORIZED,
    /// The console has no name that passkeys could be bound to.
    PasskeysNeedName = CONFLICT,
    /// Passkeys work at `values.url` only.
    PasskeysElsewhere = CONFLICT,
    /// No name of a passkey: of 1 to `values.max` characters.
    BadPasskeyName = UNPROCESSABLE_ENTITY,
    /// There are `values.max` passkeys.
    TooManyPasskeys = CONFLICT,
    /// It was begun too long ago, or by somebody else.
    PasskeyTooLate = UNPROCESSABLE_ENTITY,
    /// The passkey is not taken: `values.why`.
    PasskeyRefused = UNPROCESSABLE_ENTITY,
    /// The passkey was added before.
    PasskeyExists = CONFLICT,
    /// There is no such passkey of this user: `values.id`.
    NoSuchPasskey = NOT_FOUND,

    /// There is no such channel of notices.
    NoSuchChannel = NOT_FOUND,
    /// No id of an event: `values.id`.
    BadEventId = BAD_REQUEST,
    /// There is no such event: `values.id`.
    NoSuchEvent = NOT_FOUND,
    /// Too many live tails are open.
    TooManyTails = SERVICE_UNAVAILABLE,

    /// No name of a filter: of 1 to `values.max` characters.
    BadFilterName = UNPROCESSABLE_ENTITY,
    /// The filter has more than `values.max` bytes.
    FilterTooLong = UNPROCESSABLE_ENTITY,
    /// A user has `values.max` filters, or there are `values.all`.
    TooManyFilters = UNPROCESSABLE_ENTITY,
    /// There is no such filter: `values.id`.
    NoSuchFilter = NOT_FOUND,
    /// The filter is another user's: `values.user`.
    FilterOfOther = FORBIDDEN,

    /// Somebody else has changed the exclusions meanwhile.
    ExclusionsChanged = CONFLICT,
    /// Nothing would be blocked without the rule `values.rule`.
    RuleBlocks = UNPROCESSABLE_ENTITY,
    /// The rule `values.rule` is an exclusion itself.
    RuleIsExclusion = UNPROCESSABLE_ENTITY,
    /// A rule without an id.
    RuleWithoutId = UNPROCESSABLE_ENTITY,
    /// `values.site` is neither a site nor a host name.
    NoSiteOrHost = UNPROCESSABLE_ENTITY,
    /// No rule can name the path `values.path`.
    PathNotNamed = UNPROCESSABLE_ENTITY,
    /// The variable `values.variable` cannot be taken from a rule that every ModSecurity reads.
    VariableNotNamed = UNPROCESSABLE_ENTITY,
    /// A text of an exclusion has more than `values.max` bytes or characters.
    ExclusionTooLong = UNPROCESSABLE_ENTITY,
    /// It would end before it begins.
    ExclusionExpired = UNPROCESSABLE_ENTITY,
    /// There are `values.max` exclusions, or no id is free.
    TooManyExclusions = UNPROCESSABLE_ENTITY,
    /// The exclusion `values.id` excludes the same already.
    ExclusionExists = UNPROCESSABLE_ENTITY,
    /// There is no exclusion `values.id`.
    NoSuchExclusion = NOT_FOUND,
    /// What is to be undone has been changed since.
    ChangedSince = UNPROCESSABLE_ENTITY,
}

impl Code {
    /// The one that says no more than the status does.
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::UNPROCESSABLE_ENTITY => Self::Refused,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_alone_says_has_that_status() {
        let general = [400, 403, 404, 409, 422, 503, 500];
        for (status, code) in general.into_iter().zip(Code::ALL) {
            assert_eq!(code.status().as_u16(), status);
            assert_eq!(Code::of(code.status()), *code);
        }
        assert_eq!(Code::of(StatusCode::PAYLOAD_TOO_LARGE), Code::BadRequest);
        assert_eq!(Code::of(StatusCode::BAD_GATEWAY), Code::Internal);
        assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
    }

    #[test]
    fn the_description_names_every_code() {
        let document = serde_json::to_value(crate::openapi::document()).unwrap();
        let described = document["components"]["schemas"]["ProblemCode"]["enum"].as_array().unwrap();
        let codes: Vec<_> = Code::ALL.iter().map(|code| serde_json::to_value(code).unwrap()).collect();
        assert_eq!(*described, codes);
        assert!(codes.len() > 50);
    }
}
