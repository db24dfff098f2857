use super::*;
use crate::share::Shares;

fn client() -> (Arc<Shares>, Arc<Client>) {
    let shares = Arc::new(Shares::default());
    let client = shares.client("192.0.2.1".parse().unwrap());
    (shares, client)
}

fn limits(held_bytes: usize, spilled_bytes: usize) -> Limits {
    Limits { held_bytes, spilled_bytes, ..Limits::default() }
}

async fn all(held: &Held) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = held.release().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

#[tokio::test]
async fn many_small_pieces_are_joined_and_order_is_kept() {
    let (shares, client) = client();
    let held = Held::new(&client, 0);
    let mut want = Vec::new();
    for at in 0..10_000_u32 {
        let piece = if at % 1000 == 0 { vec![b'L'; JOIN_BYTES] } else { vec![at as u8] };
        want.extend_from_slice(&piece);
        held.push(piece.into(), &Limits::default(), Path::new("/none")).await.unwrap();
    }
    assert!(lock(held.0.as_ref().unwrap()).pieces.len() < 30);
    assert_eq!((held.len(), shares.used(Resource::Memory)), (want.len(), want.len()));
    let beginning = held.beginning().unwrap();
    assert_eq!(beginning.read(usize::MAX), want);
    assert_eq!(beginning.read(5000), want[..5000]);
    assert_eq!(all(&held).await, want);
    assert_eq!(shares.used(Resource::Memory), 0);
}

#[tokio::test]
async fn few_pieces_are_not_copied() {
    let (_, client) = client();
    let held = Held::new(&client, 0);
    let piece = Bytes::from_static(b"a=1&b=2");
    for _ in 0..FEW_PIECES {
        held.push(piece.clone(), &Limits::default(), Path::new("/none")).await.unwrap();
    }
    for _ in 0..FEW_PIECES {
        let released = held.release().await.unwrap().unwrap();
        assert_eq!((released.as_ptr(), released.len()), (piece.as_ptr(), 7));
    }
    assert_eq!(held.release().await.unwrap(), None);
}

#[tokio::test]
async fn c17_a_large_body_goes_to_disk_and_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (shares, client) = client();
    let held = Held::new(&client, 0);
    let mut want = Vec::new();
    for at in 0..1000_usize {
        let piece: Vec<u8> = (0..at * 7 % 9000).map(|byte| (byte * at) as u8).collect();
        want.extend_from_slice(&piece);
        held.push(piece.into(), &Limits::default(), folder.path()).await.unwrap();
        assert!(shares.used(Resource::Memory) <= HELD_IN_MEMORY);
    }
    assert!(want.len() > 2 * 1024 * 1024);
    assert_eq!(held.len(), want.len());
    let on_disk = shares.used(Resource::Disk);
    assert!(want.len() - on_disk < SPILL_BYTES, "{on_disk}");
    // the file has no name
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let beginning = held.beginning().unwrap();
    assert_eq!(beginning.read(100_000), want[..100_000]);
    let mut lent = Vec::new();
    while let Some(piece) = held.lend().await.unwrap() {
        lent.extend_from_slice(&piece);
    }
    assert_eq!(lent, want);
    assert!(held.rewind(), "a body on disk can be sent again");
    assert_eq!(all(&held).await, want);
    drop(beginning);
    assert_eq!((shares.used(Resource::Memory), shares.used(Resource::Disk)), (0, 0));
    assert!(!held.rewind());
}

#[tokio::test]
async fn c16_a_body_beyond_the_share_of_memory_goes_to_disk_and_beyond_that_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (shares, client) = client();
    let limits = limits(2000, 20_000);
    let one = Held::new(&client, 0);
    one.push(vec![1; 1000].into(), &limits, folder.path()).await.unwrap();
    assert_eq!((shares.used(Resource::Memory), shares.used(Resource::Disk)), (1000, 0));
    let two = Held::new(&client, 0);
    two.push(vec![2; 1000].into(), &limits, folder.path()).await.unwrap();
    assert_eq!((shares.used(Resource::Memory), shares.used(Resource::Disk)), (1000, 1000));
    let three = Held::new(&client, 0);
    three.push(vec![3; 9000].into(), &limits, folder.path()).await.unwrap();
    let error = three.push(vec![3; 9000].into(), &limits, folder.path()).await.unwrap_err();
    assert!(matches!(error, HoldError::Share(Spent)), "{error}");
    // another client is not affected
    let other = Held::new(&shares.client("192.0.2.2".parse().unwrap()), 0);
    other.push(vec![4; 4000].into(), &limits, folder.path()).await.unwrap();
    drop((one, two, three, other));
    assert_eq!((shares.used(Resource::Memory), shares.used(Resource::Disk)), (0, 0));
}

#[tokio::test]
async fn c17_a_disk_that_takes_nothing_is_an_error_that_says_so() {
    let (_, client) = client();
    let held = Held::new(&client, 0);
    let body = vec![0; HELD_IN_MEMORY + 1];
    let error = held.push(body.into(), &Limits::default(), Path::new("/no/such/folder")).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot hold the body on disk: "), "{error}");
}

#[tokio::test]
async fn c15_what_was_sent_goes_except_for_the_beginning_that_an_event_may_show() {
    let (shares, client) = client();
    let held = Held::new(&client, 6000);
    for byte in 0..10 {
        held.push(vec![byte; 5000].into(), &Limits::default(), Path::new("/none")).await.unwrap();
    }
    let beginning = held.beginning().unwrap();
    assert_eq!(all(&held).await.len(), 50_000);
    assert_eq!(shares.used(Resource::Memory), 10_000);
    assert_eq!(beginning.read(50_000).len(), 10_000);
    drop(beginning);
    assert_eq!(shares.used(Resource::Memory), 0);
}

#[tokio::test]
async fn b12_what_is_lent_can_be_lent_again_until_it_is_settled() {
    let (shares, client) = client();
    let held = Held::new(&client, 0);
    for byte in [b'a', b'b'] {
        held.push(vec![byte; 5000].into(), &Limits::default(), Path::new("/none")).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(held.lend().await.unwrap().unwrap()[0], b'a');
        assert_eq!(held.lend().await.unwrap().unwrap()[0], b'b');
        assert_eq!(held.lend().await.unwrap(), None);
        assert!(held.rewind());
    }
    assert_eq!(held.lend().await.unwrap().unwrap()[0], b'a');
    held.settle();
    assert_eq!(shares.used(Resource::Memory), 5000);
    assert!(!held.rewind());
}
