//! Fragments in any order, overlapping, late and wrong, against a model that keeps every byte.
#![no_main]

use std::collections::HashMap;

use arbitrary::Arbitrary;
use kraud_tunnel::reassemble::{MAX_FRAGMENTS, Reassembler, ReassemblyError, Slot};
use kraud_tunnel::wire::ext::FragmentHeader;
use kraud_tunnel::wire::ipv6;
use libfuzzer_sys::fuzz_target;

const LIFETIME: u64 = 16;
const ROOM: usize = 1024;

#[derive(Arbitrary, Debug)]
struct Step {
    peer: bool,
    id: bool,
    units: u8,
    len: u8,
    more: bool,
    fill: bool,
    wait: u8,
}

#[derive(Default)]
struct Model {
    deadline: u64,
    spoiled: bool,
    bytes: Vec<Option<u8>>,
    pieces: Vec<(usize, usize)>,
    end: Option<usize>,
}

fuzz_target!(|steps: Vec<Step>| {
    let (mut slots, mut memory) = ([Slot::EMPTY; 4], vec![0; 4 * (ROOM + 128)]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory)
        .per_peer(4)
        .lifetime(LIFETIME);
    let mut model: HashMap<(bool, bool), Model> = HashMap::new();
    let mut now = 0;
    for step in steps {
        now += u64::from(step.wait % 4);
        model.retain(|_, packet| packet.deadline > now);
        let (packet, start, data) = fragment(&step);
        let expected = expect(&mut model, &step, start, &data, now);
        let got = reassembler.insert(&packet, now);
        match (expected, got) {
            (Expected::Nothing, Ok(None)) => {}
            (Expected::Whole(bytes), Ok(Some(whole))) => {
                let view = ipv6::Packet::new_checked(&*whole).expect("a right header");
                assert_eq!((view.total_len(), view.next_header()), (whole.len(), 4));
                assert_eq!(view.payload(), bytes);
            }
            (Expected::Refused, Err(error)) => {
                assert!(!matches!(
                    error,
                    ReassemblyError::NoRoom | ReassemblyError::NotFragment
                ));
            }
            (Expected::Atomic, Err(ReassemblyError::NotFragment)) => {}
            (expected, got) => panic!("{expected:?}, got {got:?} at {step:?}"),
        }
        assert_eq!(reassembler.len(), model.len());
    }
});

#[derive(Debug)]
enum Expected {
    Nothing,
    Whole(Vec<u8>),
    Refused,
    /// Not a fragment at all.
    Atomic,
}

/// The fragment as a packet, its place, and its data.
fn fragment(step: &Step) -> (Vec<u8>, usize, Vec<u8>) {
    let start = usize::from(step.units % 16) * 8;
    let len = usize::from(step.len % 40);
    let byte = |at: usize| (at * 31 + 7) as u8 ^ if step.fill { 0 } else { 0x80 };
    let mut data: Vec<u8> = (start..start + len).map(byte).collect();
    if start == 0 && len > 0 {
        data[0] = 0x45;
    }
    let mut packet = vec![0; 48];
    packet.extend_from_slice(&data);
    let outer = ipv6::Repr {
        traffic_class: 0,
        flow_label: 0,
        payload_len: (8 + len) as u16,
        next_header: 44,
        hop_limit: 64,
        source: [if step.peer { 0xfd } else { 0xfc }; 16].into(),
        destination: [0xfe; 16].into(),
    };
    outer.emit(&mut packet).expect("room");
    let header = FragmentHeader {
        next_header: 4,
        offset: start as u16,
        more: step.more,
        identification: u32::from(step.id),
    };
    header.emit(&mut packet[40..]).expect("room");
    (packet, start, data)
}

/// What RFC 8200 section 4.5 and RFC 5722 say, in the simplest way.
fn expect(
    model: &mut HashMap<(bool, bool), Model>,
    step: &Step,
    start: usize,
    data: &[u8],
    now: u64,
) -> Expected {
    if start == 0 && !step.more {
        return Expected::Atomic;
    }
    let end = start + data.len();
    let odd = data.is_empty() || (step.more && data.len() % 8 != 0);
    let short_chain = start == 0 && data.len() < 20;
    if odd || short_chain || end > ROOM {
        return Expected::Refused;
    }
    let packet = model.entry((step.peer, step.id)).or_insert_with(|| Model {
        deadline: now + LIFETIME,
        ..Model::default()
    });
    if packet.spoiled {
        return Expected::Refused;
    }
    packet.bytes.resize(ROOM, None);
    let known = packet.bytes[start..end].iter().flatten().count();
    let same = packet.bytes[start..end]
        .iter()
        .zip(data)
        .all(|(byte, data)| *byte == Some(*data));
    let duplicate = packet.pieces.contains(&(start, end)) && same;
    if duplicate && (step.more || packet.end == Some(end)) {
        return Expected::Nothing;
    }
    let reached = packet.pieces.iter().map(|(_, end)| *end).max().unwrap_or(0);
    let beyond = packet
        .end
        .is_some_and(|known| end > known || (!step.more && end != known));
    let behind = !step.more && reached > end;
    if known > 0 || beyond || behind || packet.pieces.len() == MAX_FRAGMENTS {
        packet.spoiled = true;
        return Expected::Refused;
    }
    for at in start..end {
        packet.bytes[at] = Some(data[at - start]);
    }
    packet.pieces.push((start, end));
    if !step.more {
        packet.end = Some(end);
    }
    match packet.end {
        Some(end) if packet.bytes[..end].iter().all(Option::is_some) => {
            let bytes = packet.bytes[..end].iter().flatten().copied().collect();
            model.remove(&(step.peer, step.id));
            Expected::Whole(bytes)
        }
        _ => Expected::Nothing,
    }
}
