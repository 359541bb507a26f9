//! Packets on their way into a pod, joined to superpackets while they belong to one flow.

use std::ops::Range;

use kraud_tunnel::gro::{Coalescer, Push};

use super::pod::{Pod, Side};

/// What waits for one device.
#[derive(Debug)]
pub(super) struct Delivery<'b> {
    coalescer: Coalescer<'b>,
    target: Option<(usize, Side)>,
}

impl<'b> Delivery<'b> {
    pub(super) fn new(memory: &'b mut [u8]) -> Self {
        Self {
            coalescer: Coalescer::new(memory),
            target: None,
        }
    }

    /// Hands a packet of the VPC to a pod, which may refuse it.
    pub(super) fn deliver(
        &mut self,
        pods: &[Pod],
        pod: usize,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) {
        let accepted = pods
            .get(pod)
            .and_then(|pod| pod.policy.accept(buffer, packet));
        let Some((side, range)) = accepted else {
            return;
        };
        let Some(packet) = buffer.get(range) else {
            return;
        };
        if self.target != Some((pod, side)) {
            self.flush(pods);
            self.target = Some((pod, side));
        }
        if self.coalescer.push(packet) == Push::Taken {
            return;
        }
        self.flush(pods);
        let device = pods.get(pod).and_then(|pod| pod.device(side));
        if self.coalescer.push(packet) == Push::Refused
            && let Some(device) = device
        {
            device.write(packet);
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self, pods: &[Pod]) {
        let Some((pod, side)) = self.target else {
            return;
        };
        if let (Some(device), Some(coalesced)) = (
            pods.get(pod).and_then(|pod| pod.device(side)),
            self.coalescer.take(),
        ) {
            device.write_coalesced(&coalesced);
        }
    }
}
