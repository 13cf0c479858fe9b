//! One request of HTTP/1.1 as it comes out of a socket: for servers of tests, which take whole requests or none.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// Longest head.
const MAX_HEAD: usize = 64 << 10;

/// Longest body.
const MAX_BODY: usize = 256 << 20;

/// A whole request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// The path, decoded.
    pub path: String,
    /// What follows `?`, decoded.
    pub query: Vec<(String, String)>,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Every byte of it, as it came.
    pub raw: Vec<u8>,
}

impl Request {
    /// The next request of a connection; `None` when it has ended, in the middle of one too.
    pub fn read(stream: &mut TcpStream, before: &mut Vec<u8>) -> io::Result<Option<Request>> {
        let mut buffer = [0; 64 << 10];
        let end = loop {
            if let Some(place) = before.windows(4).position(|window| window == b"\r\n\r\n") {
                break place + 4;
            }
            let length = stream.read(&mut buffer)?;
            if length == 0 || before.len() > MAX_HEAD {
                return Ok(None);
            }
            before.extend_from_slice(&buffer[..length]);
        };
        let head = String::from_utf8_lossy(&before[..end]).into_owned();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let (path, query) = words.next().map(|target| target.split_once('?').unwrap_or((target, ""))).unwrap_or_default();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let wanted = headers.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, value)| value.parse().ok());
        let Some(wanted) = wanted.filter(|wanted| *wanted <= MAX_BODY) else { return Ok(None) };
        while before.len() < end + wanted {
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                return Ok(None);
            }
            before.extend_from_slice(&buffer[..length]);
        }
        let rest = before.split_off(end + wanted);
        let raw = std::mem::replace(before, rest);
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        };
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        Ok(Some(Request { method, path: decoded(path), query, headers, body: raw[end..].to_vec(), raw }))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Sends an answer.
pub fn answer(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// Percent-decoding.
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
