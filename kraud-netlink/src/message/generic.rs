use super::consts::{
    CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENL_ID_CTRL, NLM_F_ACK,
    NLM_F_REQUEST,
};
use crate::wire::{Malformed, Writer, attrs};

/// Appends the question for a generic-netlink family's number (`CTRL_CMD_GETFAMILY`).
pub fn family_request(name: &str, out: &mut Vec<u8>) {
    let mut w = Writer::new(out);
    let message = w.begin(
        GENL_ID_CTRL,
        NLM_F_REQUEST | NLM_F_ACK,
        &[CTRL_CMD_GETFAMILY, 1, 0, 0],
    );
    w.str(CTRL_ATTR_FAMILY_NAME, name);
    w.end(message);
}

/// The family's number in the answer's body, or `None` if it has none.
///
/// # Errors
///
/// [`Malformed`] for a body that is cut.
pub fn parse_family(body: &[u8]) -> Result<Option<u16>, Malformed> {
    for attr in attrs(body.get(4..).unwrap_or(&[])) {
        let attr = attr?;
        if attr.kind() == CTRL_ATTR_FAMILY_ID {
            return attr.u16().map(Some);
        }
    }
    Ok(None)
}
