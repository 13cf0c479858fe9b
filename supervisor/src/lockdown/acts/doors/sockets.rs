//! The doors that lead to sockets.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::{check, close, with_filter};

pub(in crate::lockdown::acts) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    open_socket(family, kind, protocol).map(close)
}

fn open_socket(family: i32, kind: i32, protocol: i32) -> io::Result<i64> {
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_socket, family, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) })
}

/// A place to connect to.
#[derive(Clone, Copy)]
pub(in crate::lockdown::acts) enum To<'a> {
    /// This port of this machine: nothing leaves it.
    Here(u16),
    /// The same by IPv6.
    Here6(u16),
    /// This port of an address that no machine has (RFC 5737).
    Nobody(u16),
    /// A Unix socket with this path, or with this name after a zero byte.
    Unix(&'a [u8]),
}

/// An address and how much of it counts.
#[repr(C)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    unix: libc::sockaddr_un,
}

fn address(to: To<'_>) -> io::Result<(Address, usize)> {
    let v4 = |port: u16, bytes: [u8; 4]| {
        let v4 = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(bytes) },
            sin_zero: [0; 8],
        };
        (Address { v4 }, size_of::<libc::sockaddr_in>())
    };
    Ok(match to {
        To::Here(port) => v4(port, [127, 0, 0, 1]),
        To::Nobody(port) => v4(port, [192, 0, 2, 1]),
        To::Here6(port) => {
            let mut s6_addr = [0; 16];
            s6_addr[15] = 1;
            let v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: port.to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr },
                sin6_scope_id: 0,
            };
            (Address { v6 }, size_of::<libc::sockaddr_in6>())
        }
        To::Unix(name) => {
            let mut unix = libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
            let room = unix.sun_path.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidInput)?;
            room.iter_mut().zip(name).for_each(|(place, &byte)| *place = byte as libc::c_char);
            (Address { unix }, std::mem::offset_of!(libc::sockaddr_un, sun_path) + name.len())
        }
    })
}

fn connect_by(descriptor: i64, to: To<'_>) -> io::Result<()> {
    let (address, length) = address(to)?;
    // SAFETY: the address outlives the call, and so much of it was written.
    match check(unsafe { libc::syscall(libc::SYS_connect, descriptor, &raw const address, length) }) {
        // Nobody listens there, or not at once, but the kernel let us ask.
        Err(error) if [Some(libc::ECONNREFUSED), Some(libc::EINPROGRESS)].contains(&error.raw_os_error()) => Ok(()),
        other => other.map(drop),
    }
}

/// Makes a socket and connects it.
pub(in crate::lockdown::acts) fn connect(kind: i32, to: To<'_>) -> io::Result<()> {
    let family = match to {
        To::Here(_) | To::Nobody(_) => libc::AF_INET,
        To::Here6(_) => libc::AF_INET6,
        To::Unix(_) => libc::AF_UNIX,
    };
    let descriptor = open_socket(family, kind, 0)?;
    let result = connect_by(descriptor, to);
    close(descriptor);
    result
}

/// Connects a socket that can be had without being made: half of a pair.
pub(in crate::lockdown::acts) fn connect_half(to: To<'_>) -> io::Result<()> {
    let descriptor = one_of_a_pair(libc::SOCK_STREAM)?;
    let result = connect_by(descriptor, to);
    close(descriptor);
    result
}

/// Sends to a name by half of a pair.
pub(in crate::lockdown::acts) fn send_by_half(to: To<'_>) -> io::Result<()> {
    let descriptor = one_of_a_pair(libc::SOCK_STREAM)?;
    let result = send_to(descriptor, 0, to);
    close(descriptor);
    result
}

fn send_to(descriptor: i64, flags: i32, to: To<'_>) -> io::Result<()> {
    let (address, length) = address(to)?;
    let (text, flags) = (c"x".as_ptr(), flags | libc::MSG_NOSIGNAL);
    // SAFETY: the one byte and the address outlive the call, which is told their lengths.
    check(unsafe { libc::syscall(libc::SYS_sendto, descriptor, text, 1, flags, &raw const address, length) }).map(drop)
}

/// A TCP socket for who may make one, and half of a pair for who may not: what is forbidden is forbidden on any.
fn own_socket(may_make: bool) -> io::Result<i64> {
    if may_make { open_socket(libc::AF_INET, libc::SOCK_STREAM, 0) } else { one_of_a_pair(libc::SOCK_STREAM) }
}

