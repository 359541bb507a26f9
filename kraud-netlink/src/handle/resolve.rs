//! From names to the kernel's numbers.

use super::Handle;
use crate::error::{Error, Result};
use crate::message::Resolve;
use crate::message::consts::*;
use crate::namespaces::NetnsLookup;
use crate::netns::Netns;
use crate::wire::Writer;

/// Asks the kernel for what messages need to know.
pub(crate) struct Resolver<'a> {
    pub(crate) handle: &'a mut Handle,
    pub(crate) lookup: &'a dyn NetnsLookup,
    /// Namespaces whose descriptors are in the message and must live until it is sent.
    pub(crate) held: Vec<Netns>,
}

impl Resolve for Resolver<'_> {
    fn link(&mut self, name: &str) -> Result<u32> {
        self.handle.index(name)
    }

    fn netns(&mut self, name: &str) -> Result<i32> {
        let netns = self.lookup.netns(name)?;
        let fd = netns.raw_fd();
        self.held.push(netns);
        Ok(fd)
    }

    fn netns_id(&mut self, name: &str) -> Result<i32> {
        let netns = self.lookup.netns(name)?;
        self.handle.netns_id(&netns)
    }

    fn link_in(&mut self, netns: &str, name: &str) -> Result<u32> {
        self.lookup.netns(netns)?.handle()?.index(name)
    }

    fn family(&mut self, name: &'static str) -> Result<u16> {
        self.handle.family(name)
    }
}

impl Handle {
    /// The id by which this namespace knows another one (`ip netns list-id`), given to it if it had none.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`].
    pub fn netns_id(&mut self, other: &Netns) -> Result<i32> {
        if let Some(id) = self.known_netns_id(other)? {
            return Ok(id);
        }
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        let message = w.begin(RTM_NEWNSID, NLM_F_REQUEST | NLM_F_ACK, &[0; 4]);
        w.i32(NETNSA_FD, other.raw_fd());
        w.u32(NETNSA_NSID, u32::MAX);
        w.end(message);
        match self
            .route
            .request(&mut request, &"number a network namespace")
        {
            // Somebody else was faster.
            Err(error) if error.is_exists() => {}
            result => result?,
        }
        let missing = || Error::NotFound {
            what: "network namespace id",
            name: String::new(),
            hint: None,
        };
        self.known_netns_id(other)?.ok_or_else(missing)
    }

    fn known_netns_id(&mut self, other: &Netns) -> Result<Option<i32>> {
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        let message = w.begin(RTM_GETNSID, NLM_F_REQUEST, &[0; 4]);
        w.i32(NETNSA_FD, other.raw_fd());
        w.end(message);
        let mut id = -1;
        self.route.query(
            &mut request,
            &"look up a network namespace's number",
            &mut |_, body| {
                for attr in crate::wire::attrs(body.get(4..).unwrap_or(&[])) {
                    let attr = attr?;
                    if attr.kind() == NETNSA_NSID {
                        id = attr.i32()?;
                    }
                }
                Ok(())
            },
        )?;
        Ok((id >= 0).then_some(id))
    }
}
