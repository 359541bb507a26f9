//! Many independent operations in few datagrams.

use std::collections::HashMap;

use crate::command::CommandContext;
use crate::connection::{self, Connection, Refusal};
use crate::error::{Error, Result};
use crate::explain;
use crate::handle::{Handle, Resolver};
use crate::message::Protocol;
use crate::message::consts::{NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR};
use crate::namespaces::{NetnsLookup, RunNetns};
use crate::op::Op;
use crate::wire::messages;

/// How many messages go into one datagram. Every failure is answered, and a socket's default receive buffer holds 256
/// answers; half of that leaves room.
const MESSAGES: usize = 128;

/// How long a datagram may become; the default send buffer holds 212,960 bytes.
const DATAGRAM: usize = 64 * 1024;

/// What became of a batch.
#[derive(Debug, Default)]
pub struct BatchReport {
    /// How many operations were done.
    pub done: usize,
    /// The operations that failed, by their place, in order; the others were done all the same.
    pub failed: Vec<(usize, Error)>,
}

impl BatchReport {
    /// Success if nothing failed, else the first failure.
    ///
    /// # Errors
    ///
    /// The place of the first operation that failed, and why.
    pub fn into_result(self) -> Result<usize, (usize, Error)> {
        match self.failed.into_iter().next() {
            None => Ok(self.done),
            Some(failure) => Err(failure),
        }
    }
}

/// Operations that are encoded and wait to be sent in one datagram.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Where each message begins, and which operation it is.
    starts: Vec<(usize, usize)>,
}

impl Handle {
    /// Applies operations that do not depend on each other, up to 128 in one datagram.
    ///
    /// The kernel carries out every message, whatever became of the ones before it: so does this method, and reports each
    /// failure. Names of links are looked up once. Operations of more than one message, such as
    /// [`Op::SetWireguard`], are applied by themselves at their place.
    ///
    /// # Errors
    ///
    /// Only what ends the conversation itself, such as [`Error::Overrun`]; refusals are in the report.
    pub fn apply_batch<'a>(
        &mut self,
        ops: impl IntoIterator<Item = &'a Op>,
    ) -> Result<BatchReport> {
        self.apply_batch_in(ops, &RunNetns)
    }

    /// As [`Self::apply_batch`], with the names of other namespaces resolved by `lookup`.
    ///
    /// # Errors
    ///
    /// As [`Self::apply_batch`].
    pub fn apply_batch_in<'a>(
        &mut self,
        ops: impl IntoIterator<Item = &'a Op>,
        lookup: &dyn NetnsLookup,
    ) -> Result<BatchReport> {
        let cached = self.names.is_some();
        if !cached {
            self.names = Some(HashMap::new());
        }
        let result = self.batch(ops, lookup);
        if !cached {
            self.names = None;
        }
        result
    }

    fn batch<'a>(
        &mut self,
        ops: impl IntoIterator<Item = &'a Op>,
        lookup: &dyn NetnsLookup,
    ) -> Result<BatchReport> {
        let mut report = BatchReport::default();
        let mut pending = Pending::default();
        let mut waiting: Vec<&Op> = Vec::with_capacity(MESSAGES);
        for (place, op) in ops.into_iter().enumerate() {
            if !is_single(op) {
                self.flush(&mut pending, &mut waiting, &mut report)?;
                match self.apply_in(op, lookup) {
                    Ok(()) => report.done += 1,
                    Err(error) => report.failed.push((place, error)),
                }
                continue;
            }
            let start = pending.bytes.len();
            let mut resolver = Resolver {
                handle: self,
                lookup,
                held: Vec::new(),
            };
            match op.encode(&mut resolver, &mut pending.bytes) {
                Ok(Some(Protocol::Route)) => {
                    pending.starts.push((start, place));
                    waiting.push(op);
                }
                Ok(_) => pending.bytes.truncate(start),
                Err(error) => {
                    pending.bytes.truncate(start);
                    report
                        .failed
                        .push((place, explain::complete(error, op, &CommandContext::here())));
                }
            }
            if pending.starts.len() >= MESSAGES || pending.bytes.len() >= DATAGRAM {
                self.flush(&mut pending, &mut waiting, &mut report)?;
            }
        }
        self.flush(&mut pending, &mut waiting, &mut report)?;
        report.failed.sort_by_key(|(place, _)| *place);
        Ok(report)
    }

    fn flush(
        &mut self,
        pending: &mut Pending,
        waiting: &mut Vec<&Op>,
        report: &mut BatchReport,
    ) -> Result<()> {
        if pending.starts.is_empty() {
            return Ok(());
        }
        let refusals = self
            .route
            .exchange_batch(&mut pending.bytes, &pending.starts, None)?;
        report.done += pending.starts.len() - refusals.len();
        for (at, refusal) in refusals {
            let (Some(&(start, place)), Some(op)) = (pending.starts.get(at), waiting.get(at))
            else {
                continue;
            };
            let request = pending.bytes.get(start..).unwrap_or(&[]);
            let len = request
                .first_chunk()
                .map_or(0, |len| u32::from_ne_bytes(*len)) as usize;
            let error = explain::error(&refusal, request.get(..len).unwrap_or(request), op);
            report
                .failed
                .push((place, explain::complete(error, op, &CommandContext::here())));
        }
        pending.bytes.clear();
        pending.starts.clear();
        waiting.clear();
        Ok(())
    }
}

