//! `decode`, on captures that scapy made (`tests/captures/make.py`), and on files that mean no good.

mod common;

use common::{Run, kraud};
use kraud_demo::decode::{CaptureError, decode};
use proptest::prelude::*;
use serde_json::json;

const CONVERSATIONS: &[u8] = include_bytes!("captures/conversations.pcap");
const FRAGMENTS: &[u8] = include_bytes!("captures/fragments.pcapng");

fn of(capture: &str, arguments: &[&str]) -> Run {
    let path = format!("{}/tests/captures/{capture}", env!("CARGO_MANIFEST_DIR"));
    kraud([&["decode", &path], arguments].concat())
}

#[test]
fn a07_the_conversations_of_a_capture_are_told() {
    let run = of("conversations.pcap", &[]);
    assert_eq!(
        run.stdout,
        "\
tunnel                     from               to                protocol  packets  bytes  seconds   
fd42:1a8::1 > fd42:1a8::2  192.168.2.1        192.168.2.2       icmp      1/1      84/84  0.000250
fd42:1a8::1 > fd42:1a8::2  10.198.62.5:40000  10.198.62.6:5432  tcp       1/1      40/40  0.000500
fd42:1a8::1 > fd42:1a8::3  192.168.2.1:1234   192.168.2.3:53    udp       1/0      48/0   0.000000
fd42:1a8::3 > fd42:1a8::2  192.168.2.1        192.168.2.2       icmp      1/0      28/0   0.000000
fd42:1a8::1 > fd42:1a8::2  [fd00::5]:7        [fd00::6]:8       udp       1/0      49/0   0.000000

7 of 9 frames are tunnelled, in 5 conversations
"
    );
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let data = of("conversations.pcap", &["-o", "json"]).json();
    assert_eq!(data["schema"], "kraud/v1");
    assert_eq!((&data["frames"], &data["other"]), (&json!(9), &json!(2)));
    let tcp = &data["conversations"][1];
    assert_eq!(tcp["ports"], json!([40000, 5432]));
    assert_eq!(tcp["first"], json!(1_694_434_590.1));
}

#[test]
fn a07_a_packet_in_pieces_is_put_together() {
    let data = of("fragments.pcapng", &["-o", "json"]).json();
    let conversations = data["conversations"].as_array().unwrap();
    assert_eq!(
        conversations.len(),
        1,
        "the piece without the rest is nobody's"
    );
    assert_eq!(conversations[0]["bytes"], json!([3028, 0]));
    assert_eq!(conversations[0]["ports"], json!([9, 10]));
}

#[test]
fn damaged_packets_are_counted_by_what_is_wrong() {
    let data = of("damaged.pcap", &["-o", "json"]).json();
    assert_eq!(
        data["dropped"],
        json!({"inner_checksum": 1, "inner_length": 1, "outer_length": 1})
    );
    assert_eq!(data["conversations"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_in_front_of_the_damage_is_told_and_the_damage_too() {
    let folder = common::EmptyFolder::new();
    let path = folder.path().join("cut.pcap");
    std::fs::write(&path, &CONVERSATIONS[..CONVERSATIONS.len() - 3]).unwrap();
    let run = kraud(["decode", path.to_str().unwrap(), "-o", "json"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr
            .contains("cut off inside of a block, after 8 frames"),
        "{}",
        run.stderr
    );
    let data: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(data["frames"], 8);
    assert!(data["error"].as_str().unwrap().contains("cut off"));

    std::fs::write(&path, "no capture at all").unwrap();
    let run = kraud(["decode", path.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(
        run.stderr.contains("neither pcap nor pcapng"),
        "{}",
        run.stderr
    );
    assert_eq!(kraud(["decode", "/nowhere"]).code, 1);
}

#[test]
fn a_block_that_claims_to_be_huge_costs_nothing() {
    let mut huge = CONVERSATIONS[..24 + 16].to_vec();
    huge[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    huge.extend_from_slice(&[0; 8 << 20]);
    let (report, end) = decode(&huge[..]);
    assert_eq!(report.frames, 0);
    assert!(
        matches!(
            end,
            Err(CaptureError::Damaged { .. } | CaptureError::CutOff { .. })
        ),
        "{end:?}"
    );
}

#[test]
fn a_capture_may_come_in_any_pieces() {
    struct Drops<'a>(&'a [u8]);
    impl std::io::Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    for capture in [CONVERSATIONS, FRAGMENTS] {
        let whole = decode(capture);
        let drops = decode(Drops(capture));
        assert_eq!(drops.1, Ok(()));
        assert_eq!(drops.0.conversations, whole.0.conversations);
    }
}

proptest! {
    #[test]
    fn no_damage_breaks_the_decoder(
        which in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut capture = if which { CONVERSATIONS } else { FRAGMENTS }.to_vec();
        for (at, byte) in damage {
            let at = at.index(capture.len());
            capture[at] = byte;
        }
        capture.truncate(cut.index(capture.len()) + 1);
        let (report, _) = decode(&capture[..]);
        prop_assert_eq!(report.frames, report.tunnelled + report.other);
    }

    #[test]
    fn no_noise_breaks_the_decoder(noise in prop::collection::vec(any::<u8>(), 0..2000), magic in 0..3_usize) {
        let start = [&[][..], &CONVERSATIONS[..24], &FRAGMENTS[..60]][magic];
        let _ = decode(&[start, &noise].concat()[..]);
    }
}
