//! From a file to frames.

use std::io::{self, Read};

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};

use super::CaptureError;

/// The first bytes of a pcapng file, in either byte order.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The buffer to begin with.
const BUFFER: usize = 256 * 1024;
/// The largest buffer: tcpdump's largest frame has 256 KiB.
const LARGEST_BUFFER: usize = 4 * 1024 * 1024;
/// The most interfaces of a section that are told apart.
const MOST_INTERFACES: usize = 4096;
const NANOSECONDS: u128 = 1_000_000_000;

/// A captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The link type.
    pub link: i32,
    /// When it was captured, since the epoch, where the capture says.
    pub nanoseconds: Option<u128>,
    /// As much of it as was captured.
    pub data: &'a [u8],
}

/// An interface of a capture.
#[derive(Clone, Copy)]
struct Interface {
    link: i32,
    /// Units of a second, where they are known.
    resolution: Option<u64>,
}

/// Calls `each` with every frame.
pub(super) fn read(
    capture: impl Read + Send,
    mut each: impl FnMut(Frame<'_>),
) -> Result<(), CaptureError> {
    let mut capture = Full(capture);
    let mut magic = [0; 4];
    let length = capture
        .read(&mut magic)
        .map_err(|_| CaptureError::Unreadable { frames: 0 })?;
    if length < magic.len() {
        return Err(CaptureError::NotACapture);
    }
    let capture = Full(magic.chain(capture));
    let no_capture = |_: PcapError<&[u8]>| CaptureError::NotACapture;
    let mut reader: Box<dyn PcapReaderIterator> = if magic == PCAPNG {
        Box::new(PcapNGReader::new(BUFFER, capture).map_err(no_capture)?)
    } else {
        Box::new(LegacyPcapReader::new(BUFFER, capture).map_err(no_capture)?)
    };
    let mut frames = 0;
    let mut interfaces = Vec::new();
    let mut room = BUFFER;
    loop {
        match reader.next() {
            Ok((length, block)) => {
                if let Some(frame) = frame(&block, &mut interfaces) {
                    frames += 1;
                    each(frame);
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) => {
                let before = reader.data().len();
                let refilled = reader.refill().is_ok();
                if reader.data().len() > before {
                    continue;
                }
                if reader.reader_exhausted() && reader.data().is_empty() {
                    return Ok(());
                }
                if reader.reader_exhausted() {
                    return Err(CaptureError::CutOff { frames });
                }
                room *= 2;
                if room > LARGEST_BUFFER || !reader.grow(room) && !refilled {
                    return Err(CaptureError::Damaged { frames });
                }
            }
            Err(PcapError::UnexpectedEof) => return Err(CaptureError::CutOff { frames }),
            Err(PcapError::ReadError) => return Err(CaptureError::Unreadable { frames }),
            Err(_) => return Err(CaptureError::Damaged { frames }),
        }
    }
}

/// The frame in a block, if there is one; other blocks tell of the interfaces.
fn frame<'a>(block: &'a PcapBlockOwned<'a>, interfaces: &mut Vec<Interface>) -> Option<Frame<'a>> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let resolution = if header.is_nanosecond_precision() {
                1_000_000_000
            } else {
                1_000_000
            };
            interfaces.push(Interface {
                link: header.network.0,
                resolution: Some(resolution),
            });
            None
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interfaces.first()?;
            let units = u128::from(interface.resolution?);
            let time = u128::from(packet.ts_sec) * NANOSECONDS
                + u128::from(packet.ts_usec) * NANOSECONDS / units;
            Some(Frame {
                link: interface.link,
                nanoseconds: Some(time),
                data: captured(packet.data, packet.caplen),
            })
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
            if interfaces.len() < MOST_INTERFACES {
                interfaces.push(Interface {
                    link: interface.linktype.0,
                    resolution: interface.ts_resolution(),
                });
            }
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let interface = interfaces.get(usize::try_from(packet.if_id).ok()?)?;
            let units = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
            let time = |resolution: u64| units * NANOSECONDS / u128::from(resolution.max(1));
            Some(Frame {
                link: interface.link,
                nanoseconds: interface.resolution.map(time),
                data: captured(packet.data, packet.caplen),
            })
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => Some(Frame {
            link: interfaces.first()?.link,
            nanoseconds: None,
            data: captured(packet.data, packet.origlen),
        }),
        PcapBlockOwned::NG(_) => None,
    }
}

/// Without the padding of the block.
fn captured(data: &[u8], length: u32) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    &data[..length.min(data.len())]
}

/// A reader that gives less than was asked for only at the end, as pipes do not.
struct Full<R>(R);

impl<R: Read> Read for Full<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
