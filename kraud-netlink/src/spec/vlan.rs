use std::fmt;

use crate::setters::setters;
use crate::wire::RawAttr;

/// A VLAN sub-interface; its parent is the link's [`Link::parent`](super::Link::parent).
///
/// Id and protocol cannot be changed in place: the kernel ignores such a change without a word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Vlan {
    /// The VLAN id, 1 to 4094.
    pub id: u16,
    /// 802.1Q or 802.1ad; `None` leaves it to the kernel (802.1Q).
    pub protocol: Option<VlanProtocol>,
    /// `reorder_hdr`; the kernel's default is on.
    pub reorder_header: Option<bool>,
    /// `gvrp`.
    pub gvrp: Option<bool>,
    /// `mvrp`.
    pub mvrp: Option<bool>,
    /// `loose_binding`.
    pub loose_binding: Option<bool>,
    /// `bridge_binding`.
    pub bridge_binding: Option<bool>,
    /// `ingress-qos-map FROM:TO`.
    pub ingress_qos: Vec<(u32, u32)>,
    /// `egress-qos-map FROM:TO`.
    pub egress_qos: Vec<(u32, u32)>,
    /// Options that have no field here, sent as they are; those of a VLAN that is read back are kept.
    pub other: Vec<RawAttr>,
}

impl Vlan {
    /// The VLAN of that id, everything else as the kernel has it.
    #[must_use]
    pub fn new(id: u16) -> Self {
        Self {
            id,
            protocol: None,
            reorder_header: None,
            gvrp: None,
            mvrp: None,
            loose_binding: None,
            bridge_binding: None,
            ingress_qos: Vec::new(),
            egress_qos: Vec::new(),
            other: Vec::new(),
        }
    }

    setters! {
        /// The tag's protocol.
        protocol: VlanProtocol;
    }

    /// The switches as (`ip`'s word, bit, wanted state).
    pub(crate) fn switches(&self) -> [(&'static str, u32, Option<bool>); 5] {
        [
            ("reorder_hdr", 0x01, self.reorder_header),
            ("gvrp", 0x02, self.gvrp),
            ("mvrp", 0x08, self.mvrp),
            ("loose_binding", 0x04, self.loose_binding),
            ("bridge_binding", 0x10, self.bridge_binding),
        ]
    }
}

/// The protocol of a VLAN tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum VlanProtocol {
    /// 802.1Q, ethertype 0x8100.
    #[cfg_attr(feature = "serde", serde(rename = "802.1q"))]
    Q,
    /// 802.1ad, ethertype 0x88a8.
    #[cfg_attr(feature = "serde", serde(rename = "802.1ad"))]
    Ad,
}

impl VlanProtocol {
    pub(crate) fn wire(self) -> u16 {
        match self {
            Self::Q => 0x8100,
            Self::Ad => 0x88a8,
        }
    }
}

impl fmt::Display for VlanProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q => "802.1Q",
            Self::Ad => "802.1ad",
        })
    }
}
