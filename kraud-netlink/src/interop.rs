//! Exchange with the rust-netlink crates: operations as their messages, and their messages as this crate's values.

use netlink_packet_core::{Emitable, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;

use crate::error::{Error, Result};
use crate::message::{Protocol, Resolve};
use crate::op::Op;
use crate::read::{AddressInfo, LinkInfo, LinkNames, RouteInfo};
use crate::wire::Malformed;

impl Op {
    /// The operation as messages of netlink-packet-route, for a program that sends them itself.
    ///
    /// Empty for operations that are no route netlink requests. What netlink-packet-route has no type for stays in it as
    /// bytes.
    ///
    /// # Errors
    ///
    /// As [`Op::encode`]; [`Error::Invalid`] for the few messages that netlink-packet-route does not read.
    ///
    /// ```
    /// use kraud_netlink::{Link, Op};
    /// use netlink_packet_core::NetlinkPayload;
    /// use netlink_packet_route::RouteNetlinkMessage;
    ///
    /// let messages = Op::AddLink(Link::bridge("br0")).to_messages(&mut std::collections::HashMap::new())?;
    /// assert!(matches!(
    ///     messages[0].payload,
    ///     NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(_)),
    /// ));
    /// # Ok::<(), kraud_netlink::Error>(())
    /// ```
    pub fn to_messages(
        &self,
        resolve: &mut dyn Resolve,
    ) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        let mut bytes = Vec::new();
        if self.encode(resolve, &mut bytes)? != Some(Protocol::Route) {
            return Ok(Vec::new());
        }
        let mut messages = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(len) = rest
            .first_chunk()
            .map(|len| u32::from_ne_bytes(*len) as usize)
        {
            let unread = |why: String| Error::Io {
                what: format!("{self}: netlink-packet-route does not read the message"),
                source: std::io::Error::other(why),
            };
            let message = rest
                .get(..len)
                .ok_or_else(|| unread("it is cut".to_owned()))?;
            messages.push(
                NetlinkMessage::deserialize(message).map_err(|error| unread(error.to_string()))?,
            );
            rest = rest.get(crate::wire::align(len)..).unwrap_or(&[]);
        }
        Ok(messages)
    }
}

/// A message's body as bytes.
fn emit(message: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

impl LinkInfo {
    /// Reads a link message of netlink-packet-route.
    ///
    /// # Errors
    ///
    /// As [`LinkInfo::parse`].
    pub fn from_message(message: &LinkMessage) -> Result<Self, Malformed> {
        Self::parse(&emit(message))
    }
}

impl AddressInfo {
    /// Reads an address message of netlink-packet-route.
    ///
    /// # Errors
    ///
    /// As [`AddressInfo::parse`].
    pub fn from_message(
        message: &AddressMessage,
        names: &dyn LinkNames,
    ) -> Result<Self, Malformed> {
        Self::parse(&emit(message), names)
    }
}

impl RouteInfo {
    /// Reads a route message of netlink-packet-route.
    ///
    /// # Errors
    ///
    /// As [`RouteInfo::parse`].
    pub fn from_message(message: &RouteMessage, names: &dyn LinkNames) -> Result<Self, Malformed> {
        Self::parse(&emit(message), names)
    }
}
