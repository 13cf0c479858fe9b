//! A network of the test's own, whose way out is a wire that the test holds in its hand: every packet that any process
//! sends to another host comes out here, and nowhere else.
//!
//! The test runs itself again inside ([`inside`]): a user, network and mount namespace with a loopback, a TUN device
//! that the default routes of both families lead to, and a resolver that is reached over it.

use std::{
    collections::BTreeSet,
    env, fmt,
    fs::{File, OpenOptions},
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd as _,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

/// Set for the test that was started inside.
const INSIDE: &str = "LAMOS_CAPTURE_INSIDE";

/// The resolver that programs inside are told of.
pub const RESOLVER: &str = "10.77.0.53";

const DEVICE: &str = "lamos0";

/// Somewhere a packet was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// The host.
    pub to: IpAddr,
    /// The protocol's number (6 TCP, 17 UDP).
    pub protocol: u8,
    /// The port, where the protocol has one.
    pub port: u16,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => format!("protocol {other}"),
        };
        write!(f, "{protocol} {} {}", self.to, self.port)
    }
}

/// Everything that left, as it leaves.
pub struct Capture {
    sent: Arc<Mutex<BTreeSet<Sent>>>,
}

impl Capture {
    /// Where packets went so far, in an order that does not change.
    pub fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(Sent::to_string).collect()
    }
}

/// Runs the calling test, whose full name this is, once more in a network of its own. There it returns the capture;
/// outside `None`, once the test inside has passed. Says so and returns `None` where no such network can be made.
pub fn inside(test: &str) -> Option<Capture> {
    if env::var_os(INSIDE).is_some() {
        return Some(capture());
    }
    if !Path::new("/dev/net/tun").exists() {
        eprintln!("not tried: this machine has no /dev/net/tun");
        return None;
    }
    let may = Command::new("unshare").args(["-rnm", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: no network namespace can be made here");
        return None;
    }
    let program = env::current_exe().unwrap();
    let words = ["-rnm".as_ref(), program.as_os_str(), test.as_ref(), "--exact".as_ref(), "--nocapture".as_ref()];
    let status = Command::new("unshare").args(words).env(INSIDE, "1").status().unwrap();
    assert!(status.success(), "the test failed inside");
    None
}

fn capture() -> Capture {
    let device = open_device();
    for words in [
        &["link", "set", "lo", "up"][..],
        &["addr", "add", "10.77.0.1/24", "dev", DEVICE],
        &["addr", "add", "fd77::1/64", "dev", DEVICE, "nodad"],
        &["link", "set", DEVICE, "up"],
        &["route", "add", "default", "dev", DEVICE],
        &["-6", "route", "add", "default", "dev", DEVICE],
    ] {
        let output = Command::new("ip").args(words).output().expect("the package iproute2 is installed");
        assert!(output.status.success(), "ip {words:?}: {output:?}");
    }
    let resolver = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(resolver.path(), format!("nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")).unwrap();
    let bound = Command::new("mount").arg("--bind").arg(resolver.path()).arg("/etc/resolv.conf").status().unwrap();
    assert!(bound.success(), "resolv.conf cannot be replaced inside");
    let sent = Arc::<Mutex<BTreeSet<Sent>>>::default();
    let seen = Arc::clone(&sent);
    thread::spawn(move || {
        let (mut device, mut packet) = (device, vec![0; 1 << 16]);
        while let Ok(length) = device.read(&mut packet) {
            if let Some(to) = destination(&packet[..length]) {
                seen.lock().unwrap().insert(to);
            }
        }
    });
    Capture { sent }
}

/// A TUN device without a packet information header (Linux, Documentation/networking/tuntap.rst).
#[expect(unsafe_code, reason = "a system call without a safe wrapper")]
fn open_device() -> File {
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap();
    // SAFETY: all zeros is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request outlives the call, and is what this command reads.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(result, 0, "a device cannot be made: {}", std::io::Error::last_os_error());
    device
}

/// Where a packet goes. `None` for what the kernel itself says on any link that comes up (ICMPv6 and multicast
/// membership), which no program sent.
fn destination(packet: &[u8]) -> Option<Sent> {
    const ICMP_V6: u8 = 58;
    const HOP_BY_HOP: u8 = 0;
    let (to, protocol, rest) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet[0] & 15) * 4;
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            (IpAddr::from(Ipv4Addr::from(to)), *packet.get(9)?, packet.get(header..)?)
        }
        6 => {
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (IpAddr::from(Ipv6Addr::from(to)), *packet.get(6)?, packet.get(40..)?)
        }
        _ => return None,
    };
    if to.is_ipv6() && (protocol == ICMP_V6 || protocol == HOP_BY_HOP) {
        return None;
    }
    let port = match (protocol, rest.get(2..4)) {
        (6 | 17, Some(port)) => u16::from_be_bytes([port[0], port[1]]),
        _ => 0,
    };
    Some(Sent { to, protocol, port })
}
