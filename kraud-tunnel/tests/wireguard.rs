//! The framing of WireGuard's data messages.

mod common;

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};
use common::rows;
use kraud_tunnel::wireguard::{
    DataHeader, HEADER_LEN, REJECT_AFTER_MESSAGES, TAG_LEN, message_len, padding,
};

#[test]
fn framing_and_padding_follow_the_vectors() {
    let all = rows("wireguard_data");
    assert!(all.len() >= 15);
    for row in all {
        let (plaintext, datagram) = (row.bytes("plaintext"), row.bytes("datagram"));
        let mtu = row.int("mtu") as usize;
        assert_eq!(
            padding(plaintext.len(), mtu) as u64,
            row.int("padding"),
            "{}",
            row.name()
        );
        assert_eq!(
            message_len(plaintext.len(), mtu),
            datagram.len(),
            "{}",
            row.name()
        );
        let header = DataHeader {
            receiver: row.int("receiver") as u32,
            counter: row.int("counter"),
        };
        assert_eq!(DataHeader::parse(&datagram), Ok(header), "{}", row.name());
        let mut front = [0; HEADER_LEN];
        header.emit(&mut front).expect("room");
        assert_eq!(front, datagram[..HEADER_LEN], "{}", row.name());
        assert!(header.counter < REJECT_AFTER_MESSAGES);
        assert_eq!(
            sealed(&row, header, &plaintext, mtu),
            datagram,
            "{}",
            row.name()
        );
    }
}

/// The whole datagram, made the way a plane makes it: in one buffer, header in front, tag behind.
fn sealed(row: &common::Row, header: DataHeader, plaintext: &[u8], mtu: usize) -> Vec<u8> {
    let mut buf = vec![0; message_len(plaintext.len(), mtu)];
    header.emit(&mut buf).expect("room");
    buf[HEADER_LEN..HEADER_LEN + plaintext.len()].copy_from_slice(plaintext);
    let end = buf.len() - TAG_LEN;
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&header.counter.to_le_bytes());
    let cipher = ChaCha20Poly1305::new_from_slice(&row.bytes("key")).expect("32 bytes");
    let tag = cipher
        .encrypt_in_place_detached(&nonce.into(), &[], &mut buf[HEADER_LEN..end])
        .expect("short");
    buf[end..].copy_from_slice(&tag);
    buf
}

#[test]
fn padding_never_leaves_the_mtu_and_always_reaches_sixteen_below_it() {
    for mtu in [576, 1280, 1419, 1420, 1421] {
        for len in 0..=mtu {
            let padded = len + padding(len, mtu);
            assert!(
                padded <= mtu && (padded % 16 == 0 || padded == mtu),
                "{len} in {mtu}"
            );
        }
    }
    assert_eq!(padding(17, 0), 15);
}

#[test]
fn what_is_not_a_data_message_is_refused() {
    assert!(DataHeader::parse(&[4; HEADER_LEN + TAG_LEN - 1]).is_err());
    let mut datagram = [0; 32];
    datagram[0] = 1;
    assert!(DataHeader::parse(&datagram).is_err());
    datagram[0] = 4;
    datagram[3] = 1;
    assert!(DataHeader::parse(&datagram).is_err());
    assert!(
        DataHeader {
            receiver: 0,
            counter: 0
        }
        .emit(&mut [0; 15])
        .is_err()
    );
}
