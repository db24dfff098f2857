//! A single query to one server: over UDP, and over TCP if the answer is truncated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::DnsError;
use crate::limits::{DNS_ATTEMPTS, DNS_UDP_BYTES};

/// Queries a server for a name of its own zones. Returns the answer section, which is empty if the name or the type
/// does not exist.
///
/// Ignores an answer with another id or another question, because its sender has not seen the query.
pub(super) async fn ask(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    timeout: Duration,
) -> Result<Vec<Record>, DnsError> {
    let failed = |what: String| DnsError::Failed(name.clone(), format!("{server}: {what}"));
    let mut answer = None;
    for _ in 0..DNS_ATTEMPTS {
        match tokio::time::timeout(timeout, over_udp(server, name, kind)).await {
            Ok(Ok(received)) => {
                answer = Some(received);
                break;
            }
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => {}
        }
    }
    let Some(mut answer) = answer else { return Err(DnsError::Timeout(name.clone())) };
    if answer.metadata.truncation {
        answer = match tokio::time::timeout(timeout, over_tcp(server, name, kind)).await {
            Ok(received) => received.map_err(failed)?,
            Err(_) => return Err(DnsError::Timeout(name.clone())),
        };
    }
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if answer.metadata.authoritative => Ok(answer.answers),
        ResponseCode::NoError | ResponseCode::NXDomain => Err(DnsError::NotAuthoritative(name.clone())),
        code => Err(DnsError::Refused(name.clone(), code)),
    }
}

fn question(name: &Name, kind: RecordType) -> Result<(Message, Vec<u8>), String> {
    let mut message = Message::query();
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(DNS_UDP_BYTES);
    message.set_edns(edns);
    let bytes = message.to_vec().map_err(|error| error.to_string())?;
    Ok((message, bytes))
}

fn answers(question: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let fits = answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries;
    fits.then_some(answer)
}

async fn over_udp(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, String> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let (question, bytes) = question(name, kind)?;
    // a new random port for each query, chosen by the kernel
    let socket = UdpSocket::bind((any, 0)).await.map_err(|error| error.to_string())?;
    socket.connect(server).await.map_err(|error| error.to_string())?;
    socket.send(&bytes).await.map_err(|error| error.to_string())?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(|error| error.to_string())?;
        if let Some(answer) = answers(&question, &buffer[..length]) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, String> {
    let (question, bytes) = question(name, kind)?;
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange.await.map_err(|error| error.to_string())?;
    answers(&question, &answer).ok_or_else(|| "its answer over TCP does not match the question".to_owned())
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RData;

    use super::*;

    fn www() -> Name {
        Name::from_ascii("www.example.org.").unwrap()
    }

    /// Starts a server that sends these answers to one query. Each answer is built from the query.
    async fn server(answers: Vec<fn(Message) -> Vec<u8>>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
                for answer in &answers {
                    let question = Message::from_vec(&buffer[..length]).unwrap();
                    socket.send_to(&answer(question), peer).await.unwrap();
                }
            }
        });
        address
    }

    fn answer(mut message: Message, address: [u8; 4]) -> Message {
        message.metadata.message_type = MessageType::Response;
        message.metadata.authoritative = true;
        let data = RData::A(Ipv4Addr::from(address).into());
        message.add_answer(Record::from_rdata(message.queries[0].name().clone(), 60, data));
        message
    }

    fn bytes(message: Message) -> Vec<u8> {
        message.to_vec().unwrap()
    }

    #[tokio::test]
    async fn lying_answers_are_passed_over() {
        let liars: Vec<fn(Message) -> Vec<u8>> = vec![
            |_| Vec::new(),
            |_| b"no DNS".to_vec(),
            |question| {
                let mut lie = answer(question, [6, 6, 6, 6]);
                lie.metadata.id = !lie.metadata.id;
                bytes(lie)
            },
            |question| {
                let mut lie = answer(question, [6, 6, 6, 6]);
                lie.queries[0] = Query::query(Name::from_ascii("evil.example.").unwrap(), RecordType::A);
                bytes(lie)
            },
            |mut question| {
                question.queries.clear();
                question.metadata.message_type = MessageType::Response;
                bytes(question)
            },
            // the query itself, sent back
            bytes,
            |question| bytes(answer(question, [192, 0, 2, 1])),
        ];
        let address = server(liars.clone()).await;
        let records = ask(address, &www(), RecordType::A, Duration::from_secs(60)).await.unwrap();
        assert_eq!(records[0].data.to_string(), "192.0.2.1");
        let address = server(liars[..liars.len() - 1].to_vec()).await;
        let error = ask(address, &www(), RecordType::A, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error, DnsError::Timeout(www()));
    }

    #[tokio::test]
    async fn a_cut_answer_without_tcp_is_an_error() {
        let cut: fn(Message) -> Vec<u8> = |question| {
            let mut answer = answer(question, [192, 0, 2, 1]);
            answer.metadata.truncation = true;
            bytes(answer)
        };
        let address = server(vec![cut]).await;
        let error = ask(address, &www(), RecordType::A, Duration::from_secs(60)).await.unwrap_err();
        assert!(matches!(&error, DnsError::Failed(_, what) if what.contains("refused")), "{error}");
    }

    #[tokio::test]
    async fn a_server_of_another_zone_is_an_error() {
        let lame: fn(Message) -> Vec<u8> = |question| {
            let mut answer = answer(question, [192, 0, 2, 1]);
            answer.metadata.authoritative = false;
            bytes(answer)
        };
        let address = server(vec![lame]).await;
        let error = ask(address, &www(), RecordType::A, Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error, DnsError::NotAuthoritative(www()));
    }
}
