//! A client for one question, by which `lab` sees what a pod would be told.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::name::Name;
use domain::base::{Message, MessageBuilder, Rtype};
use domain::rdata::{A, Aaaa};

/// How long an answer may take before the question is put once more.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is put.
const TRIES: usize = 3;

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the name exists.
    pub exists: bool,
    /// The addresses, in the order of the answer.
    pub addresses: Vec<IpAddr>,
}

/// Asks `server` for both kinds of address of `name`, from the network namespace of this thread.
///
/// # Errors
///
/// Those of the socket, [`ErrorKind::TimedOut`] without an answer, [`ErrorKind::InvalidData`] for one that is none.
pub fn ask(server: SocketAddr, name: &str) -> io::Result<Answer> {
    let local: IpAddr = match server {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = question(&socket, name, Rtype::AAAA)?;
    answer
        .addresses
        .extend(question(&socket, name, Rtype::A)?.addresses);
    Ok(answer)
}

fn question(socket: &UdpSocket, name: &str, kind: Rtype) -> io::Result<Answer> {
    let name: Name<Vec<u8>> = name.parse().map_err(invalid)?;
    let mut query = MessageBuilder::new_vec();
    // One question at a time and a connected socket: the kind tells the two apart.
    query.header_mut().set_id(kind.to_int());
    query.header_mut().set_rd(true);
    let mut query = query.question();
    query.push((&name, kind)).map_err(invalid)?;
    let query = query.into_message();
    let mut buffer = [0; 4096];
    for _ in 0..TRIES {
        socket.send(query.as_slice())?;
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        let message = Message::from_octets(&buffer[..length]).map_err(invalid)?;
        if message.is_answer(&query) {
            return read(&message);
        }
    }
    Err(io::Error::new(ErrorKind::TimedOut, "no answer"))
}

fn read(message: &Message<&[u8]>) -> io::Result<Answer> {
    let section = message.answer().map_err(invalid)?;
    let v6 = section
        .limit_to_in::<Aaaa>()
        .map(|record| Ok(IpAddr::V6(record.map_err(invalid)?.data().addr())));
    let v4 = section
        .limit_to_in::<A>()
        .map(|record| Ok(IpAddr::V4(record.map_err(invalid)?.data().addr())));
    Ok(Answer {
        exists: message.header().rcode() == Rcode::NOERROR,
        addresses: v6.chain(v4).collect::<io::Result<_>>()?,
    })
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
