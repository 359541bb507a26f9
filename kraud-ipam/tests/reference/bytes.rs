//! Setups and calls from bytes, so that a fuzzer and proptest can make them up.

use kraud_ipam::{Change, Subnet, SubnetEdit};

use super::{Op, Pick, Reference, Setup};

/// Reads a setup and calls from bytes, so that a fuzzer and proptest can make them up.
pub struct Bytes<'a>(pub std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    fn pair(&mut self) -> Option<(u8, u8)> {
        Some((self.byte()? % 20, self.byte()? % 20))
    }

    pub fn setup(&mut self) -> Option<Setup> {
        let shape = self.byte()?;
        let flags = self.byte()?;
        Some(Setup {
            v6: shape & 1 != 0,
            host_bits: (shape >> 1) % 5,
            gateway: flags & 1 != 0,
            whole: flags & 2 != 0,
            range: if flags & 4 != 0 {
                Some(self.pair()?)
            } else {
                None
            },
            exclude: if flags & 8 != 0 {
                Some(self.pair()?)
            } else {
                None
            },
            quarantine: if flags & 16 != 0 { self.byte()? % 8 } else { 0 },
            pressure: flags & 32 != 0,
            remember: flags & 64 != 0,
        })
    }

    /// The next call; `now` moves on with it.
    pub fn op(&mut self, now: &mut u64) -> Option<Op> {
        let kind = self.byte()?;
        let owner = kind >> 5;
        *now += u64::from(kind & 1);
        let now = *now;
        Some(match (kind >> 1) % 16 {
            12 => Op::ReleaseOwner { owner, now },
            13 => Op::Release {
                owner,
                at: self.byte()? % 20,
                revision: None,
                now,
            },
            14 => Op::Release {
                owner,
                at: self.byte()? % 20,
                revision: Some(u64::from(self.byte()?)),
                now,
            },
            15 => Op::Expire {
                now: now + u64::from(self.byte()? % 4),
            },
            pick => {
                let pick = match pick {
                    0 | 1 => Pick::Exact(self.byte()? % 20),
                    2 => Pick::LongestIdle,
                    3 => Pick::Lowest,
                    4 => Pick::Next,
                    5 => Pick::Nth(self.byte()? % 20),
                    6 | 7 => {
                        let place = self.byte()?;
                        Pick::Prefix(place % 20, (place >> 5) % 5)
                    }
                    8 => Pick::PrefixLen(self.byte()? % 6),
                    9 => Pick::Random(u128::from_be_bytes([self.byte()?; 16])),
                    _ => Pick::Stable,
                };
                let flags = self.byte()?;
                Op::Allocate {
                    owner,
                    pick,
                    within: if flags & 1 != 0 {
                        Some(self.pair()?)
                    } else {
                        None
                    },
                    inside: (flags & 2 != 0).then_some(flags >> 5),
                    until: (flags & 4 != 0).then_some(now + u64::from(flags >> 5)),
                    additional: flags & 8 != 0,
                    now,
                }
            }
        })
    }
}

/// A subnet as it was made, as it became, and how.
pub type Run = (Subnet, Subnet, Vec<Change<SubnetEdit>>);

/// Runs what the bytes say, comparing every answer, and the whole state at the end.
pub fn run(bytes: &[u8]) -> Option<Run> {
    play(bytes, Reference::step)
}

/// The same, with everything compared at every step.
pub fn run_with_each_step_checked(bytes: &[u8]) -> Option<Run> {
    play(bytes, Reference::checked_step)
}

/// Runs what the bytes say on the subnet alone, for those who compare something else.
pub fn run_unchecked(bytes: &[u8]) -> Option<Run> {
    let mut bytes = Bytes(bytes.iter());
    let (reference, mut subnet) = Reference::pair(bytes.setup()?);
    let empty = subnet.clone();
    let mut now = 0;
    let mut history = Vec::new();
    while let Some(op) = bytes.op(&mut now) {
        history.extend(reference.perform_only(&mut subnet, op));
    }
    Some((empty, subnet, history))
}

fn play(
    bytes: &[u8],
    step: fn(&mut Reference, &mut Subnet, Op) -> Option<Change<SubnetEdit>>,
) -> Option<Run> {
    let mut bytes = Bytes(bytes.iter());
    let (mut reference, mut subnet) = Reference::pair(bytes.setup()?);
    let empty = subnet.clone();
    let mut now = 0;
    let mut history = Vec::new();
    while let Some(op) = bytes.op(&mut now) {
        history.extend(step(&mut reference, &mut subnet, op));
    }
    reference.compare(&subnet);
    Some((empty, subnet, history))
}
