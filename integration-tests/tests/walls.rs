//! What holds the processes in, and who may talk to the supervisor.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::{Duration, Instant},
};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, control, on_wire, request, say},
};
use ipc::{
    Code, Role,
    endpoint::Options,
    id::ConversationId,
    messages::{
        common::{Echo, Source},
        llm::{ListModels, Wire},
        storage::SetTitle,
    },
};
use serde_json::{Value, json};

/// What must hold of every role, whether or not the kernel gives namespaces.
#[track_caller]
fn check_rights(rights: &Value, namespaces: bool) {
    let roles: Vec<&str> = rights.as_array().unwrap().iter().map(|role| role["role"].as_str().unwrap()).collect();
    for role in ["storage", "crypto", "llm", "courier", "agent", "code", "verifier", "ui"] {
        assert!(roles.contains(&role), "{role} is not in {roles:?}");
    }
    for role in rights.as_array().unwrap() {
        let walls = role["walls"].as_array().unwrap();
        let stands = |name: &str| walls.iter().any(|wall| wall["name"] == name && wall["enforced"] == true);
        // These must suffice where namespaces are refused.
        assert!(stands("landlock files") && stands("seccomp") && stands("no_new_privs"), "{role:#}");
        assert_eq!(stands("namespaces"), namespaces, "{role:#}");
        let proofs = role["proofs"].as_array().unwrap();
        assert!(proofs.len() >= 20, "{role:#}");
        let allowed: Vec<&str> =
            proofs.iter().filter(|proof| proof["outcome"] == "allowed").map(|proof| proof["act"].as_str().unwrap()).collect();
        let expected: &[&str] = match role["role"].as_str().unwrap() {
            "storage" | "ui" => &["list its own directory"],
            "llm" | "courier" => &["make a TCP socket"],
            _ => &[],
        };
        assert_eq!(allowed, expected, "{role:#}");
    }
}

#[test]
fn every_role_stands_behind_its_walls_and_has_tried_them() {
    let home = Home::new();
    let rights = home.run(["--json", "ps", "--rights"]).json();
    // A container may refuse them; then the next test is this one.
    let given = Command::new("unshare").args(["-rmn", "true"]).status().is_ok_and(|status| status.success());
    check_rights(&rights, given);
    home.assert_empty();
}

#[test]
fn landlock_and_seccomp_suffice_where_namespaces_are_refused() {
    let home = Home::new();
    // In a user namespace of the test's own the limit can be set to none, and lamos finds a kernel that refuses.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces || exit 99\nexport LAMOS_DATA_DIR={}\n{} --json ps --rights",
        home.data().display(),
        home.lamos().display()
    );
    let output = Command::new("unshare").args(["-r", "sh", "-c", &script]).output().unwrap();
    if output.status.code() == Some(99) || String::from_utf8_lossy(&output.stderr).contains("unshare:") {
        eprintln!("not tried: no user namespace can be made here");
        return;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rights = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    check_rights(&rights, false);
    home.assert_empty();
}

#[test]
fn an_ordinary_user_is_served_like_root() {
    if !rustix::process::geteuid().is_root() {
        // Then every other test is this one.
        return;
    }
    const NOBODY: &str = "65534";
    let home = Home::new();
    let directory = home.path("");
    let given = Command::new("chown").args(["-R", NOBODY]).arg(&directory).status().unwrap();
    assert!(given.success());
    let lamos = |words: &[&str]| {
        let output = Command::new("setpriv")
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"])
            .arg(home.lamos())
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &directory)
            .env("LAMOS_DATA_DIR", home.data())
            .current_dir(&directory)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(lamos(&["ask", "chance that 3d6 is at least 15"]).contains("9.26 %"));
    assert!(lamos(&["history"]).contains("3d6"));
    let rights: Value = serde_json::from_str(&lamos(&["--json", "ps", "--rights"])).unwrap();
    let namespaces =
        &rights[0]["walls"].as_array().unwrap().iter().find(|wall| wall["name"] == "namespaces").unwrap()["enforced"];
    check_rights(&rights, *namespaces == true);
}

#[test]
fn the_text_of_ps_is_for_people() {
    let home = Home::new();
    let text = home.run(["ps", "--rights"]).good();
    assert!(text.contains("stands") && text.contains("forbidden acts, all refused") && !text.contains("MISSING"), "{text}");
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    let text = home.run(["ps"]).good();
    for role in ["supervisor", "storage/", "crypto/", "agent/", "code/"] {
        assert!(text.contains(role), "{role} is not in {text}");
    }
    drop(serve);
    let text = home.run(["doctor"]).good();
    assert!(text.contains("data directory"), "{text}");
    home.assert_empty();
}

