//! A small DNS responder for one pod: it knows the names of the VPC, as that pod sees them, and nothing else.
//!
//! It is the only authority for what it answers and asks nobody else, so a name that it does not know does not exist.
//! Records live one second, and negative answers have no SOA record that would let them live any longer (RFC 2308
//! section 5): what a name stands for may change at any time.

pub mod client;
pub mod server;

use std::time::Duration;

use domain::base::iana::{Class, Opcode, OptRcode, Rcode};
use domain::base::message_builder::{AnswerBuilder, PushError, StaticCompressor};
use domain::base::name::ParsedName;
use domain::base::record::Ttl;
use domain::base::{Message, MessageBuilder, Question, Rtype};
use domain::rdata::{A, Aaaa};

use crate::names::Names;

/// How long an answer may be kept.
pub const TTL: Ttl = Ttl::from_duration_lossy(Duration::from_secs(1));
/// The largest datagram without EDNS (RFC 1035 section 4.2.1).
const PLAIN_SIZE: usize = 512;
/// The largest datagram that we send or announce: it fits into IPv6's minimum MTU.
pub const EDNS_SIZE: u16 = 1232;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram: what does not fit is left out, and the client told to come back by TCP.
    Udp,
    /// On a stream, without the length in front of it.
    Tcp,
}

/// The response to a query, from the view of the pod `asker`.
///
/// Nothing for what is no query at all, above all for responses: two responders must never talk to each other. Takes
/// O(log n) in the names and linear time in the answers.
#[must_use]
pub fn respond(query: &[u8], transport: Transport, names: &Names, asker: &str) -> Option<Vec<u8>> {
    let query = Message::from_octets(query).ok()?;
    if query.header().qr() {
        return None;
    }
    let edns = query.opt();
    let room = match (transport, &edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => PLAIN_SIZE,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.udp_payload_size().clamp(PLAIN_SIZE as u16, EDNS_SIZE))
        }
    };
    let reply = Reply {
        query,
        edns: edns.is_some(),
        room,
    };
    if edns.is_some_and(|edns| edns.version() != 0) {
        return reply.refuse(OptRcode::BADVERS);
    }
    if query.header().opcode() != Opcode::QUERY {
        return reply.refuse(OptRcode::NOTIMP);
    }
    let Ok(question) = query.sole_question() else {
        return reply.refuse(OptRcode::FORMERR);
    };
    if !matches!(question.qclass(), Class::IN | Class::ANY) {
        return reply.refuse(OptRcode::REFUSED);
    }
    let Some(answer) = names.ask(asker, &question.qname().to_string()) else {
        return reply.refuse(OptRcode::NXDOMAIN);
    };
    let wants = |kind| question.qtype() == kind || question.qtype() == Rtype::ANY;
    let v4 = answer.v4.into_iter().filter(|_| wants(Rtype::A));
    let v6 = answer.v6.into_iter().filter(|_| wants(Rtype::AAAA));
    let records: Vec<Record> = v6.map(Record::V6).chain(v4.map(Record::V4)).collect();
    reply.answer(&question, &records)
}

/// An address as an answer.
#[derive(Clone, Copy)]
enum Record {
    V4(std::net::Ipv4Addr),
    V6(std::net::Ipv6Addr),
}

/// What a response needs to know of its query.
#[derive(Clone, Copy)]
struct Reply<'a> {
    query: Message<&'a [u8]>,
    edns: bool,
    room: usize,
}

/// Where a response is built; names that were there already are pointed at (RFC 1035 section 4.1.4).
type Buffer = StaticCompressor<Vec<u8>>;

fn builder() -> Option<MessageBuilder<Buffer>> {
    MessageBuilder::from_target(StaticCompressor::new(Vec::new())).ok()
}

/// The length of an OPT record without options.
const OPT_SIZE: usize = 11;

impl Reply<'_> {
    fn refuse(self, code: OptRcode) -> Option<Vec<u8>> {
        let message = builder()?.start_answer(&self.query, code.rcode()).ok()?;
        self.finish(message, code)
    }

    fn answer(self, question: &Question<ParsedName<&[u8]>>, records: &[Record]) -> Option<Vec<u8>> {
        let mut message = builder()?.start_answer(&self.query, Rcode::NOERROR).ok()?;
        let room = self.room - if self.edns { OPT_SIZE } else { 0 };
        message.set_push_limit(room);
        let name = question.qname();
        let push = |message: &mut AnswerBuilder<Buffer>, record| -> Result<(), PushError> {
            match record {
                Record::V4(address) => message.push((name, Class::IN, TTL, A::new(address))),
                Record::V6(address) => message.push((name, Class::IN, TTL, Aaaa::new(address))),
            }
        };
        let fits = records
            .iter()
            .try_for_each(|record| push(&mut message, *record));
        if fits.is_err() {
            message.header_mut().set_tc(true);
        }
        message.clear_push_limit();
        self.finish(message, OptRcode::NOERROR)
    }

    fn finish(self, mut message: AnswerBuilder<Buffer>, code: OptRcode) -> Option<Vec<u8>> {
        message.header_mut().set_aa(true);
        let mut message = message.additional();
        if self.edns {
            let opt = message.opt(|opt| {
                opt.set_udp_payload_size(EDNS_SIZE);
                opt.set_rcode(code);
                Ok(())
            });
            opt.ok()?;
        }
        Some(message.finish().into_target())
    }
}
