//! Requests to the warden, and lines of authorized_keys: reading never panics, a verb's arguments are read as they are written, and
//! what leaves a key file is short and has no control characters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use warden::limits::MAX_COMMENT_BYTES;
use warden::protocol::Request;
use warden::verbs;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = Request::parse(data)
        && let Ok(verb) = verbs::find(&request.verb)
        && let Ok(subject) = verb.parse(request.arguments)
    {
        let again = Request::write(&request.verb, &request.arguments).expect("JSON stays JSON");
        let again = Request::parse(&again).expect("a request is read as it is written");
        assert_eq!(verb.parse(again.arguments).as_ref(), Ok(&subject));
    }
    for verb in verbs::VERBS {
        let mut json = format!(r#"{{"version":1,"verb":"{}","arguments":"#, verb.name()).into_bytes();
        json.extend_from_slice(data);
        json.push(b'}');
        if let Ok(request) = Request::parse(&json) {
            let _subject = verb.parse(request.arguments);
        }
    }
    if let Some(key) = verbs::authorized_keys::parse(data) {
        assert!(key.comment.len() <= MAX_COMMENT_BYTES && !key.comment.chars().any(char::is_control));
        assert_eq!(key.fingerprint.len(), "SHA256:".len() + 43);
    }
});
