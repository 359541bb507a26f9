#!/usr/bin/env python3
"""Makes the captures beside it. Needs scapy from PyPI: pip install scapy; python3 make.py

    conversations.pcap    pcap, Ethernet: 4in6 (ICMP, TCP with an encapsulation limit, UDP), 6in6, VLAN, plain IPv6
    fragments.pcapng      pcapng, raw IPv6: one 4in6 datagram in three pieces, out of order, and a piece without the rest
    damaged.pcap          pcap, Linux cooked: tunnel packets with a bad inner checksum, a bad length, cut off by the snapshot
"""
from scapy.all import (
    ICMP, IP, TCP, UDP, CookedLinux, Dot1Q, Ether, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw,
    fragment6, PcapNgWriter, wrpcap,
)
from scapy.layers.inet6 import HBHOptUnknown

A, B, C = "fd42:1a8::1", "fd42:1a8::2", "fd42:1a8::3"


def eth(packet, **fields):
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **fields) / packet


def limit(value):
    """The encapsulation limit as Linux sends it: option 4, length 1, then PadN (RFC 2473 section 4.1.1)."""
    return IPv6ExtHdrDestOpt(nh=4, autopad=0, options=[HBHOptUnknown(otype=4, optlen=1, optdata=bytes([value])),
                                                         HBHOptUnknown(otype=1, optlen=1, optdata=b"\0")])


def at(packet, time):
    packet.time = 1_694_434_590 + time
    return packet


ping = IP(src="192.168.2.1", dst="192.168.2.2", id=1)
pong = IP(src="192.168.2.2", dst="192.168.2.1", id=2)
syn = IP(src="10.198.62.5", dst="10.198.62.6", id=3) / TCP(sport=40000, dport=5432, flags="S", seq=1)
ack = IP(src="10.198.62.6", dst="10.198.62.5", id=4) / TCP(sport=5432, dport=40000, flags="SA", seq=9, ack=2)
dns = IP(src="192.168.2.1", dst="192.168.2.3", id=5) / UDP(sport=1234, dport=53) / Raw(b"x" * 20)
conversations = [
    at(eth(IPv6(src=A, dst=B) / ping / ICMP(type=8, id=1, seq=1) / Raw(b"y" * 56)), 0.0),
    at(eth(IPv6(src=B, dst=A) / pong / ICMP(type=0, id=1, seq=1) / Raw(b"y" * 56)), 0.000250),
    at(eth(IPv6(src=A, dst=B) / limit(4) / syn), 0.1),
    at(eth(IPv6(src=B, dst=A) / limit(4) / ack), 0.1005),
    at(eth(IPv6(src=A, dst=C) / dns), 0.2),
    # The same inner addresses in another tunnel are another conversation.
    at(eth(IPv6(src=C, dst=B) / ping / ICMP(type=8, id=1, seq=1)), 0.3),
    at(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / Dot1Q(vlan=20)
       / IPv6(src=A, dst=B) / IPv6(src="fd00::5", dst="fd00::6") / UDP(sport=7, dport=8) / Raw(b"z"), 0.4),
    # Not tunnelled.
    at(eth(IPv6(src=A, dst=B) / UDP(sport=51820, dport=51820) / Raw(b"w" * 64)), 0.5),
    at(eth(ping / ICMP()), 0.6),
]
wrpcap("conversations.pcap", conversations, linktype=1)

big = IPv6(src=A, dst=B) / IPv6ExtHdrFragment(id=7) / IP(src="192.168.2.1", dst="192.168.2.2", id=6) / UDP(sport=9, dport=10) / Raw(b"f" * 3000)
pieces = fragment6(big, 1280)
assert len(pieces) == 3
lost = fragment6(IPv6(src=C, dst=B) / IPv6ExtHdrFragment(id=8) / IP(src="192.168.2.9", dst="192.168.2.2") / UDP(sport=9, dport=10) / Raw(b"g" * 3000), 1280)[0]
with PcapNgWriter("fragments.pcapng") as writer:
    for time, piece in enumerate([pieces[2], pieces[0], lost, pieces[1]]):
        writer.write(at(IPv6(bytes(piece)), time / 1000))

bad_sum = bytearray(bytes(IPv6(src=A, dst=B) / ping / ICMP(type=8)))
bad_sum[50] ^= 0xFF
bad_length = bytearray(bytes(IPv6(src=A, dst=B) / ping / ICMP(type=8)))
bad_length[42:44] = (4000).to_bytes(2, "big")
short = bytes(IPv6(src=A, dst=B) / ping / ICMP(type=8) / Raw(b"q" * 100))[:70]
good = bytes(IPv6(src=A, dst=B) / ping / ICMP(type=8))
cooked = lambda data: CookedLinux(proto=0x86DD) / Raw(bytes(data))
wrpcap("damaged.pcap", [at(cooked(data), n) for n, data in enumerate([bad_sum, bad_length, short, good])], linktype=113)
