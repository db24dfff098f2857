//! Signatures of requests to AWS, version 4 (docs.aws.amazon.com, "Signing AWS API requests").

use event::Timestamp;
use ring::{digest, hmac};

/// The part of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// The path, percent-encoded.
    pub(super) path: &'a str,
    /// The query, percent-encoded, its pairs in the order of their names.
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

/// The key of an account, and what it is used for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) access_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// Returns the values of the fields `x-amz-date` and `authorization`.
pub(super) fn sign(
    request: &Signed<'_>,
    scope: &Scope<'_>,
    secret: &str,
    now: Timestamp,
) -> (String, String) {
    // 2026-12-01T04:46:00.000000Z becomes 20261201T044600Z
    let text = now.to_string();
    let time: String = text.split('.').next().unwrap_or_default().replace(['-', ':'], "") + "Z";
    let day = time.split('T').next().unwrap_or_default();
    let Signed { method, host, path, query, body } = request;
    let digest = hex(digest::digest(&digest::SHA256, body).as_ref());
    let canonical =
        format!("{method}\n{path}\n{query}\nhost:{host}\nx-amz-date:{time}\n\nhost;x-amz-date\n{digest}");
    let Scope { access_key, region, service } = scope;
    let credential = format!("{day}/{region}/{service}/aws4_request");
    let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{credential}\n{canonical}");
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{credential}, SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    (time, authorization)
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_aws() {
        // "get-vanilla" and "get-vanilla-query-order-key-case" of AWS's test suite for version 4
        let scope = Scope { access_key: "AKIDEXAMPLE", region: "us-east-1", service: "service" };
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        for (query, expected) in [
            ("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "Param1=value1&Param2=value2",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let request =
                Signed { method: "GET", host: "example.amazonaws.com", path: "/", query, body: b"" };
            let (time, authorization) =
                sign(&request, &scope, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", now);
            assert_eq!(time, "20150830T123600Z");
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={expected}"
            );
            assert_eq!(authorization, expected);
        }
    }
}
