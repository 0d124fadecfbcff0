//! Transfers that break off and go on.

use super::*;

fn upload(sent: &[u8], offset: u64) -> Put {
    Put { size: Some(sent.len() as u64), modified: Some(7), offset, checksum: Some(sha(sent)), ..put("big") }
}

impl House {
    async fn state(&self, sent: &[u8]) -> u64 {
        self.transfer.upload_state(&kai(), "big", None, sent.len() as u64, Some(7)).await.unwrap().offset
    }
}

#[tokio::test]
async fn an_upload_cut_anywhere_goes_on_where_it_was_cut() {
    let house = house();
    let sent = content(2_000_000);
    for cut in [1, 511, 100_003, 999_999, 1_999_999] {
        assert_eq!(house.state(&sent).await, 0);
        house.receive(upload(&sent, 0), broken(&sent[..cut])).await.unwrap_err();
        let offset = house.state(&sent).await;
        assert_eq!(offset, cut as u64);
        let received = house.receive(upload(&sent, offset), body(&sent[cut..])).await.unwrap();
        assert_eq!((received.size, received.checksum), (sent.len() as u64, sha(&sent)));
        assert_eq!(fs::read(house.home.join("big")).unwrap(), sent);
        assert_eq!(house.names(""), ["big"]);
    }
}

#[tokio::test]
async fn an_upload_cut_several_times_arrives_whole() {
    let house = house();
    let sent = content(1_000_000);
    let mut offset = 0;
    for step in [10_000, 300_000, 5, 650_000] {
        let end = (offset + step).min(sent.len());
        house.receive(upload(&sent, offset as u64), broken(&sent[offset..end])).await.unwrap_err();
        offset = house.state(&sent).await as usize;
        assert_eq!(offset, end);
    }
    house.receive(upload(&sent, offset as u64), body(&sent[offset..])).await.unwrap();
    assert_eq!(fs::read(house.home.join("big")).unwrap(), sent);
}

#[tokio::test]
async fn a_part_that_does_not_fit_is_found_out_by_the_checksum_and_thrown_away() {
    let house = house();
    let sent = content(400_000);
    house.receive(upload(&sent, 0), broken(&vec![0; 200_000])).await.unwrap_err();
    assert_eq!(house.code(upload(&sent, 200_000), body(&sent[200_000..])).await, Some(Code::TransferChecksumMismatch));
    assert_eq!(house.state(&sent).await, 0);
    assert!(house.names("").is_empty());
}

#[tokio::test]
async fn an_upload_is_its_callers_alone_and_known_by_size_and_time() {
    let house = house();
    let sent = content(400_000);
    house.receive(upload(&sent, 0), broken(&sent[..1000])).await.unwrap_err();
    let leo = Caller::new(
        Role::Peer { name: "leo".into(), permissions: Permission::ALL.to_vec(), legacy: false },
        String::new(),
        Ipv4Addr::LOCALHOST.into(),
    );
    let state = |caller: Caller, size, time| {
        let house = &house;
        async move { house.transfer.upload_state(&caller, "big", None, size, time).await.unwrap().offset }
    };
    assert_eq!(state(kai(), 400_000, Some(7)).await, 1000);
    assert_eq!(state(leo, 400_000, Some(7)).await, 0);
    assert_eq!(state(kai(), 400_001, Some(7)).await, 0);
    assert_eq!(state(kai(), 400_000, Some(8)).await, 0);
    assert_eq!(state(kai(), 400_000, None).await, 0);
}

#[tokio::test]
async fn nothing_is_continued_where_nothing_is() {
    let house = house();
    let sent = content(1000);
    assert_eq!(house.code(upload(&sent, 500), body(&sent[500..])).await, Some(Code::RangeNotSatisfiable));
    house.receive(upload(&sent, 0), broken(&sent[..100])).await.unwrap_err();
    assert_eq!(house.code(upload(&sent, 500), body(&sent[500..])).await, Some(Code::RangeNotSatisfiable));
    let unsized_part = Put { offset: 5, ..put("other") };
    assert_eq!(house.code(unsized_part, body(b"x")).await, Some(Code::InvalidRequest));
}

#[tokio::test]
async fn an_upload_on_a_dead_connection_gives_way_to_its_next_try() {
    let house = house();
    let sent = content(400_000);
    let hanging: Pieces = Box::pin(body(&sent[..150_000]).chain(stream::pending()));
    let first = house.receive(upload(&sent, 0), hanging);
    let second = async {
        let offset = loop {
            match house.state(&sent).await {
                0 => tokio::task::yield_now().await,
                offset => break offset,
            }
        };
        house.receive(upload(&sent, offset), body(&sent[offset as usize..])).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap_err().code, Code::TransferFailed);
    assert_eq!(second.unwrap().checksum, sha(&sent));
}

#[tokio::test]
async fn an_upload_that_is_dropped_can_be_continued() {
    let house = house();
    let sent = content(400_000);
    let hanging: Pieces = Box::pin(body(&sent[..150_000]).chain(stream::pending()));
    let dropped = tokio::time::timeout(std::time::Duration::from_millis(100), house.receive(upload(&sent, 0), hanging)).await;
    assert!(dropped.is_err());
    let offset = loop {
        match house.state(&sent).await {
            150_000 => break 150_000,
            _ => tokio::task::yield_now().await,
        }
    };
    house.receive(upload(&sent, offset), body(&sent[150_000..])).await.unwrap();
}

#[tokio::test]
async fn a_link_in_the_place_of_a_part_is_not_written_through() {
    let house = house();
    let sent = content(1000);
    house.receive(upload(&sent, 0), broken(&sent[..100])).await.unwrap_err();
    let part = house.home.join(&house.names("")[0]);
    fs::remove_file(&part).unwrap();
    fs::write(house.home.join("victim"), "precious").unwrap();
    std::os::unix::fs::symlink(house.home.join("victim"), &part).unwrap();
    assert_eq!(house.state(&sent).await, 0);
    assert_eq!(house.code(upload(&sent, 100), body(&sent[100..])).await, Some(Code::RangeNotSatisfiable));
    house.receive(upload(&sent, 0), body(&sent)).await.unwrap();
    assert_eq!(fs::read(house.home.join("victim")).unwrap(), b"precious");
}

#[tokio::test]
async fn a_download_cut_anywhere_goes_on_and_its_checksum_is_of_the_whole() {
    let house = house();
    let sent = content(2_000_000);
    fs::write(house.home.join("x"), &sent).unwrap();
    for cut in [1_usize, 524_288, 1_000_001, 1_999_999] {
        let (rest, checksum) = house.pull("x", cut as u64).await.unwrap();
        assert!(rest == sent[cut..], "cut at {cut}");
        assert_eq!(checksum, Some(sha(&sent)));
    }
    for offset in [2_000_000, u64::MAX] {
        assert_eq!(house.pull("x", offset).await.unwrap_err().code, Code::RangeNotSatisfiable);
    }
}

#[tokio::test]
async fn a_part_of_another_state_of_the_file_is_never_sent() {
    let house = house();
    fs::write(house.home.join("x"), "first state").unwrap();
    let etag = house.transfer.send(&kai(), "x", Part::default()).await.unwrap().etag;
    let part = Part { offset: 6, etag };
    assert_eq!(house.transfer.send(&kai(), "x", part.clone()).await.unwrap().offset, 6);
    fs::write(house.home.join("x"), "second state").unwrap();
    let whole = house.transfer.send(&kai(), "x", part).await.unwrap();
    assert_eq!(whole.offset, 0);
    assert_eq!(read(whole.body).await.unwrap().0, b"second state");
}
