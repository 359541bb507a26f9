//! Fragments in any order, overlapping, late and wrong, against a model that keeps every byte.
//!
//! Cheap per step, so that many are taken: nothing is allocated, and the model is two small arrays for each packet.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use kraud_tunnel::reassemble::{MAX_FRAGMENTS, Reassembler, ReassemblyError, Slot};
use kraud_tunnel::wire::ext::FragmentHeader;
use kraud_tunnel::wire::ipv6;
use libfuzzer_sys::fuzz_target;

const LIFETIME: u64 = 16;
/// The longest packet that is taken; some fragments reach beyond it.
const ROOM: usize = 512 + 64;
const LONGEST: usize = 40;
const STEPS: usize = 96;
const HEADERS: usize = 48;

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

/// What is known of one packet.
#[derive(Clone, Copy)]
struct Model {
    deadline: u64,
    spoiled: bool,
    /// For each byte nothing, or which of the two fillings came.
    bytes: [Option<bool>; ROOM],
    pieces: [(usize, usize); MAX_FRAGMENTS],
    count: usize,
    received: usize,
    end: Option<usize>,
}

impl Model {
    const NEW: Self = Self {
        deadline: 0,
        spoiled: false,
        bytes: [None; ROOM],
        pieces: [(0, 0); MAX_FRAGMENTS],
        count: 0,
        received: 0,
        end: None,
    };
}

fuzz_target!(|data: &[u8]| {
    let (mut slots, mut memory) = ([Slot::EMPTY; 4], [0; 4 * (ROOM + 128)]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory)
        .per_peer(4)
        .lifetime(LIFETIME);
    let mut models: [Option<Model>; 4] = [None; 4];
    let mut now = 0;
    let mut input = Unstructured::new(data);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut input) else {
            break;
        };
        now += u64::from(step.wait % 4);
        for model in &mut models {
            *model = model.filter(|model| model.deadline > now);
        }
        let start = usize::from(step.units % 72) * 8;
        let len = usize::from(step.len) % LONGEST;
        let mut packet = [0; HEADERS + LONGEST];
        let packet = fragment(&mut packet, &step, start, len);
        let model = &mut models[usize::from(step.peer) * 2 + usize::from(step.id)];
        let expected = expect(model, &step, start, len, now);
        let got = reassembler.insert(packet, now);
        match (expected, got) {
            (Expected::Nothing, Ok(None)) => {}
            (Expected::Whole(end), Ok(Some(whole))) => {
                let view = ipv6::Packet::new_checked(&*whole).expect("a right header");
                assert_eq!((view.total_len(), view.next_header()), (whole.len(), 4));
                let model = model.take().expect("it was open");
                assert_eq!(view.payload().len(), end);
                for (at, byte) in view.payload().iter().enumerate() {
                    assert_eq!(Some(*byte), model.bytes[at].map(|fill| byte_at(at, fill)));
                }
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
        assert_eq!(reassembler.len(), models.iter().flatten().count());
    }
});

#[derive(Debug)]
enum Expected {
    Nothing,
    /// All bytes up to here are there.
    Whole(usize),
    Refused,
    /// Not a fragment at all.
    Atomic,
}

/// One of two packets; both begin as IPv4 does.
fn byte_at(at: usize, fill: bool) -> u8 {
    match at {
        0 => 0x45,
        _ => (at * 31 + 7) as u8 ^ if fill { 0 } else { 0x80 },
    }
}

fn fragment<'p>(
    packet: &'p mut [u8; HEADERS + LONGEST],
    step: &Step,
    start: usize,
    len: usize,
) -> &'p [u8] {
    let outer = ipv6::Repr {
        traffic_class: 0,
        flow_label: 0,
        payload_len: (8 + len) as u16,
        next_header: 44,
        hop_limit: 64,
        source: [if step.peer { 0xfd } else { 0xfc }; 16].into(),
        destination: [0xfe; 16].into(),
    };
    outer.emit(packet).expect("room");
    let header = FragmentHeader {
        next_header: 4,
        offset: start as u16,
        more: step.more,
        identification: u32::from(step.id),
    };
    header.emit(&mut packet[40..]).expect("room");
    for (i, byte) in packet[HEADERS..HEADERS + len].iter_mut().enumerate() {
        *byte = byte_at(start + i, step.fill);
    }
    &packet[..HEADERS + len]
}

/// What RFC 8200 section 4.5 and RFC 5722 say, in the simplest way.
fn expect(model: &mut Option<Model>, step: &Step, start: usize, len: usize, now: u64) -> Expected {
    if start == 0 && !step.more {
        return Expected::Atomic;
    }
    let end = start + len;
    let odd = len == 0 || (step.more && len % 8 != 0);
    let short_chain = start == 0 && len < 20;
    if odd || short_chain || end > ROOM {
        return Expected::Refused;
    }
    let packet = model.get_or_insert(Model {
        deadline: now + LIFETIME,
        ..Model::NEW
    });
    if packet.spoiled {
        return Expected::Refused;
    }
    let place = &packet.bytes[start..end];
    let known = place.iter().any(Option::is_some);
    let same = (start..end)
        .all(|at| packet.bytes[at].map(|fill| byte_at(at, fill)) == Some(byte_at(at, step.fill)));
    let duplicate = packet.pieces[..packet.count].contains(&(start, end)) && same;
    if duplicate && (step.more || packet.end == Some(end)) {
        return Expected::Nothing;
    }
    let reached = packet.pieces[..packet.count].iter().map(|(_, end)| *end);
    let reached = reached.max().unwrap_or(0);
    let beyond = packet
        .end
        .is_some_and(|known| end > known || (!step.more && end != known));
    let behind = !step.more && reached > end;
    if known || beyond || behind || packet.count == MAX_FRAGMENTS {
        packet.spoiled = true;
        return Expected::Refused;
    }
    packet.bytes[start..end].fill(Some(step.fill));
    packet.pieces[packet.count] = (start, end);
    packet.count += 1;
    packet.received += len;
    if !step.more {
        packet.end = Some(end);
    }
    match packet.end {
        Some(end) if packet.received == end => Expected::Whole(end),
        _ => Expected::Nothing,
    }
}
