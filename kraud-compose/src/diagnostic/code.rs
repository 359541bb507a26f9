//! The stable codes and how severe each is under each profile.

use std::fmt;
use std::str::FromStr;

use super::Severity;
use crate::options::Profile;

/// The stable code of a finding: `KC` and four digits.
///
/// A code never changes its meaning and is never used again. The hundreds tell the subject: 00
/// file and syntax, 01 addresses of endpoints, 02 networks and pools, 03 services, 04 ports, names
/// and DNS, 05 several files, 06 the daemon's configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

struct Row {
    code: Code,
    name: &'static str,
    title: &'static str,
    page: &'static str,
    severity: [Option<Severity>; 4],
}

macro_rules! codes {
    ($($(#[$doc:meta])* $number:literal $text:literal $name:ident $severity:literal $title:literal;)+) => {
        impl Code {
            $(
                #[doc = concat!("`", $text, "`: ", $title, ".")]
                pub const $name: Self = Self($number);
            )+
        }

        static ROWS: &[Row] = &[$(
            Row {
                code: Code($number),
                name: stringify!($name),
                title: $title,
                page: include_str!(concat!("../../docs/codes/", $text, ".md")),
                severity: severities($severity),
            }
        ),+];
    };
}

/// One letter per profile, in the order compat, lint, strict, plan: `E`rror, `W`arning, `N`ote,
/// `-` for silence.
const fn severities(letters: &str) -> [Option<Severity>; 4] {
    let bytes = letters.as_bytes();
    let mut out = [None; 4];
    let mut i = 0;
    while i < 4 {
        out[i] = match bytes[i] {
            b'E' => Some(Severity::Error),
            b'W' => Some(Severity::Warning),
            b'N' => Some(Severity::Note),
            b'-' => None,
            _ => panic!("severity letters are E, W, N and -"),
        };
        i += 1;
    }
    out
}

codes! {
    // The file.
    1 "KC0001" SYNTAX "EEEE" "the file is not valid YAML";
    2 "KC0002" DUPLICATE_KEY "EEEE" "a mapping has the same key twice";
    3 "KC0003" ALIAS "EEEE" "an alias refers to no anchor";
    4 "KC0004" BUDGET "EEEE" "the input exceeds a limit";
    5 "KC0005" WRONG_TYPE "EEEE" "a value has the wrong shape";
    6 "KC0006" UNKNOWN_KEY "EEEE" "a key is not known at its place";
    7 "KC0007" MISPLACED_KEY "EEEE" "a key belongs to another level";
    8 "KC0008" OBSOLETE_VERSION "NNNN" "`version` is obsolete";
    9 "KC0009" V1_FILE "EEEE" "the file has the format of 2014, services at its root";
    10 "KC0010" INVALID_TEMPLATE "EEEE" "a `${…}` is malformed";
    11 "KC0011" REQUIRED_VARIABLE "EEEE" "a required variable is not set";
    12 "KC0012" UNDEFINED_VARIABLE "WWWW" "a variable without default is not set";
    13 "KC0013" INVALID_VALUE "EEEE" "a value is none of the possible ones";
    14 "KC0014" PROJECT_NAME "EEEE" "the project has no valid name";
    15 "KC0015" EMPTY_FILE "EEEE" "the file has no content";
    16 "KC0016" MERGE_KEY "EEEE" "`<<` does not merge a mapping";
    17 "KC0017" UNREADABLE_FILE "EEEE" "a file cannot be read";
    18 "KC0018" ENV_FILE "EEEE" "an environment file is malformed";
    19 "KC0019" MISPLACED_TAG "WWWW" "`!reset` or `!override` has no effect here";

    // Addresses of endpoints.
    101 "KC0101" BAD_ADDRESS "EEEE" "an address cannot be read";
    102 "KC0102" WRONG_FAMILY "EEEE" "an address is of the other family";
    103 "KC0103" PREFIX_ADDRESS "EEEE" "an address is given as a prefix";
    104 "KC0104" OUTSIDE_SUBNET "EEEE" "an address is outside of every subnet of its network";
    105 "KC0105" NETWORK_ADDRESS "EEEE" "an address is the network or broadcast address of its subnet";
    106 "KC0106" GATEWAY_ADDRESS "EEEE" "an address is the gateway of its subnet";
    107 "KC0107" DUPLICATE_ADDRESS "WWEE" "two services have the same address";
    108 "KC0108" AUX_ADDRESS "EEEE" "an address is reserved by `aux_addresses`";
    109 "KC0109" REPLICATED_ADDRESS "EEEE" "one address for several replicas";
    110 "KC0110" NO_SUBNET "EEEE" "a fixed address in a network without a subnet of its family";
    111 "KC0111" EXTERNAL_ADDRESS "-NNN" "a fixed address in an external network";
    112 "KC0112" DYNAMIC_RANGE "-WWN" "a fixed address where dynamic ones are taken from";
    113 "KC0113" BAD_MAC "EEEE" "a MAC address cannot be used";
    114 "KC0114" DUPLICATE_MAC "WWEE" "two endpoints have the same MAC address";
    115 "KC0115" PRIMARY_MAC "EEEE" "the service's MAC address is not that of its primary network";
    116 "KC0116" NOT_LINK_LOCAL "WWWW" "a link-local address is not link-local";
    117 "KC0117" INTERFACE_NAME "EEEE" "an interface name cannot be used";
    118 "KC0118" PRIORITY "WWEE" "a priority is not an integer";
    119 "KC0119" PREFIX_NOTE "NNNN" "an address with the prefix length of its subnet";
    120 "KC0120" DELEGATED_OVERLAP "EEEE" "a delegated prefix covers an address of somebody else";
    121 "KC0121" DELEGATED_SMALL "EEEE" "a delegated prefix has too few addresses";
    122 "KC0122" ANYCAST_ADDRESS "-NNN" "an address is the subnet-router anycast address";
    123 "KC0123" FAMILY_OFF "WWEE" "an address of a family that its network does not carry";

    // Networks and pools.
    201 "KC0201" BAD_SUBNET "EEEE" "a subnet cannot be read";
    202 "KC0202" EMPTY_SUBNET "EEEE" "a subnet is empty";
    203 "KC0203" HOST_BITS "WWEW" "a subnet has host bits set";
    204 "KC0204" POOL_OVERLAP "EEEE" "two subnets of one network overlap";
    205 "KC0205" NETWORK_OVERLAP "WWEE" "subnets of two networks overlap";
    206 "KC0206" FOREIGN_OVERLAP "WWEE" "a subnet overlaps with one that somebody else holds";
    207 "KC0207" BRIDGE_POOLS "EEEE" "a bridge has several IPv4 subnets";
    208 "KC0208" BAD_RANGE "EEEE" "an `ip_range` does not fit its subnet";
    209 "KC0209" BAD_GATEWAY "EEEE" "a gateway does not fit its subnet";
    210 "KC0210" GATEWAY_IN_RANGE "-NN-" "a gateway lies inside of `ip_range`";
    211 "KC0211" GATEWAY_IGNORED "-WWW" "a gateway is ignored in ipvlan L3";
    212 "KC0212" BAD_AUX "EEEE" "an auxiliary address does not fit its subnet";
    213 "KC0213" IPV6_OFF "WWEW" "an IPv6 subnet in a network without IPv6";
    214 "KC0214" NO_FAMILY "EEEE" "a network with both families switched off";
    215 "KC0215" EXTERNAL_ATTRIBUTES "WWEW" "an external network has attributes that are ignored";
    216 "KC0216" SAME_NAME "EEEE" "two networks have the same effective name";
    217 "KC0217" POOL_TOO_SMALL "WWEE" "a subnet has too few addresses for its members";
    218 "KC0218" SHARED_PARENT "EEEE" "one parent link with contradicting drivers, modes or flags";
    219 "KC0219" INTERNAL_PORTS "-WWW" "a service publishes ports but is only in internal networks";
    220 "KC0220" OVERLAY_NOTE "NNNN" "docker's overlay is built as ipip";
    221 "KC0221" SQUATTED_SUBNET "-WWW" "a subnet out of somebody else's address space";
    222 "KC0222" DEFAULT_POOL "-WWN" "a subnet out of docker's default pools";
    223 "KC0223" UNUSED_NETWORK "-NNN" "a network without members";
    224 "KC0224" NETWORK_KEY "EEEE" "a network key with characters that are not allowed";
    225 "KC0225" BAD_PARENT "EEEE" "a parent link that cannot be one";
    226 "KC0226" PARENT_SUBNET "EEEE" "an ipvlan L3 subnet that is the parent's own";
    227 "KC0227" INTERNAL_PARENT "WWWW" "`internal` wins over `parent`";
    228 "KC0228" WEAK_ULA "-NNN" "a unique local prefix without a random global ID";
    229 "KC0229" DRIVER_OPTION "EEEE" "a driver option has no such value";
    230 "KC0230" NO_MULTICAST "-NNN" "ipvlan L3 carries neither broadcast nor multicast";
    231 "KC0231" UNKNOWN_DRIVER "-NNN" "a driver that only a plugin can provide";
    232 "KC0232" PREDEFINED "EEEE" "a predefined network cannot be declared";

    // Services.
    301 "KC0301" UNDEFINED_NETWORK "EEEE" "a service refers to a network that is not defined";
    302 "KC0302" MODE_AND_NETWORKS "EEEE" "`network_mode` and `networks` exclude each other";
    303 "KC0303" BLANK_MODE "WWEW" "a blank `network_mode` leaves the service without a network";
    304 "KC0304" MODE_CONFLICT "WWEW" "an attribute that `network_mode` makes void";
    305 "KC0305" MODE_TARGET "EEEE" "`network_mode` names a service that is not defined";
    306 "KC0306" CYCLE "EEEE" "services depend on each other in a circle";
    307 "KC0307" UNDEFINED_SERVICE "EEEE" "a reference to a service that is not defined";
    308 "KC0308" REPLICAS "EEEE" "`scale` and `deploy.replicas` disagree or are no numbers";
    309 "KC0309" REPLICATED_NAME "EEEE" "one container name for several replicas";
    310 "KC0310" DUPLICATE_NETWORK "EEEE" "a service names a network twice";
    311 "KC0311" SERVICE_KEY "EEEE" "a service key with characters that are not allowed";
    312 "KC0312" UNKNOWN_MODE "-NNN" "a `network_mode` that is the name of a network";
    313 "KC0313" INACTIVE_DEPENDENCY "EEEE" "an active service needs one that no active profile includes";
    314 "KC0314" NULL_NETWORKS "EEEE" "`networks` of a service is empty";
    315 "KC0315" DUPLICATE_ITEM "-WWW" "a list has the same entry twice";

    // Ports, names, DNS.
    401 "KC0401" BAD_PORT "EEEE" "a port cannot be read";
    402 "KC0402" PORT_CLASH "WWEE" "two services publish the same port";
    403 "KC0403" PORT_REPLICAS "WWEE" "too few published ports for the replicas";
    404 "KC0404" BAD_DNS "WWEW" "a name server is not an address";
    405 "KC0405" BAD_HOST "EEEE" "an extra host cannot be read";
    406 "KC0406" ALIAS_CLASH "-WWW" "two services have the same name in a network";
    407 "KC0407" BAD_HOSTNAME "-WWW" "a host name with characters that are not allowed";
    408 "KC0408" PORTS_NOT_APPLIED "---N" "published ports are not applied";
    409 "KC0409" HOST_ADDRESS "WWEE" "an extra host has no IP address";

    // Several files.
    501 "KC0501" INCLUDE "EEEE" "an `include` cannot be followed";
    502 "KC0502" EXTENDS "EEEE" "an `extends` cannot be followed";
    503 "KC0503" EXTENDS_CYCLE "EEEE" "`extends` or `include` runs in a circle";
    504 "KC0504" INCLUDE_CONFLICT "EEEE" "an included file defines what is already defined";
    505 "KC0505" DROPPED_POOL "NNNN" "an override drops a subnet of the base file";

    // The daemon's configuration.
    601 "KC0601" DAEMON_SYNTAX "EEEE" "the daemon's configuration is not valid JSON";
    602 "KC0602" DAEMON_CIDR "EEEE" "a CIDR in the daemon's configuration cannot be used";
    603 "KC0603" DAEMON_POOL "EEEE" "a default address pool cannot be used";
}

impl Code {
    /// All codes in ascending order.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.code)
    }

    fn row(self) -> Option<&'static Row> {
        let at = ROWS.binary_search_by_key(&self, |row| row.code).ok()?;
        ROWS.get(at)
    }

    /// What the code means, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().map_or("", |row| row.title)
    }

    /// The code's name in this crate in kebab case, such as `duplicate-address`.
    #[must_use]
    pub fn slug(self) -> String {
        let name = self.row().map_or("", |row| row.name);
        name.to_ascii_lowercase().replace('_', "-")
    }

    /// The documentation page in Markdown: what it means, an example, what to do.
    #[must_use]
    pub fn page(self) -> &'static str {
        self.row().map_or("", |row| row.page)
    }

    /// The severity under a profile; `None` where the profile passes over it in silence.
    #[must_use]
    pub fn severity(self, profile: Profile) -> Option<Severity> {
        let [compat, lint, strict, plan] = self.row()?.severity;
        match profile {
            Profile::Compat => compat,
            Profile::Lint => lint,
            Profile::Strict => strict,
            Profile::Plan => plan,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KC{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a known code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such code; codes look like KC0104")]
pub struct ParseCodeError;

impl FromStr for Code {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, ParseCodeError> {
        let digits = text.strip_prefix("KC").filter(|d| d.len() == 4);
        let number = digits.and_then(|d| d.parse().ok()).ok_or(ParseCodeError)?;
        let code = Self(number);
        code.row().map(|_| code).ok_or(ParseCodeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_read_back() {
        assert!(ROWS.windows(2).all(|w| w[0].code < w[1].code));
        for code in Code::all() {
            assert_eq!(code.to_string().parse(), Ok(code));
            assert!(!code.title().is_empty());
            assert!(code.page().starts_with(&format!("# {code}: ")), "{code}");
        }
        assert!("KC9999".parse::<Code>().is_err());
    }
}