fn one_of_a_pair(kind: i32) -> io::Result<i64> {
    let mut pair = [0_i32; 2];
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: room for the two descriptors that the kernel writes.
    check(unsafe { libc::syscall(libc::SYS_socketpair, libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    close(i64::from(pair[1]));
    Ok(i64::from(pair[0]))
}

/// Makes a pair of sockets of this kind.
pub(in crate::lockdown::acts) fn pair(kind: i32) -> io::Result<()> {
    one_of_a_pair(kind).map(close)
}

/// Connects by sending.
pub(in crate::lockdown::acts) fn fast_open(may_make: bool, port: u16) -> io::Result<()> {
    let descriptor = own_socket(may_make)?;
    let result = send_to(descriptor, libc::MSG_FASTOPEN, To::Here(port));
    close(descriptor);
    result
}

/// Connects by sending a message.
pub(in crate::lockdown::acts) fn fast_open_message(may_make: bool, port: u16) -> io::Result<()> {
    let descriptor = own_socket(may_make)?;
    let (mut address, length) = address(To::Here(port))?;
    // SAFETY: all zeros is a message without an address, parts and ancillary data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = length as libc::socklen_t;
    let flags = libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL;
    // SAFETY: the message and the address it points to outlive the call.
    let result = check(unsafe { libc::syscall(libc::SYS_sendmsg, descriptor, &raw const message, flags) });
    close(descriptor);
    result.map(drop)
}

/// Sets an option of a socket to 1.
pub(in crate::lockdown::acts) fn set_option(may_make: bool, level: i32, name: i32) -> io::Result<()> {
    let descriptor = own_socket(may_make)?;
    let on = 1_i32;
    // SAFETY: the option outlives the call, which is told its length.
    let result = check(unsafe { libc::syscall(libc::SYS_setsockopt, descriptor, level, name, &raw const on, size_of_val(&on)) });
    close(descriptor);
    result.map(drop)
}

/// Puts a filter before a socket that lets everything pass.
pub(in crate::lockdown::acts) fn attach_filter(may_make: bool) -> io::Result<()> {
    let descriptor = own_socket(may_make)?;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    let result = with_filter(|program| {
        // SAFETY: the program outlives the call, which is told its length.
        check(unsafe { libc::syscall(libc::SYS_setsockopt, descriptor, level, name, program, size_of::<libc::sock_fprog>()) })
    });
    close(descriptor);
    result.map(drop)
}

/// Tells the kernel something about a descriptor that nobody else has.
pub(in crate::lockdown::acts) fn control_pair(command: i32, argument: i32) -> io::Result<()> {
    let descriptor = one_of_a_pair(libc::SOCK_STREAM)?;
    // SAFETY: no pointers.
    let result = check(unsafe { libc::syscall(libc::SYS_fcntl, descriptor, command, argument) });
    close(descriptor);
    result.map(drop)
}

/// Takes a port of this machine, or a name where there is only half of a pair to give it to.
pub(in crate::lockdown::acts) fn bind(may_make: bool, to: To<'_>) -> io::Result<()> {
    let descriptor = own_socket(may_make)?;
    let (address, length) = address(to)?;
    // SAFETY: the address outlives the call, and so much of it was written.
    let result = check(unsafe { libc::syscall(libc::SYS_bind, descriptor, &raw const address, length) });
    close(descriptor);
    result.map(drop)
}

/// Listens without having taken a port.
pub(in crate::lockdown::acts) fn listen(may_make: bool) -> io::Result<()> {
    let descriptor = own_socket(may_make)?;
    // SAFETY: no pointers.
    let result = check(unsafe { libc::syscall(libc::SYS_listen, descriptor, 1) });
    close(descriptor);
    result.map(drop)
}

/// Does something with the listener that was handed over, or with a socket of the process's own where none was.
fn with_listener(listener: Option<BorrowedFd<'_>>, may_make: bool, act: impl FnOnce(i64) -> io::Result<()>) -> io::Result<()> {
    match listener {
        Some(listener) => act(i64::from(listener.as_raw_fd())),
        None => {
            let descriptor = own_socket(may_make)?;
            let result = act(descriptor);
            close(descriptor);
            result
        }
    }
}

/// Accepts a connection that waits.
pub(in crate::lockdown::acts) fn accept(listener: Option<BorrowedFd<'_>>, may_make: bool) -> io::Result<()> {
    with_listener(listener, may_make, |descriptor| {
        let (nobody, flags) = (std::ptr::null_mut::<libc::c_void>(), libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
        // SAFETY: two null pointers, by which the address of who connected is not asked for.
        check(unsafe { libc::syscall(libc::SYS_accept4, descriptor, nobody, nobody, flags) }).map(close)
    })
}

/// The same where perhaps nobody waits.
pub(in crate::lockdown::acts) fn accept_if_any(listener: Option<BorrowedFd<'_>>, may_make: bool) -> io::Result<()> {
    match accept(listener, may_make) {
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(()),
        other => other,
    }
}

/// Has a listener listen with other bounds.
pub(in crate::lockdown::acts) fn listen_anew(listener: Option<BorrowedFd<'_>>, may_make: bool) -> io::Result<()> {
    with_listener(listener, may_make, |descriptor| {
        // SAFETY: no pointers.
        check(unsafe { libc::syscall(libc::SYS_listen, descriptor, 4096) }).map(drop)
    })
}

/// Connects a listener.
pub(in crate::lockdown::acts) fn connect_listener(
    listener: Option<BorrowedFd<'_>>,
    may_make: bool,
    to: To<'_>,
) -> io::Result<()> {
    with_listener(listener, may_make, |descriptor| connect_by(descriptor, to))
}
