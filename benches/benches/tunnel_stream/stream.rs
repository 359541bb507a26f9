//! A TCP stream that knows itself: each block begins with its number.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const BLOCK: usize = 1 << 16;
/// A path that carries nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one stream did.
pub(crate) struct Measured {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// From the first block's arrival to the last one's.
    pub(crate) time: Duration,
}

/// Sends for `length`, and waits until all of it has arrived.
pub(crate) fn run(
    listener: TcpListener,
    connect: impl FnOnce(SocketAddr) -> TcpStream,
    length: Duration,
) -> Measured {
    let address = listener.local_addr().expect("bound");
    let receiver = std::thread::spawn(move || receive(&listener));
    let mut stream = connect(address);
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let mut block = vec![0x5a; BLOCK];
    let (started, mut number) = (Instant::now(), 0u64);
    while started.elapsed() < length {
        block[..8].copy_from_slice(&number.to_le_bytes());
        stream.write_all(&block).expect("the path carries it");
        number += 1;
    }
    drop(stream);
    let (received, time) = receiver.join().expect("the receiver found no fault");
    Measured {
        sent: number * BLOCK as u64,
        received,
        time,
    }
}

/// Counts and checks what comes until the end of the stream.
fn receive(listener: &TcpListener) -> (u64, Duration) {
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut block = vec![0; BLOCK];
    let (mut number, mut first) = (0u64, None);
    loop {
        match stream.read_exact(&mut block) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => panic!("after {number} blocks: {error}"),
        }
        first.get_or_insert_with(Instant::now);
        assert_eq!(block[..8], number.to_le_bytes(), "a block out of place");
        assert_eq!(block[BLOCK - 1], 0x5a);
        number += 1;
    }
    let time = first.map_or(Duration::ZERO, |first| first.elapsed());
    (number * BLOCK as u64, time)
}