/// Is the operation exactly one route message that changes no name?
fn is_single(op: &Op) -> bool {
    match op {
        Op::AddLink(link) => {
            link.follow_ups().is_empty() && link.netns.is_none() && link.link_netns.is_none()
        }
        Op::SetLink(change) => change.split().is_none(),
        Op::AddNetns(_)
        | Op::DeleteAltName { .. }
        | Op::DeleteNetns(_)
        | Op::DeleteNft(_)
        | Op::SetNft(_)
        | Op::MoveLink { .. }
        | Op::RenameLink { .. }
        | Op::SetNetnsId { .. }
        | Op::SetWireguard(_)
        | Op::WriteSysctl(_) => false,
        _ => true,
    }
}

impl Connection {
    /// Sends the messages that begin at `starts` in one datagram; gives back the refusals by their place in it.
    ///
    /// Only one message asks for an acknowledgement, the last one unless `ack` names another: failures are answered
    /// without being asked for, and answers come in the order of the messages.
    pub(crate) fn exchange_batch(
        &mut self,
        datagram: &mut [u8],
        starts: &[(usize, usize)],
        ack: Option<usize>,
    ) -> Result<Vec<(usize, Refusal)>> {
        let op = "apply a batch";
        let first = self.reserve_sequences(starts.len());
        let last = starts.len().saturating_sub(1);
        let ack = ack.unwrap_or(last);
        for (at, &(start, _)) in starts.iter().enumerate() {
            let Some(message) = datagram.get_mut(start..) else {
                continue;
            };
            connection::patch_sequence(message, first.wrapping_add(u32::try_from(at).unwrap_or(0)));
            if let Some([low, high]) = message.get_mut(6..8) {
                let kept = u16::from_ne_bytes([*low, *high]) & !NLM_F_ACK;
                let flags = if at == ack { kept | NLM_F_ACK } else { kept };
                [*low, *high] = flags.to_ne_bytes();
            }
        }
        self.send(datagram, &op)?;
        let port = self.port();
        let mut refusals = Vec::new();
        loop {
            let len = self.receive(&op)?;
            for message in messages(self.received(len)) {
                let malformed = |source| Error::Malformed {
                    op: op.to_owned(),
                    source,
                };
                let (header, body) = message.map_err(malformed)?;
                let at = header.sequence.wrapping_sub(first) as usize;
                if at > last || (port != 0 && header.port != port) {
                    continue;
                }
                if matches!(header.kind, NLMSG_ERROR | NLMSG_DONE) {
                    if let Some(refusal) = connection::refusal(header, body).map_err(malformed)? {
                        refusals.push((at, refusal));
                    }
                    // A transaction that is refused as a whole is refused at its beginning.
                    let refused = at == 0 && !refusals.is_empty() && ack != last;
                    if at == ack || refused {
                        return Ok(refusals);
                    }
                }
            }
        }
    }
}
