//! What must not be done with sockets: made, connected, bound, listened on, told to do otherwise.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use super::{
    Act, CALL, RULE,
    doors::sockets::{
        To, accept, accept_if_any, attach_filter, bind, connect, connect_half, connect_listener, control_pair, fast_open,
        fast_open_message, listen, listen_anew, pair, send_by_half, set_option, socket,
    },
    suite::Ground,
};
use crate::lockdown::rights::Network;

/// Port 9 is hardly anybody's choice.
const NOBODYS: u16 = 9;

/// The small services of old, one more than a person may have chosen at once.
const OF_OLD: &[u16] = &[NOBODYS, 7, 11, 13, 15, 17, 18, 19, 20];

/// Ports of the web that a person may have chosen, and the one that nobody does.
const WEB: &[u16] = &[80, 8080, NOBODYS];

/// What can be had without making a socket is connected already, to its other half, and stays so. In the empty root what
/// it is to be connected to has no name.
const CONNECTED: &[i32] = &[libc::EPERM, libc::EISCONN, libc::ENOENT];

/// Every family that there is a number for, and a few that there will be.
const FAMILIES: usize = 48;

const KINDS: [i32; 6] =
    [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, 10 /* SOCK_PACKET */];

/// A stream protocol that is not TCP (`IPPROTO_SCTP`).
const SCTP: i32 = 132;

/// Nobody may.
pub(super) const FORBIDDEN: &[Act] = &[
    Act::quick("make a UDP socket", CALL, |_| socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    Act::quick("make a Unix socket", CALL, |_| socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    Act::quick("make a netlink socket", CALL, |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    Act::quick("make an MPTCP socket", CALL, |_| socket(libc::AF_INET, libc::SOCK_STREAM, 262)),
    Act::each("make a socket of any other family or kind", CALL, |_| FAMILIES * KINDS.len(), other_socket),
    // Refused by Landlock before anything leaves, or by seccomp before that.
    Act::quick("connect to a port nobody chose", RULE, |ground| connect(libc::SOCK_STREAM, To::Here(nobodys(ground)))),
    Act::once("connect to a port nobody chose over IPv6", RULE, |ground| connect(libc::SOCK_STREAM, To::Here6(nobodys(ground)))),
    Act::once("connect out of the machine to port 80", RULE, |ground| connect(libc::SOCK_STREAM, To::Nobody(web(ground)))),
    Act::once("connect to UDP port 53", CALL, |_| connect(libc::SOCK_DGRAM, To::Nobody(53))),
    // Past Landlock, which does not see it: seccomp alone stands before these three.
    Act::quick("connect by fast open", CALL, |ground| fast_open(may_make(ground), NOBODYS)),
    Act::quick("connect by a fast open message", CALL, |ground| fast_open_message(may_make(ground), NOBODYS)),
    Act::quick("put a connect off until something is sent", CALL, |ground| {
        set_option(may_make(ground), libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT)
    }),
    Act::once("connect to the control socket", CALL, |ground| connect(libc::SOCK_STREAM, To::Unix(&ground.targets.control))),
    Act::once("connect half of a pair to the control socket", CONNECTED, |ground| {
        connect_half(To::Unix(&ground.targets.control))
    }),
    Act::once("send to the control socket by half of a pair", CONNECTED, |ground| {
        send_by_half(To::Unix(&ground.targets.control))
    }),
    Act::once("connect to an abstract socket", CALL, |ground| connect(libc::SOCK_STREAM, To::Unix(&ground.targets.unnamed))),
    Act::once("connect half of a pair to an abstract socket", CONNECTED, |ground| {
        connect_half(To::Unix(&ground.targets.unnamed))
    }),
    // Which could be sent to any name.
    Act::once("make a pair of datagram sockets", CALL, |_| pair(libc::SOCK_DGRAM)),
    Act::quick("listen on a port", RULE, |ground| bind(may_make(ground), To::Here(0))),
    Act::once("listen without a port", CALL, |ground| listen(may_make(ground))),
    Act::once("listen anew on what it accepts on", CALL, |ground| listen_anew(listener(ground), may_make(ground))),
    Act::once("connect what it accepts on", RULE, |ground| {
        connect_listener(listener(ground), may_make(ground), To::Here(nobodys(ground)))
    }),
    Act::once("give a socket an abstract name", CALL, |ground| bind(false, To::Unix(&ground.targets.own_name))),
    Act::once("put a filter before a socket", CALL, |ground| attach_filter(may_make(ground))),
    Act::once("share a port with others", CALL, |ground| set_option(may_make(ground), libc::SOL_SOCKET, libc::SO_REUSEPORT)),
    Act::quick("have the kernel signal the supervisor", CALL, |ground| control_pair(libc::F_SETOWN, ground.birthright.parent)),
    Act::quick("have the kernel signal at all", CALL, |_| control_pair(libc::F_SETFL, libc::O_ASYNC)),
];

/// Who may connect over TCP may.
pub(super) const OVER_TCP: &[Act] = &[
    Act::quick("make a TCP socket", CALL, |_| socket(libc::AF_INET, libc::SOCK_STREAM, 0)),
    Act::once("connect to TCP port 443", RULE, |_| connect(libc::SOCK_STREAM, To::Here(443))),
    Act::once("connect to TCP port 53", RULE, |_| connect(libc::SOCK_STREAM, To::Here(53))),
];

/// Who has the calls for it may.
pub(super) const OPTIONS: &[Act] =
    &[Act::once("keep a connection alive", CALL, |ground| set_option(may_make(ground), libc::SOL_SOCKET, libc::SO_KEEPALIVE))];

/// Who was born with a listener may. Somebody waits there to be let in.
pub(super) const ACCEPTED: &[Act] =
    &[Act::once("let in who waits at its listener", CALL, |ground| accept(listener(ground), may_make(ground)))];

/// Who has the calls for it may.
pub(super) const ACCEPTING: &[Act] =
    &[Act::once("look who waits at its listener", CALL, |ground| accept_if_any(listener(ground), may_make(ground)))];

/// What the process was born with, if it was.
fn listener<'g>(ground: &'g Ground<'_>) -> Option<BorrowedFd<'g>> {
    ground.birthright.listener.as_ref().map(AsFd::as_fd)
}

/// Who may make a socket is tried on one, and who may not on the half of a pair that everybody can have.
fn may_make(ground: &Ground<'_>) -> bool {
    match ground.rights.network {
        Network::None | Network::AcceptInherited => false,
        Network::TcpConnect => true,
    }
}

/// A port that the person did not choose.
fn nobodys(ground: &Ground<'_>) -> u16 {
    first_not_chosen(ground, OF_OLD)
}

/// A port of the web that the person did not choose.
fn web(ground: &Ground<'_>) -> u16 {
    first_not_chosen(ground, WEB)
}

fn first_not_chosen(ground: &Ground<'_>, ports: &[u16]) -> u16 {
    ports.iter().copied().find(|port| !ground.birthright.ports.contains(port)).unwrap_or(NOBODYS)
}

/// Every family with every kind; in the place of TCP, which is a right, what looks like it.
fn other_socket(_: &Ground<'_>, step: usize) -> io::Result<()> {
    let family = i32::try_from(step / KINDS.len()).unwrap_or(i32::MAX);
    let kind = KINDS[step % KINDS.len()];
    let looks_like_tcp = kind == libc::SOCK_STREAM && [libc::AF_INET, libc::AF_INET6].contains(&family);
    socket(family, kind, if looks_like_tcp { SCTP } else { 0 })
}