#[test]
fn no_process_keeps_what_it_was_not_given() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "chance that 3d6 is at least 15"]).good();
    for process in home.processes().into_iter().filter(|process| process.command.contains("--role=") && !process.is("supervisor"))
    {
        let role = process.command.replace('\0', " ");
        if let Ok(environment) = fs::read_to_string(format!("/proc/{}/environ", process.pid)) {
            let names: Vec<&str> = environment.split_terminator('\0').filter_map(|pair| pair.split('=').next()).collect();
            assert!(names.iter().all(|name| name.starts_with("MIMALLOC_") || name.starts_with("RUST_")), "{role}: {names:?}");
        }
        let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", process.pid)) else { continue };
        let open: Vec<String> = descriptors
            .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        for path in &open {
            let own = process.is("storage") && path.starts_with(home.data().join("spaces").to_str().unwrap());
            let slots = process.is("crypto") && path.starts_with(home.data().to_str().unwrap());
            let harmless = ["/dev/null", "socket:", "anon_inode:", "pipe:"].iter().any(|known| path.starts_with(known));
            assert!(own || slots || harmless, "{role} holds {path}");
        }
    }
    drop(serve);
}

#[test]
fn the_control_socket_is_private_and_strict() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.data().join("run/control.sock")), 0o600);
    assert_eq!(mode(home.data().join("run")), 0o700);
    assert_eq!(mode(home.data()), 0o700);
    let code = |line: &str| say(&control(&home), line).map(|answer| answer["error"]["code"].as_i64().unwrap_or(0));
    assert_eq!(code(&request("status", json!({}))), Some(0));
    assert_eq!(code("nonsense"), Some(-32700));
    assert_eq!(code("[1,2]"), Some(-32600));
    assert_eq!(code(&request("format", json!({}))), Some(-32601));
    assert_eq!(code(&request("restart", json!({}))), Some(-32602));
    let stranger = json!({ "version": 1, "schema": 1, "program": "0.0.0", "serves": false });
    assert_eq!(code(&request("attach", stranger)), Some(-32600));
    // A line that does not end is not waited for, nor kept.
    let flood = control(&home);
    let mut sent = 0_usize;
    let chunk = [b'x'; 16 << 10];
    while sent < 16 << 20 && (&flood).write_all(&chunk).is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 4 << 20, "it takes a line of {sent} bytes");
    // Many at once are bounded, and a new one is served when they have gone.
    let many: Vec<_> =
        (0..300).filter_map(|_| std::os::unix::net::UnixStream::connect(home.data().join("run/control.sock")).ok()).collect();
    drop(many);
    let until = Instant::now() + Duration::from_secs(10);
    while code(&request("status", json!({}))) != Some(0) {
        assert!(Instant::now() < until, "it does not recover");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_process_answers_and_no_stream_is_lost() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        let to = |role| Options { role: Some(role), ..Options::default() };
        // Nothing is open yet: what needs a space says so.
        let refusal = attached.client.call_with(&Echo { bytes: vec![1] }, to(Role::Storage)).await.unwrap_err();
        assert_eq!(refusal.code, Code::NotSignedIn, "{refusal}");
        attached.demo().await;
        for role in [Role::Storage, Role::Crypto, Role::Llm, Role::Code, Role::Courier] {
            for length in [0, 1, 64, 65_536, 1_000_000] {
                let bytes = vec![7; length];
                let echoed = attached.client.call_with(&Echo { bytes: bytes.clone() }, to(role)).await.unwrap();
                assert_eq!(echoed.bytes, bytes, "{role:?} {length}");
            }
        }
        let mut stream = attached.client.open(&Source { pieces: 2000, size: 60_000 }, to(Role::Llm)).unwrap();
        let mut pieces = 0;
        while let Some(piece) = stream.next().await {
            assert_eq!(piece.unwrap().0.len(), 60_000);
            pieces += 1;
        }
        stream.answer().await.unwrap();
        assert_eq!(pieces, 2000);
    });
}

#[test]
fn more_than_the_table_allows_is_refused_and_not_queued() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        let to = Options { role: Some(Role::Llm), ..Options::default() };
        // A body that is larger than its row allows, though not larger than a body may be.
        let title = SetTitle { id: ConversationId([1; 16]), title: "x".repeat(5000) };
        let refusal = attached.client.call(&title).await.unwrap_err();
        assert_eq!(refusal.code, Code::TooLarge, "{refusal}");
        // Still attached, and still served.
        attached.client.call_with(&Echo { bytes: vec![] }, to).await.unwrap();
        // Of many at once some are refused at once; every one gets its one answer.
        let mut calls = Vec::new();
        for _ in 0..20 {
            let client = attached.client.clone();
            calls.push(tokio::task::spawn_local(async move {
                client.call(&ListModels { lease: 12_345, wire: Wire::OpenAiChat }).await
            }));
        }
        let mut refused = 0;
        for call in calls {
            refused += usize::from(call.await.unwrap().is_err());
        }
        assert_eq!(refused, 20);
    });
}

#[test]
fn the_policy_can_be_read() {
    let home = Home::new();
    let rows = home.run(["--json", "policy", "explain"]).json();
    assert_eq!(rows.as_array().unwrap().len(), ipc::policy::TABLE.len());
    let said = home.run(["policy", "explain", "code"]).bad(3);
    assert!(said.contains("no row lets code ask anybody"), "code asks nobody for anything: {said}");
    let text = home.run(["policy", "explain", "agent", "llm"]).good();
    assert!(text.contains("Complete"), "{text}");
}

#[test]
fn completions_and_the_manual_are_there() {
    let home = Home::new();
    assert!(home.run(["completions", "bash"]).good().contains("lamos"));
    assert!(home.run(["man"]).good().contains(".TH"));
    home.assert_empty();
}
