//! Where a question, and a key, may not go.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use super::{
    scripted_server::{Act, ScriptedServer, silent, streamed, was_tried, whole},
    *,
};

#[test]
fn nobody_is_sent_elsewhere() {
    let (elsewhere, address) = silent();
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for to in [format!("http://{address}/v1/chat/completions"), "/v1/elsewhere?secret=canary".to_owned()] {
            let server = ScriptedServer::start(vec![whole(status, "text/html", &format!("location: {to}\r\n"), "moved")]);
            story(async {
                let refusal = Setting::at(server.address).stage().refused(Wire::OpenAiChat).await;
                assert_eq!(refusal.code, Code::OriginRefused, "{status} {to}");
                assert!(!refusal.sentence.contains("elsewhere?") && refusal.sentence.contains("nothing was sent there"));
            });
            assert_eq!(server.asked().len(), 1, "{status} {to}");
        }
    }
    assert!(!was_tried(&elsewhere));
}

#[test]
fn no_name_leads_inside() {
    let hosts = "127.0.0.1 inside.example\n::1 inside6.example\n10.1.2.3 private.example\n169.254.169.254 metadata.example\n\
        0.0.0.0 blocked.example\n::ffff:127.0.0.1 mapped.example\n224.0.0.1 all.example\n1.2.3.4 mixed.example\n127.0.0.1 mixed.example\n";
    let (listener, address) = silent();
    for name in ["inside", "inside6", "private", "metadata", "blocked", "mapped", "all", "mixed"] {
        for key in ["", KEY] {
            let scheme = if key.is_empty() { "http" } else { "https" };
            let url = format!("{scheme}://{name}.example:{}/v1", address.port());
            story(async {
                let refusal = Setting { hosts, key, ..Setting::url(url) }.stage().refused(Wire::OpenAiChat).await;
                assert_eq!(refusal.code, Code::OriginRefused, "{name}: {}", refusal.sentence);
                assert!(refusal.sentence.contains("write the address in its base URL"), "{}", refusal.sentence);
            });
        }
    }
    assert!(!was_tried(&listener), "a connection was made");
}

#[test]
fn a_key_goes_in_the_clear_to_this_machine_alone() {
    let (listener, address) = silent();
    let port = address.port();
    let hosts = "127.0.0.1 inside.example\n";
    for url in [
        format!("http://inside.example:{port}/v1"),
        format!("http://0.0.0.0:{port}/v1"),
        format!("http://user@localhost:{port}/v1"),
    ] {
        story(async {
            let refusal = Setting { hosts, ..Setting::url(url) }.stage().refused(Wire::OpenAiChat).await;
            assert_eq!(refusal.code, Code::OriginRefused, "{}", refusal.sentence);
        });
    }
    assert!(!was_tried(&listener), "a connection was made");
}

#[test]
fn this_machine_is_found_by_its_name() {
    let (stream, completed) = short(Wire::OpenAiChat);
    let server = ScriptedServer::start(vec![streamed(&stream)]);
    story(async {
        // What the hosts file says about this name does not count.
        let setting =
            Setting { hosts: "10.0.0.1 localhost\n", ..Setting::url(format!("http://localhost:{}/v1", server.address.port())) };
        assert_eq!(setting.stage().ask(Wire::OpenAiChat).await, (hi(), Ok(completed)));
    });
}

#[test]
fn names_nobody_knows() {
    story(async {
        let refusal = Setting::url("https://nowhere.example/v1".into()).stage().refused(Wire::OpenAiChat).await;
        assert_eq!(refusal.code, Code::ModelUnreachable);
        assert!(refusal.sentence.contains("names no name server"), "{}", refusal.sentence);
    });
}

fn certified(certificate: &[u8]) -> ServerConfig {
    let key = PrivateKeyDer::try_from(include_bytes!("certificates/key.der").to_vec()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.to_vec())], key)
        .expect("a certificate")
}

fn authority() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(include_bytes!("certificates/ca.der").to_vec())).expect("an authority");
    roots
}

#[test]
fn a_server_proves_who_it_is_before_it_sees_a_word() {
    let (stream, completed) = short(Wire::OpenAiChat);
    #[rustfmt::skip]
    let rows: [(&[u8], Option<&str>); 4] = [
        (include_bytes!("certificates/good.der"), None),
        (include_bytes!("certificates/expired.der"), Some("has expired")),
        (include_bytes!("certificates/other.der"), Some("is for another name")),
        (include_bytes!("certificates/selfsigned.der"), Some("signed by nobody this system trusts, or by itself")),
    ];
    for (certificate, trouble) in rows {
        let server = ScriptedServer::start_tls(vec![streamed(&stream)], certified(certificate));
        story(async {
            let url = format!("https://localhost:{}/v1", server.address.port());
            let stage = Setting { roots: authority(), ..Setting::url(url) }.stage();
            match trouble {
                None => assert_eq!(stage.ask(Wire::OpenAiChat).await, (hi(), Ok(completed.clone()))),
                Some(trouble) => {
                    let refusal = stage.refused(Wire::OpenAiChat).await;
                    assert_eq!(refusal.code, Code::ModelUnreachable);
                    assert!(refusal.sentence.contains(trouble), "{}", refusal.sentence);
                    assert!(refusal.sentence.contains("no way around this"), "{}", refusal.sentence);
                }
            }
        });
        let asked = server.asked().len();
        assert_eq!((asked, server.connections()), (usize::from(trouble.is_none()), 1), "{trouble:?}");
    }
}

#[test]
fn nobody_is_trusted_without_roots_and_no_plain_server_behind_https() {
    let server = ScriptedServer::start_tls(vec![vec![Act::Close]], certified(include_bytes!("certificates/good.der")));
    let plain = ScriptedServer::start(vec![streamed(&short(Wire::OpenAiChat).0)]);
    story(async {
        let url = |port: u16| format!("https://localhost:{port}/v1");
        let refusal = Setting::url(url(server.address.port())).stage().refused(Wire::OpenAiChat).await;
        assert_eq!(refusal.code, Code::ModelUnreachable);
        let setting = Setting { roots: authority(), times: IMPATIENT, ..Setting::url(url(plain.address.port())) };
        let refusal = setting.stage().refused(Wire::OpenAiChat).await;
        assert_eq!(refusal.code, Code::ModelUnreachable, "{}", refusal.sentence);
    });
    assert!(plain.asked().is_empty());
}

#[test]
fn the_system_is_read_without_fail() {
    // Whatever this machine has or lacks, the process starts: there are always roots.
    assert!(crate::prepare().is_ok());
    assert!(!outbound::roots().is_empty());
}
